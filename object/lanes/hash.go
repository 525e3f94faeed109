package lanes

import (
	"crypto/md5" //nolint:gosec // it is what ETags are
	"encoding"
	"encoding/binary"
	"hash"
)

// state is an MD5 under way: what RFC 1321, 3.3 calls A to D.
type state [4]uint32

var initial = state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}

// The form in which crypto/md5 keeps a hash under way.
const (
	savedMark = "md5\x01"
	savedSize = len(savedMark) + 4*4 + md5.BlockSize + 8
)

// open returns a hash that has come this far; part is the block that has begun, size how many
// bytes were hashed, part included.
func (s *state) open(part []byte, size int64) hash.Hash {
	b := append(make([]byte, 0, savedSize), savedMark...)
	for _, word := range s {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	b = append(b, part...)
	b = append(b, make([]byte, md5.BlockSize-len(part))...)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	h := md5.New()                                                            //nolint:gosec // as above
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b); err != nil { //nolint:forcetypeassert // it is documented
		panic(err) // it is no longer what it says of itself
	}
	return h
}

// add hashes whole blocks, without lanes.
func (s *state) add(p []byte) {
	h := s.open(nil, 0)
	h.Write(p)
	b, err := h.(encoding.BinaryAppender).AppendBinary(make([]byte, 0, savedSize)) //nolint:forcetypeassert // as above
	if err != nil {
		panic(err)
	}
	for k := range s {
		s[k] = binary.BigEndian.Uint32(b[len(savedMark)+4*k:])
	}
}

// addAll hashes the first n bytes, whole blocks, of the hashes' pieces. The hashes are taken.
func (p *Pool) addAll(hashes []*Hash, pieces *[width][]byte, n int) {
	if p.wide == nil || len(hashes) == 1 { // one alone is faster without lanes
		for k, h := range hashes {
			h.state.add(pieces[k][:n])
		}
		return
	}
	var states [4][width]uint32
	var data [width]*byte
	for lane := range data {
		from := min(lane, len(hashes)-1) // lanes that are free do what the last one does
		data[lane] = &pieces[from][0]
		for k, word := range hashes[from].state {
			states[k][lane] = word
		}
	}
	p.wide(&states, &data, n/md5.BlockSize)
	for lane, h := range hashes {
		for k := range h.state {
			h.state[k] = states[k][lane]
		}
	}
}
