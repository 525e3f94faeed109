// Package blocktest is the conformance suite of block drivers: what every
// engine guarantees, checked through the interface alone.
package blocktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// Engine is what is under test.
type Engine interface {
	block.Driver
	block.Images
}

// Bench makes engines to test. The zero values of optional fields are ready.
type Bench struct {
	// New returns an empty engine, and a function that ends it and opens the
	// same one again, as a restart of its process would.
	New func(t *testing.T) (e Engine, reopen func() Engine)
	// Check, if not nil, fails the test unless the opened volume is whole, has
	// that many bytes, and starts with the given ones (zeroes after those).
	Check func(t *testing.T, layers []block.Layer, size int64, start []byte)
	// Write, if not nil, writes 512 bytes at the start of the opened volume.
	Write func(t *testing.T, layers []block.Layer, data []byte)
	// Guest, if not nil, runs commands of qemu-io(1) on the opened volume, and fails the test
	// unless all that they read is as they say.
	Guest func(t *testing.T, layers []block.Layer, commands ...string)
	// UID is the user that volumes are opened for.
	UID int
}

const mib = 1 << 20

// Run runs the suite.
func Run(t *testing.T, b Bench) {
	t.Run("Volumes", b.volumes)
	t.Run("Images", b.images)
	t.Run("ImageOutlivedByVolumes", b.outlived)
	t.Run("Refusals", b.refusals)
	t.Run("Reopen", b.reopen)
	t.Run("Concurrent", b.concurrent)
	t.Run("Cancelled", b.cancelled)
	t.Run("Encrypted", b.encrypted)
	t.Run("Grow", b.grow)
	t.Run("Snapshots", b.snapshots)
	t.Run("SnapshotCopies", b.copies)
	t.Run("SnapshotChains", b.chains)
	t.Run("Direct", b.direct)
}

func (b Bench) volumes(t *testing.T) {
	e, _ := b.New(t)
	ctx := t.Context()
	wantVolumes(t, e)
	for range 2 { // the second time must change nothing
		must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 8 * mib}))
		must(t, e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 1 << 40}))
	}
	wantVolumes(t, e, "vol-1", "vol-2")
	b.open(t, e, "vol-1", 8*mib, nil)
	b.open(t, e, "vol-2", 1<<40, nil)
	size, free, err := e.Space(ctx)
	must(t, err)
	if size <= 0 || free <= 0 || free > size {
		t.Errorf("space: %d free of %d", free, size)
	}
	for range 2 {
		must(t, e.Delete(ctx, "vol-1"))
	}
	wantVolumes(t, e, "vol-2")
	if _, err := e.Open(ctx, "vol-1", b.UID, nil); !errors.Is(err, block.ErrNoVolume) {
		t.Errorf("open a deleted volume: %v, want ErrNoVolume", err)
	}
}

func (b Bench) images(t *testing.T) {
	e, _ := b.New(t)
	ctx := t.Context()
	disk := b.disk(t, "image one")
	var first block.Meta
	for i := range 2 {
		meta, err := e.Put(ctx, "ami-1", block.Source{Disk: disk, Format: "raw", Kernel: strings.NewReader("kernel"), Initrd: strings.NewReader("initrd")})
		must(t, err)
		if meta.Bytes != 2*mib || len(meta.SHA256) != 64 {
			t.Errorf("put: %+v, want 2 MiB and a SHA-256 in hexadecimal", meta)
		}
		if i == 0 {
			first = meta
		} else if meta != first {
			t.Errorf("put again: %+v, want %+v", meta, first)
		}
	}
	_, err := e.Put(ctx, "ami-2", block.Source{Disk: disk})
	must(t, err)
	kernel, initrd, err := e.Boot(ctx, "ami-1")
	must(t, err)
	if kernel == "" || initrd == "" || kernel == initrd {
		t.Errorf("boot files %q and %q", kernel, initrd)
	}
	kernel, initrd, err = e.Boot(ctx, "ami-2")
	must(t, err)
	if kernel != "" || initrd != "" {
		t.Errorf("boot files %q and %q of an image without", kernel, initrd)
	}
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 2 * mib, Image: "ami-1"}))
	must(t, e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 64 * mib, Image: "ami-2"}))
	b.open(t, e, "vol-1", 2*mib, []byte("image one"))
	b.open(t, e, "vol-2", 64*mib, []byte("image one"))
	if err := e.Create(ctx, block.Volume{ID: "vol-3", Bytes: mib, Image: "ami-1"}); err == nil {
		t.Error("a volume smaller than its image was made")
	}
	if err := e.Create(ctx, block.Volume{ID: "vol-3", Bytes: 2 * mib, Image: "ami-3"}); !errors.Is(err, block.ErrNoImage) {
		t.Errorf("create from no image: %v, want ErrNoImage", err)
	}
	wantVolumes(t, e, "vol-1", "vol-2")
}

func (b Bench) outlived(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	_, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "first")})
	must(t, err)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 2 * mib, Image: "ami-1"}))
	for range 2 {
		must(t, e.DeleteImage(ctx, "ami-1"))
	}
	if _, _, err := e.Boot(ctx, "ami-1"); !errors.Is(err, block.ErrNoImage) {
		t.Errorf("boot a deleted image: %v, want ErrNoImage", err)
	}
	if err := e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 2 * mib, Image: "ami-1"}); !errors.Is(err, block.ErrNoImage) {
		t.Errorf("create from a deleted image: %v, want ErrNoImage", err)
	}
	e = reopen()
	b.open(t, e, "vol-1", 2*mib, []byte("first"))
	// The name may come back with other bytes; the volume keeps its own.
	_, err = e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "second")})
	must(t, err)
	must(t, e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 2 * mib, Image: "ami-1"}))
	b.open(t, e, "vol-1", 2*mib, []byte("first"))
	b.open(t, e, "vol-2", 2*mib, []byte("second"))
	must(t, e.Delete(ctx, "vol-1"))
	b.open(t, e, "vol-2", 2*mib, []byte("second"))
}

