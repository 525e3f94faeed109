// Package reconcile is the engine under every reconciler, in the control plane
// and on the hosts: a queue of keys, each worked on by one worker at a time, on
// a signal and on a timer, with back-off after an error and an alarm after a
// deadline.
//
// It guarantees that a key which was added is worked on at least once after the
// last Add, and never by two workers at once. It does not remember anything over
// a restart: whoever starts a Loop adds every key again.
package reconcile

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Func brings the resource of that key one idempotent step nearer to what is
// wanted. It returns when to look again without a signal; 0 means at the next
// signal or resync. After an error the key is tried again with back-off.
type Func func(ctx context.Context, key string) (again time.Duration, err error)

// Config says how a Loop works. The zero value of a field takes the default
// that stands beside it.
type Config struct {
	Name     string
	Do       Func
	Workers  int                         // 4
	Timeout  time.Duration               // of one call of Do: 2 minutes
	MinDelay time.Duration               // first back-off: 50 ms, doubled up to
	MaxDelay time.Duration               // 30 s
	Deadline time.Duration               // an alarm is raised when a key has failed for so long: 5 minutes
	Alarm    func(key string, f Failure) // called once a deadline; default: an error in the log
	Log      *slog.Logger                // slog.Default()
}

// Failure is a key that keeps failing.
type Failure struct {
	Since time.Time
	Tries int
	Err   error
}

// Loop is a queue with its workers.
type Loop struct {
	cfg Config

	mu      sync.Mutex
	wake    *sync.Cond
	queue   []string          // guarded by mu; keys ready to be worked on, oldest first
	state   map[string]*state // guarded by mu; every key that is queued, busy, waiting or failing
	stopped bool              // guarded by mu
}

type state struct {
	queued, busy bool
	dirty        bool        // added while busy: once more when done
	timer        *time.Timer // pending later try
	failure      Failure
	alarmed      bool
}

// New returns a Loop that works once Run is called.
func New(cfg Config) *Loop {
	cfg.Workers = or(cfg.Workers, 4)
	cfg.Timeout = or(cfg.Timeout, 2*time.Minute)
	cfg.MinDelay = or(cfg.MinDelay, 50*time.Millisecond)
	cfg.MaxDelay = or(cfg.MaxDelay, 30*time.Second)
	cfg.Deadline = or(cfg.Deadline, 5*time.Minute)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Alarm == nil {
		cfg.Alarm = func(key string, f Failure) {
			cfg.Log.Error("resource is stuck", "loop", cfg.Name, "key", key, "since", f.Since, "tries", f.Tries, "err", f.Err)
		}
	}
	l := &Loop{cfg: cfg, state: map[string]*state{}}
	l.wake = sync.NewCond(&l.mu)
	return l
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Add asks for the key to be worked on now. A key that is waiting for its
// back-off stays waiting: a signal must not turn a failure into a busy loop.
func (l *Loop) Add(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.get(key)
	if s.failure.Tries > 0 && s.timer != nil {
		return
	}
	l.ready(key, s)
}

// Failing returns the keys that fail at present.
func (l *Loop) Failing() map[string]Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]Failure{}
	for k, s := range l.state {
		if s.failure.Tries > 0 {
			out[k] = s.failure
		}
	}
	return out
}

// Run works until ctx ends and the calls under way have returned.
func (l *Loop) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range l.cfg.Workers {
		workers.Go(func() { l.work(ctx) })
	}
	<-ctx.Done()
	l.mu.Lock()
	l.stopped = true
	for _, s := range l.state {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	l.wake.Broadcast()
	l.mu.Unlock()
	workers.Wait()
}

func (l *Loop) get(key string) *state {
	s := l.state[key]
	if s == nil {
		s = &state{}
		l.state[key] = s
	}
	return s
}

// ready queues the key unless it is queued; mu is held.
func (l *Loop) ready(key string, s *state) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	switch {
	case s.busy:
		s.dirty = true
	case !s.queued:
		s.queued = true
		l.queue = append(l.queue, key)
		l.wake.Signal()
	}
}

func (l *Loop) work(ctx context.Context) {
	for {
		key, ok := l.take()
		if !ok {
			return
		}
		call, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
		again, err := l.cfg.Do(call, key)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.done(key, again, err)
	}
}

// take waits for a key and marks it busy.
func (l *Loop) take() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.stopped {
		l.wake.Wait()
	}
	if l.stopped {
		return "", false
	}
	key := l.queue[0]
	l.queue = l.queue[1:]
	s := l.state[key]
	s.queued, s.busy, s.dirty = false, true, false
	return key, true
}

// done records the outcome and arranges the next call.
func (l *Loop) done(key string, again time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state[key]
	s.busy = false
	if err != nil {
		l.failed(key, s, err)
		return
	}
	s.failure, s.alarmed = Failure{}, false
	switch {
	case s.dirty:
		l.ready(key, s)
	case again > 0:
		l.later(key, s, again)
	default:
		delete(l.state, key)
	}
}

func (l *Loop) failed(key string, s *state, err error) {
	f := &s.failure
	if f.Tries == 0 {
		f.Since = time.Now()
	}
	f.Tries++
	f.Err = err
	l.cfg.Log.Warn("reconcile failed", "loop", l.cfg.Name, "key", key, "try", f.Tries, "err", err)
	if !s.alarmed && time.Since(f.Since) >= l.cfg.Deadline {
		s.alarmed = true
		go l.cfg.Alarm(key, *f)
	}
	delay := min(l.cfg.MaxDelay, l.cfg.MinDelay<<min(f.Tries-1, 20))
	l.later(key, s, delay/2+rand.N(delay/2+1)) //nolint:gosec // jitter, not a secret
}

func (l *Loop) later(key string, s *state, d time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if cur := l.state[key]; cur != nil && cur.timer == timer && !l.stopped {
			l.ready(key, cur)
		}
	})
	s.timer = timer
}
