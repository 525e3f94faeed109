//go:build linux

package rbd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/rbd"
)

// faulty are Ceph's tools of a cluster that has nothing, takes everything, and fails as it
// is told: what an empty pool cannot be had to do. Whatever needs bytes is tested on a real one.
type faulty struct {
	t   *testing.T
	bin string
	cfg rbd.Config
}

const faultyTool = `#!/bin/sh
# NAME --conf C --id I --keyfile K [--pool P] VERB ...: runs the script NAME-VERB, if there is one.
bin=${0%/*}; name=${0##*/}; shift 6; [ "$1" = --pool ] && shift 2
echo "$name $*" >>"$bin/log"
[ -f "$bin/$name-$1" ] && exec sh "$bin/$name-$1" "$@"
case "$name $1" in
"rados listomapvals") printf 'cloud\nvalue (2 bytes) :\n00000000  7b 7d   |{}|\n00000002\n\n' ;;
"rbd ls") echo '[]' ;;
"ceph df") echo '{"pools":[{"name":"volumes","stats":{"stored":0,"max_avail":10737418240}}]}' ;;
esac
`

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	dir, err := os.MkdirTemp("", "vauban-rbd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // a temporary folder
	f := &faulty{t: t, bin: filepath.Join(dir, "bin")}
	for _, d := range []string{dir, f.bin} {
		if err := errors.Join(os.MkdirAll(d, 0o711), os.Chmod(d, 0o711)); err != nil { //nolint:gosec // tools run as another user
			t.Fatal(err)
		}
	}
	for _, name := range []string{"rbd", "rados", "ceph"} {
		f.write(name, faultyTool)
		if err := os.Chmod(filepath.Join(f.bin, name), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	f.write("log", "")
	if err := os.Chmod(filepath.Join(f.bin, "log"), 0o666); err != nil { //nolint:gosec // tools write it
		t.Fatal(err)
	}
	f.write("ceph.conf", "[global]\n")
	f.write("keyring", "[client.other]\nkey = AAAA\n[client.vauban]\n\tkey = c2VjcmV0\n")
	f.cfg = rbd.Config{
		Dir: filepath.Join(dir, "store"), Name: "cloud", Pool: "volumes", User: "vauban", Bin: f.bin,
		Conf: filepath.Join(f.bin, "ceph.conf"), Keyring: filepath.Join(f.bin, "keyring"),
	}
	return f
}

func (f *faulty) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.bin, name)
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o644)); err != nil { //nolint:gosec // tools run as another user
		f.t.Fatal(err)
	}
}

// lockedBy has the catalogue be somebody's.
func (f *faulty) lockedBy(cookie string) {
	f.t.Helper()
	f.write("rados-lock", `[ "$2" = info ] || { echo 'error locking cloud.catalogue: (16) Device or resource busy' >&2; exit 1; }
echo '{"name":"owner","type":"exclusive","tag":"","lockers":[{"name":"client.4","cookie":"`+cookie+`","description":"there:/store"}]}'`)
}

func (f *faulty) mend(name string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.bin, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *faulty) open() *rbd.Driver {
	f.t.Helper()
	d, err := rbd.New(f.t.Context(), f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { d.Close() }) //nolint:errcheck // nothing was written
	return d
}

// ran counts the runs of tools whose line begins so.
func (f *faulty) ran(begin string) (n int) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.bin, "log"))
	if err != nil {
		f.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, begin) {
			n++
		}
	}
	return n
}

var volume = block.Volume{ID: "vol-1", Bytes: 8 << 20}

func wantNone(t *testing.T, d *rbd.Driver) {
	t.Helper()
	if ids, err := d.List(t.Context()); err != nil || len(ids) > 0 {
		t.Errorf("volumes %q, %v, want none", ids, err)
	}
}

func TestFullPool(t *testing.T) {
	f := newFaulty(t)
	f.write("ceph-df", `echo '{"pools":[{"name":"volumes","stats":{"stored":10737418240,"max_avail":0}}]}'`)
	d := f.open()
	if err := d.Create(t.Context(), volume); !errors.Is(err, block.ErrNoSpace) {
		t.Errorf("create in a full pool: %v, want ErrNoSpace", err)
	}
	if n := f.ran("rbd import"); n != 0 {
		t.Errorf("a full pool was written to %d times", n)
	}
	size, free, err := d.Space(t.Context())
	if size != 10<<30 || free != 0 || err != nil {
		t.Errorf("space %d, %d, %v", size, free, err)
	}
}

