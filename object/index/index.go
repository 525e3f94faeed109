// Package index is what an object store needs of a database: rows that are ordered by
// their bytes, and batches of changes to them.
//
// An Engine guarantees that a batch is there as a whole or not at all, and that one
// that was answered as durable survives every crash. One process at a time has an
// index: who opens it has it alone, and whoever had it before can change it no more. So
// what callers must not do at the same time they can lock in memory.
package index

import (
	"errors"
	"io"
)

// Reader reads rows: of an Engine as they are, of a Snapshot as they were. Its methods
// may be called at the same time.
type Reader interface {
	// Get returns the value of a row, which is the caller's until it closes it, or
	// ErrNotFound.
	Get(row []byte) (value []byte, done io.Closer, err error)
	// Walk returns an iterator over the rows from the first, inclusive, to the last,
	// exclusive. It stands on no row yet. From an Engine, each row is read some time
	// between the call and when it is reached.
	Walk(from, to []byte) (Iterator, error)
}

// Iterator walks over rows, upwards. One goroutine has it.
type Iterator interface {
	// SeekGE goes to the first row that is not before the given one, and reports
	// whether there is any; nil stands for the first.
	SeekGE(row []byte) bool
	Next() bool
	Valid() bool
	// Key and Value are of the row that it stands on, and change when it goes on.
	Key() []byte
	Value() []byte
	// Close returns the error that has ended the walk, if any has.
	Close() error
}

// Snapshot is all rows as they were at one moment. It must be closed, and soon.
type Snapshot interface {
	Reader
	Close() error
}

// Batch is changes that take effect together, in their order. One goroutine has it.
type Batch interface {
	Set(row, value []byte)
	Delete(row []byte)
	DeleteRange(from, to []byte) // from inclusive, to exclusive
	// Add adds to the numbers of a row, which is as if of zeros if it is not there. Such
	// a row is never Set. Its value is what Counters.Append gives.
	Add(row []byte, n Counters)
	// Commit makes the changes, once. If durable, they and those of all batches before
	// are on stable storage when it returns; else a crash may take the last of them
	// away again. After ErrFailed the batch may have taken effect or not; after any
	// other error it has not.
	Commit(durable bool) error
	// Close lets go of the batch, committed or not.
	Close()
}

// Engine is an index. Its methods may be called at the same time.
type Engine interface {
	Reader
	Snapshot() (Snapshot, error)
	Batch() Batch
	// Close ends it. Nothing must be under way.
	Close() error
}

var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("there is no such row in the index")
	// ErrFailed is fatal: the index takes no changes any more, and what became of the
	// last is known to whoever opens it anew.
	ErrFailed = errors.New("the index failed")
)
