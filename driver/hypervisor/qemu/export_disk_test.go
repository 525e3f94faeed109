//go:build linux

package qemu_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// exporter serves files to a guest's user, as the engine of volumes in a pool does.
type exporter struct {
	t      *testing.T
	socket string
	uid    int
	files  []hypervisor.Layer // Path is the file's
	cmd    *exec.Cmd
}

// add makes an encrypted layer in a file as large as it may ever have to be: exports do not grow.
func (e *exporter) add(spec hypervisor.Spec, name string) hypervisor.Layer {
	e.t.Helper()
	l := newLayer(e.t, spec, name, "")
	if err := os.Truncate(l.Path, 1<<30); err != nil {
		e.t.Fatal(err)
	}
	l.Export = name
	e.files = append(e.files, l)
	l.Path = e.socket
	return l
}

// start starts a server of all the files.
func (e *exporter) start() {
	e.t.Helper()
	if err := os.Remove(e.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		e.t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: e.socket, Net: "unix"})
	if err != nil {
		e.t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	if err := errors.Join(err, l.Close(), os.Chown(e.socket, e.uid, e.uid)); err != nil {
		e.t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // the server has it
	args := []string{"--nbd-server", "addr.type=fd,addr.str=3,max-connections=0"}
	for _, f := range e.files {
		args = append(args, "--blockdev", "driver=file,node-name="+f.Export+",discard=unmap,filename="+f.Path,
			"--export", "type=nbd,id=of-"+f.Export+",node-name="+f.Export+",writable=on,name="+f.Export)
	}
	e.cmd = exec.Command("qemu-storage-daemon", args...) //nolint:gosec,noctx // ended by the test
	e.cmd.ExtraFiles = []*os.File{file}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
}

func (e *exporter) kill() {
	e.cmd.Process.Kill() //nolint:errcheck // a child
	e.cmd.Wait()         //nolint:errcheck // it was killed
}

// TestExports: a guest's disks are exports of a server: it goes on in new layers, and waits
// for a server that ended.
func TestExports(t *testing.T) {
	t.Parallel()
	d := open(t, qemu.Config{Dir: filepath.Join(dir(t), "guests")})
	spec, taps := newSpec(t, "i-0e4907")
	e := &exporter{t: t, socket: filepath.Join(dir(t), "nbd.sock"), uid: spec.UID}
	first, second, extra := e.add(spec, "first"), e.add(spec, "second"), e.add(spec, "extra")
	spec.Disks[0] = hypervisor.Disk{ID: "vol-01", Path: first.Path, Export: first.Export, Format: "qcow2", Secret: first.Secret}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e.start()
	defer func() { e.kill() }()
	must(d.Start(t.Context(), spec, taps))
	guest := inside{t, d, spec.ID}
	guest.Up(1)
	plugged := hypervisor.Disk{ID: "vol-02", Path: extra.Path, Export: extra.Export, Format: "qcow2", Secret: extra.Secret}
	plug := func() {
		t.Helper()
		must(d.Plug(t.Context(), spec.ID, plugged))
		for deadline := time.Now().Add(patience); !slices.Contains(guest.Serials(), "vol02"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the guest does not see vol02")
			}
		}
	}
	plug()
	guest.ask("put vol01 before")
	guest.ask("put vol02 plugged")
	disk := on(spec.Disks[0], second)
	for range 2 { // the second time changes nothing
		must(d.Switch(t.Context(), spec.ID, []hypervisor.Disk{disk}))
	}
	guest.ask("put vol01 after")
	must(d.Grow(t.Context(), spec.ID, "vol-01", 96<<20))
	if got := guest.ask("cat /sys/block/vda/size"); got != fmt.Sprint(96<<20/512) {
		t.Errorf("after growing, the guest sees %s sectors", got)
	}

	e.kill()
	e.start()
	for serial, want := range map[string]string{"vol01": "after", "vol02": "plugged"} {
		if got := guest.ask("get " + serial); got != want {
			t.Errorf("%s reads %q, want %q", serial, got, want)
		}
	}
	guest.ask("put vol02 written")
	must(d.Unplug(t.Context(), spec.ID, "vol-02"))
	plug()
	if got := guest.ask("get vol02"); got != "written" {
		t.Errorf("plugged in again, the disk reads %q", got)
	}

	must(d.Power(t.Context(), spec.ID, hypervisor.Kill))
	spec.Disks = []hypervisor.Disk{disk}
	must(d.Start(t.Context(), spec, []*os.File{newTap(t)}))
	guest.Up(2)
	if got := guest.ask("get vol01"); got != "after" {
		t.Errorf("after a restart the disk reads %q", got)
	}
	for _, name := range []string{"", "a?socket=/x", "../x", "A"} {
		bad := plugged
		if bad.Export = name + "/"; bad.Validate() == nil {
			t.Errorf("an export named %q is taken", bad.Export)
		}
	}
}
