// Package snapshot ends what hosts have undone: it deletes the document of a snapshot
// whose bytes are gone.
//
// It guarantees that a snapshot's document outlives its bytes.
package snapshot

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the snapshot reconciler.
type Reconciler struct {
	DB *store.Store
}

var snapshots store.Table[cloud.Snapshot]

// Name is "snapshot".
func (*Reconciler) Name() string { return "snapshot" }

// Key is the snapshot's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.Snapshot{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile takes the next step in the snapshot's life.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	if s, ok := snapshots.Get(r.DB.View(), id); !ok || !gone(s) {
		return 0, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		if s, ok := snapshots.Get(tx, id); !ok || !gone(s) {
			return nil
		}
		tx.ReleaseAll(id)
		return snapshots.Delete(tx, id)
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

func gone(s cloud.Snapshot) bool { return s.Delete && (s.Seen.Gone || s.Host == "") }
