package store

import (
	"context"
	"errors"
)

// Row is a document as an engine keeps it.
type Row struct {
	Table, Key string
	Revision   int64
	Data       []byte // JSON; nil: the document was deleted
}

// Position says how far the stored documents have come.
type Position struct {
	// Revision is that of the newest transaction.
	Revision int64
	// Horizon is the revision up to which rows of deleted documents are dropped.
	Horizon int64
}

// ErrRetry is wrapped by an engine's error when nothing of the batch was written
// and the same batch may succeed over a new connection.
var ErrRetry = errors.New("connection lost before the commit")

// Engine keeps rows on stable storage. Its methods are called by one goroutine
// at a time, Wait and Close excepted.
type Engine interface {
	// Read yields every row whose revision is above since, in any order, and
	// returns the position, all as of one moment. If the position's horizon is
	// above since, it yields all rows. It reconnects by itself for a while.
	Read(ctx context.Context, since int64, yield func(Row) error) (Position, error)
	// Begin takes the right to write, which one process has at a time, and then
	// does what Read does. The right lasts until the Writer's end.
	Begin(ctx context.Context, since int64, yield func(Row) error) (Position, Writer, error)
	// Wait blocks until another process may have written, and returns the revision
	// that it heard of, or 0 if it may have missed any. It may return for nothing,
	// and fails only when ctx ends.
	Wait(ctx context.Context) (int64, error)
	// Close gives up all that the engine holds. Wait must have returned.
	Close() error
}

// Writer is a batch under way. One of its methods is called, once.
type Writer interface {
	// Commit replaces or inserts the rows, drops the rows of deleted documents up
	// to the position's horizon, and stores the position: all or nothing. nil
	// means that all of it is on stable storage. An error that wraps ErrUnknown
	// says that nobody can tell; any other, that nothing was written.
	Commit(rows []Row, p Position) error
	// Rollback ends the batch with nothing written.
	Rollback()
}
