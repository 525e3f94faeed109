// Package qcow2 writes qcow2 files, also encrypted ones: empty, for QEMU to fill, or block by
// block. QEMU's own tool measures for seconds how slow it can make a passphrase; ours are
// random, and need no slowness.
//
// It reads them, too, whoever wrote them: a damaged or hostile file gives errors or wrong bytes
// of its own, and leads to no other file, nor to more memory than its tables may need. It
// reads what QEMU writes here, not every qcow2 file there is: no compressed clusters.
//
// What QEMU fills has subclusters (extended L2 entries). A small write to a cluster that a file does
// not hold yet then encrypts and writes one subcluster, not the whole cluster.
//
// Formats: https://www.qemu.org/docs/master/interop/qcow2.html (version 3), and LUKS 1 of
// https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf.
package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Image is an empty disk.
type Image struct {
	Bytes   int64  // virtual size
	Backing string // name of the qcow2 file that it stands on, as QEMU is to find it; empty: none
	Secret  []byte // passphrase; nil: not encrypted
}

const (
	header      = 104            // bytes of the header, without extensions
	subclusters = 32             // of a cluster
	maxBytes    = int64(1) << 50 // so that the tables stay small
	maxName     = 1023           // bytes of the backing file's name
	luksCrypt   = 2              // crypt_method
	extBacking  = 0xe2792aca     // header extension: format of the backing file
	extCrypto   = 0x0537be77     // header extension: where the LUKS header is
	magic       = 'Q'<<24 | 'F'<<16 | 'I'<<8 | 0xfb

	dirty    = 1      // incompatible feature: reference counts are to be made anew
	extended = 1 << 4 // incompatible feature: second tables tell of subclusters
)

// grid is how a file is divided.
type grid struct {
	bits     uint32 // of a cluster's size
	extended bool   // entries of second tables tell of subclusters
}

// fine is the grid of files that guests write: subclusters of 4 KiB, and tables as large as
// those of plain clusters of 64 KiB.
var fine = grid{bits: 17, extended: true}

func (g grid) cluster() int64 { return 1 << g.bits }

// perTable is how many clusters a second table maps.
func (g grid) perTable() int64 {
	if g.extended {
		return 1 << (g.bits - 4)
	}
	return 1 << (g.bits - 3)
}

// perL1 is how many bytes of the disk an entry of the first table stands for.
func (g grid) perL1() int64 { return g.perTable() << g.bits }

// perBlock is how many clusters a block of reference counts stands for.
func (g grid) perBlock() int64 { return g.cluster() / 2 }

// clusters is how many it takes for so many bytes.
func (g grid) clusters(bytes int64) int64 { return (bytes + g.cluster() - 1) >> g.bits }

// Create writes the image into an empty file. It leaves holes where there are but zeroes.
func Create(w io.WriterAt, i Image) error {
	if i.Bytes <= 0 || i.Bytes%512 != 0 || i.Bytes > maxBytes || len(i.Backing) > maxName {
		return fmt.Errorf("a disk of %d bytes on %q cannot be made", i.Bytes, i.Backing)
	}
	var key *luks
	keyClusters, cluster := int64(0), fine.cluster()
	if i.Secret != nil {
		var err error
		if key, err = newLUKS(i.Secret); err != nil {
			return err
		}
		keyClusters = fine.clusters(luksBytes)
	}
	// The file: header, table of reference counts, one block of them, LUKS header, first table.
	l1 := (i.Bytes + fine.perL1() - 1) / fine.perL1()
	luksAt := int64(3)
	l1At := luksAt + keyClusters
	end := l1At + fine.clusters(8*l1)
	if end > fine.perBlock() {
		return errors.New("the tables of such a disk are too large")
	}
	var errs []error
	put := func(at int64, b []byte) {
		_, err := w.WriteAt(b, at)
		errs = append(errs, err)
	}
	put(0, i.header(fine, layout{counts: 1, countClusters: 1, luks: luksAt, l1: l1At}, l1))
	put(cluster, be64(uint64(2*cluster)))
	counts := make([]byte, 2*end)
	for n := range end {
		binary.BigEndian.PutUint16(counts[2*n:], 1)
	}
	put(2*cluster, counts)
	if key != nil {
		errs = append(errs, key.write(w, luksAt*cluster))
	}
	put(end*cluster-1, []byte{0}) // the first table is all holes
	return errors.Join(errs...)
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// layout is which cluster of the file a part of it begins at.
type layout struct{ counts, countClusters, luks, l1 int64 }

// header is the file's first cluster, up to the backing file's name; l1 is how many entries
// the first table has.
func (i Image) header(g grid, at layout, l1 int64) []byte {
	b, cluster := binary.BigEndian, g.cluster()
	features := uint64(0)
	if g.extended {
		features = extended
	}
	extensions := []byte{}
	extend := func(kind uint32, data []byte) {
		extensions = b.AppendUint32(extensions, kind)
		extensions = b.AppendUint32(extensions, uint32(len(data))) //nolint:gosec // a few bytes
		extensions = append(extensions, data...)
		for len(extensions)%8 != 0 {
			extensions = append(extensions, 0)
		}
	}
	crypt := uint32(0)
	if i.Secret != nil {
		crypt = luksCrypt
		extend(extCrypto, append(be64(uint64(at.luks*cluster)), be64(luksBytes)...)) //nolint:gosec // positive
	}
	nameAt := uint64(0)
	if i.Backing != "" {
		extend(extBacking, []byte("qcow2"))
	}
	extend(0, nil)
	if i.Backing != "" {
		nameAt = uint64(header + len(extensions))
	}
	h := b.AppendUint32(nil, magic)
	h = b.AppendUint32(h, 3) // version
	h = b.AppendUint64(h, nameAt)
	h = b.AppendUint32(h, uint32(len(i.Backing))) //nolint:gosec // maxName at most
	h = b.AppendUint32(h, g.bits)
	h = b.AppendUint64(h, uint64(i.Bytes)) //nolint:gosec // positive
	h = b.AppendUint32(h, crypt)
	h = b.AppendUint32(h, uint32(l1))                //nolint:gosec // bounded by maxBytes
	h = b.AppendUint64(h, uint64(at.l1*cluster))     //nolint:gosec // positive
	h = b.AppendUint64(h, uint64(at.counts*cluster)) //nolint:gosec // positive
	h = b.AppendUint32(h, uint32(at.countClusters))  //nolint:gosec // a few
	h = b.AppendUint32(h, 0)                         // snapshots within the file
	h = b.AppendUint64(h, 0)                         // and where
	h = b.AppendUint64(h, features)                  // that one must know
	h = b.AppendUint64(h, 0)                         // those that one must know to write
	h = b.AppendUint64(h, 0)                         // and those that one may ignore
	h = b.AppendUint32(h, 4)                         // a reference count has 1<<4 bits
	h = b.AppendUint32(h, header)
	return append(append(h, extensions...), i.Backing...)
}
