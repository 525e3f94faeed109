//go:build linux

package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// cgroups are the control groups of a driver's guests, one below the driver's
// own in every hierarchy that limits something. They contain a process that has
// been taken over; a host without them is served all the same.
type cgroups struct {
	parent      string
	hierarchies []hierarchy
	err         error // why there are none
}

// hierarchy is a mounted hierarchy of control groups, of version 1 or 2.
type hierarchy struct {
	root        string
	version     int
	controllers []string // those of wanted
}

// wanted are the controllers that the driver uses.
func wanted() []string { return []string{"cpu", "memory", "pids"} }

// findCgroups reads from the mount table where control groups can be made.
func findCgroups(parent string) cgroups {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return cgroups{err: err}
	}
	c := cgroups{parent: parent, hierarchies: parseMounts(string(table), os.ReadFile)}
	for _, h := range c.hierarchies {
		c.err = errors.Join(c.err, h.prepare(parent))
	}
	for _, controller := range wanted() {
		if !slices.ContainsFunc(c.hierarchies, func(h hierarchy) bool { return slices.Contains(h.controllers, controller) }) {
			c.err = errors.Join(c.err, fmt.Errorf("no %s controller", controller))
		}
	}
	c.forget()
	return c
}

// parseMounts finds the hierarchies in a mount table (proc_pid_mountinfo(5)).
func parseMounts(table string, read func(string) ([]byte, error)) []hierarchy {
	var found []hierarchy
	for line := range strings.Lines(table) {
		before, after, _ := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if len(mount) < 5 || len(kind) < 3 {
			continue
		}
		h := hierarchy{root: mount[4], version: 1}
		options := strings.Split(kind[2], ",")
		switch kind[0] {
		case "cgroup":
		case "cgroup2":
			h.version = 2
			b, err := read(filepath.Join(h.root, "cgroup.controllers"))
			if err != nil {
				continue
			}
			options = strings.Fields(string(b))
		default:
			continue
		}
		for _, controller := range wanted() {
			if slices.Contains(options, controller) {
				h.controllers = append(h.controllers, controller)
			}
		}
		if len(h.controllers) > 0 {
			found = append(found, h)
		}
	}
	return found
}

// prepare makes the driver's group.
func (h hierarchy) prepare(parent string) error {
	dir := filepath.Join(h.root, parent)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) { //nolint:gosec // cgroups are not secret
		return err
	}
	if h.version == 1 {
		return nil
	}
	var err error
	for _, d := range []string{h.root, dir} {
		for _, controller := range h.controllers {
			err = errors.Join(err, set(d, "cgroup.subtree_control", "+"+controller))
		}
	}
	return err
}

// forget removes the driver's group if it is empty.
func (c cgroups) forget() {
	for _, h := range c.hierarchies {
		os.Remove(filepath.Join(h.root, c.parent)) //nolint:errcheck // it has guests in it
	}
}

// group is the name of a guest's group below the driver's.
func group(spec hypervisor.Spec) string {
	if spec.Cgroup != "" {
		return spec.Cgroup
	}
	return spec.ID
}

// place puts the guest's process into its group, and limits that.
func (c cgroups) place(spec hypervisor.Spec, pid int) error {
	if len(c.hierarchies) == 0 {
		return c.err
	}
	var failed error
	for _, h := range c.hierarchies {
		dir := filepath.Join(h.root, c.parent, group(spec))
		err := os.Mkdir(dir, 0o755) //nolint:gosec // cgroups are not secret
		for tries := 0; errors.Is(err, os.ErrNotExist) && tries < 10; tries++ {
			// The driver's group goes with its last guest, perhaps just now.
			if err = h.prepare(c.parent); err == nil {
				err = os.Mkdir(dir, 0o755) //nolint:gosec // cgroups are not secret
			}
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			failed = errors.Join(failed, err)
			continue
		}
		for _, s := range h.settings(spec) {
			failed = errors.Join(failed, set(dir, s[0], s[1]))
		}
		failed = errors.Join(failed, set(dir, "cgroup.procs", strconv.Itoa(pid)))
	}
	return failed
}

// settings are the guest's limits: what it was promised, and room for QEMU's
// own work. Half a processor serves its disks and network.
func (h hierarchy) settings(spec hypervisor.Spec) (settings [][2]string) {
	const period = 100_000 // microseconds
	quota := strconv.Itoa(spec.VCPUs*period + period/2)
	memory := strconv.Itoa((spec.MemoryMiB + 2*overheadMiB(spec.MemoryMiB)) << 20)
	pids := strconv.Itoa(spec.VCPUs + 256)
	for _, controller := range h.controllers {
		switch {
		case controller == "cpu" && h.version == 1:
			settings = append(settings, [2]string{"cpu.shares", strconv.Itoa(min(1024*spec.VCPUs, 262144))},
				[2]string{"cpu.cfs_period_us", strconv.Itoa(period)}, [2]string{"cpu.cfs_quota_us", quota})
		case controller == "cpu":
			settings = append(settings, [2]string{"cpu.weight", strconv.Itoa(min(100*spec.VCPUs, 10000))},
				[2]string{"cpu.max", quota + " " + strconv.Itoa(period)})
		case controller == "memory" && h.version == 1:
			settings = append(settings, [2]string{"memory.limit_in_bytes", memory})
		case controller == "memory":
			settings = append(settings, [2]string{"memory.max", memory})
		case controller == "pids":
			settings = append(settings, [2]string{"pids.max", pids})
		}
	}
	return settings
}

// remove removes the guest's group, whose process has ended, and the driver's
// if it was the last.
func (c cgroups) remove(spec hypervisor.Spec) {
	for _, h := range c.hierarchies {
		dir := filepath.Join(h.root, c.parent, group(spec))
		for range 50 { // the kernel empties it a moment after the process's end
			if err := os.Remove(dir); !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	c.forget()
}

func set(dir, file, value string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644) //nolint:gosec // not created here
}