// TestCrashOfATool has a tool that only reads crash once, and then each time.
func TestCrashOfATool(t *testing.T) {
	f := newFaulty(t)
	d := f.open()
	before := f.ran("ceph df")
	f.write("ceph-df", `[ $(grep -c 'ceph df' "${0%/*}/log") -gt `+strconv.Itoa(before+1)+` ] || kill -ABRT $$
echo '{"pools":[{"name":"volumes","stats":{"stored":0,"max_avail":1024}}]}'`)
	if size, free, err := d.Space(t.Context()); size != 1024 || free != 1024 || err != nil {
		t.Errorf("space after a crash: %d, %d, %v", size, free, err)
	}
	if n := f.ran("ceph df") - before; n != 2 {
		t.Errorf("it was asked %d times, want 2", n)
	}
	f = newFaulty(t)
	d = f.open()
	before = f.ran("ceph df")
	f.write("ceph-df", "kill -ABRT $$")
	if _, _, err := d.Space(t.Context()); err == nil || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("space of a tool that crashes each time: %v", err)
	}
	if n := f.ran("ceph df") - before; n != 2 {
		t.Errorf("it was asked %d times, want 2 and no more", n)
	}
}

func TestFaultsOfTools(t *testing.T) {
	for _, c := range []struct {
		name, tool, script string
		is                 error  // that the error is, if any
		says               string // part of it
	}{
		{"quota", "rbd-import", "echo 'rbd: import failed: (122) Disk quota exceeded' >&2; exit 122", block.ErrNoSpace, ""},
		{"no space", "rbd-resize", "echo 'rbd: resize error: (28) No space left on device' >&2; exit 28", block.ErrNoSpace, ""},
		{"refused", "rbd-import", "echo 'rbd: error opening pool: (1) Operation not permitted' >&2; exit 1", unix.EPERM, "Operation not permitted"},
		{"killed", "rbd-resize", "kill -9 $$", nil, "killed"},
		{"silent", "rbd-import", "exit 3", nil, "exit status 3"},
		{"unlike JSON", "ceph-df", "echo nonsense", nil, "read the answer of ceph"},
		{"another pool", "ceph-df", `echo '{"pools":[]}'`, nil, "the cluster does not have it"},
		{"endless", "ceph-df", "exec yes", nil, "says more than"},
		{"loud", "rbd-import", "head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 1", nil, "xxxx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFaulty(t)
			d := f.open()
			f.write(c.tool, c.script)
			err := d.Create(t.Context(), volume)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("create: %v, want one that is %v and says %q", err, c.is, c.says)
			}
			if err != nil && len(err.Error()) > 8192 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			wantNone(t, d)
			if f.ran("rbd import") > 0 && f.ran("rbd rm") == 0 {
				t.Error("what was made of the layer was not removed")
			}
			f.mend(c.tool)
			if err := d.Create(t.Context(), volume); err != nil {
				t.Errorf("create, once mended: %v", err)
			}
		})
	}
}

// TestToolThatHangs: a cluster that does not answer holds nobody for ever.
func TestToolThatHangs(t *testing.T) {
	f := newFaulty(t)
	f.cfg.Patience = time.Second
	d := f.open()
	f.write("rbd-import", "exec sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := d.Create(ctx, volume); !errors.Is(err, context.Canceled) {
		t.Errorf("create, cancelled meanwhile: %v", err)
	}
	f.mend("rbd-import")
	f.write("rbd-resize", "exec sleep 1000")
	if err := d.Create(t.Context(), volume); err == nil || !strings.Contains(err.Error(), "is the cluster well") {
		t.Errorf("create with a tool that hangs: %v", err)
	}
	wantNone(t, d)
}

// TestRecordThatMayBeThere: when nobody knows whether a record was written, what it names
// stays, and the next call looks.
func TestRecordThatMayBeThere(t *testing.T) {
	f := newFaulty(t)
	d := f.open()
	f.write("rados-setomapval", "echo 'error: (110) Connection timed out' >&2; exit 1")
	if err := d.Create(t.Context(), volume); !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("create: %v, want ETIMEDOUT", err)
	}
	if n := f.ran("rbd rm"); n != 0 {
		t.Errorf("layers that may be in use were removed %d times", n)
	}
	// It was written after all: {"layers":[{"name":"cloud.0"}]}.
	f.write("rados-listomapvals", `cat <<'X'
cloud
value (2 bytes) :
00000000  7b 7d                                             |{}|
00000002

volume/vol-1
value (31 bytes) :
00000000  7b 22 6c 61 79 65 72 73  22 3a 5b 7b 22 6e 61 6d  |{"layers":[{"nam|
00000010  65 22 3a 22 63 6c 6f 75  64 2e 30 22 7d 5d 7d     |e":"cloud.0"}]}|
0000001f

X`)
	f.mend("rados-setomapval")
	if err := d.Create(t.Context(), volume); err != nil {
		t.Errorf("create again: %v", err)
	}
	if n := f.ran("rbd import"); n != 1 {
		t.Errorf("the volume was made %d times", n)
	}
	if ids, err := d.List(t.Context()); err != nil || len(ids) != 1 {
		t.Errorf("volumes %q, %v", ids, err)
	}
}

