// Package sqlite keeps a store in one SQLite file, for a cloud of one process.
//
// It guarantees that a committed batch is on the disk before Update returns
// (write-ahead log, synchronous=FULL), that what a deleted document held is
// overwritten in the file and gone from the log some seconds later, with the next
// commit, that a second process on the same file is
// refused, and that a file which is damaged, foreign or of a newer format is
// refused with an error that says what to do. It does not serve several
// processes: see package postgres.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // the driver "sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/vauban-cloud/vauban/store"
)

// Marks of the file: SQLite's application_id and user_version.
const (
	application = 0x5661_7562 // "Vaub"
	format      = 1
)

const schema = `
CREATE TABLE document (tbl TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, data TEXT, UNIQUE (tbl, key));
CREATE INDEX deleted ON document (revision) WHERE data IS NULL;
CREATE TABLE position (revision INTEGER NOT NULL, horizon INTEGER NOT NULL);
INSERT INTO position VALUES (0, 0);`

// Engine is the store.Engine of one file.
type Engine struct {
	path    string
	lock    *os.File
	db      *sql.DB        // nil after a failed commit, until the file is opened again
	seen    store.Position // what the file has
	suspect bool           // a sync failed: what the log has may not be on the disk
	deleted time.Time      // the first commit since the log was emptied that deleted documents; zero: none
	now     func() time.Time
}

// forget is how long the log may hold what was deleted.
const forget = 5 * time.Second

// Open opens the store in the file, which it makes if there is none. The folder
// must exist, on a local disk. The schema is that of store.New.
func Open(ctx context.Context, path string, schema ...store.Document) (*store.Store, error) {
	e, err := New(ctx, path)
	if err != nil {
		return nil, err
	}
	s, err := store.New(ctx, e, schema...)
	if err != nil {
		return nil, fmt.Errorf("open state file %s: %w", e.path, err)
	}
	return s, nil
}

// New opens the file for store.New.
func New(ctx context.Context, path string) (*Engine, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open state file: %w", err)
	}
	e := &Engine{path: path, now: time.Now}
	if e.lock, err = lock(path + ".lock"); err != nil {
		return nil, fmt.Errorf("open state file %s: %w", path, err)
	}
	if err := e.open(ctx); err != nil {
		e.lock.Close()
		return nil, err
	}
	return e, nil
}

// open opens the file as the last process left it.
func (e *Engine) open(ctx context.Context) error {
	// It holds secrets: nobody else may read it. SQLite gives its log the same mode.
	f, err := os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open state file: %w", err)
	}
	f.Close()
	name := url.URL{Scheme: "file", Path: e.path, RawQuery: url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return e.explain("open", err)
	}
	db.SetMaxOpenConns(1)
	if err := e.prepare(ctx, db); err != nil {
		db.Close()
		return e.explain("open", err)
	}
	e.db = db
	return nil
}

// prepare checks whose file it is, makes the tables in a new one, and moves what
// is in the log into the file.
func (e *Engine) prepare(ctx context.Context, db *sql.DB) error {
	var app, version, tables int
	var mode string
	for query, v := range map[string]any{
		"PRAGMA application_id": &app, "PRAGMA user_version": &version, "PRAGMA journal_mode": &mode,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(v); err != nil {
			return err
		}
	}
	switch {
	case mode != "wal":
		return fmt.Errorf("its disk allows no write-ahead log (journal mode is %q): use a local disk", mode)
	case app == application && version > format:
		return fmt.Errorf("it was written by a newer Vauban (format %d, this one knows %d): "+
			"run that version, or restore a backup that an older one made", version, format)
	case app != application && tables > 0:
		return errors.New("it is an SQLite file of another program: name another file")
	case app != application:
		if err := create(ctx, db); err != nil {
			return err
		}
	}
	if err := e.checkpoint(ctx, db); err != nil {
		return err
	}
	err := db.QueryRowContext(ctx, "SELECT revision, horizon FROM position").Scan(&e.seen.Revision, &e.seen.Horizon)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("it is damaged: it has no position: %s", remedy)
	}
	return err
}

// checkpoint moves what is in the log into the file. A log whose sync failed may be
// in the kernel's memory only; after this, all that can be read is on the disk.
// Another program that reads the file, for a backup, may prevent it, and so may a
// full disk, which is no harm otherwise.
func (e *Engine) checkpoint(ctx context.Context, db *sql.DB) error {
	var busy, frames, moved int
	err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	switch {
	case err == nil && busy == 0:
		e.suspect, e.deleted = false, time.Time{}
	case err == nil && e.suspect:
		return errors.New("after a failed commit its log must be moved, but another program reads it: stop that")
	case err != nil && (e.suspect || !full(err)):
		return err
	}
	return nil
}

func create(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", application, format)
	if _, err := tx.ExecContext(ctx, marks+schema); err != nil {
		return err
	}
	return tx.Commit()
}

const remedy = "restore it from a backup, or move it away to start with an empty cloud"

// explain names the file, and the remedy where there is one.
func (e *Engine) explain(verb string, err error) error {
	switch reason(err) {
	case code.SQLITE_CORRUPT, code.SQLITE_NOTADB:
		return fmt.Errorf("%s state file %s: it is damaged: %w: %s", verb, e.path, err, remedy)
	case code.SQLITE_FULL:
		return fmt.Errorf("%s state file %s: %w: free space on its disk", verb, e.path, err)
	}
	return fmt.Errorf("%s state file %s: %w", verb, e.path, err)
}

// reason is SQLite's code of the error without its details, or 0:
// https://www.sqlite.org/rescode.html.
func reason(err error) int {
	if failed, ok := errors.AsType[*sqlite.Error](err); ok {
		return failed.Code() & 0xff
	}
	return 0
}

func full(err error) bool { return reason(err) == code.SQLITE_FULL }

// Close closes the file.
func (e *Engine) Close() error {
	var err error
	if e.db != nil {
		err = e.db.Close()
	}
	return errors.Join(err, e.lock.Close())
}
