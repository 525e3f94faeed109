//go:build linux

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/initramfs"
	"github.com/vauban-cloud/vauban/driver/internal/partition"
)

const (
	maxPartitions = 16
	maxKernels    = 16
	initrdFile    = 512 * mib // bytes of one that is looked into
	initrdBytes   = 1 << 30   // that it may unpack to
)

// checkBoots refuses a disk that no guest here would boot from: guests have a BIOS, and
// find their disks by the drivers virtio_pci and virtio_blk. It looks at the layer that
// the tools have made, of so many bytes. Of a disk that is likely to boot, and cannot be looked
// into, it warns.
//
// Nothing on it is mounted or run: its partition table is read here, and its file systems
// by debugfs, confined as the converter is.
func (d *Driver) checkBoots(ctx context.Context, w workplace, size int64, secret []byte) (warning string, err error) {
	if err := d.unlayer(ctx, w, size, secret); err != nil {
		return "", err
	}
	defer os.Remove(w.tool("flat")) //nolint:errcheck // it goes with the workplace
	disk, err := os.OpenFile(w.tool("flat"), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer disk.Close() //nolint:errcheck // only read
	table, err := partition.Read(disk, size)
	switch {
	case errors.Is(err, partition.ErrNone), errors.Is(err, partition.ErrDamaged):
		return "", refuse("no guest would boot from it: %v", err)
	case err != nil:
		return "", err
	case len(table.Parts) > maxPartitions:
		return "", refuse("it has more than %d partitions", maxPartitions)
	}
	if err := checkLoader(table); err != nil {
		return "", err
	}
	l := linux{d: d, w: w, builtin: map[string]bool{}}
	for _, p := range table.Parts {
		if err := l.look(ctx, disk, p); err != nil {
			return "", err
		}
	}
	return l.verdict()
}

// unlayer has a tool write the layer as a raw disk, which takes no more room than the
// layer does: what that has not is a hole.
func (d *Driver) unlayer(ctx context.Context, w workplace, size int64, secret []byte) error {
	top := layerName(0)
	var st unix.Stat_t
	if err := unix.Lstat(w.tool(top), &st); err != nil {
		return err
	}
	if free, err := d.room(ctx); err != nil {
		return err
	} else if st.Blocks*512 > free {
		return fmt.Errorf("%w: %d bytes, %d are free", block.ErrNoSpace, st.Blocks*512, free)
	}
	b := beginning{names: []string{top}, secrets: secrets{}}
	if secret != nil {
		b.secrets[top] = secret
	}
	source, r, err := open(w, b)
	if err != nil {
		return err
	}
	r.args = append(append([]string{"convert", "-O", "raw"}, r.args...), source, w.tool("flat"))
	r.cpu, r.patience, r.fileSize = int(convertPatience.Seconds()), convertPatience, size
	_, err = d.tool(ctx, r)
	return err
}

// checkLoader refuses a disk that a BIOS would not start.
func checkLoader(t partition.Table) error {
	efi, grub := false, false
	for _, p := range t.Parts {
		efi, grub = efi || p.EFI, grub || p.BIOSBoot
	}
	switch {
	case t.BootCode && (!t.GUID || grub || !efi):
		return nil
	case efi:
		return refuse("it boots by UEFI alone, and guests have a BIOS: install a boot loader for BIOS, such as grub-pc")
	}
	return refuse("it has no boot loader that a BIOS would start")
}

// linux is what is found of a Linux on a disk.
type linux struct {
	d *Driver
	w workplace

	systems int             // file systems that can be read
	others  []string        // names of those that cannot
	foreign bool            // one of these is not what a Linux for guests is likely to be on
	kernels int             // files
	builtin map[string]bool // drivers that are part of a kernel
	initrds int
	ready   bool  // an initial RAM disk, with the kernel, has the drivers
	unread  error // why one could not be read
}

// drivers are the kernel modules that a guest finds its disk by.
var drivers = []string{"virtio_pci", "virtio_blk"}

// plainName is a file name that can stand in a request of debugfs.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)

// look looks into the file system of a partition.
func (l *linux) look(ctx context.Context, disk io.ReaderAt, p partition.Part) error {
	const ext = 1024 + 56 // where the magic number of ext2, ext3 and ext4 is
	head := make([]byte, min(p.Bytes, 66<<10))
	if _, err := disk.ReadAt(head, p.Start); err != nil {
		return err
	}
	if len(head) < ext+2 || head[ext] != 0x53 || head[ext+1] != 0xef {
		if name, likely := systemName(head); name != "" {
			l.others, l.foreign = append(l.others, name), l.foreign || !likely
		}
		return nil
	}
	l.systems++
	device := fmt.Sprintf("%s?offset=%d", l.w.tool("flat"), p.Start)
	for _, dir := range []string{"/boot", "/"} {
		names, err := l.list(ctx, device, dir)
		if err != nil {
			return err
		}
		if err := l.readBoot(ctx, device, dir, names); err != nil || dir == "/boot" && len(names) > 0 && l.kernels > 0 {
			return err
		}
	}
	return nil
}

// systemName names a file system that is not looked into, if it is known, and tells whether a
// Linux that a BIOS starts is likely to be on it.
func systemName(head []byte) (name string, likely bool) {
	for _, known := range []struct {
		at          int
		magic, name string
		likely      bool
	}{
		{0, "XFSB", "XFS", true},
		{64<<10 + 64, "_BHRfS_M", "Btrfs", true},
		{512, "LABELONE", "LVM", true},
		{3, "NTFS    ", "NTFS, of Windows,", false},
		{0, "LUKS\xba\xbe", "LUKS", false},
	} {
		if len(head) >= known.at && bytes.HasPrefix(head[known.at:], []byte(known.magic)) {
			return known.name, known.likely
		}
	}
	return "", false
}

// list returns the names of the files in a folder.
func (l *linux) list(ctx context.Context, device, dir string) (names []string, err error) {
	out, err := l.debugfs(ctx, device, "ls -p "+dir, 0)
	for line := range strings.Lines(string(out)) { // "/INODE/MODE/UID/GID/NAME/SIZE/"
		f := strings.Split(strings.TrimSpace(line), "/")
		if len(f) == 8 && strings.HasPrefix(f[2], "100") && plainName.MatchString(f[5]) {
			names = append(names, f[5])
		}
	}
	return names, err
}

// debugfs makes one request, which may write a file of so many bytes where the tools
// work. What it does not find it says on standard error, and goes on.
func (l *linux) debugfs(ctx context.Context, device, request string, fileSize int64) ([]byte, error) {
	out, err := l.d.tool(ctx, run{program: "debugfs", args: []string{"-R", request, device}, cpu: 60, fileSize: fileSize})
	if err != nil {
		return nil, refusal(err, "its file system cannot be read")
	}
	return out, nil
}

// readBoot looks at the kernels and initial RAM disks of a folder.
func (l *linux) readBoot(ctx context.Context, device, dir string, names []string) error {
	var initrds []string
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "vmlinuz"):
			if l.kernels++; l.kernels > maxKernels {
				return refuse("it has more than %d kernels", maxKernels)
			}
			if err := l.readBuiltin(ctx, device, dir, strings.TrimPrefix(name, "vmlinuz-")); err != nil {
				return err
			}
		case strings.HasPrefix(name, "initrd"), strings.HasPrefix(name, "initramfs"):
			initrds = append(initrds, name)
		}
	}
	l.ready = l.ready || l.complete(nil)
	for _, name := range initrds[:min(len(initrds), maxKernels)] {
		if l.ready {
			return nil
		}
		l.initrds++
		if err := l.readInitrd(ctx, device, strings.TrimSuffix(dir, "/")+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether all drivers are part of the kernel or have been found.
func (l *linux) complete(found map[string]bool) bool {
	for _, name := range drivers {
		if !l.builtin[name] && !found[name] {
			return false
		}
	}
	return true
}

// readBuiltin notes the drivers that are part of a kernel.
func (l *linux) readBuiltin(ctx context.Context, device, dir, version string) error {
	config, err := l.debugfs(ctx, device, "cat "+strings.TrimSuffix(dir, "/")+"/config-"+version, 0)
	if err != nil {
		return err
	}
	modules, err := l.debugfs(ctx, device, "cat /lib/modules/"+version+"/modules.builtin", 0)
	if err != nil {
		return err
	}
	for _, name := range drivers {
		set := "CONFIG_" + strings.ToUpper(name) + "=y\n"
		if bytes.Contains(config, []byte("\n"+set)) || bytes.Contains(modules, []byte("/"+name+".ko\n")) {
			l.builtin[name] = true
		}
	}
	return nil
}

// readInitrd looks for drivers in an initial RAM disk.
func (l *linux) readInitrd(ctx context.Context, device, path string) error {
	copied := l.w.tool("initrd")
	defer os.Remove(copied) //nolint:errcheck // it goes with the workplace
	if _, err := l.debugfs(ctx, device, "dump "+path+" "+copied, initrdFile); err != nil {
		return err
	}
	f, err := os.OpenFile(copied, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	found := map[string]bool{}
	err = initramfs.Names(f, initrdBytes, func(name string) bool {
		for _, driver := range drivers {
			if strings.Contains(name, "/"+driver+".ko") {
				found[driver] = true
			}
		}
		l.ready = l.complete(found)
		return ctx.Err() == nil && !l.ready
	})
	if errors.Is(err, initramfs.ErrFormat) {
		l.unread, err = fmt.Errorf("%s: %w", path, err), nil
	}
	return errors.Join(err, ctx.Err())
}

// verdict is no error if a guest can be expected to boot; warning says what could not be seen.
func (l *linux) verdict() (warning string, err error) {
	const instead = "; import it as a snapshot if you know that it boots with virtio disks"
	switch {
	case l.ready:
		return "", nil
	case l.unread != nil:
		return "", refuse("whether it has virtio drivers cannot be told: %v%s", l.unread, instead)
	case l.kernels == 0 && len(l.others) > 0 && !l.foreign:
		return fmt.Sprintf("It has a boot loader, but %s cannot be looked into: it boots if its Linux has the drivers virtio_pci and virtio_blk.", strings.Join(l.others, ", ")), nil
	case l.kernels == 0 && len(l.others) > 0:
		return "", refuse("no Linux kernel was found, and %s cannot be looked into%s", strings.Join(l.others, ", "), instead)
	case l.systems == 0:
		return "", refuse("it has no file system that a Linux could be on (ext2, ext3 or ext4)%s", instead)
	case l.kernels == 0:
		return "", refuse("no Linux kernel was found in /boot or /%s", instead)
	case l.initrds == 0:
		return "", refuse("its Linux has no initial RAM disk, and its kernel no virtio drivers: install virtio_pci and virtio_blk")
	}
	return "", refuse("the initial RAM disk of its Linux has no virtio drivers: add virtio_pci and virtio_blk, and make it anew")
}
