package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vauban-cloud/vauban/store/postgres/session"
)

// Wait returns after every batch of any process, and once in a while; see
// store.Engine.
func (e *Engine) Wait(ctx context.Context) (int64, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		revision, err := e.wait(ctx)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case err == nil:
			return revision, nil
		}
		if e.listen != nil {
			session.End(e.listen)
			e.listen = nil
		}
		session.Sleep(ctx, pause)
	}
}

// wait returns the newest revision after a notification or a while.
func (e *Engine) wait(ctx context.Context) (int64, error) {
	if e.listen == nil {
		ctx, cancel := context.WithTimeout(ctx, e.patience)
		defer cancel()
		conn, err := pgx.ConnectConfig(ctx, e.config)
		if err != nil {
			return 0, err
		}
		e.listen = conn
		_, err = conn.Exec(ctx, "LISTEN vauban")
		return 0, err
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
