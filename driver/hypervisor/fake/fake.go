// Package fake is a simulated hypervisor: guests are entries in memory that
// boot, halt, die and let go of disks as a real one's would, after delays that
// the test chooses, with faults that the test injects.
//
// It guarantees the contract of hypervisor.Driver and hypervisor.Console (it
// passes hypervisortest), costs no goroutine and about a kilobyte a guest, so
// that one test can hold ten thousand guests on a thousand hosts. It does not
// simulate what guests compute: their packets and their disks' bytes.
package fake

import (
	"context"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/internal/turn"
)

// Config is how a simulated host behaves. The zero value is a host without
// limits on which everything happens at once.
type Config struct {
	MemoryMiB int // of all guests together; beyond it Start gives hypervisor.ErrNoRoom. 0: no limit
	Latency   Latency
	Clock     Clock // nil: the time package's
	// Before and After are asked in every call that changes something ("start",
	// "power", "plug", "unplug", "remove") and for "list"; an error is the
	// call's result. Before: nothing was done. After: it was, but the answer is
	// lost. They may be called concurrently. nil: no faults.
	Before, After func(op, id string) error
}

// Latency is how long things take.
type Latency struct {
	Start    time.Duration // Start, from call to return
	Shutdown time.Duration // from the power button to the halt
	Plug     time.Duration
	Unplug   time.Duration // until the guest has let go
}

// Clock passes the time of simulated hosts.
type Clock interface {
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f, in its own goroutine, after d.
	AfterFunc(d time.Duration, f func())
}

// realTime is the Clock of the time package, which a synctest bubble replaces.
type realTime struct{}

func (realTime) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (realTime) AfterFunc(d time.Duration, f func()) { time.AfterFunc(d, f) }

// Host is a simulated machine. It outlives the Drivers that are opened on it,
// as a real one outlives the control plane's process.
type Host struct {
	cfg   Config
	turns turn.Turns // by guest ID: calls for one guest come one by one

	mu      sync.Mutex
	guests  map[string]*guest // guarded by mu
	usedMiB int               // guarded by mu: memory of guests that have a process
	lastPID int               // guarded by mu
	deaf    bool              // guarded by mu: events are lost
	driver  *Driver           // guarded by mu: who hears events
}

// guest is one guest; guarded by Host.mu.
type guest struct {
	spec    hypervisor.Spec
	state   hypervisor.State
	pid     int               // 0 when Absent
	disks   []hypervisor.Disk // plugged in, in order
	nics    []hypervisor.NIC  // likewise
	console []byte
	sleeps  bool // ignores the power button
	clings  bool // does not let go of disks and cards
}

// NewHost returns a machine without guests.
func NewHost(cfg Config) *Host {
	if cfg.Clock == nil {
		cfg.Clock = realTime{}
	}
	if cfg.Before == nil {
		cfg.Before = func(string, string) error { return nil }
	}
	if cfg.After == nil {
		cfg.After = func(string, string) error { return nil }
	}
	return &Host{cfg: cfg, guests: make(map[string]*guest), lastPID: 1000}
}

// Open returns a Driver for the host: it finds the guests that run, and events
// go to it from now on. An earlier Driver still works, but hears nothing more.
func (h *Host) Open() *Driver {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.driver = &Driver{host: h, changed: make(chan string, 256)}
	return h.driver
}

// New returns a Driver for a machine of its own.
func New(cfg Config) *Driver { return NewHost(cfg).Open() }

// hint tells the driver, which may miss it. Call with h.mu held.
func (h *Host) hint(id string) {
	if h.driver == nil || h.deaf {
		return
	}
	select {
	case h.driver.changed <- id:
	default:
	}
}
