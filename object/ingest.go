package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/vauban-cloud/vauban/object/blob"
)

const (
	chunkBlocks = 4
	chunk       = chunkBlocks * plainBlock
	// Bodies of less than a chunk are packed, larger ones are files.
)

// buffers are chunks on their way, plain or sealed.
var buffers = sync.Pool{New: func() any { return new([chunkBlocks * blob.BlockSize]byte) }}

type buffer = *[chunkBlocks * blob.BlockSize]byte

// batchBlocks is how many blocks of a large body are written at once: a body of 1 MiB is one batch.
const batchBlocks = 17

// batches are sealed blocks on their way to the disk.
var batches = sync.Pool{New: func() any { return new([batchBlocks * blob.BlockSize]byte) }}

type batch = *[batchBlocks * blob.BlockSize]byte

// singles are blocks on their way.
var singles = sync.Pool{New: func() any { return new([blob.BlockSize]byte) }}

type block = *[blob.BlockSize]byte

// intake is a body that was read and sealed. It shows nowhere yet.
type intake struct {
	s      *Store
	size   int64 // of the body
	digest *digest
	md5    []byte      // once it is kept
	sum    []byte      // likewise
	small  []byte      // the sealed blob if it is to be packed
	free   func()      // gives back its memory; nil: it has none
	writer blob.Writer // or else of a file
	seal   cryptor
}

// ingest reads a body of so many bytes, or -1. On an error nothing is left of it.
// If alone, it becomes a file however small it is.
func (s *Store) ingest(ctx context.Context, body io.Reader, size int64, seal cryptor, d *digest, alone bool) (_ *intake, err error) {
	if size > MaxSize {
		return nil, refuse(ErrInput, "objects have at most %d bytes", int64(MaxSize))
	}
	if err := s.room(size); err != nil {
		return nil, err
	}
	in := &intake{s: s, seal: seal, digest: d}
	defer func() {
		if err != nil {
			in.drop()
		}
	}()
	r := &bodyReader{ctx, body, size, 0}
	if size >= 0 && size < plainBlock && !alone {
		err = in.single(r)
	} else {
		err = in.many(r, size, alone)
	}
	if err != nil {
		return nil, err
	}
	in.size = r.read
	return in, nil
}

// single takes a body of one block, which most are: it needs little memory.
func (in *intake) single(r *bodyReader) error {
	plain, sealed := singles.Get().(block), singles.Get().(block)
	defer singles.Put(plain)
	in.free = func() { singles.Put(sealed) }
	n, err := r.fill(plain[:plainBlock])
	if err != nil {
		return err
	}
	in.digest.write(plain[:n])
	in.small = in.sealAll(sealed[:0], plain[:n], 0, true)
	return nil
}

// many takes a body of any size.
func (in *intake) many(r *bodyReader, size int64, alone bool) error {
	first := buffers.Get().(buffer)
	in.free = func() { buffers.Put(first) }
	n, err := r.fill(first[:chunk])
	if err != nil {
		return err
	}
	if n == chunk || alone {
		return in.stream(r, first, n, size)
	}
	sealed := buffers.Get().(buffer)
	in.free = func() {
		buffers.Put(first)
		buffers.Put(sealed)
	}
	in.digest.write(first[:n])
	in.small = in.sealAll(sealed[:0], first[:n], 0, true)
	return nil
}

// window is how many chunks of a body are in memory: those that are still to be hashed, which
// is put off until others can be hashed along. Only so many bodies have that much memory, 2.3 MiB,
// whatever number of clients dribbles theirs: the others have a third of it.
const window, narrowWindow, wideBodies = 5, 2, 16

// memory returns how many chunks of one more body may be in memory, and where to put its sealed
// blocks; free gives both back.
func (s *Store) memory() (chunks int, out []byte, free func()) {
	if s.wide.Add(1) > wideBodies {
		s.wide.Add(-1)
		b := buffers.Get().(buffer)
		return narrowWindow, b[:], func() { buffers.Put(b) }
	}
	b := batches.Get().(batch)
	return window, b[:], func() {
		s.wide.Add(-1)
		batches.Put(b)
	}
}

