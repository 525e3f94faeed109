// Package control runs the control plane's reconcilers: it follows the store's
// changes, hands each reconciler the keys that concern it, and hands it all of
// them again on a timer. The reconcilers, one a folder, are level-triggered: each
// reads what is wanted and what is, takes the next idempotent step, records it.
//
// It guarantees that while one of the processes on a store holds the lease, its
// reconcilers and nobody else's run.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/reconcile"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is one concern of the control plane.
type Reconciler interface {
	// Name is unique, e.g. "instance".
	Name() string
	// Key returns the key to look at after a change, or "" if it is none of this
	// reconciler's business.
	Key(c store.Change) string
	// Reconcile takes the next step for the key; see reconcile.Func.
	Reconcile(ctx context.Context, key string) (time.Duration, error)
}

// Config says what to run.
type Config struct {
	DB          *store.Store
	Holder      string // who holds the lease: unique among the processes on the store
	Reconcilers []Reconciler
	Resync      time.Duration // every key is looked at so often: 1 minute
	Now         func() time.Time
	Log         *slog.Logger
}

// Plane is the control plane of one process.
type Plane struct {
	cfg Config

	mu    sync.Mutex
	loops map[string]*reconcile.Loop // guarded by mu; nil while the lease is elsewhere
}

// New returns a Plane that works once Run is called.
func New(cfg Config) *Plane {
	if cfg.Resync == 0 {
		cfg.Resync = time.Minute
	}
	return &Plane{cfg: cfg}
}

const leaseTerm = 15 * time.Second

// Run holds the lease and runs the reconcilers, waits while another process
// does, and returns when ctx ends.
func (p *Plane) Run(ctx context.Context) error {
	for {
		held, err := p.renew(ctx)
		if err != nil && ctx.Err() == nil {
			p.cfg.Log.Warn("control plane lease", "err", err)
		}
		if held {
			p.lead(ctx)
		}
		select {
		case <-ctx.Done():
			return p.release()
		case <-time.After(leaseTerm / 5):
		}
	}
}

// Failing returns the keys that fail, by reconciler, and whether this process leads.
func (p *Plane) Failing() (failing map[string]map[string]reconcile.Failure, leads bool) {
	p.mu.Lock()
	loops := maps.Clone(p.loops)
	p.mu.Unlock()
	failing = map[string]map[string]reconcile.Failure{}
	for name, l := range loops {
		if f := l.Failing(); len(f) > 0 {
			failing[name] = f
		}
	}
	return failing, loops != nil
}

var leases store.Table[cloud.Lease]

const leaseName = "control"

var errHeld = errors.New("lease is held elsewhere")

func (p *Plane) renew(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTerm/3)
	defer cancel()
	now := p.cfg.Now()
	err := p.cfg.DB.Update(ctx, func(tx *store.Tx) error {
		l, ok := leases.Get(tx, leaseName)
		if ok && l.Holder != p.cfg.Holder && now.Before(l.Expires) {
			return errHeld
		}
		return leases.Put(tx, cloud.Lease{Name: leaseName, Holder: p.cfg.Holder, Expires: now.Add(leaseTerm)})
	})
	if errors.Is(err, errHeld) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("renew lease: %w", err)
	}
	return true, nil
}

// release lets another process take over at once.
func (p *Plane) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := p.cfg.DB.Update(ctx, func(tx *store.Tx) error {
		if l, ok := leases.Get(tx, leaseName); !ok || l.Holder != p.cfg.Holder {
			return nil
		}
		return leases.Delete(tx, leaseName)
	})
	if errors.Is(err, store.ErrClosed) {
		return nil
	}
	return err
}

// lead runs the reconcilers for as long as the lease can be renewed.
func (p *Plane) lead(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	loops := map[string]*reconcile.Loop{}
	for _, r := range p.cfg.Reconcilers {
		l := reconcile.New(reconcile.Config{Name: r.Name(), Do: r.Reconcile, Log: p.cfg.Log})
		loops[r.Name()] = l
		running.Go(func() { l.Run(ctx) })
	}
	p.set(loops)
	defer p.set(nil)
	running.Go(func() { p.feed(ctx, loops) })

	renewed := p.cfg.Now()
	tick := time.NewTicker(leaseTerm / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		held, err := p.renew(ctx)
		switch {
		case held:
			renewed = p.cfg.Now()
		case err == nil, p.cfg.Now().Sub(renewed) > leaseTerm*2/3:
			p.cfg.Log.Warn("control plane steps down", "err", err)
			cancel()
			return
		}
	}
}

func (p *Plane) set(loops map[string]*reconcile.Loop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loops = loops
}

// feed turns changes into keys: all of them at the start and at every resync.
func (p *Plane) feed(ctx context.Context, loops map[string]*reconcile.Loop) {
	since, resync := int64(0), p.cfg.Now().Add(p.cfg.Resync)
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, max(time.Millisecond, resync.Sub(p.cfg.Now())))
		changes, next, err := p.cfg.DB.Changes(wait, since)
		cancel()
		switch {
		case ctx.Err() != nil, errors.Is(err, store.ErrClosed):
			return
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			p.cfg.Log.Error("follow the store", "err", err)
			time.Sleep(time.Second)
			continue
		case err == nil:
			since = next
			p.dispatch(changes, loops)
		}
		if !p.cfg.Now().Before(resync) {
			since, resync = 0, p.cfg.Now().Add(p.cfg.Resync)
		}
	}
}

func (p *Plane) dispatch(changes []store.Change, loops map[string]*reconcile.Loop) {
	for _, c := range changes {
		for _, r := range p.cfg.Reconcilers {
			if key := r.Key(c); key != "" {
				loops[r.Name()].Add(key)
			}
		}
	}
}
