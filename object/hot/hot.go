// Package hot keeps in memory the plain bytes of large blobs that are read again and
// again, as files that no folder names: so the kernel sends them to sockets, and they are
// neither read from the disk, nor decrypted, nor copied through the process each time.
//
// It guarantees that a file holds what was written to it, whole, as long as somebody has
// it open, also once it is no longer kept; that what is kept takes no more memory than it
// was given; and that nothing is kept longer than it is used. It does not know who may
// read what: whoever asks has proved that they may, each time.
package hot

import (
	"container/list"
	"fmt"
	"os"
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

type entry struct {
	unit uint64
	size int64
	file *os.File // nil while it is written
	gone bool     // dropped while it was written
	used time.Time
}

// Open opens what is kept of a blob, with a position of its own; nil if nothing is.
func (c *Cache) Open(unit uint64) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.units[unit]
	if !ok || entryAt(at).file == nil {
		return nil
	}
	e := entryAt(at)
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", e.file.Fd()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // the disk has it too
	}
	e.used = time.Now()
	c.order.MoveToFront(at)
	return os.NewFile(uintptr(fd), "hot")
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
	fd, err := unix.MemfdCreate("vauban object", unix.MFD_CLOEXEC)
	if err != nil || !c.room(size) {
		if err == nil {
			unix.Close(fd) //nolint:errcheck // nothing is in it
		}
		return nil
	}
	if c.units == nil {
		c.units = map[uint64]*list.Element{}
	}
	e := &entry{unit: unit, size: size, used: time.Now()}
	c.units[unit] = c.order.PushFront(e)
	c.taken += size
	return &Writer{c: c, entry: e, file: os.NewFile(uintptr(fd), "hot")}
}

// room drops what was not used for longest, until there is room. The caller holds mu.
func (c *Cache) room(size int64) bool {
	for at := c.order.Back(); at != nil && c.taken+size > c.Size; {
		before := at.Prev()
		if entryAt(at).file != nil {
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
	if e.gone = true; e.file != nil {
		e.file.Close() //nolint:errcheck // it is memory
		c.taken -= e.size
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
	file  *os.File
	done  int64
	err   error
}

// Add writes the next bytes.
func (w *Writer) Add(p []byte) {
	if w.err == nil && w.done+int64(len(p)) <= w.entry.size {
		_, w.err = w.file.Write(p)
	}
	w.done += int64(len(p))
}

// Close keeps the blob, if it is whole, and drops what there is of it if not.
func (w *Writer) Close() {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	e := w.entry
	if w.err == nil && w.done == e.size && !e.gone {
		e.file = w.file
		return
	}
	w.file.Close() //nolint:errcheck // it is memory
	w.c.taken -= e.size
	if !e.gone {
		w.c.drop(w.c.units[e.unit])
	}
}
