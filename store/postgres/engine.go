package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres/session"
)

// Read yields the rows of the database; see store.Engine.
func (e *Engine) Read(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, error) {
	p, err := e.start(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "")
	if err != nil {
		return p, err
	}
	defer e.rollback()
	return p, e.rows(ctx, since, p, yield)
}

// Begin locks the position, so that all others wait, and then does what Read does.
func (e *Engine) Begin(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, store.Writer, error) {
	p, err := e.start(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", "FOR UPDATE")
	if err != nil {
		return p, nil, err
	}
	if err := e.rows(ctx, since, p, yield); err != nil {
		e.rollback()
		return p, nil, err
	}
	return p, &writer{e, p}, nil
}

// start begins a transaction and reads the position in it.
func (e *Engine) start(ctx context.Context, begin, lock string) (p store.Position, err error) {
	err = e.retry(ctx, func(ctx context.Context) error {
		var b pgx.Batch
		b.Queue(begin)
		b.Queue("SELECT revision, horizon FROM vauban_position " + lock).QueryRow(func(row pgx.Row) error {
			return row.Scan(&p.Revision, &p.Horizon)
		})
		return e.conn.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return p, fmt.Errorf("reach database: %w", err)
	}
	return p, nil
}

// rows yields what is newer than since, in the transaction under way.
func (e *Engine) rows(ctx context.Context, since int64, p store.Position, yield func(store.Row) error) error {
	if p.Revision == since {
		return nil
	}
	if p.Horizon > since {
		since = 0
	}
	if since > 0 { // all rows may take as long as they do
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.patience)
		defer cancel()
	}
	rows, err := e.conn.Query(ctx, "SELECT tbl, key, revision, data FROM vauban_document WHERE revision > $1", since)
	if err != nil {
		return e.failed("read", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r store.Row
		if err := rows.Scan(&r.Table, &r.Key, &r.Revision, &r.Data); err != nil {
			return e.failed("read", err)
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return e.failed("read", err)
	}
	return nil
}

// rollback ends the transaction under way.
func (e *Engine) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), e.patience)
	defer cancel()
	if _, err := e.conn.Exec(ctx, "ROLLBACK"); err != nil {
		e.abandon() // which ends it too
	}
}

// failed says what failed before a commit, and whether it is worth another try.
func (e *Engine) failed(verb string, err error) error {
	if session.Away(e.conn, err) {
		return fmt.Errorf("%s documents: %w: %w", verb, store.ErrRetry, err)
	}
	return fmt.Errorf("%s documents: %w", verb, err)
}

// writer is a batch under way: a transaction that has locked the position.
type writer struct {
	engine *Engine
	began  store.Position
}

func (w *writer) Rollback() { w.engine.rollback() }

// Commit writes the batch, and commits only once the server took all of it.
func (w *writer) Commit(rows []store.Row, p store.Position) error {
	e := w.engine
	ctx, cancel := context.WithTimeout(context.Background(), e.patience)
	defer cancel()
	if err := w.fill(ctx, rows, p); err != nil {
		err = e.failed("write", err)
		e.rollback()
		return err
	}
	tag, err := e.conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() == "COMMIT" {
		return nil
	}
	return e.settle(p, errors.Join(errors.New("commit documents: no answer"), err))
}

func (w *writer) fill(ctx context.Context, rows []store.Row, p store.Position) error {
	n := len(rows)
	tables, keys, revisions, data := make([]string, n), make([]string, n), make([]int64, n), make([]*string, n)
	for i, r := range rows {
		tables[i], keys[i], revisions[i] = r.Table, r.Key, r.Revision
		if r.Data != nil {
			data[i] = new(string(r.Data))
		}
	}
	var b pgx.Batch
	b.Queue(`INSERT INTO vauban_document (tbl, key, revision, data)
		SELECT t, k, r, d::json FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS row (t, k, r, d)
		ON CONFLICT (tbl, key) DO UPDATE SET revision = excluded.revision, data = excluded.data`,
		tables, keys, revisions, data)
	if p.Horizon > w.began.Horizon {
		b.Queue("DELETE FROM vauban_document WHERE data IS NULL AND revision <= $1", p.Horizon)
	}
	b.Queue("UPDATE vauban_position SET revision = $1, horizon = $2", p.Revision, p.Horizon)
	b.Queue(`INSERT INTO vauban_writer (id, revision) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, at = now()`, w.engine.id, p.Revision)
	b.Queue("SELECT pg_notify('vauban', $1::bigint::text)", p.Revision)
	return w.engine.conn.SendBatch(ctx, &b).Close()
}

// settle finds out what became of a commit that was not answered. Once the
// position can be locked, the lost transaction has ended: if it was committed, it
// left its revision in our row of vauban_writer.
func (e *Engine) settle(p store.Position, lost error) error {
	e.abandon()
	ctx := context.Background()
	if _, err := e.start(ctx, "BEGIN", "FOR UPDATE"); err != nil {
		return fmt.Errorf("%w: %w; %w", store.ErrUnknown, lost, err)
	}
	defer e.rollback()
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	var written bool
	err := e.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM vauban_writer WHERE id = $1 AND revision = $2)",
		e.id, p.Revision).Scan(&written)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w; %w", store.ErrUnknown, lost, err)
	case written:
		return nil
	default:
		return fmt.Errorf("%w: %w", store.ErrRetry, lost)
	}
}
