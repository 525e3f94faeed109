// Package hypervisortest is the conformance suite of hypervisor drivers: what
// every engine guarantees, checked through the interface and from inside the guests.
package hypervisortest

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// Engine is what is under test.
type Engine interface {
	hypervisor.Driver
	hypervisor.Console
}

// Bench makes hosts and guests to test with.
type Bench struct {
	// New returns a Driver on a host without guests, and a function that ends
	// it and opens another on the same host, as a restart of its process would.
	New func(t *testing.T) (e Engine, reopen func() Engine)
	// Spec returns a guest with one disk, one card, and its tap.
	Spec func(t *testing.T, id string) (hypervisor.Spec, []*os.File)
	// Disk returns a fresh disk for the guest.
	Disk func(t *testing.T, guest hypervisor.Spec, id string) hypervisor.Disk
	// Tap returns a device for another card.
	Tap func(t *testing.T) *os.File
	// BadDisk returns a disk whose file is not there; nil if the engine does not look.
	BadDisk func(t *testing.T, id string) hypervisor.Disk
	// Inside reaches into a guest that runs.
	Inside func(t *testing.T, e Engine, id string) Inside
	// Die ends the guest's process from outside.
	Die func(t *testing.T, e Engine, id string)
	// Patience is how long a guest may take for anything.
	Patience time.Duration
}

// Inside is a guest, seen from within. Its methods fail the test if the guest
// does not answer.
type Inside interface {
	// Up waits until the guest has booted that many times.
	Up(times int)
	// Serials returns the serial numbers of the disks that the guest sees, sorted.
	Serials() []string
	// MACs returns the hardware addresses of the network cards that the guest sees, sorted.
	MACs() []string
	// PowerOff makes the guest shut itself down.
	PowerOff()
}

