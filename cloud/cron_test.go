package cloud

import (
	"testing"
	"time"
)

func TestCron(t *testing.T) {
	at := func(text string) time.Time {
		out, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	until := at("2026-03-18 10:30") // a Wednesday
	for text, want := range map[string]string{
		"cron(0 10 * * ? *)":            "2026-03-18 10:00",
		"cron(45 * * * ? *)":            "2026-03-18 09:45",
		"cron(0 12 * * ? *)":            "2026-03-17 12:00",
		"cron(0 0/6 * * ? *)":           "2026-03-18 06:00",
		"cron(0 1-5/2 * * ? *)":         "2026-03-18 05:00",
		"cron(15 4 ? * SUN *)":          "2026-03-15 04:15",
		"cron(15 4 ? * 2-4 *)":          "2026-03-18 04:15",
		"cron(0 0 L * ? *)":             "2026-02-28 00:00",
		"cron(0 0 ? * 6L *)":            "2026-02-27 00:00",
		"cron(0 0 ? * MON#2 *)":         "2026-03-09 00:00",
		"cron(0 23 31 DEC ? 2024-2025)": "2025-12-31 23:00",
		"cron(0 0 1,15 * ? *)":          "2026-03-15 00:00",
	} {
		c, err := ParseCron(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, ok := c.Latest(until.AddDate(-1, 0, 0), until); !ok || !got.Equal(at(want)) {
			t.Errorf("%s: %v, %v, want %s", text, got, ok, want)
		}
		if got, ok := c.Latest(at(want), until); ok {
			t.Errorf("%s: %v after %s", text, got, want)
		}
	}
	for _, text := range []string{
		"", "0 10 * * ? *", "cron(0 10 * * ?)", "cron(* 10 * * ? *)", "cron(60 10 * * ? *)", "cron(0 24 * * ? *)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)",
		"cron(0 10 32 * ? *)", "cron(0 10 * 13 ? *)", "cron(0 10 ? * 8 *)", "cron(0 10 15W * ? *)", "cron(0 5-1 * * ? *)", "cron(0 1/0 * * ? *)", "cron(0 10 ? * MON#6 *)",
	} {
		if _, err := ParseCron(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
