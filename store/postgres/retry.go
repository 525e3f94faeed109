package postgres

import (
	"context"
	"time"

	"github.com/vauban-cloud/vauban/store/postgres/session"
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
			e.conn, err = session.Open(ctx, e.config)
		}
		if err == nil {
			err = do(ctx)
		}
		if err == nil {
			return nil
		}
		again := session.Away(e.conn, err)
		e.abandon()
		if !again || !session.Sleep(ctx, wait) {
			return err
		}
	}
}

// abandon drops the connection, and with it whatever was going on.
func (e *Engine) abandon() {
	if e.conn != nil {
		session.End(e.conn)
		e.conn = nil
	}
}
