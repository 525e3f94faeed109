package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/object/blob"
)

// compact moves what is in use of a segment to the one that is appended to, and
// removes the segment.
func (s *Store) compact(ctx context.Context, segment uint64, used int64) error {
	if used > 0 {
		m := mover{s: s, ctx: ctx}
		if err := errors.Join(s.bytes.Scan(ctx, segment, m.blob), m.flush()); err != nil {
			return err
		}
		// Moved entries were not synced one by one. All must be before the bytes
		// that they referred to go.
		b := s.db.Batch()
		defer b.Close()
		if err := s.commit(b); err != nil {
			return err
		}
		s.grace.wait() // for who read the old entries
		var err error
		if used, err = s.usedBytes(segment); err != nil {
			return err
		}
	}
	if used != 0 {
		return fmt.Errorf("%w: %d bytes in use were not found", ErrCorrupt, used)
	}
	if err := s.bytes.Remove(blob.Packed, segment); err != nil {
		return err
	}
	b := s.db.Batch()
	defer b.Close()
	b.Delete(numberRow(tableSegment, segment))
	return s.apply(b, false)
}

// moveAtOnce is how many bytes are moved in one go.
const moveAtOnce = 1 << 20

// mover moves blobs. One goroutine has it.
type mover struct {
	s     *Store
	ctx   context.Context //nolint:containedctx // of one call
	blobs []moving
	size  int
}

// moving is a blob in use, and where it is in the index.
type moving struct {
	bucket, key string
	generation  uint64
	owner, data []byte
	from, to    blob.Ref
}

// blob takes one of a segment.
func (m *mover) blob(owner []byte, from blob.Ref, data []byte) error {
	d := decoder{b: owner}
	v := moving{bucket: d.text(), key: d.text(), from: from}
	if d.err != nil || len(d.b) != 8 {
		return errRow
	}
	v.generation = rowNumber(d.b)
	_, r, err := m.s.refers(&v)
	if err != nil || r == nil {
		return err
	}
	v.owner, v.data = bytes.Clone(owner), bytes.Clone(data)
	m.blobs = append(m.blobs, v)
	if m.size += len(data); m.size >= moveAtOnce {
		return m.flush()
	}
	return nil
}

// flush writes the blobs, and tells the index.
func (m *mover) flush() error {
	if err := m.s.room(int64(m.size)); err != nil {
		return err
	}
	inside := m.s.grace.enter()
	defer m.s.grace.leave(inside)
	var all errgroup.Group
	all.SetLimit(256)
	for k := range m.blobs {
		v := &m.blobs[k]
		all.Go(func() (err error) {
			v.to, err = m.s.bytes.Append(m.ctx, v.owner, v.data)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return diskError(err)
	}
	for k := range m.blobs {
		if err := m.s.move(&m.blobs[k]); err != nil {
			return err
		}
	}
	m.blobs, m.size = nil, 0
	return nil
}

// move lets the index refer to where a blob was moved to, if it still refers to
// where it was.
func (s *Store) move(v *moving) error {
	lock := s.key(v.bucket, v.key)
	lock.Lock()
	defer lock.Unlock()
	row, r, err := s.refers(v)
	if err != nil || r == nil {
		return err
	}
	c := &change{s: s, bucket: Bucket{ID: v.bucket}, key: v.key, batch: s.db.Batch()}
	defer c.batch.Close()
	r.ref = v.to
	c.set(row, r.encode())
	c.drop(v.from)
	c.keep(v.to)
	return s.apply(c.batch, false)
}

// refers returns the version that a blob is of, and its row, nil if it is not in
// use.
func (s *Store) refers(v *moving) ([]byte, *record, error) {
	row := keyRow(tableCurrent, v.bucket, v.key)
	r, err := s.record(row, v.key)
	if err != nil || r != nil && r.ref == v.from {
		return row, r, err
	}
	row = oldRow(v.bucket, v.key, v.generation)
	r, err = s.record(row, v.key)
	if err != nil || r != nil && r.ref == v.from {
		return row, r, err
	}
	// Rarely a version got a later generation than its blob was told: see place.
	var found *record
	err = s.each(keyRow(tableOld, v.bucket, v.key), func(at, value []byte) error {
		r := &record{Info: Info{Key: v.key}}
		if err := r.decode(value); err != nil || r.ref != v.from {
			return err
		}
		row, found = bytes.Clone(at), r
		return nil
	})
	return row, found, err
}
