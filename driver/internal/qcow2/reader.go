package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"golang.org/x/crypto/xts"
)

// Reader reads one file of a chain: what the file itself holds, not what it stands on. It is
// for one goroutine at a time.
type Reader struct {
	grid
	f      io.ReaderAt
	secret []byte
	bytes  int64
	l1     []byte
	l1At   int64
	luksAt int64 // 0: not encrypted

	cipher *xts.Cipher // of an encrypted one, once it was needed
	table  []byte      // the second table that was read last
	tableN int64       // and which it is; -1: none
}

// What the entries of tables say.
const (
	offsetMask = uint64(0x00fffffffffffe00)
	compressed = uint64(1) << 62
	zero       = uint64(1)
	maxL1      = 32 << 20 // bytes
)

// Open reads the header and first table of a file; secret opens an encrypted one.
func Open(f io.ReaderAt, secret []byte) (*Reader, error) {
	head := make([]byte, cluster)
	if err := readAt(f, head, 0); err != nil {
		return nil, err
	}
	b := binary.BigEndian
	features := b.Uint64(head[72:])
	r := &Reader{f: f, secret: secret, tableN: -1, grid: grid{bits: b.Uint32(head[20:]), extended: features&extended != 0}}
	size, entries, l1At := b.Uint64(head[24:]), b.Uint32(head[36:]), b.Uint64(head[40:])
	switch {
	case b.Uint32(head) != magic || b.Uint32(head[4:]) != 3:
		return nil, errors.New("it is no qcow2 file of version 3")
	case features&^(dirty|extended) != 0:
		return nil, fmt.Errorf("it has features %#x that are not known", features)
	case r.bits < 9 || r.bits > 21 || r.extended && r.bits < 14:
		return nil, fmt.Errorf("its clusters of 2^%d bytes are not possible", r.bits)
	case size == 0 || size > uint64(maxBytes) || size%512 != 0:
		return nil, fmt.Errorf("its size of %d bytes is not possible", size)
	case l1At == 0 || l1At > uint64(maxBytes):
		return nil, errors.New("its first table is nowhere")
	}
	r.bytes, r.l1At = int64(size), int64(l1At) //nolint:gosec // bounded above
	need := (r.bytes + r.perL1() - 1) / r.perL1()
	if int64(entries) < need || need*8 > maxL1 {
		return nil, fmt.Errorf("its first table of %d entries is not possible", entries)
	}
	r.l1 = make([]byte, 8*need)
	if err := readAt(f, r.l1, r.l1At); err != nil {
		return nil, err
	}
	switch b.Uint32(head[32:]) {
	case 0:
		return r, nil
	case luksCrypt:
		return r, r.findLUKS(head)
	}
	return nil, errors.New("it is encrypted in a way that is not known")
}

// Bytes is the size of the disk.
func (r *Reader) Bytes() int64 { return r.bytes }

// findLUKS finds the header extension that says where the LUKS header is.
func (r *Reader) findLUKS(head []byte) error {
	b := binary.BigEndian
	for at := int64(b.Uint32(head[100:])); at >= header && at+24 <= int64(len(head)); {
		kind, n := b.Uint32(head[at:]), int64(b.Uint32(head[at+4:]))
		if kind == extCrypto && n == 16 {
			luks := b.Uint64(head[at+8:])
			if luks == 0 || luks > uint64(maxBytes) {
				break
			}
			r.luksAt = int64(luks) //nolint:gosec // bounded above
			return nil
		}
		if kind == 0 {
			break
		}
		at += 8 + (n+7)/8*8
	}
	return errors.New("it is encrypted, and its key is nowhere")
}

// entry is what the second table says of a cluster of the disk.
type entry struct {
	at         int64  // of its bytes in the file
	held, zero uint32 // its subclusters, the first lowest: that have bytes there; that are zeroes
	compressed bool
}

// entry looks up a cluster.
func (r *Reader) entry(n int64) (entry, error) {
	b, table := binary.BigEndian, n/r.perTable()
	at := b.Uint64(r.l1[8*table:]) & offsetMask
	if at == 0 {
		return entry{}, nil
	}
	if table != r.tableN {
		r.tableN = -1
		if r.table == nil {
			r.table = make([]byte, 1<<r.bits)
		}
		if err := readAt(r.f, r.table, int64(at)); err != nil { //nolint:gosec // masked
			return entry{}, err
		}
		r.tableN = table
	}
	row := r.table[(n%r.perTable())*(1<<r.bits/r.perTable()):]
	word := b.Uint64(row)
	e := entry{at: int64(word & offsetMask), compressed: word&compressed != 0} //nolint:gosec // masked
	switch {
	case r.extended:
		e.zero, e.held = b.Uint32(row[8:]), b.Uint32(row[12:])
	case word&zero != 0:
		e.zero = math.MaxUint32
	case e.at != 0:
		e.held = math.MaxUint32
	}
	if e.at == 0 {
		e.held = 0 // a damaged file; nothing is read of its header
	}
	return e, nil
}

