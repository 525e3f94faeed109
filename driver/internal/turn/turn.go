// Package turn lets callers that work on the same thing take turns, while those
// that work on different things go ahead together.
//
// It guarantees that at most one caller holds a key at a time, and that waiting
// ends with the caller's context. It does not promise an order among waiters.
package turn

import (
	"context"
	"sync"
)

// Turns is a set of keys that callers take one at a time. The zero value is
// ready; it must not be copied. A key that nobody wants costs nothing.
type Turns struct {
	mu     sync.Mutex
	queues map[string]*queue // guarded by mu
}

// queue is one key. Whoever put the value into slot holds the key.
type queue struct {
	slot  chan struct{}
	users int // holder and waiters; guarded by Turns.mu
}

// Take waits for the key and returns the function that gives it back, or the
// context's error, also when both could be had.
func (t *Turns) Take(ctx context.Context, key string) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	q := t.queues[key]
	if q == nil {
		if t.queues == nil {
			t.queues = make(map[string]*queue)
		}
		q = &queue{slot: make(chan struct{}, 1)}
		t.queues[key] = q
	}
	q.users++
	t.mu.Unlock()

	select {
	case q.slot <- struct{}{}:
		return func() { <-q.slot; t.leave(key, q) }, nil
	case <-ctx.Done():
		t.leave(key, q)
		return nil, ctx.Err()
	}
}

// leave forgets the key when nobody is left.
func (t *Turns) leave(key string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.queues, key)
	}
}
