package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object"
)

// faultFS fails what the test says.
type faultFS struct {
	*vfs.MemFS
	fail atomic.Pointer[func(op, name string) error]
}

func (f *faultFS) set(fail func(op, name string) error) { f.fail.Store(&fail) }

func (f *faultFS) check(op, name string) error {
	if fail := f.fail.Load(); fail != nil && *fail != nil {
		return (*fail)(op, name)
	}
	return nil
}

func (f *faultFS) wrap(op, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if err := f.check(op, name); err != nil {
		return nil, err
	}
	file, err := open()
	if err != nil {
		return nil, err
	}
	return faultFile{file, f, name}, nil
}

func (f *faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap("create", name, func() (vfs.File, error) { return f.MemFS.Create(name, c) })
}

func (f *faultFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.wrap("create", to, func() (vfs.File, error) { return f.MemFS.ReuseForWrite(from, to, c) })
}

func (f *faultFS) OpenDir(name string) (vfs.File, error) {
	return f.wrap("open", name, func() (vfs.File, error) { return f.MemFS.OpenDir(name) })
}

func (f *faultFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	return f.wrap("open", name, func() (vfs.File, error) { return f.MemFS.Open(name, o...) })
}

func (f *faultFS) Remove(name string) error {
	return errors.Join(f.check("remove", name), f.MemFS.Remove(name))
}

type faultFile struct {
	vfs.File
	fs   *faultFS
	name string
}

// errShort writes half, and tells so.
var errShort = io.ErrShortWrite

func (f faultFile) Write(p []byte) (int, error) {
	if err := f.fs.check("write", f.name); errors.Is(err, errShort) {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	} else if err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f faultFile) Sync() error {
	if err := f.fs.check("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f faultFile) SyncData() error {
	if err := f.fs.check("sync", f.name); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f faultFile) Preallocate(off, n int64) error {
	if err := f.fs.check("preallocate", f.name); err != nil {
		return err
	}
	return f.File.Preallocate(off, n)
}

func (f faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.check("read", f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func faulty(t *testing.T) (*rig, *faultFS) {
	f := &faultFS{MemFS: vfs.NewMem()}
	return newRig(t, func(c *object.Config) { c.FS = f }), f
}

// TestFailingBytes lets every operation fail that puts bytes on the disk: the put
// fails, tells why, leaves nothing, and the next one is fine.
func TestFailingBytes(t *testing.T) {
	broken := errors.New("the disk is broken")
	for _, size := range []int{1000, 300_000} {
		for _, op := range []string{"create", "write", "sync", "preallocate", "open"} {
			for _, fault := range []error{broken, syscall.ENOSPC, errShort} {
				if errors.Is(fault, errShort) && op != "write" || size == 1000 && op == "preallocate" {
					continue
				}
				t.Run(fmt.Sprintf("%s %v %d", op, fault, size), func(t *testing.T) {
					r, disk := faulty(t)
					body := random(1, size)
					if op != "create" && op != "open" { // else the segment must be a new one
						r.put(plain, "a", body)
					}
					failed := 0
					disk.set(func(at, name string) error {
						if at == op && strings.Contains(name, "blobs") {
							failed++
							return fault
						}
						return nil
					})
					before, hadAny := r.list(plain, object.ListInput{}), failed
					_, err := r.tryPut(plain, "a", random(2, size))
					if want := fault; !errors.Is(err, want) || failed == hadAny {
						t.Fatalf("put: %v after %d faults", err, failed)
					}
					if full := errors.Is(err, object.ErrFull); full != errors.Is(fault, syscall.ENOSPC) {
						t.Errorf("put: %v", err)
					}
					disk.set(nil)
					if after := r.list(plain, object.ListInput{}); len(after.Objects) != len(before.Objects) {
						t.Errorf("%d objects became %d", len(before.Objects), len(after.Objects))
					}
					if len(before.Objects) == 1 {
						r.holds(plain, "a", "", body)
					}
					r.put(plain, "b", random(3, size))
					r.reopen()
					r.holds(plain, "b", "", random(3, size))
					if len(before.Objects) == 1 {
						r.holds(plain, "a", "", body)
					}
				})
			}
		}
	}
}

// TestFailingIndex lets the index's log fail: the store refuses everything from then on,
// and a new start has all that was answered.
func TestFailingIndex(t *testing.T) {
	broken := errors.New("the disk is broken")
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			r, disk := faulty(t)
			r.put(plain, "a", []byte("a"))
			disk.set(func(at, name string) error {
				if at == op && strings.HasSuffix(name, ".log") {
					return broken
				}
				return nil
			})
			for range 3 {
				_, err := r.tryPut(plain, "b", []byte("b"))
				r.wants(err, object.ErrFailed)
			}
			r.getFails(plain, "a", "", object.ErrFailed)
			_, err := r.List(r.ctx, plain, object.ListInput{Max: 1})
			r.wants(err, object.ErrFailed)
			r.wants(r.CreateBucket(r.ctx, "new"), object.ErrFailed)
			r.wants(r.Run(r.ctx), object.ErrFailed)
			disk.set(nil)
			r.must(r.Close())
			r.config.Dir = copyDir(t, disk, r.config.Dir) // the failed store holds its lock until the process ends
			r.open()
			r.holds(plain, "a", "", []byte("a"))
			r.put(plain, "c", []byte("c"))
		})
	}
}

