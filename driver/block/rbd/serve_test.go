//go:build linux

package rbd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/rbd"
)

// eventually tries until it is so.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// servers are the processes that serve the driver's volumes.
func servers(t *testing.T, cfg rbd.Config) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("="+cfg.Dir+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func create(t *testing.T, d *rbd.Driver, v block.Volume) []block.Layer {
	t.Helper()
	if err := d.Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	return openFor(t, d, v.ID, guestUID)
}

func openFor(t *testing.T, d *rbd.Driver, id string, uid int) []block.Layer {
	t.Helper()
	layers, err := d.Open(t.Context(), id, uid, nil)
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

// TestVolumesAreTheirUsersAlone: the user that a volume is open for reaches it, and no other;
// its server has no power but over that.
func TestVolumesAreTheirUsersAlone(t *testing.T) {
	cfg := newConfig(t)
	d := open(t, cfg)
	defer endAnyhow(t, d)
	layers := create(t, d, block.Volume{ID: "vol-1", Bytes: 4 << 20})
	reach := func(uid int, want bool) {
		t.Helper()
		out, err := tryAsGuest(t, uid, "qemu-io", "-r", "-c", "read 0 512", nodeOf(t, layers))
		if (err == nil) != want {
			t.Errorf("user %d: %v: %s", uid, err, out)
		}
	}
	other := guestUID + 1
	reach(guestUID, true)
	reach(other, false)
	reach(cfg.UID, false)
	for _, dir := range []string{"", "open", "open/vol-1", "intake"} {
		if out, err := tryAsGuest(t, guestUID, "ls", filepath.Join(cfg.Dir, dir)); err == nil {
			t.Errorf("the guest's user lists %q: %s", dir, out)
		}
	}
	if out, err := tryAsGuest(t, guestUID, "sh", "-c", "echo > "+filepath.Join(cfg.Dir, "open/vol-1/x")); err == nil {
		t.Errorf("the guest's user writes beside the socket: %s", out)
	}

	pids := servers(t, cfg)
	if len(pids) != 1 {
		t.Fatalf("processes %v serve one volume", pids)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pids[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("Uid:\t%d\t%[1]d", cfg.UID), "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the server's status lacks %q:\n%s", want, status)
		}
	}
	keyring, err := os.ReadFile(cfg.Keyring)
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(keyring), "key = ")
	key = strings.Fields(key)[0]
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pids[0], file))
		if err != nil || strings.Contains(string(text), key) {
			t.Errorf("%s of the server shows the cluster's key (%v)", file, err)
		}
	}

	layers = openFor(t, d, "vol-1", other)
	reach(other, true)
	reach(guestUID, false)
	layers = openFor(t, d, "vol-1", 0)
	reach(other, false)
	if pids := servers(t, cfg); len(pids) > 0 {
		t.Errorf("processes %v serve a volume that was taken back", pids)
	}
}

