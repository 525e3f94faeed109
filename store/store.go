// Package store keeps the cloud's documents: typed tables with a revision,
// transactions, claims on everything unique, and a feed of changes.
//
// It guarantees that a transaction whose Update returned nil is on stable
// storage, that transactions are serializable, that every reader sees whole
// transactions, and that a caller reads its own writes. It does not keep
// history: of a document only the newest state can be read.
//
// Writers run one after another: each runs its function against the memory copy
// and its own changes over it, and the changes of several waiting writers reach
// the disk in one commit. Reads never touch the disk.
package store

import (
	"errors"
	"fmt"
)

// The errors of this package.
var (
	// ErrNotFound says that there is no document of that key.
	ErrNotFound = errors.New("no such document")
	// ErrExists says that a document of that key is there already.
	ErrExists = errors.New("document exists")
	// ErrConflict says that the document has changed since the given revision.
	ErrConflict = errors.New("document has changed")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrUnknown says that the connection was lost during a commit, and that the
	// transaction may have been written or not. A later read will tell.
	ErrUnknown = errors.New("outcome of the transaction is unknown")
)

// ClaimedError says that somebody else holds the value.
type ClaimedError struct{ Space, Value, Owner string }

// Error names the value and its holder.
func (e *ClaimedError) Error() string {
	return fmt.Sprintf("%s %s is held by %s", e.Space, e.Value, e.Owner)
}

// Document is what a table holds: a struct that encoding/json carries without
// loss. Table is a constant of the type and must work on its zero value; Key is
// unique within the table; Labels are the index entries under which Select
// finds the document. (An alias, so that packages which may not import this one
// can name the same type.)
type Document = interface {
	Table() string
	Key() string
	Labels() []string
}

// Change says that a document has a newer state. Deleted documents have no Labels.
//
// A Change without a Table is not about a document. It comes first in a list of
// all living documents, and says that whatever the list does not name is gone.
type Change struct {
	Table, Key string
	Labels     []string
	Revision   int64
	Deleted    bool
}
