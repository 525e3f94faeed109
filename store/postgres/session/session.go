// Package session opens sessions with PostgreSQL servers that keep what they commit, and
// tells a server that is away from one that says no.
package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Open returns a session with a server that keeps what it commits. It may
// return one together with an error.
func Open(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	var encoding, fsync, commit string
	err = conn.QueryRow(ctx, "SELECT current_setting('server_encoding'), current_setting('fsync'), "+
		"current_setting('synchronous_commit')").Scan(&encoding, &fsync, &commit)
	switch {
	case err != nil:
	case encoding != "UTF8":
		err = fmt.Errorf("the database's encoding is %s: create it with ENCODING 'UTF8'", encoding)
	case fsync != "on":
		err = errors.New("the server would lose acknowledged writes in a crash: set fsync = on")
	case commit == "off":
		_, err = conn.Exec(ctx, "SET synchronous_commit = on")
	}
	return conn, err
}

// End ends a session.
func End(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.Close(ctx) //nolint:errcheck // a courtesy to the server: nothing depends on it
}

// Away says whether the error is that of a server which cannot be reached or has
// no place for us now, rather than an answer to what was asked.
func Away(conn *pgx.Conn, err error) bool {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		// https://www.postgresql.org/docs/current/errcodes-appendix.html
		return slices.ContainsFunc([]string{"08", "53", "57P", "25P03"}, func(class string) bool {
			return strings.HasPrefix(answer.Code, class)
		})
	}
	_, unreached := errors.AsType[*pgconn.ConnectError](err)
	return unreached || conn != nil && conn.IsClosed()
}

// Sleep waits, and says whether it was not cut short.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
