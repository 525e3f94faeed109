package instance_test

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/instance"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

var (
	instances  store.Table[cloud.Instance]
	interfaces store.Table[cloud.NetworkInterface]
	addresses  store.Table[cloud.Address]
	volumes    store.Table[cloud.Volume]
	hosts      store.Table[cloud.Host]
)

// world is one placed, running instance with all that an instance can hold.
type world struct {
	t   *testing.T
	db  *store.Store
	now time.Time
	r   *instance.Reconciler
}

const (
	id       = "i-00000000000000001"
	nic      = "eni-00000000000000001"
	kept     = "eni-00000000000000002" // DeleteOnTermination false
	root     = "vol-00000000000000001"
	keptDisk = "vol-00000000000000002" // DeleteOnTermination false
	elastic  = "eipalloc-00000000000000001"
)

func newWorld(t *testing.T) *world {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.r = &instance.Reconciler{DB: db, Now: func() time.Time { return w.now }}
	meta := func(id string) cloud.Meta { return cloud.Meta{ID: id, Account: "100000000001", Created: w.now} }
	small, _ := cloud.FindInstanceType("t2.micro")
	host := cloud.Host{ID: "h1", Zones: []string{"z"}, VCPUs: 8, MemoryMiB: 8192}.Take(small)
	w.update(func(tx *store.Tx) error {
		return first(
			hosts.Create(tx, host),
			instances.Create(tx, cloud.Instance{
				Meta: meta(id), Type: "t2.micro", Want: cloud.PowerRunning, Starts: 1, OnShutdown: "stop", Host: "h1", Slot: 7,
				Seen: cloud.InstanceSeen{Running: true, Starts: 1},
			}),
			interfaces.Create(tx, cloud.NetworkInterface{
				Meta: meta(nic), MAC: "02:00:00:00:00:01",
				Addresses: []cloud.PrivateAddress{
					{Private: netip.MustParseAddr("10.0.0.4"), Public: &cloud.PublicAddress{Address: netip.MustParseAddr("100.64.0.4")}},
					{Private: netip.MustParseAddr("10.0.0.5"), Public: &cloud.PublicAddress{Address: netip.MustParseAddr("100.64.0.5"), Allocation: elastic}},
				},
				Attachment: &cloud.InterfaceAttachment{Instance: id, DeleteOnTermination: true},
			}),
			interfaces.Create(tx, cloud.NetworkInterface{
				Meta: meta(kept), MAC: "02:00:00:00:00:02", Addresses: []cloud.PrivateAddress{{Private: netip.MustParseAddr("10.0.0.6")}},
				Attachment: &cloud.InterfaceAttachment{Instance: id, DeviceIndex: 1},
			}),
			addresses.Create(tx, cloud.Address{Meta: meta(elastic), Address: netip.MustParseAddr("100.64.0.5"), Association: "eipassoc-1", Interface: nic, Instance: id}),
			volumes.Create(tx, cloud.Volume{Meta: meta(root), Host: "h1", Attachment: &cloud.Attachment{Instance: id, DeleteOnTermination: true}}),
			volumes.Create(tx, cloud.Volume{Meta: meta(keptDisk), Host: "h1", Attachment: &cloud.Attachment{Instance: id}}),
			tx.Claim("slot/h1", "7", id),
			tx.Claim("mac", "02:00:00:00:00:01", nic), tx.Claim("ip/v", "10.0.0.4", nic), tx.Claim("ip/v", "10.0.0.5", nic),
			tx.Claim("public", "100.64.0.4", nic), tx.Claim("public", "100.64.0.5", elastic),
			tx.Claim("mac", "02:00:00:00:00:02", kept), tx.Claim("ip/v", "10.0.0.6", kept),
		)
	})
	return w
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// change alters the instance, and lets the reconciler work until it rests.
func (w *world) change(fn func(*cloud.Instance)) time.Duration {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		return instances.Modify(tx, id, func(i *cloud.Instance) error { fn(i); return nil })
	})
	for {
		before := w.db.View().Revision()
		wait, err := w.r.Reconcile(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.db.View().Revision() == before {
			return wait
		}
	}
}

func (w *world) instance() cloud.Instance {
	w.t.Helper()
	i, ok := instances.Get(w.db.View(), id)
	if !ok {
		w.t.Fatal("the instance is gone")
	}
	return i
}

func (w *world) held(space, value string) bool {
	_, ok := store.Owner(w.db.View(), space, value)
	return ok
}

func (w *world) wantState(want cloud.InstanceState) {
	w.t.Helper()
	if got := w.instance().State(); got != want {
		w.t.Errorf("state is %s, want %s", got, want)
	}
}

func TestRunningInstanceIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	if wait := w.change(func(*cloud.Instance) {}); wait != 0 {
		t.Errorf("wants to look again in %v", wait)
	}
	w.wantState(cloud.InstanceRunning)
}

