package linux

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// host is what the driver has outside of the VPCs' namespaces.
type host struct {
	space *space.Space
	mu    sync.Mutex // held while the host is changed
	rules ruleset    // guarded by mu
}

// linksSet and links6Set hold, on the host, what each VPC may send as: device, address;
// or device, range of IPv6.
const linksSet, links6Set = "links", "links6"

// presence is what a VPC has outside.
type presence struct {
	public []netip.Addr
	ranges []netip.Prefix // of the IPv6 pool
}

func (d *Driver) presenceOf(v network.VPC) (p presence) {
	eachPublic(v, func(_ network.Port, a network.Address) { p.public = append(p.public, a.Public) })
	p.ranges = d.ranges6(v)
	return p
}

// hostTable are the rules of the host: VPCs send from their own public addresses
// alone, reach each other and elsewhere, and nothing of the host. p is that of
// the VPC whose link is the device; other VPCs' stay as they are.
func (d *Driver) hostTable(device string, p presence) *table {
	t := newTable(nftables.TableFamilyINet, "vauban_"+d.cfg.Cloud)
	name := deviceName(device)
	links := t.set(linksSet, nftables.TypeIFName, nftables.TypeIPAddr)
	links.keep = func(k string) bool { return k[:len(name)] != string(name) }
	for _, a := range p.public {
		links.elements[key(name, a.AsSlice())] = ""
	}
	links6 := t.set(links6Set, nftables.TypeIFName, nftables.TypeIP6Addr)
	links6.keep = links.keep
	for _, r := range p.ranges {
		links6.elements[key(name, r.Addr().AsSlice())] = ""
	}
	base := func(chain string, point *nftables.ChainHook, priority *nftables.ChainPriority, rules ...rule) {
		kind := nftables.ChainTypeFilter
		if priority == nftables.ChainPriorityNATSource {
			kind = nftables.ChainTypeNAT
		}
		t.base(chain, hook{kind, *point, *priority, nftables.ChainPolicyAccept}, rules...)
	}
	ours := []byte(d.hostPrefix())
	pool := d.cfg.PublicPool
	base("prerouting", nftables.ChainHookPrerouting, nftables.ChainPriorityRaw,
		when(inDevice.isNot(ours...), accept()),
		when(ipVersion.is(unix.NFPROTO_IPV6), goTo(prerouting6)),
		when(notIn(linksSet, inDevice, source), drop()),
		// The VPCs track their own connections: they shall not fill the host's table.
		when(destination.within(pool), []expr.Any{&expr.Notrack{}}))
	t.chain(prerouting6, d.hostSources6()...)
	base("input", nftables.ChainHookInput, nftables.ChainPriorityFilter,
		when(inDevice.isNot(ours...), accept()),
		when(tracked(known), accept()),
		when(drop()))
	base("forward", nftables.ChainHookForward, nftables.ChainPriorityFilter,
		when(inDevice.isNot(ours...), accept()),
		when(ipVersion.is(unix.NFPROTO_IPV4), destination.within(linkLocal), drop()),              // such as the host's own metadata service
		when(ipVersion.is(unix.NFPROTO_IPV4), outDevice.isNot(ours...), tracked(invalid), drop())) // it would leave untranslated
	base("output", nftables.ChainHookOutput, nftables.ChainPriorityFilter,
		when(outDevice.is(ours...), protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRedirect), drop())) // the way back in is right
	base("postrouting", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource,
		when(ipVersion.is(unix.NFPROTO_IPV4), source.within(pool), outDevice.isNot(ours...), []expr.Any{&expr.Masq{}}))
	return t
}

const prerouting6 = "prerouting6"

// hostSources6 lets VPCs send from their own ranges of the IPv6 pool, which tell each other
// apart by their first bits.
func (d *Driver) hostSources6() []rule {
	if !d.cfg.PublicPool6.IsValid() {
		return []rule{when(drop())}
	}
	own := []expr.Any{
		inDevice.load(0), source6.load(4),
		&expr.Bitwise{
			SourceRegister: register(4), DestRegister: register(4), Len: 16,
			Mask: net.CIDRMask(poolBits6, 128), Xor: make([]byte, 16),
		},
		&expr.Lookup{SourceRegister: register(0), SetName: links6Set, Invert: true},
	}
	return []rule{
		when(own, drop()),
		when(destination6.within(d.cfg.PublicPool6), []expr.Any{&expr.Notrack{}}),
		when(accept()),
	}
}

// connect makes the VPC's link to the outside and what leads to it.
func (d *Driver) connect(v *vpc, plan network.VPC) error {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	here := d.presenceOf(plan)
	name := d.hostDevice(plan.ID)
	var outer *device
	err := d.host.space.Do(func() (err error) {
		if err := d.prepareHost(name, here); err != nil {
			return err
		}
		outer, err = findDevice(name)
		return err
	})
	if err != nil {
		return err
	}
	if outer != nil && outer.owner() != "" && outer.owner() != plan.ID {
		return fmt.Errorf("device %s is that of VPC %s", name, outer.owner())
	}
	if err := v.space.Do(func() error { return d.link(name, outer) }); err != nil {
		return err
	}
	return d.host.space.Do(func() error { return d.leadTo(plan.ID, here) })
}

