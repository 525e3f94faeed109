//go:build linux

package qemu

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// lookPatience is how long List waits for one guest's engine to answer.
const lookPatience = 5 * time.Second

// guest is one guest that the host knows, with or without a process.
type guest struct {
	id     string
	folder folder

	mu   sync.Mutex
	proc *process // guarded by mu; nil when Absent
}

func (g *guest) process() *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proc
}

// keep makes p the guest's process, unless it has ended.
func (g *guest) keep(p *process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-p.ended:
	default:
		g.proc = p
	}
}

// drop forgets p, which has ended.
func (g *guest) drop(p *process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(p.ended)
	if g.proc == p {
		g.proc = nil
	}
}

// look asks the engine how the guest is. An engine that does not answer is
// reported as it was seen last.
func (g *guest) look(ctx context.Context) hypervisor.Guest {
	p := g.process()
	if p == nil {
		return hypervisor.Guest{ID: g.id}
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	seen, err := p.look(ctx)
	if p.hasEnded() {
		return hypervisor.Guest{ID: g.id}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.seen = seen
	}
	out := p.seen
	out.ID, out.Starts, out.PID = g.id, p.spec.Starts, p.PID
	out.Disks, out.NICs, out.Full = slices.Clone(out.Disks), slices.Clone(out.NICs), slices.Clone(out.Full)
	return out
}

// look queries the engine for what may change.
func (p *process) look(ctx context.Context) (seen hypervisor.Guest, err error) {
	status, err := p.status(ctx)
	if err != nil {
		return seen, err
	}
	devices, err := p.devices(ctx)
	if err != nil {
		return seen, err
	}
	objects, err := p.objects(ctx)
	if err != nil {
		return seen, err
	}
	for id, kind := range devices {
		switch {
		case kind == diskKind && objects[id]: // one that was pulled has no limits any more
			seen.Disks = append(seen.Disks, id)
		case kind == nicKind:
			seen.NICs = append(seen.NICs, id)
		}
	}
	seen.State = stateOf(status)
	seen.Full, err = p.full(ctx, status)
	return seen, err
}

// status is QEMU's run state: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#enum-RunState
func (p *process) status(ctx context.Context) (string, error) {
	var answer struct {
		Status string `json:"status"`
	}
	err := p.do(ctx, "query-status", nil, &answer)
	return answer.Status, err
}

// stateOf maps QEMU's run state. A guest whose processor cannot go on, for
// whatever reason of its own, has halted; one that waits for its host runs.
func stateOf(status string) hypervisor.State {
	switch status {
	case "shutdown", "internal-error", "guest-panicked":
		return hypervisor.Halted
	default:
		return hypervisor.Running
	}
}

// The kinds of the devices that can be plugged in.
const (
	diskKind = "virtio-blk-pci"
	nicKind  = "virtio-net-pci"
)

// devices returns the kinds of the named devices, by ID: "virtio-blk-pci", ...
func (p *process) devices(ctx context.Context) (map[string]string, error) {
	var list []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := p.do(ctx, "qom-list", arguments{"path": "/machine/peripheral"}, &list); err != nil {
		return nil, err
	}
	devices := make(map[string]string, len(list))
	for _, item := range list {
		if kind, ok := strings.CutPrefix(item.Type, "child<"); ok {
			devices[item.Name] = strings.TrimSuffix(kind, ">")
		}
	}
	return devices, nil
}