// TestDamagedPool: a driver touches nothing in a pool that it does not understand.
func TestDamagedPool(t *testing.T) {
	missing := "echo 'error getting omap keys: (2) No such file or directory' >&2; exit 1"
	for name, c := range map[string]struct{ tool, script, says string }{
		"no catalogue": {"rados-listomapvals", missing, "damaged"},
		"no values":    {"rados-listomapvals", "echo volume/vol-1", "has no value"},
		"short values": {"rados-listomapvals", `printf 'volume/vol-1\nvalue (9 bytes) :\n00000000  7b 7d  |{}|\n\n'`, "bytes, not 9"},
		"no record":    {"rados-listomapvals", `printf 'volume/vol-1\nvalue (2 bytes) :\n00000000  7b 7b  |{{|\n\n'`, "volume/vol-1"},
		"no list":      {"rbd-ls", "echo '{'", "read the answer of rbd"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t)
			f.write("rbd-ls", `echo '["cloud.0","cloud.1","other.2"]'`)
			f.write(c.tool, c.script)
			if _, err := rbd.New(t.Context(), f.cfg); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("open: %v, want an error that says %q", err, c.says)
			}
			if n := f.ran("rbd rm") + f.ran("rados setomapval"); n != 0 {
				t.Errorf("a damaged pool was written to %d times", n)
			}
		})
	}
}

// TestOwner: a copy of a cloud's folder, here or on another host, touches nothing in the pool;
// the folder itself goes on.
func TestOwner(t *testing.T) {
	f := newFaulty(t)
	reopen := func() error {
		d, err := rbd.New(t.Context(), f.cfg)
		if err == nil {
			err = d.Close()
		}
		return err
	}
	if err := reopen(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(f.bin, "log"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(log), "rados lock get cloud.catalogue owner --lock-cookie ")
	cookie, _, _ := strings.Cut(after, " ")
	f.lockedBy(cookie)
	if err := reopen(); err != nil {
		t.Errorf("open what is this folder's: %v", err)
	}
	f.write("rbd-ls", `echo '["cloud.0"]'`)
	f.lockedBy("0123456789abcdef")
	if err := reopen(); !errors.Is(err, rbd.ErrOwned) || !strings.Contains(err.Error(), "there:/store; ") || !strings.Contains(err.Error(), "client.4 --lock-cookie 0123456789abcdef") {
		t.Errorf("open what is another's: %v", err)
	}
	if n := f.ran("rbd rm"); n != 0 {
		t.Errorf("layers of another were removed %d times", n)
	}
	f.cfg.Dir += "-copy"
	f.lockedBy(cookie)
	if err := reopen(); !errors.Is(err, rbd.ErrOwned) {
		t.Errorf("open a copy: %v", err)
	}
}

// TestSweep: a driver removes what no record names, and only that.
func TestSweep(t *testing.T) {
	f := newFaulty(t)
	f.write("rbd-ls", `echo '["cloud.0","cloud.1","cloud2.3","other"]'`)
	f.write("rados-listomapvals", `printf 'cloud\nvalue (2 bytes) :\n00000000  7b 7d   |{}|\n\nvolume/vol-1\nvalue (31 bytes) :\n`+
		`00000000  7b 22 6c 61 79 65 72 73  22 3a 5b 7b 22 6e 61 6d  ||\n00000010  65 22 3a 22 63 6c 6f 75  64 2e 30 22 7d 5d 7d  ||\n0000001f\n\n'`)
	f.open()
	if all, one := f.ran("rbd rm"), f.ran("rbd rm --no-progress volumes/cloud.1"); all != 1 || one != 1 {
		t.Errorf("%d layers were removed, cloud.1 %d times", all, one)
	}
}

func TestConfigs(t *testing.T) {
	f := newFaulty(t)
	for name, change := range map[string]func(*rbd.Config){
		"folder":  func(c *rbd.Config) { c.Dir = "store" },
		"pool":    func(c *rbd.Config) { c.Pool = "a/b" },
		"option":  func(c *rbd.Config) { c.Pool = "--pool" },
		"user":    func(c *rbd.Config) { c.User = "" },
		"name":    func(c *rbd.Config) { c.Name = "a b" },
		"no key":  func(c *rbd.Config) { c.User = "nobody" },
		"no conf": func(c *rbd.Config) { c.Conf = "/not/there" },
	} {
		cfg := f.cfg
		change(&cfg)
		if _, err := rbd.New(t.Context(), cfg); err == nil {
			t.Errorf("%s: a driver was opened", name)
		}
	}
	first := f.open()
	if _, err := rbd.New(t.Context(), f.cfg); err == nil {
		t.Error("two drivers have one folder")
	}
	wantNone(t, first)
}
