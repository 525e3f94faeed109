package conformance_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestVersitygw runs the black-box tests of versitygw's S3 client. Those that
// apart.txt expects to fail must fail, and all others must pass.
func TestVersitygw(t *testing.T) {
	list := readApart(t)
	program := filepath.Join(t.TempDir(), "client")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = "versitygw"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	tests := strings.Fields(command(t, nil, "", program, "-list"))
	skipped, failing := list.split(t, tests)

	c := e2e.Start(t, "--region", "us-east-1") // which the tests take for the default
	out := filepath.Join(t.TempDir(), "results")
	command(t, c.Env, strings.Join(skipped, "\n"), program, "-endpoint", "http://"+c.Addr, "-region", "us-east-1", "-out", out)
	passed, results := 0, readResults(t, out)
	for _, test := range tests {
		failure, ran := results[test]
		reason, expected := failing[test]
		switch {
		case slices.Contains(skipped, test):
		case !ran:
			t.Errorf("%s has no result", test)
		case failure == "" && expected:
			t.Errorf("%s passes now: take it out of apart.txt (%s)", test, reason)
		case failure == "":
			passed++
		case !expected:
			t.Errorf("%s: %s", test, failure)
		}
	}
	t.Logf("%d tests pass, %d fail as expected, %d are left out", passed, len(failing), len(skipped))
}

// command runs a program, which must succeed, and returns what it printed.
func command(t *testing.T, env []string, input, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }), env...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			stderr = e.Stderr
		}
		t.Fatalf("%s %v: %v\n%s%s", program, args, err, out, stderr)
	}
	return string(out)
}

// readResults returns what was wrong with each test, "" for nothing.
func readResults(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	results := map[string]string{}
	for d := json.NewDecoder(f); ; {
		var r struct{ Test, Error string }
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return results
		} else if err != nil {
			t.Fatal(err)
		}
		results[r.Test] = r.Error
	}
}
