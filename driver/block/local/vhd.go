//go:build linux

package local

import (
	"bytes"
	"encoding/binary"
	"io"
)

// The footer of a VHD and the header of a dynamic one, big-endian: Virtual Hard Disk
// Image Format Specification 1.0. A dynamic VHD has a copy of its footer at the start.
const (
	vhdSector     = 512
	vhdHeaderSize = 1024
	vhdFixed      = 2
	vhdDynamic    = 3
	vhdMaxBytes   = 2040 << 30
)

// vhdFooter returns the sector if it is a footer.
func vhdFooter(sector []byte) bool { return bytes.HasPrefix(sector, []byte("conectix")) }

// lastSector reads the last 512 bytes of a disk; nil of one that is shorter.
func lastSector(disk io.ReaderAt, size int64) ([]byte, error) {
	if size < vhdSector {
		return nil, nil
	}
	tail := make([]byte, vhdSector)
	if n, err := disk.ReadAt(tail, size-vhdSector); n < len(tail) {
		return nil, err
	}
	return tail, nil
}

// inspectVHD checks a fixed or dynamic VHD, and returns its virtual size in bytes.
func inspectVHD(disk io.ReaderAt, size int64, head []byte) (int64, error) {
	tail, err := lastSector(disk, size)
	switch {
	case err != nil:
		return 0, err
	case !vhdFooter(tail):
		return 0, refuse("it is not a VHD, or is cut off: it does not end in a footer")
	case !vhdSum(tail, 64):
		return 0, refuse("the checksum of its footer is wrong")
	}
	bytes := binary.BigEndian.Uint64(tail[48:])
	if bytes == 0 || bytes > vhdMaxBytes || bytes%vhdSector != 0 {
		return 0, refuse("its virtual size of %d bytes is not possible", bytes)
	}
	switch kind := binary.BigEndian.Uint32(tail[60:]); kind {
	case vhdFixed:
		if bytes+vhdSector > uint64(size) { //nolint:gosec // a length
			return 0, refuse("it is cut off")
		}
	case vhdDynamic:
		if !vhdFooter(head) || len(head) < vhdSector || binary.BigEndian.Uint32(head[60:]) != vhdDynamic || binary.BigEndian.Uint64(head[48:]) != bytes {
			return 0, refuse("its footer and the copy of it differ")
		}
		if err := inspectVHDHeader(disk, size, bytes, binary.BigEndian.Uint64(tail[16:])); err != nil {
			return 0, err
		}
	case 4:
		return 0, refuse("it has a parent")
	default:
		return 0, refuse("its type %d is not fixed or dynamic", kind)
	}
	return int64(bytes), nil //nolint:gosec // vhdMaxBytes at most
}

// inspectVHDHeader checks the header of a dynamic VHD, which is at an offset of the file.
func inspectVHDHeader(disk io.ReaderAt, size int64, virtual, at uint64) error {
	if at < vhdSector || at > uint64(size) || uint64(size)-at < vhdHeaderSize { //nolint:gosec // a length
		return refuse("its header lies outside of it")
	}
	h := make([]byte, vhdHeaderSize)
	if _, err := disk.ReadAt(h, int64(at)); err != nil { //nolint:gosec // within the disk
		return err
	}
	table, entries, block := binary.BigEndian.Uint64(h[16:]), uint64(binary.BigEndian.Uint32(h[28:])), uint64(binary.BigEndian.Uint32(h[32:]))
	switch {
	case !bytes.HasPrefix(h, []byte("cxsparse")):
		return refuse("it has no header")
	case !vhdSum(h, 36):
		return refuse("the checksum of its header is wrong")
	case len(bytes.Trim(h[40:56], "\x00")) > 0 || len(bytes.Trim(h[64:768], "\x00")) > 0:
		return refuse("it has a parent")
	case block < vhdSector || block > 256<<20 || block&(block-1) != 0:
		return refuse("its blocks of %d bytes are not possible", block)
	case entries < (virtual+block-1)/block || entries > 4*((vhdMaxBytes+block-1)/block):
		return refuse("its table of %d blocks does not fit its size", entries)
	case table > uint64(size) || uint64(size)-table < 4*entries: //nolint:gosec // a length
		return refuse("its table of blocks lies outside of it")
	}
	return nil
}

// vhdSum checks the checksum, which is at an offset of the structure: the one's
// complement of the sum of all its other bytes.
func vhdSum(b []byte, at int) bool {
	var sum uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return binary.BigEndian.Uint32(b[at:]) == ^sum
}