// stream writes a body whose first chunk was read.
func (in *intake) stream(r *bodyReader, first buffer, n int, size int64) error {
	stored := int64(-1)
	if size >= 0 {
		stored = storedSize(size)
	}
	w, err := in.s.bytes.Create(stored)
	if err != nil {
		return diskError(err)
	}
	in.writer = w
	ring, d := [window]buffer{first}, in.digest
	chunks, out, free := in.s.memory()
	defer free()
	sealed := out[:0]
	d.share(in.s.lanes)
	in.free = func() {
		d.close() // it reads them
		for _, b := range ring {
			if b != nil {
				buffers.Put(b)
			}
		}
	}
	for k := 0; n > 0; k++ {
		plain, m := ring[k%chunks][:n], 0
		d.write(plain)
		if n == chunk {
			next := &ring[(k+1)%chunks]
			if *next == nil {
				*next = buffers.Get().(buffer)
			}
			d.await(int64(k+2-chunks) * chunk)
			if m, err = r.fill((*next)[:chunk]); err != nil {
				return err
			}
		}
		if size < 0 && k%256 == 0 {
			if err := in.s.room(256 * chunk); err != nil {
				return err
			}
		}
		sealed = in.sealAll(sealed, plain, int64(k)*chunkBlocks, m == 0)
		if m == 0 || int64(len(sealed))+storedSize(int64(m)) > int64(len(out)) {
			if _, err := w.Write(sealed); err != nil {
				return diskError(err)
			}
			sealed = out[:0]
		}
		n = m
	}
	return nil
}

// sealAll appends the blocks of a chunk.
func (in *intake) sealAll(dst, plain []byte, block int64, last bool) []byte {
	for len(plain) > 0 {
		n := min(len(plain), plainBlock)
		dst = in.seal.seal(dst, plain[:n], block, last && n == len(plain))
		plain = plain[n:]
		block++
	}
	return dst
}

// keep makes the bytes durable, if they are what was expected.
func (in *intake) keep(ctx context.Context, owner []byte) (r blob.Ref, err error) {
	if in.writer == nil || in.size == 0 {
		if in.md5, in.sum, err = in.digest.check(); err != nil || in.size == 0 {
			return blob.Ref{}, err // drop removes the file
		}
		r, err = in.s.bytes.Append(ctx, owner, in.small)
		return r, in.unkept(err)
	}
	if r, err = in.writer.Commit(); err != nil {
		return blob.Ref{}, in.unkept(err)
	}
	// Last, because others hash it meanwhile, who need something hashed before.
	if in.md5, in.sum, err = in.digest.check(); err != nil {
		return blob.Ref{}, errors.Join(err, in.s.forget(r))
	}
	return r, nil
}

func (in *intake) unkept(err error) error {
	if err == nil {
		return nil
	}
	return diskError(fmt.Errorf("keep %d bytes: %w", in.size, err))
}

// drop gives back what the intake holds, and removes a file that was not kept.
func (in *intake) drop() {
	if in.free != nil {
		in.free()
		in.free = nil
	}
	if in.writer != nil {
		if err := in.writer.Abort(); err != nil {
			in.s.Log.Warn("an unfinished file stays until the next start", "error", err)
		}
	}
}

// bodyReader reads a body, and holds it against its declared size.
type bodyReader struct {
	ctx  context.Context //nolint:containedctx // of one call
	r    io.Reader
	size int64 // -1: unknown
	read int64
}

// fill reads until p is full or the body ends.
func (b *bodyReader) fill(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if err := b.ctx.Err(); err != nil {
			return n, err
		}
		var k int
		k, err = b.r.Read(p[n:])
		n += k
	}
	b.read += int64(n)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("%w (%w)", ErrShort, err)
	case err != nil && !errors.Is(err, io.EOF):
		return n, fmt.Errorf("read the body: %w", err)
	case b.size >= 0 && b.read > b.size:
		return n, refuse(ErrLong, "%d bytes were declared", b.size)
	case err != nil && b.read < b.size:
		return n, refuse(ErrShort, "%d of %d bytes came", b.read, b.size)
	case b.read > MaxSize:
		return n, refuse(ErrInput, "objects have at most %d bytes", int64(MaxSize))
	}
	return n, nil
}
