package policy_test

import (
	"github.com/vauban-cloud/vauban/policy"
)

// parse parses what must be right.
func parse(t tester, kind policy.Kind, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

// tester is what tests, benchmarks, fuzz tests and properties have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
