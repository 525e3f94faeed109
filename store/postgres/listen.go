package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Wait returns the revision of a batch that it has not heard of, its own
// process's batches included; see store.Engine.
func (e *Engine) Wait(ctx context.Context) (int64, error) {
	const shortest = 10 * time.Millisecond
	for pause := shortest; ctx.Err() == nil; {
		revision, err := e.wait(ctx)
		switch {
		case err != nil:
			if e.listen != nil {
				goodbye(e.listen)
				e.listen = nil
			}
			sleep(ctx, pause)
			pause = min(2*pause, time.Second)
		case revision != e.heard:
			e.heard = revision
			return revision, nil
		default:
			pause = shortest
		}
	}
	return 0, ctx.Err()
}

// wait returns the newest revision after a notification or a while.
func (e *Engine) wait(ctx context.Context) (int64, error) {
	if e.listen == nil {
		conn, err := pgx.ConnectConfig(ctx, e.config)
		if err != nil {
			return 0, err
		}
		e.listen = conn
		if _, err := conn.Exec(ctx, "LISTEN vauban"); err != nil {
			return 0, err
		}
		return e.poll(ctx) // what was notified before
	}
	brief, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	n, err := e.listen.WaitForNotification(brief)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !e.listen.IsClosed():
		return e.poll(ctx)
	case err != nil:
		return 0, err
	}
	return strconv.ParseInt(n.Payload, 10, 64)
}

func (e *Engine) poll(ctx context.Context) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	return revision, e.listen.QueryRow(ctx, "SELECT revision FROM vauban_position").Scan(&revision)
}
