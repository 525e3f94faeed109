package transfer

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const alice = "200000000001"

// world is a store with imports and exports, and the reconciler of them.
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
	w.Reconciler = &Reconciler{DB: db, Place: cloud.DefaultPlace(), Now: func() time.Time { return w.now }}
	return w
}

func put[T store.Document](w *world, doc T) {
	w.Helper()
	if err := w.DB.Update(w.Context(), func(tx *store.Tx) error { return store.Table[T]{}.Put(tx, doc) }); err != nil {
		w.Fatal(err)
	}
}

// step has the reconciler look at a task, and returns how long it waits.
func (w *world) step(id string) time.Duration {
	w.Helper()
	wait, err := w.Reconcile(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return wait
}

func (w *world) importTask(id string) cloud.ImportTask {
	t, _ := imports.Get(w.DB.View(), id)
	return t
}

// of is an import of two disks.
func of(id string) cloud.ImportTask {
	return cloud.ImportTask{
		Meta: cloud.Meta{ID: id, Account: alice}, Host: "host-a", Encrypted: true,
		Disks: []cloud.ImportDisk{{Snapshot: "snap-1", Device: "/dev/xvda", Sealed: []byte("k")}, {Snapshot: "snap-2", Device: "/dev/sdf", Description: "data"}},
	}
}

func found(bytes ...int64) (disks []cloud.ImportedDisk) {
	for _, n := range bytes {
		disks = append(disks, cloud.ImportedDisk{Bytes: n})
	}
	return disks
}

func (w *world) keep(id string) {
	w.Helper()
	s, ok := snapshots.Get(w.DB.View(), id)
	if !ok {
		w.Fatalf("there is no %s", id)
	}
	s.Seen.Ready = true
	put(w, s)
}

func TestImportedSnapshots(t *testing.T) {
	w := newWorld(t)
	task := of("import-snap-1")
	put(w, task)
	task.Seen.Disks = found(1)
	put(w, task)
	w.step(task.ID)
	if _, ok := snapshots.Get(w.DB.View(), "snap-1"); ok {
		t.Fatal("a snapshot is there before all are")
	}
	task.Seen.Disks = found(1, 3<<30+1)
	put(w, task)
	w.step(task.ID)
	one, _ := snapshots.Get(w.DB.View(), "snap-1")
	two, _ := snapshots.Get(w.DB.View(), "snap-2")
	if one.SizeGiB != 1 || two.SizeGiB != 4 || string(one.Sealed) != "k" || two.Description != "data" || one.Import != task.ID || one.Host != "host-a" || !one.Encrypted || one.Account != alice {
		t.Errorf("got %+v and %+v", one, two)
	}
	if got := w.importTask(task.ID); !got.Made || got.State() != cloud.TransferActive {
		t.Errorf("got %+v", got)
	}
	w.keep("snap-1")
	w.step(task.ID)
	if got := w.importTask(task.ID); got.State() != cloud.TransferActive {
		t.Errorf("it is %s before all snapshots are kept", got.State())
	}
	w.keep("snap-2")
	if wait := w.step(task.ID); wait != Kept {
		t.Errorf("it is kept for %v", wait)
	}
	if got := w.importTask(task.ID); got.State() != cloud.TransferCompleted || !got.Ended.Equal(w.now) {
		t.Errorf("got %+v", got)
	}
	w.now = w.now.Add(Kept)
	w.step(task.ID)
	if _, ok := imports.Get(w.DB.View(), task.ID); ok {
		t.Error("it is never forgotten")
	}
}

func TestImportedImage(t *testing.T) {
	w := newWorld(t)
	task := of("import-ami-1")
	task.Image, task.Description, task.Seen.Disks = &cloud.ImportImage{ID: "ami-1", Architecture: "x86_64"}, "web", found(1<<30, 2<<30)
	put(w, task)
	w.step(task.ID)
	i, _ := images.Get(w.DB.View(), "ami-1")
	if !i.Pending || i.Name != task.ID || i.Description != "web" || i.RootDevice != "/dev/xvda" || i.SizeGiB != 1 || len(i.Mappings) != 2 || i.Mappings[1].SizeGiB != 2 || i.Account != alice {
		t.Errorf("got %+v", i)
	}
	if s, _ := snapshots.Get(w.DB.View(), "snap-1"); s.Image != "ami-1" {
		t.Errorf("got %+v", s)
	}
	w.keep("snap-1")
	w.keep("snap-2")
	w.step(task.ID)
	if got := w.importTask(task.ID); got.State() != cloud.TransferActive {
		t.Errorf("it is %s before the image is available", got.State())
	}
	i.Pending = false
	put(w, i)
	w.step(task.ID)
	if got := w.importTask(task.ID); got.State() != cloud.TransferCompleted {
		t.Errorf("it is %s", got.State())
	}
}

// TestUndone: what failed or was cancelled has ended once nothing is left of it.
func TestUndone(t *testing.T) {
	w := newWorld(t)
	for id, change := range map[string]func(*cloud.ImportTask){
		"import-snap-1": func(t *cloud.ImportTask) { t.Cancel = true },
		"import-snap-2": func(t *cloud.ImportTask) { t.Seen.Error = "ClientError: no" },
		"import-snap-3": func(t *cloud.ImportTask) { t.Cancel, t.Seen.Disks = true, found(1, 1) },
	} {
		task := of(id)
		change(&task)
		put(w, task)
		w.step(id)
		if got := w.importTask(id); got.State() != cloud.TransferDeleting {
			t.Errorf("%s is %s", id, got.State())
		}
		task.Seen.Gone = true
		put(w, task)
		w.step(id)
		if got := w.importTask(id); got.State() != cloud.TransferDeleted || got.Made {
			t.Errorf("%s is %s", id, got.State())
		}
	}
	if _, ok := snapshots.Get(w.DB.View(), "snap-1"); ok {
		t.Error("a snapshot is there")
	}
}

// TestDeletedMeanwhile: a snapshot that was deleted at once holds nothing up.
func TestDeletedMeanwhile(t *testing.T) {
	w := newWorld(t)
	task := of("import-snap-1")
	task.Made, task.Seen.Disks = true, found(1, 1)
	put(w, task)
	put(w, cloud.Snapshot{Meta: cloud.Meta{ID: "snap-2", Account: alice}, Import: task.ID, Delete: true})
	w.step(task.ID)
	if got := w.importTask(task.ID); got.State() != cloud.TransferCompleted {
		t.Errorf("it is %s", got.State())
	}
}

func TestExports(t *testing.T) {
	w := newWorld(t)
	for id, c := range map[string]struct {
		cancel bool
		seen   cloud.ExportSeen
		want   cloud.TransferState
	}{
		"export-ami-1": {false, cloud.ExportSeen{Progress: 50}, cloud.TransferActive},
		"export-ami-2": {false, cloud.ExportSeen{Done: true}, cloud.TransferCompleted},
		"export-ami-3": {true, cloud.ExportSeen{}, cloud.TransferDeleting},
		"export-ami-4": {true, cloud.ExportSeen{Gone: true}, cloud.TransferDeleted},
		"export-ami-5": {true, cloud.ExportSeen{Done: true}, cloud.TransferCompleted},
		"export-ami-6": {false, cloud.ExportSeen{Error: "ClientError: no", Gone: true}, cloud.TransferDeleted},
	} {
		put(w, cloud.ExportTask{Meta: cloud.Meta{ID: id, Account: alice}, Cancel: c.cancel, Seen: c.seen})
		w.step(id)
		if got, _ := exports.Get(w.DB.View(), id); got.State() != c.want {
			t.Errorf("%s is %s, want %s", id, got.State(), c.want)
		}
	}
	w.now = w.now.Add(Kept)
	w.step("export-ami-2")
	if _, ok := exports.Get(w.DB.View(), "export-ami-2"); ok {
		t.Error("it is never forgotten")
	}
	if wait := w.step("export-ami-9"); wait != 0 {
		t.Errorf("what is not there is looked at in %v", wait)
	}
}

func TestKeys(t *testing.T) {
	r := &Reconciler{}
	for want, c := range map[string]store.Change{
		"import-snap-1": {Table: "importtask", Key: "import-snap-1"},
		"export-ami-1":  {Table: "exporttask", Key: "export-ami-1"},
		"import-ami-1":  {Table: "snapshot", Key: "snap-1", Labels: cloud.Snapshot{Import: "import-ami-1"}.Labels()},
		"":              {Table: "importtask", Key: "import-snap-1", Deleted: true},
	} {
		if got := r.Key(c); got != want {
			t.Errorf("%+v: key %q, want %q", c, got, want)
		}
	}
}