func TestGuestThatHaltsIsStopped(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) { i.Seen = cloud.InstanceSeen{Starts: 1, Ended: true, Halted: true} })
	w.wantState(cloud.InstanceStopped)
	i := w.instance()
	if i.Want != cloud.PowerStopped || i.Host != "" || i.Reason.Code != "Client.InstanceInitiatedShutdown" {
		t.Errorf("instance is %+v", i)
	}
	if h, _ := hosts.Get(w.db.View(), "h1"); h.Used != (cloud.Usage{}) {
		t.Errorf("the host still promises %+v", h.Used)
	}
	for _, c := range [][2]string{{"slot/h1", "7"}, {"public", "100.64.0.4"}} {
		if w.held(c[0], c[1]) {
			t.Errorf("%s %s is still held", c[0], c[1])
		}
	}
	for _, c := range [][2]string{{"ip/v", "10.0.0.4"}, {"mac", "02:00:00:00:00:01"}, {"public", "100.64.0.5"}} {
		if !w.held(c[0], c[1]) {
			t.Errorf("%s %s was given back", c[0], c[1])
		}
	}
	n, _ := interfaces.Get(w.db.View(), nic)
	if n.Addresses[0].Public != nil || n.Addresses[1].Public == nil {
		t.Errorf("public addresses after a stop: %+v", n.Addresses)
	}
}

func TestGuestThatHaltsIsTerminatedIfSoAsked(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) {
		i.OnShutdown = "terminate"
		i.Seen = cloud.InstanceSeen{Starts: 1, Ended: true, Halted: true}
	})
	w.wantState(cloud.InstanceShuttingDown) // until the host says that nothing is left
	w.change(func(i *cloud.Instance) { i.Seen.Gone = true })
	w.wantState(cloud.InstanceTerminated)
}

func TestFailedLaunchIsTerminated(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) {
		i.Seen = cloud.InstanceSeen{Starts: 1, Ended: true, Failed: true, Error: "Server.InsufficientInstanceCapacity: no memory"}
	})
	i := w.instance()
	if i.Want != cloud.PowerTerminated || i.Reason.Code != "Server.InsufficientInstanceCapacity" {
		t.Errorf("want %s, reason %+v", i.Want, i.Reason)
	}
}

func TestFailedStartIsStopped(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) {
		i.Starts = 2
		i.Seen = cloud.InstanceSeen{Starts: 2, Ended: true, Failed: true, Error: "Server.InternalError: no luck"}
	})
	w.wantState(cloud.InstanceStopped)
	if r := w.instance().Reason; r.Code != "Server.InternalError" {
		t.Errorf("reason is %+v", r)
	}
}

func TestStopWaitsForTheHost(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) { i.Want = cloud.PowerStopped })
	w.wantState(cloud.InstanceStopping)
	w.change(func(i *cloud.Instance) { i.Seen = cloud.InstanceSeen{Starts: 1, Ended: true} })
	w.wantState(cloud.InstanceStopped)
}

func TestTerminate(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) { i.Want = cloud.PowerTerminated })
	w.wantState(cloud.InstanceShuttingDown)
	if !w.held("ip/v", "10.0.0.4") {
		t.Error("the address was given back while the guest may still run")
	}
	wait := w.change(func(i *cloud.Instance) { i.Seen.Gone = true; i.Seen.Running = false })
	w.wantState(cloud.InstanceTerminated)
	if wait <= 0 || wait > instance.Remembered {
		t.Errorf("forgets in %v, want at most %v", wait, instance.Remembered)
	}
	for _, c := range [][2]string{{"slot/h1", "7"}, {"public", "100.64.0.4"}, {"ip/v", "10.0.0.4"}, {"ip/v", "10.0.0.5"}, {"mac", "02:00:00:00:00:01"}} {
		if w.held(c[0], c[1]) {
			t.Errorf("%s %s is still held", c[0], c[1])
		}
	}
	v := w.db.View()
	if _, ok := interfaces.Get(v, nic); ok {
		t.Error("the interface was not deleted")
	}
	if n, ok := interfaces.Get(v, kept); !ok || n.Attachment != nil || !w.held("ip/v", "10.0.0.6") {
		t.Errorf("the interface to keep is %+v", n)
	}
	if a, _ := addresses.Get(v, elastic); a.Association != "" || a.Interface != "" || !w.held("public", "100.64.0.5") {
		t.Errorf("the elastic address is %+v", a)
	}
	if d, _ := volumes.Get(v, root); !d.Delete || d.Attachment != nil {
		t.Errorf("the root volume is %+v", d)
	}
	if d, _ := volumes.Get(v, keptDisk); d.Delete || d.Attachment != nil {
		t.Errorf("the volume to keep is %+v", d)
	}

	w.now = w.now.Add(instance.Remembered + time.Second)
	if _, err := w.r.Reconcile(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, ok := instances.Get(w.db.View(), id); ok {
		t.Error("the instance is still remembered")
	}
}

func TestTerminateOfAStoppedInstance(t *testing.T) {
	w := newWorld(t)
	w.change(func(i *cloud.Instance) {
		i.Want = cloud.PowerStopped
		i.Seen = cloud.InstanceSeen{Starts: 1, Ended: true}
	})
	w.change(func(i *cloud.Instance) { i.Want = cloud.PowerTerminated })
	w.wantState(cloud.InstanceTerminated)
}
