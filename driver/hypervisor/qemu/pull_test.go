//go:build linux

package qemu_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// TestPull takes a disk from a guest that writes to it without end: what was written is
// there, no later write is, and the file is closed; the guest can have it again once it has
// let go of the dead device.
func TestPull(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	d := open(t, cfg)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	spec, taps := newSpec(t, "i-0b011")
	must(d.Start(t.Context(), spec, taps))
	guest := inside{t, d, spec.ID}
	guest.Up(1)
	first := newLayer(t, spec, "first", "")
	disk := hypervisor.Disk{ID: "vol-0b1", Path: first.Path, Format: "qcow2", Secret: first.Secret}
	must(d.Plug(t.Context(), spec.ID, disk))
	for got := ""; got != "done"; {
		if got = guest.ask("put vol0b1 kept"); got != "done" && !strings.Contains(got, "no disk") {
			t.Fatal(got)
		}
	}
	disk = on(disk, newLayer(t, spec, "second", first.Path)) // what it goes on in is closed, too
	must(d.Switch(t.Context(), spec.ID, []hypervisor.Disk{disk}))
	loaded := newDisk(t, spec, "vol-0b2")
	must(d.Plug(t.Context(), spec.ID, loaded))
	for got := ""; got != "done"; {
		if got = guest.ask("load vol0b2 64"); got != "done" && !strings.Contains(got, "no disk") {
			t.Fatal(got)
		}
	}
	for range 2 { // again is fine
		for _, id := range []string{disk.ID, loaded.ID, "vol-0b3"} {
			must(d.Pull(t.Context(), spec.ID, id))
		}
	}
	if got := guest.ask("put vol0b1 lost"); !strings.Contains(got, "input/output error") {
		t.Errorf("write to a disk that was pulled: %s", got)
	}
	if got := guest.ask("calm"); !strings.Contains(got, "input/output error") {
		t.Errorf("writes to a disk that was pulled: %s", got)
	}
	list, err := d.List(t.Context())
	must(err)
	if want := []string{spec.Disks[0].ID}; !slices.Equal(list[0].Disks, want) || list[0].State != hypervisor.Running {
		t.Errorf("guest %+v, want disks %v", list[0], want)
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", list[0].PID))
	must(err)
	for _, f := range files {
		if path, err := os.Readlink(f); err == nil && slices.Contains([]string{first.Path, disk.Path, loaded.Path}, path) {
			t.Errorf("%s is still open", path)
		}
	}
	if err := d.Plug(t.Context(), spec.ID, disk); err == nil {
		t.Error("a disk was plugged in beside its dead device")
	}
	must(d.Unplug(t.Context(), spec.ID, disk.ID))
	must(d.Plug(t.Context(), spec.ID, disk))
	for got := ""; got != "kept"; {
		if got = guest.ask("get vol0b1"); got != "kept" && !strings.Contains(got, "no disk") {
			t.Fatalf("the disk holds %q", got)
		}
	}
}
