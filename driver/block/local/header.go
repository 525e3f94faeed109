//go:build linux

package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/vauban-cloud/vauban/driver/block"
)

// inspect reads the header of a disk of unknown origin, before any tool does,
// and returns its format and virtual size in bytes. format, if not empty, is
// what it must be. A disk that is damaged or refers to anything outside itself is
// refused with a *block.BadImageError.
func inspect(disk io.ReaderAt, size int64, format string) (string, int64, error) {
	head := make([]byte, 512)
	if n, err := disk.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", 0, err
	} else if n < len(head) {
		head = head[:n]
	}
	if format == "" {
		var err error
		if format, err = detect(disk, size, head); err != nil {
			return "", 0, err
		}
	}
	switch format {
	case "raw":
		return format, (size + 511) / 512 * 512, nil
	case "qcow2":
		bytes, err := inspectQCOW2(head)
		return format, bytes, err
	case "vmdk":
		bytes, err := inspectVMDK(disk, size, head)
		return format, bytes, err
	case "vhd", vhd:
		bytes, err := inspectVHD(disk, size, head)
		return vhd, bytes, err
	case "vhdx":
		bytes, err := inspectVHDX(disk, size, head)
		return format, bytes, err
	default:
		return "", 0, refuse("its format %q is not qcow2, raw, vmdk, vhd or vhdx", format)
	}
}

func refuse(format string, args ...any) error {
	return &block.BadImageError{Reason: fmt.Sprintf(format, args...)}
}

// vhd is what QEMU calls the format of VHDs.
const vhd = "vpc"

// detect tells the format by the first bytes, or of a fixed VHD by the last. What is
// known to be something else is not taken for a raw disk, for no guest would boot from it.
func detect(disk io.ReaderAt, size int64, head []byte) (string, error) {
	for _, known := range []struct {
		at             int
		magic          string
		format, reason string
	}{
		{0, "QFI\xfb", "qcow2", ""},
		{0, "KDMV", "vmdk", ""},
		{0, "# Disk DescriptorFile", "", "it is a VMDK descriptor, whose bytes are in other files: take a monolithic or stream-optimised VMDK"},
		{0, "COWD", "", "it is a VMDK of an old kind"},
		{0, "conectix", vhd, ""},
		{0, "vhdxfile", "vhdx", ""},
		{0x40, "\x7f\x10\xda\xbe", "", "it is a VDI: convert it to qcow2"},
		{0, "QED\x00", "", "it is a QED image: convert it to qcow2"},
		{0, "LUKS\xba\xbe", "", "it is encrypted"},
		{0, "\x1f\x8b", "", "it is compressed by gzip: unpack it first"},
		{0, "\xfd7zXZ\x00", "", "it is compressed by xz: unpack it first"},
		{0, "BZh", "", "it is compressed by bzip2: unpack it first"},
		{0, "\x28\xb5\x2f\xfd", "", "it is compressed by zstd: unpack it first"},
		{0, "PK\x03\x04", "", "it is a zip archive: unpack it first"},
		{0, "7z\xbc\xaf\x27\x1c", "", "it is a 7z archive: unpack it first"},
		{257, "ustar", "", "it is a tar archive, perhaps an OVA: unpack it first"},
	} {
		if len(head) >= known.at && bytes.HasPrefix(head[known.at:], []byte(known.magic)) {
			if known.reason != "" {
				return "", refuse("%s", known.reason)
			}
			return known.format, nil
		}
	}
	tail, err := lastSector(disk, size)
	if err != nil {
		return "", err
	}
	if vhdFooter(tail) {
		return vhd, nil
	}
	return "raw", nil
}

// inspectQCOW2 reads a qcow2 header:
// https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.rst
func inspectQCOW2(head []byte) (int64, error) {
	const (
		dirty = 1 << iota
		damaged
		dataFile
		compression
		extendedL2
	)
	if len(head) < 104 || !bytes.HasPrefix(head, []byte("QFI\xfb")) {
		return 0, refuse("it is not a qcow2 image")
	}
	version := binary.BigEndian.Uint32(head[4:])
	backing := binary.BigEndian.Uint64(head[8:])
	clusterBits := binary.BigEndian.Uint32(head[20:])
	size := binary.BigEndian.Uint64(head[24:])
	encryption := binary.BigEndian.Uint32(head[32:])
	var incompatible uint64
	if version == 3 {
		incompatible = binary.BigEndian.Uint64(head[72:])
	}
	switch {
	case version != 2 && version != 3:
		return 0, refuse("its qcow2 version %d is not 2 or 3", version)
	case backing != 0:
		return 0, refuse("it has a backing file: flatten it first, by qemu-img convert")
	case incompatible&dataFile != 0:
		return 0, refuse("its bytes are in another file")
	case encryption != 0:
		return 0, refuse("it is encrypted")
	case incompatible&damaged != 0:
		return 0, refuse("it is marked as damaged")
	case incompatible&dirty != 0:
		return 0, refuse("it was not closed in order: repair it, by qemu-img check -r all")
	case incompatible&^(compression|extendedL2) != 0:
		return 0, refuse("it needs unknown features (%#x)", incompatible)
	case clusterBits < 9 || clusterBits > 21:
		return 0, refuse("its clusters of 2^%d bytes are not possible", clusterBits)
	case size > 1<<62:
		return 0, refuse("its virtual size of %d bytes is not possible", size)
	}
	return int64(size), nil
}

