package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/store/postgres/session"
)

// querier is where rows are read: any session, or that of a snapshot.
type querier interface {
	// read calls do, maybe again and again.
	read(do func(context.Context, *pgx.Conn) error) error
}

// read calls do with one of the sessions.
func (e *Engine) read(do func(context.Context, *pgx.Conn) error) error {
	c, err := e.acquire(do)
	if err == nil {
		c.Release()
	}
	return err
}

// acquire calls do with one of the sessions, and returns it, once the server is not
// away.
func (e *Engine) acquire(do func(context.Context, *pgx.Conn) error) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		c, err := e.pool.Acquire(ctx)
		again := session.Away(nil, err)
		if err == nil {
			if err = do(ctx, c.Conn()); err == nil {
				return c, nil
			}
			again = session.Away(c.Conn(), err)
			c.Release()
		}
		if !again || !session.Sleep(ctx, wait) {
			return nil, err
		}
	}
}

// Get reads a row.
func (e *Engine) Get(row []byte) ([]byte, io.Closer, error) { return get(e, row) }

// Walk reads rows in pages, each as it is then.
func (e *Engine) Walk(from, to []byte) (index.Iterator, error) {
	return &iterator{in: e, from: from, to: to}, nil
}

func get(q querier, row []byte) (value []byte, _ io.Closer, _ error) {
	err := q.read(func(ctx context.Context, c *pgx.Conn) error {
		var numbers index.Counters
		err := c.QueryRow(ctx, "SELECT value, numbers FROM vauban_index WHERE key = $1", row).Scan(&value, (*[]int64)(&numbers))
		if numbers != nil {
			value = numbers.Append(nil)
		}
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil, index.ErrNotFound
	case err != nil:
		return nil, nil, fmt.Errorf("read the object index: %w", err)
	}
	return value, nothing{}, nil
}

// nothing is to be closed.
type nothing struct{}

func (nothing) Close() error { return nil }

// Snapshot reads by a session of its own.
func (e *Engine) Snapshot() (index.Snapshot, error) {
	c, err := e.acquire(func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		b.Queue("SELECT 1") // the first query is the moment
		return c.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("read the object index: %w", err)
	}
	return &snapshot{conn: c}, nil
}

type snapshot struct {
	mu   sync.Mutex
	conn *pgxpool.Conn // guarded by mu
}

func (s *snapshot) read(do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	return do(ctx, s.conn.Conn())
}

func (s *snapshot) Get(row []byte) ([]byte, io.Closer, error) { return get(s, row) }

func (s *snapshot) Walk(from, to []byte) (index.Iterator, error) {
	return &iterator{in: s, from: from, to: to}, nil
}

// Close ends the transaction; a session that cannot is not used again.
func (s *snapshot) Close() error {
	defer s.conn.Release()
	return s.read(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "ROLLBACK")
		return err
	})
}
