// Package notify delivers the events of buckets to the destinations that the operator
// has configured: webhooks, and files that others read as queues.
//
// It guarantees that what a change has left in a queue is delivered at least once, over
// restarts, and in the order of the queue: a destination that fails holds up its own
// queue and no other. It gives up on notes that are older than MaxAge, and on the oldest
// of more than MaxLength, and says so in the log. It calls nobody but the
// destinations.
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// Config says what to deliver.
type Config struct {
	Objects      *object.Store
	Destinations []Destination
	Region       string
	Owner        func(account string) string // canonical user ID
	Log          *slog.Logger
	Now          func() time.Time

	MinDelay  time.Duration // after the first failure: 200 ms, doubled up to
	MaxDelay  time.Duration // 1 minute
	MaxAge    time.Duration // 24 hours
	MaxLength int64         // notes of a queue: 1,000,000
}

// Courier delivers. Its methods are safe for concurrent use.
type Courier struct {
	Config
	byName map[string]*Destination

	mu      sync.Mutex
	failing map[string]error // by queue; guarded by mu
}

// New returns a Courier.
func New(c Config) *Courier {
	or(&c.MinDelay, 200*time.Millisecond)
	or(&c.MaxDelay, time.Minute)
	or(&c.MaxAge, 24*time.Hour)
	or(&c.MaxLength, 1_000_000)
	out := &Courier{Config: c, byName: map[string]*Destination{}, failing: map[string]error{}}
	for k := range c.Destinations {
		out.byName[c.Destinations[k].Name] = &c.Destinations[k]
	}
	return out
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// Queue returns the queue of a destination, "" if buckets of the account have none of
// that name.
func (c *Courier) Queue(name, account string) string {
	if d := c.byName[name]; d != nil && (d.Account == "" || d.Account == account) {
		return d.Name
	}
	return ""
}

// Failing returns the last error of each destination that fails at present.
func (c *Courier) Failing() map[string]error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.failing)
}

func (c *Courier) note(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.failing, name); err != nil {
		c.failing[name] = err
	}
}

// recheck is how often queues are looked at without having heard of notes.
const recheck = time.Minute

// Run delivers until ctx ends.
func (c *Courier) Run(ctx context.Context) error {
	wake := map[string]chan struct{}{}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		queues, err := c.Objects.Queues(ctx)
		if err != nil {
			return nil //nolint:nilerr // the store tells of it itself, and ends the process
		}
		for _, q := range queues {
			w := wake[q.Name]
			if w == nil {
				w = make(chan struct{}, 1)
				wake[q.Name] = w
				all.Go(func() { c.serve(ctx, q.Name, w) })
			}
			select {
			case w <- struct{}{}:
			default:
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.Objects.Noted():
		case <-tick.C:
		}
	}
}

// batch is how many notes are in memory, of a queue.
const batch = 100

// serve empties a queue whenever it is woken.
func (c *Courier) serve(ctx context.Context, queue string, wake <-chan struct{}) {
	delay := c.MinDelay
	for {
		again, err := c.deliver(ctx, queue)
		if ctx.Err() != nil {
			return
		}
		c.note(queue, err)
		switch {
		case err != nil:
			c.Log.Warn("deliver notifications", "destination", queue, "again in", delay, "err", err)
			if !sleep(ctx, delay) {
				return
			}
			delay = min(2*delay, c.MaxDelay)
			continue
		case again:
			delay = c.MinDelay
			continue
		}
		delay = c.MinDelay
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// deliver delivers some notes of a queue, and reports whether there may be more.
func (c *Courier) deliver(ctx context.Context, queue string) (more bool, err error) {
	if err := c.trim(ctx, queue); err != nil {
		return false, err
	}
	notes, err := c.Objects.Peek(ctx, queue, batch)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	d := c.byName[queue]
	if d == nil {
		err = fmt.Errorf("the operator has no destination %q any more", queue)
	}
	var lost, ready []object.Queued
	var bodies [][]byte
	for _, n := range notes {
		var e cloud.ObjectEvent
		if wrong := json.Unmarshal(n.Body, &e); wrong != nil || c.Now().Sub(e.Time) > c.MaxAge {
			c.Log.Error("a notification is lost: it is too old", "destination", queue, "event", e.Event, "bucket", e.Bucket, "key", e.Key, "time", e.Time)
			lost = append(lost, n)
			continue
		}
		if d == nil {
			break
		}
		body, wrong := c.render(e, n.Number)
		if wrong != nil {
			return false, wrong
		}
		ready, bodies = append(ready, n), append(bodies, body)
	}
	sent := 0
	if len(bodies) > 0 {
		sent, err = d.send(ctx, bodies)
	}
	if forgotten := c.Objects.Forget(context.WithoutCancel(ctx), queue, append(lost, ready[:sent]...)); forgotten != nil {
		return false, forgotten
	}
	return err == nil, err
}

// trim drops the oldest notes of a queue that is too long.
func (c *Courier) trim(ctx context.Context, queue string) error {
	queues, err := c.Objects.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if q.Name != queue || q.Length <= c.MaxLength {
			continue
		}
		lost, err := c.Objects.Peek(ctx, queue, int(min(q.Length-c.MaxLength, 10_000)))
		if err != nil {
			return err
		}
		c.Log.Error("notifications are lost: their destination has not taken them, and too many wait", "destination", queue, "lost", len(lost), "waiting", q.Length)
		return c.Objects.Forget(ctx, queue, lost)
	}
	return nil
}
