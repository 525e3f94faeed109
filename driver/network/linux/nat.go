package linux

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// A NAT is a namespace behind its port, as a guest would be: what its subnet's table,
// ACL and the port's public address do holds for it without further ado. What is sent to
// the port for others goes back through it with the port's address as its source.

// nat is what the driver holds of a NAT.
type nat struct {
	space *space.Space
	rules ruleset
}

// natDevice is a NAT's end of its port.
const natDevice = "port"

// natName names a NAT's namespace: no VPC's ID has a dot.
func (d *Driver) natName(vpcID, natID string) string { return d.spacePrefix() + vpcID + "." + natID }

// isNAT reports whether a NAT is behind the port.
func isNAT(v network.VPC, portID string) bool {
	return slices.ContainsFunc(v.NATs, func(n network.NAT) bool { return n.Port == portID })
}

// openNATs returns the plan with the ports of NATs as they are for the rules: they send
// what others sent, and their groups do not count.
func openNATs(v network.VPC) network.VPC {
	v = v.Clone()
	for i, p := range v.Ports {
		if isNAT(v, p.ID) {
			v.Ports[i].AnySource, v.Ports[i].Groups = true, nil
		}
	}
	return v
}

// addNATs lets through what goes to and comes from NATs: they look after themselves.
func addNATs(t *table, v network.VPC) {
	if len(v.NATs) == 0 {
		return
	}
	const pass = "pass"
	t.chain(pass, when(accept()))
	for _, n := range v.NATs {
		dev := key(deviceName(portDevice(n.Port)))
		t.sets[egressMap].elements[dev] = receiveChain
		t.sets[ingressMap].elements[dev] = pass
	}
}

// natSysctls: flows that say nothing are forgotten as
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html says.
var natSysctls = []sysctl{
	{"net/netfilter/nf_conntrack_tcp_timeout_established", "350"},
	{"net/netfilter/nf_conntrack_udp_timeout", "350"},
	{"net/netfilter/nf_conntrack_udp_timeout_stream", "350"},
	{"net/netfilter/nf_conntrack_icmp_timeout", "350"},
	{"net/netfilter/nf_conntrack_tcp_loose", "0"},
}

// natTable are the rules of a NAT: TCP, UDP and ICMP flows that began inside go on
// from the address. What is of no flow, or for the NAT itself, is dropped; a TCP flow that
// was forgotten is ended.
func natTable(a netip.Addr) *table {
	t := newTable(nftables.TableFamilyINet, "vauban")
	filter := func(point *nftables.ChainHook, policy nftables.ChainPolicy) hook {
		return filterAt(point, *nftables.ChainPriorityFilter, policy)
	}
	self := a.AsSlice()
	t.base("input", filter(nftables.ChainHookInput, nftables.ChainPolicyDrop), when(inDevice.is(deviceName("lo")...), accept()))
	t.base("forward", filter(nftables.ChainHookForward, nftables.ChainPolicyDrop),
		when(tracked(known), accept()),
		when(ipVersion.isNot(unix.NFPROTO_IPV4), drop()),
		when(source.is(self...), drop()), // its own, sent back by its own table
		when(tracked(invalid), protocol.is(unix.IPPROTO_TCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}),
		when(tracked(invalid), drop()),
		when(protocol.is(unix.IPPROTO_TCP), accept()),
		when(protocol.is(unix.IPPROTO_UDP), accept()),
		when(protocol.is(unix.IPPROTO_ICMP), accept()))
	t.base("snat", hook{nftables.ChainTypeNAT, *nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource, nftables.ChainPolicyAccept},
		when(source.isNot(self...), []expr.Any{
			&expr.Immediate{Register: register(0), Data: self},
			&expr.Immediate{Register: register(4), Data: be16(1024)},
			&expr.Immediate{Register: register(8), Data: be16(65535)},
			&expr.NAT{
				Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: register(0), RegAddrMax: register(0),
				RegProtoMin: register(4), RegProtoMax: register(8), Specified: true,
			},
		}))
	return t
}

// changeNATs makes the VPC's NATs be those of the plan. The caller has the VPC's turn.
func (d *Driver) changeNATs(v *vpc, plan network.VPC) error {
	ids, err := d.namedNATs(plan.ID)
	if err != nil {
		return err
	}
	for id := range v.nats {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if slices.ContainsFunc(plan.NATs, func(n network.NAT) bool { return n.ID == id }) {
			continue
		}
		if err := d.removeNAT(v, plan.ID, id); err != nil {
			return fmt.Errorf("remove NAT %s: %w", id, err)
		}
	}
	ports := planPorts(plan)
	for _, n := range plan.NATs {
		if err := d.makeNAT(v, plan.ID, n.ID, ports[n.Port]); err != nil {
			return fmt.Errorf("make NAT %s: %w", n.ID, err)
		}
	}
	return nil
}

