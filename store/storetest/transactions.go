package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

func failingFunction(t *testing.T, s *store.Store) {
	put(t, s, Thing{ID: "a"})
	failed := errors.New("failed")
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		is(t, things.Put(tx, Thing{ID: "b"}), nil)
		is(t, things.Delete(tx, "a"), nil)
		is(t, tx.Claim("ip", "1", "b"), nil)
		return failed
	})
	if err != failed { //nolint:errorlint // it must come back as it is
		t.Errorf("error is %v, want it as it was", err)
	}
	equal(t, "things", keys(things.All(s.View())), "a")
	equal(t, "revision", s.View().Revision(), 1)
	_, ok := store.Owner(s.View(), "ip", "1")
	equal(t, "claim is held", ok, false)

	// In a batch, it takes nobody with it.
	gathered(t, s, 20, func(i int) error {
		return s.Update(context.Background(), func(tx *store.Tx) error {
			err := things.Create(tx, Thing{ID: fmt.Sprint("c", i%10)})
			if i%3 == 0 {
				return failed
			}
			return err
		})
	}, func(i int, err error) {
		if i%3 == 0 && !errors.Is(err, failed) || i%3 != 0 && err != nil && !errors.Is(err, store.ErrExists) {
			t.Errorf("update %d: %v", i, err)
		}
	})
	equal(t, "things", things.Count(s.View(), ""), 11)
}

// gathered calls do n times while another transaction runs, so that they are
// likely to wait together for the next batch.
func gathered(t *testing.T, s *store.Store, n int, do func(i int) error, check func(i int, err error)) {
	var wg sync.WaitGroup
	started := make(chan bool, n)
	update(t, s, func(*store.Tx) error {
		for i := range n {
			wg.Go(func() {
				started <- true
				err := do(i)
				check(i, err)
			})
		}
		for range n {
			<-started
		}
		runtime.Gosched()
		return nil
	})
	wg.Wait()
}

// panickingFunction: a panic is its caller's own, and everybody else goes on.
func panickingFunction(t *testing.T, s *store.Store) {
	gathered(t, s, 30, func(i int) (err error) {
		id := fmt.Sprint(i)
		if i%3 == 1 { // a test that fails within Update ends its goroutine so
			done := make(chan bool)
			go func() {
				defer close(done)
				s.Update(context.Background(), func(tx *store.Tx) error { //nolint:errcheck // it does not return
					is(t, things.Put(tx, Thing{ID: id}), nil)
					runtime.Goexit()
					return nil
				})
			}()
			<-done
			return nil
		}
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic %v", r)
			}
		}()
		return s.Update(context.Background(), func(tx *store.Tx) error {
			is(t, things.Put(tx, Thing{ID: id}), nil)
			if i%3 == 0 {
				panic(id)
			}
			return nil
		})
	}, func(i int, err error) {
		if i%3 == 0 && fmt.Sprint(err) != fmt.Sprint("panic ", i) || i%3 != 0 && err != nil {
			t.Errorf("update %d: %v", i, err)
		}
	})
	equal(t, "things", things.Count(s.View(), ""), 10)
	put(t, s, Thing{ID: "after"})
}

func leakedTx(t *testing.T, s *store.Store) {
	var leaked *store.Tx
	update(t, s, func(tx *store.Tx) error { leaked = tx; return nil })
	defer func() {
		if recover() == nil {
			t.Error("used after its end: no panic")
		}
	}()
	things.Put(leaked, Thing{ID: "a"}) //nolint:errcheck // it panics
}

func manyWriters(t *testing.T, s *store.Store) {
	const n = 1000
	put(t, s, Thing{ID: "a"})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx *store.Tx) error {
				return things.Modify(tx, "a", func(v *Thing) error { v.N += i + 1; return nil })
			})
			is(t, err, nil)
		})
	}
	wg.Wait()
	v, _ := things.Get(s.View(), "a")
	equal(t, "sum", v.N, n*(n+1)/2)
	equal(t, "revision", s.View().Revision(), n+1)
}

// writeSkew: of two on call one may leave, as long as the other stays.
func writeSkew(t *testing.T, s *store.Store) {
	for round := range 20 {
		put(t, s, Thing{ID: "a", N: 1, Group: fmt.Sprint(round)}, Thing{ID: "b", N: 1, Group: fmt.Sprint(round)})
		other := map[string]string{"a": "b", "b": "a"}
		var wg sync.WaitGroup
		for _, me := range []string{"a", "b", "a", "b"} {
			wg.Go(func() {
				err := s.Update(context.Background(), func(tx *store.Tx) error {
					if v, _ := things.Get(tx, other[me]); v.N == 0 {
						return nil
					}
					return things.Modify(tx, me, func(v *Thing) error { v.N = 0; return nil })
				})
				is(t, err, nil)
			})
		}
		wg.Wait()
		a, _ := things.Get(s.View(), "a")
		b, _ := things.Get(s.View(), "b")
		equal(t, "on call", a.N+b.N, 1)
	}
}

