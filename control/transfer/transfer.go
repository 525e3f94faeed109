// Package transfer makes snapshots, and images of them, of the disks that hosts have
// imported, ends imports and exports, and forgets those that ended long ago.
//
// It guarantees that what an import makes appears whole, in one transaction, and that an
// import which failed or was cancelled has ended only when nothing is left of it.
package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/internal/steps"
	"github.com/vauban-cloud/vauban/store"
)

// Kept is how long a task can be looked at after it has ended.
const Kept = 7 * 24 * time.Hour

// Reconciler is the reconciler of imports and exports.
type Reconciler struct {
	DB    *store.Store
	Place cloud.Place
	Now   func() time.Time
}

var (
	imports   store.Table[cloud.ImportTask]
	exports   store.Table[cloud.ExportTask]
	images    store.Table[cloud.Image]
	snapshots store.Table[cloud.Snapshot]
)

// Name is "transfer".
func (*Reconciler) Name() string { return "transfer" }

// Key is the ID of the task that changed, or that made a snapshot that changed.
func (*Reconciler) Key(c store.Change) string {
	switch c.Table {
	case (cloud.ImportTask{}).Table(), (cloud.ExportTask{}).Table():
		if !c.Deleted {
			return c.Key
		}
	case (cloud.Snapshot{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, "import/"); ok {
				return id
			}
		}
	}
	return ""
}

// Reconcile takes the next steps of a task.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	wait, err := steps.Take(ctx, r.DB, func(view store.Reader) (func(*store.Tx) error, time.Duration) {
		if t, ok := imports.Get(view, id); ok {
			return r.nextImport(view, t)
		}
		if t, ok := exports.Get(view, id); ok {
			return r.nextExport(t)
		}
		return nil, 0
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return wait, err
}

func (r *Reconciler) nextImport(view store.Reader, t cloud.ImportTask) (func(*store.Tx) error, time.Duration) {
	switch {
	case !t.Ended.IsZero():
		return r.forget(t.Ended, func(tx *store.Tx) error { return imports.Delete(tx, t.ID) })
	case t.Undone() && t.Seen.Gone, t.Made && settled(view, t):
		t.Ended = r.Now().UTC()
		return func(tx *store.Tx) error { return imports.Put(tx, t) }, 0
	case !t.Undone() && !t.Made && len(t.Seen.Disks) == len(t.Disks):
		return func(tx *store.Tx) error { return r.make(tx, t) }, 0
	}
	return nil, 0
}

func (r *Reconciler) nextExport(t cloud.ExportTask) (func(*store.Tx) error, time.Duration) {
	switch {
	case !t.Ended.IsZero():
		return r.forget(t.Ended, func(tx *store.Tx) error { return exports.Delete(tx, t.ID) })
	case t.Undone() && t.Seen.Gone, t.Seen.Done:
		t.Ended = r.Now().UTC()
		return func(tx *store.Tx) error { return exports.Put(tx, t) }, 0
	}
	return nil, 0
}

// forget deletes a task that ended long ago, or says how long it is still kept.
func (r *Reconciler) forget(ended time.Time, remove func(*store.Tx) error) (func(*store.Tx) error, time.Duration) {
	if left := ended.Add(Kept).Sub(r.Now()); left > 0 {
		return nil, left
	}
	return remove, 0
}

// settled reports whether the snapshots of an import are whatever they will be.
func settled(r store.Reader, t cloud.ImportTask) bool {
	for _, d := range t.Disks {
		if s, ok := snapshots.Get(r, d.Snapshot); ok && !s.Delete && s.State() == cloud.SnapshotPending {
			return false
		}
	}
	if t.Image == nil {
		return true
	}
	i, ok := images.Get(r, t.Image.ID)
	return !ok || !i.Pending
}

const gib = 1 << 30

// make makes the documents of what was imported.
func (r *Reconciler) make(tx *store.Tx, t cloud.ImportTask) error {
	image := cloud.Image{}
	if t.Image != nil {
		image = r.image(t)
	}
	for n, d := range t.Disks {
		size := int((t.Seen.Disks[n].Bytes + gib - 1) / gib)
		s := cloud.Snapshot{
			Meta:   cloud.Meta{ID: d.Snapshot, Account: t.Account, Created: r.Now().UTC()},
			Import: t.ID, Image: image.ID, SizeGiB: size, Host: t.Host, Encrypted: t.Encrypted, Sealed: d.Sealed,
			Description: cmp.Or(d.Description, fmt.Sprintf("Created by AWS-VMImport service for %s", t.ID)),
		}
		if err := snapshots.Create(tx, s); err != nil {
			return err
		}
		image.Mappings = append(image.Mappings, cloud.ImageMapping{
			Device: d.Device, Snapshot: s.ID, SizeGiB: size, Type: "gp2", Encrypted: t.Encrypted, DeleteOnTermination: true,
		})
	}
	if t.Image != nil {
		image.SizeGiB = image.Mappings[0].SizeGiB
		if err := images.Create(tx, image); err != nil {
			return err
		}
	}
	t.Made = true
	return imports.Put(tx, t)
}

// image is the image that an import makes, which control/image makes available with its
// snapshots.
func (r *Reconciler) image(t cloud.ImportTask) cloud.Image {
	return cloud.Image{
		Meta: cloud.Meta{ID: t.Image.ID, Account: t.Account, Created: r.Now().UTC()},
		Name: t.ID, Description: t.Description, Architecture: t.Image.Architecture, RootDevice: t.Disks[0].Device,
		Firmware: "legacy-bios", Pending: true,
	}
}
