//go:build linux

package qemu_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

// newLayer makes an encrypted file of 64 MiB that is the guest's.
func newLayer(t *testing.T, spec hypervisor.Spec, name, backing string) hypervisor.Layer {
	t.Helper()
	l := hypervisor.Layer{Path: filepath.Join(dir(t), name), Format: "qcow2", Secret: []byte("secret of " + name)}
	f, err := os.Create(l.Path)
	if err == nil {
		err = errors.Join(qcow2.Create(f, qcow2.Image{Bytes: 64 << 20, Backing: backing, Secret: l.Secret}), f.Chown(spec.UID, spec.UID), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// on is the disk once it goes on in a new layer.
func on(disk hypervisor.Disk, l hypervisor.Layer) hypervisor.Disk {
	was := hypervisor.Layer{Path: disk.Path, Export: disk.Export, Format: disk.Format, Secret: disk.Secret}
	disk.Below = append([]hypervisor.Layer{was}, disk.Below...)
	disk.Path, disk.Export, disk.Format, disk.Secret = l.Path, l.Export, l.Format, l.Secret
	return disk
}

// TestLayers: a guest's disks go on in new layers while it runs, at one instant, and it
// reads what was and what it wrote since, also after a restart on the whole chain.
func TestLayers(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	d := open(t, cfg)
	spec, taps := newSpec(t, "i-01a7e5")
	first := newLayer(t, spec, "first", "")
	spec.Disks[0] = hypervisor.Disk{ID: "vol-01", Path: first.Path, Format: "qcow2", Secret: first.Secret}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.Start(t.Context(), spec, taps))
	guest := inside{t, d, spec.ID}
	guest.Up(1)
	extra := newLayer(t, spec, "extra", "")
	second := hypervisor.Disk{ID: "vol-02", Path: extra.Path, Format: "qcow2", Secret: extra.Secret}
	must(d.Plug(t.Context(), spec.ID, second))
	guest.ask("put vol02 plugged")
	guest.ask("put vol01 before")
	disks := []hypervisor.Disk{spec.Disks[0], second}
	for n := range 3 {
		for i := range disks {
			disks[i] = on(disks[i], newLayer(t, spec, fmt.Sprintf("layer-%d-%d", i, n), disks[i].Path))
		}
		told := d.Listen(spec.ID)
		for range 2 { // the second time changes nothing
			must(d.Switch(t.Context(), spec.ID, disks))
		}
		if events := told(); slices.Contains(events, "STOP") {
			t.Errorf("round %d: the guest was stopped: %v", n, events)
		}
		size, err := os.Stat(disks[0].Below[0].Path)
		must(err)
		guest.ask(fmt.Sprintf("put vol01 state-%d", n))
		guest.ask(fmt.Sprintf("put vol02 other-%d", n))
		after, err := os.Stat(disks[0].Below[0].Path)
		must(err)
		if size.ModTime() != after.ModTime() {
			t.Errorf("round %d: the old layer was written to", n)
		}
	}
	stale := disks[0]
	stale.Path = first.Path
	if err := d.Switch(t.Context(), spec.ID, []hypervisor.Disk{stale}); err == nil {
		t.Error("a disk went back to an old layer")
	}
	if err := d.Switch(t.Context(), "i-0bad", disks); !errors.Is(err, hypervisor.ErrNoGuest) {
		t.Errorf("switch disks of no guest: %v", err)
	}
	must(d.Grow(t.Context(), spec.ID, "vol-01", 96<<20))
	if got := guest.ask("cat /sys/block/vda/size"); got != fmt.Sprint(96<<20/512) {
		t.Errorf("after growing, the guest sees %s sectors", got)
	}
	// All again, from the chain.
	must(d.Unplug(t.Context(), spec.ID, "vol-02"))
	must(d.Power(t.Context(), spec.ID, hypervisor.Kill))
	spec.Disks = disks
	must(d.Start(t.Context(), spec, []*os.File{newTap(t)}))
	guest.Up(2)
	for serial, want := range map[string]string{"vol01": "state-2", "vol02": "other-2"} {
		if got := guest.ask("get " + serial); got != want {
			t.Errorf("%s reads %q, want %q", serial, got, want)
		}
	}
}

// TestManyLayers: a disk goes on after so many snapshots that QEMU has megabytes to tell of
// their layers; it is taken and given back with all of them, and a guest starts on them.
func TestManyLayers(t *testing.T) {
	t.Parallel()
	d := open(t, qemu.Config{Dir: filepath.Join(dir(t), "guests")})
	spec, taps := newSpec(t, "i-01a7e6")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.Start(t.Context(), spec, taps))
	guest := inside{t, d, spec.ID}
	guest.Up(1)
	first := newLayer(t, spec, "first", "")
	disk := hypervisor.Disk{ID: "vol-02", Path: first.Path, Format: "qcow2", Secret: first.Secret}
	must(d.Plug(t.Context(), spec.ID, disk))
	for n := range 80 {
		disk = on(disk, newLayer(t, spec, fmt.Sprintf("layer-%d", n), disk.Path))
		must(d.Switch(t.Context(), spec.ID, []hypervisor.Disk{disk}))
	}
	wants := func(want string) {
		t.Helper()
		for got := ""; got != want; {
			if got = guest.ask("get vol02"); got != want && !strings.Contains(got, "no disk") {
				t.Fatalf("the disk reads %q, want %q", got, want)
			}
		}
	}
	guest.ask("put vol02 last")
	must(d.Unplug(t.Context(), spec.ID, disk.ID))
	must(d.Plug(t.Context(), spec.ID, disk))
	wants("last")
	must(d.Power(t.Context(), spec.ID, hypervisor.Kill))
	spec.Disks = append(spec.Disks, disk)
	must(d.Start(t.Context(), spec, []*os.File{newTap(t)}))
	guest.Up(2)
	wants("last")
}
