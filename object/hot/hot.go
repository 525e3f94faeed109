// Package hot keeps in memory the plain bytes of large blobs that are read again and again,
// so that they are neither read from the disk nor decrypted each time.
//
// It guarantees that a blob is kept whole, as it was written, and stays as it is as long as
// somebody has it open, also once it was dropped; that what is kept takes no more memory than
// it was given; and that nothing is kept longer than it is used. The memory is none of the
// runtime's: it goes back to the kernel at once. It does not know who may read what: whoever
// asks has proved that they may, each time.
package hot

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// MinSize is the least size of a blob that is kept, in bytes: less is quicker decrypted than opened.
const MinSize = 128 << 10

// share of the memory is what one blob may take.
const share = 8

// asks is how many blobs are remembered that were read and are not kept.
const asks = 1024

// Cache keeps blobs. Its zero value keeps none. It is safe for concurrent use.
type Cache struct {
	Size int64 // of what is kept, in bytes; 0: nothing is. Set before use.

	mu    sync.Mutex
	taken int64                    // guarded by mu; bytes, being written or kept
	units map[uint64]*list.Element // guarded by mu; of *entry
	order list.List                // guarded by mu; the last used first
	asked [asks]uint64             // guarded by mu; each blob has one place
}

// entry is a blob. Its fields but unit and bytes are guarded by Cache.mu.
type entry struct {
	unit  uint64
	bytes []byte
	whole bool // it can be opened
	gone  bool // it was dropped: the last who has it open frees it
	users int
	used  time.Time
}

// Blob is a kept blob that somebody has open.
type Blob struct {
	c *Cache
	e *entry
}

// Bytes are those of the blob, to be read until Close.
func (b *Blob) Bytes() []byte { return b.e.bytes }

// Close lets go of the blob.
func (b *Blob) Close() {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.leave(b.e)
}

// Open opens what is kept of a blob; nil if nothing is.
func (c *Cache) Open(unit uint64) *Blob {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.units[unit]
	if !ok || !entryAt(at).whole {
		return nil
	}
	e := entryAt(at)
	e.used = time.Now()
	e.users++
	c.order.MoveToFront(at)
	return &Blob{c, e}
}

// Begin returns where to write a blob that is about to be read whole, if it is worth being
// kept: it was read before. Else it returns nil.
func (c *Cache) Begin(unit uint64, size int64) *Writer {
	if size < MinSize || size > c.Size/share {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.units[unit]; ok {
		return nil // it is being written
	}
	if place := &c.asked[unit%asks]; *place != unit {
		*place = unit
		return nil
	}
	if !c.room(size) {
		return nil
	}
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil // the disk has it too
	}
	unix.Madvise(b, unix.MADV_DONTDUMP) //nolint:errcheck // without it, a core dump shows them
	unix.Madvise(b, unix.MADV_HUGEPAGE) //nolint:errcheck // they are only faster
	if c.units == nil {
		c.units = map[uint64]*list.Element{}
	}
	e := &entry{unit: unit, bytes: b, users: 1, used: time.Now()}
	c.units[unit] = c.order.PushFront(e)
	c.taken += size
	return &Writer{c: c, entry: e}
}

// room drops what was not used for longest and nobody has open, until there is room. The caller holds mu.
func (c *Cache) room(size int64) bool {
	for at := c.order.Back(); at != nil && c.taken+size > c.Size; {
		before := at.Prev()
		if entryAt(at).users == 0 {
			c.drop(at)
		}
		at = before
	}
	return c.taken+size <= c.Size
}

// drop lets go of an entry: its memory is free once nobody has it open. The caller holds mu.
func (c *Cache) drop(at *list.Element) {
	e := entryAt(at)
	c.order.Remove(at)
	delete(c.units, e.unit)
	e.gone = true
	e.users++
	c.leave(e)
}

// leave counts a user out. The caller holds mu.
func (c *Cache) leave(e *entry) {
	if e.users--; e.users == 0 && e.gone {
		c.taken -= int64(len(e.bytes))
		unix.Munmap(e.bytes) //nolint:errcheck // it was mapped
		e.bytes = nil
	}
}

// Drop lets go of a blob, if it is kept.
func (c *Cache) Drop(unit uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.units[unit]; ok {
		c.drop(at)
	}
}

// Taken is how many bytes of memory are taken.
func (c *Cache) Taken() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
}

// Expire lets go of all that was not used since.
func (c *Cache) Expire(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.order.Back(); at != nil && entryAt(at).used.Before(since); {
		before := at.Prev()
		c.drop(at)
		at = before
	}
}

func entryAt(at *list.Element) *entry { return at.Value.(*entry) } //nolint:forcetypeassert // nothing else is in it

// Writer takes the bytes of a blob. Close must be called.
type Writer struct {
	c     *Cache
	entry *entry
	done  int
}

// Add writes the next bytes.
func (w *Writer) Add(p []byte) {
	copy(w.entry.bytes[min(w.done, len(w.entry.bytes)):], p)
	w.done += len(p)
}

// Close keeps the blob, if it is whole, and drops what there is of it if not.
func (w *Writer) Close() {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	e := w.entry
	if e.whole = w.done == len(e.bytes); !e.whole && !e.gone {
		w.c.drop(w.c.units[e.unit])
	}
	w.c.leave(e)
}
