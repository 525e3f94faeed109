package policy_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/policy"
)

// parse parses what must be right.
func parse(t testing.TB, kind policy.Kind, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}