// Next returns the offset, on the disk, of the first cluster of which the file holds something
// and that ends behind the given offset; the disk's size if there is none.
func (r *Reader) Next(off int64) (int64, error) {
	count := r.clusters(r.bytes)
	for n := off >> r.bits; n < count; n++ {
		if n%r.perTable() == 0 && binary.BigEndian.Uint64(r.l1[8*(n/r.perTable()):])&offsetMask == 0 {
			n += r.perTable() - 1 // the loop goes to the next table
			continue
		}
		e, err := r.entry(n)
		if err != nil {
			return 0, err
		}
		if e.held|e.zero != 0 || e.compressed {
			return n << r.bits, nil
		}
	}
	return r.bytes, nil
}

// Fill reads what the file holds of len(p) bytes of the disk, whole sectors, into p. held
// tells, for each sector of p, whether p has its bytes: those that it has stay, and those that
// it gains are marked.
func (r *Reader) Fill(p []byte, off int64, held []bool) error {
	for done := int64(0); done < int64(len(p)) && off+done < r.bytes; {
		n, within := (off+done)>>r.bits, (off+done)&(1<<r.bits-1)
		e, err := r.entry(n)
		if err != nil {
			return err
		}
		if e.compressed {
			return fmt.Errorf("cluster %d is compressed", n)
		}
		size := min(r.run(e, within), int64(len(p))-done, r.bytes-off-done)
		if err := r.fill(p[done:done+size], e, within, held[done/sector:(done+size)/sector]); err != nil {
			return err
		}
		done += size
	}
	return nil
}

// ReadAt implements io.ReaderAt, for one goroutine at a time: what the file does not hold is
// zeroes.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.bytes {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.bytes-off)
	first, end := off/sector*sector, (off+n+sector-1)/sector*sector
	whole := make([]byte, end-first)
	if err := r.Fill(whole, first, make([]bool, len(whole)/sector)); err != nil {
		return 0, err
	}
	copy(p, whole[off-first:off-first+n])
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// has reports what a cluster has at an offset within it.
func (r *Reader) has(e entry, within int64) (held, zero bool) {
	bit := uint32(1) << (within * subclusters >> r.bits)
	return e.held&bit != 0, e.zero&bit != 0
}

// run is for how many bytes, from an offset within it, a cluster has the same.
func (r *Reader) run(e entry, within int64) int64 {
	held, zero := r.has(e, within)
	if !r.extended {
		return r.cluster() - within
	}
	size := r.cluster() / subclusters
	end := (within/size + 1) * size
	for ; end < r.cluster(); end += size {
		if h, z := r.has(e, end); h != held || z != zero {
			break
		}
	}
	return end - within
}

// fill reads a part of one cluster, all of which is there, or zeroes, or not there.
func (r *Reader) fill(p []byte, e entry, within int64, held []bool) error {
	there, zero := r.has(e, within)
	if !there && !zero || !slices.Contains(held, false) {
		return nil
	}
	data := make([]byte, len(p))
	if !zero {
		if err := r.read(data, e.at+within); err != nil {
			return err
		}
	}
	for i, h := range held {
		if !h {
			copy(p[i*sector:(i+1)*sector], data[i*sector:])
			held[i] = true
		}
	}
	return nil
}

// read reads sectors of the file, in the clear.
func (r *Reader) read(p []byte, at int64) error {
	if err := readAt(r.f, p, at); err != nil {
		return err
	}
	cipher, err := r.key()
	if err != nil || cipher == nil {
		return err
	}
	for i := 0; i < len(p); i += sector {
		s := p[i : i+sector]
		cipher.Decrypt(s, s, uint64(at+int64(i))/sector) //nolint:gosec // positive
	}
	return nil
}

// key is the cipher of an encrypted file, nil for another.
func (r *Reader) key() (*xts.Cipher, error) {
	if r.luksAt == 0 || r.cipher != nil {
		return r.cipher, nil
	}
	var err error
	r.cipher, err = openLUKS(r.f, r.luksAt, r.secret)
	return r.cipher, err
}

// readAt fills p; beyond the file's end there are zeroes, as QEMU has it.
func readAt(f io.ReaderAt, p []byte, at int64) error {
	n, err := f.ReadAt(p, at)
	if errors.Is(err, io.EOF) {
		clear(p[n:])
		err = nil
	}
	return err
}
