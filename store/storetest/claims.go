package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

func claims(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		is(t, tx.Claim("ip", "1", "a"), nil)
		is(t, tx.Claim("ip", "1", "a"), nil)
		is(t, tx.Claim("ip", "2", "a"), nil)
		is(t, tx.Claim("mac", "1", "b"), nil)
		is(t, tx.Claim("x/y", "z", "a"), nil) // not the same as the next
		is(t, tx.Claim("x", "y/z", "b"), nil)
		return nil
	})
	err := s.Update(context.Background(), func(tx *store.Tx) error { return tx.Claim("ip", "1", "b") })
	if held, ok := errors.AsType[*store.ClaimedError](err); !ok || *held != (store.ClaimedError{Space: "ip", Value: "1", Owner: "a"}) {
		t.Errorf("claimed by another: %v", err)
	}
	owner := func(space, value, want string) {
		t.Helper()
		got, ok := store.Owner(s.View(), space, value)
		equal(t, space+" "+value, got, want)
		equal(t, space+" "+value+" is held", ok, want != "")
	}
	owner("ip", "1", "a")
	owner("ip", "2", "a")
	owner("mac", "1", "b")
	owner("x/y", "z", "a")
	owner("x", "y/z", "b")
	owner("mac", "2", "")
	update(t, s, func(tx *store.Tx) error {
		tx.Release("ip", "1")
		tx.Release("ip", "1")
		tx.Release("none", "1")
		is(t, tx.Claim("ip", "1", "b"), nil)
		tx.ReleaseAll("a")
		tx.ReleaseAll("nobody")
		tx.ReleaseAll("")
		_, ok := store.Owner(tx, "ip", "2")
		equal(t, "released in the transaction", ok, false)
		return nil
	})
	owner("ip", "1", "b")
	owner("ip", "2", "")
	owner("x/y", "z", "")
	owner("x", "y/z", "b")
	owner("mac", "1", "b")
	if err := s.Update(context.Background(), func(tx *store.Tx) error { return tx.Claim("ip", "9", "") }); err == nil {
		t.Error("claimed for nobody: no error")
	}

	// Of many that want the same value, one gets it.
	var wg sync.WaitGroup
	won := make(chan string, 50)
	for i := range 50 {
		wg.Go(func() {
			me := fmt.Sprint("racer", i)
			if s.Update(context.Background(), func(tx *store.Tx) error { return tx.Claim("race", "flag", me) }) == nil {
				won <- me
			}
		})
	}
	wg.Wait()
	equal(t, "winners", len(won), 1)
	owner("race", "flag", <-won)
}
