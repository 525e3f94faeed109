package volume

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const (
	id       = "vol-00000000000000001"
	instance = "i-00000000000000001"
)

// world is a reconciler with a volume, and a clock that stands still.
type world struct {
	*testing.T
	*Reconciler
	now time.Time
}

func newWorld(t *testing.T, v cloud.Volume) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{T: t, now: time.Unix(1_700_000_000, 0).UTC()}
	w.Reconciler = &Reconciler{DB: db, Now: func() time.Time { return w.now }}
	v.ID = id
	w.put(v)
	return w
}

func (w *world) put(v cloud.Volume) {
	w.Helper()
	if err := w.DB.Update(w.Context(), func(tx *store.Tx) error { return volumes.Put(tx, v) }); err != nil {
		w.Fatal(err)
	}
}

// settle reconciles until nothing changes, and returns the volume, if it is still there.
func (w *world) settle() (cloud.Volume, bool) {
	w.Helper()
	for range 4 { // there are three kinds of steps
		if wait, err := w.Reconcile(w.Context(), id); err != nil || wait != 0 {
			w.Fatalf("reconcile: %v, %v", wait, err)
		}
	}
	return volumes.Get(w.DB.View(), id)
}

func detaching(of string) *cloud.Attachment { return &cloud.Attachment{Instance: of, Detach: true} }

// An attachment that is to end does when the guest has let go, and no other does.
func TestDetach(t *testing.T) {
	for what, c := range map[string]struct {
		volume cloud.Volume
		ends   bool
	}{
		"attached":              {cloud.Volume{Attachment: &cloud.Attachment{Instance: instance}, Seen: cloud.VolumeSeen{Guest: instance}}, false},
		"to a stopped instance": {cloud.Volume{Attachment: &cloud.Attachment{Instance: instance}}, false},
		"the guest has it":      {cloud.Volume{Attachment: detaching(instance), Seen: cloud.VolumeSeen{Guest: instance}}, false},
		"another has it still":  {cloud.Volume{Attachment: detaching(instance), Seen: cloud.VolumeSeen{Guest: "i-2"}}, false},
		"the guest has let go":  {cloud.Volume{Attachment: detaching(instance)}, true},
	} {
		c.volume.Host = "a"
		w := newWorld(t, c.volume)
		if v, ok := w.settle(); !ok || (v.Attachment == nil) != c.ends {
			t.Errorf("%s: got %+v", what, v)
		}
	}
}

// The document goes when the bytes are gone, and nothing has the volume any more.
func TestVolumeGoes(t *testing.T) {
	gone := cloud.VolumeSeen{Gone: true}
	for what, c := range map[string]struct {
		volume cloud.Volume
		goes   bool
	}{
		"wanted":                     {cloud.Volume{Host: "a", Seen: cloud.VolumeSeen{Ready: true}}, false},
		"wanted, though gone":        {cloud.Volume{Host: "a", Seen: gone}, false},
		"deleted, its bytes there":   {cloud.Volume{Host: "a", Delete: true, Seen: cloud.VolumeSeen{Ready: true}}, false},
		"deleted while attached":     {cloud.Volume{Host: "a", Delete: true, Seen: gone, Attachment: &cloud.Attachment{Instance: instance}}, false},
		"deleted while detaching":    {cloud.Volume{Host: "a", Delete: true, Seen: gone, Attachment: detaching(instance)}, true},
		"deleted, its bytes gone":    {cloud.Volume{Host: "a", Delete: true, Seen: gone}, true},
		"deleted before it had bits": {cloud.Volume{Delete: true}, true},
	} {
		w := newWorld(t, c.volume)
		if err := w.DB.Update(t.Context(), func(tx *store.Tx) error { return tx.Claim("space", "name", id) }); err != nil {
			t.Fatal(err)
		}
		_, there := w.settle()
		if _, claimed := store.Owner(w.DB.View(), "space", "name"); there == c.goes || claimed == c.goes {
			t.Errorf("%s: it is there: %v, its claims: %v; want both %v", what, there, claimed, !c.goes)
		}
	}
}

// A modification is complete at the time at which it is found to hold on the host.
func TestModificationCompletes(t *testing.T) {
	began := time.Unix(1_600_000_000, 0).UTC()
	under := func() *cloud.VolumeModification { return &cloud.VolumeModification{Began: began, SizeGiB: 1} }
	holds := cloud.VolumeSeen{Ready: true, SizeGiB: 2, IOPS: 3000}
	for what, c := range map[string]struct {
		volume   cloud.Volume
		complete bool
	}{
		"it holds":              {cloud.Volume{Modification: under(), Seen: holds}, true},
		"the size does not yet": {cloud.Volume{Modification: under(), Seen: cloud.VolumeSeen{Ready: true, SizeGiB: 1, IOPS: 3000}}, false},
		"the limit does not":    {cloud.Volume{Modification: under(), Seen: cloud.VolumeSeen{Ready: true, SizeGiB: 2, IOPS: 100}}, false},
		"not made yet":          {cloud.Volume{Modification: under(), Seen: cloud.VolumeSeen{SizeGiB: 2, IOPS: 3000}}, false},
		"about to be deleted":   {cloud.Volume{Modification: under(), Seen: holds, Delete: true, Attachment: &cloud.Attachment{Instance: instance}}, false},
	} {
		c.volume.Host, c.volume.SizeGiB, c.volume.IOPS = "a", 2, 3000
		w := newWorld(t, c.volume)
		v, _ := w.settle()
		if m := v.Modification; m == nil || m.Ended.Equal(w.now) != c.complete || !c.complete && !m.Ended.IsZero() || !m.Began.Equal(began) {
			t.Errorf("%s: got %+v", what, m)
		}
		w.now = w.now.Add(time.Hour)
		if again, _ := w.settle(); again.Modification.Ended != v.Modification.Ended {
			t.Errorf("%s: it is completed again", what)
		}
	}
}

// A volume that is no more needs nothing, and a step that fails is taken again.
func TestVolumeFaults(t *testing.T) {
	w := newWorld(t, cloud.Volume{Host: "a", Attachment: detaching(instance)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Reconcile(ctx, id); err == nil {
		t.Error("a transaction that did not happen is no error")
	}
	if v, _ := volumes.Get(w.DB.View(), id); v.Attachment == nil {
		t.Error("a transaction that did not happen changed the volume")
	}
	if v, _ := w.settle(); v.Attachment != nil {
		t.Error("after the fault it is still attached")
	}
	if wait, err := w.Reconcile(t.Context(), "vol-00000000000000002"); err != nil || wait != 0 {
		t.Errorf("no volume: %v, %v", wait, err)
	}
}

func TestKey(t *testing.T) {
	r := &Reconciler{}
	for key, c := range map[string]store.Change{
		id: {Table: "volume", Key: id},
		"": {Table: "volume", Key: id, Deleted: true},
	} {
		if got := r.Key(c); got != key {
			t.Errorf("%+v: got %q, want %q", c, got, key)
		}
	}
	if got := r.Key(store.Change{Table: "instance", Key: instance}); got != "" {
		t.Errorf("an instance is a volume: %q", got)
	}
}
