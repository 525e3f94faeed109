package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Some packages have benchmarks that compare what is to be compared here; these
// measures run them.

// throughput compares two ports of a VPC with two veth pairs on a namespace that
// routes and does nothing else.
func throughput(b *bench) {
	turns := b.samples(10, 2)
	m := b.goBenchmark("driver/network/linux", "BenchmarkThroughput", fmt.Sprintf("%dx", turns))["BenchmarkThroughput"]
	b.add(result{
		Measure: "throughput of two ports of a VPC / of a bare router", Value: m["ratio"], Unit: "x", Goal: atLeast(0.9),
		Note: fmt.Sprintf("median of %d turns; on average %.1f and %.1f Gbit/s, by public address %.1f", turns, m["Gbit/s-private"], m["Gbit/s-bare"], m["Gbit/s-public"]),
	})
}

// changes measures what the kernel's driver takes until a new port is ready, and until packets follow a
// rule that changed.
func changes(b *bench) {
	const pkg = "driver/network/linux"
	port := b.goBenchmark(pkg, "BenchmarkPort", fmt.Sprintf("%dx", b.samples(50, 5)))["BenchmarkPort"]
	b.add(result{
		Measure: "new port ready", Value: port["ns/op"] / 1e6, Unit: "ms", Goal: atMost(300),
		Note: "on average: applied and its tap open, in a VPC of 100 ports; by the driver alone",
	})
	n := b.samples(50, 5)
	rule := b.goBenchmark(pkg, "BenchmarkRule", fmt.Sprintf("%dx", n))["BenchmarkRule"]
	note := fmt.Sprintf("%d changes; until a packet arrives that the new rule lets through; by the driver alone", n)
	b.add(result{Measure: "rule change to packets, VPC of 1000 ports, p50", Value: rule["ms-p50"], Unit: "ms", Note: note})
	b.add(result{Measure: "rule change to packets, VPC of 1000 ports, p99", Value: rule["ms-p99"], Unit: "ms", Goal: atMost(1000), Note: note})
}

// requests compares the gateway with net/http.
func requests(b *bench) {
	span := "3s"
	if b.quick {
		span = "300ms"
	}
	m := b.goBenchmark("gateway", "BenchmarkLoopback", span)
	signed, bare := m["BenchmarkLoopback/signed"]["requests/s"], m["BenchmarkLoopback/bare"]["requests/s"]
	b.add(result{
		Measure: "signed requests on loopback", Value: signed, Unit: "/s",
		Note: fmt.Sprintf("%.2f of what net/http makes of the same bytes (%.0f /s)", signed/bare, bare),
	})
}

// goBenchmark runs a package's benchmark and returns its metrics by name and
// unit (https://go.dev/design/14313-benchmark-format).
func (b *bench) goBenchmark(pkg, name, span string) map[string]map[string]float64 {
	cmd := exec.CommandContext(b.ctx, "go", "test", "-vet=off", "-run=^$", "-bench=^"+name+"$", "-benchtime="+span, "github.com/vauban-cloud/vauban/"+pkg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("benchmark of %s: %v\n%s%s", pkg, err, out, stderr.Bytes())
	}
	found := map[string]map[string]float64{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		title, _, _ := strings.Cut(fields[0], "-") // without the number of processors
		found[title] = map[string]float64{}
		for k := 2; k+1 < len(fields); k += 2 {
			v, err := strconv.ParseFloat(fields[k], 64)
			b.must(err)
			found[title][fields[k+1]] = v
		}
	}
	if len(found) == 0 {
		b.Fatalf("benchmark %s of %s printed no result:\n%s", name, pkg, out)
	}
	return found
}
