// Package blob keeps the sealed bytes of objects on a disk: small blobs packed
// one after another into segments, large ones as files of their own.
//
// It guarantees that a blob whose Ref was returned is on stable storage, name
// and all, and that it is read as it was written or not at all: every block ends
// with a checksum. It does not know which blobs are still wanted: the index does,
// and has units removed. What was begun and not finished is left in no unit's
// way: nothing is ever appended to a segment of an earlier run, nor after a write
// that failed.
package blob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// BlockSize is the size of every block of a blob but its last, in bytes, with the
// checksum that each block ends with.
const BlockSize = 64 << 10

// SumSize is the size of that checksum: CRC-32C (RFC 3720, B.4), little-endian.
const SumSize = 4

// ErrCorrupt says that stored bytes are not what was written.
var ErrCorrupt = errors.New("stored bytes are damaged")

// ErrGone says that there is no such unit: it was removed, or lost.
var ErrGone = errors.New("stored bytes are gone")

// Kind is how a blob is kept.
type Kind uint8

// The kinds of units.
const (
	Nothing Kind = iota // an empty blob, which is kept nowhere
	Packed              // in a segment, among others
	Alone               // a file of its own
)

// Ref says where a blob is.
type Ref struct {
	Kind   Kind
	Unit   uint64 // number of the segment or file; no number is used twice
	Offset int64  // of its first byte in the unit
	Size   int64  // in bytes, checksums included
}

// String is for messages to the operator.
func (r Ref) String() string {
	switch r.Kind {
	case Packed:
		return fmt.Sprintf("%d bytes at %d of %s", r.Size, r.Offset, segmentName(r.Unit))
	case Alone:
		return fileName(r.Unit)
	default:
		return "nothing"
	}
}

// Unit is a segment or a file.
type Unit struct {
	Kind   Kind
	Number uint64
	Size   int64 // of a segment, in bytes
	Open   bool  // blobs are still appended to it
}

// Reader reads a blob, also after its file was removed. ReadAt's offsets count from
// the blob's first byte; reads past its end return io.EOF.
type Reader interface {
	io.ReaderAt
	io.Closer
}

// Writer makes a large blob. Commit returns once it is on stable storage; Abort
// leaves nothing of it, and does nothing after Commit. One of both must be called.
type Writer interface {
	io.Writer
	Commit() (Ref, error)
	Abort() error
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Finish appends to a block its checksum.
func Finish(block []byte) []byte {
	return binary.LittleEndian.AppendUint32(block, crc32.Checksum(block, castagnoli))
}

// Check returns a block without its checksum, or ErrCorrupt.
func Check(block []byte) ([]byte, error) {
	n := len(block) - SumSize
	if n < 0 || binary.LittleEndian.Uint32(block[n:]) != crc32.Checksum(block[:n], castagnoli) {
		return nil, ErrCorrupt
	}
	return block[:n], nil
}

var blocks = sync.Pool{New: func() any { return new([BlockSize]byte) }}

// Verify reads all of a blob of so many bytes, and checks its blocks.
func Verify(r io.ReaderAt, size int64) error {
	buf := blocks.Get().(*[BlockSize]byte)
	defer blocks.Put(buf)
	block := buf[:]
	for off := int64(0); off < size; off += BlockSize {
		b := block[:min(BlockSize, size-off)]
		if n, err := r.ReadAt(b, off); n < len(b) {
			if err == nil || errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: it ends at byte %d of %d", ErrCorrupt, off+int64(n), size)
			}
			return err
		}
		if _, err := Check(b); err != nil {
			return fmt.Errorf("block %d: %w", off/BlockSize, err)
		}
	}
	return nil
}
