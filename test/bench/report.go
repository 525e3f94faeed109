package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// result is one line of the table.
type result struct {
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit,omitempty"` // "ms", "s", "/s", "MB", "x" (a ratio)
	Goal    *goal   `json:"goal,omitempty"` // nil: the value is reported, not judged
	Note    string  `json:"note,omitempty"`
	Failure string  `json:"failure,omitempty"` // why there is no value
	Verdict string  `json:"verdict"`           // set by add
}

// goal is a bound, in the unit of the value.
type goal struct {
	Bound   float64 `json:"bound"`
	AtLeast bool    `json:"at_least"` // or else at most
}

func atMost(v float64) *goal  { return &goal{Bound: v} }
func atLeast(v float64) *goal { return &goal{Bound: v, AtLeast: true} }

func (g *goal) met(v float64) bool {
	if g.AtLeast {
		return v >= g.Bound
	}
	return v <= g.Bound
}

// judge returns the verdict, which is never kind.
func (r result) judge() string {
	switch {
	case r.Failure != "":
		return "FAILED"
	case r.Goal == nil:
		return "-"
	case r.Goal.met(r.Value):
		return "met"
	default:
		return "MISSED"
	}
}

// report is all that was measured, and where.
type report struct {
	Machine machine  `json:"machine"`
	Quick   bool     `json:"quick"`
	Results []result `json:"results"`
}

// add adds a result to the measure.
func (b *bench) add(r result) {
	r.Verdict = r.judge()
	b.results = append(b.results, r)
}

// failed is an error if a measure could not be taken.
func (r report) failed() error {
	for _, x := range r.Results {
		if x.Failure != "" {
			return errors.New("not everything could be measured")
		}
	}
	return nil
}

func (r report) print(w io.Writer) error {
	fmt.Fprint(w, r.Machine)
	if r.Quick {
		fmt.Fprintln(w, "quick run: few samples, no judgement of the product")
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tvalue\tgoal\tratio\tverdict\tnote")
	counts := map[string]int{}
	for _, x := range r.Results {
		counts[x.Verdict]++
		if x.Failure != "" {
			fmt.Fprintf(t, "%s\t\t\t\t%s\tsee below\n", x.Measure, x.Verdict)
			continue
		}
		bound, ratio := "-", "-"
		if g := x.Goal; g != nil {
			bound = "<= "
			if g.AtLeast {
				bound = ">= "
			}
			bound += quantity(g.Bound, x.Unit)
			if g.Bound != 0 {
				ratio = fmt.Sprintf("%.2f", x.Value/g.Bound)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Measure, quantity(x.Value, x.Unit), bound, ratio, x.Verdict, x.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d goals met, %d missed, %d measures failed. The ratio is value to goal.\n", counts["met"], counts["MISSED"], counts["FAILED"])
	for _, x := range r.Results {
		if x.Failure != "" {
			fmt.Fprintf(w, "\n%s failed: %s\n", x.Measure, x.Failure)
		}
	}
	return nil
}

// quantity prints three significant digits, or all before the point.
func quantity(v float64, unit string) string {
	digits := 0
	switch {
	case v == float64(int64(v)):
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}