// copyDir copies a folder of the disk, as another process would find it.
func copyDir(t *testing.T, disk *faultFS, dir string) string {
	t.Helper()
	to := dir + "-copy"
	if _, err := vfs.Clone(disk.MemFS, disk.MemFS, dir, to, vfs.CloneSync); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestFullDisk holds that a reserve stays free, out of which can be deleted.
func TestFullDisk(t *testing.T) {
	r, disk := faulty(t)
	r.put(plain, "small", []byte("a"))
	r.put(plain, "large", random(1, 300_000))
	const reserve = 256 << 20
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: reserve + 1<<20, TotalBytes: 1 << 40})
	r.clock.advance(1 << 40)
	_, err := r.tryPut(plain, "more", random(1, 2<<20))
	r.wants(err, object.ErrFull)
	r.put(plain, "fits", random(1, 1000))
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: reserve, TotalBytes: 1 << 40})
	r.clock.advance(1 << 40)
	_, err = r.tryPut(plain, "more", []byte("b"))
	r.wants(err, object.ErrFull)
	r.holds(plain, "large", "", random(1, 300_000))
	r.delete(plain, "large", "")
	r.must(r.Maintain(r.ctx))
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: reserve + 300_000, TotalBytes: 1 << 40})
	r.put(plain, "more", []byte("b"))
}

