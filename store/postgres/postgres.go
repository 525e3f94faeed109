// Package postgres keeps a store in a PostgreSQL database, which several Vauban
// processes may share.
//
// It guarantees that a committed batch is on the server's disk before Update
// returns, that the batches of all processes follow one another, and that each
// process hears of the others' batches: at once by NOTIFY, within a second in any
// case. After a lost connection it reconnects by itself; a batch whose COMMIT was
// not sent runs again, and one whose COMMIT was sent is looked up, so that
// store.ErrUnknown is left for a server that does not come back in time.
//
// It does not make the database highly available, and trusts the server to keep
// what it has committed: it refuses one that runs with fsync off.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres/session"
)

// format is that of the tables; vauban_position holds it.
const format = 1

const schema = `
CREATE TABLE vauban_document (
	tbl text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
	revision bigint NOT NULL, data json, PRIMARY KEY (tbl, key));
CREATE INDEX vauban_document_revision ON vauban_document (revision);
CREATE TABLE vauban_position (format int NOT NULL, revision bigint NOT NULL, horizon bigint NOT NULL);
INSERT INTO vauban_position VALUES (1, 0, 0);
CREATE TABLE vauban_writer (
	id text PRIMARY KEY, revision bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());`

// Engine is the store.Engine of one database.
type Engine struct {
	config *pgx.ConnConfig
	id     string    // this process's row in vauban_writer
	conn   *pgx.Conn // of Read, Begin and the Writer; nil: connect first
	listen *pgx.Conn // of Wait; nil: connect first

	patience time.Duration // the constant, or less in tests
}

// Open opens the store in the database that the connection string or URL names:
// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING.
// It makes its tables (vauban_*) in the first schema of the search path. The
// schema given here is that of store.New.
func Open(ctx context.Context, dsn string, schema ...store.Document) (*store.Store, error) {
	e, err := New(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return store.New(ctx, e, schema...)
}

// New opens the database for store.New.
func New(ctx context.Context, dsn string) (*Engine, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// A process that stops in the middle of a batch must not stop the others.
	for name, value := range map[string]string{
		"idle_in_transaction_session_timeout": fmt.Sprint(idle.Milliseconds()),
		"application_name":                    "vauban",
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	e := &Engine{config: config, id: rand.Text(), patience: patience}
	if err := e.retry(ctx, e.prepare); err != nil {
		return nil, fmt.Errorf("open database %s: %w", config.Database, errors.Join(err, e.Close()))
	}
	return e, nil
}

// prepare makes the tables in a new database, and checks those of another.
func (e *Engine) prepare(ctx context.Context) error {
	return pgx.BeginFunc(ctx, e.conn, func(tx pgx.Tx) error {
		// Another process may be about to make them. The lock comes before the first
		// look: the server remembers for a while that a table was not there.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(1449227618)"); err != nil { // "Vaub"
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('vauban_position') IS NOT NULL").Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := tx.Exec(ctx, schema); err != nil {
				return fmt.Errorf("create tables: %w", err)
			}
		}
		var found int
		if err := tx.QueryRow(ctx, "SELECT format FROM vauban_position").Scan(&found); err != nil {
			return fmt.Errorf("read vauban_position: %w", err)
		}
		if found > format {
			return fmt.Errorf("it was written by a newer Vauban (format %d, this one knows %d): "+
				"run that version, or restore a backup that an older one made", found, format)
		}
		_, err := tx.Exec(ctx, "DELETE FROM vauban_writer WHERE at < now() - interval '1 day'")
		return err
	})
}

// Close ends the connections.
func (e *Engine) Close() error {
	e.abandon()
	if e.listen != nil {
		session.End(e.listen)
	}
	return nil
}
