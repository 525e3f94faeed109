//go:build linux

package qemu_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// TestGuest looks at one guest from all sides.
func TestGuest(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	d := open(t, cfg)
	spec, taps := newSpec(t, "i-0123456789abcdef0")
	spec.MemoryMiB = 256
	spec.Disks[0].IOPS, spec.Disks[0].MiBps = 300, 7
	before := time.Now()
	if err := d.Start(t.Context(), spec, taps); err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(before).Round(time.Millisecond))
	list, err := d.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("guests %+v, %v", list, err)
	}
	pid := list[0].PID
	status := readStatus(t, pid)
	t.Run("confined", func(t *testing.T) { confined(t, cfg, spec, pid, status) })
	t.Run("limits", func(t *testing.T) {
		wantLimits(t, d, spec.ID, spec.Disks[0])
		slower := spec.Disks[0]
		slower.IOPS, slower.MiBps = 0, 3
		if err := d.Plug(t.Context(), spec.ID, slower); err != nil {
			t.Fatal(err)
		}
		wantLimits(t, d, spec.ID, slower)
	})
	t.Run("screen", func(t *testing.T) { screen(t, d, spec.ID) })
	t.Run("unplug while it boots", func(t *testing.T) {
		early := newDisk(t, spec, "vol-0e")
		if err := d.Plug(t.Context(), spec.ID, early); err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := d.Unplug(impatient, spec.ID, early.ID); err == nil || impatient.Err() == nil {
			t.Errorf("unplugged from a guest that cannot have answered: %v", err)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := d.Unplug(ctx, spec.ID, early.ID); err != nil {
			t.Fatal(err)
		}
		t.Logf("let go after %v", time.Since(began).Round(time.Millisecond))
	})
	guest := inside{t, d, spec.ID}
	guest.Up(1)
	t.Logf("a guest of %d MiB takes %s", spec.MemoryMiB, readStatus(t, pid)["VmRSS"])
	t.Run("hardware", func(t *testing.T) { hardware(t, guest, spec) })
	t.Run("disk", func(t *testing.T) {
		if got := guest.ask("put vol0123456789abcdef0 bytes-that-stay"); got != "done" {
			t.Fatalf("write: %s", got)
		}
		if err := d.Power(t.Context(), spec.ID, hypervisor.Kill); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context(), spec, []*os.File{newTap(t)}); err != nil {
			t.Fatal(err)
		}
		guest.Up(2)
		if got := guest.ask("get vol0123456789abcdef0"); got != "bytes-that-stay" {
			t.Errorf("read after a kill: %q", got)
		}
	})
	t.Run("half plugged", func(t *testing.T) {
		// What a driver leaves that dies between QEMU's commands.
		half := newDisk(t, spec, "vol-0f")
		for _, step := range []struct {
			command string
			args    map[string]any
		}{
			{"object-add", map[string]any{"qom-type": "throttle-group", "id": half.ID}},
			{"blockdev-add", map[string]any{"driver": "throttle", "node-name": half.ID, "throttle-group": half.ID, "file": map[string]any{
				"driver": "qcow2", "file": map[string]any{"driver": "file", "filename": half.Path},
			}}},
		} {
			if err := d.Do(t.Context(), spec.ID, step.command, step.args, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Plug(t.Context(), spec.ID, half); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); !slices.Equal(guest.Serials(), []string{"vol0123456789abcdef0", "vol0f"}); {
			if time.Now().After(deadline) {
				t.Fatalf("guest sees %q", guest.Serials())
			}
		}
	})
	t.Run("host disk full", func(t *testing.T) { starve(t, d, guest, spec) })
	t.Run("console is bounded", func(t *testing.T) {
		if got := guest.ask("flood 100"); got != "done" {
			t.Fatalf("flood: %s", got)
		}
		text, err := d.Console(t.Context(), spec.ID)
		if err != nil || len(text) != 64<<10 {
			t.Errorf("console of %d bytes, %v", len(text), err)
		}
		// QEMU goes on at the end, wherever that is by then.
		if err := os.Truncate(filepath.Join(cfg.Dir, spec.ID, "console.log"), 0); err != nil {
			t.Fatal(err)
		}
		if got := guest.ask("cat /proc/sys/kernel/ostype"); got != "Linux" {
			t.Errorf("after the cut: %q", got)
		}
		if text, err = d.Console(t.Context(), spec.ID); err != nil || len(text) > 100 {
			t.Errorf("console of %d bytes after the cut, %v", len(text), err)
		}
	})
}

