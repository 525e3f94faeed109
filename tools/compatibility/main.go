// Command compatibility writes docs/compatibility.md from the operation tables
// and the services that implement them: an operation counts as supported
// because its method exists, so the page cannot promise what is not there.
package main

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/vauban-cloud/vauban/app"
	"github.com/vauban-cloud/vauban/gateway"
)

//go:embed tiers.txt
var tiersFile string

//go:embed notes.txt
var notesFile string

func main() {
	out := flag.String("o", "docs/compatibility.md", "file to write")
	flag.Parse()
	var b bytes.Buffer
	write(&b, app.Endpoints())
	if err := os.WriteFile(*out, b.Bytes(), 0o644); err != nil { //nolint:gosec // documentation
		log.Fatal(err)
	}
}

// write prints the page.
func write(w io.Writer, endpoints []gateway.Endpoint) {
	tiers, notes := table(tiersFile), table(notesFile)
	fmt.Fprint(w, `# Which AWS operations are supported

<!-- Written by tools/compatibility (make gen); do not edit. -->

An operation is supported when a method of the service implements it; this page is
generated from the same tables that answer requests. Everything else answers the
protocol's own "not supported" error. Tier 1 is what unmodified tools call in daily
work, tier 2 what larger set-ups call, tier 3 the rest.

| Service | Tier 1 | Tier 2 | Tier 3 |
|---|---|---|---|
`)
	for _, e := range endpoints {
		var have, all [4]int
		for _, op := range e.API.Operations {
			t := tierOf(tiers, e.API.Name, op.Name)
			all[t]++
			if e.Impl != nil && op.Bind(e.Impl) != nil {
				have[t]++
			}
		}
		fmt.Fprintf(w, "| %s | %d of %d | %d of %d | %d of %d |\n", e.API.Name, have[1], all[1], have[2], all[2], have[3], all[3])
	}
	for _, e := range endpoints {
		fmt.Fprintf(w, "\n## %s (API version %s)\n\n", e.API.Name, e.API.Version)
		fmt.Fprint(w, "| Operation | Tier | Supported | Notes |\n|---|---|---|---|\n")
		for _, op := range e.API.Operations {
			t := tierOf(tiers, e.API.Name, op.Name)
			supported := e.Impl != nil && op.Bind(e.Impl) != nil
			note := notes[e.API.Name+" "+op.Name]
			if t == 3 && !supported && note == "" {
				continue
			}
			word := "no"
			if supported {
				word = "yes"
			}
			fmt.Fprintf(w, "| %s | %d | %s | %s |\n", op.Name, t, word, note)
		}
	}
}

// table reads lines "service X: words" into "service X" -> words, comments aside.
func table(file string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(file) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "#") {
			out[key] = value
		}
	}
	return out
}

// tierOf returns the tier of an operation, 3 unless tiers.txt says otherwise.
func tierOf(tiers map[string]string, service, op string) int {
	for t := 1; t <= 2; t++ {
		for name := range strings.FieldsSeq(tiers[fmt.Sprintf("%s %d", service, t)]) {
			if name == op {
				return t
			}
		}
	}
	return 3
}
