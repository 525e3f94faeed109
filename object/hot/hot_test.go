package hot_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/object/hot"
)

func blob(unit uint64, size int) []byte { return bytes.Repeat([]byte{byte(unit)}, size) }

// keep has a blob kept, if the cache wants it at the second time.
func keep(t *testing.T, c *hot.Cache, unit uint64, size int) {
	t.Helper()
	if w := c.Begin(unit, int64(size)); w != nil {
		t.Errorf("blob %d is wanted at its first reading", unit)
		w.Close()
	}
	w := c.Begin(unit, int64(size))
	if w == nil {
		t.Fatalf("blob %d is not wanted", unit)
	}
	w.Add(blob(unit, size/2))
	if c.Open(unit) != nil {
		t.Error("half a blob can be opened")
	}
	if c.Begin(unit, int64(size)) != nil {
		t.Error("a blob that is being written is wanted once more")
	}
	w.Add(blob(unit, size-size/2))
	w.Close()
}

// has fails unless the cache has those of the blobs 1, 2, … of a size, whole.
func has(t *testing.T, c *hot.Cache, size int, want ...bool) {
	t.Helper()
	for k, there := range want {
		f := c.Open(uint64(k + 1))
		if (f != nil) != there {
			t.Errorf("blob %d is there: %v, want %v", k+1, f != nil, there)
		}
		if f == nil {
			continue
		}
		if b := f.Bytes(); !bytes.Equal(b, blob(uint64(k+1), size)) {
			t.Errorf("blob %d has %d other bytes", k+1, len(b))
		}
		f.Close()
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	const size = hot.MinSize
	c := &hot.Cache{Size: 8 * size}
	for unit := range uint64(8) {
		keep(t, c, unit+1, size)
	}
	has(t, c, size, true, true)
	keep(t, c, 9, size)
	has(t, c, size, true, true, false, true, true, true, true, true, true)
	open := c.Open(4)
	c.Drop(4)
	c.Drop(4)
	has(t, c, size, true, true, false, false, true)
	if b := open.Bytes(); !bytes.Equal(b, blob(4, size)) {
		t.Errorf("a blob that was open when it was dropped has %d other bytes", len(b))
	}
	open.Close()
	c.Expire(time.Now().Add(time.Second))
	has(t, c, size, make([]bool, 9)...)
}

func TestWhatIsNotKept(t *testing.T) {
	c := &hot.Cache{Size: 8 * hot.MinSize}
	for name, size := range map[string]int64{"small": hot.MinSize - 1, "large": hot.MinSize + 1} {
		for range 3 {
			if c.Begin(7, size) != nil {
				t.Errorf("a blob that is too %s is wanted", name)
			}
		}
	}
	for _, end := range []func(w *hot.Writer){
		func(w *hot.Writer) { w.Add(blob(1, hot.MinSize-1)) },
		func(w *hot.Writer) { w.Add(blob(1, hot.MinSize+1)) },
		func(w *hot.Writer) { w.Add(blob(1, hot.MinSize)); c.Drop(1) },
		func(*hot.Writer) { c.Expire(time.Now().Add(time.Second)) },
	} {
		w := c.Begin(1, hot.MinSize)
		if w == nil {
			w = c.Begin(1, hot.MinSize)
		}
		if w == nil {
			t.Fatal("a blob is not wanted: what was given up has left no room")
		}
		end(w)
		w.Close()
		has(t, c, hot.MinSize, false)
	}
	none := &hot.Cache{}
	for range 3 {
		if none.Begin(1, hot.MinSize) != nil {
			t.Error("a cache without room wants a blob")
		}
	}
}

// TestManyAtOnce has many readers and writers use a cache that has room for some.
func TestManyAtOnce(t *testing.T) {
	c := &hot.Cache{Size: 16 * hot.MinSize}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 400 {
				unit := uint64((n*7+worker)%40 + 1)
				if f := c.Open(unit); f != nil {
					if b := f.Bytes(); !bytes.Equal(b, blob(unit, hot.MinSize)) {
						t.Errorf("blob %d has %d other bytes", unit, len(b))
					}
					f.Close()
				} else if w := c.Begin(unit, hot.MinSize); w != nil {
					w.Add(blob(unit, hot.MinSize))
					w.Close()
				}
				if n%50 == 0 {
					c.Drop(unit)
				}
			}
		})
	}
	all.Wait()
}
