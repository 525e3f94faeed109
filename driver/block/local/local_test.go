//go:build linux

package local_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/blocktest"
	"github.com/vauban-cloud/vauban/driver/block/local"
)

// guestUID is the user that volumes are opened for.
const guestUID = 64321

func TestMain(m *testing.M) {
	if dir := os.Getenv("VAUBAN_TEST_VICTIM"); dir != "" {
		if n := os.Getenv("VAUBAN_TEST_POINT"); n != "" {
			pointVictim(dir, n) // never returns
		}
		victim(dir) // never returns
	}
	syscall.Umask(0o077) // as a careful operator's shell has it
	os.Exit(m.Run())
}

// folder makes a folder that every user may pass through.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vauban-block-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })      //nolint:errcheck // a temporary folder
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // as intended
		t.Fatal(err)
	}
	return filepath.Join(dir, "store")
}

func open(t *testing.T, cfg local.Config) *local.Driver {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = folder(t)
	}
	d, err := local.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() }) //nolint:errcheck // closed by some tests
	return d
}

func TestConformance(t *testing.T) {
	uid := guestUID
	if os.Geteuid() != 0 {
		uid = os.Geteuid()
	}
	blocktest.Run(t, blocktest.Bench{
		UID:   uid,
		Check: checkVolume, Write: writeVolume, Guest: guestIO,
		New: func(t *testing.T) (blocktest.Engine, func() blocktest.Engine) {
			cfg := local.Config{Dir: folder(t)}
			d := open(t, cfg)
			t.Cleanup(func() {
				if left, err := os.ReadDir(filepath.Join(cfg.Dir, "work")); err != nil || len(left) != 0 {
					t.Errorf("left in work: %v, %v", left, err)
				}
			})
			return d, func() blocktest.Engine {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				d = open(t, cfg)
				return d
			}
		},
	})
}

// checkVolume reads the volume as the guest's user does.
func checkVolume(t *testing.T, layers []block.Layer, size int64, start []byte) {
	t.Helper()
	path, node, objects := layers[0].Path, nodeOf(t, layers), secretsOf(layers)
	top := nodeOf(t, layers[:1]) // these look at no other
	var info struct {
		Bytes int64 `json:"virtual-size"`
	}
	told := asGuest(t, guestUID, slices.Concat([]string{"qemu-img", "info", "--output=json"}, objects, []string{top})...)
	if err := json.Unmarshal(told, &info); err != nil || info.Bytes != size {
		t.Errorf("%s has %d bytes, want %d (%v)", path, info.Bytes, size, err)
	}
	asGuest(t, guestUID, slices.Concat([]string{"qemu-img", "check", "-q"}, objects, []string{top})...)
	// Lines such as "00000000:  69 6d 61 67 65 20 6f 6e 65 00 00 00 00 00 00 00  image.one......."
	dump := asGuest(t, guestUID, slices.Concat([]string{"qemu-io", "-r"}, objects, []string{"-c", "read -v 0 512", node})...)
	var got []byte
	for line := range strings.Lines(string(dump)) {
		if _, after, ok := strings.Cut(line, ":  "); ok && len(after) > 48 {
			sixteen, err := hex.DecodeString(strings.ReplaceAll(after[:48], " ", ""))
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, sixteen...)
		}
	}
	if want := append(slices.Clone(start), make([]byte, 512-len(start))...); !bytes.Equal(got, want) {
		t.Errorf("%s starts with %q, want %q", path, got[:min(len(got), 20)], start)
	}
}

// nodeOf describes a chain to QEMU's tools, and secretsOf the secrets that it takes.
func nodeOf(t *testing.T, layers []block.Layer) string {
	t.Helper()
	var below any
	for i, l := range slices.Backward(layers) {
		layer := map[string]any{"driver": l.Format, "backing": below, "file": map[string]any{"driver": "file", "filename": l.Path}}
		if l.Secret != nil {
			layer["encrypt"] = map[string]any{"format": "luks", "key-secret": fmt.Sprint("layer", i)}
		}
		below = layer
	}
	text, err := json.Marshal(below)
	if err != nil {
		t.Fatal(err)
	}
	return "json:" + string(text)
}

