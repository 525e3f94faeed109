package matrix

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/permissions.md anew")

const page = "../../docs/permissions.md"

// TestPermissionsPage holds docs/permissions.md against the rows; with -update it
// writes the page, which `make gen` does.
func TestPermissionsPage(t *testing.T) {
	var b bytes.Buffer
	writePage(t, &b)
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil { //nolint:gosec // documentation
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Error("docs/permissions.md is out of date: run `make gen`")
	}
}

func writePage(t *testing.T, b *bytes.Buffer) {
	b.WriteString(`# Which permissions an operation needs

<!-- Written by test/matrix (make gen); do not edit. -->

For each operation, what must be allowed to the caller: the action, and the kinds of
resources it is asked about. The tests of test/matrix hold the services to it: with all of
it and nothing else the call succeeds, with any of it missing it is refused. A * stands for
actions that have no resource-level permissions. Actions and resources are those of AWS's service
authorization reference. An operation that names less in its request, such as a launch without a
key pair, needs less; one that names more needs more.
`)
	service := ""
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if s, _, _ := strings.Cut(name, ":"); s != service {
			service = s
			fmt.Fprintf(b, "\n## %s\n\n| Operation | Action | Resource |\n|---|---|---|\n", service)
		}
		r := rowOf(t, name)
		_, operation, _ := strings.Cut(name, ":")
		switch {
		case r.open != "":
			fmt.Fprintf(b, "| %s | none | %s |\n", operation, r.open)
			continue
		case r.anonymous != "":
			fmt.Fprintf(b, "| %s | none | %s |\n", operation, r.anonymous)
			continue
		}
		var told []string
		for _, n := range r.needs {
			line := fmt.Sprintf("%s | %s", n.action, kindOf(n.resource))
			if slices.Contains(told, line) {
				continue
			}
			if told = append(told, line); len(told) > 1 {
				operation = ""
			}
			fmt.Fprintf(b, "| %s | %s |\n", operation, line)
		}
	}
}

func rowOf(t *testing.T, name string) row {
	t.Helper()
	if r, ok := prepared.Load(name); ok {
		return r.(row)
	}
	return prepare(rows[name](newWorld(t)), name)
}

// kindOf is an ARN with placeholders for what differs between its kind's resources.
func kindOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return arn
	}
	if parts[3] != "" {
		parts[3] = "REGION"
	}
	if parts[4] != "" && parts[4] != "aws" {
		parts[4] = "ACCOUNT"
	}
	kind, _, ok := strings.Cut(parts[5], "/")
	switch {
	case parts[2] == "s3" && ok:
		parts[5] = "BUCKET/KEY"
	case parts[2] == "s3":
		parts[5] = "BUCKET"
	case ok:
		parts[5] = kind + "/*"
	}
	return "`" + strings.Join(parts, ":") + "`"
}
