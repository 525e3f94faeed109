package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

// Faults runs transactions on an engine that fails at any of its steps, and
// checks that what was acknowledged is there, that what was refused is not, and
// that memory is what the disk is.
func Faults(t *testing.T, fresh Fresh) {
	place := fresh(t)
	var f *faulty
	s := open(t, func(ctx context.Context) (store.Engine, error) {
		e, err := place(ctx)
		f = &faulty{Engine: e}
		return f, err
	})
	f.on.Store(true)
	const workers, each = 4, 150
	outcomes := make([][each]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				outcomes[w][n] = s.Update(context.Background(), func(tx *store.Tx) error {
					id := fmt.Sprint(w, "-", n)
					c, _ := counters.Get(tx, "total")
					return errors.Join(
						counters.Put(tx, Counter{"total", c.N + 1}),
						things.Create(tx, Thing{ID: id}),
						tx.Claim("thing", id, "x"))
				})
			}
		})
	}
	wg.Wait()
	f.on.Store(false)
	update(t, s, func(*store.Tx) error { return nil }) // after an unknown outcome, memory may be behind

	written, unknown, refused := 0, 0, 0
	for w := range workers {
		for n, err := range outcomes[w] {
			id := fmt.Sprint(w, "-", n)
			_, there := things.Get(s.View(), id)
			if _, claimed := store.Owner(s.View(), "thing", id); claimed != there {
				t.Errorf("%s: document %v, claim %v", id, there, claimed)
			}
			switch {
			case errors.Is(err, store.ErrUnknown):
				unknown++
			case err != nil:
				refused++
			}
			if there {
				written++
			}
			if there != (err == nil) && !errors.Is(err, store.ErrUnknown) {
				t.Errorf("%s: it is there: %v, but the outcome was %v", id, there, err)
			}
		}
	}
	total, _ := counters.Get(s.View(), "total")
	equal(t, "counter", total.N, written)
	t.Logf("%d written, %d refused, %d unknown", written, refused, unknown)
	if written == 0 || refused == 0 || unknown == 0 {
		t.Error("the faults were not of all sorts")
	}
	want := dump(s.View())
	shut(t, s)
	equal(t, "documents on disk", dump(open(t, place).View()), want)
}

// faulty is an engine that fails now and then.
type faulty struct {
	store.Engine
	on atomic.Bool
}

var errFault = errors.New("injected")

// fails returns an error once in a while: one that may be retried, or not.
func (f *faulty) fails(step string) error {
	switch n := rand.IntN(20); {
	case !f.on.Load() || n > 1:
		return nil
	case n == 0:
		return fmt.Errorf("%s: %w", step, errFault)
	default:
		return fmt.Errorf("%s: %w: %w", step, store.ErrRetry, errFault)
	}
}

func (f *faulty) Read(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, error) {
	if err := f.fails("read"); err != nil {
		return store.Position{}, err
	}
	p, err := f.Engine.Read(ctx, since, yield)
	if err == nil {
		err = f.fails("read all")
	}
	return p, err
}

func (f *faulty) Begin(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, store.Writer, error) {
	if err := f.fails("begin"); err != nil {
		return store.Position{}, nil, err
	}
	p, w, err := f.Engine.Begin(ctx, since, yield)
	if err != nil {
		return p, nil, err
	}
	if err := f.fails("begun"); err != nil {
		w.Rollback()
		return p, nil, err
	}
	return p, &faultyWriter{w, f}, nil
}

type faultyWriter struct {
	store.Writer
	faulty *faulty
}

func (w *faultyWriter) Commit(rows []store.Row, p store.Position) error {
	if err := w.faulty.fails("commit"); err != nil {
		w.Rollback()
		return err
	}
	if err := w.faulty.fails("answer"); err != nil {
		if rand.IntN(2) == 0 {
			w.Rollback()
		} else if err := w.Writer.Commit(rows, p); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", store.ErrUnknown, errFault)
	}
	return w.Writer.Commit(rows, p)
}
