package hypervisortest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// many starts ten guests at once, each by two callers.
func (b Bench) many(t *testing.T) {
	e, _ := b.New(t)
	const guests = 10
	var wg sync.WaitGroup
	each := func(fn func(id string) error) {
		for i := range guests {
			for range 2 {
				wg.Go(func() {
					if err := fn(fmt.Sprintf("i-0%x", 0x90+i)); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
	}
	began := time.Now()
	each(func(id string) error {
		spec, taps := b.Spec(t, id)
		spec.Starts = 1
		return e.Start(t.Context(), spec, taps)
	})
	t.Logf("%d guests started in %v", guests, time.Since(began).Round(time.Millisecond))
	list := b.list(t, e)
	pids := make(map[int]bool)
	for _, g := range list {
		pids[g.PID] = true
		if g.State != hypervisor.Running || g.Starts != 1 {
			t.Errorf("guest %+v does not run", g)
		}
	}
	if len(list) != guests || len(pids) != guests {
		t.Errorf("%d guests in %d processes, want %d", len(list), len(pids), guests)
	}
	each(func(id string) error { return e.Power(t.Context(), id, hypervisor.Kill) })
	each(func(id string) error { return e.Remove(t.Context(), id) })
	if list := b.list(t, e); len(list) != 0 {
		t.Errorf("left after Remove: %+v", list)
	}
}

// startTaps starts the guest with fresh taps, and checks that none stays open here.
func (b Bench) startTaps(t *testing.T, e Engine, spec hypervisor.Spec) {
	t.Helper()
	_, taps := b.Spec(t, spec.ID)
	must(t, e.Start(t.Context(), spec, taps))
	closed(t, taps)
}

func (b Bench) list(t *testing.T, e Engine) []hypervisor.Guest {
	t.Helper()
	list, err := e.List(t.Context())
	must(t, err)
	return list
}

func (b Bench) find(t *testing.T, e Engine, id string) hypervisor.Guest {
	t.Helper()
	list := b.list(t, e)
	i := slices.IndexFunc(list, func(g hypervisor.Guest) bool { return g.ID == id })
	if i < 0 {
		t.Fatalf("%s is not among %+v", id, list)
	}
	return list[i]
}

func (b Bench) same(t *testing.T, e Engine, want hypervisor.Guest) {
	t.Helper()
	got := b.find(t, e, want.ID)
	slices.Sort(got.Disks)
	slices.Sort(want.Disks)
	if got.State != want.State || got.Starts != want.Starts || got.PID != want.PID || !slices.Equal(got.Disks, want.Disks) {
		t.Errorf("guest %+v, want %+v", got, want)
	}
}

func (b Bench) absent(t *testing.T, e Engine, id string) {
	t.Helper()
	if g := b.find(t, e, id); g.State != hypervisor.Absent || g.PID != 0 || g.Starts != 0 || len(g.Disks) != 0 {
		t.Errorf("guest %+v, want it absent", g)
	}
}

// await polls: hints are tested on their own, and may be lost.
func (b Bench) await(t *testing.T, e Engine, id string, want hypervisor.State) {
	t.Helper()
	b.eventually(t, fmt.Sprintf("%s in state %d", id, want), func() bool { return b.find(t, e, id).State == want })
}

func (b Bench) wantDisks(t *testing.T, e Engine, id string, want ...string) {
	t.Helper()
	got := b.find(t, e, id).Disks
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("disks of %s: %q, want %q", id, got, want)
	}
}

// sees checks that the guest itself comes to see exactly these volumes.
func (b Bench) sees(t *testing.T, inside Inside, volumes ...string) {
	t.Helper()
	var want []string
	for _, v := range volumes {
		want = append(want, strings.ReplaceAll(v, "-", ""))
	}
	slices.Sort(want)
	var got []string
	b.eventually(t, fmt.Sprintf("guest sees %q", want), func() bool {
		got = inside.Serials()
		return slices.Equal(got, want)
	})
}

func (b Bench) plug(t *testing.T, e Engine, id string, nic hypervisor.NIC) {
	t.Helper()
	tap := b.Tap(t)
	must(t, e.PlugNIC(t.Context(), id, nic, tap))
	closed(t, []*os.File{tap})
}

// wantCards checks that the engine lists exactly these cards, and that the guest
// itself comes to see them.
func (b Bench) wantCards(t *testing.T, e Engine, id string, inside Inside, nics ...hypervisor.NIC) {
	t.Helper()
	var ids, macs []string
	for _, n := range nics {
		ids, macs = append(ids, n.ID), append(macs, n.MAC)
	}
	got := b.find(t, e, id).NICs
	slices.Sort(got)
	if !slices.Equal(got, ids) {
		t.Errorf("cards of %s: %q, want %q", id, got, ids)
	}
	b.eventually(t, fmt.Sprintf("guest sees %q", macs), func() bool { return slices.Equal(inside.MACs(), macs) })
}

func (b Bench) unplug(t *testing.T, e Engine, id, disk string) {
	t.Helper()
	began := time.Now()
	must(t, e.Unplug(t.Context(), id, disk))
	t.Logf("%s let go of %s in %v", id, disk, time.Since(began).Round(time.Millisecond))
}

// hint waits for the guest's hint.
func (b Bench) hint(t *testing.T, e Engine, id string) {
	t.Helper()
	patience := time.NewTimer(b.Patience)
	defer patience.Stop()
	for {
		select {
		case got := <-e.Changed():
			if got == id {
				return
			}
		case <-patience.C:
			t.Fatalf("no hint about %s in %v", id, b.Patience)
		}
	}
}

func drain(e Engine) {
	for {
		select {
		case <-e.Changed():
		default:
			return
		}
	}
}

func (b Bench) eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(b.Patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", b.Patience, what)
		}
	}
}

// closed checks that the driver has closed the taps.
func closed(t *testing.T, taps []*os.File) {
	t.Helper()
	for _, tap := range taps {
		if err := tap.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a tap was left open (%v)", err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
