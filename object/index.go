package object

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/index"
)

func (s *Store) openIndex() (err error) {
	if err := blob.MakeDir(s.FS, s.Dir); err != nil {
		return err
	}
	s.db, err = s.Index(s.fail)
	return err
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
func (s *Store) commit(b index.Batch) error { return s.apply(b, true) }

// apply without durable is for what may be done again after a crash.
func (s *Store) apply(b index.Batch, durable bool) error {
	if err := s.ready(); err != nil {
		return err
	}
	if err := b.Commit(durable); errors.Is(err, index.ErrFailed) {
		s.fail(err)
	} else if err != nil {
		return fmt.Errorf("write the object index: %w", err)
	}
	return s.ready()
}

// get reads a row, nil if there is none.
func (s *Store) get(row []byte) ([]byte, error) {
	v, closer, err := s.db.Get(row)
	if errors.Is(err, index.ErrNotFound) {
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
	if errors.Is(err, index.ErrNotFound) {
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
func (s *Store) rows(prefix []byte) (index.Iterator, error) { return s.db.Walk(prefix, after(prefix)) }

// each calls fn with all rows that begin with prefix. The slices are fn's only
// until it returns.
func (s *Store) each(prefix []byte, fn func(row, value []byte) error) error {
	it, err := s.rows(prefix)
	if err != nil {
		return err
	}
	for ok := it.SeekGE(nil); ok && err == nil; ok = it.Next() {
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
		it, err := s.db.Walk(from, after(prefix))
		if err != nil {
			return err
		}
		var page []pair
		for ok := it.SeekGE(nil); ok && len(page) < rowsAtOnce; ok = it.Next() {
			page = append(page, pair{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
		}
		if err := it.Close(); err != nil {
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
	found := it.SeekGE(nil) && bytes.HasPrefix(it.Key(), prefix)
	return found, it.Close()
}
