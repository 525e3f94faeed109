package blocktest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

const (
	deep       = 20                     // snapshots of volumes of snapshots, on an image
	most       = 18                     // files that a volume may be of, if the engine flattens
	written    = 64 << 10               // bytes that each volume writes, in a place of its own
	opening    = 100 * time.Millisecond // what the layers that are left may take to be opened
	chainBytes = deep * mib             // of each volume
)

// chains: a snapshot of a volume of a snapshot, 20 times over, has what each of them wrote, and
// is no slower to start from than the first, if the engine flattens.
func (b Bench) chains(t *testing.T) {
	for name, key := range map[string]*seal.Key{"Plain": nil, "Encrypted": newKey(t)} {
		t.Run(name, func(t *testing.T) { b.chainsOf(t, key) })
	}
}

func (b Bench) chainsOf(t *testing.T, key *seal.Key) {
	e, reopen := b.New(t)
	s := snapshotter(t, e)
	ctx := t.Context()
	_, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "image")})
	must(t, err)
	must(t, e.Create(ctx, block.Volume{ID: "vol-0", Bytes: chainBytes, Image: "ami-1", Key: key}))
	for n := range deep {
		vol, snap := fmt.Sprintf("vol-%d", n), fmt.Sprintf("snap-%d", n)
		b.guest(t, e, vol, key, "write", n, n+1)
		b.keep(t, s, vol, snap, key)
		must(t, e.Delete(ctx, vol))
		if f, ok := e.(block.Flattener); ok {
			for range 2 {
				bytes, err := f.Flatten(ctx, snap, key)
				must(t, err)
				if bytes <= 0 {
					t.Errorf("snapshot %d takes %d bytes", n, bytes)
				}
			}
		}
		must(t, e.Create(ctx, block.Volume{ID: fmt.Sprintf("vol-%d", n+1), Bytes: chainBytes, Snapshot: snap, SnapshotKey: key, Key: key}))
	}
	e = reopen()
	last := fmt.Sprintf("vol-%d", deep)
	b.openWith(t, e, last, key, chainBytes, []byte("image"))
	b.guest(t, e, last, key, "read", 0, deep)
	must(t, e.Create(ctx, block.Volume{ID: "vol-early", Bytes: chainBytes, Snapshot: "snap-3", SnapshotKey: key, Key: key}))
	b.guest(t, e, "vol-early", key, "read", 0, 4)
	f, ok := e.(block.Flattener)
	if !ok {
		return
	}
	layers, err := e.Open(ctx, last, b.UID, key)
	must(t, err)
	if len(layers) > most {
		t.Errorf("a volume is of %d files, want %d at most", len(layers), most)
	}
	if _, err := f.Flatten(ctx, "snap-x", key); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("flatten no snapshot: %v, want ErrNoSnapshot", err)
	}
	b.asFast(t, e, key)
}

// guest has a guest write or read what the volumes from one number to before another write.
func (b Bench) guest(t *testing.T, e Engine, vol string, key *seal.Key, verb string, from, to int) {
	t.Helper()
	layers, err := e.Open(t.Context(), vol, b.UID, key)
	must(t, err)
	if b.Guest == nil {
		return
	}
	var commands []string
	for n := from; n < to; n++ {
		commands = append(commands, fmt.Sprintf("%s -q -P %d %d %d", verb, n+1, n*mib+mib/2, written))
	}
	b.Guest(t, layers, append(commands, "flush")...)
}

func (b Bench) keep(t *testing.T, s block.Snapshots, vol, snap string, key *seal.Key) {
	t.Helper()
	must(t, s.Cut(t.Context(), vol, snap, key))
	_, err := s.Keep(t.Context(), vol, snap, key, key)
	must(t, err)
}

// asFast: a volume of the last snapshot is made and read as fast as one of a snapshot with
// the same in one layer.
func (b Bench) asFast(t *testing.T, e Engine, key *seal.Key) {
	if b.Guest == nil {
		return
	}
	must(t, e.Create(t.Context(), block.Volume{ID: "vol-flat", Bytes: chainBytes, Key: key}))
	b.guest(t, e, "vol-flat", key, "write", 0, deep)
	b.keep(t, snapshotter(t, e), "vol-flat", "snap-flat", key)
	launch := func(snap string) time.Duration {
		began := time.Now()
		must(t, e.Create(t.Context(), block.Volume{ID: "vol-new", Bytes: chainBytes, Snapshot: snap, SnapshotKey: key, Key: key}))
		b.guest(t, e, "vol-new", key, "read", 0, deep)
		took := time.Since(began)
		must(t, e.Delete(t.Context(), "vol-new"))
		return took
	}
	flat, chain := time.Hour, time.Hour // the best of some, in turns: the machine may be busy
	for range 4 {
		flat, chain = min(flat, launch("snap-flat")), min(chain, launch(fmt.Sprintf("snap-%d", deep-1)))
	}
	t.Logf("made and read in %v, and in %v where it is in one layer", chain, flat)
	if chain > 2*flat+opening {
		t.Errorf("made and read in %v, and in %v where it is in one layer", chain, flat)
	}
}