// prepareHost protects the host, which the calling thread is in, before anything
// is connected to it.
func (d *Driver) prepareHost(device string, p presence) error {
	if _, err := d.host.rules.apply(d.hostTable(device, p)); err != nil {
		return err
	}
	if len(p.ranges) > 0 {
		if err := forward6(); err != nil {
			return err
		}
	}
	return sysctl{"net/ipv4/ip_forward", "1"}.set()
}

// link makes the two ends, unless they are there; the calling thread is in the
// VPC. Each end is made in the namespace where it stays.
func (d *Driver) link(name string, outer *device) error {
	inner, err := findDevice(linkDevice)
	if err != nil {
		return err
	}
	if paired(inner, outer) {
		return nil
	}
	if err := inner.deleteHalf(); err != nil {
		return err
	}
	if err := d.host.space.Do(outer.deleteHalf); err != nil {
		return err
	}
	pair := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: linkDevice, MTU: network.MTU, HardwareAddr: linkVPCMAC, TxQLen: -1},
		PeerName:         name,
		PeerHardwareAddr: linkHostMAC,
		PeerNamespace:    netlink.NsFd(d.host.space.Fd()),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make link: %w", err)
	}
	d.log.Debug("link made", "device", name)
	return nil
}

// leadTo sends packets for the VPC's public addresses and ranges down its link; the
// calling thread is in the host's namespace.
func (d *Driver) leadTo(vpcID string, p presence) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("connect to rtnetlink: %w", err)
	}
	defer h.Close()
	name := d.hostDevice(vpcID)
	dev, err := mustFind(name)
	if err != nil {
		return err
	}
	if want := hostSettings(vpcID); !dev.is(want) {
		if err := want.set(dev.Index); err != nil {
			return err
		}
	}
	if err := speak6(name, len(p.ranges) > 0); err != nil {
		return err
	}
	addresses, err := d.speakAs(h)
	if err != nil {
		return err
	}
	want := make(map[address]bool)
	for a := range addresses {
		want[address{dev.Index, a}] = true
	}
	if err := changeAddresses(h, want, map[int]bool{dev.Index: true}); err != nil {
		return err
	}
	neighbours := map[neighbour]bool{{dev.Index, linkVPC, [6]byte(linkVPCMAC)}: true}
	routes := d.nobodys()
	for _, a := range p.public {
		routes[route{to: alone(a), device: dev.Index, via: linkVPC}] = true
	}
	for _, r := range p.ranges {
		routes[route{to: r, device: dev.Index, via: linkVPC6}] = true
		neighbours[neighbour{dev.Index, linkVPC6, [6]byte(linkVPCMAC)}] = true
	}
	if err := changeNeighbours(h, neighbours, map[int]bool{dev.Index: true}); err != nil {
		return err
	}
	return changeRoutes(h, routes, func(r route) bool { return r.device == dev.Index || d.nobodys()[r] })
}

// nobodys answers for the public addresses that no port has.
func (d *Driver) nobodys() map[route]bool {
	nobodys := map[route]bool{{to: d.cfg.PublicPool, metric: lowest}: true}
	if d.cfg.PublicPool6.IsValid() {
		nobodys[route{to: d.cfg.PublicPool6, metric: lowest}] = true
	}
	return nobodys
}

// speakAs returns the address that a link's outer end needs so that the host can
// talk to guests: none, unless the host has no address to talk as.
func (d *Driver) speakAs(h *netlink.Handle) (map[netip.Addr]bool, error) {
	var list []netlink.Addr
	err := retryDump(func() (err error) {
		list, err = h.AddrList(nil, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range list {
		if a.Scope == unix.RT_SCOPE_UNIVERSE && !a.IP.Equal(net.IP(linkHost.AsSlice())) {
			return nil, nil
		}
	}
	return map[netip.Addr]bool{linkHost: true}, nil
}

// disconnect takes the VPC's link away, if there is one.
func (d *Driver) disconnect(vpcID string) error {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	return d.host.space.Do(func() error {
		dev, err := findDevice(d.hostDevice(vpcID))
		if err != nil || dev == nil || dev.owner() != "" && dev.owner() != vpcID {
			return err
		}
		if err := netlink.LinkDel(&netlink.Device{LinkAttrs: dev.LinkAttrs}); err != nil {
			return fmt.Errorf("delete link: %w", err)
		}
		_, err = d.host.rules.apply(d.hostTable(dev.Name, presence{}))
		return err
	})
}

// leaveHost takes everything off the host, but ip_forward, if no VPC is left. The
// caller holds host.mu.
func (d *Driver) leaveHost() error {
	left, err := d.List(context.Background()) //nolint:contextcheck // it waits for nothing
	if err != nil || len(left) > 0 {
		return err
	}
	return d.host.space.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("connect to rtnetlink: %w", err)
		}
		defer h.Close()
		if err := changeRoutes(h, nil, func(r route) bool { return d.nobodys()[r] }); err != nil {
			return err
		}
		d.host.rules = ruleset{}
		return dropTables(d.hostTable("", presence{}))
	})
}
