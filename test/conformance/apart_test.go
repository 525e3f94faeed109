package conformance_test

import (
	"os"
	"strings"
	"testing"
)

// apart are the tests that are not expected to pass: by name, or by its beginning
// and a *, the section that they stand in.
type apart map[string]section

// section is the heading of some tests.
type section struct {
	run    bool // they are run, and must fail
	reason string
}

// readApart reads apart.txt.
func readApart(t *testing.T) apart {
	t.Helper()
	b, err := os.ReadFile("apart.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := apart{}
	var under section
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		kind, reason, _ := strings.Cut(strings.TrimSuffix(line, ":"), ": ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasSuffix(line, ":") && reason != "" && (kind == "fails" || kind == "not run"):
			under = section{kind == "fails", reason}
		case under == section{}:
			t.Fatalf("apart.txt: %q stands under no reason", line)
		default:
			if _, twice := list[line]; twice {
				t.Fatalf("apart.txt has %s twice", line)
			}
			list[line] = under
		}
	}
	return list
}

// split returns which of the tests are left out, and which must fail, with the reason.
// Every line of the list has to be for some test.
func (a apart) split(t *testing.T, tests []string) (skipped []string, failing map[string]string) {
	t.Helper()
	failing = map[string]string{}
	used := map[string]bool{}
	for _, test := range tests {
		for line, s := range a {
			beginning, open := strings.CutSuffix(line, "*")
			if line != test && (!open || !strings.HasPrefix(test, beginning)) {
				continue
			}
			used[line] = true
			if s.run {
				failing[test] = s.reason
			} else {
				skipped = append(skipped, test)
			}
		}
	}
	for line := range a {
		if !used[line] {
			t.Errorf("apart.txt: there is no test %s", line)
		}
	}
	return skipped, failing
}