// TestServersComeBack: a server outlives the driver; one that ends is started again, also by
// the next driver, and what was acknowledged is there.
func TestServersComeBack(t *testing.T) {
	cfg := newConfig(t)
	d := open(t, cfg)
	defer func() { endAnyhow(t, d) }()
	layers := create(t, d, block.Volume{ID: "vol-1", Bytes: 4 << 20})
	holds := func(text string) {
		t.Helper()
		eventually(t, "the volume holds "+text, func() error {
			out, err := tryAsGuest(t, guestUID, "qemu-io", "-r", "-c", "read -v 0 32", nodeOf(t, layers))
			if err == nil && !strings.Contains(string(out), text) {
				err = fmt.Errorf("%s", out)
			}
			return err
		})
	}
	kill := func() int {
		t.Helper()
		pids := servers(t, cfg)
		if len(pids) != 1 {
			t.Fatalf("processes %v serve one volume", pids)
		}
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return pids[0]
	}
	writeVolume(t, layers, []byte(strings.Repeat("first ", 86)[:512]))
	first := kill()
	holds("first")
	writeVolume(t, layers, []byte(strings.Repeat("second ", 86)[:512]))

	served := servers(t, cfg)
	if slices.Contains(served, first) {
		t.Errorf("process %d was killed and serves on", first)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	holds("second")
	d = open(t, cfg)
	if got := openFor(t, d, "vol-1", guestUID); !slices.EqualFunc(got, layers, func(a, b block.Layer) bool { return a.Export == b.Export }) {
		t.Errorf("layers %+v, want %+v", got, layers)
	}
	if now := servers(t, cfg); !slices.Equal(now, served) {
		t.Errorf("processes %v serve after a restart, want %v", now, served)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	kill()
	d = open(t, cfg)
	holds("second")
}

// TestKeptIsFrozen: once a snapshot is kept, nobody who had its layer open before changes it.
func TestKeptIsFrozen(t *testing.T) {
	d := open(t, newConfig(t))
	defer endAnyhow(t, d)
	before := create(t, d, block.Volume{ID: "vol-1", Bytes: 4 << 20})
	writeVolume(t, before, []byte(strings.Repeat("kept", 128)))
	if err := d.Cut(t.Context(), "vol-1", "snap-1", nil); err != nil {
		t.Fatal(err)
	}
	openFor(t, d, "vol-1", guestUID)
	bytes, err := d.Keep(t.Context(), "vol-1", "snap-1", nil, nil)
	if err != nil || bytes <= 0 {
		t.Errorf("keep: %d bytes, %v", bytes, err)
	}
	writeVolume(t, before, []byte(strings.Repeat("evil", 128))) // its server has it open as it was
	layers := create(t, d, block.Volume{ID: "vol-2", Bytes: 4 << 20, Snapshot: "snap-1"})
	if got := readStart(t, layers); string(got[:8]) != "keptkept" {
		t.Errorf("a volume of the snapshot starts with %q", got[:8])
	}
	openFor(t, d, "vol-1", 0)
	if got := readStart(t, openFor(t, d, "vol-1", guestUID)); string(got[:8]) != "keptkept" {
		t.Errorf("the volume starts with %q", got[:8])
	}
}

// TestClusterThatStops: while the cluster does not answer, reads wait, and then go on.
func TestClusterThatStops(t *testing.T) {
	cfg := newConfig(t)
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, cfg)
	defer endAnyhow(t, d)
	layers := create(t, d, block.Volume{ID: "vol-1", Bytes: 4 << 20})
	writeVolume(t, layers, []byte(strings.Repeat("kept", 128)))
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := tryAsGuest(t, guestUID, "qemu-io", "-r", "-c", "read 0 512", nodeOf(t, layers))
		read <- err
	}()
	select {
	case err := <-read:
		t.Errorf("a read from a cluster that stands still ended: %v", err)
	case <-time.After(2 * time.Second):
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Errorf("a read that waited: %v", err)
	}
}

// TestCopyOfACloud: a second driver of the same name is refused while the first goes on, until
// the operator says that it has gone.
func TestCopyOfACloud(t *testing.T) {
	cfg := newConfig(t)
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	first := open(t, cfg)
	writeVolume(t, create(t, first, block.Volume{ID: "vol-1", Bytes: 4 << 20}), []byte(strings.Repeat("kept", 128)))
	other := newConfig(t)
	other.Name = cfg.Name
	_, err = rbd.New(t.Context(), other)
	if !errors.Is(err, rbd.ErrOwned) || !strings.Contains(err.Error(), cfg.Dir) {
		t.Fatalf("open a copy: %v, want ErrOwned", err)
	}
	create(t, first, block.Volume{ID: "vol-2", Bytes: 4 << 20})
	endAnyhow(t, first)
	_, err = rbd.New(t.Context(), other)
	if !errors.Is(err, rbd.ErrOwned) {
		t.Fatalf("open a copy, the first closed: %v, want ErrOwned", err)
	}
	_, command, _ := strings.Cut(err.Error(), "give them up by: ")
	if _, err := c.Run(strings.Fields(command)...); err != nil {
		t.Fatal(err)
	}
	d := open(t, other)
	defer endAnyhow(t, d)
	checkVolume(t, openFor(t, d, "vol-1", guestUID), 4<<20, []byte(strings.Repeat("kept", 128)))
	if _, err := rbd.New(t.Context(), cfg); !errors.Is(err, rbd.ErrOwned) {
		t.Errorf("the first opens what was taken: %v, want ErrOwned", err)
	}
}
