// Package volume ends what hosts have done and undone: it clears the attachment of a
// volume that was detached, deletes the document of a volume whose bytes are gone, and
// completes modifications that hold.
//
// It guarantees that a volume's document outlives its bytes, so that bytes
// without a document never exist.
package volume

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the volume reconciler.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
}

var volumes store.Table[cloud.Volume]

// Name is "volume".
func (*Reconciler) Name() string { return "volume" }

// Key is the volume's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.Volume{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile takes the next step in the volume's life.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	if v, ok := volumes.Get(r.DB.View(), id); !ok || !detached(v) && !gone(v) && !modified(v) {
		return 0, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		v, ok := volumes.Get(tx, id)
		switch {
		case ok && detached(v):
			return volumes.Modify(tx, id, func(v *cloud.Volume) error {
				v.Attachment = nil
				return nil
			})
		case ok && modified(v):
			return volumes.Modify(tx, id, func(v *cloud.Volume) error {
				m := *v.Modification
				m.Ended = r.Now().UTC()
				v.Modification = &m
				return nil
			})
		case ok && gone(v):
			tx.ReleaseAll(id)
			return volumes.Delete(tx, id)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

func detached(v cloud.Volume) bool {
	return v.Attachment != nil && v.Attachment.Detach && v.Seen.Guest == ""
}

// modified reports whether a change that was under way holds on the host.
func modified(v cloud.Volume) bool {
	return v.Modification != nil && v.Modification.Ended.IsZero() && v.Seen.Ready && !v.Modified() && !v.Delete
}

func gone(v cloud.Volume) bool {
	return v.Delete && v.Attachment == nil && (v.Seen.Gone || v.Host == "")
}
