package snapshot

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const id = "snap-00000000000000001"

func newReconciler(t *testing.T, s *cloud.Snapshot) *Reconciler {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if s == nil {
		return &Reconciler{DB: db, Now: time.Now}
	}
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		if err := snapshots.Put(tx, *s); err != nil {
			return err
		}
		return tx.Claim("space", "name", s.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Reconciler{DB: db, Now: time.Now}
}

// A snapshot's document goes when it is to be deleted and its bytes are gone, and with it
// all that it claims; never before.
func TestSnapshotGoes(t *testing.T) {
	for what, c := range map[string]struct {
		snapshot cloud.Snapshot
		goes     bool
	}{
		"wanted":                      {cloud.Snapshot{Host: "a", Seen: cloud.SnapshotSeen{Ready: true}}, false},
		"wanted, though gone":         {cloud.Snapshot{Host: "a", Seen: cloud.SnapshotSeen{Gone: true}}, false},
		"failed":                      {cloud.Snapshot{Host: "a", Seen: cloud.SnapshotSeen{Error: "Server.InternalError: x"}}, false},
		"deleted, its bytes there":    {cloud.Snapshot{Host: "a", Delete: true, Seen: cloud.SnapshotSeen{Ready: true}}, false},
		"deleted before it was taken": {cloud.Snapshot{Host: "a", Delete: true}, false},
		"deleted, its bytes gone":     {cloud.Snapshot{Host: "a", Delete: true, Seen: cloud.SnapshotSeen{Gone: true}}, true},
		"deleted, kept nowhere":       {cloud.Snapshot{Delete: true}, true},
	} {
		t.Run(what, func(t *testing.T) {
			c.snapshot.ID = id
			r := newReconciler(t, &c.snapshot)
			for range 2 { // any step may run twice
				if wait, err := r.Reconcile(t.Context(), id); err != nil || wait != 0 {
					t.Fatalf("reconcile: %v, %v", wait, err)
				}
			}
			_, there := snapshots.Get(r.DB.View(), id)
			_, claimed := store.Owner(r.DB.View(), "space", "name")
			if there == c.goes || claimed == c.goes {
				t.Errorf("it is there: %v, its claims: %v; want both %v", there, claimed, !c.goes)
			}
		})
	}
}

// A snapshot that is no more needs nothing, and a store that fails is told of.
func TestSnapshotFaults(t *testing.T) {
	r := newReconciler(t, nil)
	if wait, err := r.Reconcile(t.Context(), id); err != nil || wait != 0 {
		t.Errorf("no snapshot: %v, %v", wait, err)
	}
	r = newReconciler(t, &cloud.Snapshot{Meta: cloud.Meta{ID: id}, Delete: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Reconcile(ctx, id); err == nil {
		t.Error("a transaction that did not happen is no error")
	}
	if _, there := snapshots.Get(r.DB.View(), id); !there {
		t.Error("a transaction that did not happen took the document away")
	}
	if _, err := r.Reconcile(t.Context(), id); err != nil {
		t.Error(err)
	}
	if _, there := snapshots.Get(r.DB.View(), id); there {
		t.Error("after the fault it is still there")
	}
}

func TestKey(t *testing.T) {
	r := &Reconciler{}
	for key, c := range map[string]store.Change{
		id: {Table: "snapshot", Key: id},
		"": {Table: "snapshot", Key: id, Deleted: true},
	} {
		if got := r.Key(c); got != key {
			t.Errorf("%+v: got %q, want %q", c, got, key)
		}
	}
	if got := r.Key(store.Change{Table: "volume", Key: id}); got != "" {
		t.Errorf("a volume is a snapshot: %q", got)
	}
}
