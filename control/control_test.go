package control_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control"
	"github.com/vauban-cloud/vauban/control/account"
	"github.com/vauban-cloud/vauban/control/clienttoken"
	"github.com/vauban-cloud/vauban/control/volume"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// run runs a control plane until the returned function is called.
func run(t *testing.T, db *store.Store, holder string, rs ...control.Reconciler) (*control.Plane, func()) {
	t.Helper()
	p := control.New(control.Config{
		DB: db, Holder: holder, Reconcilers: rs, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("control plane: %v", err)
		}
	}
	t.Cleanup(stop)
	return p, stop
}

// eventually waits for a condition that the control plane brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func put[T store.Document](t *testing.T, db *store.Store, docs ...T) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		for _, d := range docs {
			if err := (store.Table[T]{}).Put(tx, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewAccountGetsItsNetwork(t *testing.T) {
	db := open(t)
	run(t, db, "a", &account.Reconciler{DB: db, Place: cloud.DefaultPlace(), NewID: cloud.NewID, Now: time.Now})
	put(t, db, cloud.Account{ID: "100000000001"}, cloud.Account{ID: "100000000002"})
	var accounts store.Table[cloud.Account]
	for _, id := range []string{"100000000001", "100000000002"} {
		eventually(t, "default VPC of "+id, func() bool { a, _ := accounts.Get(db.View(), id); return a.DefaultVPC != "" })
		v, label := db.View(), cloud.AccountLabel(id)
		for what, n := range map[string][2]int{
			"VPCs":         {store.Table[cloud.VPC]{}.Count(v, label), 1},
			"subnets":      {store.Table[cloud.Subnet]{}.Count(v, label), 2},
			"route tables": {store.Table[cloud.RouteTable]{}.Count(v, label), 1},
			"gateways":     {store.Table[cloud.InternetGateway]{}.Count(v, label), 1},
			"groups":       {store.Table[cloud.SecurityGroup]{}.Count(v, label), 1},
		} {
			if n[0] != n[1] {
				t.Errorf("account %s has %d %s, want %d", id, n[0], what, n[1])
			}
		}
	}
}

func TestVolumeDocumentOutlivesItsBytes(t *testing.T) {
	db := open(t)
	run(t, db, "a", &volume.Reconciler{DB: db, Now: time.Now})
	var volumes store.Table[cloud.Volume]
	meta := cloud.Meta{ID: "vol-00000000000000001", Account: "100000000001"}
	v := cloud.Volume{Meta: meta, Host: "h", Seen: cloud.VolumeSeen{Ready: true, Guest: "i-1"}, Attachment: &cloud.Attachment{Instance: "i-1", Detach: true}}
	put(t, db, v)
	v.Seen.Guest = ""
	put(t, db, v)
	eventually(t, "detached", func() bool { v, _ := volumes.Get(db.View(), meta.ID); return v.Attachment == nil })

	v.Attachment, v.Delete = nil, true
	put(t, db, v)
	time.Sleep(20 * time.Millisecond) // long enough for a reconciler that does not wait
	if _, ok := volumes.Get(db.View(), meta.ID); !ok {
		t.Fatal("the document went before the bytes")
	}
	v.Seen.Gone = true
	put(t, db, v)
	eventually(t, "deleted", func() bool { _, ok := volumes.Get(db.View(), meta.ID); return !ok })
}

func TestClientTokensAreForgotten(t *testing.T) {
	db := open(t)
	run(t, db, "a", &clienttoken.Reconciler{DB: db, Now: time.Now})
	var tokens store.Table[cloud.ClientToken]
	put(t, db,
		cloud.ClientToken{Token: "old", Created: time.Now().Add(-clienttoken.Remembered - time.Second)},
		cloud.ClientToken{Token: "new", Created: time.Now()})
	eventually(t, "old token forgotten", func() bool { _, ok := tokens.Get(db.View(), "old"); return !ok })
	if _, ok := tokens.Get(db.View(), "new"); !ok {
		t.Error("a fresh token was forgotten")
	}
}

// counting is a reconciler that counts its calls.
type counting struct{ calls atomic.Int64 }

func (*counting) Name() string              { return "counting" }
func (*counting) Key(c store.Change) string { return c.Key }
func (c *counting) Reconcile(context.Context, string) (time.Duration, error) {
	c.calls.Add(1)
	return 0, nil
}

func TestOnlyTheHolderOfTheLeaseWorks(t *testing.T) {
	db := open(t)
	var a, b counting
	pa, stopA := run(t, db, "a", &a)
	eventually(t, "a leads", func() bool { _, leads := pa.Failing(); return leads })
	pb, _ := run(t, db, "b", &b)
	put(t, db, cloud.Account{ID: "100000000001"})
	eventually(t, "a works", func() bool { return a.calls.Load() > 0 })
	if _, leads := pb.Failing(); leads || b.calls.Load() > 0 {
		t.Fatal("b works while a holds the lease")
	}
	stopA()
	before := a.calls.Load()
	eventually(t, "b takes over", func() bool { return b.calls.Load() > 0 })
	if a.calls.Load() != before {
		t.Error("a works on after it stopped")
	}
}
