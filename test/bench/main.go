// Command bench measures the speed and memory of Vauban against its goals, and
// prints one table: measure, value, goal, ratio, verdict.
//
//	go run ./test/bench [-only NAME,...] [-quick] [-alone] [-many N] [-json] [-cpuprofile FILE]
//
// What can be compared is measured in turns with what it is compared with, in
// one run, since machines differ and are seldom idle: the table begins with how
// busy this one was. It guarantees that a goal that was missed shows as missed,
// that a measure which could not be taken shows as failed and makes the exit
// status 1, and that nothing of what it started is left, unless it is killed
// outright. It needs root: it makes networks and runs guests.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// measure is a group of results that are taken together.
type measure struct {
	name  string
	needs []string // programs
	take  func(*bench)
	asked bool // it is taken only if -only names it
}

// measures are all there are, the shortest last.
func measures() []measure {
	guests := []string{"qemu-system-x86_64", "qemu-img", "ip", "nft", "prlimit"}
	return []measure{
		{name: "launch", needs: guests, take: launchToSSH},
		{name: "running", needs: guests, take: pendingToRunning},
		{name: "chain", needs: guests, take: launchFromChain},
		{name: "api", needs: nil, take: runInstances},
		{name: "sustained", needs: nil, take: sustainedLaunches},
		{name: "describe", needs: nil, take: describeInstances},
		{name: "idle", needs: guests, take: idle},
		{name: "network", needs: []string{"go"}, take: throughput},
		{name: "changes", needs: []string{"go"}, take: changes},
		{name: "networks", needs: nil, take: networksAtScale},
		{name: "disks", needs: append([]string{"go", "aws"}, guests...), take: disks},
		{name: "encryption", needs: []string{"go", "qemu-system-x86_64", "qemu-io", "prlimit"}, take: encryption},
		{name: "store", needs: nil, take: commits},
		{name: "objects", needs: append([]string{"go"}, guests...), take: objectsByHTTP},
		{name: "store-objects", needs: []string{"go"}, take: objects},
		{name: "gateway", needs: []string{"go"}, take: requests},
		{name: "policy", needs: nil, take: decisions},
		{name: "objects-memory", needs: guests, take: memoryOfObjects, asked: true},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var names []string
	for _, m := range measures() {
		names = append(names, m.name)
	}
	only := flags.String("only", "", "take these measures alone, separated by commas: "+strings.Join(names, ", "))
	quick := flags.Bool("quick", false, "take fewer samples: the program is tried, not the machine")
	alone := flags.Bool("alone", false, "leave out the other servers of S3, whose building takes minutes")
	many := flags.Int("many", manyObjects, "how many objects the measure objects-memory indexes")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	profile := flags.String("cpuprofile", "", "write a CPU profile of this program, simulated clouds and all, to the file")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil || flags.NArg() > 0:
		return fmt.Errorf("what to do with %q? see -help", args)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it is written out before
		defer pprof.StopCPUProfile()
	}
	temp, err := os.MkdirTemp("", "vauban-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := os.Chmod(temp, 0o711); err != nil { //nolint:gosec // guests' users pass through it
		return err
	}
	if err := build(ctx, chosen, temp, stderr); err != nil {
		return err
	}
	r := report{Machine: look(ctx), Quick: *quick}
	for _, m := range chosen {
		fmt.Fprintf(stderr, "%-10s ...", m.name)
		begin := time.Now()
		results := take(ctx, m, &bench{temp: temp, quick: *quick, alone: *alone, many: *many})
		fmt.Fprintf(stderr, " %.0f s\n", time.Since(begin).Seconds())
		r.Results = append(r.Results, results...)
		if ctx.Err() != nil {
			break
		}
	}
	r.Machine.LoadAfter = load()
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.print(stdout)
	}
	return errors.Join(err, context.Cause(ctx), r.failed())
}

// choose returns the measures of these names, and says what they lack.
func choose(only string) ([]measure, error) {
	chosen := measures()
	if only == "" {
		chosen = slices.DeleteFunc(chosen, func(m measure) bool { return m.asked })
	} else {
		names := strings.Split(only, ",")
		for _, n := range names {
			if !slices.ContainsFunc(chosen, func(m measure) bool { return m.name == n }) {
				return nil, fmt.Errorf("there is no measure %q: see -help", n)
			}
		}
		chosen = slices.DeleteFunc(chosen, func(m measure) bool { return !slices.Contains(names, m.name) })
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("networks and guests take root: run it with sudo")
	}
	for _, m := range chosen {
		for _, program := range m.needs {
			if _, err := exec.LookPath(program); err != nil {
				return nil, fmt.Errorf("measure %s needs %s: install it with `make deps`, or leave the measure out with -only", m.name, program)
			}
		}
	}
	return chosen, nil
}

// binaryVariable names the vauban to measure; see e2e.Binary.
const binaryVariable = "VAUBAN_TEST_BINARY"

// build builds the program that is to be measured, unless it is given.
func build(ctx context.Context, chosen []measure, temp string, stderr io.Writer) error {
	guests := slices.ContainsFunc(chosen, func(m measure) bool { return slices.Contains(m.needs, "qemu-img") })
	if !guests || os.Getenv(binaryVariable) != "" {
		return nil
	}
	fmt.Fprintln(stderr, "build      ...")
	binary := filepath.Join(temp, "vauban")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/vauban-cloud/vauban/cmd/vauban")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build vauban: %w\n%s", err, out)
	}
	return os.Setenv(binaryVariable, binary)
}
