package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/store"
)

// RunShared is what an engine for several processes must pass besides Run.
func RunShared(t *testing.T, fresh Fresh) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Place)
	}{
		{"opening at once", openingAtOnce},
		{"writers of several stores", severalWriters},
		{"what one wrote the other reads", hearsay},
		{"claims of several stores", severalClaims},
		{"deaf store", deafStore},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

func openingAtOnce(t *testing.T, place Place) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(context.Background(), place)
			if err != nil {
				t.Error(err)
				return
			}
			is(t, s.Close(), nil)
		})
	}
	wg.Wait()
}

func severalWriters(t *testing.T, place Place) {
	stores := []*store.Store{open(t, place), open(t, place), open(t, place)}
	const each = 50
	var wg, consumers sync.WaitGroup
	mirrors := make([]mirror, len(stores))
	for i, s := range stores {
		mirrors[i] = mirror{}
		consumers.Go(func() { is(t, mirrors[i].follow(s), nil) })
		for w := range 2 {
			wg.Go(func() {
				churn(t, s, fmt.Sprint("w", i, w), each)
				for range each {
					err := s.Update(context.Background(), func(tx *store.Tx) error {
						c, _ := counters.Get(tx, "n")
						return counters.Put(tx, Counter{"n", c.N + 1})
					})
					is(t, err, nil)
				}
			})
		}
	}
	wg.Wait()
	put(t, stores[0], Thing{ID: "end"})
	consumers.Wait()
	var want string
	for i, s := range stores {
		update(t, s, func(tx *store.Tx) error {
			c, _ := counters.Get(tx, "n")
			equal(t, "counter", c.N, len(stores)*2*each)
			return nil
		})
		delete(mirrors[i], "n") // the counter, which check does not expect
		mirrors[i].check(t, s.View())
		if i == 0 {
			want = dump(s.View())
		}
		equal(t, "documents", dump(s.View()), want)
	}
}

// hearsay: at once, and without asking.
func hearsay(t *testing.T, place Place) {
	a, b := open(t, place), open(t, place)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	before := time.Now()
	for i := range 5 {
		put(t, a, Thing{ID: "x", N: i})
		if _, _, err := b.Changes(ctx, int64(i)); err != nil {
			t.Fatal(err)
		}
		v, _ := things.Get(b.View(), "x")
		equal(t, "x", v.N, i)
	}
	if took := time.Since(before); took > 3*time.Second { // a look every second would take four at least
		t.Errorf("heard of five changes after %v", took)
	}
	// A revision that was read in one store is good in the other.
	revision, _ := things.Revision(a.View(), "x")
	err := b.Update(context.Background(), func(tx *store.Tx) error { return things.Swap(tx, Thing{ID: "x", N: -1}, revision) })
	is(t, err, nil)
	err = a.Update(context.Background(), func(tx *store.Tx) error { return things.Swap(tx, Thing{ID: "x", N: -2}, revision) })
	is(t, err, store.ErrConflict)
}

func severalClaims(t *testing.T, place Place) {
	stores := []*store.Store{open(t, place), open(t, place)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]string{} // guarded by mu
	for i, s := range stores {
		wg.Go(func() {
			for n := range 50 {
				me, value := fmt.Sprint("s", i), fmt.Sprint(n)
				err := s.Update(context.Background(), func(tx *store.Tx) error { return tx.Claim("n", value, me) })
				if held, ok := errors.AsType[*store.ClaimedError](err); ok {
					equal(t, "loser's view", held.Owner != me, true)
					continue
				}
				is(t, err, nil)
				mu.Lock()
				if other, ok := won[value]; ok {
					t.Errorf("%s is claimed by %s and %s", value, other, me)
				}
				won[value] = me
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	equal(t, "claimed", len(won), 50)
}

// deafStore: a store that heard nothing while deletions were forgotten is right
// again with its next transaction.
func deafStore(t *testing.T, place Place) {
	a := open(t, place)
	b := open(t, func(ctx context.Context) (store.Engine, error) {
		e, err := place(ctx)
		return deaf{e}, err
	})
	put(t, a, Thing{ID: "gone"}, Thing{ID: "stays"})
	update(t, b, func(tx *store.Tx) error { return nil })
	equal(t, "things", keys(things.All(b.View())), "gone stays")
	update(t, a, func(tx *store.Tx) error { return things.Delete(tx, "gone") })
	deleteMany(t, a)
	equal(t, "things of the deaf", keys(things.All(b.View())), "gone stays")
	update(t, b, func(tx *store.Tx) error {
		equal(t, "things in a transaction", keys(things.All(tx)), "stays")
		return things.Put(tx, Thing{ID: "new"})
	})
	update(t, a, func(tx *store.Tx) error { return nil })
	equal(t, "documents", dump(b.View()), dump(a.View()))
	list, _, err := b.Changes(context.Background(), 1)
	is(t, err, nil)
	equal(t, "first change is about all", list[0].Table, "")
}

// deaf is an engine that hears nothing.
type deaf struct{ store.Engine }

func (deaf) Wait(ctx context.Context) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}
