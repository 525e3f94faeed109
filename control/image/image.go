// Package image moves the images of tenants along: one whose snapshots are kept becomes
// available, one of which a snapshot cannot be had fails, and one that was deregistered is
// forgotten once nothing stands on it and the recycle bin does not keep it any more.
//
// It guarantees that an image is available only when the bytes of all its volumes are kept,
// and that its document is there for as long as instances and volumes name it. The images
// of the operator are none of its business.
package image

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/internal/steps"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the image reconciler.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
}

var (
	images    store.Table[cloud.Image]
	snapshots store.Table[cloud.Snapshot]
	volumes   store.Table[cloud.Volume]
	instances store.Table[cloud.Instance]
)

// Name is "image".
func (*Reconciler) Name() string { return "image" }

// Key is the ID of the image that changed, or that a changed snapshot is for, or that a
// changed instance or volume began as.
func (*Reconciler) Key(c store.Change) string {
	switch c.Table {
	case (cloud.Image{}).Table():
		if !c.Deleted {
			return c.Key
		}
	case (cloud.Snapshot{}).Table(), (cloud.Instance{}).Table(), (cloud.Volume{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, "image/"); ok {
				return id
			}
		}
	}
	return ""
}

// Reconcile takes the next step in the image's life.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	wait, err := steps.Take(ctx, r.DB, func(view store.Reader) (func(*store.Tx) error, time.Duration) { return next(view, id, r.Now()) })
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return wait, err
}

func next(r store.Reader, id string, now time.Time) (step func(*store.Tx) error, wait time.Duration) {
	i, ok := images.Get(r, id)
	switch {
	case !ok || i.Account == cloud.OperatorAccount:
	case now.Before(i.Expires): // in the recycle bin
		return nil, i.Expires.Sub(now)
	case i.Retired && !used(r, id):
		return func(tx *store.Tx) error {
			tx.ReleaseAll(id)
			return images.Delete(tx, id)
		}, 0
	case i.Pending && !i.Retired:
		if made, failure := bytes(r, i); made || failure != "" {
			i.Pending, i.Failure = false, failure
			return func(tx *store.Tx) error { return images.Put(tx, i) }, 0
		}
	}
	return nil, 0
}

// used reports whether instances or volumes name the image.
func used(r store.Reader, id string) bool {
	for range instances.Select(r, "image/"+id) {
		return true
	}
	for range volumes.Select(r, "image/"+id) {
		return true
	}
	return false
}

// bytes reports whether the bytes of all volumes of an image are kept, or why they cannot
// be. An image without mappings is still being imported.
func bytes(r store.Reader, i cloud.Image) (made bool, failure string) {
	made = len(i.Mappings) > 0
	for _, m := range i.Mappings {
		if m.Snapshot == "" {
			continue
		}
		s, ok := snapshots.Get(r, m.Snapshot)
		switch {
		case !ok || !s.Kept():
			return false, "Client.InvalidSnapshot.NotFound: The snapshot '" + m.Snapshot + "' of " + m.Device + " does not exist."
		case s.State() == cloud.SnapshotError:
			return false, s.Seen.Error
		case s.State() != cloud.SnapshotCompleted:
			made = false
		}
	}
	return made, ""
}
