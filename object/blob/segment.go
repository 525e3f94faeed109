package blob

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A segment begins with its mark. Each blob in it is led by a head: mark, length
// of the owner, length of the blob, a checksum of the head and the owner; then
// the owner.
const (
	segmentMark = "VAUBANS1"
	headMark    = 0x56424c42
	headSize    = HeadSize
	groupBytes  = 4 << 20 // how much one sync takes at most
)

// HeadSize is how many bytes a segment takes for a blob besides its own and its
// owner's.
const HeadSize = 16

// pending is a blob that waits to be appended.
type pending struct {
	owner, data []byte
	ref         Ref
	done        chan error // receives one result
}

// Append keeps a small blob; owner is told to Scan. Blobs that are appended at the
// same time share one sync. If ctx ends first, the blob may be kept or not.
func (s *Store) Append(ctx context.Context, owner, data []byte) (Ref, error) {
	if len(data) == 0 {
		return Ref{}, nil
	}
	p := &pending{owner: owner, data: data, done: make(chan error, 1)}
	s.closing.RLock()
	if s.closed {
		s.closing.RUnlock()
		return Ref{}, errors.New("append to a closed store")
	}
	s.queue <- p
	s.closing.RUnlock()
	// The appender reads data until it is done: leaving earlier would let the
	// caller reuse it.
	err := <-p.done
	return p.ref, errors.Join(err, ctx.Err())
}

// append is the one that writes segments. It takes all who wait, writes them at
// once, syncs, and lets them go.
func (s *Store) append() {
	defer close(s.ended)
	var (
		to    appending
		buf   []byte
		group []*pending
	)
	for first := range s.queue {
		group, buf = append(group[:0], first), buf[:0]
		for size := len(first.data); size < groupBytes; {
			select {
			case p, ok := <-s.queue:
				if ok {
					group, size = append(group, p), size+len(p.data)
					continue
				}
			default:
			}
			break
		}
		err := s.roll(&to)
		if err == nil {
			for _, p := range group {
				buf = appendHead(buf, p)
				p.ref = Ref{Packed, to.number, to.size + int64(len(buf)), int64(len(p.data))}
				buf = append(buf, p.data...)
			}
			err = to.write(buf)
		}
		if err != nil {
			err = fmt.Errorf("append to %s: %w", segmentName(to.number), err)
			to = appending{} // what a failed write or sync left is unknown: never append to it
		}
		s.mu.Lock()
		s.open = to.number
		if g := s.segments[to.number]; g != nil {
			g.size = to.size
		}
		s.mu.Unlock()
		for _, p := range group {
			if err != nil {
				p.ref = Ref{}
			}
			p.done <- err
		}
		if cap(buf) > 2*groupBytes {
			buf = nil
		}
	}
}

func appendHead(buf []byte, p *pending) []byte {
	begin := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, headMark)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(p.owner)))
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(p.data)))
	sum := crc32.Update(crc32.Checksum(buf[begin:], castagnoli), castagnoli, p.owner)
	buf = binary.LittleEndian.AppendUint32(buf, sum)
	return append(buf, p.owner...)
}

// appending is the segment that is appended to. Only append touches it.
type appending struct {
	number uint64 // 0: none
	file   vfs.File
	size   int64
}

// roll makes a new segment if there is none, or if it is full.
func (s *Store) roll(to *appending) error {
	if to.number != 0 && to.size < s.SegmentSize {
		return nil
	}
	n := s.Number()
	path := s.path(segmentName(n))
	s.mu.Lock()
	s.open = n // before anybody can list it
	s.mu.Unlock()
	f, err := s.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	*to = appending{number: n, file: f}
	err = to.write([]byte(segmentMark))
	if err == nil {
		err = s.syncDir(s.path(segmentDir))
	}
	if err != nil {
		return errors.Join(err, f.Close(), s.FS.Remove(path))
	}
	s.mu.Lock()
	s.segments[n] = &segment{f, to.size}
	s.mu.Unlock()
	return nil
}

func (a *appending) write(buf []byte) error {
	n, err := a.file.Write(buf)
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = a.file.SyncData()
	}
	if err == nil {
		a.size += int64(len(buf))
	}
	return err
}

// Scan calls fn with every blob of a segment, in order, and stops at an error
// of fn. What follows a head that cannot be read is not found, which is no error: a
// crash leaves such an end, and the index knows what should be there. The
// slices are fn's only until it returns.
func (s *Store) Scan(ctx context.Context, number uint64, fn func(owner []byte, r Ref, data []byte) error) error {
	g, err := s.segment(number)
	if err != nil {
		return err
	}
	s.mu.Lock()
	size := g.size
	s.mu.Unlock()
	in := io.NewSectionReader(g.file, 0, size)
	var head [headSize]byte
	if _, err := io.ReadFull(in, head[:len(segmentMark)]); err != nil || !bytes.HasPrefix(head[:], []byte(segmentMark)) {
		return endOf(err)
	}
	for at := int64(len(segmentMark)); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return endOf(err)
		}
		owner, data := int64(binary.LittleEndian.Uint32(head[4:])), int64(binary.LittleEndian.Uint32(head[8:]))
		if binary.LittleEndian.Uint32(head[:]) != headMark || owner+data > size-at-headSize {
			return nil
		}
		buf := make([]byte, owner+data)
		if _, err := io.ReadFull(in, buf); err != nil {
			return endOf(err)
		}
		sum := crc32.Update(crc32.Checksum(head[:12], castagnoli), castagnoli, buf[:owner])
		if binary.LittleEndian.Uint32(head[12:]) != sum {
			return nil
		}
		at += headSize + owner
		if err := fn(buf[:owner], Ref{Packed, number, at, data}, buf[owner:]); err != nil {
			return err
		}
		at += data
	}
}

// endOf makes no error of a segment's end.
func endOf(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
