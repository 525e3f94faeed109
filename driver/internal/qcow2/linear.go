package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/xts"
)

// Cluster is the unit in which a Linear file is written, in bytes.
const Cluster = 1 << clusterBits

const (
	clusterBits = 16
	cluster     = Cluster
)

// coarse is the grid of Linear files, whose clusters are written as a whole.
var coarse = grid{bits: clusterBits}

// File is what a Linear image is kept in.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Linear is a qcow2 file in which every cluster of the disk has its place from the beginning,
// a hole until it is written. So its clusters can be written in any order, at the same time
// and again, and the file is whole after each.
type Linear struct {
	f      File
	bytes  int64
	at     linearLayout
	cipher *xts.Cipher // nil: not encrypted
}

// linearLayout is where the parts of the file are, in clusters: header, table of reference
// counts, its blocks, LUKS header, first table, second tables, the disk.
type linearLayout struct {
	layout
	blocks, l2, data, end int64
}

func linear(bytes int64, encrypted bool) (at linearLayout) {
	l2 := (bytes + coarse.perL1() - 1) / coarse.perL1()
	// Reference counts count the clusters that they are in, too.
	for blocks, grown := int64(1), true; grown; {
		at.counts, at.countClusters = 1, coarse.clusters(8*blocks)
		at.blocks = at.counts + at.countClusters
		at.luks = at.blocks + blocks
		at.l1 = at.luks
		if encrypted {
			at.l1 += coarse.clusters(luksBytes)
		}
		at.l2 = at.l1 + coarse.clusters(8*l2)
		at.data = at.l2 + l2
		at.end = at.data + coarse.clusters(bytes)
		need := (at.end + coarse.perBlock() - 1) / coarse.perBlock()
		grown, blocks = need > blocks, max(need, blocks)
	}
	return at
}

const copied = uint64(1) << 63 // an entry that is referred to once

// CreateLinear writes a Linear image, as yet of holes, into an empty file.
func CreateLinear(f File, i Image) error {
	if i.Bytes <= 0 || i.Bytes%512 != 0 || i.Bytes > maxBytes || len(i.Backing) > maxName {
		return fmt.Errorf("a disk of %d bytes on %q cannot be made", i.Bytes, i.Backing)
	}
	at := linear(i.Bytes, i.Secret != nil)
	l1 := at.data - at.l2
	w := &writer{f: f}
	w.put(0, i.header(coarse, at.layout, l1))
	w.entries(at.counts, at.luks-at.blocks, at.blocks, 0)
	w.entries(at.l1, l1, at.l2, copied)
	w.count(at, 0, at.data)
	if i.Secret != nil {
		key, err := newLUKS(i.Secret)
		if err != nil {
			return err
		}
		w.errs = append(w.errs, key.write(f, at.luks*cluster))
	}
	w.put(at.end*cluster-1, []byte{0})
	return errors.Join(w.errs...)
}

// OpenLinear opens a file that CreateLinear wrote; secret is nil for one that is not encrypted.
func OpenLinear(f File, secret []byte) (*Linear, error) {
	r, err := Open(f, secret)
	if err != nil {
		return nil, err
	}
	l := &Linear{f: f, bytes: r.Bytes(), at: linear(r.Bytes(), r.luksAt != 0)}
	first := uint64(l.at.l2*cluster) | copied //nolint:gosec // positive
	if r.grid != coarse || r.l1At != l.at.l1*cluster || binary.BigEndian.Uint64(r.l1) != first {
		return nil, errors.New("the file's clusters have no places of their own")
	}
	l.cipher, err = r.key()
	return l, err
}

// Bytes is the size of the disk.
func (l *Linear) Bytes() int64 { return l.bytes }

// WriteAt writes whole clusters of the disk. When the file is synced they are durable.
func (l *Linear) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off%cluster != 0 || len(p)%cluster != 0 || off+int64(len(p)) > coarse.clusters(l.bytes)*cluster {
		return 0, fmt.Errorf("write %d bytes at %d: they are no clusters of the disk", len(p), off)
	}
	first, n := off/cluster, int64(len(p)/cluster)
	host := l.at.data + first
	if l.cipher != nil {
		p = append([]byte(nil), p...)
		for i := 0; i < len(p); i += sector {
			s := p[i : i+sector]
			l.cipher.Encrypt(s, s, uint64(host*cluster+int64(i))/sector) //nolint:gosec // positive
		}
	}
	w := &writer{f: l.f}
	w.put(host*cluster, p)
	w.count(l.at, host, n)
	w.entriesAt(l.at.l2*cluster+8*first, n, host, copied) // the second tables follow each other
	if err := errors.Join(w.errs...); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writer writes the parts of a file, and keeps what fails.
type writer struct {
	f    io.WriterAt
	errs []error
}

func (w *writer) put(at int64, b []byte) {
	if _, err := w.f.WriteAt(b, at); err != nil {
		w.errs = append(w.errs, err)
	}
}

// entries writes a table of n entries, which refer to clusters from the given one on.
func (w *writer) entries(table, n, first int64, flags uint64) {
	w.entriesAt(table*cluster, n, first, flags)
}

func (w *writer) entriesAt(at, n, first int64, flags uint64) {
	b := make([]byte, 0, 8*n)
	for i := range n {
		b = binary.BigEndian.AppendUint64(b, uint64((first+i)*cluster)|flags) //nolint:gosec // positive
	}
	w.put(at, b)
}

// count counts one reference to each of n clusters.
func (w *writer) count(at linearLayout, first, n int64) {
	b := make([]byte, 2*n)
	for i := range n {
		b[2*i+1] = 1
	}
	w.put(at.blocks*cluster+2*first, b)
}
