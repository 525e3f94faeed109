package turn_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vauban-cloud/vauban/driver/internal/turn"
)

func TestOneHolderAKey(t *testing.T) {
	var turns turn.Turns
	var a, b int // each guarded by its key
	counters := map[string]*int{"a": &a, "b": &b}
	var wg sync.WaitGroup
	for range 200 {
		for key, n := range counters {
			wg.Go(func() {
				release, err := turns.Take(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				defer release()
				*n++
			})
		}
	}
	wg.Wait()
	if a != 200 || b != 200 {
		t.Errorf("counted %d and %d, want 200 each: turns overlapped", a, b)
	}
}

func TestWaitingEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turn.Turns
		release, err := turns.Take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := turns.Take(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("take a held key: %v, want deadline exceeded", err)
		}
		if other, err := turns.Take(ctx, "b"); err == nil {
			other()
		}
		release()
		again, err := turns.Take(t.Context(), "a")
		if err != nil {
			t.Fatalf("take a released key: %v", err)
		}
		again()
	})
}
