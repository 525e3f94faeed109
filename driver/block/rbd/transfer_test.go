//go:build linux

package rbd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// incoming is a file as one to import.
func incoming(path string) block.Incoming {
	return block.Incoming{Open: func(context.Context) (io.ReadCloser, int64, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, 0, err
		}
		st, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f, st.Size(), nil
	}}
}

// TestTransfers: a disk goes into the pool and comes out the same, in any format; what is
// refused leaves nothing.
func TestTransfers(t *testing.T) {
	cfg := newConfig(t)
	d := open(t, cfg)
	defer endAnyhow(t, d)
	ctx := t.Context()
	want := make([]byte, 3<<20)
	for i := range 1 << 20 {
		want[i+512<<10] = byte(rand.Uint32()) //nolint:gosec // any bytes
	}
	dir := t.TempDir()
	raw, vmdk := filepath.Join(dir, "raw"), filepath.Join(dir, "vmdk")
	if err := os.WriteFile(raw, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, vmdk).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	key, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		got, err := d.Import(ctx, "snap-1", incoming(vmdk), key)
		if err != nil {
			t.Fatal(err)
		}
		if got.Bytes != 3<<20 || got.Format != "vmdk" || got.Stored < 1<<20 {
			t.Errorf("imported %+v", got)
		}
	}
	for _, format := range []string{"raw", "vmdk", "vhd"} {
		path := filepath.Join(dir, "out."+format)
		last := 0.0
		err := d.Export(ctx, "snap-1", format, key, func(percent float64) { last = percent }, func(disk *os.File, size int64) error {
			content, err := io.ReadAll(disk)
			if int64(len(content)) != size {
				t.Errorf("%s: %d bytes were told, and %d read", format, size, len(content))
			}
			return errors.Join(err, os.WriteFile(path, content, 0o600))
		})
		if err != nil || last != 100 {
			t.Fatalf("export as %s: %v, %g %%", format, err, last)
		}
		driver := map[string]string{"raw": "raw", "vmdk": "vmdk", "vhd": "vpc"}[format]
		if out, err := exec.CommandContext(ctx, "qemu-img", "convert", "-f", driver, "-O", "raw", path, path+".raw").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got, err := os.ReadFile(path + ".raw"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came back as %d others (%v)", format, len(want), len(got), err)
		}
	}
	if err := d.Export(ctx, "snap-1", "raw", nil, nil, nil); err == nil {
		t.Error("an encrypted snapshot was exported without its key")
	}
	if err := d.Export(ctx, "snap-9", "raw", nil, nil, nil); !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("export of no snapshot: %v", err)
	}
	var bad *block.BadImageError
	if err := os.WriteFile(raw, []byte("QFI\xfb and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Import(ctx, "snap-2", incoming(raw), key); !errors.As(err, &bad) {
		t.Errorf("import of a damaged disk: %v, want a BadImageError", err)
	}
	if ids, err := d.ListSnapshots(ctx); err != nil || len(ids) != 1 {
		t.Errorf("snapshots %q, %v", ids, err)
	}
	wantNoOrphans(t, cfg)
	if left, err := filepath.Glob(filepath.Join(cfg.Dir, "export-*")); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %q, %v", left, err)
	}
}
