// Package node is the agent on each host: it makes the host's guests, disks and
// networks be as its View says, and reports what it sees.
//
// It is level-triggered: every round takes the whole assignment and the whole
// state of the engines, and works on the differences. It keeps nothing on disk:
// names in the engines derive from resource IDs, so an agent that was killed
// finds its guests again. It never stops a guest because the agent stops or the
// View cannot be reached.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/reconcile"
)

// Config is what an agent needs. Capacity tells what the host offers.
type Config struct {
	Host       string
	View       View
	Hypervisor hypervisor.Driver
	Changed    <-chan string // hints of guests that changed by themselves
	Blocks     block.Driver
	Images     block.Images
	Network    network.Driver
	Services   Services
	Capacity   func(ctx context.Context) (cloud.Host, error)
	UIDBase    int // a guest runs as user UIDBase plus its slot
	Log        *slog.Logger
	Now        func() time.Time

	Round      time.Duration // a round without a signal: 5 s
	StopGrace  time.Duration // what a guest gets to shut down: 60 s
	FlowMinute time.Duration // how often flows are handed over: 1 minute
	StartLimit time.Duration // after which a guest that cannot be started is given up: 2 minutes
}

// Services runs what a VPC's guests find in their network: address
// configuration, name resolution, metadata. Facts are asked of the agent.
type Services interface {
	// Serve makes the services of the VPC run; again is harmless.
	Serve(ctx context.Context, vpcID string) error
	// Stop ends them; unknown VPCs are ignored.
	Stop(vpcID string)
}

// Agent runs one host.
type Agent struct {
	cfg   Config
	poke  chan struct{}
	world atomic.Pointer[World]

	guests, disks, snapshots, flattenings, transfers, cards, nets *reconcile.Loop

	loops map[string]*reconcile.Loop // all of them, by kind of resource

	locks    locks     // on volumes
	underWay transfers // imports and exports

	rounds atomic.Int64 // looks at the engines that were begun

	work     sync.RWMutex // held for reading by whoever looks at the host or takes a step: see begin
	draining bool         // guarded by work; once set, nobody begins

	mu     sync.Mutex
	memory map[string]*memory      // guarded by mu; by instance ID
	plans  map[string]*network.VPC // guarded by mu; the plan last applied, by VPC ID
	flows  []cloud.FlowBatch       // guarded by mu; to be handed over
}

// memory is what the agent remembers of a guest while it lives.
type memory struct {
	alive    int // the start number that this agent saw running
	failed   int // the start number that was given up, and why
	why      string
	trying   time.Time // first try of the present start
	pressed  time.Time // when the power button was first pressed for the present stop or reboot
	press    time.Time // and last
	rebooted int       // reboots carried out
	started  int64     // rounds when the guest was last started: older looks do not show it
}

// New returns an agent that works once Run is called.
func New(cfg Config) *Agent {
	if cfg.Round == 0 {
		cfg.Round = 5 * time.Second
	}
	if cfg.FlowMinute == 0 {
		cfg.FlowMinute = time.Minute
	}
	if cfg.StopGrace == 0 {
		cfg.StopGrace = time.Minute
	}
	if cfg.StartLimit == 0 {
		cfg.StartLimit = 2 * time.Minute
	}
	a := &Agent{cfg: cfg, poke: make(chan struct{}, 1), memory: map[string]*memory{}, plans: map[string]*network.VPC{}, loops: map[string]*reconcile.Loop{}}
	a.guests = a.loop(reconcile.Config{Name: "guest", Workers: 8}, a.guest)
	a.disks = a.loop(reconcile.Config{Name: "disk", Workers: 8}, a.disk)
	a.snapshots = a.loop(reconcile.Config{Name: "snapshot", Workers: 4, Timeout: bytesPatience}, a.snapshot)
	a.flattenings = a.loop(reconcile.Config{Name: "flattening", Workers: 1, Timeout: bytesPatience}, a.flatten)
	a.transfers = a.add(reconcile.Config{Name: "transfer", Workers: transferWorkers, Timeout: transferTime, Do: a.transfer})
	a.cards = a.loop(reconcile.Config{Name: "card", Workers: 8}, a.card)
	a.nets = a.loop(reconcile.Config{Name: "network", Workers: 4}, a.net)
	return a
}

