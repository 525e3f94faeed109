// Package linux carries packets with the kernel's own means, without a daemon:
// a network namespace a VPC is its router, every port is a device in it with a
// host route, and nftables holds the security groups.
//
// It guarantees, by what the kernel enforces and as long as nobody with the
// host's root changes it (and from the next Apply on if somebody did): a port
// sends only as its MAC and addresses; what no group lets through is dropped;
// VPCs never meet but through public addresses and peerings that both have; guests reach of the host nothing,
// and of their router only DHCP, DNS, metadata, the API and an echo. Packets go on while no
// process of the control plane runs. It does not isolate what the hardware shares
// (caches, bandwidth), and sets the host's ip_forward, and IPv6's forwarding once a VPC
// has a range that leads outside, which it never takes back.
//
// Everything outside that it names carries the cloud's ID: namespaces
// "vb<cloud>-vpc-…" (of NATs: "vb<cloud>-vpc-….nat-…"), devices "vb<cloud>…" and the nftables table "vauban_<cloud>"
// on the host. Rules of other tables are left alone, and still hold: where a
// firewall drops forwarded packets, it must be told to let "vb<cloud>*" through.
package linux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/internal/turn"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// Config is what a Driver needs to know.
type Config struct {
	// Cloud is the cloud's short ID, four of 0-9 and a-z: clouds of one host
	// have different ones.
	Cloud string
	// PublicPool holds all public addresses; clouds of one host have different
	// ones, and no device of the host has an address in it. Those that no port
	// has are unreachable.
	PublicPool netip.Prefix
	// PublicPool6 holds the IPv6 ranges of all VPCs that are reached from outside, each a
	// /56; zero: IPv6 stays within VPCs and peerings. What is nobody's is unreachable.
	PublicPool6 netip.Prefix
	// Host is the path of the network namespace that public addresses are reached
	// from, and that leads on to elsewhere; empty for the process's own.
	Host string
	Log  *slog.Logger // nil for none
}

// Driver is a network.Driver, network.Ports and network.Flows. One process at a time drives a
// cloud's network.
type Driver struct {
	cfg   Config
	log   *slog.Logger
	host  host
	turns turn.Turns // by VPC ID: calls about one VPC come one by one

	mu   sync.Mutex
	vpcs map[string]*vpc // guarded by mu; each is used by who has its turn
}

// vpc is what the driver holds and remembers of a VPC.
type vpc struct {
	space *space.Space
	rules ruleset
	ports map[string]plannedPort // as last applied, by ID; nil until then
	plan  *network.VPC           // as last applied; nil until then
	nats  map[string]*nat        // by ID
	// counted is when this Driver last read the flows, or began to count them.
	counted time.Time
}

func newVPC(s *space.Space) *vpc { return &vpc{space: s, nats: make(map[string]*nat)} }

var (
	_ network.Driver = (*Driver)(nil)
	_ network.Ports  = (*Driver)(nil)
	_ network.Links  = (*Driver)(nil)
	_ network.Flows  = (*Driver)(nil)
)

// New returns the Driver of a cloud. It touches nothing: what an earlier Driver
// of the cloud made goes on as it is, until the VPCs are applied again.
func New(cfg Config) (*Driver, error) {
	if !cloudName.MatchString(cfg.Cloud) {
		return nil, fmt.Errorf("cloud ID %q is not four of 0-9 and a-z", cfg.Cloud)
	}
	if !cfg.PublicPool.IsValid() || !cfg.PublicPool.Addr().Is4() || cfg.PublicPool != cfg.PublicPool.Masked() || cfg.PublicPool.Bits() == 0 {
		return nil, fmt.Errorf("public pool %s is not an IPv4 range", cfg.PublicPool)
	}
	if p := cfg.PublicPool6; p.IsValid() && (p.Addr().Is4() || p != p.Masked() || p.Bits() > poolBits6) {
		return nil, fmt.Errorf("public pool %s is not an IPv6 range of /56s", p)
	}
	if cfg.Host == "" {
		cfg.Host = "/proc/self/ns/net"
	}
	outside, err := space.Open(cfg.Host)
	if err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, log: cfg.Log, host: host{space: outside}, vpcs: make(map[string]*vpc)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	return d, nil
}

// Apply implements network.Driver.
func (d *Driver) Apply(ctx context.Context, plan network.VPC) error {
	err := d.applyAlone(ctx, plan)
	if err == nil {
		err = d.meet(ctx, plan.ID, plan.Peers)
	}
	if err != nil {
		return fmt.Errorf("apply VPC %s: %w", plan.ID, err)
	}
	return nil
}

