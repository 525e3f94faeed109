package image

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tinyFiles are vauban-tiny's own files: tiny/root lies on its disk, tiny/initrd
// in its initial RAM disk.
//
//go:embed tiny
var tinyFiles embed.FS

// kernelArgs leave out tests and searches that take long in guests without
// hardware virtualisation. They leave every defence on, and do not vouch for the
// processor's clock: measured on a busy host it can be far off, and the kernel
// must be free to choose another. The console is the first serial port.
const kernelArgs = "console=ttyS0 quiet no_timer_check 8250.nr_uarts=1 cryptomgr.notests"

// tinySize is the size of vauban-tiny's disk in bytes. It grows into its volume.
const tinySize = 64 << 20

// buildTiny makes an image that is one ext4 file system, with a kernel and an
// initial RAM disk beside it.
func buildTiny(b *build) error {
	root, initrd, kernel, err := b.tiny()
	if err != nil {
		return err
	}
	b.args = kernelArgs + " root=/dev/vda rw"
	if err := errors.Join(
		os.WriteFile(b.path("out", "vmlinuz"), kernel, 0o644),
		os.WriteFile(b.path("out", "initrd"), initrd, 0o644),
	); err != nil {
		return err
	}
	return b.tinyDisk(root, 0)
}

// buildTinyBIOS makes the same with kernel, initial RAM disk and GRUB on the disk.
func buildTinyBIOS(b *build) error {
	root, initrd, kernel, err := b.tiny()
	if err != nil {
		return err
	}
	root.write("boot/vmlinuz", 0o644, kernel)
	root.write("boot/initrd", 0o644, initrd)
	root.write("boot/grub/grub.cfg", 0o644, grubConfig("/boot/vmlinuz", "/boot/initrd", kernelArgs+" root=/dev/vda1 rw"))
	return b.tinyDisk(root, firstSector*sector)
}

// grubConfig boots one kernel at once.
func grubConfig(kernel, initrd, args string) []byte {
	return fmt.Appendf(nil, "set timeout=0\nlinux %s %s\ninitrd %s\nboot\n", kernel, args, initrd)
}

func (b *build) tinyDisk(root tree, offset int64) error {
	b.step("make the disk")
	folder, raw := b.path("root"), b.path("disk.raw")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := root.store(folder); err != nil {
		return err
	}
	if err := b.fileSystem(raw, folder, "tiny", offset, tinySize+offset); err != nil {
		return err
	}
	if offset > 0 {
		if err := b.bootable(raw); err != nil {
			return err
		}
	}
	return b.pack(raw)
}

// tiny makes the content of vauban-tiny: its root, and its initial RAM disk and kernel.
func (b *build) tiny() (root tree, initrd, kernel []byte, err error) {
	b.step("find the packages")
	kernelPackage, err := b.newestKernel("linux-image-cloud-amd64")
	if err != nil {
		return nil, nil, nil, err
	}
	debs, err := b.fetch(kernelPackage,
		"busybox-static", "dropbear-bin", "sudo", "e2fsprogs", "openssh-sftp-server",
		"libaudit1", "libblkid1", "libc6", "libcap-ng0", "libcom-err2", "libcrypt1", "libext2fs2", "libpam-modules",
		"libpam0g", "libpcre2-8-0", "libselinux1", "libtomcrypt1", "libtommath1", "libgmp10", "libuuid1", "zlib1g")
	if err != nil {
		return nil, nil, nil, err
	}
	b.step("unpack %d packages", len(debs))
	packages := b.path("packages")
	if err := b.unpack(packages, debs...); err != nil {
		return nil, nil, nil, err
	}
	version := strings.TrimPrefix(kernelPackage, "linux-image-")
	if kernel, err = os.ReadFile(filepath.Join(packages, "boot", "vmlinuz-"+version)); err != nil {
		return nil, nil, nil, err
	}
	b.step("put the system together")
	if root, err = b.tinyRoot(packages); err != nil {
		return nil, nil, nil, err
	}
	early, err := tinyInitrd(packages, version)
	if err != nil {
		return nil, nil, nil, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := errors.Join(early.cpio(z), z.Close()); err != nil {
		return nil, nil, nil, err
	}
	return root, packed.Bytes(), kernel, nil
}

// tinyInitrd holds what it takes to mount the disk.
func tinyInitrd(packages, version string) (tree, error) {
	t := tree{}
	for _, d := range []string{"proc", "sys", "dev", "root"} {
		t.dir(d, 0o755)
	}
	if err := t.copy(packages, "bin/busybox"); err != nil {
		return nil, err
	}
	for _, applet := range []string{"sh", "mount", "modprobe", "switch_root", "sleep", "poweroff", "dd", "blockdev"} {
		t.symlink("bin/"+applet, "busybox")
	}
	if err := t.addModules(packages, version,
		"virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "button", "evdev"); err != nil {
		return nil, err
	}
	own, err := fs.Sub(tinyFiles, "tiny/initrd")
	if err != nil {
		return nil, err
	}
	return t, t.embed(own)
}

// addModules adds kernel modules with all that they depend on, their index for
// modprobe, and their names for init.
func (t tree) addModules(packages, version string, names ...string) error {
	files, err := modules(packages, version, names...)
	if err != nil {
		return err
	}
	folder := path.Join("lib/modules", version)
	var index strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		t.write(path.Join(folder, path.Base(f)), 0o644, data)
		first, err := modules(packages, version, moduleName(f))
		if err != nil {
			return err
		}
		slices.Reverse(first) // modules.dep lists what to load from the last to the first
		index.WriteString(path.Base(f) + ":")
		for _, d := range first[1:] {
			index.WriteString(" " + path.Base(d))
		}
		index.WriteString("\n")
	}
	t.write(path.Join(folder, "modules.dep"), 0o644, []byte(index.String()))
	t.write("modules", 0o644, []byte(strings.Join(names, " ")+"\n"))
	return nil
}

