package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// leastHeap is how large the heap grows before garbage is collected, in bytes, however little
// of it is in use. A cloud that only answers requests uses some 8 MB, and would collect at
// each 16.
const leastHeap = 48 << 20

// collector has the garbage collector wait until the heap is large. GOGC alone cannot say
// that: it is a share of what is in use. Once more than half of leastHeap is in use, the
// collector is at its default, so that no heap becomes larger than it would have without.
type collector struct {
	percent int // GOGC now; touched by one cleanup after another
}

// A heap that was small and grows at once would be collected late, and at many times its size: until
// the collector is back at its default, the runtime's memory has this limit, in bytes.
const mostLate = 2 * leastHeap

// collectLate starts a collector, unless the operator has set the runtime's own variables.
func collectLate(getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	c := &collector{percent: 100}
	c.tune()
	c.follow()
}

// follow has tune called after each collection.
func (c *collector) follow() {
	type mark struct{ *collector }
	runtime.AddCleanup(&mark{c}, func(c *collector) {
		c.tune()
		c.follow()
	}, c)
}

// tune sets GOGC anew by what the last collection has left. Each time stops the world for some
// microseconds, which a small change is not worth.
func (c *collector) tune() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := percentFor(live[0].Value.Uint64())
	if change := percent - c.percent; max(change, -change) <= c.percent/8 {
		return
	}
	c.percent = percent
	debug.SetGCPercent(percent)
	if percent > 100 {
		debug.SetMemoryLimit(mostLate)
	} else {
		debug.SetMemoryLimit(math.MaxInt64)
	}
}

// percentFor is the GOGC with which a heap of which so many bytes are in use is collected at
// about leastHeap, and never below the default.
func percentFor(live uint64) int {
	live = max(live, 1<<20)
	if live >= leastHeap/2 {
		return 100
	}
	return int((leastHeap - live) * 100 / live)
}
