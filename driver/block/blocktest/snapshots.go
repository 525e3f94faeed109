package blocktest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

func newKey(t *testing.T) *seal.Key {
	t.Helper()
	k, err := seal.New(seal.NewKey())
	must(t, err)
	return k
}

// write writes the text at the start of a volume, if the engine keeps bytes.
func (b Bench) write(t *testing.T, e Engine, id string, key *seal.Key, text string) {
	t.Helper()
	layers, err := e.Open(t.Context(), id, b.UID, key)
	must(t, err)
	if b.Write != nil {
		b.Write(t, layers, append([]byte(text), make([]byte, 512-len(text))...))
	}
}

// encrypted: a volume with a key is read with that key, and by nobody without.
func (b Bench) encrypted(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	key, other := newKey(t), newKey(t)
	_, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "image")})
	must(t, err)
	for range 2 {
		must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 4 * mib, Key: key}))
		must(t, e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 4 * mib, Image: "ami-1", Key: key}))
	}
	b.write(t, e, "vol-1", key, "secret")
	e = reopen()
	b.openWith(t, e, "vol-1", key, 4*mib, []byte("secret"))
	b.openWith(t, e, "vol-2", key, 4*mib, []byte("image"))
	if b.Check == nil {
		return
	}
	if _, err := e.Open(ctx, "vol-1", b.UID, other); err == nil {
		t.Error("a volume opens with another's key")
	}
	layers, err := e.Open(ctx, "vol-1", 0, nil) // as to take it back
	must(t, err)
	if layers[0].Secret != nil {
		t.Error("a volume's secret is told without its key")
	}
}

func (b Bench) grow(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	key := newKey(t)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 2 * mib}))
	must(t, e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 2 * mib, Key: key}))
	b.write(t, e, "vol-1", nil, "plain")
	b.write(t, e, "vol-2", key, "secret")
	for range 2 {
		must(t, e.Grow(ctx, "vol-1", 4*mib, nil))
		must(t, e.Grow(ctx, "vol-2", 8*mib, key))
		must(t, e.Grow(ctx, "vol-2", 4*mib, key)) // never smaller
	}
	e = reopen()
	b.openWith(t, e, "vol-1", nil, 4*mib, []byte("plain"))
	b.openWith(t, e, "vol-2", key, 8*mib, []byte("secret"))
	if err := e.Grow(ctx, "vol-3", 4*mib, nil); !errors.Is(err, block.ErrNoVolume) {
		t.Errorf("grow no volume: %v, want ErrNoVolume", err)
	}
}

// snapshotter is the engine, if it can keep snapshots.
func snapshotter(t *testing.T, e Engine) block.Snapshots {
	t.Helper()
	s, ok := e.(block.Snapshots)
	if !ok {
		t.Skip("the engine keeps no snapshots")
	}
	return s
}

// snapshots: each is what the volume was at its Cut, whatever became of the volume, of
// other snapshots, and of the engine's process.
func (b Bench) snapshots(t *testing.T) {
	for name, key := range map[string]*seal.Key{"Plain": nil, "Encrypted": newKey(t)} {
		t.Run(name, func(t *testing.T) { b.snapshotsOf(t, key) })
	}
}