// applyAlone makes the VPC as planned, but for links to peers that are not there yet.
func (d *Driver) applyAlone(ctx context.Context, plan network.VPC) error {
	release, err := d.turns.Take(ctx, plan.ID)
	if err != nil {
		return err
	}
	defer release()
	if err := d.check(plan); err != nil {
		return err
	}
	v, err := d.make(plan.ID)
	if err != nil {
		return err
	}
	plan = openNATs(plan) // a copy: the caller's stays the caller's
	if err := d.apply(ctx, v, plan); err != nil {
		return err
	}
	if v.ports == nil {
		v.counted = time.Now()
	}
	v.plan, v.ports = &plan, planPorts(plan)
	return nil
}

// apply goes from the inside out: nothing is connected before the rules hold.
func (d *Driver) apply(ctx context.Context, v *vpc, plan network.VPC) error {
	if err := v.space.Do(func() error { return v.protect(plan) }); err != nil {
		return err
	}
	if hasOutside(plan) {
		if err := d.connect(v, plan); err != nil {
			return err
		}
	} else if err := d.disconnect(plan.ID); err != nil {
		return err
	}
	if err := d.changeNATs(v, plan); err != nil {
		return err
	}
	if err := v.space.Do(func() error { return v.route(plan) }); err != nil {
		return err
	}
	if err := v.awaitNATs(ctx, plan); err != nil || !hasOutside(plan) {
		return err
	}
	return errors.Join(
		v.space.Do(func() error { return awaitCarrier(ctx, linkDevice) }),
		d.host.space.Do(func() error { return awaitCarrier(ctx, d.hostDevice(plan.ID)) }))
}

// check refuses what this driver cannot make.
func (d *Driver) check(plan network.VPC) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	for _, p := range plan.Ports {
		for _, a := range p.Addresses {
			if a.Public.IsValid() && !d.cfg.PublicPool.Contains(a.Public) {
				return fmt.Errorf("port %s: public address %s is not in %s", p.ID, a.Public, d.cfg.PublicPool)
			}
		}
	}
	for _, c := range d.ranges6(plan) {
		if c.Bits() != poolBits6 || !d.cfg.PublicPool6.Contains(c.Addr()) {
			return fmt.Errorf("range %s is not a /%d of %s", c, poolBits6, d.cfg.PublicPool6)
		}
	}
	return checkNames(plan)
}

// make returns the VPC with its namespace, which it makes or finds, and whose
// name it gives back if somebody took it. The caller has the VPC's turn.
func (d *Driver) make(id string) (*vpc, error) {
	v, named, err := d.find(id)
	if err != nil || named {
		return v, err
	}
	if v == nil {
		s, err := space.New()
		if err != nil {
			return nil, err
		}
		v = newVPC(s)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := v.space.Name(d.spacePrefix() + id); err != nil {
		if d.vpcs[id] == nil {
			v.space.Close()
		}
		return nil, err
	}
	d.vpcs[id] = v
	d.log.Info("namespace made or named again", "vpc", id)
	return v, nil
}

// find returns the VPC if it is held or there is a namespace of its name, and
// whether that is its namespace. The caller has the VPC's turn.
func (d *Driver) find(id string) (v *vpc, named bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v = d.vpcs[id]
	s, err := space.Find(d.spacePrefix() + id)
	switch {
	case errors.Is(err, space.ErrNone):
		return v, false, nil
	case err != nil:
		return nil, false, err
	case v == nil:
		v = newVPC(s)
		d.vpcs[id] = v
		return v, true, nil
	}
	defer s.Close()
	return v, v.space.Same(s), nil
}

// Remove implements network.Driver.
func (d *Driver) Remove(ctx context.Context, id string) error {
	release, err := d.turns.Take(ctx, id)
	if err != nil {
		return fmt.Errorf("remove VPC %s: %w", id, err)
	}
	defer release()
	if !network.ValidName(id) {
		return nil // there can be none
	}
	if err := d.remove(id); err != nil {
		return fmt.Errorf("remove VPC %s: %w", id, err)
	}
	return nil
}

// remove takes the VPC's name away last: until then, List has it.
func (d *Driver) remove(id string) error {
	v, _, err := d.find(id)
	if err != nil {
		return err
	}
	if err := d.disconnect(id); err != nil {
		return err
	}
	if v == nil {
		v = newVPC(nil)
	}
	if err := d.changeNATs(v, network.VPC{ID: id}); err != nil {
		return err
	}
	if v.space != nil {
		// Who still holds a tap or a socket would keep the namespace alive.
		if err := v.space.Do(deleteDevices); err != nil {
			return err
		}
	}
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	if err := space.Unname(d.spacePrefix() + id); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.vpcs, id)
	d.mu.Unlock()
	if v.space != nil {
		v.space.Close()
	}
	return d.leaveHost()
}

// List implements network.Driver.
func (d *Driver) List(context.Context) ([]string, error) {
	ids, err := space.Named(d.spacePrefix())
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ids = slices.DeleteFunc(ids, func(name string) bool { return !isVPC(name) })
	for id := range d.vpcs { // also those whose names were taken away
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
