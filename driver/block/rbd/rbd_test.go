//go:build linux

package rbd_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/blocktest"
	"github.com/vauban-cloud/vauban/driver/block/rbd"
	"github.com/vauban-cloud/vauban/test/ceph"
)

// guestUID is the user that volumes are opened for.
const guestUID = 64322

// cluster is brought up once, for all tests.
var cluster = sync.OnceValues(func() (*ceph.Cluster, error) {
	c, end, err := ceph.Start(func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	endCluster = end
	return c, err
})

var endCluster func()

func TestMain(m *testing.M) {
	if config := os.Getenv(crashVariable); config != "" {
		victim(config) // never returns
	}
	syscall.Umask(0o077) // as a careful operator's shell has it
	code := m.Run()
	if endCluster != nil {
		endCluster()
	}
	os.Exit(code)
}

var clouds atomic.Int64

// newConfig is of a driver that has nothing yet, in the tests' pool.
func newConfig(t *testing.T) rbd.Config {
	t.Helper()
	ceph.Wanted(t)
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "vauban-rbd-")
	if err == nil {
		err = os.Chmod(dir, 0o711) //nolint:gosec // guests' users pass through
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // a temporary folder
	return rbd.Config{
		Dir: filepath.Join(dir, "store"), Name: fmt.Sprintf("cloud%d", clouds.Add(1)), UID: 64999, MaxBytes: 1 << 40,
		Pool: c.Pool, User: c.User, Conf: c.Conf, Keyring: c.Keyring,
	}
}

func open(t *testing.T, cfg rbd.Config) *rbd.Driver {
	t.Helper()
	d, err := rbd.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// endAnyhow takes back all volumes, so that no server is left, and closes the driver.
func endAnyhow(t *testing.T, d *rbd.Driver) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	ids, err := d.List(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		if _, err := d.Open(ctx, id, 0, nil); err != nil {
			t.Error(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	blocktest.Run(t, blocktest.Bench{
		UID: guestUID, Check: checkVolume, Write: writeVolume, Guest: guestIO,
		New: func(t *testing.T) (blocktest.Engine, func() blocktest.Engine) {
			cfg := newConfig(t)
			d := open(t, cfg)
			t.Cleanup(func() { endAnyhow(t, d) })
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
	top := nodeOf(t, layers[:1]) // these look at no other
	objects := secretsOf(layers)
	var info struct {
		Bytes int64 `json:"virtual-size"`
	}
	told := asGuest(t, guestUID, slices.Concat([]string{"qemu-img", "info", "--output=json"}, objects, []string{top})...)
	if err := json.Unmarshal(told, &info); err != nil || info.Bytes != size {
		t.Errorf("%s has %d bytes, want %d (%v)", layers[0].Export, info.Bytes, size, err)
	}
	asGuest(t, guestUID, slices.Concat([]string{"qemu-img", "check", "-q"}, objects, []string{top})...)
	got := readStart(t, layers)
	if want := append(slices.Clone(start), make([]byte, 512-len(start))...); !bytes.Equal(got, want) {
		t.Errorf("%s starts with %q, want %q", layers[0].Export, got[:min(len(got), 20)], start)
	}
}

// readStart reads the first 512 bytes as the guest does.
func readStart(t *testing.T, layers []block.Layer) (got []byte) {
	t.Helper()
	// Lines such as "00000000:  69 6d 61 67 65 20 6f 6e 65 00 00 00 00 00 00 00  image.one......."
	dump := asGuest(t, guestUID, slices.Concat([]string{"qemu-io", "-r"}, secretsOf(layers), []string{"-c", "read -v 0 512", nodeOf(t, layers)})...)
	for line := range strings.Lines(string(dump)) {
		if _, after, ok := strings.Cut(line, ":  "); ok && len(after) > 48 {
			sixteen, err := hex.DecodeString(strings.ReplaceAll(after[:48], " ", ""))
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, sixteen...)
		}
	}
	return got
}

// writeVolume writes as the guest would, at the start of the volume.
func writeVolume(t *testing.T, layers []block.Layer, data []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.WriteFile(file, data, 0o600), os.Chown(file, guestUID, guestUID)); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(file); dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // a test's
			t.Fatal(err)
		}
	}
	guestIO(t, layers, fmt.Sprintf("write -s %s 0 %d", file, len(data)), "flush")
}

// nodeOf describes a chain to QEMU's tools, and secretsOf the secrets that it takes.
func nodeOf(t *testing.T, layers []block.Layer) string {
	t.Helper()
	var below any
	for i, l := range slices.Backward(layers) {
		file := map[string]any{"driver": "nbd", "server": map[string]any{"type": "unix", "path": l.Path}, "export": l.Export}
		layer := map[string]any{"driver": l.Format, "backing": below, "file": file}
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

// asGuest runs a program as the user, in an empty network, and returns what it says.
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
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}, Cloneflags: syscall.CLONE_NEWNET, //nolint:gosec // a test's
	}
	return cmd.CombinedOutput()
}
