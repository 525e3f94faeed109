package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// grubFolder is where grub-pc-bin keeps what boots with a BIOS.
const grubFolder = "/usr/lib/grub/i386-pc"

// The layout of a disk that boots by itself: the partition table and GRUB in the
// first MiB, then one partition to the end.
const (
	sector      = 512
	firstSector = 2048
	diskID      = 0x7661_7562 // names the disk in PARTUUIDs
)

// rootPartition is how the kernel finds the partition of a self-booting disk.
func rootPartition() string { return fmt.Sprintf("PARTUUID=%08x-01", diskID) }

// fileSystem makes an ext4 file system with the content of a folder, at an
// offset into a file of that size. Everything that would differ from build to
// build is fixed.
func (b *build) fileSystem(disk, root, label string, offset, size int64) error {
	if err := errors.Join(os.WriteFile(disk, nil, 0o644), os.Truncate(disk, size)); err != nil {
		return err
	}
	const uuid = "76617562-616e-4c69-8e75-780000000001"
	return b.run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "1", "-L", label, "-U", uuid,
		"-E", fmt.Sprintf("offset=%d,hash_seed=%s,lazy_itable_init=1,root_owner=0:0", offset, uuid),
		"-d", root, disk, fmt.Sprintf("%dk", (size-offset)>>10))
}

// bootable puts a partition table and GRUB onto a disk whose file system starts
// at firstSector and has its configuration at /boot/grub/grub.cfg.
func (b *build) bootable(disk string) error {
	core := b.path("core.img")
	if err := b.run("grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub",
		"biosdisk", "part_msdos", "ext2", "linux", "normal", "configfile"); err != nil {
		return err
	}
	boot, err := os.ReadFile(filepath.Join(grubFolder, "boot.img"))
	if err != nil {
		return err
	}
	rest, err := os.ReadFile(core)
	if err != nil {
		return err
	}
	if len(rest) > (firstSector-1)*sector {
		return fmt.Errorf("GRUB of %d bytes does not fit before the first partition", len(rest))
	}
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // closed with its error below
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mbr := masterBootRecord(boot, uint32(info.Size()/sector))
	if _, err := f.WriteAt(mbr, 0); err != nil {
		return err
	}
	// GRUB's boot sector loads the rest from the sector after itself.
	if _, err := f.WriteAt(rest, sector); err != nil {
		return err
	}
	return f.Close()
}

// masterBootRecord is a boot sector with one active Linux partition from
// firstSector to the end of a disk of that many sectors.
func masterBootRecord(boot []byte, sectors uint32) []byte {
	mbr := make([]byte, sector)
	copy(mbr[:440], boot)
	binary.LittleEndian.PutUint32(mbr[440:], diskID)
	entry := mbr[446:462]
	entry[0] = 0x80                            // active
	copy(entry[1:4], []byte{0xfe, 0xff, 0xff}) // start and end by cylinder are past what that can say
	entry[4] = 0x83                            // Linux
	copy(entry[5:8], []byte{0xfe, 0xff, 0xff})
	binary.LittleEndian.PutUint32(entry[8:], firstSector)
	binary.LittleEndian.PutUint32(entry[12:], sectors-firstSector)
	mbr[510], mbr[511] = 0x55, 0xaa
	return mbr
}

// pack turns a raw disk into the image's compressed qcow2 file.
func (b *build) pack(raw string) error {
	b.step("compress the disk")
	return b.run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", raw, b.path("out", "disk.qcow2"))
}
