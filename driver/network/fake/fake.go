// Package fake is a simulated network: VPCs are plans in memory, which carry no
// packets, with faults that the test injects.
//
// It guarantees the contract of network.Driver, network.Ports and network.Flows as far as no
// packet is concerned (it passes networktest's Simulated part), and costs no
// goroutine and no file until a tap or a socket is opened, so that one test can
// hold ten thousand ports on a thousand hosts.
package fake

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/vauban-cloud/vauban/driver/internal/turn"
	"github.com/vauban-cloud/vauban/driver/network"
)

// Config is how a simulated host behaves. The zero value takes every plan.
type Config struct {
	PublicPool netip.Prefix // of public addresses; any are taken if it is not valid
	// Before and After are asked in every call ("apply", "remove", "list", "tap",
	// "listen", "flows"); an error is the call's result. Before: nothing was done. After: it
	// was, but the answer is lost. They may be called concurrently. nil: no faults.
	Before, After func(op, vpcID string) error
}

// Host is a simulated machine. It outlives the Drivers that are opened on it, as
// a real one outlives the control plane's process.
type Host struct {
	cfg   Config
	turns turn.Turns // by VPC ID: calls about one VPC come one by one

	mu   sync.Mutex
	vpcs map[string]*vpc // guarded by mu
}

// vpc is one VPC; guarded by Host.mu.
type vpc struct {
	plan      network.VPC
	applied   int            // how often
	indexes   map[string]int // by port ID: of the devices that the ports had
	listeners map[string]*listener
	flows     []network.Flow // that nobody asked about yet
}

// NewHost returns a machine without VPCs.
func NewHost(cfg Config) *Host {
	if cfg.Before == nil {
		cfg.Before = func(string, string) error { return nil }
	}
	if cfg.After == nil {
		cfg.After = func(string, string) error { return nil }
	}
	return &Host{cfg: cfg, vpcs: make(map[string]*vpc)}
}

// Open returns a Driver for the host, which finds the VPCs that are there.
func (h *Host) Open() *Driver { return &Driver{host: h, applied: make(map[string]bool)} }

// New returns a Driver for a machine of its own.
func New(cfg Config) *Driver { return NewHost(cfg).Open() }

// Plan returns the plan of a VPC as last applied, which is the caller's to keep
// but not to change, and how often it was applied; 0 if it is not there.
func (h *Host) Plan(vpcID string) (plan network.VPC, applied int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v := h.vpcs[vpcID]; v != nil {
		return v.plan, v.applied
	}
	return network.VPC{}, 0
}

// Driver changes a simulated host's network. It implements network.Driver,
// network.Ports and network.Flows.
type Driver struct {
	host    *Host
	applied map[string]bool // guarded by host.mu; VPCs that this Driver applied
}

var (
	_ network.Driver = (*Driver)(nil)
	_ network.Ports  = (*Driver)(nil)
)

// Host returns the machine that the driver works on, to look at it.
func (d *Driver) Host() *Host { return d.host }

// call runs fn as the VPC's only call, between the injected faults.
func (d *Driver) call(ctx context.Context, op, vpcID string, fn func() error) error {
	h := d.host
	release, err := h.turns.Take(ctx, vpcID)
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, vpcID, err)
	}
	defer release()
	if err := h.cfg.Before(op, vpcID); err != nil {
		return fmt.Errorf("%s %s: %w", op, vpcID, err)
	}
	h.mu.Lock()
	err = fn()
	h.mu.Unlock()
	if err == nil {
		err = h.cfg.After(op, vpcID)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, vpcID, err)
	}
	return nil
}

// Apply implements network.Driver.
func (d *Driver) Apply(ctx context.Context, plan network.VPC) error {
	return d.call(ctx, "apply", plan.ID, func() error {
		if err := plan.Validate(); err != nil {
			return err
		}
		if err := d.host.validPublic(plan); err != nil {
			return err
		}
		v := d.host.vpcs[plan.ID]
		if v == nil {
			v = &vpc{indexes: make(map[string]int), listeners: make(map[string]*listener)}
			d.host.vpcs[plan.ID] = v
		}
		v.plan = plan.Clone()
		v.applied++
		for _, p := range plan.Ports {
			if v.indexes[p.ID] == 0 {
				v.indexes[p.ID] = len(v.indexes) + 2 // 1 is the loopback device's
			}
		}
		d.applied[plan.ID] = true
		return nil
	})
}

func (h *Host) validPublic(plan network.VPC) error {
	for _, p := range plan.Ports {
		for _, a := range p.Addresses {
			if a.Public.IsValid() && h.cfg.PublicPool.IsValid() && !h.cfg.PublicPool.Contains(a.Public) {
				return fmt.Errorf("port %s: public address %s is not in %s", p.ID, a.Public, h.cfg.PublicPool)
			}
		}
	}
	return nil
}

// Remove implements network.Driver.
func (d *Driver) Remove(ctx context.Context, vpcID string) error {
	return d.call(ctx, "remove", vpcID, func() error {
		delete(d.host.vpcs, vpcID)
		delete(d.applied, vpcID)
		return nil
	})
}

// List implements network.Driver.
func (d *Driver) List(ctx context.Context) (ids []string, err error) {
	err = d.call(ctx, "list", "", func() error {
		ids = slices.Sorted(maps.Keys(d.host.vpcs))
		return nil
	})
	return ids, err
}

// Tap implements network.Driver. The file takes everything and has nothing.
func (d *Driver) Tap(ctx context.Context, vpcID, portID string) (tap *os.File, err error) {
	err = d.call(ctx, "tap", vpcID, func() error {
		v := d.host.vpcs[vpcID]
		if v == nil || !d.applied[vpcID] {
			return network.ErrNoVPC
		}
		if !v.has(portID) {
			return fmt.Errorf("%s: %w", portID, network.ErrNoPort)
		}
		tap, err = os.OpenFile(os.DevNull, os.O_RDWR, 0)
		return err
	})
	return tap, err
}

func (v *vpc) has(portID string) bool {
	return slices.ContainsFunc(v.plan.Ports, func(p network.Port) bool { return p.ID == portID })
}

// PortOf implements network.Ports.
func (d *Driver) PortOf(_ context.Context, vpcID string, ifindex int) (string, error) {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	v := d.host.vpcs[vpcID]
	if v == nil {
		return "", fmt.Errorf("find port of device %d in %s: %w", ifindex, vpcID, network.ErrNoVPC)
	}
	for id, index := range v.indexes {
		if index == ifindex && v.has(id) {
			return id, nil
		}
	}
	return "", fmt.Errorf("find port of device %d in %s: %w", ifindex, vpcID, network.ErrNoPort)
}