// flip changes a byte of a file.
func (r *rig) flip(name string, at int64) {
	r.t.Helper()
	f, err := r.config.FS.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	r.must(err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	r.must(err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	r.must(errors.Join(err, f.Close()))
}

func (r *rig) scrub() (object.Scrubbed, []object.Damage) {
	r.t.Helper()
	var all []object.Damage
	s, err := r.Scrub(r.ctx, 0, func(d object.Damage) { all = append(all, d) })
	r.must(err)
	return s, all
}

// TestRot flips bytes: reads fail or are right, and a scrub tells of every blob that
// reads fail of.
func TestRot(t *testing.T) {
	r := newRig(t)
	small, large := random(1, 300), random(2, 300_000)
	r.put(plain, "small", small)
	r.put(plain, "large", large)
	u := r.begin(plain, "parts")
	_, err := r.complete(plain, u, r.part(plain, u, 1, small))
	r.must(err)
	if s, damage := r.scrub(); s.Blobs != 3 || len(damage) != 0 || s.Bytes < 300_600 {
		t.Fatalf("scrubbed %+v, damaged %v", s, damage)
	}
	bodies := map[string][]byte{"small": small, "large": large, "parts": small}
	failed := map[string]int{}
	for _, name := range append(r.segments(), r.files()...) {
		info, err := r.config.FS.Stat(name)
		r.must(err)
		step := max(1, info.Size()/701)
		for at := int64(0); at < info.Size(); at += step {
			r.flip(name, at)
			bad := ""
			for key, body := range bodies {
				switch b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: key}); {
				case errors.Is(err, object.ErrCorrupt):
					bad = key
					failed[key]++
					if !bytes.HasPrefix(body, b) {
						t.Fatalf("byte %d of %s was flipped: wrong bytes came before the error", at, name)
					}
				case err != nil:
					t.Fatalf("byte %d of %s was flipped: %v", at, name, err)
				case !bytes.Equal(b, body):
					t.Fatalf("byte %d of %s was flipped: wrong bytes", at, name)
				}
			}
			if _, damage := r.scrub(); (bad != "") != (len(damage) == 1) {
				// A checksum itself may be what was flipped: reads need it not.
				if bad != "" || len(damage) != 1 {
					t.Fatalf("byte %d of %s was flipped: reads of %q fail, a scrub tells of %v", at, name, bad, damage)
				}
			}
			r.flip(name, at)
		}
	}
	for key := range bodies {
		if failed[key] < 300 {
			t.Errorf("only %d flipped bytes were noticed in %s", failed[key], key)
		}
	}
	if _, damage := r.scrub(); len(damage) != 0 {
		t.Errorf("all is mended, but a scrub tells of %v", damage)
	}
}

// TestLostFiles holds that a lost file is told, not taken for an empty one.
func TestLostFiles(t *testing.T) {
	r := newRig(t)
	r.put(plain, "large", random(2, 300_000))
	r.must(r.config.FS.Remove(r.files()[0]))
	if _, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "large"}); err == nil {
		t.Error("a lost file was read")
	}
	if _, damage := r.scrub(); len(damage) != 1 || damage[0].Key != "large" || damage[0].Bucket != plain {
		t.Errorf("a scrub tells of %v", damage)
	}
	r.delete(plain, "large", "")
	r.must(r.Maintain(r.ctx))
}

// TestOrphans holds that what a crash left is removed, and what is being written is not.
func TestOrphans(t *testing.T) {
	r := newRig(t)
	r.put(plain, "a", random(1, 300_000))
	f, err := r.config.FS.Create(r.config.FS.PathJoin(r.config.Dir, "blobs", "files", "00", "0000000000000040"), vfs.WriteCategoryUnspecified)
	r.must(err)
	r.must(f.Close())
	r.reopen()
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := r.Put(r.ctx, object.PutInput{Bucket: plain, Key: "b", Size: -1}, read)
		done <- err
	}()
	body := random(2, 600_000)
	_, err = write.Write(body[:500_000])
	r.must(err)
	r.must(r.Maintain(r.ctx))
	if n := len(r.files()); n != 2 {
		t.Errorf("%d files, want that of a and that of b", n)
	}
	_, err = write.Write(body[500_000:])
	r.must(errors.Join(err, write.Close()))
	r.must(<-done)
	r.holds(plain, "b", "", body)
	r.holds(plain, "a", "", random(1, 300_000))
}

// TestCancelled holds that a caller who goes away changes nothing.
func TestCancelled(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	_, err := r.Put(ctx, object.PutInput{Bucket: plain, Key: "a", Size: 1}, strings.NewReader("a"))
	r.wants(err, context.Canceled)
	r.getFails(plain, "a", "", object.ErrNoKey)
	r.put(plain, "a", random(1, 600_000))
	ctx, cancel = context.WithCancel(r.ctx)
	rd, _, err := r.Get(ctx, object.GetInput{Bucket: plain, Key: "a"})
	r.must(err)
	cancel()
	_, err = io.Copy(io.Discard, rd)
	r.wants(err, context.Canceled)
	r.must(rd.Close())
}
