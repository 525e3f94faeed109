package object

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/hot"
)

// Reader reads what Get opened: Length bytes of the version, from First. It belongs
// to one caller at a time.
type Reader struct {
	Info          Info
	First, Length int64

	s       *Store
	ctx     context.Context //nolint:containedctx // of one call
	record  *record
	dataKey []byte
	pinned  bool

	at, left int64 // what is still to be loaded
	piece    piece
	blob     blob.Reader
	crypt    cryptor
	hot      *hot.Blob   // of the open piece, in place of blob: its plain bytes
	keep     *hot.Writer // nil: the piece is not to be kept
	buf      block       // as it is stored
	out      buffer      // blocks that were decrypted; nil: buf is the only one
	plain    []byte      // what is read next
	err      error
}

// Read reads. Its error is ErrCorrupt, wrapped, if the bytes are not what was put;
// no byte of a block that is damaged is returned.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.plain) == 0 {
		if err := r.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// WriteTo writes all that is left, a chunk at a time.
func (r *Reader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(r.plain) == 0 {
			if err := r.load(); errors.Is(err, io.EOF) {
				return n, nil
			} else if err != nil {
				return n, err
			}
		}
		k, err := w.Write(r.plain)
		n += int64(k)
		r.plain = r.plain[k:]
		if err != nil {
			return n, err
		}
	}
}

// Close lets go of the version.
func (r *Reader) Close() error {
	err := r.closePiece()
	if r.pinned {
		r.s.pins.unpin(r.record.manifest)
		r.pinned = false
	}
	if r.buf != nil {
		singles.Put(r.buf)
	}
	if r.out != nil {
		buffers.Put(r.out)
	}
	r.buf, r.out, r.plain = nil, nil, nil
	if r.err == nil {
		r.err = errors.New("the reader is closed")
	}
	return err
}

// load goes to the next chunk, and returns io.EOF at the end.
func (r *Reader) load() error {
	if r.err == nil && r.left == 0 {
		r.err = io.EOF
	}
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	if r.err == nil && (r.blob == nil && r.hot == nil || r.at >= r.piece.begin+r.piece.size) {
		r.err = r.next()
	}
	if r.err == nil {
		if err := r.chunk(); err != nil {
			r.err = fmt.Errorf("read %q at byte %d: %w", r.Info.Key, r.at, err)
			r.s.Log.Error("an object cannot be read", "key", r.Info.Key, "version", r.Info.Version, "stored", r.piece.ref.String(), "error", err)
		}
	}
	return r.err
}

// next opens the part that holds the next byte. The manifest is pinned: nothing
// of it was removed.
func (r *Reader) next() error {
	p, err := r.s.pieceAt(r.record, r.at)
	if err != nil {
		return err
	}
	return r.openPiece(p)
}

func (r *Reader) openPiece(p piece) error {
	r.closePiece() //nolint:errcheck // it was only read
	if p.ref.Size != storedSize(p.size) {
		return fmt.Errorf("%q: %w", r.Info.Key, errRow)
	}
	if p.ref.Kind == blob.Alone && !r.record.Customer {
		if r.hot = r.s.hot.Open(p.ref.Unit); r.hot != nil {
			r.piece = p
			return nil
		}
		if r.at == p.begin && r.left >= p.size {
			r.keep = r.s.hot.Begin(p.ref.Unit, p.size)
		}
	}
	c, err := r.s.cryptor(r.dataKey, p.id)
	if err != nil {
		return err
	}
	b, err := r.s.bytes.Open(p.ref)
	if err != nil {
		return fmt.Errorf("open %q: %w", r.Info.Key, err)
	}
	r.piece, r.blob, r.crypt = p, b, c
	return nil
}

// closePiece lets go of the open piece.
func (r *Reader) closePiece() (err error) {
	if r.keep != nil {
		r.keep.Close()
	}
	if r.hot != nil {
		r.hot.Close()
	}
	if r.blob != nil {
		err = r.blob.Close()
	}
	r.keep, r.hot, r.blob = nil, nil, nil
	return err
}

// chunk reads blocks of the open piece and decrypts them, one after the other while they are
// in the processor's cache.
func (r *Reader) chunk() error {
	off := r.at - r.piece.begin
	wanted := min(r.left, r.piece.size-off)
	if r.hot != nil {
		r.take(r.hot.Bytes()[off : off+min(wanted, hotChunk)])
		return nil
	}
	first, skip := off/plainBlock, off%plainBlock
	count := min(blocks(skip+wanted), chunkBlocks)
	if r.buf == nil {
		r.buf = singles.Get().(block)
	}
	plain := r.buf[:0]
	if count > 1 && r.out == nil {
		r.out = buffers.Get().(buffer)
	}
	if r.out != nil {
		plain = r.out[:0]
	}
	last := blocks(r.piece.size) - 1
	for n := first; n < first+count; n++ {
		at := n * blob.BlockSize
		stored := r.buf[:min(blob.BlockSize, r.piece.ref.Size-at)]
		k, err := r.blob.ReadAt(stored, at)
		if k < len(stored) && (err == nil || errors.Is(err, io.EOF)) {
			return fmt.Errorf("%w: it ends early", ErrCorrupt)
		} else if k < len(stored) {
			return err
		}
		if plain, err = r.crypt.open(plain, stored, n, n == last); err != nil {
			return err
		}
	}
	r.take(plain[skip:min(int64(len(plain)), skip+wanted)])
	if r.keep != nil {
		r.keep.Add(r.plain)
	}
	return nil
}

// hotChunk is how much of a hot piece is read at a time, in bytes.
const hotChunk = 1 << 20

// take has plain bytes be read next.
func (r *Reader) take(plain []byte) {
	r.plain = plain
	r.at += int64(len(plain))
	r.left -= int64(len(plain))
}
