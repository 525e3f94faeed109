// Package guest builds the smallest Linux that tests of hypervisors need: the
// Debian cloud kernel, a handful of its modules, and one Go program as init.
//
// It boots in seconds without hardware support, and answers commands on its
// serial console (see init). The kernel package is downloaded once, with apt-get.
package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Files is a guest to boot directly, by host paths.
type Files struct {
	Kernel, Initrd string
	Append         string // kernel arguments
}

// arguments: the console on the serial port, and nothing that costs time without a
// real processor.
const arguments = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on 8250.nr_uarts=1 cryptomgr.notests"

// modules that the guest loads, with what they depend on.
var modules = []string{"virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio-rng", "button", "evdev"}

// Build makes the guest's files in dir; packages are kept in cache. The guest has the programs,
// which are static, in its root folder. Needs apt-get, dpkg-deb and the go command.
func Build(ctx context.Context, cache, dir string, programs ...string) (Files, error) {
	root, err := unpackKernel(ctx, cache)
	if err != nil {
		return Files{}, fmt.Errorf("fetch kernel: %w", err)
	}
	kernels, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return Files{}, fmt.Errorf("find kernel in %s: %d there (%v)", root, len(kernels), err)
	}
	program := filepath.Join(dir, "init")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", program, "github.com/vauban-cloud/vauban/driver/hypervisor/hypervisortest/guest/init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return Files{}, fmt.Errorf("build init: %w: %s", err, out)
	}
	version := strings.TrimPrefix(filepath.Base(kernels[0]), "vmlinuz-")
	ordered, err := loadOrder(filepath.Join(root, "lib", "modules", version), modules)
	if err != nil {
		return Files{}, fmt.Errorf("order modules: %w", err)
	}
	files := Files{Kernel: filepath.Join(dir, "kernel"), Initrd: filepath.Join(dir, "initrd"), Append: arguments}
	if err := copyFile(files.Kernel, kernels[0]); err != nil {
		return Files{}, err
	}
	if err := writeInitrd(files.Initrd, append(programs, program), ordered); err != nil {
		return Files{}, fmt.Errorf("write initrd: %w", err)
	}
	return files, nil
}

// unpackKernel returns a folder with the newest kernel package's content.
func unpackKernel(ctx context.Context, cache string) (string, error) {
	out, err := run(ctx, "", "apt-cache", "depends", "linux-image-cloud-amd64")
	if err != nil {
		return "", err
	}
	var name string
	for line := range strings.Lines(out) {
		if after, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok && name == "" {
			name = "linux-image-" + after
		}
	}
	if name == "" {
		return "", fmt.Errorf("apt knows no cloud kernel: run apt-get update")
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) //nolint:errcheck // left in the cache at worst
	if _, err := run(ctx, work, "apt-get", "download", "-q", name); err != nil {
		return "", err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("download %s: %d files (%v)", name, len(debs), err)
	}
	if _, err := run(ctx, work, "dpkg-deb", "-x", debs[0], "root"); err != nil {
		return "", err
	}
	err = os.Rename(filepath.Join(work, "root"), dir)
	if _, statErr := os.Stat(dir); statErr == nil {
		return dir, nil // made here, or by another test at the same time
	}
	return "", err
}

func run(ctx context.Context, dir string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
	}
	return string(out), nil
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644) //nolint:gosec // a guest of another user reads it
}