func secretsOf(layers []block.Layer) (args []string) {
	for i, l := range layers {
		if l.Secret != nil {
			args = append(args, "--object", fmt.Sprintf("secret,id=layer%d,data=%s", i, l.Secret))
		}
	}
	return args
}

// writeVolume writes as the guest would, at the start of the volume.
func writeVolume(t *testing.T, layers []block.Layer, data []byte) {
	t.Helper()
	file := folder(t) + ".data"
	if err := errors.Join(os.WriteFile(file, data, 0o644), os.Chmod(file, 0o644)); err != nil { //nolint:gosec // a test's
		t.Fatal(err)
	}
	guestIO(t, layers, fmt.Sprintf("write -s %s 0 %d", file, len(data)), "flush")
}

// guestIO runs commands of qemu-io on the volume as the guest's user.
func guestIO(t *testing.T, layers []block.Layer, commands ...string) {
	t.Helper()
	command := slices.Concat([]string{"qemu-io"}, secretsOf(layers))
	for _, c := range commands {
		command = append(command, "-c", c)
	}
	if out := string(asGuest(t, guestUID, append(command, nodeOf(t, layers))...)); strings.Contains(out, "failed") {
		t.Errorf("%q: %s", commands, out)
	}
}

// asGuest runs a program as the user, and returns what it says.
func asGuest(t *testing.T, uid int, command ...string) []byte {
	t.Helper()
	out, err := tryAsGuest(t, uid, command...)
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
	}
	return out
}

func tryAsGuest(t *testing.T, uid int, command ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}} //nolint:gosec // a test's
	}
	return cmd.CombinedOutput()
}

func TestVolumesAreTheirUsersAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be other users")
	}
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	if _, err := d.Put(t.Context(), "ami-1", block.Source{Disk: rawDisk(t, "secret"), Kernel: strings.NewReader("kernel")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), block.Volume{ID: "vol-1", Bytes: 2 << 20, Image: "ami-1"}); err != nil {
		t.Fatal(err)
	}
	layers, err := d.Open(t.Context(), "vol-1", guestUID, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, base := layers[0].Path, layers[1].Path
	image := filepath.Join(cfg.Dir, "images", "ami-1", "private", "disk.qcow2")
	kernel, _, err := d.Boot(t.Context(), "ami-1")
	if err != nil {
		t.Fatal(err)
	}
	may := func(uid int, verb, file string, want bool) {
		t.Helper()
		if out, err := tryAsGuest(t, uid, "sh", "-c", verb+" "+file); (err == nil) != want {
			t.Errorf("user %d: %s %s: %v: %s", uid, verb, file, err, out)
		}
	}
	const read, write, list = "head -c 1 <", "true >>", "ls"
	may(guestUID, read, path, true)
	may(guestUID, write, path, true)
	may(guestUID, read, base, true)
	may(guestUID, write, base, false)
	may(guestUID, "rm -f", base, false)
	may(guestUID, read, image, false)
	may(guestUID, read, kernel, true)
	may(guestUID, write, kernel, false)
	for _, dir := range []string{"", "volumes", "images", "images/ami-1", "work", "volumes/vol-1"} {
		may(guestUID, list, filepath.Join(cfg.Dir, dir), false)
	}
	other := guestUID + 1
	may(other, read, path, false)
	may(other, read, base, false)
	if _, err := d.Open(t.Context(), "vol-1", other, nil); err != nil {
		t.Fatal(err)
	}
	may(other, write, path, true)
	may(other, read, base, true)
	may(guestUID, read, path, false)
	may(guestUID, read, base, false)
	if _, err := d.Open(t.Context(), "vol-1", 0, nil); err != nil {
		t.Fatal(err)
	}
	may(other, read, path, false)
	may(other, read, base, false)
}

