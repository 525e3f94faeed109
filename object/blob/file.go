package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// flushEvery is how many bytes of a large file are handed to the disk at a time,
// so that the sync at its end has little left to wait for.
const flushEvery = 4 << 20

// Create begins a large blob. If its size in bytes is known (not -1), there is room
// for all of it when Create returns, or an error.
func (s *Store) Create(size int64) (Writer, error) {
	n := s.Number()
	path := s.path(fileName(n))
	f, err := s.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", fileName(n), err)
	}
	w := &writer{store: s, number: n, path: path, file: f}
	if size > 0 {
		if err := f.Preallocate(0, (size+page-1)&^(page-1)); err != nil {
			return nil, errors.Join(fmt.Errorf("reserve %d bytes for %s: %w", size, fileName(n), err), w.Abort())
		}
	}
	return w, nil
}

// writer writes one file. It belongs to one caller at a time.
type writer struct {
	store   *Store
	number  uint64
	path    string
	file    vfs.File
	size    int64
	flushed int64
	direct  bool  // the file is written to past the kernel's cache
	cached  bool  // it cannot be
	err     error // the first one: a file with a hole is never committed
	done    bool
}

// Write appends to the blob.
func (w *writer) Write(p []byte) (int, error) {
	whole := len(p) &^ (page - 1)
	if w.size%page != 0 {
		whole = 0
	}
	n, err := w.write(p[:whole], true)
	if err == nil && whole < len(p) {
		var m int
		m, err = w.end(p[whole:])
		n += m
	}
	return n, err
}

// end writes what is no whole page. Past the cache it is filled up with zeros, over which the
// next write goes if it was not the end.
func (w *writer) end(p []byte) (int, error) {
	if w.size%page != 0 || len(p) >= page || !w.setDirect(true) {
		return w.write(p, false)
	}
	last := pages.Get().(*[2 * page]byte) //nolint:forcetypeassert // nothing else is in it
	defer pages.Put(last)
	aligned := last[-uintptr(unsafe.Pointer(last))%page:][:page] //nolint:gosec // only to see where it lies
	clear(aligned[copy(aligned, p):])
	begin := w.size
	n, err := w.write(aligned, true)
	if n = min(n, len(p)); err == nil {
		w.size = begin + int64(n)
		_, err = unix.Seek(int(w.file.Fd()), w.size, io.SeekStart)
	}
	return n, err
}

var pages = sync.Pool{New: func() any { return new([2 * page]byte) }}

func (w *writer) write(p []byte, direct bool) (int, error) {
	if w.err != nil || len(p) == 0 {
		return 0, w.err
	}
	w.setDirect(direct)
	n, err := w.file.Write(p)
	if w.direct && n == 0 && errors.Is(err, unix.EINVAL) { // not on this file system, or not from this memory
		w.cached = true
		w.setDirect(false)
		n, err = w.file.Write(p)
	}
	w.size += int64(n)
	if err == nil && !w.direct && w.size-w.flushed >= flushEvery {
		_, err = w.file.SyncTo(w.size)
		w.flushed = w.size
	}
	if err != nil {
		w.err = fmt.Errorf("write %s: %w", fileName(w.number), err)
	}
	return n, w.err
}

// page is what writes past the cache come in multiples of, in bytes.
const page = 4 << 10

// setDirect has the kernel write from the caller's memory, past its cache. That saves a
// copy, which is half of the processor time of a large blob. It reports whether it is so.
func (w *writer) setDirect(direct bool) bool {
	fd := w.file.Fd()
	if direct = direct && !w.cached && fd != vfs.InvalidFd; direct == w.direct {
		return w.direct
	}
	flags := 0
	if direct {
		flags = unix.O_DIRECT
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETFL, flags); err != nil {
		w.cached = true
		return w.direct
	}
	w.direct = direct
	return w.direct
}

// Commit makes the blob durable, bytes and name.
func (w *writer) Commit() (Ref, error) {
	if w.err != nil {
		return Ref{}, w.err
	}
	err := w.file.Sync()
	if err == nil {
		err = w.store.syncDir(w.store.FS.PathDir(w.path))
	}
	if err != nil {
		w.err = fmt.Errorf("sync %s: %w", fileName(w.number), err)
		return Ref{}, w.err
	}
	w.done = true
	return Ref{Alone, w.number, 0, w.size}, w.file.Close()
}

// Abort removes the file.
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.done, w.err = true, errors.New("the blob was given up")
	w.file.Close()
	if err := w.store.FS.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", fileName(w.number), err)
	}
	return nil
}
