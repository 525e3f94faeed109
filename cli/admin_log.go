package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) logCommand() *cobra.Command {
	var filter app.RecordFilter
	var since string
	var asJSON bool
	c := &cobra.Command{
		Use:   "log",
		Short: "Print what operators did",
		Long: `Print what operators did, oldest first. A command is recorded before it acts; one without
an outcome is under way, or the cloud ended in the middle of it. Commands that came without
a valid token have no operator.`,
		Example: `  vauban admin log --since 24h
  vauban admin log --operator alice --since 2026-01-31 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if filter.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			admin, err := e.admin()
			if err != nil {
				return err
			}
			list, err := admin.Records(c.Context(), filter)
			if err != nil {
				return err
			}
			return e.table(asJSON, list, "TIME\tOPERATOR\tUID\tCOMMAND\tOUTCOME", func(print func(string, ...any)) {
				for _, r := range list {
					print("%s\t%s\t%s\t%s\t%s", r.Time.Format(time.RFC3339), or(r.Operator, "-"), uid(r.UID), withArgs(r), or(r.Outcome, "(none)"))
				}
			})
		},
	}
	c.Flags().StringVar(&filter.Operator, "operator", "", "of this operator alone")
	c.Flags().StringVar(&since, "since", "", "from then on: how long ago (24h, 30m), a date, or a time as in 2026-01-31T12:00:00Z")
	jsonFlag(c, &asJSON)
	return c
}

func uid(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// withArgs is a command and what it was given, on one line.
func withArgs(r app.RecordInfo) string {
	var b strings.Builder
	b.WriteString(r.Command)
	for _, k := range slices.Sorted(maps.Keys(r.Args)) {
		v := r.Args[k]
		if strings.ContainsAny(v, " \t\n\"") {
			v = strconv.Quote(v)
		}
		b.WriteString(" " + k + "=" + v)
	}
	return b.String()
}

// parseSince reads a moment: how long before now, a date, or a time.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil {
		return now.Add(-ago), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no moment: give --since how long ago (24h), a date (2026-01-31) or a time (2026-01-31T12:00:00Z)", s)
}
