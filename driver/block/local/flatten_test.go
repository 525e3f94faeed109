//go:build linux

package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/seal"
)

// A chain of 20 volumes and snapshots on an image, each of which wrote something somewhere
// else, has all of that in the end, in a few files.
func TestDeepChainKeepsAll(t *testing.T) {
	const deep, step = 20, 1 << 20
	cfg := local.Config{Dir: folder(t)}
	d, key := open(t, cfg), diskKey(t)
	disk := rawDisk(t, "image")
	if err := os.Truncate(disk, (deep+2)*step); err != nil {
		t.Fatal(err)
	}
	ok := func(_ int64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.Put(t.Context(), "ami-1", block.Source{Disk: disk, Format: "raw"})
	ok(0, err)
	ok(0, d.Create(t.Context(), block.Volume{ID: "vol-0", Bytes: (deep + 2) * step, Image: "ami-1", Key: key}))
	guest := func(vol string, commands ...string) {
		t.Helper()
		layers, err := d.Open(t.Context(), vol, guestUID, key)
		ok(0, err)
		command := slices.Concat([]string{"qemu-io"}, secretsOf(layers))
		for _, c := range commands {
			command = append(command, "-c", c)
		}
		if out := string(asGuest(t, guestUID, append(command, nodeOf(t, layers))...)); strings.Contains(out, "verification failed") {
			t.Errorf("%s: %s", vol, out)
		}
	}
	for n := range deep {
		vol, snap := fmt.Sprintf("vol-%d", n), fmt.Sprintf("snap-%d", n)
		guest(vol, fmt.Sprintf("write -q -P %d %d 64k", n+1, (n+1)*step), "flush")
		ok(0, d.Cut(t.Context(), vol, snap, key))
		ok(d.Keep(t.Context(), vol, snap, key, key))
		ok(d.Flatten(t.Context(), snap, key))
		ok(0, d.Create(t.Context(), block.Volume{ID: fmt.Sprintf("vol-%d", n+1), Bytes: (deep + 2) * step, Snapshot: snap, SnapshotKey: key, Key: key}))
	}
	var reads []string
	for n := range deep {
		reads = append(reads, fmt.Sprintf("read -q -P %d %d 64k", n+1, (n+1)*step))
	}
	last := fmt.Sprintf("vol-%d", deep)
	guest(last, append(reads, fmt.Sprintf("read -q -P 0 %d 64k", (deep+1)*step))...)
	layers, err := d.Open(t.Context(), last, guestUID, key)
	ok(0, err)
	checkVolume(t, layers, (deep+2)*step, []byte("image"))
	if len(layers) > 8 {
		t.Errorf("the volume is of %d files", len(layers))
	}
	if left, err := filepath.Glob(filepath.Join(cfg.Dir, "work", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in work: %v, %v", left, err)
	}
}

func diskKey(t *testing.T) *seal.Key {
	t.Helper()
	key, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return key
}
