// Package notify delivers the events of buckets to the destinations that the operator
// has configured: webhooks, and files that others read as queues.
//
// It guarantees that what a change has left in a queue is delivered at least once, over
// restarts, and in the order of the queue: a destination that fails holds up its own
// queue and no other. It gives up on notes that a webhook refuses again and again, on
// those that are older than MaxAge, and on the oldest of more than MaxLength: it
// keeps them in a file, and says so in the log. It calls nobody but the destinations.
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
	Dead         string                      // folder for what was not delivered
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

// queue is one that is served.
type queue struct {
	name    string
	refused int // how often the webhook has refused since it took something
}

// serve empties a queue whenever it is woken.
func (c *Courier) serve(ctx context.Context, name string, wake <-chan struct{}) {
	q := &queue{name: name}
	delay := c.MinDelay
	for {
		again, err := c.deliver(ctx, q)
		if ctx.Err() != nil {
			return
		}
		c.note(name, err)
		switch {
		case again:
			delay = c.MinDelay
			continue
		case err != nil:
			c.Log.Warn("deliver notifications", "destination", name, "again in", delay, "err", err)
			if !sleep(ctx, delay) {
				return
			}
			delay = min(2*delay, c.MaxDelay)
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

// deliver delivers some notes of a queue, and reports whether it got on and there may
// be more. The error is what keeps the destination from taking the next.
func (c *Courier) deliver(ctx context.Context, q *queue) (more bool, err error) {
	if err := c.trim(ctx, q.name); err != nil {
		return false, err
	}
	notes, err := c.Objects.Peek(ctx, q.name, batch)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	old := 0 // they come first
	for old < len(notes) && c.tooOld(notes[old]) {
		old++
	}
	if old > 0 {
		return true, c.giveUp(ctx, q.name, "they are too old", notes[:old])
	}
	d := c.byName[q.name]
	if d == nil {
		return false, fmt.Errorf("the operator has no destination %q any more", q.name)
	}
	sent, err := d.send(ctx, c.bodies(notes))
	if forgotten := c.Objects.Forget(context.WithoutCancel(ctx), q.name, notes[:sent]); forgotten != nil {
		return false, forgotten
	}
	if !q.dead(sent, err) {
		return err == nil, err
	}
	if buried := c.giveUp(ctx, q.name, err.Error(), notes[sent:sent+1]); buried != nil {
		return false, buried
	}
	return true, err
}

// tooOld reports whether nobody waits for a note any more.
func (c *Courier) tooOld(n object.Queued) bool {
	var e cloud.ObjectEvent
	return json.Unmarshal(n.Body, &e) != nil || c.Now().Sub(e.Time) > c.MaxAge
}

// bodies are the messages of notes.
func (c *Courier) bodies(notes []object.Queued) (list [][]byte) {
	for _, n := range notes {
		list = append(list, c.render(n))
	}
	return list
}

// giveUp moves notes from their queue to the file of what was not delivered. If that
// cannot be written, they are lost: queues must not grow for ever.
func (c *Courier) giveUp(ctx context.Context, name, why string, notes []object.Queued) error {
	log := c.Log.With("destination", name, "count", len(notes), "why", why)
	if err := c.bury(name, c.bodies(notes)); err != nil {
		log.Error("notifications are lost", "err", err)
	} else {
		log.Error("notifications were not delivered", "file", c.deadPath(name))
	}
	return c.Objects.Forget(context.WithoutCancel(ctx), name, notes)
}

// trim gives up the oldest notes of a queue that is too long.
func (c *Courier) trim(ctx context.Context, name string) error {
	queues, err := c.Objects.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		if q.Name != name || q.Length <= c.MaxLength {
			continue
		}
		oldest, err := c.Objects.Peek(ctx, name, int(min(q.Length-c.MaxLength, 10_000)))
		if err != nil {
			return err
		}
		return c.giveUp(ctx, name, fmt.Sprintf("%d wait", q.Length), oldest)
	}
	return nil
}
