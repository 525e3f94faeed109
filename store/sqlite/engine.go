package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/store"
)

// Read yields the rows of the file; see store.Engine.
func (e *Engine) Read(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, error) {
	if e.db == nil {
		if err := e.open(ctx); err != nil {
			return store.Position{}, err
		}
	}
	if since == e.seen.Revision {
		return e.seen, nil // nobody else writes to the file
	}
	if e.seen.Horizon > since {
		since = 0
	}
	// Without an index on all revisions: only a start and a failed commit lead here.
	rows, err := e.db.QueryContext(ctx, "SELECT tbl, key, revision, data FROM document WHERE revision > ?", since)
	if err != nil {
		return store.Position{}, e.explain("read", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r store.Row
		if err := rows.Scan(&r.Table, &r.Key, &r.Revision, &r.Data); err != nil {
			return store.Position{}, e.explain("read", err)
		}
		if err := yield(r); err != nil {
			return store.Position{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return store.Position{}, e.explain("read", err)
	}
	return e.seen, nil
}

// Begin is Read: the process has the right to write as long as it has the file.
func (e *Engine) Begin(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, store.Writer, error) {
	p, err := e.Read(ctx, since, yield)
	if err != nil {
		return p, nil, err
	}
	return p, (*writer)(e), nil
}

// Wait ends with ctx: nobody else writes to the file.
func (e *Engine) Wait(ctx context.Context) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// writer is the engine with a batch under way.
type writer Engine

func (w *writer) Rollback() {}

// Commit writes the batch in one SQLite transaction.
func (w *writer) Commit(rows []store.Row, p store.Position) error {
	tx, err := w.db.Begin() //nolint:noctx // a commit under way is not abandoned
	if err != nil {
		return (*Engine)(w).explain("write", err)
	}
	if err := w.fill(tx, rows, p); err != nil {
		return errors.Join((*Engine)(w).explain("write", err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return w.settle(p, err)
	}
	w.seen = p
	w.forget(rows)
	return nil
}

// forget empties the log, now and then, after documents were deleted. What prevents it,
// the next commit tries again.
func (w *writer) forget(rows []store.Row) {
	if w.deleted.IsZero() && slices.ContainsFunc(rows, func(r store.Row) bool { return r.Data == nil }) {
		w.deleted = w.now()
	}
	if !w.deleted.IsZero() && w.now().Sub(w.deleted) >= forget {
		_ = (*Engine)(w).checkpoint(context.Background(), w.db) // the batch is on the disk, whatever comes of this
	}
}

func (w *writer) fill(tx *sql.Tx, rows []store.Row, p store.Position) error {
	//nolint:noctx // a commit under way is not abandoned
	put, err := tx.Prepare(`INSERT INTO document (tbl, key, revision, data) VALUES (?, ?, ?, ?)
		ON CONFLICT (tbl, key) DO UPDATE SET revision = excluded.revision, data = excluded.data`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, r := range rows {
		data := sql.NullString{String: string(r.Data), Valid: r.Data != nil}
		if _, err := put.Exec(r.Table, r.Key, r.Revision, data); err != nil { //nolint:noctx // a commit under way is not abandoned
			return fmt.Errorf("put %s %s: %w", r.Table, r.Key, err)
		}
	}
	if p.Horizon > w.seen.Horizon {
		if _, err := tx.Exec("DELETE FROM document WHERE data IS NULL AND revision <= ?", p.Horizon); err != nil { //nolint:noctx // a commit under way is not abandoned
			return err
		}
	}
	_, err = tx.Exec("UPDATE position SET revision = ?, horizon = ?", p.Revision, p.Horizon) //nolint:noctx // a commit under way is not abandoned
	return err
}

// settle finds out what became of a commit that failed: the log may hold it whole
// although its sync failed, and then a later start would read it. Opening the file
// again decides as that start would. A full disk needs no finding out: the mark of
// the commit is the last thing that is written to the log, before the sync.
func (w *writer) settle(p store.Position, failed error) error {
	e := (*Engine)(w)
	err := e.db.Close() // with the transaction, which may be open still
	e.db, e.suspect = nil, e.suspect || !full(failed)
	if err == nil {
		err = e.open(context.Background())
	}
	failed = e.explain("write", failed)
	switch {
	case err == nil && e.seen == p:
		return nil
	case err != nil && e.suspect:
		return fmt.Errorf("%w: %w; %w", store.ErrUnknown, failed, err)
	default:
		return failed
	}
}
