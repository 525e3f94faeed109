package blocktest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// direct: snapshots are read and made block by block, as those of volumes are.
func (b Bench) direct(t *testing.T) {
	for name, key := range map[string]*seal.Key{"Plain": nil, "Encrypted": newKey(t)} {
		t.Run(name, func(t *testing.T) {
			b.filled(t, key)
			b.changed(t, key)
		})
	}
}

// director is the engine, if it can do it.
func director(t *testing.T, e Engine) block.Direct {
	t.Helper()
	d, ok := e.(block.Direct)
	if !ok {
		t.Skip("the engine has no blocks of snapshots")
	}
	return d
}

// blockOf is a block that begins with the text.
func blockOf(text string) []byte {
	return append([]byte(text), bytes.Repeat([]byte{0xa5}, block.BlockBytes-len(text))...)
}

func (b Bench) filled(t *testing.T, key *seal.Key) {
	e, reopen := b.New(t)
	d, s := director(t, e), snapshotter(t, e)
	ctx := t.Context()
	one, two := block.Keyed{ID: "snap-1", Key: key}, block.Keyed{ID: "snap-2", Key: newKeyIf(t, key)}
	for range 2 {
		must(t, d.Begin(ctx, block.Filling{Keyed: one, Bytes: 4 * mib}))
	}
	for _, i := range []int64{6, 0, 3, 3} {
		must(t, d.WriteBlock(ctx, one, i, blockOf(fmt.Sprintf("one %d", i))))
	}
	if ids, err := s.ListSnapshots(ctx); err != nil || len(ids) != 0 {
		t.Errorf("a snapshot that is not finished is listed: %q, %v", ids, err)
	}
	if err := e.Create(ctx, block.Volume{ID: "vol-x", Bytes: 4 * mib, Snapshot: "snap-1", SnapshotKey: key, Key: key}); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("create from a snapshot that is not finished: %v, want ErrNoSnapshot", err)
	}
	e = reopen()
	d, s = director(t, e), snapshotter(t, e)
	sums := sha256.New()
	for _, i := range []int64{0, 3, 6} {
		sum := sha256.Sum256(blockOf(fmt.Sprintf("one %d", i)))
		sums.Write(sum[:])
	}
	for range 2 {
		f, err := d.Finish(ctx, one, true)
		must(t, err)
		if f.Blocks != 3 || !bytes.Equal(f.Sum[:], sums.Sum(nil)) || f.Bytes <= 0 {
			t.Errorf("finished: %+v, want 3 blocks and their checksum", f)
		}
		must(t, d.Begin(ctx, block.Filling{Keyed: one, Bytes: 4 * mib})) // it is there: nothing
	}
	if err := d.WriteBlock(ctx, one, 0, blockOf("late")); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("write into a finished snapshot: %v, want ErrNoSnapshot", err)
	}
	must(t, d.Begin(ctx, block.Filling{Keyed: two, Bytes: 8 * mib, Parent: one}))
	must(t, d.WriteBlock(ctx, two, 3, blockOf("two 3")))
	must(t, d.WriteBlock(ctx, two, 15, blockOf("two 15")))
	f, err := d.Finish(ctx, two, false)
	if err != nil || f.Blocks != 2 {
		t.Errorf("finished: %+v, %v, want 2 blocks", f, err)
	}
	for i, want := range map[int64]string{0: "one 0", 3: "two 3", 6: "one 6", 15: "two 15", 9: ""} {
		wantBlock(t, d, two, i, want)
	}
	wantChanges(t, d, block.Keyed{}, one, 0, 9, "[{0 false true} {3 false true} {6 false true}]")
	wantChanges(t, d, block.Keyed{}, one, 1, 1, "[{3 false true}]")
	wantChanges(t, d, one, two, 0, 9, "[{3 true true} {15 false true}]")
	wantChanges(t, d, two, one, 0, 9, "[{3 true true} {15 true false}]")
	must(t, s.DeleteSnapshot(ctx, "snap-1"))
	wantBlock(t, d, two, 6, "one 6")
	own := newKey(t)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 8 * mib, Snapshot: "snap-2", SnapshotKey: two.Key, Key: own}))
	if b.Check != nil {
		layers, err := e.Open(ctx, "vol-1", b.UID, own)
		must(t, err)
		b.Check(t, layers, 8*mib, blockOf("one 0")[:512])
	}
	b.unfilled(t, e, one, two)
}

