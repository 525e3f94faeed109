package account

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const (
	alice = "200000000001"
	bob   = "200000000002"
)

// world is a store with two accounts, whose requests are not complete yet.
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
	w.Reconciler = &Reconciler{DB: db, Place: cloud.DefaultPlace(), NewID: cloud.NewID, Now: func() time.Time { return w.now }}
	for _, id := range []string{alice, bob} {
		put(w, cloud.Account{ID: id})
		put(w, cloud.AccountRequest{ID: "car-" + id, Account: id, Requested: w.now})
	}
	return w
}

func put[T store.Document](w *world, doc T) {
	w.Helper()
	if err := w.DB.Update(w.Context(), func(tx *store.Tx) error { return store.Table[T]{}.Put(tx, doc) }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) reconcile(id string) {
	w.Helper()
	if wait, err := w.Reconcile(w.Context(), id); err != nil || wait != 0 {
		w.Fatalf("reconcile %s: %v, %v", id, wait, err)
	}
}

func instance(id, account string, want cloud.Power) cloud.Instance {
	return cloud.Instance{
		Meta: cloud.Meta{ID: id, Account: account}, Want: want, Starts: 1, Host: "h", DisableStop: true,
		Seen: cloud.InstanceSeen{Running: want == cloud.PowerRunning, Starts: 1},
	}
}

func TestRequestCompletesWithTheNetwork(t *testing.T) {
	w := newWorld(t)
	w.reconcile(alice)
	if a, _ := accounts.Get(w.DB.View(), alice); a.DefaultVPC == "" {
		t.Error("the account has no default network")
	}
	if q, _ := requests.Get(w.DB.View(), "car-"+alice); !q.Completed.Equal(w.now) {
		t.Errorf("the request was completed at %v", q.Completed)
	}
	if q, _ := requests.Get(w.DB.View(), "car-"+bob); !q.Completed.IsZero() {
		t.Error("another account's request was completed")
	}
	before := w.DB.View().Revision()
	w.now = w.now.Add(time.Hour)
	w.reconcile(alice)
	if w.DB.View().Revision() != before {
		t.Error("a second round changed something")
	}
}

func TestGuestsOfSuspendedAccountsStop(t *testing.T) {
	for state, code := range map[cloud.AccountState]string{
		cloud.AccountSuspended: "Server.AccountSuspended", cloud.AccountClosed: "Server.AccountClosed",
	} {
		w := newWorld(t)
		w.reconcile(alice)
		w.reconcile(bob)
		pending := instance("i-pending", alice, cloud.PowerRunning)
		pending.Seen = cloud.InstanceSeen{}
		put(w, instance("i-1", alice, cloud.PowerRunning))
		put(w, pending)
		put(w, instance("i-stopped", alice, cloud.PowerStopped))
		put(w, instance("i-gone", alice, cloud.PowerTerminated))
		put(w, instance("i-bob", bob, cloud.PowerRunning))
		w.reconcile(alice) // active: nothing happens
		if i, _ := instances.Get(w.DB.View(), "i-1"); i.Want != cloud.PowerRunning {
			t.Fatal("a guest of an active account was stopped")
		}
		set := func(s cloud.AccountState) {
			a, _ := accounts.Get(w.DB.View(), alice)
			a.State = s
			put(w, a)
			w.reconcile(alice)
			w.reconcile(bob)
		}
		set(state)
		for id, want := range map[string]struct {
			power  cloud.Power
			reason string
		}{
			"i-1": {cloud.PowerStopped, code}, "i-pending": {cloud.PowerStopped, code},
			"i-stopped": {cloud.PowerStopped, ""}, "i-gone": {cloud.PowerTerminated, ""}, "i-bob": {cloud.PowerRunning, ""},
		} {
			i, _ := instances.Get(w.DB.View(), id)
			if i.Want != want.power || i.Reason.Code != want.reason || i.Force {
				t.Errorf("%s account: %s is wanted %s because of %q, forced %v", state, id, i.Want, i.Reason.Code, i.Force)
			}
		}
		if n := instances.Count(w.DB.View(), ""); n != 5 {
			t.Errorf("%d instances are left of 5", n)
		}
		// A launch that was let in before the account was suspended.
		put(w, instance("i-late", alice, cloud.PowerRunning))
		w.reconcile(alice)
		if i, _ := instances.Get(w.DB.View(), "i-late"); i.Want != cloud.PowerStopped {
			t.Error("a late launch runs on")
		}
		set(cloud.AccountActive)
		if i, _ := instances.Get(w.DB.View(), "i-1"); i.Want != cloud.PowerStopped {
			t.Error("a guest was started again without its owner asking")
		}
	}
}

func TestKey(t *testing.T) {
	r := &Reconciler{}
	i := instance("i-1", alice, cloud.PowerRunning)
	for want, c := range map[string]store.Change{
		alice: {Table: i.Table(), Key: i.ID, Labels: i.Labels()},
		bob:   {Table: "account", Key: bob},
		"":    {Table: "instance", Key: "i-1", Deleted: true},
	} {
		if got := r.Key(c); got != want {
			t.Errorf("%v is about %q, want %q", c, got, want)
		}
	}
	if got := r.Key(store.Change{Table: "vpc", Key: "vpc-1", Labels: []string{cloud.AccountLabel(alice)}}); got != "" {
		t.Errorf("a VPC is about %q", got)
	}
}