func (b Bench) snapshotsOf(t *testing.T, key *seal.Key) {
	e, reopen := b.New(t)
	s := snapshotter(t, e)
	ctx := t.Context()
	keys := make([]*seal.Key, 4)
	if key != nil {
		for i := range keys {
			keys[i] = newKey(t)
		}
	}
	_, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "state 0")})
	must(t, err)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 4 * mib, Image: "ami-1", Key: key}))
	for i := range keys {
		id := fmt.Sprintf("snap-%d", i)
		for range 2 {
			must(t, s.Cut(ctx, "vol-1", id, key))
		}
		b.write(t, e, "vol-1", key, fmt.Sprintf("state %d", i+1)) // after the instant
		if i%2 == 1 {
			e = reopen()
			s = snapshotter(t, e)
		}
		for range 2 {
			_, err := s.Keep(ctx, "vol-1", id, key, keys[i])
			must(t, err)
		}
		must(t, s.Cut(ctx, "vol-1", id, key)) // it is kept: nothing
	}
	b.openWith(t, e, "vol-1", key, 4*mib, []byte("state 4"))
	must(t, s.DeleteSnapshot(ctx, "snap-1"))
	must(t, s.DeleteSnapshot(ctx, "snap-1"))
	must(t, e.Delete(ctx, "vol-1"))
	must(t, e.DeleteImage(ctx, "ami-1"))
	if ids, err := s.ListSnapshots(ctx); err != nil || !slices.Equal(ids, []string{"snap-0", "snap-2", "snap-3"}) {
		t.Errorf("snapshots %q, %v", ids, err)
	}
	for _, i := range []int{0, 2, 3} {
		id, own := fmt.Sprintf("vol-of-%d", i), newKey(t)
		must(t, e.Create(ctx, block.Volume{ID: id, Bytes: 8 * mib, Snapshot: fmt.Sprintf("snap-%d", i), SnapshotKey: keys[i], Key: own}))
		b.openWith(t, e, id, own, 8*mib, fmt.Appendf(nil, "state %d", i))
		b.write(t, e, id, own, "other")
		b.openWith(t, e, id, own, 8*mib, []byte("other"))
	}
	must(t, e.Create(ctx, block.Volume{ID: "vol-again", Bytes: 4 * mib, Snapshot: "snap-2", SnapshotKey: keys[2], Key: newKeyIf(t, key)}))
	if err := e.Create(ctx, block.Volume{ID: "vol-x", Bytes: 8 * mib, Snapshot: "snap-1"}); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("create from a deleted snapshot: %v, want ErrNoSnapshot", err)
	}
	if err := e.Create(ctx, block.Volume{ID: "vol-x", Bytes: mib, Snapshot: "snap-0", SnapshotKey: keys[0], Key: key}); err == nil {
		t.Error("a volume smaller than its snapshot was made")
	}
	if err := s.Cut(ctx, "vol-x", "snap-x", nil); !errors.Is(err, block.ErrNoVolume) {
		t.Errorf("cut no volume: %v, want ErrNoVolume", err)
	}
	if _, err := s.Keep(ctx, "vol-again", "snap-x", nil, nil); err == nil {
		t.Error("a snapshot was kept that was never cut")
	}
}

func newKeyIf(t *testing.T, key *seal.Key) *seal.Key {
	t.Helper()
	if key == nil {
		return nil
	}
	return newKey(t)
}

// copies: a copy is a snapshot of its own, and an encrypted copy of a plain one has no
// plain bytes.
func (b Bench) copies(t *testing.T) {
	e, _ := b.New(t)
	s := snapshotter(t, e)
	ctx := t.Context()
	key, third := newKey(t), newKey(t)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 4 * mib}))
	b.write(t, e, "vol-1", nil, "kept")
	must(t, s.Cut(ctx, "vol-1", "snap-1", nil))
	_, err := s.Keep(ctx, "vol-1", "snap-1", nil, nil)
	must(t, err)
	for range 2 {
		_, err := s.CopySnapshot(ctx, "snap-1", "snap-plain", nil, nil)
		must(t, err)
		_, err = s.CopySnapshot(ctx, "snap-1", "snap-secret", nil, key)
		must(t, err)
		_, err = s.CopySnapshot(ctx, "snap-secret", "snap-third", key, third)
		must(t, err)
	}
	must(t, s.DeleteSnapshot(ctx, "snap-1"))
	for id, k := range map[string]*seal.Key{"snap-plain": nil, "snap-secret": key, "snap-third": third} {
		own := newKey(t)
		vol := "vol-of-" + id
		must(t, e.Create(ctx, block.Volume{ID: vol, Bytes: 4 * mib, Snapshot: id, SnapshotKey: k, Key: own}))
		b.openWith(t, e, vol, own, 4*mib, []byte("kept"))
		layers, err := e.Open(ctx, vol, b.UID, own)
		must(t, err)
		for _, l := range layers {
			if b.Check != nil && id != "snap-plain" && l.Secret == nil {
				t.Errorf("%s: layer %s is not encrypted", id, l.Path)
			}
		}
	}
	if _, err := s.CopySnapshot(ctx, "snap-9", "snap-8", nil, nil); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("copy no snapshot: %v, want ErrNoSnapshot", err)
	}
}