// Run runs the suite. Subtests run in parallel, each on its own host.
func Run(t *testing.T, b Bench) {
	for name, test := range map[string]func(*testing.T){
		"Life": b.life, "Disks": b.disks, "Cards": b.cards, "Adoption": b.adoption, "Death": b.death,
		"Refusals": b.refusals, "BadDisk": b.badDisk, "Many": b.many,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func (b Bench) life(t *testing.T) {
	e, _ := b.New(t)
	ctx := t.Context()
	spec, taps := b.Spec(t, "i-0a1")
	spec.Starts = 1
	must(t, e.Start(ctx, spec, taps))
	inside := b.Inside(t, e, spec.ID)
	g := b.find(t, e, spec.ID)
	if g.State != hypervisor.Running || g.Starts != 1 || g.PID <= 0 || !slices.Equal(g.Disks, []string{spec.Disks[0].ID}) {
		t.Errorf("after the start: %+v", g)
	}
	inside.Up(1)

	second := spec
	second.Starts = 2
	b.startTaps(t, e, second)
	b.same(t, e, g)

	// The guest ends by its own wish, and waits.
	drain(e)
	inside.PowerOff()
	b.hint(t, e, spec.ID)
	g.State = hypervisor.Halted
	b.await(t, e, spec.ID, hypervisor.Halted)
	b.same(t, e, g)
	b.startTaps(t, e, second)
	b.same(t, e, g)
	must(t, e.Power(ctx, spec.ID, hypervisor.Shutdown)) // it is down already
	b.same(t, e, g)

	must(t, e.Power(ctx, spec.ID, hypervisor.Reset))
	g.State = hypervisor.Running
	b.same(t, e, g)
	inside.Up(2)

	pressed := time.Now()
	must(t, e.Power(ctx, spec.ID, hypervisor.Shutdown))
	b.await(t, e, spec.ID, hypervisor.Halted)
	t.Logf("halted %v after the power button", time.Since(pressed).Round(time.Millisecond))

	for range 2 {
		must(t, e.Power(ctx, spec.ID, hypervisor.Kill))
	}
	b.absent(t, e, spec.ID)
	must(t, e.Unplug(ctx, spec.ID, spec.Disks[0].ID))
	if err := e.Power(ctx, spec.ID, hypervisor.Reset); !errors.Is(err, hypervisor.ErrNoGuest) {
		t.Errorf("reset without a process: %v, want ErrNoGuest", err)
	}
	if err := e.Plug(ctx, spec.ID, b.Disk(t, spec, "vol-0a2")); !errors.Is(err, hypervisor.ErrNoGuest) {
		t.Errorf("plug without a process: %v, want ErrNoGuest", err)
	}
	before, err := e.Console(ctx, spec.ID)
	must(t, err)
	if len(before) == 0 {
		t.Error("nothing is left on the console")
	}

	third := spec
	third.Starts = 3
	b.startTaps(t, e, third)
	if g := b.find(t, e, spec.ID); g.State != hypervisor.Running || g.Starts != 3 {
		t.Errorf("after the third start: %+v", g)
	}
	if after, err := e.Console(ctx, spec.ID); err != nil || !strings.HasPrefix(string(after), string(before)) {
		t.Errorf("the console lost what earlier boots wrote (%v)", err)
	}
	for range 2 {
		must(t, e.Remove(ctx, spec.ID))
	}
	if list := b.list(t, e); len(list) != 0 {
		t.Errorf("left after Remove: %+v", list)
	}
	if _, err := e.Console(ctx, spec.ID); !errors.Is(err, hypervisor.ErrNoGuest) {
		t.Errorf("console of a removed guest: %v, want ErrNoGuest", err)
	}
}

func (b Bench) disks(t *testing.T) {
	e, _ := b.New(t)
	ctx := t.Context()
	spec, taps := b.Spec(t, "i-0b1")
	must(t, e.Start(ctx, spec, taps))
	inside := b.Inside(t, e, spec.ID)
	root := spec.Disks[0].ID
	one, two := b.Disk(t, spec, "vol-0123456789abcdef1"), b.Disk(t, spec, "vol-0123456789abcdef2")
	inside.Up(1)
	for range 2 {
		must(t, e.Plug(ctx, spec.ID, one))
		one.IOPS, one.MiBps = 500, 20 // and once more, with a limit
	}
	must(t, e.Plug(ctx, spec.ID, two))
	b.wantDisks(t, e, spec.ID, root, one.ID, two.ID)
	b.sees(t, inside, root, one.ID, two.ID)
	for range 2 {
		b.unplug(t, e, spec.ID, one.ID)
	}
	b.wantDisks(t, e, spec.ID, root, two.ID)
	b.sees(t, inside, root, two.ID)
	must(t, e.Plug(ctx, spec.ID, one))
	b.sees(t, inside, root, one.ID, two.ID)
	b.unplug(t, e, spec.ID, two.ID)
	b.unplug(t, e, spec.ID, one.ID)
	b.unplug(t, e, spec.ID, "vol-0aa")
	b.wantDisks(t, e, spec.ID, root)
	must(t, e.Remove(ctx, spec.ID))
}

func (b Bench) cards(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	spec, taps := b.Spec(t, "i-0c1")
	must(t, e.Start(ctx, spec, taps))
	inside := b.Inside(t, e, spec.ID)
	inside.Up(1)
	first := spec.NICs[0]
	one := hypervisor.NIC{ID: "eni-0123456789abcdef1", MAC: "02:00:00:00:0c:01", MTU: 1450}
	two := hypervisor.NIC{ID: "eni-0123456789abcdef2", MAC: "02:00:00:00:0c:02", MTU: 1450}
	b.plug(t, e, spec.ID, one)
	b.plug(t, e, spec.ID, one) // and once more
	b.plug(t, e, spec.ID, two)
	b.wantCards(t, e, spec.ID, inside, first, one, two)
	e = reopen()
	inside = b.Inside(t, e, spec.ID)
	for range 2 {
		b.unplug(t, e, spec.ID, one.ID)
	}
	b.wantCards(t, e, spec.ID, inside, first, two)
	b.plug(t, e, spec.ID, one)
	b.wantCards(t, e, spec.ID, inside, first, one, two)
	bad := b.Tap(t)
	if err := e.PlugNIC(ctx, spec.ID, hypervisor.NIC{ID: "eni-0bad", MAC: "none"}, bad); err == nil {
		t.Error("a card without a MAC address was plugged in")
	}
	closed(t, []*os.File{bad})
	loose := b.Tap(t)
	if err := e.PlugNIC(ctx, "i-0c2", one, loose); !errors.Is(err, hypervisor.ErrNoGuest) {
		t.Errorf("plug into an unknown guest: %v", err)
	}
	closed(t, []*os.File{loose})
	must(t, e.Remove(ctx, spec.ID))
}

func (b Bench) adoption(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	spec, taps := b.Spec(t, "i-0c1")
	spec.Starts = 7
	must(t, e.Start(ctx, spec, taps))
	extra := b.Disk(t, spec, "vol-0c2")
	must(t, e.Plug(ctx, spec.ID, extra))
	gone, taps := b.Spec(t, "i-0c3")
	must(t, e.Start(ctx, gone, taps))
	must(t, e.Power(ctx, gone.ID, hypervisor.Kill))
	b.Inside(t, e, spec.ID).Up(1)
	g := b.find(t, e, spec.ID)

	e = reopen()
	b.same(t, e, g)
	if list := b.list(t, e); len(list) != 2 {
		t.Errorf("adopted %+v, want two guests", list)
	}
	b.absent(t, e, gone.ID)
	b.startTaps(t, e, spec)
	b.same(t, e, g)
	inside := b.Inside(t, e, spec.ID)
	b.sees(t, inside, spec.Disks[0].ID, extra.ID)
	b.unplug(t, e, spec.ID, extra.ID)
	drain(e)
	inside.PowerOff()
	b.hint(t, e, spec.ID)
	b.await(t, e, spec.ID, hypervisor.Halted)
	e = reopen()
	b.await(t, e, spec.ID, hypervisor.Halted)
	must(t, e.Power(ctx, spec.ID, hypervisor.Kill))
	b.absent(t, e, spec.ID)
	must(t, e.Remove(ctx, spec.ID))
	must(t, e.Remove(ctx, gone.ID))
}

func (b Bench) death(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	spec, taps := b.Spec(t, "i-0d1")
	must(t, e.Start(ctx, spec, taps))
	drain(e)
	b.Die(t, e, spec.ID)
	b.hint(t, e, spec.ID)
	b.await(t, e, spec.ID, hypervisor.Absent)
	b.startTaps(t, e, spec)
	e = reopen()
	drain(e)
	b.Die(t, e, spec.ID) // an adopted one
	b.hint(t, e, spec.ID)
	b.await(t, e, spec.ID, hypervisor.Absent)
	must(t, e.Remove(ctx, spec.ID))
}

func (b Bench) refusals(t *testing.T) {
	e, _ := b.New(t)
	ctx := t.Context()
	for _, action := range []hypervisor.Action{hypervisor.Shutdown, hypervisor.Reset, hypervisor.Kill} {
		if err := e.Power(ctx, "i-0e1", action); !errors.Is(err, hypervisor.ErrNoGuest) {
			t.Errorf("power %d of no guest: %v, want ErrNoGuest", action, err)
		}
	}
	if _, err := e.Console(ctx, "i-0e1"); !errors.Is(err, hypervisor.ErrNoGuest) {
		t.Errorf("console of no guest: %v, want ErrNoGuest", err)
	}
	if _, err := e.Console(ctx, "../i-0e1"); err == nil {
		t.Error("console of ../i-0e1 was read")
	}
	must(t, e.Unplug(ctx, "i-0e1", "vol-0e1"))
	must(t, e.Remove(ctx, "i-0e1"))
	for name, spoil := range map[string]func(*hypervisor.Spec){
		"path as ID":      func(s *hypervisor.Spec) { s.ID = "../x" },
		"no ID":           func(s *hypervisor.Spec) { s.ID = "" },
		"root":            func(s *hypervisor.Spec) { s.UID = 0 },
		"no processor":    func(s *hypervisor.Spec) { s.VCPUs = 0 },
		"no memory":       func(s *hypervisor.Spec) { s.MemoryMiB = 0 },
		"nothing to boot": func(s *hypervisor.Spec) { s.Kernel, s.Disks = "", nil },
		"relative path":   func(s *hypervisor.Spec) { s.Disks[0].Path = "disk" },
		"odd format":      func(s *hypervisor.Spec) { s.Disks[0].Format = "vmdk" },
		"odd MAC":         func(s *hypervisor.Spec) { s.NICs[0].MAC = "02:00,id=x" },
		"disk twice":      func(s *hypervisor.Spec) { s.Disks = append(s.Disks, s.Disks[0]) },
		"card too many":   func(s *hypervisor.Spec) { s.NICs = append(s.NICs, hypervisor.NIC{ID: "eni-0e2", MAC: s.NICs[0].MAC}) },
		"odd cgroup":      func(s *hypervisor.Spec) { s.Cgroup = "../x" },
	} {
		spec, taps := b.Spec(t, "i-0e1")
		spoil(&spec)
		if err := e.Start(ctx, spec, taps); err == nil {
			t.Errorf("%s: the guest was started", name)
		}
		closed(t, taps)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	spec, taps := b.Spec(t, "i-0e1")
	if err := e.Start(cancelled, spec, taps); !errors.Is(err, context.Canceled) {
		t.Errorf("start, cancelled: %v", err)
	}
	closed(t, taps)
	if list := b.list(t, e); len(list) != 0 {
		t.Errorf("left by refused guests: %+v", list)
	}
}

func (b Bench) badDisk(t *testing.T) {
	if b.BadDisk == nil {
		t.Skip("the engine does not look at disks")
	}
	e, _ := b.New(t)
	spec, taps := b.Spec(t, "i-0f1")
	good := spec.Disks
	spec.Disks = []hypervisor.Disk{b.BadDisk(t, "vol-0f1")}
	err := e.Start(t.Context(), spec, taps)
	if err == nil || !strings.Contains(err.Error(), spec.Disks[0].Path) {
		t.Errorf("start without its disk: %v, want an error that names the file", err)
	}
	closed(t, taps)
	if list := b.list(t, e); len(list) != 0 {
		t.Errorf("left by a failed start: %+v", list)
	}
	spec.Disks = good
	b.startTaps(t, e, spec)
	if err := e.Plug(t.Context(), spec.ID, b.BadDisk(t, "vol-0f1")); err == nil {
		t.Error("a disk that is not there was plugged in")
	}
	b.wantDisks(t, e, spec.ID, good[0].ID)
	must(t, e.Plug(t.Context(), spec.ID, b.Disk(t, spec, "vol-0f1"))) // nothing is left in the way
	must(t, e.Remove(t.Context(), spec.ID))
}
