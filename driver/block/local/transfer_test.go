//go:build linux

package local_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
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

func newKey(t *testing.T) *seal.Key {
	t.Helper()
	k, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// noise is a raw disk of so many bytes, a third of which is not zero, the same for the
// same seed.
func noise(t *testing.T, size int, seed uint64) string {
	t.Helper()
	content, r := make([]byte, size), rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // to be the same again
	for at := 0; at < size; at += 3 << 16 {
		for i := at; i < min(size, at+1<<16); i++ {
			content[i] = byte(r.Uint32())
		}
	}
	return file(t, content)
}

func converted(t *testing.T, raw string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	qemuImg(t, append(append([]string{"convert", "-f", "raw"}, args...), raw, path)...)
	return path
}

// exported is a snapshot as a file.
func exported(t *testing.T, d *local.Driver, snapshot, format string, key *seal.Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exported")
	to, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close() //nolint:errcheck // synced by nobody
	last := 0.0
	err = d.Export(t.Context(), snapshot, format, key, func(percent float64) { last = percent }, func(disk *os.File, bytes int64) error {
		n, err := io.Copy(to, disk)
		if n != bytes {
			t.Errorf("%d bytes were told, and %d read", bytes, n)
		}
		return err
	})
	if err != nil {
		t.Fatalf("export %s as %s: %v", snapshot, format, err)
	}
	if last != 100 {
		t.Errorf("the last that was told of the export of %s as %s is %g %%", snapshot, format, last)
	}
	return path
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	if y, err := os.ReadFile(b); err != nil || !bytes.Equal(x, y) {
		t.Errorf("%d bytes came back as %d others (%v)", len(x), len(y), err)
	}
}

// TestImportExport: a disk in any format is the same disk when it is written in any other
// and read again.
func TestImportExport(t *testing.T) {
	const size = 5<<20 + 3*512
	raw := noise(t, size, 1)
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	n := 0
	for format, disk := range map[string]string{
		"raw": raw, "qcow2": converted(t, raw, "-O", "qcow2", "-c"), "vmdk": converted(t, raw, "-O", "vmdk"), "vmdk stream": converted(t, raw, "-O", "vmdk", "-o", stream),
		"vhd": converted(t, raw, "-O", "vpc", "-o", "force_size=on"), "vhd fixed": converted(t, raw, "-O", "vpc", "-o", "subformat=fixed,force_size=on"),
		"vhdx": converted(t, noise(t, size, 1), "-O", "vhdx"), "ova": ova(t, converted(t, raw, "-O", "vmdk", "-o", stream)),
	} {
		key := newKey(t)
		if n++; n%2 == 0 {
			key = nil
		}
		id := fmt.Sprint("snap-", n)
		for range 2 {
			in := incoming(disk)
			stages := map[string]bool{}
			in.Progress = func(stage string, _ float64) { stages[stage] = true }
			got, err := d.Import(t.Context(), id, in, key)
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if word, _, _ := strings.Cut(format, " "); got.Format != word || got.Bytes < size || got.Bytes > size+1<<20 || got.Stored == 0 || got.Source == 0 {
				t.Errorf("%s: got %+v", format, got)
			}
			if len(stages) != 3 && len(stages) != 0 {
				t.Errorf("%s: stages %v", format, stages)
			}
		}
		for _, again := range []string{"raw", "vmdk", "vhd"} {
			out := exported(t, d, id, again, key)
			in := incoming(out)
			in.Format = again
			if _, err := d.Import(t.Context(), id+"-"+again, in, key); err != nil {
				t.Fatalf("%s as %s: %v", format, again, err)
			}
			back := exported(t, d, id+"-"+again, "raw", key)
			if format == "vhdx" { // its sizes are multiples of a mebibyte
				if err := os.Truncate(back, size); err != nil {
					t.Fatal(err)
				}
			}
			same(t, raw, back)
		}
	}
	if left, err := os.ReadDir(filepath.Join(cfg.Dir, "work")); err != nil || len(left) != 0 {
		t.Errorf("left in work: %v, %v", left, err)
	}
}

// TestImportedIsASnapshot: volumes start with what was imported, under the key alone, and
// nothing that was imported lies on the disk as it is.
func TestImportedIsASnapshot(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	key, volumeKey := newKey(t), newKey(t)
	if _, err := d.Import(t.Context(), "snap-1", incoming(rawDisk(t, strings.Repeat("plain text", 100))), key); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), "grep", "-rq", "plain text", cfg.Dir).Run(); err == nil {
		t.Error("an encrypted snapshot has its bytes as they are")
	}
	if err := d.Create(t.Context(), block.Volume{ID: "vol-1", Bytes: 4 << 20, Snapshot: "snap-1", SnapshotKey: key, Key: volumeKey}); err != nil {
		t.Fatal(err)
	}
	layers, err := d.Open(t.Context(), "vol-1", guestUID, volumeKey)
	if err != nil {
		t.Fatal(err)
	}
	checkVolume(t, layers, 4<<20, []byte(strings.Repeat("plain text", 100)[:512]))
	if _, err := d.CopySnapshot(t.Context(), "snap-1", "snap-2", key, newKey(t)); err != nil {
		t.Error(err)
	}
}

