package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// format is that of the tables; vauban_index_owner holds it.
const format = 1

// A row has a value or numbers. The order of bytea is that of bytes. Who writes names
// itself in writer: the check lets nobody but the owner of the newest epoch commit.
const schema = `
CREATE TABLE vauban_index (key bytea PRIMARY KEY, value bytea, numbers bigint[]);
CREATE TABLE vauban_index_owner (
	format int NOT NULL, epoch bigint NOT NULL, writer bigint NOT NULL CHECK (writer = epoch),
	batch bigint NOT NULL, name text NOT NULL, since timestamptz NOT NULL);
INSERT INTO vauban_index_owner VALUES (1, 0, 0, 0, '', now());`

// prepare makes the tables in a new database, and checks those of another.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Another process may be about to make them. The lock comes before the first
		// look: the server remembers for a while that a table was not there.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(1449227618)"); err != nil { // "Vaub"
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass('vauban_index_owner') IS NOT NULL").Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := tx.Exec(ctx, schema); err != nil {
				return fmt.Errorf("create tables: %w", err)
			}
		}
		var found int
		if err := tx.QueryRow(ctx, "SELECT format FROM vauban_index_owner").Scan(&found); err != nil {
			return fmt.Errorf("read vauban_index_owner: %w", err)
		}
		if found > format {
			return fmt.Errorf("it was written by a newer Vauban (format %d, this one knows %d): run that version", found, format)
		}
		return nil
	})
}
