package postgres

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

const (
	// patience is how long a read or a batch waits for a server that is away, or
	// for the batches of other processes; see Engine.patience.
	patience = 20 * time.Second
	// idle is how long a process may hold the right to write and do nothing. It is
	// shorter than the others' patience.
	idle = 10 * time.Second
	// poll is how often Wait looks by itself, should a notification be lost.
	poll = time.Second
)

// retry calls do with e.conn connected, again and again with growing pauses while
// the connection fails, for as long as patience and ctx last.
func (e *Engine) retry(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		var err error
		if e.conn == nil {
			e.conn, err = connect(ctx, e.config)
		}
		if err == nil {
			err = do(ctx)
		}
		if err == nil {
			return nil
		}
		again := away(e.conn, err)
		e.abandon()
		if !again || !sleep(ctx, wait) {
			return err
		}
	}
}

// abandon drops the connection, and with it whatever was going on.
func (e *Engine) abandon() {
	if e.conn != nil {
		goodbye(e.conn)
		e.conn = nil
	}
}

func goodbye(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.Close(ctx) //nolint:errcheck // a courtesy to the server: nothing depends on it
}

// connect returns a connection to a server that keeps what it commits. It may
// return one together with an error.
func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
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

// away says whether the error is that of a server which cannot be reached or has
// no place for us now, rather than an answer to what was asked.
func away(conn *pgx.Conn, err error) bool {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		// https://www.postgresql.org/docs/current/errcodes-appendix.html
		return slices.ContainsFunc([]string{"08", "53", "57P", "25P03"}, func(class string) bool {
			return strings.HasPrefix(answer.Code, class)
		})
	}
	_, unreached := errors.AsType[*pgconn.ConnectError](err)
	return unreached || conn != nil && conn.IsClosed()
}

// sleep waits, and says whether it was not cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
