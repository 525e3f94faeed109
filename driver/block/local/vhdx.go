//go:build linux

package local

import (
	"bytes"
	"encoding/binary"
	"io"
)

// The parts of a VHDX that are looked at, little-endian: [MS-VHDX] 2.2 and 2.6.
const (
	vhdxRegions    = 192 << 10 // where the first table of regions is
	vhdxRegionsMax = 2047
	vhdxTable      = 64 << 10 // bytes of it, and of the table of metadata
	vhdxEntry      = 32       // bytes of an entry of either
)

// Identifiers as they lie in the file.
var (
	vhdxMetadata   = []byte("\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e") // of the region
	vhdxParameters = []byte("\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b")
	vhdxSize       = []byte("\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8")
)

// inspectVHDX finds out that a VHDX has no parent, and returns its virtual size in
// bytes. Whether it is whole is for the tool to say that reads it.
func inspectVHDX(disk io.ReaderAt, size int64, head []byte) (int64, error) {
	if !bytes.HasPrefix(head, []byte("vhdxfile")) {
		return 0, refuse("it is not a VHDX")
	}
	regions, err := vhdxFind(disk, size, vhdxRegions, "regi", 16)
	if err != nil {
		return 0, err
	}
	region, ok := regions[string(vhdxMetadata)]
	if !ok {
		return 0, refuse("it has no metadata")
	}
	at := binary.LittleEndian.Uint64(region)
	if at > uint64(size) { //nolint:gosec // a length
		return 0, refuse("its metadata lie outside of it")
	}
	items, err := vhdxFind(disk, size, int64(at), "metadata", 32) //nolint:gosec // within the disk
	if err != nil {
		return 0, err
	}
	item := func(id []byte) (uint64, error) {
		entry, ok := items[string(id)]
		if !ok {
			return 0, refuse("its metadata are not complete")
		}
		b := make([]byte, 8)
		if _, err := disk.ReadAt(b, int64(at)+int64(binary.LittleEndian.Uint32(entry))); err != nil { //nolint:gosec // small, and within the disk
			return 0, refuse("it is cut off")
		}
		return binary.LittleEndian.Uint64(b), nil
	}
	parameters, err := item(vhdxParameters)
	if err != nil {
		return 0, err
	}
	const hasParent = 1 << 33
	if parameters&hasParent != 0 {
		return 0, refuse("it has a parent")
	}
	bytes, err := item(vhdxSize)
	if err == nil && (bytes == 0 || bytes > 64<<40) {
		err = refuse("its virtual size of %d bytes is not possible", bytes)
	}
	return int64(bytes), err //nolint:gosec // bounded, or unused
}

// vhdxFind reads a table of identifiers, which begins with a signature and, after a
// header of first bytes, has entries of 16 bytes of identifier and what this returns.
func vhdxFind(disk io.ReaderAt, size, at int64, signature string, first int) (map[string][]byte, error) {
	if at > size-vhdxTable {
		return nil, refuse("it is cut off")
	}
	table := make([]byte, vhdxTable)
	if _, err := disk.ReadAt(table, at); err != nil {
		return nil, err
	}
	count := int(binary.LittleEndian.Uint32(table[8:]))
	if first == 32 {
		count = int(binary.LittleEndian.Uint16(table[10:]))
	}
	if !bytes.HasPrefix(table, []byte(signature)) || count > vhdxRegionsMax || first+count*vhdxEntry > len(table) {
		return nil, refuse("its table %q is damaged", signature)
	}
	found := map[string][]byte{}
	for n := range count {
		entry := table[first+n*vhdxEntry : first+(n+1)*vhdxEntry]
		found[string(entry[:16])] = entry[16:]
	}
	return found, nil
}