func (b Bench) refusals(t *testing.T) {
	e, _ := b.New(t)
	ctx := t.Context()
	for _, v := range []block.Volume{
		{ID: "", Bytes: mib},
		{ID: "../vol", Bytes: mib},
		{ID: "Vol", Bytes: mib},
		{ID: "vol 1", Bytes: mib},
		{ID: ".vol", Bytes: mib},
		{ID: strings.Repeat("v", 32), Bytes: mib},
		{ID: "vol-1", Bytes: 0},
		{ID: "vol-1", Bytes: -512},
		{ID: "vol-1", Bytes: 1000},
		{ID: "vol-1", Bytes: mib, Image: "../x"},
	} {
		if err := e.Create(ctx, v); err == nil {
			t.Errorf("%+v was made", v)
		}
	}
	if _, err := e.Open(ctx, "vol-1", b.UID, nil); !errors.Is(err, block.ErrNoVolume) {
		t.Errorf("open no volume: %v, want ErrNoVolume", err)
	}
	if _, _, err := e.Boot(ctx, "ami-1"); !errors.Is(err, block.ErrNoImage) {
		t.Errorf("boot no image: %v, want ErrNoImage", err)
	}
	must(t, e.Delete(ctx, "vol-1"))
	must(t, e.DeleteImage(ctx, "ami-1"))

	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	var bad *block.BadImageError
	if _, err := e.Put(ctx, "ami-1", block.Source{Disk: empty}); !errors.As(err, &bad) {
		t.Errorf("put an empty file: %v, want a BadImageError", err)
	}
	if _, err := e.Put(ctx, "ami-1", block.Source{Disk: empty + ".not"}); err == nil {
		t.Error("an image without a file was stored")
	}
	if _, err := e.Put(ctx, "../ami", block.Source{Disk: b.disk(t, "x")}); err == nil {
		t.Error("an image named ../ami was stored")
	}
	broken := errors.New("broken pipe")
	if _, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "x"), Kernel: failing{broken}}); !errors.Is(err, broken) {
		t.Errorf("put with a kernel that cannot be read: %v, want its error", err)
	}
	if _, _, err := e.Boot(ctx, "ami-1"); !errors.Is(err, block.ErrNoImage) {
		t.Errorf("a refused image is there: %v", err)
	}
	wantVolumes(t, e)
}

func (b Bench) reopen(t *testing.T) {
	e, reopen := b.New(t)
	ctx := t.Context()
	_, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "kept"), Kernel: strings.NewReader("kernel")})
	must(t, err)
	must(t, e.Create(ctx, block.Volume{ID: "vol-1", Bytes: 2 * mib, Image: "ami-1"}))
	e = reopen()
	wantVolumes(t, e, "vol-1")
	b.open(t, e, "vol-1", 2*mib, []byte("kept"))
	kernel, initrd, err := e.Boot(ctx, "ami-1")
	must(t, err)
	if kernel == "" || initrd != "" {
		t.Errorf("boot files %q and %q, want a kernel alone", kernel, initrd)
	}
	must(t, e.Create(ctx, block.Volume{ID: "vol-2", Bytes: 2 * mib, Image: "ami-1"}))
	b.open(t, e, "vol-2", 2*mib, []byte("kept"))
}

func (b Bench) concurrent(t *testing.T) {
	e, _ := b.New(t)
	disk := b.disk(t, "shared")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := e.Put(t.Context(), "ami-1", block.Source{Disk: disk}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		for range 3 { // the same one, at the same time
			wg.Go(func() {
				if err := e.Create(t.Context(), block.Volume{ID: fmt.Sprintf("vol-%d", i), Bytes: 2 * mib, Image: "ami-1"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if err := e.Delete(t.Context(), "vol-9"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantVolumes(t, e, "vol-0", "vol-1", "vol-2", "vol-3")
	b.open(t, e, "vol-3", 2*mib, []byte("shared"))
}

func (b Bench) cancelled(t *testing.T) {
	e, _ := b.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Create(ctx, block.Volume{ID: "vol-1", Bytes: mib}); !errors.Is(err, context.Canceled) {
		t.Errorf("create, cancelled: %v", err)
	}
	if _, err := e.Put(ctx, "ami-1", block.Source{Disk: b.disk(t, "x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("put, cancelled: %v", err)
	}
	wantVolumes(t, e)
}

// open opens the volume and checks what can be checked of it.
func (b Bench) open(t *testing.T, e Engine, id string, size int64, start []byte) {
	t.Helper()
	b.openWith(t, e, id, nil, size, start)
}

func (b Bench) openWith(t *testing.T, e Engine, id string, key *seal.Key, size int64, start []byte) {
	t.Helper()
	layers, err := e.Open(t.Context(), id, b.UID, key)
	must(t, err)
	for _, l := range layers {
		if !filepath.IsAbs(l.Path) || l.Format != "qcow2" && l.Format != "raw" {
			t.Errorf("open %s: path %q, format %q", id, l.Path, l.Format)
		}
	}
	if b.Check != nil {
		b.Check(t, layers, size, start)
	}
}

// disk makes a raw disk of 2 MiB that starts with the text.
func (b Bench) disk(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	content := append([]byte(text), bytes.Repeat([]byte{0}, 2*mib-len(text))...)
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

func wantVolumes(t *testing.T, e Engine, want ...string) {
	t.Helper()
	got, err := e.List(t.Context())
	must(t, err)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("volumes %q, want %q", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
