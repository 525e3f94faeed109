package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
	"github.com/vauban-cloud/vauban/test/bench/s3load"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// manyObjects is how many objects the goal of memory is for.
const manyObjects = 10_000_000

// memoryOfObjects measures the memory of a cloud with a large index while 64 clients are
// busy. The objects are put by the engine itself, on a disk that does not sync, while the
// cloud is stopped: only the clients' own objects can be read, all are listed and told of.
func memoryOfObjects(b *bench) {
	c := e2e.Start(b)
	s := b.serverOf(c)
	const bucket = "many"
	b.must(s.makeBucket(b.ctx, bucket))
	c.Kill()
	begin := time.Now()
	b.must(fillObjects(b.ctx, c.Data, bucket, b.many))
	took := time.Since(begin)
	c.Exec()
	b.must(firstAnswer(b.ctx, c, time.Minute))
	s.pid = c.PID()
	requests, span := s.mixed(bucket, b.many), time.Duration(b.samples(30, 3))*time.Second
	var most, anonymous float64
	over := make(chan struct{})
	var watch errgroup.Group
	watch.Go(func() error {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-over:
				return nil
			case <-tick.C:
			}
			memory, err := resident(s.pid)
			if err != nil {
				return err
			}
			most, anonymous = max(most, memory["VmRSS"]), max(anonymous, memory["RssAnon"])
		}
	})
	got, err := s.Run(b.ctx, 64, requests, true, span)
	close(over)
	b.must(errors.Join(err, watch.Wait()))
	r := result{
		Measure: fmt.Sprintf("resident memory, %d objects indexed, 64 clients, most", b.many), Value: most, Unit: "MB",
		Note: fmt.Sprintf("of which %.0f MB are its own; %.0f requests/s; the index was filled in %.0f s", anonymous, got.Rate(), took.Seconds()),
	}
	if b.many >= manyObjects {
		r.Goal = atMost(150)
	}
	b.add(r)
}

// mixed are requests of each kind, all over the index.
func (s *objectServer) mixed(bucket string, count int) (all []s3load.Request) {
	content := body(4 << 10)
	for n := range 20_000 {
		own := fmt.Sprintf("/%s/own/%d", bucket, n/4)
		all = append(all, s.Request("PUT", own, "", content))
		all = append(all, s.Request("HEAD", fmt.Sprintf("/%s/%s", bucket, manyKey(n*7919%count)), "", nil))
		if n%100 == 0 {
			all = append(all, s.Request("GET", "/"+bucket, fmt.Sprintf("list-type=2&max-keys=1000&start-after=folder%05d", n*7919%count/1000), nil))
		}
	}
	return all
}

func manyKey(n int) string { return fmt.Sprintf("folder%05d/%09d.jpg", n/1000, n) }

// fillObjects puts objects of one byte into a bucket of a cloud that is not running.
func fillObjects(ctx context.Context, data, bucket string, count int) (err error) {
	db, err := sqlite.Open(ctx, filepath.Join(data, "vauban.db"), cloud.Documents()...)
	if err != nil {
		return err
	}
	id, _ := store.Owner(db.View(), cloud.BucketNames, bucket)
	if err := db.Close(); err != nil {
		return err
	}
	s, err := object.Open(object.Config{Dir: filepath.Join(data, "objects"), Keys: someKey{}, FS: unsynced{vfs.Default}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var next atomic.Int64
	var all errgroup.Group
	for range 64 {
		all.Go(func() error {
			for n := int(next.Add(1)) - 1; n < count && ctx.Err() == nil; n = int(next.Add(1)) - 1 {
				in := object.PutInput{Bucket: id, Key: manyKey(n), Size: 1, Class: "STANDARD", Owner: "100000000001"}
				if _, err := s.Put(ctx, in, bytes.NewReader([]byte("x"))); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return all.Wait()
}

// someKey is not the key of any bucket.
type someKey struct{}

func (someKey) BucketKey(context.Context, string) (*seal.Key, error) {
	return seal.New(bytes.Repeat([]byte("k"), seal.KeySize))
}

// unsynced is a file system that leaves what is written to the kernel.
type unsynced struct{ vfs.FS }

func (f unsynced) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return unsyncedFile{file}, err
}

func (f unsynced) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, c)
	return unsyncedFile{file}, err
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error                { return nil }
func (unsyncedFile) SyncData() error            { return nil }
func (unsyncedFile) SyncTo(int64) (bool, error) { return false, nil }
