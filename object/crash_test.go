package object_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/index"
)

// TestCrashes crashes a disk that forgets what was not synced, at moments that are
// spread over everything that the store does to it, and compares what is there after
// it with a model. Each worker has its own keys; what it was doing at the
// moment of the crash may have happened or not.
func TestCrashes(t *testing.T) {
	crashes := 2000 // some ten seconds of two processors; VAUBAN_CRASHES=100000 for a night
	if s := os.Getenv("VAUBAN_CRASHES"); s != "" {
		crashes, _ = strconv.Atoi(s)
	}
	const atOnce = 2
	done := make(chan int, atOnce)
	var all sync.WaitGroup
	for w := range atOnce {
		all.Go(func() {
			total, c := 0, (*crasher)(nil)
			for n := 0; n < crashes/atOnce && !t.Failed(); n++ {
				if n%50 == 0 { // a store that has seen few crashes is small, and quick to compare
					if c != nil {
						c.rig.must(c.rig.Close())
					}
					c = newCrasher(t, uint64(n*atOnce+w))
				}
				c.round(n)
				total++
			}
			c.rig.must(c.rig.Close())
			done <- total
		})
	}
	all.Wait()
	close(done)
	total := 0
	for n := range done {
		total += n
	}
	t.Logf("%d crashes", total)
}

// crasher goes from crash to crash.
type crasher struct {
	t      testing.TB
	rng    *rand.Rand
	rig    *rig
	disk   *crashFS
	models []*model // one a worker, each of its own bucket
}

const crashWorkers = 3

func crashBucket(w int) string { return "crash" + strconv.Itoa(w) }

func newCrasher(t testing.TB, seed uint64) *crasher {
	c := &crasher{t: t, rng: rand.New(rand.NewPCG(seed, 1)), disk: &crashFS{FS: vfs.NewCrashableMem()}}
	c.rig = newRig(&quiet{TB: t}, func(o *object.Config) {
		o.FS, o.SegmentSize = c.disk, 20_000
		if open := o.Index; open != nil {
			o.Index = func(failed func(error)) (index.Engine, error) {
				e, err := open(failed)
				return crashIndex{e, c.disk}, err
			}
		}
	})
	for w := range crashWorkers {
		c.models = append(c.models, newModel())
		c.rig.must(c.rig.CreateBucket(c.rig.ctx, crashBucket(w)))
	}
	return c
}

// quiet keeps the rig from closing a store that has crashed.
type quiet struct{ testing.TB }

func (quiet) Cleanup(func()) {}

// round works until the crash, starts anew and compares.
func (c *crasher) round(n int) {
	disk := c.disk
	disk.arm(c.rng.IntN(120)+1, c.rng)
	after := make([][]*model, crashWorkers) // what may be there
	var workers sync.WaitGroup
	for w := range crashWorkers {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 2))
		workers.Go(func() { after[w] = c.work(rng, w, disk) })
	}
	workers.Go(func() {
		for range 8 {
			if err := c.rig.Maintain(c.rig.ctx); err != nil && !errors.Is(err, errCrashed) {
				c.t.Errorf("maintain: %v", err)
			}
		}
	})
	workers.Wait()
	left := disk.crashed()
	if err := c.rig.Close(); err != nil {
		c.t.Errorf("close: %v", err)
	}
	c.disk = &crashFS{FS: left}
	c.rig.config.FS = c.disk
	c.rig.open()
	for w, possible := range after {
		c.models[w] = c.choose(n, w, possible)
	}
}

// choose returns the model that is what is there.
func (c *crasher) choose(round, w int, possible []*model) *model {
	var last failure
	for _, m := range possible {
		f := failure{}
		func() {
			defer func() {
				if p := recover(); p != nil && p != any(&f) {
					panic(p)
				}
			}()
			compare(&f, c.rig, crashBucket(w), m)
		}()
		if f.text == "" {
			return m
		}
		last.text += "\n" + f.text
	}
	c.t.Errorf("crash %d, bucket %d: %s", round, w, last.text)
	return possible[0]
}

// failure is a test that can fail without ending.
type failure struct{ text string }

func (*failure) Helper() {}

func (f *failure) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f)
}

// work changes a bucket until the disk has crashed. It returns the models of what
// may be there then: without and with the change that was under way.
func (c *crasher) work(rng *rand.Rand, w int, disk *crashFS) []*model {
	m := c.models[w]
	for {
		next := m.clone()
		before := disk.isCrashed()
		if before {
			return []*model{m}
		}
		err := c.change(rng, crashBucket(w), next)
		if err != nil && !errors.Is(err, errCrashed) {
			c.t.Errorf("change: %v", err)
			return []*model{m}
		}
		if disk.isCrashed() { // before it was answered
			return []*model{m, next}
		}
		m = next
	}
}