func TestHostileImports(t *testing.T) {
	for name, c := range hostileDisks(t) {
		t.Run(name, func(t *testing.T) {
			in := incoming(c.disk)
			in.Format = c.format
			refusedImport(t, in)
		})
	}
}

// refusedImport imports what must be refused, and returns why it was.
func refusedImport(t *testing.T, in block.Incoming) string {
	t.Helper()
	return refusedImportWith(t, local.Config{Dir: folder(t)}, in)
}

func refusedImportWith(t *testing.T, cfg local.Config, in block.Incoming) string {
	t.Helper()
	d := open(t, cfg)
	got, err := d.Import(t.Context(), "snap-1", in, newKey(t))
	bad, ok := errors.AsType[*block.BadImageError](err)
	if !ok {
		t.Errorf("import: %+v, %v, want a BadImageError", got, err)
		return ""
	}
	if strings.Contains(bad.Reason, cfg.Dir) {
		t.Errorf("the reason tells where the tools work: %s", bad.Reason)
	}
	for _, dir := range []string{"work", "snapshots"} {
		if left, err := os.ReadDir(filepath.Join(cfg.Dir, dir)); err != nil || len(left) != 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
	return bad.Reason
}

// member is a file of an archive.
type member struct {
	tar.Header
	content []byte
}

func archive(t *testing.T, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		m.Mode = 0o600
		if m.Size == 0 {
			m.Size = int64(len(m.content))
		}
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	w.Close() //nolint:errcheck // members may claim more than they have
	return file(t, b.Bytes())
}

// ova is an appliance with one disk.
func ova(t *testing.T, disk string) string {
	t.Helper()
	content, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	return archive(t, member{tar.Header{Name: "vm.ovf"}, []byte("<Envelope/>")}, member{tar.Header{Name: "vm-disk1.vmdk"}, content}, member{tar.Header{Name: "vm.mf"}, []byte("SHA256")})
}

func TestHostileArchives(t *testing.T) {
	raw := rawDisk(t, "data")
	disk, err := os.ReadFile(converted(t, raw, "-O", "vmdk", "-o", stream))
	if err != nil {
		t.Fatal(err)
	}
	many := make([]member, 65)
	for i := range many {
		many[i] = member{tar.Header{Name: fmt.Sprint(i, ".txt")}, []byte("x")}
	}
	whole := ova(t, converted(t, raw, "-O", "vmdk", "-o", stream))
	half, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no disk":                 archive(t, member{tar.Header{Name: "vm.ovf"}, []byte("x")}),
		"empty":                   file(t, append(bytes.Repeat([]byte{0}, 257), append([]byte("ustar"), make([]byte, 2000)...)...)),
		"two disks":               archive(t, member{tar.Header{Name: "a.vmdk"}, disk}, member{tar.Header{Name: "b.vmdk"}, disk}),
		"disk that is a link":     archive(t, member{tar.Header{Name: "a.vmdk", Typeflag: tar.TypeSymlink, Linkname: "/etc/shadow"}, nil}),
		"disk that is a hard one": archive(t, member{tar.Header{Name: "a.vmdk", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"}, nil}),
		"device":                  archive(t, member{tar.Header{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8}, nil}, member{tar.Header{Name: "a.vmdk"}, disk}),
		"disk of a petabyte":      archive(t, member{tar.Header{Name: "a.vmdk", Size: 1 << 50}, disk}),
		"text of a petabyte":      archive(t, member{tar.Header{Name: "a.txt", Size: 1 << 50}, disk}),
		"too many members":        archive(t, append(many, member{tar.Header{Name: "a.vmdk"}, disk})...),
		"disk that is a secret":   archive(t, member{tar.Header{Name: "a.vmdk"}, flatDescriptor("/etc/shadow")}),
		"disk that is a qcow2":    archive(t, member{tar.Header{Name: "a.vmdk"}, []byte("QFI\xfb")}),
		"disk that is packed":     archive(t, member{tar.Header{Name: "a.vmdk"}, []byte("\x1f\x8b\x08 and so on")}),
		"cut off":                 file(t, half[:2048]),
		"sparse":                  file(t, sparseTar()),
	} {
		t.Run(name, func(t *testing.T) { t.Log(refusedImport(t, incoming(path))) })
	}
	// Names lead nowhere.
	d := open(t, local.Config{})
	if _, err := d.Import(t.Context(), "snap-1", incoming(archive(t, member{tar.Header{Name: "../../../../etc/cron.d/x.vmdk"}, disk})), nil); err != nil {
		t.Error(err)
	}
}

// sparseTar is an archive whose one member is of GNU's sparse kind: a terabyte of holes.
func sparseTar() []byte {
	h := make([]byte, 512)
	copy(h, "a.vmdk")
	copy(h[100:], "0000600\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
	copy(h[257:], "ustar  \x00")
	copy(h[483:], "20000000000000"[:12]) // the real size
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h, make([]byte, 1024)...)
}

// TestImportBombs: what unpacks to far more than its size is given up early.
func TestImportBombs(t *testing.T) {
	raw := file(t, bytes.Repeat([]byte("boom"), 32<<20))
	for name, disk := range map[string]string{"qcow2": converted(t, raw, "-O", "qcow2", "-c"), "VMDK": converted(t, raw, "-O", "vmdk", "-o", stream)} {
		t.Run(name, func(t *testing.T) {
			if why := refusedImportWith(t, local.Config{Dir: folder(t), Unpacked: 8 << 20}, incoming(disk)); !strings.Contains(why, "it unpacks to more") {
				t.Error(why)
			}
		})
	}
}

// TestImportIsCancelled: nothing is left of an import whose context ends.
func TestImportIsCancelled(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	for _, at := range []string{"downloading", "validating", "converting"} {
		ctx, cancel := context.WithCancel(t.Context())
		in := incoming(noise(t, 8<<20, 2))
		in.Progress = func(stage string, _ float64) {
			if stage == at {
				cancel()
			}
		}
		if _, err := d.Import(ctx, "snap-1", in, nil); !errors.Is(err, context.Canceled) && at != "converting" {
			t.Errorf("cancelled while %s: %v", at, err)
		}
		cancel()
		if left, err := os.ReadDir(filepath.Join(cfg.Dir, "work")); err != nil || len(left) != 0 {
			t.Errorf("left in work: %v, %v", left, err)
		}
	}
}

func TestImportsThatEnd(t *testing.T) {
	d := open(t, local.Config{})
	broken := errors.New("the bucket is away")
	short := func(told int64) block.Incoming {
		return block.Incoming{Open: func(context.Context) (io.ReadCloser, int64, error) {
			return io.NopCloser(bytes.NewReader(make([]byte, 4096))), told, nil
		}}
	}
	if _, err := d.Import(t.Context(), "snap-1", block.Incoming{Open: func(context.Context) (io.ReadCloser, int64, error) { return nil, 0, broken }}, nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Import(t.Context(), "snap-1", short(1024), nil); err == nil {
		t.Error("more bytes than were told are taken")
	}
	if _, err := d.Import(t.Context(), "snap-1", short(1<<60), nil); err == nil {
		t.Error("a petabyte is taken")
	}
	if _, err := d.Import(t.Context(), "../x", short(4096), nil); err == nil {
		t.Error("a path is taken for an ID")
	}
	err := d.Export(t.Context(), "snap-9", "raw", nil, func(float64) {}, func(*os.File, int64) error { return nil })
	if !errors.Is(err, block.ErrNoSnapshot) {
		t.Errorf("export of nothing: %v", err)
	}
	if err := d.Export(t.Context(), "snap-9", "qcow2", nil, func(float64) {}, func(*os.File, int64) error { return nil }); err == nil {
		t.Error("export as qcow2")
	}
}