// unfilled: what cannot be filled.
func (b Bench) unfilled(t *testing.T, e Engine, gone, there block.Keyed) {
	d, s := director(t, e), snapshotter(t, e)
	ctx := t.Context()
	for _, f := range []block.Filling{
		{Keyed: block.Keyed{ID: "../x"}, Bytes: mib},
		{Keyed: block.Keyed{ID: "snap-3"}, Bytes: 1000},
		{Keyed: block.Keyed{ID: "snap-3", Key: there.Key}, Bytes: mib, Parent: there}, // it has more
	} {
		if err := d.Begin(ctx, f); err == nil {
			t.Errorf("%+v was begun", f)
		}
	}
	if err := d.Begin(ctx, block.Filling{Keyed: block.Keyed{ID: "snap-3"}, Bytes: mib, Parent: gone}); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("begin on a deleted snapshot: %v, want ErrNoSnapshot", err)
	}
	three := block.Keyed{ID: "snap-3"}
	must(t, d.Begin(ctx, block.Filling{Keyed: three, Bytes: mib}))
	for i, data := range map[int64][]byte{-1: blockOf(""), 2: blockOf(""), 0: []byte("short")} {
		if err := d.WriteBlock(ctx, three, i, data); err == nil {
			t.Errorf("%d bytes were written as block %d", len(data), i)
		}
	}
	must(t, s.DeleteSnapshot(ctx, "snap-3"))
	if err := d.WriteBlock(ctx, three, 0, blockOf("")); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("write into a snapshot that was given up: %v, want ErrNoSnapshot", err)
	}
	if _, err := d.Finish(ctx, three, false); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("finish a snapshot that was given up: %v, want ErrNoSnapshot", err)
	}
	for _, id := range []string{"snap-3", "../x", ""} {
		if _, err := d.ReadBlock(ctx, block.Keyed{ID: id}, 0); !errors.Is(err, block.ErrNoSnapshot) {
			t.Errorf("read from no snapshot: %v, want ErrNoSnapshot", err)
		}
		if _, err := d.Changed(ctx, block.Keyed{}, block.Keyed{ID: id}, 0, 1); !errors.Is(err, block.ErrNoSnapshot) {
			t.Errorf("list no snapshot: %v, want ErrNoSnapshot", err)
		}
	}
}

// changed: snapshots of a volume that began as one that was filled, and is written to.
func (b Bench) changed(t *testing.T, key *seal.Key) {
	e, _ := b.New(t)
	d, s := director(t, e), snapshotter(t, e)
	ctx := t.Context()
	from := block.Keyed{ID: "snap-0", Key: key}
	must(t, d.Begin(ctx, block.Filling{Keyed: from, Bytes: 4 * mib}))
	must(t, d.WriteBlock(ctx, from, 2, blockOf("from 2")))
	_, err := d.Finish(ctx, from, false)
	must(t, err)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 4 * mib, Snapshot: "snap-0", SnapshotKey: key, Key: key}))
	kept := func(id string) block.Keyed {
		k := block.Keyed{ID: id, Key: newKeyIf(t, key)}
		must(t, s.Cut(ctx, "vol-1", id, key))
		_, err := s.Keep(ctx, "vol-1", id, key, k.Key)
		must(t, err)
		return k
	}
	before := kept("snap-1")
	b.write(t, e, "vol-1", key, "written")
	after := kept("snap-2")
	copied := block.Keyed{ID: "snap-3", Key: newKey(t)}
	_, err = s.CopySnapshot(ctx, "snap-2", "snap-3", after.Key, copied.Key)
	must(t, err)
	wantChanges(t, d, from, before, 0, 9, "[]")
	wantBlock(t, d, before, 2, "from 2")
	wantBlock(t, d, after, 2, "from 2")
	wantBlock(t, d, copied, 2, "from 2")
	wantBlock(t, d, after, 1<<30, "")
	if b.Write == nil {
		return // no bytes
	}
	wantChanges(t, d, before, after, 0, 9, "[{0 false true}]")
	wantChanges(t, d, block.Keyed{}, after, 0, 9, "[{0 false true} {2 false true}]")
	for _, k := range []block.Keyed{after, copied} {
		got, err := d.ReadBlock(ctx, k, 0)
		must(t, err)
		if want := append([]byte("written"), make([]byte, block.BlockBytes-7)...); !bytes.Equal(got, want) {
			t.Errorf("block 0 of %s begins with %q", k.ID, got[:16])
		}
	}
}

func wantBlock(t *testing.T, d block.Direct, s block.Keyed, index int64, text string) {
	t.Helper()
	want := make([]byte, block.BlockBytes)
	if text != "" {
		want = blockOf(text)
	}
	got, err := d.ReadBlock(t.Context(), s, index)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("block %d of %s begins with %q, %v, want %q", index, s.ID, got[:min(16, len(got))], err, text)
	}
}

func wantChanges(t *testing.T, d block.Direct, first, second block.Keyed, from int64, limit int, want string) {
	t.Helper()
	got, err := d.Changed(t.Context(), first, second, from, limit)
	if err != nil || fmt.Sprint(slices.Clip(got)) != want {
		t.Errorf("changed between %q and %s: %v, %v, want %s", first.ID, second.ID, got, err, want)
	}
}
