package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// bench is one measure being taken. It is what a test is to e2e: what fails
// ends the measure, and what was made is taken away at its end.
type bench struct {
	ctx     context.Context //nolint:containedctx // e2e.T has it, as testing.TB
	name    string
	temp    string
	quick   bool
	alone   bool // without peers
	many    int  // objects to index
	results []result

	cleanups []func()
	failures []string
}

var _ e2e.T = (*bench)(nil)

// ended is what Fatal panics with.
type ended struct{}

// take takes a measure with a fresh b, and cleans up after it.
func take(ctx context.Context, m measure, b *bench) []result {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	b.ctx, b.name = ctx, m.name
	b.protect(func() { m.take(b) })
	for len(b.cleanups) > 0 {
		last := b.cleanups[len(b.cleanups)-1]
		b.cleanups = b.cleanups[:len(b.cleanups)-1]
		b.protect(last)
	}
	if b.Failed() {
		b.add(result{Measure: m.name, Failure: strings.Join(b.failures, "; ")})
	}
	return b.results
}

// protect runs fn, and notes it if it panics.
func (b *bench) protect(fn func()) {
	defer func() {
		switch p := recover().(type) {
		case nil, ended:
		default:
			b.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	fn()
}

// The methods of e2e.T.

func (*bench) Helper()                    {}
func (b *bench) Context() context.Context { return b.ctx }
func (b *bench) Cleanup(fn func())        { b.cleanups = append(b.cleanups, fn) }
func (b *bench) Failed() bool             { return len(b.failures) > 0 }

func (b *bench) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, "\n"+format+"\n", args...) }
func (b *bench) Errorf(format string, args ...any) { b.Error(fmt.Sprintf(format, args...)) }
func (b *bench) Fatalf(format string, args ...any) { b.Fatal(fmt.Sprintf(format, args...)) }
func (b *bench) Error(args ...any)                 { b.failures = append(b.failures, fmt.Sprint(args...)) }

func (b *bench) Fatal(args ...any) {
	b.Error(args...)
	panic(ended{})
}

// TempDir makes a folder that others may pass through.
func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp(b.temp, b.name+"-")
	b.must(errors.Join(err, os.Chmod(dir, 0o711))) //nolint:gosec // guests' users pass through it
	b.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	})
	return dir
}

// must ends the measure if err is not nil.
func (b *bench) must(err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// samples is how many to take: n, or few of a quick run.
func (b *bench) samples(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

// durations are samples of one thing.
type durations []time.Duration

// at returns the q-quantile, by the nearest rank.
func (d durations) at(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// median of what was measured.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