// The header of a sparse VMDK extent, little-endian, and of the footer that a
// stream-optimised one has instead: VMware Virtual Disk Format 5.0, "Hosted
// Sparse Extents".
const (
	vmdkCapacity       = 12 // in sectors
	vmdkDescriptor     = 28 // first sector of the descriptor
	vmdkDescriptorSize = 36 // in sectors
	vmdkDirectory      = 56 // first sector of the grain directory, or atEnd
	vmdkAtEnd          = ^uint64(0)
	vmdkFooter         = 1024 // bytes before the end
	vmdkMaxDescriptor  = 1 << 20
)

// inspectVMDK checks that the disk is one extent with its descriptor inside.
func inspectVMDK(disk io.ReaderAt, size int64, head []byte) (int64, error) {
	capacity, err := vmdkHeader(head)
	if err != nil {
		return 0, err
	}
	if binary.LittleEndian.Uint64(head[vmdkDirectory:]) == vmdkAtEnd {
		footer := make([]byte, 512)
		if size < vmdkFooter {
			return 0, refuse("it is cut off")
		}
		if _, err := disk.ReadAt(footer, size-vmdkFooter); err != nil {
			return 0, refuse("it is cut off")
		}
		at, err := vmdkHeader(footer)
		if err != nil {
			return 0, err
		}
		if at != capacity {
			return 0, refuse("its header and footer differ")
		}
	}
	sector := binary.LittleEndian.Uint64(head[vmdkDescriptor:])
	sectors := binary.LittleEndian.Uint64(head[vmdkDescriptorSize:])
	if sector == 0 || sector > uint64(size)/512 || sectors == 0 || sectors > vmdkMaxDescriptor/512 { //nolint:gosec // a length
		return 0, refuse("it has no descriptor inside")
	}
	text := make([]byte, sectors*512)
	if n, err := disk.ReadAt(text, int64(sector)*512); err != nil && err != io.EOF { //nolint:gosec // within the disk
		return 0, err
	} else if n < len(text) {
		return 0, refuse("it is cut off")
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	if err := vmdkText(string(text)); err != nil {
		return 0, err
	}
	// Readers look for a parent where the descriptor usually is, whatever the
	// header says.
	usual := make([]byte, min(20*512, max(0, size-512)))
	if _, err := disk.ReadAt(usual, 512); err != nil && err != io.EOF {
		return 0, err
	}
	if bytes.Contains(bytes.ToLower(usual), []byte("parentfilenamehint")) {
		return 0, refuse("it has a parent")
	}
	return capacity, nil
}

// vmdkHeader returns the capacity in bytes.
func vmdkHeader(head []byte) (int64, error) {
	if len(head) < 512 || !bytes.HasPrefix(head, []byte("KDMV")) {
		return 0, refuse("it is not a sparse VMDK, or is cut off")
	}
	capacity := binary.LittleEndian.Uint64(head[vmdkCapacity:])
	if capacity == 0 {
		return 0, refuse("its bytes are in other files")
	}
	if capacity > 1<<53 {
		return 0, refuse("its virtual size of %d sectors is not possible", capacity)
	}
	return int64(capacity) * 512, nil
}

var vmdkExtent = regexp.MustCompile(`^(RW|RDONLY|NOACCESS)\s+[0-9]+\s+(\S+)`)

// vmdkText checks a descriptor.
func vmdkText(text string) error {
	kind, extents := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, value, _ := strings.Cut(line, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "createtype":
			kind = value
		case "parentfilenamehint":
			return refuse("it has a parent")
		case "parentcid":
			if !strings.EqualFold(value, "ffffffff") {
				return refuse("it has a parent")
			}
		}
		if extent := vmdkExtent.FindStringSubmatch(line); extent != nil {
			extents++
			if extent[2] != "SPARSE" {
				return refuse("an extent is %s and not SPARSE", extent[2])
			}
		}
	}
	if kind != "monolithicSparse" && kind != "streamOptimized" {
		return refuse("its type %q is not monolithicSparse or streamOptimized", kind)
	}
	if extents != 1 {
		return refuse("it has %d extents, not one", extents)
	}
	return nil
}
