// Package pebble keeps an index in a Pebble database in a folder, which it has alone. An
// answered batch is in its synced log; many that come together share a sync.
package pebble

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object/index"
)

// Config says where the index is.
type Config struct {
	Dir   string // made if it is not there; its parent must be
	FS    vfs.FS
	Cache int64 // in bytes
	Log   *slog.Logger
	// Failed is told what no batch can be told, before the process stops of it: that the
	// log could not be written.
	Failed func(error)
}

// Engine is an index in Pebble.
type Engine struct {
	reader
	db     *pebble.DB
	failed *atomic.Bool
}

// Open opens the index in a folder.
func Open(c Config) (*Engine, error) {
	failed := new(atomic.Bool)
	cache := pebble.NewCache(c.Cache)
	defer cache.Unref()
	o := &pebble.Options{
		FS: c.FS, Cache: cache, Merger: &adder, Logger: logger{c, failed},
		FormatMajorVersion: pebble.FormatNewest,
		MemTableSize:       8 << 20, MemTableStopWritesThreshold: 4,
		L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
		BytesPerSync: 1 << 20, WALBytesPerSync: 0,
	}
	for k := range o.Levels {
		o.Levels[k].FilterPolicy = bloom.FilterPolicy(10) // puts ask for keys that are not there
	}
	db, err := pebble.Open(c.Dir, o)
	if err != nil {
		return nil, fmt.Errorf("open the object index in %s: %w", c.Dir, err)
	}
	return &Engine{reader{db}, db, failed}, nil
}

// Snapshot costs little, but keeps the database from forgetting what it shows.
func (e *Engine) Snapshot() (index.Snapshot, error) {
	s := e.db.NewSnapshot()
	return snapshot{reader{s}, s}, nil
}

// Close closes the database. One that has failed is of no use, and might not let go: it is
// left to the end of the process.
func (e *Engine) Close() error {
	if e.failed.Load() {
		return nil
	}
	return e.db.Close()
}

type snapshot struct {
	reader
	io.Closer
}

type reader struct{ pebble.Reader }

func (r reader) Get(row []byte) ([]byte, io.Closer, error) {
	v, done, err := r.Reader.Get(row)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil, index.ErrNotFound
	}
	return v, done, err
}

func (r reader) Walk(from, to []byte) (index.Iterator, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, err
	}
	return it, nil
}

// logger tells the operator what goes wrong. A fatal error is one of a write to the
// log of the database.
type logger struct {
	Config
	failed *atomic.Bool
}

func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.Log.Error("object index", slog.String("error", fmt.Sprintf(format, args...)))
}

func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.failed.Store(true)
	l.Failed(err)
	panic(err) // Commit recovers; what no Commit called stops the process
}
