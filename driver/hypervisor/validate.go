package hypervisor

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"time"
)

// name is the form of every ID here: outside names (folders, devices, control
// groups) are made of them, and QEMU takes 31 characters at most.
var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// export is the form of names of exports: QEMU makes addresses of them.
var export = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// ValidName reports whether id can name a guest, disk or card: a small letter,
// then small letters, digits and dashes, 31 characters at most.
func ValidName(id string) bool { return name.MatchString(id) }

// Validate returns why no driver can start the guest, or nil.
func (s Spec) Validate() error {
	switch {
	case !ValidName(s.ID):
		return fmt.Errorf("guest ID %q is not a name", s.ID)
	case s.Cgroup != "" && !ValidName(s.Cgroup):
		return fmt.Errorf("control group %q is not a name", s.Cgroup)
	case s.VCPUs < 1 || s.VCPUs > 255:
		return fmt.Errorf("%d vCPUs are not 1 to 255", s.VCPUs)
	case s.MemoryMiB < 1:
		return fmt.Errorf("%d MiB of memory are too few", s.MemoryMiB)
	case s.UID < 1:
		return fmt.Errorf("user %d is not an unprivileged one", s.UID)
	case s.Kernel == "" && len(s.Disks) == 0:
		return fmt.Errorf("nothing to boot: no kernel and no disk")
	}
	used := make(map[string]bool)
	for _, d := range s.Disks {
		if err := d.Validate(); err != nil {
			return err
		}
		if used[d.ID] {
			return fmt.Errorf("disk %s is there twice", d.ID)
		}
		used[d.ID] = true
	}
	for _, n := range s.NICs {
		if err := n.Validate(); err != nil {
			return err
		}
		if used[n.ID] {
			return fmt.Errorf("card %s is there twice", n.ID)
		}
		used[n.ID] = true
	}
	return nil
}

// Validate returns why no driver can plug the disk in, or nil.
func (d Disk) Validate() error {
	switch {
	case !ValidName(d.ID):
		return fmt.Errorf("disk ID %q is not a name", d.ID)
	case !filepath.IsAbs(d.Path):
		return fmt.Errorf("disk %s: path %q is not absolute", d.ID, d.Path)
	case d.Export != "" && !export.MatchString(d.Export):
		return fmt.Errorf("disk %s: %q is no name of an export", d.ID, d.Export)
	case d.Format != "qcow2" && d.Format != "raw":
		return fmt.Errorf("disk %s: format %q is not qcow2 or raw", d.ID, d.Format)
	case d.Secret != nil && d.Format != "qcow2":
		return fmt.Errorf("disk %s: format %q is never encrypted", d.ID, d.Format)
	case d.IOPS < 0 || d.MiBps < 0 || d.IOSize < 0:
		return fmt.Errorf("disk %s: negative limit", d.ID)
	case !bursts(d.IOPS, d.BurstIOPS, d.Burst) || !bursts(d.MiBps, d.BurstMiBps, d.Burst):
		return fmt.Errorf("disk %s: burst that is not above a limit, for seconds", d.ID)
	}
	for _, l := range d.Below {
		if err := (Disk{ID: d.ID, Path: l.Path, Export: l.Export, Format: l.Format, Secret: l.Secret}).Validate(); err != nil {
			return err
		}
	}
	return nil
}

// bursts reports whether there can be a burst above a limit.
func bursts(limit, burst int, d time.Duration) bool {
	return burst == 0 || limit > 0 && burst > limit && d >= time.Second
}

// Validate returns why no driver can plug the card in, or nil.
func (n NIC) Validate() error {
	if !ValidName(n.ID) {
		return fmt.Errorf("card ID %q is not a name", n.ID)
	}
	if mac, err := net.ParseMAC(n.MAC); err != nil || len(mac) != 6 {
		return fmt.Errorf("card %s: %q is not a MAC address", n.ID, n.MAC)
	}
	if n.MTU != 0 && (n.MTU < 68 || n.MTU > 65535) {
		return fmt.Errorf("card %s: MTU %d is not 68 to 65535", n.ID, n.MTU)
	}
	return nil
}