// wholeViews: money moves between accounts, and no view sees it twice or not at all.
func wholeViews(t *testing.T, s *store.Store) {
	for i := range 10 {
		put(t, s, Thing{ID: fmt.Sprint(i), N: 100, Group: "x"})
	}
	var writers, readers sync.WaitGroup
	done := make(chan bool)
	for w := range 4 {
		writers.Go(func() {
			for n := range 25 {
				from, to := fmt.Sprint((w+n)%10), fmt.Sprint((w*3+n*7+1)%10)
				err := s.Update(context.Background(), func(tx *store.Tx) error {
					return errors.Join(
						things.Modify(tx, from, func(v *Thing) error { v.N--; return nil }),
						things.Modify(tx, to, func(v *Thing) error { v.N++; v.Group = fmt.Sprint(n % 2); return nil }))
				})
				is(t, err, nil)
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			var last int64
			for {
				select {
				case <-done:
					return
				default:
				}
				v := s.View()
				sum, byGroup := 0, 0
				for d := range things.All(v) {
					sum += d.N
				}
				for _, g := range []string{"x", "0", "1"} {
					for d := range things.Select(v, "group/"+g) {
						byGroup += d.N
					}
				}
				if sum != 1000 || byGroup != 1000 || v.Revision() < last {
					t.Errorf("at revision %d after %d: sum %d, by groups %d", v.Revision(), last, sum, byGroup)
					return
				}
				last = v.Revision()
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func ownWrites(t *testing.T, s *store.Store) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			id := fmt.Sprint(w)
			for n := 1; n <= 25; n++ {
				is(t, s.Update(context.Background(), func(tx *store.Tx) error { return things.Put(tx, Thing{ID: id, N: n}) }), nil)
				v, _ := things.Get(s.View(), id)
				if v.N != n {
					t.Errorf("read %d after writing %d", v.N, n)
				}
			}
		})
	}
	wg.Wait()
}

func cancelled(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	waiting, result := make(chan bool), make(chan error)
	ran := false
	update(t, s, func(*store.Tx) error {
		go func() {
			close(waiting)
			result <- s.Update(ctx, func(*store.Tx) error { ran = true; return nil })
		}()
		<-waiting
		cancel()
		is(t, <-result, context.Canceled) // while this transaction still runs
		return nil
	})
	is(t, s.Update(ctx, func(*store.Tx) error { ran = true; return nil }), context.Canceled)
	equal(t, "function ran", ran, false)

	// Once the function runs, only the outcome counts.
	ctx, cancel = context.WithCancel(context.Background())
	err := s.Update(ctx, func(tx *store.Tx) error { cancel(); return things.Put(tx, Thing{ID: "a"}) })
	is(t, err, nil)
	equal(t, "things", keys(things.All(s.View())), "a")
}

// closing: every writer gets an answer, and the answers are true.
func closing(t *testing.T, place Place) {
	s, err := Open(context.Background(), place)
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	var wg sync.WaitGroup
	results := make([]error, n)
	entered, release, closed := make(chan bool), make(chan bool), make(chan error)
	for i := range n {
		wg.Go(func() {
			results[i] = s.Update(context.Background(), func(tx *store.Tx) error {
				select {
				case entered <- true:
					<-release
				case <-release:
				}
				return things.Put(tx, Thing{ID: fmt.Sprint(i)})
			})
		})
	}
	<-entered
	view := s.View()
	go func() { closed <- s.Close() }()
	_, _, err = s.Changes(context.Background(), 99) // ends when the closing has begun
	is(t, err, store.ErrClosed)
	close(release)
	wg.Wait()
	is(t, <-closed, nil)
	is(t, s.Close(), nil)
	is(t, s.Update(context.Background(), func(*store.Tx) error { t.Error("function ran"); return nil }), store.ErrClosed)
	equal(t, "view after closing", things.Count(view, ""), 0)

	again := open(t, place)
	written := 0
	for i, err := range results {
		if err == nil {
			written++
		} else {
			is(t, err, store.ErrClosed)
		}
		if _, ok := things.Get(again.View(), fmt.Sprint(i)); ok != (err == nil) {
			t.Errorf("update %d returned %v, and the document is there: %v", i, err, ok)
		}
	}
	if written == 0 {
		t.Error("the transaction under way was not finished")
	}
}
