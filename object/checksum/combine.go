package checksum

import (
	"encoding/binary"
	"hash"
)

// Combiner makes the checksum of an object from those of its parts.
type Combiner struct {
	algorithm Algorithm
	kind      Type
	hash      hash.Hash // for composites
	crc       uint64    // for full objects
}

// NewCombiner returns one for which Check was asked.
func NewCombiner(a Algorithm, t Type) *Combiner {
	return &Combiner{algorithm: a, kind: t, hash: a.New()}
}

// Add adds the next part: its checksum and its size in bytes.
func (c *Combiner) Add(value []byte, size int64) {
	switch {
	case c.algorithm == None:
	case c.kind == Composite:
		c.hash.Write(value)
	default:
		c.crc = combine(c.algorithm, c.crc, number(value), size)
	}
}

// Sum returns the checksum of all that was added.
func (c *Combiner) Sum() Sum {
	s := Sum{Algorithm: c.algorithm, Type: c.kind}
	switch {
	case c.algorithm == None:
		return Sum{}
	case c.kind == Composite:
		s.Value = c.hash.Sum(nil)
	default:
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], c.crc)
		s.Value = b[8-c.algorithm.Size():]
	}
	return s
}

func number(value []byte) uint64 {
	var b [8]byte
	copy(b[8-len(value):], value)
	return binary.BigEndian.Uint64(b[:])
}

// matrix is a linear map over GF(2): where it sends each bit.
type matrix [64]uint64

func (m *matrix) times(v uint64) (sum uint64) {
	for k := 0; v != 0; k, v = k+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[k]
		}
	}
	return sum
}

func (m *matrix) square() (s matrix) {
	for k := range m {
		s[k] = m.times(m[k])
	}
	return s
}

// combine returns the CRC of two texts one after the other, from the CRC of each
// and the length of the second. The first CRC is moved on by as many zero bytes, in
// steps that are powers of two (the way of Mark Adler's crc32_combine in zlib). The
// inversions at both ends of these CRCs cancel out.
func combine(a Algorithm, first, second uint64, size int64) uint64 {
	var poly uint64 // reflected
	width := 32
	switch a {
	case CRC32:
		poly = 0xedb88320
	case CRC32C:
		poly = 0x82f63b78
	default:
		poly, width = 0x9a6c9329ac4bc9b5, 64
	}
	var m matrix // one zero bit
	m[0] = poly
	for k := 1; k < width; k++ {
		m[k] = 1 << (k - 1)
	}
	for range 3 {
		m = m.square()
	}
	for n := uint64(size); n != 0; n >>= 1 { // m is 1, 2, 4 ... zero bytes
		if n&1 != 0 {
			first = m.times(first)
		}
		m = m.square()
	}
	return first ^ second
}
