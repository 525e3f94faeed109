package object_test

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/blob"
)

// opens counts how often a backend is asked for a blob.
type opens struct {
	object.Backend
	count *atomic.Int64
}

func (o opens) Open(r blob.Ref) (blob.Reader, error) {
	o.count.Add(1)
	return o.Backend.Open(r)
}

func TestHotObjects(t *testing.T) {
	var asked atomic.Int64
	r := newRig(t, func(c *object.Config) {
		c.Hot = 16 << 20
		c.Backend = func(number func() uint64) (object.Backend, error) {
			b, err := blob.Open(blob.Config{Dir: "/objects/blobs", FS: c.FS, SegmentSize: c.SegmentSize, Number: number})
			return opens{b, &asked}, err
		}
	})
	body := random(1, 1_500_000)
	r.put(plain, "a", body)
	whole := func(want int64) {
		t.Helper()
		before := asked.Load()
		r.holds(plain, "a", "", body)
		if got := asked.Load() - before; got != want {
			t.Errorf("the disk was asked %d times, want %d", got, want)
		}
	}
	whole(1)
	whole(1) // and kept
	whole(0)
	for _, test := range [][2]int64{{0, 0}, {0, 1_499_999}, {65_000, 300_000}, {1_499_999, 1_499_999}} {
		in := object.GetInput{Bucket: plain, Key: "a", Range: &object.Range{First: test[0], Last: test[1]}}
		want := body[test[0] : test[1]+1]
		if b, _, err := r.tryGet(in); err != nil || !bytes.Equal(b, want) {
			t.Errorf("bytes %d to %d: %d bytes, %v", test[0], test[1], len(b), err)
		}
		var to bytes.Buffer
		rd, _, err := r.Get(r.ctx, in)
		r.must(err)
		if n, err := io.Copy(&to, rd); err != nil || n != int64(len(want)) || !bytes.Equal(to.Bytes(), want) {
			t.Errorf("bytes %d to %d: %d bytes were copied, %v", test[0], test[1], n, err)
		}
		r.must(rd.Close())
	}
	if n := r.HotBytes(); n != int64(len(body)) {
		t.Errorf("%d bytes are in memory, want one object", n)
	}

	rd, _, err := r.Get(r.ctx, object.GetInput{Bucket: plain, Key: "a"})
	r.must(err)
	r.delete(plain, "a", "")
	r.must(r.Maintain(r.ctx))
	if b, err := io.ReadAll(rd); err != nil || !bytes.Equal(b, body) {
		t.Errorf("an object that was deleted while it was read has %d bytes, %v", len(b), err)
	}
	r.must(rd.Close())
	if n := r.HotBytes(); n != 0 {
		t.Errorf("%d bytes of deleted objects are in memory", n)
	}

	key := random(2, 32)
	r.put(plain, "own", body, func(in *object.PutInput) { in.CustomerKey = key })
	for range 3 {
		if b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "own", CustomerKey: key}); err != nil || !bytes.Equal(b, body) {
			t.Errorf("with a key of one's own: %d bytes, %v", len(b), err)
		}
	}
	if n := r.HotBytes(); n != 0 {
		t.Errorf("%d bytes of objects under a caller's key are in memory", n)
	}

	r.put(plain, "a", body)
	for range 3 {
		r.holds(plain, "a", "", body)
	}
	r.keys.drop(plain)
	_, _, err = r.tryGet(object.GetInput{Bucket: plain, Key: "a"})
	r.wants(err, object.ErrUnreadable)
	r.must(r.Close())
	if n := r.HotBytes(); n != 0 {
		t.Errorf("a store that was closed has %d bytes in memory", n)
	}
	r.open()
}
