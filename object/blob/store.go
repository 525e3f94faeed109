package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Config says where a Store is.
type Config struct {
	Dir string // made if it is missing
	FS  vfs.FS
	// Number returns a number that was never returned before, in any run.
	Number func() uint64
	// SegmentSize is when to begin a new segment, in bytes.
	SegmentSize int64
}

// Store keeps blobs in a folder. It is safe for concurrent use, and one process at
// a time may have it.
type Store struct {
	Config
	queue chan *pending
	ended chan struct{} // closed when the appender has ended

	mu       sync.Mutex
	segments map[uint64]*segment // guarded by mu
	open     uint64              // guarded by mu; the segment that is appended to, or 0
	closing  sync.RWMutex        // held for reading while something is queued
	closed   bool                // guarded by closing
}

// segment is one that is open for reading. It stays open until it is removed.
type segment struct {
	file vfs.File
	size int64 // guarded by Store.mu: what is readable of it
}

// Open opens the store.
func Open(c Config) (*Store, error) {
	s := &Store{Config: c, queue: make(chan *pending, 256), ended: make(chan struct{}), segments: map[uint64]*segment{}}
	if err := MakeDir(s.FS, s.Dir); err != nil {
		return nil, err
	}
	dirs := []string{s.path(segmentDir), s.path(fileDir)}
	for n := range uint64(fileDirs) {
		dirs = append(dirs, s.FS.PathDir(s.path(fileName(n))))
	}
	for _, d := range dirs {
		if err := s.FS.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make folder %s: %w", d, err)
		}
	}
	for _, d := range []string{s.Dir, s.path(fileDir)} {
		if err := s.syncDir(d); err != nil {
			return nil, err
		}
	}
	go s.append()
	return s, nil
}

// Close waits for blobs that are being appended. Readers end with it.
func (s *Store) Close() error {
	s.closing.Lock()
	if s.closed {
		s.closing.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.closing.Unlock()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for n, g := range s.segments {
		errs = append(errs, g.file.Close())
		delete(s.segments, n)
	}
	return errors.Join(errs...)
}

const (
	segmentDir = "segments"
	fileDir    = "files"
	fileDirs   = 64 // so that no folder grows huge, and files are made side by side
)

func segmentName(n uint64) string { return fmt.Sprintf("%s/%016x", segmentDir, n) }
func fileName(n uint64) string    { return fmt.Sprintf("%s/%02x/%016x", fileDir, n%fileDirs, n) }

func (s *Store) path(name string) string {
	return s.FS.PathJoin(append([]string{s.Dir}, strings.Split(name, "/")...)...)
}

func (s *Store) syncDir(path string) error { return syncDir(s.FS, path) }

func syncDir(on vfs.FS, path string) error {
	d, err := on.OpenDir(path)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", path, err)
	}
	return nil
}

// MakeDir makes a folder and those above it, as far as they are missing, and makes
// their names durable: also of those that an earlier run made just before it ended.
func MakeDir(on vfs.FS, path string) error {
	if err := on.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make folder %s: %w", path, err)
	}
	for above := on.PathDir(path); above != path; path, above = above, on.PathDir(above) {
		// Who may not read a folder did not make anything in it.
		if err := syncDir(on, above); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// Units lists all that is stored of a kind, in no order, also what no run has finished.
func (s *Store) Units(kind Kind) ([]Unit, error) {
	if kind == Packed {
		return s.allSegments()
	}
	var units []Unit
	for d := range uint64(fileDirs) {
		names, err := s.FS.List(s.FS.PathDir(s.path(fileName(d))))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if n, err := strconv.ParseUint(name, 16, 64); err == nil {
				units = append(units, Unit{Kind: Alone, Number: n})
			}
		}
	}
	return units, nil
}

func (s *Store) allSegments() ([]Unit, error) {
	names, err := s.FS.List(s.path(segmentDir))
	if err != nil {
		return nil, err
	}
	// Of a segment that was made since, no blob is in the list: all that are not
	// open now stay so.
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	var units []Unit
	for _, name := range names {
		n, err := strconv.ParseUint(name, 16, 64)
		if err != nil {
			continue // not ours
		}
		info, err := s.FS.Stat(s.path(segmentName(n)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		units = append(units, Unit{Packed, n, info.Size(), n == open})
	}
	return units, nil
}

// Remove takes a unit away, if it is there. A segment must be one to which nothing
// is appended, and from which nothing is being read.
func (s *Store) Remove(kind Kind, number uint64) error {
	name := fileName(number)
	if kind == Packed {
		name = segmentName(number)
		s.mu.Lock()
		g := s.segments[number]
		delete(s.segments, number)
		s.mu.Unlock()
		if g != nil {
			g.file.Close()
		}
	}
	if err := s.FS.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// Open opens a blob.
func (s *Store) Open(r Ref) (Reader, error) {
	switch r.Kind {
	case Packed:
		g, err := s.segment(r.Unit)
		if err != nil {
			return nil, err
		}
		return packed{io.NewSectionReader(g.file, r.Offset, r.Size)}, nil
	case Alone:
		f, err := s.FS.Open(s.path(fileName(r.Unit)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", r, ErrGone)
		}
		return f, err
	default:
		return nil, fmt.Errorf("open %s: %w", r, ErrGone)
	}
}

// packed reads a blob of a segment, which stays open.
type packed struct{ *io.SectionReader }

func (packed) Close() error { return nil }

func (s *Store) segment(n uint64) (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.segments[n]; g != nil {
		return g, nil
	}
	f, err := s.FS.Open(s.path(segmentName(n)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", segmentName(n), ErrGone)
	} else if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	g := &segment{f, info.Size()}
	s.segments[n] = g
	return g, nil
}
