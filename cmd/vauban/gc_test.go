package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	const mb = 1 << 20
	for live, want := range map[uint64]int{8 * mb: 500, 16 * mb: 200, 23 * mb: 108, 24 * mb: 100, 500 * mb: 100, 0: 4700} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes in use: GOGC %d, want %d", live, got, want)
		}
	}
}

// TestCollectAsTold leaves alone what the operator has set. It comes first: collectors of the other
// tests do not end.
func TestCollectAsTold(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		was := debug.SetGCPercent(123)
		collectLate(func(asked string) string {
			if asked == name {
				return "200"
			}
			return ""
		})
		if got := debug.SetGCPercent(was); got != 123 {
			t.Errorf("with %s, GOGC became %d", name, got)
		}
	}
}

// garbage is what nobody uses.
var garbage []byte //nolint:gochecknoglobals // or the compiler leaves it out

// TestCollectLate counts collections while little is in use, and looks at GOGC when much is.
func TestCollectLate(t *testing.T) {
	was, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(was); debug.SetMemoryLimit(limit) })
	collectLate(func(string) string { return "" })
	runtime.GC()
	percent(t, func(p int) bool { return p > 150 })

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 32 {
		garbage = make([]byte, 1<<20)
	}
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n > 1 {
		t.Errorf("%d collections of 32 MB", n)
	}

	much := make([]byte, 2*leastHeap)
	runtime.GC()
	percent(t, func(p int) bool { return p == 100 })
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("much is in use, and memory still has the limit %d", got)
	}
	runtime.KeepAlive(much)
	much = nil
	runtime.GC()
	percent(t, func(p int) bool { return p > 150 })
	if got := debug.SetMemoryLimit(-1); got != mostLate {
		t.Errorf("little is in use, and the limit of memory is %d", got)
	}
}

// percent waits for GOGC.
func percent(t *testing.T, ok func(int) bool) {
	t.Helper()
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		metrics.Read(now)
		p := int(now[0].Value.Uint64())
		if ok(p) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("GOGC stays at %d", p)
		}
	}
}
