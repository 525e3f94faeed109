package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// request is an Update that waits for its turn. The function runs in the
// goroutine of its caller, so that a panic or runtime.Goexit is the caller's own.
type request struct {
	turn   chan *Tx      // write hands over a transaction to run
	ran    chan bool     // the caller hands it back: keep its changes?
	gone   chan struct{} // closed by the caller that waits no more
	answer chan error    // write tells the outcome
}

// Update runs fn in a serializable transaction, and returns once its changes are
// on stable storage. If fn returns an error, nothing is written and Update returns
// that error as it is; if fn panics, nothing is written.
//
// fn may run more than once: it must have no effect but on tx, and on variables
// that it sets afresh. It must not wait for anything, least of all for another
// Update or Close: all writers wait for it. If ctx ends before fn could run,
// Update returns the context's error.
//
// An error that wraps ErrUnknown says that nobody can tell whether the changes
// were written. After any other error they were not.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{make(chan *Tx), make(chan bool), make(chan struct{}), make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
	var failed error
	for cancelled := ctx.Done(); ; cancelled = nil { // once fn ran, only the outcome counts
		select {
		case tx := <-r.turn:
			failed = r.run(tx, fn)
		case err := <-r.answer:
			if err == nil {
				err = failed
			}
			return err
		case <-cancelled:
			close(r.gone)
			return ctx.Err()
		}
	}
}

// run calls fn, and hands the transaction back however fn ends.
func (r *request) run(tx *Tx, fn func(*Tx) error) (err error) {
	returned := false
	defer func() {
		tx.ended = true
		if !returned { // fn panics: this goroutine does not come back
			close(r.gone)
		}
		r.ran <- returned && err == nil
	}()
	err = fn(tx)
	returned = true
	return err
}

// write is the one goroutine that changes the state.
func (s *Store) write(ctx context.Context) {
	for {
		select {
		case r := <-s.requests:
			batch := s.collect(r)
			err := s.writeBatch(ctx, batch)
			for _, r := range batch {
				r.answer <- err
			}
		case revision := <-s.heard:
			if revision == 0 || revision > s.state.Load().revision {
				s.reread(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// collect returns the request and all others that wait with it.
func (s *Store) collect(first *request) []*request {
	batch := []*request{first}
	for len(batch) < 1024 {
		select {
		case r := <-s.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// writeBatch runs the functions one after another and commits what they leave.
// All of them hear of the outcome only then, also those that failed or only read:
// they may have seen what the others wrote.
func (s *Store) writeBatch(ctx context.Context, batch []*request) error {
	const tries = 5 // a server that takes connections and drops them may not keep us for ever
	for try := 1; ; try++ {
		err := s.tryBatch(ctx, batch)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && !errors.Is(err, ErrUnknown):
			return ErrClosed
		case !errors.Is(err, ErrRetry) || try == tries:
			return fmt.Errorf("write documents: %w", err)
		}
	}
}

func (s *Store) tryBatch(ctx context.Context, batch []*request) error {
	var w Writer
	err := s.catchUp(func(since int64, yield func(Row) error) (p Position, err error) {
		p, w, err = s.engine.Begin(ctx, since, yield)
		return p, err
	})
	if err != nil {
		if w != nil {
			w.Rollback()
		}
		return err
	}
	base := s.state.Load()
	newer, data := base, map[*entry][]byte{}
	for _, r := range batch {
		tx := newTx(newer)
		select {
		case r.turn <- tx:
			if keep := <-r.ran; keep && len(tx.data) > 0 {
				newer = tx.state
				maps.Copy(data, tx.data)
			}
		case <-r.gone:
		}
	}
	if newer == base {
		w.Rollback()
		return nil
	}
	rows := newer.rows(base.revision, data)
	newer.compact()
	if err := w.Commit(rows, Position{newer.revision, newer.horizon}); err != nil {
		if errors.Is(err, ErrUnknown) {
			s.reread(ctx)
		}
		return err
	}
	s.publish(newer)
	return nil
}

// rows returns what is newer than the revision, encoded by data.
func (s *state) rows(since int64, data map[*entry][]byte) []Row {
	var rows []Row
	s.recent.Ascend(&entry{kind: &kind{}, revision: since + 1}, func(e *entry) bool {
		rows = append(rows, Row{e.kind.name, e.key, e.revision, data[e]})
		return true
	})
	return rows
}

// reread publishes what others have written. If it fails, the next Wait or batch
// leads to another try.
func (s *Store) reread(ctx context.Context) {
	s.catchUp(func(since int64, yield func(Row) error) (Position, error) { //nolint:errcheck // see above
		return s.engine.Read(ctx, since, yield)
	})
}

// follow tells write what other processes wrote.
func (s *Store) follow(ctx context.Context) {
	for {
		revision, err := s.engine.Wait(ctx)
		if err != nil {
			return
		}
		select {
		case s.heard <- revision:
		case <-ctx.Done():
			return
		}
	}
}
