package image

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const (
	id       = "ami-00000000000000001"
	root     = "snap-00000000000000001"
	data     = "snap-00000000000000002"
	instance = "i-00000000000000001"
	volume   = "vol-00000000000000001"
	account  = "111122223333"
)

var now = time.Unix(1_700_000_000, 0).UTC()

type world struct {
	testing.TB
	*Reconciler
}

func newWorld(t *testing.T) world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return world{t, &Reconciler{DB: db, Now: func() time.Time { return now }}}
}

func put[T store.Document](w world, docs ...T) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		for _, doc := range docs {
			if err := (store.Table[T]{}).Put(tx, doc); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w world) update(fn func(*store.Tx) error) {
	w.Helper()
	if err := w.DB.Update(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

// reconcile takes all steps, and returns the image, if it is still there.
func (w world) reconcile() (cloud.Image, bool) {
	w.Helper()
	if wait, err := w.Reconcile(w.Context(), id); err != nil || wait != 0 {
		w.Fatalf("reconcile: %v, %v", wait, err)
	}
	return images.Get(w.DB.View(), id)
}

func tenants(change ...func(*cloud.Image)) cloud.Image {
	i := cloud.Image{
		Meta: cloud.Meta{ID: id, Account: account}, Pending: true,
		Mappings: []cloud.ImageMapping{
			{Device: "/dev/xvda", Snapshot: root}, {Device: "/dev/sdf", Snapshot: data}, {Device: "/dev/sdg", SizeGiB: 1}, {Device: "/dev/sdh", NoDevice: true},
		},
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func snapshot(id string, seen cloud.SnapshotSeen) cloud.Snapshot {
	return cloud.Snapshot{Meta: cloud.Meta{ID: id, Account: account}, Image: id, Seen: seen}
}

// An image is available when all its snapshots are kept, and fails with the first that
// cannot be had.
func TestPendingImage(t *testing.T) {
	const full = "Server.InsufficientVolumeCapacity: no space left for volumes"
	kept, binned, deleted := cloud.SnapshotSeen{Ready: true}, snapshot(data, cloud.SnapshotSeen{Ready: true}), snapshot(data, cloud.SnapshotSeen{Ready: true})
	binned.Binned, deleted.Delete = binned.Created.AddDate(2000, 0, 0), true
	const lost = "Client.InvalidSnapshot.NotFound: The snapshot '" + data + "' of /dev/sdf does not exist."
	for what, c := range map[string]struct {
		snapshots []cloud.Snapshot
		pending   bool
		failure   string
	}{
		"none yet":            {[]cloud.Snapshot{snapshot(root, cloud.SnapshotSeen{}), snapshot(data, cloud.SnapshotSeen{})}, true, ""},
		"one kept":            {[]cloud.Snapshot{snapshot(root, kept), snapshot(data, cloud.SnapshotSeen{Progress: 99})}, true, ""},
		"all kept":            {[]cloud.Snapshot{snapshot(root, kept), snapshot(data, kept)}, false, ""},
		"one failed":          {[]cloud.Snapshot{snapshot(root, cloud.SnapshotSeen{}), snapshot(data, cloud.SnapshotSeen{Error: full})}, false, full},
		"one is gone":         {[]cloud.Snapshot{snapshot(root, kept)}, false, lost},
		"one is deleted":      {[]cloud.Snapshot{snapshot(root, kept), deleted}, false, lost},
		"one is in the bin":   {[]cloud.Snapshot{snapshot(root, kept), binned}, false, lost},
		"failed, though kept": {[]cloud.Snapshot{snapshot(root, kept), snapshot(data, cloud.SnapshotSeen{Ready: true, Error: full})}, false, full},
	} {
		w := newWorld(t)
		put(w, c.snapshots...)
		put(w, tenants())
		if i, _ := w.reconcile(); i.Pending != c.pending || i.Failure != c.failure || i.Available() != (!c.pending && c.failure == "") {
			t.Errorf("%s: got %+v", what, i)
		}
	}
}

// What is not a tenant's image that waits for snapshots is left alone.
func TestOtherImages(t *testing.T) {
	for what, i := range map[string]cloud.Image{
		"the operator's":           tenants(func(i *cloud.Image) { i.Account, i.Retired = cloud.OperatorAccount, true }),
		"one that is imported":     tenants(func(i *cloud.Image) { i.Mappings = nil }),
		"one that failed":          tenants(func(i *cloud.Image) { i.Pending, i.Failure = false, "Server.InternalError: x" }),
		"an available one":         tenants(func(i *cloud.Image) { i.Pending = false }),
		"one with blank disks yet": tenants(func(i *cloud.Image) { i.Pending, i.Mappings = false, i.Mappings[2:] }),
	} {
		w := newWorld(t)
		put(w, i)
		if got, ok := w.reconcile(); !ok || got.Pending != i.Pending || got.Failure != i.Failure {
			t.Errorf("%s: got %+v", what, got)
		}
	}
	if _, ok := newWorld(t).reconcile(); ok {
		t.Error("an image came out of nothing")
	}
}

// A deregistered image is remembered while an instance or volume names it.
func TestRetiredImage(t *testing.T) {
	w := newWorld(t)
	put(w, tenants(func(i *cloud.Image) { i.Retired = true }))
	put(w, cloud.Instance{Meta: cloud.Meta{ID: instance, Account: account}, Image: id})
	put(w, cloud.Volume{Meta: cloud.Meta{ID: volume, Account: account}, Image: id})
	w.update(func(tx *store.Tx) error { return tx.Claim("space", "name", id) })
	if i, ok := w.reconcile(); !ok || !i.Pending {
		t.Fatalf("it is gone, or goes on: %+v", i)
	}
	w.update(func(tx *store.Tx) error { return instances.Delete(tx, instance) })
	if _, ok := w.reconcile(); !ok {
		t.Fatal("it is gone while a volume names it")
	}
	w.update(func(tx *store.Tx) error { return volumes.Delete(tx, volume) })
	if _, ok := w.reconcile(); ok {
		t.Fatal("it is still there")
	}
	if owner, taken := store.Owner(w.DB.View(), "space", "name"); taken {
		t.Errorf("%s still claims a name", owner)
	}
}

func TestKey(t *testing.T) {
	r, labels := &Reconciler{}, func(d store.Document) store.Change {
		return store.Change{Table: d.Table(), Key: d.Key(), Labels: d.Labels()}
	}
	gone := labels(cloud.Image{Meta: cloud.Meta{ID: id}})
	gone.Deleted = true
	for what, c := range map[string]struct {
		change store.Change
		want   string
	}{
		"an image":               {labels(cloud.Image{Meta: cloud.Meta{ID: id}}), id},
		"an image that is gone":  {gone, ""},
		"a snapshot for it":      {labels(cloud.Snapshot{Meta: cloud.Meta{ID: root}, Image: id}), id},
		"another snapshot":       {labels(cloud.Snapshot{Meta: cloud.Meta{ID: root}}), ""},
		"an instance of it":      {labels(cloud.Instance{Meta: cloud.Meta{ID: instance}, Image: id}), id},
		"a volume of it":         {labels(cloud.Volume{Meta: cloud.Meta{ID: volume}, Image: id}), id},
		"a volume of none":       {labels(cloud.Volume{Meta: cloud.Meta{ID: volume}}), ""},
		"something else of that": {store.Change{Table: "vpc", Key: "vpc-1", Labels: []string{"image/" + id}}, ""},
	} {
		if got := r.Key(c.change); got != c.want {
			t.Errorf("%s: got %q, want %q", what, got, c.want)
		}
	}
}

// TestRecycleBinEnds: an image in the recycle bin is there until its time is over.
func TestRecycleBinEnds(t *testing.T) {
	w := newWorld(t)
	at := now
	w.Now = func() time.Time { return at }
	put(w, tenants(func(i *cloud.Image) {
		i.Pending, i.Retired, i.Binned, i.Expires = false, true, now, now.Add(time.Hour)
	}))
	if wait, err := w.Reconcile(t.Context(), id); err != nil || wait != time.Hour {
		t.Errorf("in the bin: %v, %v; want an hour", wait, err)
	}
	if _, ok := images.Get(w.DB.View(), id); !ok {
		t.Fatal("it is gone before its time")
	}
	at = now.Add(time.Hour)
	if _, ok := w.reconcile(); ok {
		t.Error("it is there after its time")
	}
}
