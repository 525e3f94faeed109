//go:build linux

package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/seal"
)

const pointBytes = 4 << 20

// point is a call in which a victim is killed. The ones before it were made, and what
// volumes hold was written.
type point struct {
	name string
	do   func(ctx context.Context, d *local.Driver) error
}

var points = []point{
	{"create", func(ctx context.Context, d *local.Driver) error {
		return d.Create(ctx, block.Volume{ID: "vol-1", Bytes: pointBytes, Key: keyOf("vol-1")})
	}},
	{"cut", func(ctx context.Context, d *local.Driver) error {
		return d.Cut(ctx, "vol-1", "snap-1", keyOf("vol-1"))
	}},
	{"keep", func(ctx context.Context, d *local.Driver) error {
		_, err := d.Keep(ctx, "vol-1", "snap-1", keyOf("vol-1"), keyOf("snap-1"))
		return err
	}},
	{"copy", func(ctx context.Context, d *local.Driver) error {
		_, err := d.CopySnapshot(ctx, "snap-1", "snap-2", keyOf("snap-1"), keyOf("snap-2"))
		return err
	}},
	{"restore", func(ctx context.Context, d *local.Driver) error {
		return d.Create(ctx, block.Volume{ID: "vol-2", Bytes: pointBytes, Snapshot: "snap-2", SnapshotKey: keyOf("snap-2"), Key: keyOf("vol-2")})
	}},
	{"grow", func(ctx context.Context, d *local.Driver) error {
		return d.Grow(ctx, "vol-2", 2*pointBytes, keyOf("vol-2"))
	}},
	{"delete the volume", func(ctx context.Context, d *local.Driver) error { return d.Delete(ctx, "vol-1") }},
	{"delete the snapshot", func(ctx context.Context, d *local.Driver) error { return d.DeleteSnapshot(ctx, "snap-1") }},
}

// keyOf is the same key for an ID in every process.
func keyOf(id string) *seal.Key {
	k, err := seal.New(bytes.Repeat([]byte(id[len(id)-1:]+id[:1]), 16))
	if err != nil {
		panic(err)
	}
	return k
}

// pointVictim makes one call, and tells its tracer when it begins.
func pointVictim(dir, number string) {
	n, err := strconv.Atoi(number)
	if err != nil {
		panic(err)
	}
	d, err := local.New(local.Config{Dir: dir})
	if err == nil {
		_, _ = unix.Getsid(0) // the mark
		err = points[n].do(context.Background(), d)
	}
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestCrashPoints kills a process before each of the system calls by which it changes the
// folder, and so after each one, and finds everything whole, the call possible again, and
// nothing left when all is deleted. VAUBAN_SLOW=1 takes every point, an ordinary run some.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	stride := 4
	if os.Getenv("VAUBAN_SLOW") != "" {
		stride = 1
	}
	ready := folder(t)
	for i, p := range points {
		total := 0
		for n := 1 + i%stride; ; n += stride {
			cfg := local.Config{Dir: folder(t)}
			if _, err := os.Stat(ready); err == nil {
				copyFolder(t, ready, cfg.Dir)
			}
			ended := killAt(t, n, "VAUBAN_TEST_POINT="+strconv.Itoa(i), "VAUBAN_TEST_VICTIM="+cfg.Dir)
			wantNoTools(t, cfg.Dir)
			afterPoint(t, cfg, i, fmt.Sprintf("%s, killed before call %d", p.name, n))
			if ended || t.Failed() {
				total = n
				break
			}
		}
		t.Logf("%s: fewer than %d calls", p.name, total)
		d := open(t, local.Config{Dir: ready})
		if err := p.do(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			writeTo(t, d, "vol-1", "whole")
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// afterPoint looks at what a process left that was killed in the i-th call.
func afterPoint(t *testing.T, cfg local.Config, i int, what string) {
	t.Helper()
	d := open(t, cfg)
	defer func() {
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}()
	if err := points[i].do(t.Context(), d); err != nil {
		t.Errorf("%s: once more: %v", what, err)
	}
	volumes, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"vol-1": pointBytes, "vol-2": pointBytes}
	if i >= 5 {
		want["vol-2"] = 2 * pointBytes
	}
	for _, id := range volumes {
		opened, err := d.Open(t.Context(), id, guestUID, keyOf(id))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		text := []byte("whole")
		if i == 0 {
			text = nil // nothing was written yet
		}
		checkVolume(t, opened, want[id], text)
	}
	snapshots, err := d.ListSnapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if i < 7 && i >= 2 && !slices.Contains(snapshots, "snap-1") {
		t.Errorf("%s: the snapshot is gone", what)
	}
	for _, id := range append(snapshots, "snap-1") { // of a cut that was not kept, too
		if err := d.DeleteSnapshot(t.Context(), id); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, id := range volumes {
		if left, err := filepath.Glob(filepath.Join(cfg.Dir, "volumes", id, "cut-*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v (%v)", what, left, err)
		}
		if err := d.Delete(t.Context(), id); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	err = filepath.WalkDir(cfg.Dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Dir(path) != cfg.Dir { // but for the lock
			t.Errorf("%s: left %s", what, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// writeTo writes the text to the start of a volume.
func writeTo(t *testing.T, d *local.Driver, id, text string) {
	t.Helper()
	opened, err := d.Open(t.Context(), id, guestUID, keyOf(id))
	if err != nil {
		t.Fatal(err)
	}
	pattern := filepath.Join(filepath.Dir(folder(t)), "pattern")
	err = os.WriteFile(pattern, append([]byte(text), make([]byte, 512-len(text))...), 0o600)
	if err := errors.Join(err, os.Chown(pattern, guestUID, guestUID)); err != nil {
		t.Fatal(err)
	}
	asGuest(t, guestUID, slices.Concat([]string{"qemu-io"}, secretsOf(opened), []string{"-c", "write -s " + pattern + " 0 512", nodeOf(t, opened)})...)
}

// copyFolder copies a folder with all that matters: owners, modes and hard links.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
