// Package partition reads the partition tables of disks of unknown origin: of the PC
// BIOS kind (MBR), with its extended partitions, and GUID tables (UEFI Specification
// 2.10, section 5). It guarantees that what it returns lies within the disk, and that
// it reads no more than a few megabytes, whatever is on it. It does not repair.
package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// ErrNone says that there is no partition table.
var ErrNone = errors.New("there is no partition table")

// ErrDamaged says that there is one that cannot be followed.
var ErrDamaged = errors.New("the partition table is damaged")

// Table is what a disk begins with.
type Table struct {
	GUID     bool // a GUID table; else one of the BIOS kind
	BootCode bool // the first sector has a program that a BIOS starts
	Parts    []Part
}

// Part is a partition.
type Part struct {
	Start, Bytes int64 // offset and length in bytes
	EFI          bool  // an EFI system partition
	BIOSBoot     bool  // it holds GRUB, which a BIOS starts from a disk with a GUID table
}

const (
	sector      = 512
	codeBytes   = 440 // of the first sector
	firstEntry  = 446
	entryBytes  = 16
	maxLogical  = 128 // partitions within extended ones
	maxGUID     = 1024
	typeGUID    = 0xee
	typeEFI     = 0xef
	guidEFI     = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"
	guidBIOS    = "\x48\x61\x68\x21\x49\x64\x6f\x6e\x74\x4e\x65\x65\x64\x45\x46\x49"
	guidMinimum = 128 // bytes of an entry
)

// Read reads the table of a disk of so many bytes.
func Read(disk io.ReaderAt, size int64) (Table, error) {
	head, err := at(disk, size, 0, sector)
	if err != nil {
		return Table{}, ErrNone
	}
	if head[510] != 0x55 || head[511] != 0xaa {
		return Table{}, ErrNone
	}
	t := Table{BootCode: len(bytes.Trim(head[:codeBytes], "\x00")) > 0}
	for n := range 4 {
		if head[firstEntry+n*entryBytes+4] == typeGUID {
			t.GUID = true
			return t, t.readGUID(disk, size)
		}
	}
	return t, t.readBIOS(disk, size, head)
}

// at reads bytes that must lie within the disk.
func at(disk io.ReaderAt, size, offset, n int64) ([]byte, error) {
	if offset < 0 || offset > size-n {
		return nil, ErrDamaged
	}
	b := make([]byte, n)
	if _, err := disk.ReadAt(b, offset); err != nil {
		return nil, err
	}
	return b, nil
}

// add adds a partition of so many sectors, if there is one within the disk.
func (t *Table) add(size int64, start, sectors uint64, p Part) {
	most := uint64(size) / sector //nolint:gosec // a length
	if sectors == 0 || start >= most || sectors > most-start {
		return
	}
	p.Start, p.Bytes = int64(start)*sector, int64(sectors)*sector //nolint:gosec // within the disk
	t.Parts = append(t.Parts, p)
}

// entry is one of the BIOS kind.
type entry struct {
	kind           byte
	start, sectors uint64
}

func entryOf(table []byte, n int) entry {
	e := table[firstEntry+n*entryBytes:]
	return entry{e[4], uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))}
}

func (e entry) extended() bool { return e.kind == 5 || e.kind == 0xf || e.kind == 0x85 }

func (t *Table) readBIOS(disk io.ReaderAt, size int64, head []byte) error {
	for n := range 4 {
		e := entryOf(head, n)
		switch {
		case e.extended():
			if err := t.readLogical(disk, size, e.start); err != nil {
				return err
			}
		case e.kind != 0:
			t.add(size, e.start, e.sectors, Part{EFI: e.kind == typeEFI})
		}
	}
	if len(t.Parts) == 0 {
		return ErrNone
	}
	return nil
}

// readLogical follows the chain of tables in an extended partition.
func (t *Table) readLogical(disk io.ReaderAt, size int64, extended uint64) error {
	next := extended
	for range maxLogical {
		table, err := at(disk, size, int64(next)*sector, sector) //nolint:gosec // 32 bits and a little
		if err != nil {
			return err
		}
		if table[510] != 0x55 || table[511] != 0xaa {
			return ErrDamaged
		}
		if e := entryOf(table, 0); e.kind != 0 {
			t.add(size, next+e.start, e.sectors, Part{EFI: e.kind == typeEFI})
		}
		link := entryOf(table, 1)
		if !link.extended() || link.start == 0 {
			return nil
		}
		next = extended + link.start
	}
	return ErrDamaged
}

func (t *Table) readGUID(disk io.ReaderAt, size int64) error {
	head, err := at(disk, size, sector, sector)
	if err != nil {
		return err
	}
	first, count, each := binary.LittleEndian.Uint64(head[72:]), binary.LittleEndian.Uint32(head[80:]), binary.LittleEndian.Uint32(head[84:])
	if !bytes.HasPrefix(head, []byte("EFI PART")) || count > maxGUID || each < guidMinimum || each > 4096 || first > uint64(size)/sector { //nolint:gosec // a length
		return ErrDamaged
	}
	entries, err := at(disk, size, int64(first)*sector, int64(count)*int64(each)) //nolint:gosec // within the disk
	if err != nil {
		return err
	}
	for n := range int(count) {
		e := entries[n*int(each):]
		kind := string(e[:16])
		start, last := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
		if kind == string(make([]byte, 16)) || last < start {
			continue
		}
		t.add(size, start, last-start+1, Part{EFI: kind == guidEFI, BIOSBoot: kind == guidBIOS})
	}
	return nil
}
