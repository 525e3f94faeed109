package fake_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	"github.com/vauban-cloud/vauban/driver/hypervisor/hypervisortest"
)

func TestConformance(t *testing.T) {
	var hosts sync.Map // Engine to *fake.Host
	hypervisortest.Run(t, hypervisortest.Bench{
		Patience: 10 * time.Second,
		New: func(*testing.T) (hypervisortest.Engine, func() hypervisortest.Engine) {
			h := fake.NewHost(fake.Config{})
			open := func() hypervisortest.Engine {
				d := h.Open()
				hosts.Store(d, h)
				return d
			}
			return open(), open
		},
		Spec: func(t *testing.T, id string) (hypervisor.Spec, []*os.File) {
			return spec(id), []*os.File{tap(t)}
		},
		Tap:  tap,
		Disk: func(_ *testing.T, _ hypervisor.Spec, id string) hypervisor.Disk { return disk(id) },
		Inside: func(t *testing.T, e hypervisortest.Engine, id string) hypervisortest.Inside {
			h, _ := hosts.Load(e)
			return inside{t, h.(*fake.Host), id}
		},
		Die: func(t *testing.T, e hypervisortest.Engine, id string) {
			h, _ := hosts.Load(e)
			if err := h.(*fake.Host).Die(id); err != nil {
				t.Fatal(err)
			}
		},
	})
}

// inside is a simulated guest's inside.
type inside struct {
	t    *testing.T
	host *fake.Host
	id   string
}

func (i inside) Up(int) {}

func (i inside) Serials() []string {
	disks, err := i.host.Disks(i.id)
	if err != nil {
		i.t.Fatal(err)
	}
	var serials []string
	for _, d := range disks {
		serials = append(serials, strings.ReplaceAll(d.ID, "-", ""))
	}
	slices.Sort(serials)
	return serials
}

func (i inside) MACs() []string {
	nics, err := i.host.NICs(i.id)
	if err != nil {
		i.t.Fatal(err)
	}
	var macs []string
	for _, n := range nics {
		macs = append(macs, n.MAC)
	}
	slices.Sort(macs)
	return macs
}

// tap is what stands for the device of a card.
func tap(t *testing.T) *os.File {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (i inside) PowerOff() {
	if err := i.host.Halt(i.id); err != nil {
		i.t.Fatal(err)
	}
}

func spec(id string) hypervisor.Spec {
	return hypervisor.Spec{
		ID: id, Starts: 1, VCPUs: 1, MemoryMiB: 512, UID: 70000,
		Disks: []hypervisor.Disk{disk("vol-" + strings.TrimPrefix(id, "i-"))},
		NICs:  []hypervisor.NIC{{ID: "eni-01", MAC: "02:00:00:00:00:01", MTU: 1500}},
	}
}

func disk(id string) hypervisor.Disk {
	return hypervisor.Disk{ID: id, Path: "/fake/" + id, Format: "qcow2"}
}

func start(t *testing.T, d *fake.Driver, id string) error {
	t.Helper()
	s := spec(id)
	s.NICs = nil
	return d.Start(t.Context(), s, nil)
}

func TestScale(t *testing.T) {
	const hosts, guests = 1000, 10
	began := time.Now()
	drivers := make([]*fake.Driver, hosts)
	for h := range drivers {
		drivers[h] = fake.New(fake.Config{MemoryMiB: guests * 512})
		for g := range guests {
			if err := start(t, drivers[h], fmt.Sprintf("i-%05d", h*guests+g)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, d := range drivers {
		list, err := d.List(t.Context())
		if err != nil || len(list) != guests {
			t.Fatalf("%d guests, %v", len(list), err)
		}
		if err := start(t, d, "i-99999"); !errors.Is(err, hypervisor.ErrNoRoom) {
			t.Fatalf("start beyond the memory: %v, want ErrNoRoom", err)
		}
	}
	t.Logf("%d guests on %d hosts in %v", hosts*guests, hosts, time.Since(began))
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := fake.New(fake.Config{Latency: fake.Latency{Start: 80 * time.Millisecond, Shutdown: 2 * time.Second, Unplug: 70 * time.Millisecond}})
		began := time.Now()
		if err := start(t, d, "i-01"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 80*time.Millisecond {
			t.Errorf("start took %v", took)
		}
		if err := d.Power(t.Context(), "i-01", hypervisor.Shutdown); err != nil {
			t.Fatal(err)
		}
		<-d.Changed()
		if took := time.Since(began); took != 2080*time.Millisecond {
			t.Errorf("halted after %v", took)
		}
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("fault")
		faulty := map[string]bool{"start": true}
		h := fake.NewHost(fake.Config{
			Before: func(op, _ string) error {
				if faulty[op] {
					return fault
				}
				return nil
			},
			After: func(op, _ string) error {
				if faulty["after "+op] {
					return fault
				}
				return nil
			},
		})
		d := h.Open()
		if err := start(t, d, "i-01"); !errors.Is(err, fault) {
			t.Errorf("start: %v, want the fault", err)
		}
		if list, _ := d.List(t.Context()); len(list) != 0 {
			t.Errorf("a failed start left %+v", list)
		}
		faulty = map[string]bool{"after start": true}
		if err := start(t, d, "i-01"); !errors.Is(err, fault) {
			t.Errorf("start: %v, want the fault", err)
		}
		if list, _ := d.List(t.Context()); len(list) != 1 {
			t.Errorf("a start whose answer was lost left %+v", list)
		}
		faulty = nil

		h.LoseEvents(true)
		if err := h.Halt("i-01"); err != nil {
			t.Fatal(err)
		}
		select {
		case id := <-d.Changed():
			t.Errorf("a lost event arrived: %s", id)
		default:
		}
		h.Reboot()
		if list, _ := d.List(t.Context()); len(list) != 1 || list[0].State != hypervisor.Absent {
			t.Errorf("after a power cut: %+v", list)
		}

		if err := start(t, d, "i-02"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.Sleep("i-02", true), h.Cling("i-02", true)); err != nil {
			t.Fatal(err)
		}
		if err := d.Power(t.Context(), "i-02", hypervisor.Shutdown); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { _ = h.Cling("i-02", false) })
		began := time.Now()
		if err := d.Unplug(t.Context(), "i-02", "vol-02"); err != nil || time.Since(began) < time.Second {
			t.Errorf("unplug from a guest that clung for a second: %v after %v", err, time.Since(began))
		}
		if list, _ := d.List(t.Context()); list[1].State != hypervisor.Running {
			t.Errorf("a guest that ignores the power button: %+v", list[1])
		}
	})
}
