package object

import (
	"strings"

	"github.com/vauban-cloud/vauban/object/index"
)

// walker walks over the rows of a table that have a prefix.
type walker struct {
	ListInput
	it      index.Iterator
	table   byte
	bucket  string
	skipped int // how many bytes of a row are before the key
}

// walk begins behind in.After.
func (s *Store) walk(table byte, bucket string, in ListInput) (*walker, error) {
	return s.walkFrom(s.db, table, bucket, in, false)
}

// walkFrom reads from a snapshot. With again, it begins at in.After.
func (s *Store) walkFrom(from index.Reader, table byte, bucket string, in ListInput, again bool) (*walker, error) {
	w := &walker{ListInput: in, table: table, bucket: bucket, skipped: 2 + len(bucket)}
	lower := escape(bucketRow(table, bucket), in.Prefix)
	it, err := from.Walk(lower, after(lower))
	if err != nil {
		return nil, err
	}
	w.it = it
	switch {
	case in.After == "" || in.After < in.Prefix:
		it.SeekGE(nil)
	case !strings.HasPrefix(in.After, in.Prefix):
		it.SeekGE(keyRow(table, bucket, in.After)) // behind all of the prefix
	case again:
		it.SeekGE(keyRow(table, bucket, in.After))
	case in.group(in.After) == in.After:
		w.skip(in.After)
	default:
		it.SeekGE(after(keyRow(table, bucket, in.After)))
	}
	return w, nil
}

func (w *walker) valid() bool { return w.it.Valid() }

// key returns the key of the row, and what it is listed as, if not by itself.
func (w *walker) key() (key, group string) {
	key, _ = splitRow(w.it.Key(), w.skipped)
	return key, w.group(key)
}

// skip goes behind all keys that begin with prefix.
func (w *walker) skip(prefix string) {
	w.it.SeekGE(after(escape(bucketRow(w.table, w.bucket), prefix)))
}

// rest is what follows the key in the row.
func (w *walker) rest() []byte {
	_, rest := splitRow(w.it.Key(), w.skipped)
	return rest
}

func (w *walker) close() error { return w.it.Close() }
