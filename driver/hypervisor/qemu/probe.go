//go:build linux

package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/internal/confine"
)

// nobody is the user for runs of QEMU that have no guest.
const nobody = 65534

// probePatience bounds one such run.
const probePatience = 5 * time.Second

// engine is what this host's QEMU is.
type engine struct {
	version string // "7.2.22"
	accel   string // "kvm" or "tcg"
	groups  []int  // supplementary groups that a guest needs: the one that may use /dev/kvm
}

// Probe implements hypervisor.Console. What the host cannot do, such as to
// limit guests by control groups, is said with the version.
func (d *Driver) Probe(context.Context) (version, accel string, err error) {
	e, err := d.engine()
	if err != nil {
		return "", "", fmt.Errorf("probe hypervisor: %w", err)
	}
	version = e.version
	if d.cgroups.err != nil {
		version += " (guests are not limited: " + strings.ReplaceAll(d.cgroups.err.Error(), "\n", "; ") + ")"
	}
	return version, e.accel, nil
}

// findEngine asks QEMU for its version, and finds the accelerator.
func findEngine(cfg Config) (engine, error) {
	var e engine
	ctx, cancel := context.WithTimeout(context.Background(), probePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, cfg.Binary, "-version") //nolint:gosec // the operator's choice
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := confine.Run(cmd, confine.User{UID: nobody}); err != nil {
		return e, fmt.Errorf("ask %s for its version: %w: %s", cfg.Binary, err, bytes.TrimSpace(out.Bytes()))
	}
	_, after, _ := strings.Cut(out.String(), "version ")
	e.version, _, _ = strings.Cut(strings.TrimSpace(after), " ")
	e.version, _, _ = strings.Cut(e.version, "\n")
	if e.version == "" {
		return e, fmt.Errorf("%s does not tell its version: %.100q", cfg.Binary, out.String())
	}
	e.groups = deviceGroups("/dev/kvm")
	switch {
	case cfg.Accel != "":
		e.accel = cfg.Accel
	case hasVirtualisation() && runsCode(cfg, "kvm", e.groups) == nil:
		e.accel = "kvm"
	default:
		e.accel = "tcg"
	}
	if e.accel != "kvm" {
		e.groups = nil
	}
	return e, nil
}

// hasVirtualisation reports whether the processor has AMD's or Intel's
// extensions. A /dev/kvm without them runs a few instructions and no guest.
func hasVirtualisation() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(info)) {
		if name, flags, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			f := strings.Fields(flags)
			return slices.Contains(f, "svm") || slices.Contains(f, "vmx")
		}
	}
	return false
}

// deviceGroups returns the group that may use the device, if that takes one.
func deviceGroups(device string) []int {
	info, err := os.Stat(device)
	if err != nil || info.Mode().Perm()&0o006 == 0o006 || info.Mode().Perm()&0o060 != 0o060 {
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Gid != 0 {
		return []int{int(st.Gid)}
	}
	return nil
}

// firmware returns 64 KiB whose last 16 bytes, where a processor begins, write
// 0x10 to port 0x501, where QEMU's isa-debug-exit ends the process with status
// 0x10*2+1.
func firmware() []byte {
	image := bytes.Repeat([]byte{0xf4}, 64<<10) // hlt
	copy(image[len(image)-16:], []byte{
		0xba, 0x01, 0x05, // mov dx, 0x501
		0xb0, 0x10, // mov al, 0x10
		0xee, // out dx, al
	})
	return image
}

const firmwareStatus = 0x10<<1 | 1

// runsCode returns nil if a guest under the accelerator executes code.
func runsCode(cfg Config, accel string, groups []int) error {
	fd, err := unix.MemfdCreate("firmware", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "firmware")
	defer file.Close() //nolint:errcheck // in memory
	if _, err := file.Write(firmware()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, cfg.Binary, //nolint:gosec // the operator's choice
		"-machine", cfg.Machine, "-accel", accel, "-m", "16M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-bios", "/proc/self/fd/3", "-device", "isa-debug-exit,iobase=0x501,iosize=1")
	cmd.ExtraFiles = []*os.File{file}
	var out bytes.Buffer
	cmd.Stderr = &out
	err = confine.Run(cmd, confine.User{UID: nobody, Groups: groups})
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == firmwareStatus {
		return nil
	}
	return fmt.Errorf("guest code does not run under %s: %w: %s", accel, err, bytes.TrimSpace(out.Bytes()))
}