// namedNATs are the IDs of the VPC's NATs that have a namespace.
func (d *Driver) namedNATs(vpcID string) ([]string, error) {
	return space.Named(d.natName(vpcID, ""))
}

// makeNAT makes one NAT, or finds it, and connects it to its port.
func (d *Driver) makeNAT(v *vpc, vpcID, id string, p plannedPort) error {
	n, err := d.holdNAT(v, vpcID, id)
	if err != nil {
		return err
	}
	a := p.Addresses[0].Private
	if err := n.space.Do(func() error { return n.protect(a) }); err != nil {
		return err
	}
	var inner *device
	if err := n.space.Do(func() (err error) {
		inner, err = findDevice(natDevice)
		return err
	}); err != nil {
		return err
	}
	if err := v.space.Do(func() error { return n.plug(portDevice(p.ID), inner) }); err != nil {
		return err
	}
	return n.space.Do(func() error { return n.route(id, p) })
}

// holdNAT finds or makes the NAT's namespace, and gives it its name.
func (d *Driver) holdNAT(v *vpc, vpcID, id string) (*nat, error) {
	name := d.natName(vpcID, id)
	n := v.nats[id]
	named, err := space.Find(name)
	switch {
	case err == nil && n == nil:
		n = &nat{space: named}
	case err == nil:
		same := n.space.Same(named)
		named.Close()
		if !same {
			err = n.space.Name(name)
		}
	case errors.Is(err, space.ErrNone):
		if n == nil {
			s, err := space.New()
			if err != nil {
				return nil, err
			}
			n = &nat{space: s}
		}
		err = n.space.Name(name)
	}
	if n != nil {
		v.nats[id] = n
	}
	return n, err
}

func (n *nat) protect(a netip.Addr) error {
	for _, s := range slices.Concat(sysctlsOf(network.VPC{}), natSysctls) {
		if err := s.set(); err != nil {
			return err
		}
	}
	_, err := n.rules.apply(natTable(a))
	return err
}

// plug makes the device of the NAT's port and its other end, unless they are there; the
// calling thread is in the VPC.
func (n *nat) plug(name string, inner *device) error {
	outer, err := findDevice(name)
	if err != nil {
		return err
	}
	if paired(inner, outer) {
		return nil
	}
	if err := outer.deleteHalf(); err != nil {
		return err
	}
	if inner != nil {
		if err := n.space.Do(deleteDevices); err != nil {
			return err
		}
	}
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name, MTU: network.MTU, HardwareAddr: routerMAC, TxQLen: -1},
		PeerName:  natDevice, PeerNamespace: netlink.NsFd(n.space.Fd()),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make link: %w", err)
	}
	return nil
}

// route gives the NAT's namespace, which the calling thread is in, the port's address
// and its way back.
func (n *nat) route(id string, p plannedPort) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("connect to rtnetlink: %w", err)
	}
	defer h.Close()
	dev, err := mustFind(natDevice)
	if err != nil {
		return err
	}
	if want := (settings{id, p.MAC, routerConf()}); !dev.is(want) {
		if err := want.set(dev.Index); err != nil {
			return err
		}
	}
	all := map[int]bool{dev.Index: true}
	if err := changeAddresses(h, map[address]bool{{dev.Index, p.Addresses[0].Private}: true}, all); err != nil {
		return err
	}
	back := route{to: everywhere(netlink.FAMILY_V4), device: dev.Index, via: p.router}
	if err := changeRoutes(h, map[route]bool{back: true}, func(route) bool { return true }); err != nil {
		return err
	}
	return changeNeighbours(h, map[neighbour]bool{{dev.Index, p.router, [6]byte(routerMAC)}: true}, all)
}

// awaitNATs waits until both ends of each NAT's port carry packets.
func (v *vpc) awaitNATs(ctx context.Context, plan network.VPC) error {
	for _, n := range plan.NATs {
		err := errors.Join(
			v.space.Do(func() error { return awaitCarrier(ctx, portDevice(n.Port)) }),
			v.nats[n.ID].space.Do(func() error { return awaitCarrier(ctx, natDevice) }))
		if err != nil {
			return err
		}
	}
	return nil
}

// removeNAT takes a NAT away; its name last.
func (d *Driver) removeNAT(v *vpc, vpcID, id string) error {
	n, err := d.holdNAT(v, vpcID, id)
	if err != nil {
		return err
	}
	if err := n.space.Do(deleteDevices); err != nil {
		return err
	}
	if err := space.Unname(d.natName(vpcID, id)); err != nil {
		return err
	}
	n.space.Close()
	delete(v.nats, id)
	return nil
}

// isVPC reports whether what follows the prefix in a namespace's name is a VPC's ID.
func isVPC(name string) bool { return !strings.Contains(name, ".") }