// change does something to the bucket, and the same to the model.
func (c *crasher) change(rng *rand.Rand, bucket string, m *model) error {
	r := c.rig
	key := string("abc/"[rng.IntN(4)]) + string("xy"[rng.IntN(2)])
	body := random(rng.Uint64(), []int{0, 10, 500, 700, 3000, 3001, 3002, 262_064}[rng.IntN(8)])
	switch rng.IntN(12) {
	case 0:
		m.versioning = object.Enabled
		return r.SetVersioning(r.ctx, bucket, object.Enabled)
	case 1:
		if m.versioning == object.Unversioned {
			return nil
		}
		m.versioning = object.Suspended
		return r.SetVersioning(r.ctx, bucket, object.Suspended)
	case 2, 3:
		d, err := r.Delete(r.ctx, bucket, object.DeleteInput{Key: key})
		if m.versioning == object.Unversioned {
			m.remove(key, object.NullVersion)
		} else {
			m.put(key, modelVersion{version: d.Version, marker: true})
		}
		return err
	case 4, 5:
		if versions := m.keys[key]; len(versions) > 0 {
			v := versions[rng.IntN(len(versions))]
			m.remove(key, v.version)
			_, err := r.Delete(r.ctx, bucket, object.DeleteInput{Key: key, Version: v.version})
			return err
		}
		return nil
	case 6, 7, 8:
		return c.upload(rng, bucket, key, body, m)
	default:
		info, err := r.Put(r.ctx, object.PutInput{Bucket: bucket, Key: key, Size: -1}, bytes.NewReader(body))
		m.put(key, modelVersion{version: info.Version, body: body})
		return err
	}
}

// upload takes an upload one step further.
func (c *crasher) upload(rng *rand.Rand, bucket, key string, body []byte, m *model) error {
	r := c.rig
	if len(m.uploads) == 0 {
		u, err := r.CreateUpload(r.ctx, object.UploadInput{Bucket: bucket, Key: key})
		m.uploads = append(m.uploads, &modelUpload{key, u.ID, map[int][]byte{}})
		return err
	}
	u := m.uploads[0]
	switch rng.IntN(4) {
	case 0:
		m.uploads = nil
		return r.AbortUpload(r.ctx, bucket, u.key, u.id)
	case 1:
		in := object.CompleteInput{Bucket: bucket, Key: u.key, Upload: u.id, Size: -1}
		v := modelVersion{body: []byte{}}
		for n := 1; n <= 3; n++ {
			if b, ok := u.parts[n]; ok {
				in.Parts = append(in.Parts, object.CompletePart{Number: n, ETag: etag(b)})
				v.body, v.parts = append(v.body, b...), append(v.parts, len(b))
			}
		}
		info, err := r.CompleteUpload(r.ctx, in)
		if errors.Is(err, object.ErrInput) || errors.Is(err, object.ErrPartSmall) { // no parts, or small ones
			return nil
		}
		v.version = info.Version
		m.put(u.key, v)
		m.uploads = nil
		return err
	default:
		n := rng.IntN(3) + 1
		_, err := r.PutPart(r.ctx, object.PartInput{Bucket: bucket, Key: u.key, Upload: u.id, Number: n, Size: -1}, bytes.NewReader(body))
		u.parts[n] = body
		return err
	}
}

// crashIndex is an index elsewhere, which takes nothing from a process that has crashed.
type crashIndex struct {
	index.Engine
	disk *crashFS
}

type crashBatch struct {
	index.Batch
	disk *crashFS
}

var errCrashed = errors.New("this process does not exist any more")

func (c crashIndex) Batch() index.Batch { return crashBatch{c.Engine.Batch(), c.disk} }

func (b crashBatch) Commit(durable bool) error {
	if b.disk.isCrashed() {
		return errCrashed
	}
	return b.Batch.Commit(durable)
}

// crashFS is a disk that is copied, as it would be after a crash, before one of
// the changes to it; or when a change is asked for that never came.
type crashFS struct {
	vfs.FS
	mu    sync.Mutex
	in    int        // changes until the crash; guarded by mu
	rng   *rand.Rand // guarded by mu
	image *vfs.MemFS // guarded by mu; nil until the crash
}

func (c *crashFS) arm(in int, rng *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in, c.rng = in, rand.New(rand.NewPCG(rng.Uint64(), 3))
}

func (c *crashFS) isCrashed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.image != nil
}

func (c *crashFS) crashed() *vfs.MemFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.image
}

// change counts, and crashes.
func (c *crashFS) change() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in--; c.in == 0 {
		c.image = c.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(3) * 50, RNG: c.rng})
	}
}

func (c *crashFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return crashFile{f, c}, nil
}

func (c *crashFS) Create(name string, w vfs.DiskWriteCategory) (vfs.File, error) {
	c.change()
	return c.wrap(c.FS.Create(name, w))
}

func (c *crashFS) ReuseForWrite(from, to string, w vfs.DiskWriteCategory) (vfs.File, error) {
	c.change()
	return c.wrap(c.FS.ReuseForWrite(from, to, w))
}

func (c *crashFS) OpenDir(name string) (vfs.File, error) { return c.wrap(c.FS.OpenDir(name)) }

func (c *crashFS) Rename(from, to string) error {
	c.change()
	return c.FS.Rename(from, to)
}

func (c *crashFS) Remove(name string) error {
	c.change()
	return c.FS.Remove(name)
}

type crashFile struct {
	vfs.File
	fs *crashFS
}

func (f crashFile) Write(p []byte) (int, error) { f.fs.change(); return f.File.Write(p) }
func (f crashFile) Sync() error                 { f.fs.change(); return f.File.Sync() }
func (f crashFile) SyncData() error             { f.fs.change(); return f.File.SyncData() }