// readStatus returns the fields of /proc/<pid>/status.
func readStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

func confined(t *testing.T, cfg qemu.Config, spec hypervisor.Spec, pid int, status map[string]string) {
	ids := strings.TrimSpace(strings.Repeat(strconv.Itoa(spec.UID)+" ", 4))
	for name, want := range map[string]string{
		"Uid": ids, "Gid": ids, "Groups": "", "NoNewPrivs": "1", "Seccomp": "2",
		"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
	} {
		if status[name] != want {
			t.Errorf("%s is %q, want %q", name, status[name], want)
		}
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	for _, namespace := range []string{"net", "ipc", "uts"} {
		own, err := os.Readlink("/proc/self/ns/" + namespace)
		if err != nil {
			t.Fatal(err)
		}
		if its, err := os.Readlink(proc + "ns/" + namespace); err != nil || its == own {
			t.Errorf("%s namespace is shared (%v)", namespace, err)
		}
	}
	routes, err := os.ReadFile(proc + "net/dev")
	if err != nil || strings.Count(string(routes), ":") != 1 { // lo
		t.Errorf("network devices within reach: %s, %v", routes, err)
	}
	if stat, err := os.ReadFile(proc + "stat"); err != nil || strings.Fields(string(stat))[5] != strconv.Itoa(pid) {
		t.Errorf("not a session of its own: %s, %v", stat, err)
	}
	for _, name := range []string{"", spec.ID, spec.ID + "/spec.json", spec.ID + "/console.log"} {
		info, err := os.Stat(filepath.Join(cfg.Dir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q is open to others: %v, %v", name, info.Mode(), err)
		}
	}
	groups, err := os.ReadFile(proc + "cgroup")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("control groups: %q", strings.Fields(string(groups)))
	d := open(t, qemu.Config{Dir: filepath.Join(dir(t), "other")})
	version, accel, err := d.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("QEMU %s with %s", version, accel)
	if !strings.Contains(version, "not limited") && !strings.Contains(string(groups), "/"+spec.ID) {
		t.Errorf("no control group: %s", groups)
	}
}

func wantLimits(t *testing.T, d *qemu.Driver, id string, disk hypervisor.Disk) {
	t.Helper()
	var got struct {
		IOPS       int   `json:"iops-total"`
		BurstIOPS  int   `json:"iops-total-max"`
		IOPSLength int64 `json:"iops-total-max-length"`
		Bytes      int64 `json:"bps-total"`
		BurstBytes int64 `json:"bps-total-max"`
		Size       int   `json:"iops-size"`
	}
	if err := d.Do(t.Context(), id, "qom-get", map[string]any{"path": "/objects/" + disk.ID, "property": "limits"}, &got); err != nil {
		t.Fatal(err)
	}
	l := disk.Limits
	if got.IOPS != l.IOPS || got.BurstIOPS != l.BurstIOPS || got.Bytes != int64(l.MiBps)<<20 || got.BurstBytes != int64(l.BurstMiBps)<<20 ||
		got.Size != l.IOSize || got.IOPSLength != max(1, int64(l.Burst/time.Second)) {
		t.Errorf("limits %+v, want those of %+v", got, l)
	}
	var nodes []struct {
		Name  string `json:"node-name"`
		Group string `json:"drv"`
	}
	if err := d.Do(t.Context(), id, "query-named-block-nodes", map[string]any{"flat": true}, &nodes); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		if node.Name == disk.ID && node.Group == "throttle" {
			return
		}
	}
	t.Errorf("no throttle before %s: %+v", disk.ID, nodes)
}

func screen(t *testing.T, d *qemu.Driver, id string) {
	conn, err := d.Screen(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // test
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	version := make([]byte, 12)
	if _, err := io.ReadFull(conn, version); err != nil || string(version) != "RFB 003.008\n" {
		t.Errorf("screen says %q, %v", version, err)
	}
}

func hardware(t *testing.T, guest inside, spec hypervisor.Spec) {
	const dmi = "cat /sys/class/dmi/id/"
	uuid, serial := guest.ask(dmi+"product_uuid"), guest.ask(dmi+"product_serial")
	if !strings.HasPrefix(uuid, "ec2") || len(uuid) != 36 || uuid != serial {
		t.Errorf("UUID %q and serial number %q, want equal ones that begin with ec2", uuid, serial)
	}
	for question, want := range map[string]string{
		dmi + "board_asset_tag":                       spec.ID,
		dmi + "sys_vendor":                            "Vauban",
		"cat /sys/class/net/eth0/address":             spec.NICs[0].MAC,
		"cat /sys/class/net/eth0/mtu":                 strconv.Itoa(spec.NICs[0].MTU),
		"cat /sys/devices/system/cpu/online":          "0",
		"cat /sys/class/misc/hw_random/rng_available": "virtio_rng.0",
		"cat /sys/class/virtio-ports/*/name":          "org.qemu.guest_agent.0",
		"cat /sys/block/vda/serial":                   "vol0123456789abcdef0",
	} {
		if got := guest.ask(question); got != want {
			t.Errorf("%s: %q, want %q", question, got, want)
		}
	}
	if discard := guest.ask("cat /sys/block/vda/queue/discard_max_hw_bytes"); discard == "0" || strings.HasPrefix(discard, "failed") {
		t.Errorf("discard on the disk: %s", discard)
	}
}

// starve lets the host run out of disk space under the guest's write: the guest
// must wait, and go on when there is space again.
func starve(t *testing.T, d *qemu.Driver, guest inside, spec hypervisor.Spec) {
	small := dir(t)
	if err := unix.Mount("vauban-test", small, "tmpfs", 0, "size=256k,mode=0711"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(small, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	disk := hypervisor.Disk{ID: "vol-0fu11", Path: filepath.Join(small, "disk"), Format: "raw"}
	ballast := filepath.Join(small, "ballast")
	if err := os.WriteFile(disk.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Truncate(disk.Path, 1<<20), os.Chown(disk.Path, spec.UID, spec.UID)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	if err := d.Plug(t.Context(), spec.ID, disk); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		var status struct{ Status string }
		for status.Status != "io-error" && t.Context().Err() == nil {
			if err := d.Do(t.Context(), spec.ID, "query-status", nil, &status); err != nil {
				t.Error(err)
				return
			}
		}
		if list, err := d.List(t.Context()); err != nil || list[0].State != hypervisor.Running || !slices.Equal(list[0].Full, []string{disk.ID}) {
			t.Errorf("guests %+v, %v, want it running, and waiting for %s", list, err, disk.ID)
		}
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}()
	for got := ""; got != "done"; {
		got = guest.ask("put vol0fu11 x")
		if got != "done" && !strings.Contains(got, "no disk") { // not seen yet
			t.Fatalf("write: %s", got)
		}
	}
	select {
	case <-stopped:
	case <-time.After(time.Second):
		t.Error("the guest did not wait for disk space")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		list, err := d.List(t.Context())
		if err == nil && len(list[0].Full) == 0 {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("guests %+v, %v, want none to wait", list, err)
		}
	}
	if err := d.Unplug(t.Context(), spec.ID, disk.ID); err != nil {
		t.Error(err)
	}
}
