package object

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/vauban-cloud/vauban/object/blob"
)

// openIndex opens the database.
func (s *Store) openIndex() error {
	if err := blob.MakeDir(s.FS, s.Dir); err != nil {
		return err
	}
	cache := pebble.NewCache(s.Cache)
	defer cache.Unref()
	o := &pebble.Options{
		FS: s.FS, Cache: cache, Merger: &adder, Logger: pebbleLog{s},
		FormatMajorVersion: pebble.FormatNewest,
		MemTableSize:       8 << 20, MemTableStopWritesThreshold: 4,
		L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
		BytesPerSync: 1 << 20, WALBytesPerSync: 0,
	}
	for k := range o.Levels {
		o.Levels[k].FilterPolicy = bloom.FilterPolicy(10) // puts ask for keys that are not there
	}
	db, err := pebble.Open(s.FS.PathJoin(s.Dir, "index"), o)
	if err != nil {
		return fmt.Errorf("open the object index in %s: %w", s.Dir, err)
	}
	s.db = db
	return nil
}

// pebbleLog tells the operator what goes wrong. A fatal error is one of a write to
// the log of the database: see ErrFailed.
type pebbleLog struct{ s *Store }

func (pebbleLog) Infof(string, ...any) {}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.s.Log.Error("object index", slog.String("error", fmt.Sprintf(format, args...)))
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.s.fail(err)
	panic(err) // commit recovers; what no commit called stops the process
}

// fail lets nothing happen any more.
func (s *Store) fail(err error) {
	s.failing.Do(func() {
		s.failure = fmt.Errorf("%w: %w", ErrFailed, err)
		close(s.failed)
	})
}

// ready returns ErrFailed after a fatal error.
func (s *Store) ready() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// commit makes a batch durable, or the store fail.
func (s *Store) commit(b *pebble.Batch) error { return s.apply(b, pebble.Sync) }

// apply with pebble.NoSync is for what may be done again after a crash.
func (s *Store) apply(b *pebble.Batch, o *pebble.WriteOptions) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("commit: %v", p))
			err = s.failure
		}
	}()
	if err := s.ready(); err != nil {
		return err
	}
	if err := b.Commit(o); err != nil {
		s.fail(err)
	}
	return s.ready()
}

// get reads a row, nil if there is none.
func (s *Store) get(row []byte) ([]byte, error) {
	v, closer, err := s.db.Get(row)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the object index: %w", err)
	}
	v = append(make([]byte, 0, len(v)+1), v...) // not nil
	return v, closer.Close()
}

// record reads the row of a version, nil if there is none.
func (s *Store) record(row []byte, key string) (*record, error) {
	v, closer, err := s.db.Get(row)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the object index: %w", err)
	}
	defer closer.Close()
	r := &record{Info: Info{Key: key, Latest: row[0] == tableCurrent}, row: len(v)}
	if err := r.decode(v); err != nil {
		return nil, fmt.Errorf("%q: %w", key, err)
	}
	return r, nil
}

// rows iterates over all rows that begin with prefix. Close the iterator.
func (s *Store) rows(prefix []byte) (*pebble.Iterator, error) {
	return s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
}

// each calls fn with all rows that begin with prefix. The slices are fn's only
// until it returns.
func (s *Store) each(prefix []byte, fn func(row, value []byte) error) error {
	it, err := s.rows(prefix)
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = fn(it.Key(), it.Value())
	}
	return errors.Join(err, it.Close())
}

// rowsAtOnce bounds what slowly has in memory.
const rowsAtOnce = 256

// slowly calls fn as each does, and may take its time: the database keeps what an
// iterator sees, and therefore none is open meanwhile. Rows that change may show as
// before or after.
func (s *Store) slowly(prefix []byte, fn func(row, value []byte) error) error {
	type pair struct{ row, value []byte }
	for from := prefix; from != nil; {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: after(prefix)})
		if err != nil {
			return err
		}
		var page []pair
		for ok := it.First(); ok && len(page) < rowsAtOnce; ok = it.Next() {
			page = append(page, pair{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return err
		}
		from = nil
		for _, p := range page {
			if err := fn(p.row, p.value); err != nil {
				return err
			}
			from = append(p.row, 0)
		}
	}
	return nil
}

// has reports whether a row begins with prefix.
func (s *Store) has(prefix []byte) (bool, error) {
	it, err := s.rows(prefix)
	if err != nil {
		return false, err
	}
	found := it.First() && bytes.HasPrefix(it.Key(), prefix)
	return found, errors.Join(it.Error(), it.Close())
}
