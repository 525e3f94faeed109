package object

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/vauban-cloud/vauban/object/index"
)

// Versioning is whether a bucket keeps versions.
type Versioning uint8

// The states of versioning. Nothing leads back to Unversioned.
const (
	Unversioned Versioning = iota
	Enabled                // each put makes a version
	Suspended              // puts replace the null version
)

// Bucket is what the store knows of a bucket.
type Bucket struct {
	ID         string // given by the caller, 1 to 255 bytes; never used again for another
	Versioning Versioning
	Lock       bool // versions may be retained and held
}

// bucket is one that exists.
type bucket struct {
	mu   sync.RWMutex // held for reading by changes of its objects, for writing by changes of itself
	info Bucket       // guarded by mu
	gone bool         // guarded by mu
}

func (b *Bucket) encode() []byte {
	var e encoder
	e.uint(uint64(b.Versioning))
	e.flags(b.Lock)
	return e
}

func (s *Store) loadBuckets() error {
	return s.each([]byte{tableBucket}, func(row, value []byte) error {
		d := decoder{b: value}
		b := &bucket{info: Bucket{ID: string(row[2:]), Versioning: Versioning(d.uint()), Lock: d.uint() != 0}}
		s.buckets[b.info.ID] = b
		return d.done()
	})
}

func (s *Store) bucket(id string) (*bucket, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.buckets[id]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoBucket, id)
}

// use holds a bucket against changes of itself. Call done.
func (b *bucket) use() (info Bucket, done func(), err error) {
	b.mu.RLock()
	if b.gone {
		b.mu.RUnlock()
		return Bucket{}, nil, ErrNoBucket
	}
	return b.info, b.mu.RUnlock, nil
}

// CreateBucket makes an empty, unversioned bucket. It fails with ErrBucketExists.
func (s *Store) CreateBucket(_ context.Context, id string) error {
	if err := s.ready(); err != nil {
		return err
	}
	if id == "" || len(id) > maxBucket {
		return refuse(ErrInput, "bucket IDs have 1 to %d bytes", maxBucket)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[id] != nil {
		return ErrBucketExists
	}
	b := &bucket{info: Bucket{ID: id}}
	if err := s.putBucket(b.info); err != nil {
		return err
	}
	s.buckets[id] = b
	return nil
}

func (s *Store) putBucket(b Bucket) error {
	batch := s.db.Batch()
	defer batch.Close()
	batch.Set(bucketRow(tableBucket, b.ID), b.encode())
	return s.commit(batch)
}

// Bucket returns a bucket, or ErrNoBucket.
func (s *Store) Bucket(_ context.Context, id string) (Bucket, error) {
	b, err := s.bucket(id)
	if err != nil {
		return Bucket{}, err
	}
	info, done, err := b.use()
	if err == nil {
		done()
	}
	return info, err
}

// Buckets returns the IDs of all buckets, in any order.
func (s *Store) Buckets() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.buckets))
}

// SetVersioning enables or suspends versioning. With object lock it can only be enabled:
// ErrBucketState.
func (s *Store) SetVersioning(_ context.Context, id string, v Versioning) error {
	return s.changeBucket(id, func(b *Bucket) error {
		if v != Enabled && v != Suspended {
			return refuse(ErrInput, "versioning is enabled or suspended")
		}
		if b.Lock && v != Enabled {
			return refuse(ErrBucketState, "versioning stays enabled where there is object lock")
		}
		b.Versioning = v
		return nil
	})
}

// EnableLock lets versions of a bucket be retained and held, for good. Versioning must
// be enabled: ErrBucketState.
func (s *Store) EnableLock(_ context.Context, id string) error {
	return s.changeBucket(id, func(b *Bucket) error {
		if b.Versioning != Enabled {
			return refuse(ErrBucketState, "enable versioning first")
		}
		b.Lock = true
		return nil
	})
}

func (s *Store) changeBucket(id string, change func(*Bucket) error) error {
	b, err := s.bucket(id)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return ErrNoBucket
	}
	info := b.info
	if err := change(&info); err != nil {
		return err
	}
	if err := s.putBucket(info); err != nil {
		return err
	}
	b.info = info
	return nil
}

// DeleteBucket removes a bucket without versions and delete markers, or fails with
// ErrNotEmpty. Uploads are aborted.
func (s *Store) DeleteBucket(_ context.Context, id string) error {
	b, err := s.bucket(id)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return ErrNoBucket
	}
	if some, err := s.has(bucketRow(tableCurrent, id)); err != nil {
		return err
	} else if some {
		return ErrNotEmpty
	}
	batch := s.db.Batch()
	defer batch.Close()
	if err := s.dropUploads(batch, id); err != nil {
		return err
	}
	for _, table := range []byte{tableBucket, tableUsage} {
		batch.Delete(bucketRow(table, id))
	}
	if err := s.commit(batch); err != nil {
		return err
	}
	b.gone = true
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buckets, id)
	return nil
}

// dropUploads aborts all uploads of a bucket.
func (s *Store) dropUploads(batch index.Batch, id string) error {
	prefix := bucketRow(tableUpload, id)
	err := s.each(prefix, func(row, _ []byte) error {
		s.discardManifest(batch, rowNumber(row))
		return nil
	})
	batch.DeleteRange(prefix, after(prefix))
	return err
}

// Usage is what a bucket holds.
type Usage struct {
	Objects  int64 // current versions that are no delete markers
	Versions int64 // all versions that are no delete markers
	Markers  int64
	Bytes    int64 // of all versions, as the callers put them
	Uploads  int64 // under way
	Pending  int64 // bytes of their parts
}

func (u Usage) counters() index.Counters {
	return index.Counters{u.Objects, u.Versions, u.Markers, u.Bytes, u.Uploads, u.Pending}
}

// Usage returns exact numbers.
func (s *Store) Usage(_ context.Context, id string) (Usage, error) {
	if _, err := s.bucket(id); err != nil {
		return Usage{}, err
	}
	c, err := s.counters(bucketRow(tableUsage, id))
	if err != nil || len(c) == 0 {
		return Usage{}, err
	}
	if len(c) != len(Usage{}.counters()) {
		return Usage{}, errRow
	}
	return Usage{c[0], c[1], c[2], c[3], c[4], c[5]}, nil
}
