//go:build linux

package local_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block/local"
)

// initrd is a compressed initial RAM disk with files of those names.
func initrd(names ...string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for _, name := range append(names, "TRAILER!!!") {
		fmt.Fprintf(z, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s", 1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name)+1, 0, name)
		z.Write(make([]byte, 1+(4-(111+len(name))%4)%4)) //nolint:errcheck // into memory
	}
	z.Close() //nolint:errcheck // into memory
	return b.String()
}

// bootDisk is a disk of 10 MiB with a table, a program for the BIOS, and an ext4 file
// system with files of a content; spoil changes the first sector.
func bootDisk(t *testing.T, files map[string]string, spoil func(disk []byte)) string {
	t.Helper()
	root, path := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	for name, content := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const start, size = 2048, 10 << 11 // sectors
	if err := os.WriteFile(path, make([]byte, size*512), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mke2fs", "-q", "-t", "ext4", "-d", root, "-E", fmt.Sprint("offset=", start*512), path, fmt.Sprint((size-start)/2)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	disk[0], disk[450], disk[510], disk[511] = 0xeb, 0x83, 0x55, 0xaa
	binary.LittleEndian.PutUint32(disk[454:], start)
	binary.LittleEndian.PutUint32(disk[458:], size-start)
	if spoil != nil {
		spoil(disk)
	}
	return file(t, disk)
}

// TestBoots: a disk is taken for an image if its Linux can find it among virtio disks.
func TestBoots(t *testing.T) {
	modules := []string{"lib/modules/6.1/kernel/drivers/virtio/virtio_pci.ko", "lib/modules/6.1/virtio_blk.ko.xz"}
	good := map[string]string{"boot/vmlinuz-6.1": "kernel", "boot/initrd.img-6.1": initrd(modules...)}
	bare := map[string]string{"boot/vmlinuz-6.1": "kernel", "boot/initrd.img-6.1": initrd("bin/sh")}
	with := func(files map[string]string, more ...string) map[string]string {
		all := map[string]string{more[0]: more[1]}
		maps.Copy(all, files)
		return all
	}
	system := func(at int, magic string) func([]byte) {
		return func(disk []byte) { clear(disk[1<<20 : 1<<20+8192]); copy(disk[1<<20+at:], magic) }
	}
	btrfs := func(disk []byte) { clear(disk[1<<20 : 1<<20+66<<10]); copy(disk[1<<20+64<<10+64:], "_BHRfS_M") }
	for name, c := range map[string]struct {
		files map[string]string
		spoil func([]byte)
		why   string // part of the reason; empty: it is taken
	}{
		"Debian":                {good, nil, ""},
		"a partition for /boot": {map[string]string{"vmlinuz-6.1": "kernel", "initramfs-6.1.img": initrd(modules...)}, nil, ""},
		"built into the kernel": {with(map[string]string{"boot/vmlinuz-6.1": "k"}, "lib/modules/6.1/modules.builtin", "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/block/virtio_blk.ko\n"), nil, ""},
		"configured":            {with(bare, "boot/config-6.1", "# config\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=y\n"), nil, ""},
		"half and half":         {with(map[string]string{"boot/vmlinuz-6.1": "k", "boot/initrd-6.1": initrd(modules[1])}, "boot/config-6.1", "#\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=m\n"), nil, ""},
		"no drivers":            {bare, nil, "has no virtio drivers"},
		"one driver":            {with(bare, "boot/initrd-6.1", initrd(modules[0])), nil, "has no virtio drivers"},
		"no initial RAM disk":   {map[string]string{"boot/vmlinuz-6.1": "kernel"}, nil, "has no initial RAM disk"},
		"packed by xz":          {with(map[string]string{"boot/vmlinuz-6.1": "k"}, "boot/initrd-6.1", "\xfd7zXZ\x00 and so on"), nil, "cannot be told"},
		"no kernel":             {map[string]string{"etc/passwd": "root"}, nil, "no Linux kernel"},
		"odd names":             {map[string]string{"boot/vmlinuz-6.1 a": "k", "boot/vmlinuz;b": "k"}, nil, "no Linux kernel"},
		"XFS":                   {good, system(0, "XFSB"), ""},
		"LVM":                   {good, system(512, "LABELONE"), ""},
		"Btrfs":                 {good, btrfs, ""},
		"LUKS":                  {good, system(0, "LUKS\xba\xbe"), "LUKS cannot be looked into"},
		"XFS, no boot loader":   {good, func(disk []byte) { system(0, "XFSB")(disk); clear(disk[:440]) }, "no boot loader"},
		"Windows":               {good, system(3, "NTFS    "), "Windows"},
		"nothing known":         {good, system(0, ""), "no file system"},
		"no table":              {good, func(disk []byte) { clear(disk[:512]) }, "no partition table"},
		"no boot loader":        {good, func(disk []byte) { clear(disk[:440]) }, "no boot loader"},
		"UEFI":                  {good, func(disk []byte) { clear(disk[:440]); disk[450] = 0xef }, "UEFI alone"},
		"damaged file system":   {good, func(disk []byte) { copy(disk[1<<20+1024:], bytes.Repeat([]byte{0xff}, 56)) }, "no Linux kernel"},
	} {
		t.Run(name, func(t *testing.T) {
			in := incoming(bootDisk(t, c.files, c.spoil))
			in.Boots = true
			if c.why != "" {
				if why := refusedImport(t, in); !strings.Contains(why, c.why) {
					t.Errorf("refused because %q, want %q", why, c.why)
				}
				return
			}
			d := open(t, local.Config{})
			got, err := d.Import(t.Context(), "snap-1", in, newKey(t))
			if err != nil {
				t.Fatal(err)
			}
			unseen := slices.Contains([]string{"XFS", "LVM", "Btrfs"}, name)
			if unseen != strings.Contains(got.Warning, name+" cannot be looked into") || !unseen && got.Warning != "" {
				t.Errorf("the warning is %q", got.Warning)
			}
		})
	}
}