// Run works until ctx ends. Guests, disks and networks stay as they are.
func (a *Agent) Run(ctx context.Context) {
	var loops sync.WaitGroup
	for _, l := range a.loops {
		loops.Go(func() { l.Run(ctx) })
	}
	loops.Go(func() { a.followFlows(ctx) })
	defer loops.Wait()
	tick := time.NewTicker(a.cfg.Round)
	defer tick.Stop()
	for {
		if err := a.round(ctx); err != nil && ctx.Err() == nil {
			a.cfg.Log.Error("look at the host", "host", a.cfg.Host, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.beat(ctx)
		case <-a.cfg.View.Changed():
		case <-a.cfg.Changed:
		case <-a.poke:
		}
	}
}

// Failing returns what fails at present, by kind and resource.
func (a *Agent) Failing() map[string]map[string]reconcile.Failure {
	out := map[string]map[string]reconcile.Failure{}
	for name, l := range a.loops {
		if f := l.Failing(); len(f) > 0 {
			out[name] = f
		}
	}
	return out
}

// World returns what the agent last saw; nil before the first round.
func (a *Agent) World() *World { return a.world.Load() }

// again asks for another round soon.
func (a *Agent) again() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// loop makes a loop whose steps go by the newest look at the host. There are none before
// the first look, nor once the host is to be empty.
func (a *Agent) loop(cfg reconcile.Config, step func(ctx context.Context, w *World, key string) (time.Duration, error)) *reconcile.Loop {
	cfg.Do = func(ctx context.Context, key string) (time.Duration, error) {
		if !a.begin() {
			return 0, nil
		}
		defer a.done()
		w := a.world.Load()
		if w == nil {
			return 0, nil
		}
		return step(ctx, w, key)
	}
	return a.add(cfg)
}

// add makes a loop that runs with the agent.
func (a *Agent) add(cfg reconcile.Config) *reconcile.Loop {
	cfg.Log = a.cfg.Log
	l := reconcile.New(cfg)
	a.loops[cfg.Name] = l
	return l
}

// bytesPatience is for steps that read or write all bytes of a disk.
const bytesPatience = 2 * time.Hour

// begin begins a look or a step; if it returns true, done ends it. It returns
// false when the host is to be empty.
func (a *Agent) begin() bool {
	a.work.RLock()
	if a.draining {
		a.work.RUnlock()
		return false
	}
	return true
}

func (a *Agent) done() { a.work.RUnlock() }

// beat reports the host itself, and has every network checked against its plan.
func (a *Agent) beat(ctx context.Context) {
	a.reportHost(ctx)
	w := a.world.Load()
	if w == nil || !a.begin() {
		return
	}
	defer a.done()
	for id := range w.vpcs {
		a.nets.Add(id)
	}
	a.adoptNetworks(ctx)
}

func (a *Agent) reportHost(ctx context.Context) {
	h, err := a.cfg.Capacity(ctx)
	if err == nil {
		h.ID, h.Seen = a.cfg.Host, a.cfg.Now().UTC()
		err = a.cfg.View.ReportHost(ctx, h)
	}
	if err != nil && ctx.Err() == nil {
		a.cfg.Log.Error("report host", "host", a.cfg.Host, "err", err)
	}
}

// adoptNetworks takes notice of the networks that are on the host, so that one
// that an earlier agent left is removed if nobody wants it.
func (a *Agent) adoptNetworks(ctx context.Context) {
	ids, err := a.cfg.Network.List(ctx)
	if err != nil {
		a.cfg.Log.Error("list networks", "host", a.cfg.Host, "err", err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		if _, known := a.plans[id]; !known {
			a.plans[id] = nil
		}
	}
}

// round looks at everything once, reports what was seen, and queues what is to be done.
func (a *Agent) round(ctx context.Context) error {
	if !a.begin() {
		return nil
	}
	defer a.done()
	if a.world.Load() == nil {
		a.reportHost(ctx) // before the first look nothing else says what the host has
	}
	assigned, err := a.cfg.View.Assigned(ctx)
	if err != nil {
		return fmt.Errorf("read assignment: %w", err)
	}
	round := a.rounds.Add(1)
	guests, err := a.cfg.Hypervisor.List(ctx)
	if err != nil {
		return fmt.Errorf("list guests: %w", err)
	}
	w := NewWorld(a.cfg.Host, assigned, guests)
	w.round = round
	if a.world.Load() == nil {
		if err := a.takeBackLoose(ctx, w); err != nil {
			return err
		}
	}
	a.world.Store(w)
	if err := a.report(ctx, w); err != nil {
		return err
	}
	for id := range w.instances {
		if a.busy(w, id) {
			a.guests.Add(id)
		}
	}
	for id := range w.guests {
		if w.instances[id] == nil {
			a.guests.Add(id)
		}
	}
	for id, v := range w.volumes {
		if w.diskStep(v) != diskNothing {
			a.disks.Add(id)
		}
	}
	for id, s := range w.snapshots {
		if w.busySnapshot(s) {
			a.snapshots.Add(id)
		}
		if bent(s) {
			a.flattenings.Add(id)
		}
	}
	a.queueTransfers(w)
	for _, key := range w.cardSteps() {
		a.cards.Add(key)
	}
	a.queueNetworks(w)
	a.forget(w)
	return nil
}

// report tells the View what changed since it was last told.
func (a *Agent) report(ctx context.Context, w *World) error {
	var g errgroup.Group
	g.SetLimit(32)
	for id, i := range w.instances {
		if i.Host != a.cfg.Host {
			continue
		}
		if seen := a.seen(w, i); seen != i.Seen {
			seen.Since = a.cfg.Now().UTC()
			g.Go(func() error { return a.cfg.View.ReportInstance(ctx, id, seen) })
		}
	}
	now := a.cfg.Now()
	for id, v := range w.volumes {
		if seen := w.seenVolume(v, now); seen != v.Seen {
			g.Go(func() error { return a.cfg.View.ReportVolume(ctx, id, seen) })
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// remember returns the memory of a guest; mu is held.
func (a *Agent) remember(id string) *memory {
	m := a.memory[id]
	if m == nil {
		m = &memory{}
		a.memory[id] = m
	}
	return m
}

// forget drops the memory of guests that are no more.
func (a *Agent) forget(w *World) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.memory, func(id string, _ *memory) bool { return w.instances[id] == nil })
}

// Drain shuts every guest down, cleanly where the guest agrees within the
// grace, and takes the networks off the host. What is wanted is not touched: the
// next agent starts the guests again. progress is told how many still run.
func (a *Agent) Drain(ctx context.Context, grace time.Duration, progress func(running int)) error {
	a.work.Lock() // what was begun may yet start a guest
	a.draining = true
	a.work.Unlock()
	deadline := a.cfg.Now().Add(grace)
	for {
		guests, err := a.cfg.Hypervisor.List(ctx)
		if err != nil {
			return fmt.Errorf("list guests: %w", err)
		}
		guests = slices.DeleteFunc(guests, func(g hypervisor.Guest) bool { return g.State == hypervisor.Absent })
		progress(len(guests))
		if len(guests) == 0 {
			return errors.Join(a.takeBackAll(ctx), a.drainNetworks(ctx))
		}
		var stop errgroup.Group
		stop.SetLimit(16)
		for _, g := range guests {
			action := hypervisor.Shutdown
			if g.State == hypervisor.Halted || a.cfg.Now().After(deadline) {
				action = hypervisor.Kill
			}
			stop.Go(func() error { return a.cfg.Hypervisor.Power(ctx, g.ID, action) })
		}
		if err := stop.Wait(); err != nil {
			a.cfg.Log.Warn("stop guest", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		case <-a.cfg.Changed:
		}
	}
}

func (a *Agent) drainNetworks(ctx context.Context) error {
	ids, err := a.cfg.Network.List(ctx)
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	for _, id := range ids {
		a.cfg.Services.Stop(id)
		a.partFlows(ctx, id, nil)
		if err := a.cfg.Network.Remove(ctx, id); err != nil {
			return fmt.Errorf("remove network %s: %w", id, err)
		}
	}
	a.tellFlows(ctx)
	return nil
}
