package nat

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const (
	gateway    = "nat-0123456789abcdef0"
	port       = "eni-0123456789abcdef0"
	allocation = "eipalloc-0123456789abcdef0"
)

type world struct {
	testing.TB
	*Reconciler
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{TB: t, now: time.Unix(1_700_000_000, 0).UTC()}
	w.Reconciler = &Reconciler{DB: db, Now: func() time.Time { return w.now }}
	return w
}

func put[T store.Document](w *world, doc T) {
	w.Helper()
	w.update(func(tx *store.Tx) error { return store.Table[T]{}.Put(tx, doc) })
}

func (w *world) update(fn func(*store.Tx) error) {
	w.Helper()
	if err := w.DB.Update(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) reconcile(wait time.Duration) {
	w.Helper()
	if got, err := w.Reconcile(w.Context(), gateway); err != nil || got != wait {
		w.Fatalf("reconcile: %v, %v; want %v", got, err, wait)
	}
}

func (w *world) state() cloud.NATState {
	g, ok := gateways.Get(w.DB.View(), gateway)
	if !ok {
		return ""
	}
	return g.State()
}

// furnish makes a gateway whose interface has an elastic address.
func (w *world) furnish() {
	ip, private := netip.MustParseAddr("100.64.0.9"), netip.MustParseAddr("10.0.0.9")
	put(w, cloud.NATGateway{Meta: cloud.Meta{ID: gateway, Created: w.now}, Interface: port})
	put(w, cloud.NetworkInterface{Meta: cloud.Meta{ID: port}, VPC: "vpc-1", Of: gateway, Addresses: []cloud.PrivateAddress{{Private: private}}})
	put(w, cloud.Address{Meta: cloud.Meta{ID: allocation}, Address: ip, Association: "eipassoc-1", Interface: port, Private: private})
	w.update(func(tx *store.Tx) error { return tx.Claim(cloud.PrivateAddresses("vpc-1"), private.String(), port) })
}

func TestLife(t *testing.T) {
	w := newWorld(t)
	w.reconcile(0) // of a gateway that is not there
	w.furnish()
	w.reconcile(0)
	if w.state() != cloud.NATAvailable {
		t.Errorf("a new gateway is %s", w.state())
	}
	before := w.DB.View().Revision()
	w.reconcile(0)
	if w.DB.View().Revision() != before {
		t.Error("a second round changed something")
	}
	w.update(func(tx *store.Tx) error {
		return gateways.Modify(tx, gateway, func(g *cloud.NATGateway) error { g.Delete = true; return nil })
	})
	w.reconcile(Memory)
	if _, ok := interfaces.Get(w.DB.View(), port); ok || w.state() != cloud.NATDeleted {
		t.Errorf("a deleted gateway is %s; its interface is there: %v", w.state(), ok)
	}
	if a, _ := addresses.Get(w.DB.View(), allocation); a.Association != "" || a.Interface != "" || a.Private.IsValid() {
		t.Errorf("its address is %+v", a)
	}
	if owner, taken := store.Owner(w.DB.View(), cloud.PrivateAddresses("vpc-1"), "10.0.0.9"); taken {
		t.Errorf("its private address belongs to %s still", owner)
	}
	w.now = w.now.Add(Memory - time.Second)
	w.reconcile(time.Second)
	w.now = w.now.Add(time.Second)
	w.reconcile(0)
	if w.state() != "" {
		t.Errorf("after an hour it is %s", w.state())
	}
}

func TestFailedIsForgotten(t *testing.T) {
	w := newWorld(t)
	put(w, cloud.NATGateway{Meta: cloud.Meta{ID: gateway, Created: w.now}, Failure: "Gateway.NotAttached: none"})
	w.reconcile(Memory)
	if w.state() != cloud.NATFailed {
		t.Errorf("it is %s", w.state())
	}
	w.now = w.now.Add(Memory)
	w.reconcile(0)
	if w.state() != "" {
		t.Errorf("after an hour it is %s", w.state())
	}
}

func TestKey(t *testing.T) {
	r := &Reconciler{}
	for want, c := range map[string]store.Change{
		gateway: {Table: "natgateway", Key: gateway},
		"":      {Table: "natgateway", Key: gateway, Deleted: true},
	} {
		if got := r.Key(c); got != want {
			t.Errorf("key of %+v is %q", c, got)
		}
	}
	if r.Key(store.Change{Table: "vpc", Key: "vpc-1"}) != "" {
		t.Error("VPCs concern it")
	}
}
