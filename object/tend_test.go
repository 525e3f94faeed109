package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/object"
)

// TestCompaction holds that segments of which little is in use go, and what is in use
// stays: current versions, old ones, and what changes meanwhile.
func TestCompaction(t *testing.T) {
	r := newRig(t, func(c *object.Config) { c.SegmentSize = 50_000 })
	body := func(n int) []byte { return random(uint64(n), 1000) }
	old := map[int]string{}
	for n := range 400 {
		key := fmt.Sprint(n)
		old[n] = r.put(versioned, key, body(n)).Version
		if n%4 == 0 {
			r.put(versioned, key, body(n+1000))
		}
	}
	r.put(plain, "last", body(1)) // so that what is above is in closed segments
	before := len(r.segments())
	for n := range 400 {
		if n%8 != 0 && n%8 != 1 {
			r.delete(versioned, fmt.Sprint(n), old[n])
		}
	}
	for range 3 {
		r.must(r.Maintain(r.ctx))
	}
	if after := len(r.segments()); before < 9 || after > before*2/3 {
		t.Errorf("%d segments became %d", before, after)
	}
	r.reopen()
	for n := range 400 {
		if n%8 == 0 || n%8 == 1 {
			r.holds(versioned, fmt.Sprint(n), old[n], body(n))
		}
		if n%4 == 0 {
			r.holds(versioned, fmt.Sprint(n), "", body(n+1000))
		}
	}
	if s, damage := r.scrub(); len(damage) != 0 || s.Blobs != 201 {
		t.Errorf("scrubbed %+v, damaged %v", s, damage)
	}
	for n := range 400 {
		for _, v := range r.historyIDs(versioned, fmt.Sprint(n)) {
			r.delete(versioned, fmt.Sprint(n), v)
		}
	}
	r.delete(plain, "last", "")
	r.put(plain, "open", body(0))
	r.must(r.Maintain(r.ctx))
	if n := len(r.segments()); n != 1 {
		t.Errorf("%d segments are left of nothing", n)
	}
}

// TestFullSegmentsStay holds that a segment that is all in use is not compacted, however
// small its objects and long their keys.
func TestFullSegmentsStay(t *testing.T) {
	r := newRig(t, func(c *object.Config) { c.SegmentSize = 5000 })
	for n := range 100 {
		r.put(plain, fmt.Sprintf("%0500d", n), []byte("x"))
	}
	before := r.segments()
	r.must(r.Maintain(r.ctx))
	if after := r.segments(); !slices.Equal(before, after) || len(before) < 8 {
		t.Errorf("segments %v became %v", before, after)
	}
}

func (r *rig) historyIDs(bucket, key string) (all []string) {
	r.t.Helper()
	l, err := r.Versions(r.ctx, bucket, object.VersionsInput{ListInput: object.ListInput{Prefix: key, Max: 1000}})
	r.must(err)
	for _, v := range l.Versions {
		if v.Key == key {
			all = append(all, v.Version)
		}
	}
	return all
}

// TestReadersKeepBytes holds that what was opened can be read to its end, whatever
// becomes of the object.
func TestReadersKeepBytes(t *testing.T) {
	r := newRig(t, func(c *object.Config) { c.SegmentSize = 1000 })
	bodies := map[string][]byte{"small": random(1, 2000), "large": random(2, 900_000), "parts": nil}
	u := r.begin(plain, "parts")
	var parts []object.CompletePart
	for n := range 5 {
		b := random(uint64(n), 150_000)
		bodies["parts"] = append(bodies["parts"], b...)
		parts = append(parts, r.part(plain, u, n+1, b))
	}
	_, err := r.complete(plain, u, parts...)
	r.must(err)
	r.put(plain, "small", bodies["small"])
	r.put(plain, "large", bodies["large"])
	readers := map[string]*object.Reader{}
	for key := range bodies {
		if readers[key], _, err = r.Get(r.ctx, object.GetInput{Bucket: plain, Key: key}); err != nil {
			t.Fatal(err)
		}
		r.delete(plain, key, "")
	}
	r.put(plain, "other", random(3, 2000))
	r.must(r.Maintain(r.ctx))
	for key, rd := range readers {
		b, err := io.ReadAll(rd)
		if err != nil || !bytes.Equal(b, bodies[key]) {
			t.Errorf("%s: %d bytes, %v", key, len(b), err)
		}
		r.must(rd.Close())
	}
	r.must(r.Maintain(r.ctx))
	if files := r.files(); len(files) != 0 {
		t.Errorf("files %v are left", files)
	}
}

// TestConcurrency lets many do everything at once to a few keys, and holds that each
// read is of something that was put as a whole, and that counters agree at the end.
func TestConcurrency(t *testing.T) {
	r := newRig(t, func(c *object.Config) { c.SegmentSize = 20_000 })
	ctx, cancel := context.WithCancel(r.ctx)
	var tending sync.WaitGroup
	tending.Go(func() {
		for ctx.Err() == nil {
			if err := r.Maintain(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	const rounds = 150
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for n := range rounds {
				bucket, key := []string{plain, versioned, suspended}[n%3], fmt.Sprint("key", (n+w)%4)
				size := []int{10, 5000, 263_000}[(n/3+w)%3]
				if _, err := r.tryPut(bucket, key, whole(w*rounds+n, size)); err != nil {
					t.Error(err)
				}
				b, _, err := r.tryGet(object.GetInput{Bucket: bucket, Key: key})
				if err == nil && !isWhole(b) {
					t.Errorf("read %d bytes of several puts", len(b))
				} else if err != nil && !errors.Is(err, object.ErrNoKey) && !errors.Is(err, object.ErrMarker) {
					t.Error(err)
				}
				if n%5 == 0 {
					if _, err := r.Delete(r.ctx, bucket, object.DeleteInput{Key: key}); err != nil {
						t.Error(err)
					}
				}
				if _, err := r.List(r.ctx, bucket, object.ListInput{Max: 10}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	cancel()
	tending.Wait()
	for _, bucket := range []string{plain, versioned, suspended} {
		var want object.Usage
		for v, err := range r.All(r.ctx, bucket, "") {
			r.must(err)
			if v.Marker {
				want.Markers++
				continue
			}
			if v.Latest {
				want.Objects++
			}
			want.Versions++
			want.Bytes += v.Size
		}
		r.usage(bucket, want)
	}
	if _, damage := r.scrub(); len(damage) != 0 {
		t.Errorf("damaged: %v", damage)
	}
}

// whole is a body of one number, again and again.
func whole(n, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%010d", n), size/10)
}

func isWhole(b []byte) bool {
	return len(b) >= 10 && bytes.Equal(b, bytes.Repeat(b[:10], len(b)/10))
}

// TestIncrements holds that conditional writes lose no update.
func TestIncrements(t *testing.T) {
	r := newRig(t)
	r.put(plain, "n", nil)
	var all sync.WaitGroup
	const workers, each = 6, 20
	for range workers {
		all.Go(func() {
			for done := 0; done < each; {
				b, info, err := r.tryGet(object.GetInput{Bucket: plain, Key: "n"})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = r.tryPut(plain, "n", append(b, 'x'), func(in *object.PutInput) { in.IfMatch = info.ETag })
				if err == nil {
					done++
				} else if !errors.Is(err, object.ErrPrecondition) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	r.holds(plain, "n", "", bytes.Repeat([]byte("x"), workers*each))
}
