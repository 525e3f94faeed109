//go:build linux

package qemu_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// script writes a program to run in QEMU's place; it tells its version like QEMU.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(dir(t), "qemu")
	text := "#!/bin/sh\n[ \"$1\" = -version ] && echo 'QEMU emulator version 7.2.99' && exit\n" + body + "\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

// wantNothing checks that a failed start has left nothing.
func wantNothing(t *testing.T, d *qemu.Driver, cfg qemu.Config) {
	t.Helper()
	if list, err := d.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("guests left: %+v, %v", list, err)
	}
	if files, err := os.ReadDir(cfg.Dir); err != nil || len(files) != 1 { // the lock
		t.Errorf("files left: %v, %v", files, err)
	}
	if found, err := qemu.Processes(cfg.Dir, "i-01"); err != nil || len(found) != 0 {
		t.Errorf("processes left: %v, %v", found, err)
	}
	if groups, err := filepath.Glob("/sys/fs/cgroup/*/" + cfg.Cgroup); err != nil || len(groups) != 0 {
		t.Errorf("control groups left: %v, %v", groups, err)
	}
}

func TestFailingEngines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		noRoom bool
		says   string
	}{
		"refuses":       {"echo 'qemu: no such machine' >&2; exit 1", false, "no such machine"},
		"has no memory": {"echo \"qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory\" >&2; exit 1", true, "pc.ram"},
		"hangs":         {"exec sleep 600", false, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests"), Binary: script(t, c.body), Cgroup: fmt.Sprintf("vauban-test-%d", theLab.users.Add(1))}
			d := open(t, cfg)
			if version, accel, err := d.Probe(t.Context()); err != nil || !strings.HasPrefix(version, "7.2.99") || accel == "" {
				t.Errorf("probe: %q, %q, %v", version, accel, err)
			}
			spec, taps := newSpec(t, "i-01")
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if c.says != "deadline" {
				ctx, cancel = context.WithTimeout(t.Context(), patience)
			}
			defer cancel()
			err := d.Start(ctx, spec, taps)
			if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, hypervisor.ErrNoRoom) != c.noRoom {
				t.Errorf("start: %v, want %q", err, c.says)
			}
			wantNothing(t, d, cfg)
		})
	}
}

func TestHostWithoutRoom(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	d := open(t, cfg)
	spec, taps := newSpec(t, "i-01")
	spec.MemoryMiB = 1 << 24 // 16 TiB
	if err := d.Start(t.Context(), spec, taps); !errors.Is(err, hypervisor.ErrNoRoom) {
		t.Errorf("start: %v, want ErrNoRoom", err)
	}
	wantNothing(t, d, cfg)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	d := open(t, qemu.Config{Dir: filepath.Join(dir(t), "guests"), Binary: "/not/there/qemu"})
	if _, _, err := d.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "/not/there/qemu") {
		t.Errorf("probe without QEMU: %v", err)
	}
	cfg := qemu.Config{Binary: "qemu-system-x86_64", Machine: "pc-q35-7.2"}
	if err := qemu.RunsCode(cfg, "tcg"); err != nil {
		t.Errorf("the probe finds no code running where it must: %v", err)
	}
	cfg.Binary = script(t, "exit 0")
	if err := qemu.RunsCode(cfg, "kvm"); err == nil {
		t.Error("the probe takes an engine that runs nothing")
	}
}

func TestFolderIsTakenOnce(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	first := open(t, cfg)
	if second, err := qemu.New(cfg); !errors.Is(err, qemu.ErrInUse) {
		t.Errorf("opened twice: %v, %v", second, err)
	}
	closeDriver(t, first)
	open(t, cfg)
}

