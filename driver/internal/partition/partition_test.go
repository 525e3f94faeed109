package partition_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/driver/internal/partition"
)

const sector = 512

// bios is a disk of so many sectors with a table of the BIOS kind: type, first sector
// and length of each partition.
func bios(sectors int, entries ...[3]uint32) []byte {
	disk := make([]byte, sectors*sector)
	write(disk, 0, entries...)
	return disk
}

func write(disk []byte, at int, entries ...[3]uint32) {
	table := disk[at*sector:]
	table[510], table[511] = 0x55, 0xaa
	for n, e := range entries {
		table[446+n*16+4] = byte(e[0])
		binary.LittleEndian.PutUint32(table[446+n*16+8:], e[1])
		binary.LittleEndian.PutUint32(table[446+n*16+12:], e[2])
	}
}

// guid is a disk with a GUID table: type, first and last sector of each partition.
func guid(sectors int, entries ...struct {
	kind        string
	first, last uint64
},
) []byte {
	disk := bios(sectors, [3]uint32{0xee, 1, uint32(sectors - 1)})
	copy(disk[sector:], "EFI PART")
	binary.LittleEndian.PutUint64(disk[sector+72:], 2)
	binary.LittleEndian.PutUint32(disk[sector+80:], 128)
	binary.LittleEndian.PutUint32(disk[sector+84:], 128)
	for n, e := range entries {
		at := disk[2*sector+n*128:]
		copy(at, e.kind)
		binary.LittleEndian.PutUint64(at[32:], e.first)
		binary.LittleEndian.PutUint64(at[40:], e.last)
	}
	return disk
}

type entry = struct {
	kind        string
	first, last uint64
}

const (
	efi      = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"
	biosBoot = "\x48\x61\x68\x21\x49\x64\x6f\x6e\x74\x4e\x65\x65\x64\x45\x46\x49"
	linux    = "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4"
)

func logical() []byte {
	disk := bios(100, [3]uint32{0x83, 2, 8}, [3]uint32{5, 20, 60})
	write(disk, 20, [3]uint32{0x83, 1, 9}, [3]uint32{5, 10, 20})
	write(disk, 30, [3]uint32{0x82, 1, 9})
	return disk
}

func loop() []byte {
	disk := bios(100, [3]uint32{5, 20, 60})
	write(disk, 20, [3]uint32{0x83, 1, 9}, [3]uint32{5, 10, 20})
	write(disk, 30, [3]uint32{0x83, 1, 9}, [3]uint32{5, 10, 20})
	return disk
}

func TestRead(t *testing.T) {
	code := bios(100, [3]uint32{0x83, 2, 98})
	code[0] = 0xeb
	for name, c := range map[string]struct {
		disk []byte
		want partition.Table
		err  error
	}{
		"nothing":        {nil, partition.Table{}, partition.ErrNone},
		"zeroes":         {make([]byte, 4096), partition.Table{}, partition.ErrNone},
		"empty table":    {bios(100), partition.Table{}, partition.ErrNone},
		"one":            {bios(100, [3]uint32{0x83, 2, 98}), partition.Table{Parts: []partition.Part{{Start: 2 * sector, Bytes: 98 * sector}}}, nil},
		"with a program": {code, partition.Table{BootCode: true, Parts: []partition.Part{{Start: 2 * sector, Bytes: 98 * sector}}}, nil},
		"too long":       {bios(100, [3]uint32{0x83, 2, 99}), partition.Table{}, partition.ErrNone},
		"outside":        {bios(100, [3]uint32{0x83, 1 << 31, 1 << 31}), partition.Table{}, partition.ErrNone},
		"EFI":            {bios(100, [3]uint32{0xef, 2, 9}), partition.Table{Parts: []partition.Part{{Start: 2 * sector, Bytes: 9 * sector, EFI: true}}}, nil},
		"logical": {logical(), partition.Table{Parts: []partition.Part{
			{Start: 2 * sector, Bytes: 8 * sector}, {Start: 21 * sector, Bytes: 9 * sector}, {Start: 31 * sector, Bytes: 9 * sector},
		}}, nil},
		"loop":             {loop(), partition.Table{}, partition.ErrDamaged},
		"extended outside": {bios(100, [3]uint32{5, 1 << 31, 60}), partition.Table{}, partition.ErrDamaged},
		"GUID": {guid(200, entry{biosBoot, 40, 49}, entry{efi, 50, 59}, entry{linux, 60, 199}, entry{linux, 60, 200}, entry{linux, 60, 59}), partition.Table{
			GUID: true, Parts: []partition.Part{
				{Start: 40 * sector, Bytes: 10 * sector, BIOSBoot: true}, {Start: 50 * sector, Bytes: 10 * sector, EFI: true}, {Start: 60 * sector, Bytes: 140 * sector},
			},
		}, nil},
		"GUID without a header": {bios(100, [3]uint32{0xee, 1, 99}), partition.Table{}, partition.ErrDamaged},
		"GUID cut off":          {guid(200)[:2*sector+100], partition.Table{}, partition.ErrDamaged},
	} {
		got, err := partition.Read(bytes.NewReader(c.disk), int64(len(c.disk)))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", name, err, c.err)
		}
		if err == nil && (got.GUID != c.want.GUID || got.BootCode != c.want.BootCode || !slices.Equal(got.Parts, c.want.Parts)) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(logical())
	f.Add(loop())
	f.Add(guid(200, entry{efi, 50, 59}))
	f.Fuzz(func(t *testing.T, disk []byte) {
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)))
		for _, p := range table.Parts {
			if err == nil && (p.Start < 0 || p.Bytes <= 0 || p.Start+p.Bytes > int64(len(disk))) {
				t.Errorf("%+v is not within %d bytes", p, len(disk))
			}
		}
	})
}
