package node

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
)

// queueNetworks queues the VPCs whose plan changed, and those to be removed.
func (a *Agent) queueNetworks(w *World) {
	for id := range w.vpcs {
		plan := w.plan(id)
		a.mu.Lock()
		same := reflect.DeepEqual(a.plans[id], plan)
		a.mu.Unlock()
		if !same {
			a.nets.Add(id)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.plans {
		if w.vpcs[id] == nil {
			a.nets.Add(id)
		}
	}
}

// net makes one VPC be as planned: the reconciler of the network loop.
func (a *Agent) net(ctx context.Context, id string) (time.Duration, error) {
	if !a.begin() {
		return 0, nil
	}
	defer a.done()
	w := a.world.Load()
	if w == nil {
		return 0, nil
	}
	if w.vpcs[id] == nil {
		return 0, a.removeNet(ctx, id)
	}
	plan := w.plan(id)
	if err := a.cfg.Network.Apply(ctx, *plan); err != nil {
		return 0, fmt.Errorf("apply network %s: %w", id, err)
	}
	if err := a.cfg.Services.Serve(ctx, id); err != nil {
		return 0, fmt.Errorf("serve network %s: %w", id, err)
	}
	a.mu.Lock()
	changed := !reflect.DeepEqual(a.plans[id], plan)
	a.plans[id] = plan
	a.mu.Unlock()
	if changed {
		a.again()
	}
	return 0, nil
}

func (a *Agent) removeNet(ctx context.Context, id string) error {
	a.cfg.Services.Stop(id)
	if err := a.cfg.Network.Remove(ctx, id); err != nil {
		return fmt.Errorf("remove network %s: %w", id, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.plans, id)
	return nil
}

// hasPort reports whether the interface's port was applied as it is wanted now.
func (a *Agent) hasPort(n *cloud.NetworkInterface) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	plan := a.plans[n.VPC]
	return plan != nil && slices.ContainsFunc(plan.Ports, func(p network.Port) bool {
		return p.ID == n.ID && p.MAC.String() == n.MAC && len(p.Addresses) > 0 && p.Addresses[0].Private == n.Primary()
	})
}

// plan derives a VPC's network on this host from the documents.
func (w *World) plan(vpcID string) *network.VPC {
	v := w.vpcs[vpcID]
	p := &network.VPC{ID: vpcID}
	for _, c := range v.CIDRs {
		p.CIDRs = append(p.CIDRs, c.Prefix)
	}
	for _, s := range w.Subnets {
		if s.VPC == vpcID {
			p.Subnets = append(p.Subnets, network.Subnet{ID: s.ID, Prefix: s.Prefix, Router: s.Router(), Internet: w.internet(s)})
		}
	}
	for _, n := range w.Interfaces {
		if n.VPC == vpcID && w.placedHere(n) {
			p.Ports = append(p.Ports, port(n))
		}
	}
	for _, g := range w.Groups {
		if g.VPC == vpcID {
			p.Groups = append(p.Groups, group(g))
		}
	}
	return p
}

// placedHere reports whether the interface belongs to an instance of this host.
func (w *World) placedHere(n cloud.NetworkInterface) bool {
	if n.Attachment == nil {
		return false
	}
	i := w.instances[n.Attachment.Instance]
	return i != nil && i.Host == w.Host
}

// internet reports whether the subnet's packets for elsewhere go to an internet
// gateway that is attached to the VPC.
func (w *World) internet(s cloud.Subnet) bool {
	for _, r := range w.tableOf(s).Routes {
		if r.Destination.Bits() != 0 || !r.Destination.Addr().Is4() {
			continue
		}
		return slices.ContainsFunc(w.Gateways, func(g cloud.InternetGateway) bool { return g.ID == r.Target && g.VPC == s.VPC })
	}
	return false
}

// tableOf returns the route table that is associated with the subnet, or the main one.
func (w *World) tableOf(s cloud.Subnet) (table cloud.RouteTable) {
	for _, t := range w.Routes {
		if t.VPC != s.VPC {
			continue
		}
		for _, as := range t.Associations {
			if as.Subnet == s.ID {
				return t
			}
			if as.Main {
				table = t
			}
		}
	}
	return table
}

func port(n cloud.NetworkInterface) network.Port {
	mac, _ := net.ParseMAC(n.MAC) // the service made it
	p := network.Port{ID: n.ID, Subnet: n.Subnet, MAC: mac, Groups: n.Groups, AnySource: !n.SourceDestCheck}
	for _, a := range n.Addresses {
		addr := network.Address{Private: a.Private}
		if a.Public != nil {
			addr.Public = a.Public.Address
		}
		p.Addresses = append(p.Addresses, addr)
	}
	return p
}

func group(g cloud.SecurityGroup) network.Group {
	out := network.Group{ID: g.ID}
	for _, r := range g.Rules {
		rule := network.Rule{Protocol: protocol(r.Protocol), From: r.FromPort, To: r.ToPort, Prefix: r.Prefix, Group: r.Group}
		if r.Egress {
			out.Egress = append(out.Egress, rule)
		} else {
			out.Ingress = append(out.Ingress, rule)
		}
	}
	return out
}

// protocol turns a name or number into the number of
// https://www.iana.org/assignments/protocol-numbers; -1 is all.
func protocol(name string) int {
	switch strings.ToLower(name) {
	case "tcp":
		return 6
	case "udp":
		return 17
	case "icmp":
		return 1
	case "icmpv6":
		return 58
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return -1
	}
	return n
}
