package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// machine is where the measures were taken.
type machine struct {
	CPU        string `json:"cpu"`
	CPUs       int    `json:"cpus"`
	MemoryMiB  uint64 `json:"memory_mib"`
	Kernel     string `json:"kernel"`
	Hypervisor string `json:"hypervisor"` // QEMU's version and accelerator
	Go         string `json:"go"`
	LoadBefore string `json:"load_before"` // averages of 1, 5 and 15 minutes
	LoadAfter  string `json:"load_after"`
}

func (m machine) String() string {
	return fmt.Sprintf("CPU         %d x %s\nmemory      %d MiB\nkernel      %s\nhypervisor  %s\nGo          %s\nload        before %s, after %s\n",
		m.CPUs, m.CPU, m.MemoryMiB, m.Kernel, m.Hypervisor, m.Go, m.LoadBefore, m.LoadAfter)
}

// look describes the machine.
func look(ctx context.Context) machine {
	m := machine{CPU: processor(), CPUs: runtime.NumCPU(), Hypervisor: accelerator(ctx), Go: runtime.Version(), LoadBefore: load()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.MemoryMiB = uint64(info.Totalram) * uint64(info.Unit) >> 20 //nolint:unconvert // the type differs by architecture
	}
	return m
}

// processor reads the model of proc_cpuinfo(5).
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close() //nolint:errcheck // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// accelerator asks the real driver.
func accelerator(ctx context.Context) string {
	dir, err := os.MkdirTemp("", "vauban-bench-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir) //nolint:errcheck // empty but for a lock
	d, err := qemu.New(qemu.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "none: " + err.Error()
	}
	defer d.Close() //nolint:errcheck // it ran nothing
	version, accel, err := d.Probe(ctx)
	if err != nil {
		return "none: " + err.Error()
	}
	return "QEMU " + version + ", " + accel
}

// load reads the averages of proc_loadavg(5).
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}
