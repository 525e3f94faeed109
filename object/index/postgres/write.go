package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/store/postgres/session"
)

// What shares a transaction.
const (
	mostBatches = 512
	mostBytes   = 4 << 20
)

// write commits what is asked for until Close or a failure.
func (e *Engine) write() {
	defer close(e.ended)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-e.closing:
			return
		case <-tick.C:
			e.failure = e.look()
		case r := <-e.requests:
			e.failure = e.commit(e.gather(r))
		}
		if e.failure != nil {
			e.owner.abandon()
			e.Failed(e.failure)
			return
		}
	}
}

// gather takes the batches that wait besides the first.
func (e *Engine) gather(first *request) []*request {
	all, size := []*request{first}, first.size
	for len(all) < mostBatches && size < mostBytes {
		select {
		case r := <-e.requests:
			all, size = append(all, r), size+r.size
		default:
			return all
		}
	}
	return all
}

// look sees to it that the lease is held while nobody writes. A server that is away is
// no failure.
func (e *Engine) look() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if e.owner.conn != nil && e.owner.conn.Ping(ctx) == nil {
		return nil
	}
	e.owner.abandon()
	_, err := e.owner.resume(ctx, beat)
	if errors.Is(err, index.ErrFailed) {
		return err
	}
	if err != nil && !e.away {
		e.Log.Warn("the database of the object index is away", slog.Any("error", err))
	}
	e.away = err != nil
	return nil
}

// commit commits batches in one transaction, and answers them. It returns a fatal error.
func (e *Engine) commit(all []*request) error {
	err := e.transact(newTransaction(all, e.owner.epoch, e.owner.batch+1))
	if err != nil && !errors.Is(err, index.ErrFailed) && len(all) > 1 && !session.Away(nil, err) {
		// The server refuses something of one of them.
		for _, r := range all {
			if err := e.commit([]*request{r}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range all {
		r.answer <- err
	}
	if errors.Is(err, index.ErrFailed) {
		return err
	}
	return nil
}

// transact runs a transaction until it is known to be committed, or not to be.
func (e *Engine) transact(t *transaction) error {
	o := &e.owner
	for begin := time.Now(); ; {
		if o.conn == nil {
			if _, err := o.resume(context.Background(), patience); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), settling)
		err := t.run(ctx, o.conn)
		cancel()
		if err == nil {
			o.batch = t.number
			return nil
		}
		lost := session.Away(o.conn, err)
		o.rollback()
		switch committed, failed := e.settle(t, lost || fenced(err)); {
		case failed != nil:
			return failed
		case committed:
			o.batch = t.number
			return nil
		case !lost || time.Since(begin) > patience:
			return err
		}
	}
}

// fenced reports whether the error is that of the check of vauban_index_owner.
func fenced(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.Code == "23514" && answer.TableName == "vauban_index_owner"
}

// settle finds out what became of a transaction, if that is in doubt.
func (e *Engine) settle(t *transaction, inDoubt bool) (committed bool, _ error) {
	if !inDoubt {
		return false, nil
	}
	e.owner.abandon()
	at, err := e.owner.resume(context.Background(), settling)
	if err != nil && !errors.Is(err, index.ErrFailed) {
		err = fmt.Errorf("%w: what became of the last batch is not known: %w", index.ErrFailed, err)
	}
	return err == nil && at == t.number, err
}

// transaction is what is sent to the server.
type transaction struct {
	*fold
	epoch, number int64
	durable       bool
}

func newTransaction(all []*request, epoch, number int64) *transaction {
	t := &transaction{fold: newFold(all), epoch: epoch, number: number}
	for _, r := range all {
		t.durable = t.durable || r.durable
	}
	return t
}

// run sends all at once. After an error the session is of no use.
func (t *transaction) run(ctx context.Context, conn *pgx.Conn) error {
	var b pgx.Batch
	b.Queue("BEGIN")
	if !t.durable {
		b.Queue("SET LOCAL synchronous_commit = off")
	}
	b.Queue("UPDATE vauban_index_owner SET batch = $1, writer = $2", t.number, t.epoch)
	for _, r := range t.ranges {
		b.Queue("DELETE FROM vauban_index WHERE key >= $1 AND key < $2", r[0], r[1])
	}
	t.queueRows(&b)
	b.Queue("COMMIT")
	results := conn.SendBatch(ctx, &b)
	var tag pgconn.CommandTag
	var err error
	for range b.Len() {
		if tag, err = results.Exec(); err != nil {
			break
		}
	}
	err = errors.Join(err, results.Close())
	if err == nil && tag.String() != "COMMIT" {
		err = fmt.Errorf("the transaction ended with %s", tag)
	}
	return err
}

func (t *transaction) queueRows(b *pgx.Batch) {
	var gone, set, values, added [][]byte
	var numbers []string
	for key, o := range t.rows {
		if o.remove {
			gone = append(gone, []byte(key))
		}
		if o.value != nil {
			set, values = append(set, []byte(key)), append(values, o.value)
		}
		if o.numbers != nil {
			added, numbers = append(added, []byte(key)), append(numbers, array(o.numbers))
		}
	}
	if gone != nil {
		b.Queue("DELETE FROM vauban_index WHERE key = ANY($1::bytea[])", gone)
	}
	if set != nil {
		b.Queue(`INSERT INTO vauban_index (key, value) SELECT k, v FROM unnest($1::bytea[], $2::bytea[]) AS r (k, v)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, numbers = NULL`, set, values)
	}
	if added != nil {
		b.Queue(`INSERT INTO vauban_index (key, numbers) SELECT k, n::bigint[] FROM unnest($1::bytea[], $2::text[]) AS r (k, n)
			ON CONFLICT (key) DO UPDATE SET numbers = (SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY i)
				FROM unnest(vauban_index.numbers, excluded.numbers) WITH ORDINALITY AS s (a, b, i))`, added, numbers)
	}
}