// tinyRoot is the file system that the guest lives in.
func (b *build) tinyRoot(packages string) (tree, error) {
	t := tree{}
	for _, d := range []string{"dev", "proc", "sys", "run", "mnt", "var/lib/vauban", "var/log", "etc/dropbear", "usr/bin", "usr/sbin"} {
		t.dir(d, 0o755)
	}
	t.dir("tmp", 0o755) // a file system is mounted there
	t.dir("root", 0o700)
	t.dir("home/admin/.ssh", 0o700)
	t.dir("home/admin", 0o700)
	t.write("home/admin/.ssh/authorized_keys", 0o600, nil)
	for _, name := range []string{"home/admin", "home/admin/.ssh", "home/admin/.ssh/authorized_keys"} {
		t.own(name, 1000)
	}
	t.symlink("var/run", "/run")
	t.symlink("var/tmp", "/tmp")
	t.symlink("etc/mtab", "/proc/self/mounts")

	for _, name := range []string{
		"bin/busybox", "usr/sbin/dropbear", "usr/bin/dropbearkey",
		"sbin/mke2fs", "sbin/resize2fs", "sbin/e2fsck", "etc/mke2fs.conf",
		"usr/bin/sudo", "usr/libexec/sudo/sudoers.so", "lib/x86_64-linux-gnu/security/pam_permit.so",
		"lib/x86_64-linux-gnu/security/pam_deny.so", "usr/lib/openssh/sftp-server",
	} {
		if err := t.copy(packages, name); err != nil {
			return nil, err
		}
	}
	if err := t.libraries(packages); err != nil {
		return nil, err
	}
	applets, err := b.output(filepath.Join(packages, "bin/busybox"), "--list")
	if err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(applets) {
		if name != "busybox" {
			t.symlink("bin/"+name, "busybox")
		}
	}
	t.symlink("sbin/init", "/bin/busybox")
	t.symlink("usr/lib/sftp-server", "openssh/sftp-server")
	t.symlink("sbin/mkfs.ext4", "mke2fs")
	own, err := fs.Sub(tinyFiles, "tiny/root")
	if err != nil {
		return nil, err
	}
	if err := t.embed(own); err != nil {
		return nil, err
	}
	for _, name := range []string{"halt", "reboot"} {
		t.symlink("sbin/"+name, "poweroff")
	}
	t.write("etc/sudoers", 0o440, []byte(`Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
admin ALL=(ALL:ALL) NOPASSWD: ALL
`))
	t.write("etc/shadow", 0o600, []byte("root:*:::::::\nadmin:*:::::::\nnobody:*:::::::\n"))
	return t, nil
}
