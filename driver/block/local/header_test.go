//go:build linux

package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
)

func FuzzInspect(f *testing.F) {
	qcow2 := make([]byte, 512)
	copy(qcow2, "QFI\xfb\x00\x00\x00\x03")
	qcow2[23], qcow2[29] = 16, 1
	vmdk := make([]byte, 4096)
	copy(vmdk, "KDMV")
	binary.LittleEndian.PutUint64(vmdk[vmdkCapacity:], 8)
	binary.LittleEndian.PutUint64(vmdk[vmdkDescriptor:], 1)
	binary.LittleEndian.PutUint64(vmdk[vmdkDescriptorSize:], 1)
	copy(vmdk[512:], "createType=\"monolithicSparse\"\nRW 8 SPARSE \"x\"\n")
	stream := bytes.Clone(vmdk)
	binary.LittleEndian.PutUint64(stream[vmdkDirectory:], vmdkAtEnd)
	vpc := make([]byte, 1024)
	copy(vpc[512:], "conectix")
	binary.BigEndian.PutUint64(vpc[512+48:], 512)
	binary.BigEndian.PutUint32(vpc[512+60:], vhdFixed)
	sum := uint32(0)
	for _, b := range vpc[512:] {
		sum += uint32(b)
	}
	binary.BigEndian.PutUint32(vpc[512+64:], ^sum)
	vhdx := make([]byte, 512<<10)
	copy(vhdx, "vhdxfile")
	copy(vhdx[vhdxRegions:], "regi\x00\x00\x00\x00\x01")
	copy(vhdx[vhdxRegions+16:], string(vhdxMetadata)+"\x00\x00\x04")
	copy(vhdx[256<<10:], "metadata\x00\x00\x02")
	copy(vhdx[256<<10+32:], string(vhdxParameters)+"\x00\x10")
	copy(vhdx[256<<10+64:], string(vhdxSize)+"\x08\x10")
	vhdx[256<<10+0x1009] = 1
	for _, disk := range [][]byte{qcow2, vmdk, stream, vpc, vhdx, []byte("raw"), nil} {
		for _, format := range []string{"", "raw", "qcow2", "vmdk", "vhd", "vhdx"} {
			f.Add(disk, format)
		}
	}
	for name, disk := range map[string][]byte{"qcow2": qcow2, "vmdk": vmdk, vhd: vpc, "vhdx": vhdx} {
		if format, _, err := inspect(bytes.NewReader(disk), int64(len(disk)), ""); err != nil || format != name {
			f.Errorf("seed %s: %s, %v", name, format, err)
		}
	}
	f.Fuzz(func(t *testing.T, disk []byte, format string) {
		if format == "vhd" {
			format = vhd
		}
		found, size, err := inspect(bytes.NewReader(disk), int64(len(disk)), format)
		var bad *block.BadImageError
		switch {
		case err != nil && !errors.As(err, &bad):
			t.Errorf("an error that is not the image's: %v", err)
		case err == nil && format != "" && found != format:
			t.Errorf("%q was taken for %q", found, format)
		case err == nil && size < 0:
			t.Errorf("size %d", size)
		}
	})
}