func TestDeletedImagesBytesGoWithTheLastVolume(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	if _, err := d.Put(t.Context(), "ami-1", block.Source{Disk: rawDisk(t, "x")}); err != nil {
		t.Fatal(err)
	}
	inode, err := os.Open(filepath.Join(cfg.Dir, "images", "ami-1", "private", "disk.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	defer inode.Close() //nolint:errcheck // only read
	links := func() uint64 {
		info, err := inode.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return uint64(info.Sys().(*syscall.Stat_t).Nlink) //nolint:unconvert // not 64 bits everywhere
	}
	for _, id := range []string{"vol-1", "vol-2"} {
		if err := d.Create(t.Context(), block.Volume{ID: id, Bytes: 2 << 20, Image: "ami-1"}); err != nil {
			t.Fatal(err)
		}
	}
	want := uint64(3)
	for _, remove := range []func() error{
		func() error { return d.DeleteImage(t.Context(), "ami-1") },
		func() error { return d.Delete(t.Context(), "vol-1") },
		func() error { return d.Delete(t.Context(), "vol-2") },
	} {
		if got := links(); got != want {
			t.Errorf("the image's bytes have %d names, want %d", got, want)
		}
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		want--
	}
	if got := links(); got != 0 {
		t.Errorf("the image's bytes still have %d names", got)
	}
}

func TestNoSpace(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	size, free, err := d.Space(t.Context())
	if err != nil || free >= size {
		t.Fatalf("space: %d of %d, %v", free, size, err)
	}
	d.Close() //nolint:errcheck // opened again
	cfg.Reserve = size
	d = open(t, cfg)
	if err := d.Create(t.Context(), block.Volume{ID: "vol-1", Bytes: 1 << 20}); !errors.Is(err, block.ErrNoSpace) {
		t.Errorf("create: %v, want ErrNoSpace", err)
	}
	if _, err := d.Put(t.Context(), "ami-1", block.Source{Disk: rawDisk(t, "x")}); !errors.Is(err, block.ErrNoSpace) {
		t.Errorf("put: %v, want ErrNoSpace", err)
	}
	if ids, err := d.List(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("volumes %q, %v", ids, err)
	}
}

func TestFolderIsTakenOnce(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	open(t, cfg)
	if second, err := local.New(cfg); !errors.Is(err, local.ErrInUse) {
		t.Errorf("opened twice: %v, %v", second, err)
	}
}

func TestFormats(t *testing.T) {
	d := open(t, local.Config{})
	raw := rawDisk(t, "same bytes")
	for i, c := range []struct{ format, options, given string }{
		{"raw", "", "raw"},
		{"qcow2", "", ""},
		{"qcow2", "", "qcow2"},
		{"qcow2", "compat=0.10", ""},
		{"qcow2", "extended_l2=on", ""},
		{"vmdk", "", ""},
		{"vmdk", "subformat=streamOptimized", "vmdk"},
	} {
		path := filepath.Join(t.TempDir(), "disk")
		args := []string{"convert", "-O", c.format, raw, path}
		if c.options != "" {
			args = slices.Insert(args, 3, "-o", c.options)
		}
		qemuImg(t, args...)
		id := fmt.Sprintf("ami-%d", i)
		var last float64
		meta, err := d.Put(t.Context(), id, block.Source{Disk: path, Format: c.given, Progress: func(p float64) { last = p }})
		if err != nil || meta.Bytes != 2<<20 || last != 100 {
			t.Errorf("%+v: %+v, %v, progress %v", c, meta, err, last)
			continue
		}
		vol := fmt.Sprintf("vol-%d", i)
		if err := d.Create(t.Context(), block.Volume{ID: vol, Bytes: 2 << 20, Image: id}); err != nil {
			t.Fatal(err)
		}
		layers, err := d.Open(t.Context(), vol, guestUID, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkVolume(t, layers, 2<<20, []byte("same bytes"))
	}
}

func TestImagesStaySparse(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	d := open(t, cfg)
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, []byte("start"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	meta, err := d.Put(t.Context(), "ami-1", block.Source{Disk: path})
	if err != nil || meta.Bytes != 1<<40 {
		t.Fatalf("put: %+v, %v", meta, err)
	}
	info, err := os.Stat(filepath.Join(cfg.Dir, "images", "ami-1", "private", "disk.qcow2"))
	if err != nil || info.Size() > 1<<20 {
		t.Errorf("a disk of one sector takes %d bytes, %v", info.Size(), err)
	}
}

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// rawDisk makes a raw disk of 2 MiB that starts with the text.
func rawDisk(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err == nil {
		_, err = io.WriteString(f, text)
		err = errors.Join(err, f.Truncate(2<<20), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
