package object_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
)

// keyring has a key for every bucket until it is dropped.
type keyring struct {
	mu      sync.Mutex
	keys    map[string]*seal.Key // guarded by mu
	dropped map[string]bool      // guarded by mu
}

func newKeyring() *keyring {
	return &keyring{keys: map[string]*seal.Key{}, dropped: map[string]bool{}}
}

func (k *keyring) BucketKey(_ context.Context, bucket string) (*seal.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dropped[bucket] {
		return nil, object.ErrUnreadable
	}
	if k.keys[bucket] == nil {
		key, err := seal.New(seal.NewKey())
		if err != nil {
			return nil, err
		}
		k.keys[bucket] = key
	}
	return k.keys[bucket], nil
}

func (k *keyring) drop(bucket string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropped[bucket] = true
}

// rig is a store under test, with buckets of all kinds.
type rig struct {
	*object.Store
	t      testing.TB
	ctx    context.Context
	config object.Config
	keys   *keyring
	clock  *clock
	memory *memory // where bytes are, if not in blobs
}

type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// The buckets of a rig.
const (
	plain     = "plain"     // never versioned
	versioned = "versioned" // versioning enabled
	suspended = "suspended" // enabled, then suspended
	locked    = "locked"    // with object lock
)

func newRig(t testing.TB, change ...func(*object.Config)) *rig {
	t.Helper()
	r := &rig{t: t, ctx: t.Context(), keys: newKeyring(), clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	r.config = object.Config{Dir: "/objects", FS: vfs.NewMem(), Keys: r.keys, Now: r.clock.Now, MinPart: 100, SegmentSize: 1 << 20, Log: slog.New(slog.DiscardHandler)}
	if database != nil {
		inPostgres(&r.config, database.DSN(t))
	}
	for _, c := range change {
		c(&r.config)
	}
	r.open()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, b := range []string{plain, versioned, suspended, locked} {
		r.must(r.CreateBucket(r.ctx, b))
		if b != plain {
			r.must(r.SetVersioning(r.ctx, b, object.Enabled))
		}
	}
	r.must(r.SetVersioning(r.ctx, suspended, object.Suspended))
	r.must(r.EnableLock(r.ctx, locked))
	return r
}

func (r *rig) open() {
	r.t.Helper()
	s, err := object.Open(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Store = s
}

func (r *rig) reopen() {
	r.t.Helper()
	r.must(r.Close())
	r.open()
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// wants fails unless err is the one wanted.
func (r *rig) wants(err, want error) {
	r.t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		r.t.Fatalf("%v, want %v", err, want)
	}
}

func (r *rig) put(bucket, key string, body []byte, change ...func(*object.PutInput)) object.Info {
	r.t.Helper()
	info, err := r.tryPut(bucket, key, body, change...)
	r.must(err)
	return info
}

func (r *rig) tryPut(bucket, key string, body []byte, change ...func(*object.PutInput)) (object.Info, error) {
	in := object.PutInput{Bucket: bucket, Key: key, Size: int64(len(body))}
	for _, c := range change {
		c(&in)
	}
	return r.Put(r.ctx, in, bytes.NewReader(body))
}

func (r *rig) tryGet(in object.GetInput) ([]byte, object.Info, error) {
	rd, info, err := r.Get(r.ctx, in)
	if err != nil {
		return nil, info, err
	}
	b, err := io.ReadAll(rd)
	return b, info, errors.Join(err, rd.Close())
}

// holds fails unless a version has that body.
func (r *rig) holds(bucket, key, version string, body []byte) object.Info {
	r.t.Helper()
	b, info, err := r.tryGet(object.GetInput{Bucket: bucket, Key: key, Version: version})
	r.must(err)
	if !bytes.Equal(b, body) {
		r.t.Fatalf("%s/%q %s has %d bytes %.20q, want %d bytes %.20q", bucket, key, version, len(b), b, len(body), body)
	}
	if info.Size != int64(len(body)) || info.Key != key {
		r.t.Fatalf("%s/%q is told as %q of %d bytes, has %d", bucket, key, info.Key, info.Size, len(body))
	}
	return info
}

func (r *rig) list(bucket string, in object.ListInput) object.Listing {
	r.t.Helper()
	if in.Max == 0 {
		in.Max = 1000
	}
	l, err := r.List(r.ctx, bucket, in)
	r.must(err)
	return l
}

func (r *rig) delete(bucket, key, version string) object.Deleted {
	r.t.Helper()
	d, err := r.Delete(r.ctx, bucket, object.DeleteInput{Key: key, Version: version})
	r.must(err)
	return d
}

func (r *rig) usage(bucket string, want object.Usage) {
	r.t.Helper()
	got, err := r.Usage(r.ctx, bucket)
	r.must(err)
	if got != want {
		r.t.Errorf("usage of %s is %+v, want %+v", bucket, got, want)
	}
}

// random returns bytes that are the same for the same seed.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return b
}

func etag(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