// TestSameGuestTwice runs guests of the same ID in two folders.
func TestSameGuestTwice(t *testing.T) {
	t.Parallel()
	configs := []qemu.Config{{Dir: filepath.Join(dir(t), "guests")}, {Dir: filepath.Join(dir(t), "guests")}}
	var drivers []*qemu.Driver
	for _, cfg := range configs {
		d := open(t, cfg)
		drivers = append(drivers, d)
		spec, taps := newSpec(t, "i-01")
		if err := d.Start(t.Context(), spec, taps); err != nil {
			t.Fatal(err)
		}
	}
	if err := drivers[0].Remove(t.Context(), "i-01"); err != nil {
		t.Fatal(err)
	}
	closeDriver(t, drivers[1])
	list, err := open(t, configs[1]).List(t.Context())
	if err != nil || len(list) != 1 || list[0].State != hypervisor.Running {
		t.Errorf("the other guest: %+v, %v", list, err)
	}
}

// TestStrangersAreLeftAlone leaves a record of a guest whose name a process of
// another user bears.
func TestStrangersAreLeftAlone(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	d := open(t, cfg)
	spec, taps := newSpec(t, "i-01")
	if err := d.Start(t.Context(), spec, taps); err != nil {
		t.Fatal(err)
	}
	if err := d.Power(t.Context(), spec.ID, hypervisor.Kill); err != nil {
		t.Fatal(err)
	}
	closeDriver(t, d)

	stranger := exec.CommandContext(t.Context(), "sh", "-c", "sleep 600; true", "-name", filepath.Join(cfg.Dir, spec.ID))
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()                                      //nolint:errcheck // it is killed
	defer syscall.Kill(-stranger.Process.Pid, syscall.SIGKILL) //nolint:errcheck // its own group
	d = open(t, cfg)
	if list, err := d.List(t.Context()); err != nil || len(list) != 1 || list[0].State != hypervisor.Absent {
		t.Errorf("guests %+v, %v", list, err)
	}
	if err := d.Remove(t.Context(), spec.ID); err != nil {
		t.Error(err)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger: %v", err)
	}
}

// TestDeadMonitor removes the socket by which alone a guest can be managed.
func TestDeadMonitor(t *testing.T) {
	t.Parallel()
	cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
	d := open(t, cfg)
	spec, taps := newSpec(t, "i-01")
	if err := d.Start(t.Context(), spec, taps); err != nil {
		t.Fatal(err)
	}
	closeDriver(t, d)
	if err := os.Remove(filepath.Join(cfg.Dir, spec.ID, "monitor.sock")); err != nil {
		t.Fatal(err)
	}
	d = open(t, cfg)
	for range d.Changed() {
		if list, err := d.List(t.Context()); err != nil {
			t.Fatal(err)
		} else if list[0].State == hypervisor.Absent {
			break
		}
	}
	if found, err := qemu.Processes(cfg.Dir, spec.ID); err != nil || len(found) != 0 {
		t.Errorf("processes left: %v, %v", found, err)
	}
}

// TestBootFromDisk boots what a disk's first sector says, without a kernel from the host.
func TestBootFromDisk(t *testing.T) {
	t.Parallel()
	d := open(t, qemu.Config{Dir: filepath.Join(dir(t), "guests")})
	spec, taps := newSpec(t, "i-01")
	spec.Kernel, spec.Initrd, spec.Append = "", "", ""
	second := spec.Disks[0]
	path := filepath.Join(dir(t), "boot")
	if err := os.WriteFile(path, bootDisk("booted by itself\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, spec.UID, spec.UID); err != nil {
		t.Fatal(err)
	}
	spec.Disks = []hypervisor.Disk{{ID: "vol-01", Path: path, Format: "raw"}, second}
	if err := d.Start(t.Context(), spec, taps); err != nil {
		t.Fatal(err)
	}
	inside{t, d, spec.ID}.console("message", func(text string) bool { return strings.Contains(text, "booted by itself") })
}

// bootDisk is a disk whose boot sector writes the text to the first serial port.
func bootDisk(text string) []byte {
	code := []byte{
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0xfc,             // cld
		0xbe, 0x15, 0x7c, // mov si, 0x7c15 (the text)
		0xba, 0xf8, 0x03, // mov dx, 0x3f8 (COM1)
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x03, // jz end
		0xee,       // out dx, al
		0xeb, 0xf8, // jmp next
		0xf4, // end: hlt
		0xf4, // hlt
	}
	disk := make([]byte, 1<<20)
	copy(disk, append(code, text...))
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}
