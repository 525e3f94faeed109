// Package object keeps objects in buckets, as S3 sees them: versions, delete
// markers, uploads in parts, exact listings, retention.
//
// It guarantees:
//
//   - What was answered is on stable storage, bytes and index entry: each operation
//     syncs, and many that come together share a sync. What was not answered is
//     there whole or not at all.
//   - An operation on a key is atomic, its preconditions included, and whoever reads
//     a key, by its name, sees the last answered write and nothing that a crash could
//     take back. Listings see every answered write; they may see one
//     that is about to be answered.
//   - Bytes are read as they were put, or not at all. Every block is
//     authenticated, and has a checksum besides that Scrub checks without a key.
//   - Bytes are encrypted (AES-256-GCM, a key for each object, sealed under its
//     bucket's key or the caller's): who drops a bucket's key makes its bytes
//     unreadable, wherever copies of them lie. Names, metadata, ETags and
//     checksums are not encrypted.
//   - A version that is held or retained is not removed by any method.
//   - Memory does not grow with the size of objects, nor with their number. Plain bytes of
//     large objects that are read often are kept in memory for some minutes, if there is
//     any for that: never those under a caller's key, and never longer than the object.
//
// It does not know who may do what, S3's headers, or the limits of names and of
// metadata: it keeps what it is given. It trusts the clock.
package object

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/hot"
	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/object/index/pebble"
	"github.com/vauban-cloud/vauban/object/lanes"
	"github.com/vauban-cloud/vauban/seal"
)

// Keys gives the keys of buckets. It is asked for every object that is put or read:
// it should remember.
type Keys interface {
	// BucketKey returns the key of a bucket, and ErrUnreadable if it was dropped.
	BucketKey(ctx context.Context, bucket string) (*seal.Key, error)
}

// Backend keeps sealed bytes. What it returned a Ref for is on stable storage.
// Methods may be called at the same time; nobody retries but the caller's client.
// A Backend that is an io.Closer is closed with the Store.
type Backend interface {
	// Append keeps a small blob; owner is for Scan. data is the caller's again when
	// Append returns.
	Append(ctx context.Context, owner, data []byte) (blob.Ref, error)
	// Create begins a large blob of so many bytes, or -1.
	Create(size int64) (blob.Writer, error)
	// Open opens a blob, which stays readable after Remove if it is blob.Alone.
	Open(blob.Ref) (blob.Reader, error)
	// Units lists all that is kept of a kind, finished or not.
	Units(kind blob.Kind) ([]blob.Unit, error)
	// Scan finds the blobs of a segment.
	Scan(ctx context.Context, segment uint64, fn func(owner []byte, r blob.Ref, data []byte) error) error
	// Remove removes a unit, if it is there.
	Remove(kind blob.Kind, unit uint64) error
}

// blobsDir is where bytes are in the folder, if no other Backend has them.
const blobsDir = "blobs"

// Config says what a Store is made of. Dir and Keys must be given.
type Config struct {
	Dir  string
	Keys Keys

	FS vfs.FS // the operating system's if nil
	// Index opens where everything but the bytes is kept; a Pebble database in Dir if nil. The
	// function is told of a fatal error that no batch can be told.
	Index func(failed func(error)) (index.Engine, error)
	local bool // the index is in Dir: nobody else can ever have taken it over
	// Backend opens where bytes are kept; blobs in Dir if nil. Its units must be
	// numbered by the function, which returns no number twice, in any run: so it is told
	// what a crash has left.
	Backend     func(number func() uint64) (Backend, error)
	Now         func() time.Time
	Log         *slog.Logger
	SegmentSize int64  // in bytes; 256 MiB if 0
	MinPart     int64  // the least size of parts but the last, in bytes; 5 MiB if 0
	MinFree     uint64 // how many bytes of the disk puts leave free; 256 MiB if 0
	Cache       int64  // of an index in Dir, in bytes; 24 MiB if 0
	Hot         int64  // memory for plain bytes of large objects that are read often, in bytes; none if 0
	// Tend is how often Run removes garbage and compacts segments; once a minute if 0.
	Tend time.Duration
	// ScrubRest is how long Run rests between two scrubs, a day if 0, and ScrubRate how
	// many bytes a second it then reads; 16 MiB if 0.
	ScrubRest time.Duration
	ScrubRate int
}

func (c *Config) fill() error {
	if c.Dir == "" || c.Keys == nil {
		return errors.New("an object store takes a folder and keys")
	}
	or(&c.FS, vfs.Default)
	or(&c.SegmentSize, 256<<20)
	or(&c.MinPart, 5<<20)
	or(&c.MinFree, 256<<20)
	or(&c.Cache, 24<<20)
	or(&c.Tend, time.Minute)
	or(&c.ScrubRest, 24*time.Hour)
	or(&c.ScrubRate, 16<<20)
	or(&c.Log, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Index == nil {
		c.local = true
		on := pebble.Config{Dir: c.FS.PathJoin(c.Dir, "index"), FS: c.FS, Cache: c.Cache, Log: c.Log}
		c.Index = func(failed func(error)) (index.Engine, error) {
			on.Failed = failed
			return pebble.Open(on)
		}
	}
	if c.Backend == nil {
		on := blob.Config{Dir: c.FS.PathJoin(c.Dir, blobsDir), FS: c.FS, SegmentSize: c.SegmentSize}
		c.Backend = func(number func() uint64) (Backend, error) {
			on.Number = number
			return blob.Open(on)
		}
	}
	return nil
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// Store keeps objects in a folder. It is safe for concurrent use, and one process
// at a time may have it.
type Store struct {
	Config
	db      index.Engine
	bytes   Backend
	numbers sequence
	grace   grace
	pins    pins
	space   space
	lanes   *lanes.Pool
	wide    atomic.Int32 // bodies that have much memory
	hot     hot.Cache
	aead    func(key []byte) (cipher.AEAD, error) // aesGCM, but for measuring what it costs
	seed    maphash.Seed
	keys    [keyLocks]keyLock
	born    uint64 // numbers below it are of earlier runs
	tending sync.Mutex
	swept   bool // guarded by tending

	mu      sync.RWMutex
	buckets map[string]*bucket // guarded by mu

	noted chan struct{} // see tell

	failing sync.Once
	failed  chan struct{} // closed by fail
	failure error         // set before failed is closed
}

// Open opens a store, and makes it if there is none.
func Open(c Config) (*Store, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	s := &Store{
		Config: c, buckets: map[string]*bucket{}, failed: make(chan struct{}), noted: make(chan struct{}, 1), seed: maphash.MakeSeed(),
		aead: aesGCM, lanes: lanes.NewPool(), hot: hot.Cache{Size: c.Hot},
	}
	if err := s.openIndex(); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open() error {
	if err := s.identify(); err != nil {
		return err
	}
	if err := s.numbers.open(s); err != nil {
		return err
	}
	s.born = s.numbers.take()
	if err := s.loadBuckets(); err != nil {
		return err
	}
	b, err := s.Backend(s.numbers.take)
	if err != nil {
		return fmt.Errorf("open the bytes of objects: %w", err)
	}
	s.bytes = b
	return nil
}

// Close closes the store. Nothing must be under way, and readers be closed.
func (s *Store) Close() error {
	s.hot.Expire(time.Now().Add(time.Hour))
	var err error
	if c, ok := s.bytes.(io.Closer); ok {
		err = c.Close()
	}
	return errors.Join(err, s.db.Close())
}
