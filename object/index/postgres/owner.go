package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/store/postgres/session"
)

// owner is the session that holds the lease, and writes. One goroutine has it.
type owner struct {
	config *pgx.ConnConfig
	name   string    // for people to read
	conn   *pgx.Conn // nil: resume first
	pid    uint32    // of the server's process that served the last session
	epoch  int64
	batch  int64 // the number of the last transaction that was answered
}

// lock is the number of the advisory lock: one for each vauban_index in the database.
const lock = "((1449227618::bigint << 32) | 'vauban_index'::regclass::oid::bigint)"

// errHeld says that another session has the lock.
var errHeld = errors.New("another process has it")

func (o *owner) abandon() {
	if o.conn != nil {
		session.End(o.conn)
		o.conn = nil
	}
}

// rollback ends a transaction that has failed, or the session.
func (o *owner) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := o.conn.Exec(ctx, "ROLLBACK"); err != nil {
		o.abandon()
	}
}

// release ends the lease at once.
func (o *owner) release() {
	if o.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		o.conn.Exec(ctx, "SELECT pg_advisory_unlock("+lock+")") //nolint:errcheck // the end of the session does it, too
	}
	o.abandon()
}

// retry calls do with growing pauses while the server is away, for as long as patience
// lasts, or the lock held, for a time of its own.
func (o *owner) retry(ctx context.Context, patience, held time.Duration, do func(context.Context) error) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := do(ctx)
		if err == nil {
			return nil
		}
		again := session.Away(o.conn, err) || errors.Is(err, errHeld) && time.Since(begin) < held
		o.abandon()
		if !again || !session.Sleep(ctx, wait) {
			return err
		}
	}
}

// take takes the lease, and begins an epoch. It waits for who has it for so long.
func (o *owner) take(ctx context.Context, held time.Duration) error {
	return o.retry(ctx, patience+held, held, func(ctx context.Context) error {
		if err := o.connect(ctx); err != nil {
			return err
		}
		if err := prepare(ctx, o.conn); err != nil {
			return err
		}
		if err := o.hold(ctx); err != nil {
			return err
		}
		return o.conn.QueryRow(ctx, `UPDATE vauban_index_owner SET epoch = epoch + 1, writer = epoch + 1, name = $1, since = now()
			RETURNING epoch, batch`, o.name).Scan(&o.epoch, &o.batch)
	})
}

func (o *owner) connect(ctx context.Context) (err error) {
	if o.conn, err = session.Open(ctx, o.config); err == nil {
		o.pid = o.conn.PgConn().PID()
	}
	return err
}

// hold takes the lock, or returns errHeld.
func (o *owner) hold(ctx context.Context) error {
	var held bool
	if err := o.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock("+lock+")").Scan(&held); err != nil || held {
		return err
	}
	var name string
	var since time.Time
	if err := o.conn.QueryRow(ctx, "SELECT name, since FROM vauban_index_owner").Scan(&name, &since); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s, since %s; stop that one first", errHeld, name, since.UTC().Format(time.RFC3339))
}

// resume opens a new session in place of a lost one, with the same epoch. It returns the
// number of the last transaction that was committed, or index.ErrFailed if the index is
// not ours any more. Once the lock is ours, the lost session's transaction has ended.
func (o *owner) resume(ctx context.Context, patience time.Duration) (batch int64, err error) {
	lost := o.pid
	err = o.retry(ctx, patience, patience, func(ctx context.Context) error {
		if err := o.connect(ctx); err != nil {
			return err
		}
		if batch, err = o.position(ctx); err != nil {
			return err
		}
		if err := o.hold(ctx); errors.Is(err, errHeld) {
			// It is ours, unless the epoch changes: the server has not noticed yet.
			_, dead := o.conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
				AND pid = $1 AND ((classid::bigint << 32) | objid::bigint) = `+lock, int64(lost))
			return errors.Join(err, dead)
		} else if err != nil {
			return err
		}
		batch, err = o.position(ctx)
		return err
	})
	return batch, err
}

// position is the number of the last transaction.
func (o *owner) position(ctx context.Context) (batch int64, err error) {
	var epoch int64
	var name string
	if err := o.conn.QueryRow(ctx, "SELECT epoch, batch, name FROM vauban_index_owner").Scan(&epoch, &batch, &name); err != nil {
		return 0, err
	}
	switch {
	case epoch != o.epoch:
		return 0, fmt.Errorf("%w: another process has taken it: %s", index.ErrFailed, name)
	case batch < o.batch:
		return 0, fmt.Errorf("%w: the database has lost what it had committed", index.ErrFailed)
	}
	return batch, nil
}
