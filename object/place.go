package object

import (
	"encoding/binary"
	"errors"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/index"
)

// change is what happens to the versions of one key, in one batch. Its maker holds
// the bucket and the key's lock, and closes the batch.
type change struct {
	s       *Store
	bucket  Bucket
	key     string
	current *record // nil if there is none
	batch   index.Batch
	usage   Usage // what is added to the bucket's
	errs    []error
	left    bool // notes
}

// begin reads the current version.
func (s *Store) begin(b Bucket, key string) (*change, error) {
	current, err := s.record(keyRow(tableCurrent, b.ID, key), key)
	if err != nil {
		return nil, err
	}
	return &change{s: s, bucket: b, key: key, current: current, batch: s.db.Batch()}, nil
}

func (c *change) set(row, value []byte)            { c.batch.Set(row, value) }
func (c *change) delete(row []byte)                { c.batch.Delete(row) }
func (c *change) add(row []byte, n index.Counters) { c.batch.Add(row, n) }

// note keeps an error for commit.
func (c *change) note(err error) {
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// commit makes the change durable.
func (c *change) commit() error {
	if c.usage != (Usage{}) {
		c.add(bucketRow(tableUsage, c.bucket.ID), c.usage.counters())
	}
	if err := errors.Join(c.errs...); err != nil {
		return err
	}
	err := c.s.commit(c.batch)
	if err == nil && c.left {
		c.s.tell()
	}
	return err
}

// place makes r the current version, which has the highest generation, and what was current an old one, or removes
// it: there is one null version at most.
func (c *change) place(r *record) {
	r.null = c.bucket.Versioning != Enabled
	if c.current != nil && r.Generation < c.current.Generation { // a later one was faster
		r.Generation = c.s.numbers.take()
	}
	if !r.null {
		r.tail = newTail()
	}
	if was := c.current; was != nil && was.null && r.null {
		c.discard(was)
	} else if was != nil {
		if r.null {
			c.dropOldNull()
		}
		if !was.Marker {
			c.usage.Objects--
		}
		was.Superseded = r.Modified
		c.set(oldRow(c.bucket.ID, c.key, was.Generation), was.encode())
		if was.null {
			c.set(keyRow(tableNull, c.bucket.ID, c.key), binary.BigEndian.AppendUint64(nil, was.Generation))
		}
	}
	r.Version, r.Latest = r.version(), true
	c.set(keyRow(tableCurrent, c.bucket.ID, c.key), r.encode())
	if r.Marker {
		c.usage.Markers++
		return
	}
	c.usage.Objects++
	c.usage.Versions++
	c.usage.Bytes += r.Size
	c.keep(r.ref)
}

// dropOldNull removes the null version that is not current.
func (c *change) dropOldNull() {
	row := keyRow(tableNull, c.bucket.ID, c.key)
	v, err := c.s.get(row)
	if err != nil || v == nil {
		c.note(err)
		return
	}
	old := oldRow(c.bucket.ID, c.key, binary.BigEndian.Uint64(v))
	r, err := c.s.record(old, c.key)
	if err != nil || r == nil {
		c.note(err)
		return
	}
	c.discard(r)
	c.delete(old)
	c.delete(row)
}

// remove takes a version away. If it was current, the newest old one becomes current.
func (c *change) remove(r *record) error {
	c.discard(r)
	if !r.Latest {
		c.delete(oldRow(c.bucket.ID, c.key, r.Generation))
		if r.null {
			c.delete(keyRow(tableNull, c.bucket.ID, c.key))
		}
		return nil
	}
	next, err := c.newestOld()
	if err != nil {
		return err
	}
	if next == nil {
		c.delete(keyRow(tableCurrent, c.bucket.ID, c.key))
		return nil
	}
	c.delete(oldRow(c.bucket.ID, c.key, next.Generation))
	if next.null {
		c.delete(keyRow(tableNull, c.bucket.ID, c.key))
	}
	next.Superseded = (&record{}).Superseded
	c.set(keyRow(tableCurrent, c.bucket.ID, c.key), next.encode())
	if !next.Marker {
		c.usage.Objects++
	}
	return nil
}

func (c *change) newestOld() (*record, error) {
	if c.bucket.Versioning == Unversioned {
		return nil, nil
	}
	it, err := c.s.rows(keyRow(tableOld, c.bucket.ID, c.key))
	if err != nil {
		return nil, err
	}
	var r *record
	if it.SeekGE(nil) {
		r = &record{Info: Info{Key: c.key}}
		err = r.decode(it.Value())
	}
	return r, errors.Join(err, it.Close())
}

// discard counts a version out, and its bytes.
func (c *change) discard(r *record) {
	if r.Marker {
		c.usage.Markers--
		return
	}
	if r.Latest {
		c.usage.Objects--
	}
	c.usage.Versions--
	c.usage.Bytes -= r.Size
	if r.manifest != 0 {
		c.s.discardManifest(c.batch, r.manifest)
		return
	}
	c.drop(r.ref)
}

// keep tells the index that a blob is in use.
func (c *change) keep(r blob.Ref) {
	switch r.Kind {
	case blob.Packed:
		c.add(numberRow(tableSegment, r.Unit), index.Counters{packedSize(c.bucket.ID, c.key, r)})
	case blob.Alone:
		c.set(numberRow(tableFile, r.Unit), nil)
	case blob.Nothing:
	}
}

// drop tells it that a blob is not in use any more.
func (c *change) drop(r blob.Ref) {
	switch r.Kind {
	case blob.Packed:
		c.add(numberRow(tableSegment, r.Unit), index.Counters{-packedSize(c.bucket.ID, c.key, r)})
	case blob.Alone:
		c.set(numberRow(tableGarbage, c.s.numbers.take()), garbage{file: r.Unit}.encode())
	case blob.Nothing:
	}
}

// current returns the current version of a key, once it is durable.
func (s *Store) current(bucket, key string) (*record, error) {
	lock := s.key(bucket, key)
	lock.RLock()
	defer lock.RUnlock()
	return s.read(lock, bucket, key)
}

// find returns a version, nil if there is none: the current one for "". The caller
// holds the key's lock.
func (s *Store) find(bucket, key, version string, current *record) (*record, error) {
	switch version {
	case "":
		return current, nil
	case NullVersion:
		if current != nil && current.null {
			return current, nil
		}
		v, err := s.get(keyRow(tableNull, bucket, key))
		if err != nil || v == nil {
			return nil, err
		}
		return s.record(oldRow(bucket, key, binary.BigEndian.Uint64(v)), key)
	}
	generation, tail, err := parseTicket(version)
	if err != nil {
		return nil, refuse(ErrInput, "version %q is %v", version, err)
	}
	r := current
	if r == nil || r.Generation != generation {
		if r, err = s.record(oldRow(bucket, key, generation), key); err != nil || r == nil {
			return nil, err
		}
	}
	if r.null || r.tail != tail {
		return nil, nil
	}
	return r, nil
}
