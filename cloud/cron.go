package cloud

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cron is when something happens, at most once an hour, in UTC, as AWS writes it:
// "cron(minute hour day-of-month month day-of-week year)".
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
type Cron struct {
	minute                         int
	hours, days, months, years     []int // nil: all
	weekdays                       []int // Sunday is 1; nil: all
	lastDay                        bool  // of the month
	lastWeekday, nthWeekday, ofNth int   // e.g. 6L, 6#3; 0: none
}

var (
	monthNames   = strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	weekdayNames = strings.Fields("SUN MON TUE WED THU FRI SAT")
)

// ParseCron reads an expression. Its minute must be a number; W is not known.
func ParseCron(text string) (c Cron, err error) {
	inner, ok := strings.CutPrefix(text, "cron(")
	inner, ok2 := strings.CutSuffix(inner, ")")
	f := strings.Fields(inner)
	if !ok || !ok2 || len(f) != 6 {
		return c, fmt.Errorf("%q is not of the form cron(minute hour day-of-month month day-of-week year)", text)
	}
	if c.minute, err = strconv.Atoi(f[0]); err != nil || c.minute < 0 || c.minute > 59 {
		return c, fmt.Errorf("the minute %q is not 0 to 59", f[0])
	}
	if (f[2] == "?") == (f[4] == "?") {
		return c, fmt.Errorf("one of day-of-month %q and day-of-week %q is to be ?", f[2], f[4])
	}
	if f[2] == "L" {
		c.lastDay, f[2] = true, "*"
	}
	if day, ok := strings.CutSuffix(f[4], "L"); ok && day != "" {
		c.lastWeekday, err = number(day, 1, 7, weekdayNames)
		f[4] = "*"
	} else if day, n, ok := strings.Cut(f[4], "#"); ok {
		if c.nthWeekday, err = number(day, 1, 7, weekdayNames); err == nil {
			c.ofNth, err = number(n, 1, 5, nil)
		}
		f[4] = "*"
	}
	for _, part := range []struct {
		to       *[]int
		text     string
		min, max int
		names    []string
	}{{&c.hours, f[1], 0, 23, nil}, {&c.days, f[2], 1, 31, nil}, {&c.months, f[3], 1, 12, monthNames}, {&c.weekdays, f[4], 1, 7, weekdayNames}, {&c.years, f[5], 1970, 2199, nil}} {
		if err == nil {
			*part.to, err = values(part.text, part.min, part.max, part.names)
		}
	}
	return c, err
}

// values lists the numbers of a field, nil for all.
func values(text string, least, most int, names []string) (out []int, err error) {
	if text == "*" || text == "?" {
		return nil, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(item, "/")
		by := 1
		if stepped {
			if by, err = number(step, 1, most, nil); err != nil {
				return nil, err
			}
		}
		from, to := least, most
		if first, last, ranged := strings.Cut(span, "-"); span != "*" {
			if from, err = number(first, least, most, names); err != nil {
				return nil, err
			}
			switch {
			case ranged:
				to, err = number(last, least, most, names)
			case !stepped:
				to = from
			}
			if err != nil {
				return nil, err
			}
		}
		for v := from; v <= to; v += by {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q is no number at all", text)
	}
	return out, nil
}

func number(text string, least, most int, names []string) (int, error) {
	if i := slices.Index(names, strings.ToUpper(text)); i >= 0 {
		return i + 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is not %d to %d", text, least, most)
	}
	return n, nil
}

// Latest returns the last time, after the first and not after the second, that it is for.
func (c Cron) Latest(after, until time.Time) (time.Time, bool) {
	for t := until.UTC().Truncate(time.Hour).Add(time.Duration(c.minute) * time.Minute); t.After(after); t = t.Add(-time.Hour) {
		if !t.After(until) && c.has(t) {
			return t, true
		}
	}
	return time.Time{}, false
}

func (c Cron) has(t time.Time) bool {
	in := func(list []int, v int) bool { return list == nil || slices.Contains(list, v) }
	weekday, last := int(t.Weekday())+1, t.AddDate(0, 0, 1-t.Day()).AddDate(0, 1, -1).Day()
	return in(c.hours, t.Hour()) && in(c.days, t.Day()) && in(c.months, int(t.Month())) && in(c.weekdays, weekday) && in(c.years, t.Year()) &&
		(!c.lastDay || t.Day() == last) &&
		(c.lastWeekday == 0 || weekday == c.lastWeekday && t.Day()+7 > last) &&
		(c.nthWeekday == 0 || weekday == c.nthWeekday && (t.Day()-1)/7+1 == c.ofNth)
}
