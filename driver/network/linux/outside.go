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

// linksSet holds, on the host, what each VPC may send as: device, address.
const linksSet = "links"

// hostTable are the rules of the host: VPCs send from their own public addresses
// alone, reach each other and elsewhere, and nothing of the host. public are those
// of the VPC whose link is the device; other VPCs' stay as they are.
func (d *Driver) hostTable(device string, public []netip.Addr) *table {
	t := newTable(nftables.TableFamilyINet, "vauban_"+d.cfg.Cloud)
	name := deviceName(device)
	links := t.set(linksSet, nftables.TypeIFName, nftables.TypeIPAddr)
	links.keep = func(k string) bool { return k[:len(name)] != string(name) }
	for _, a := range public {
		links.elements[key(name, a.AsSlice())] = ""
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
		when(ipVersion.isNot(unix.NFPROTO_IPV4), drop()),
		when(notIn(linksSet, inDevice, source), drop()),
		// The VPCs track their own connections: they shall not fill the host's table.
		when(destination.within(pool), []expr.Any{&expr.Notrack{}}))
	base("input", nftables.ChainHookInput, nftables.ChainPriorityFilter,
		when(inDevice.isNot(ours...), accept()),
		when(tracked(known), accept()),
		when(drop()))
	base("forward", nftables.ChainHookForward, nftables.ChainPriorityFilter,
		when(inDevice.isNot(ours...), accept()),
		when(destination.within(linkLocal), drop()),              // such as the host's own metadata service
		when(outDevice.isNot(ours...), tracked(invalid), drop())) // it would leave untranslated
	base("output", nftables.ChainHookOutput, nftables.ChainPriorityFilter,
		when(outDevice.is(ours...), protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRedirect), drop())) // the way back in is right
	base("postrouting", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource,
		when(source.within(pool), outDevice.isNot(ours...), []expr.Any{&expr.Masq{}}))
	return t
}

// connect makes the VPC's link to the outside and what leads to it.
func (d *Driver) connect(v *vpc, plan network.VPC) error {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	var public []netip.Addr
	eachPublic(plan, func(_ network.Port, a network.Address) { public = append(public, a.Public) })
	name := d.hostDevice(plan.ID)
	var outer *device
	err := d.host.space.Do(func() (err error) {
		if err := d.prepareHost(name, public); err != nil {
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
	return d.host.space.Do(func() error { return d.leadTo(plan.ID, public) })
}

// prepareHost protects the host, which the calling thread is in, before anything
// is connected to it.
func (d *Driver) prepareHost(device string, public []netip.Addr) error {
	if _, err := d.host.rules.apply(d.hostTable(device, public)); err != nil {
		return err
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
	if inner != nil && outer != nil && inner.ParentIndex == outer.Index && outer.ParentIndex == inner.Index {
		return nil
	}
	if inner != nil {
		if err := netlink.LinkDel(&netlink.Device{LinkAttrs: inner.LinkAttrs}); err != nil {
			return fmt.Errorf("delete half a link: %w", err)
		}
	}
	if outer != nil {
		if err := d.host.space.Do(func() error { return netlink.LinkDel(&netlink.Device{LinkAttrs: outer.LinkAttrs}) }); err != nil {
			return fmt.Errorf("delete half a link: %w", err)
		}
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

// leadTo sends packets for the VPC's public addresses down its link; the calling
// thread is in the host's namespace.
func (d *Driver) leadTo(vpcID string, public []netip.Addr) error {
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
	if err := (sysctl{"net/ipv6/conf/" + name + "/disable_ipv6", "1"}).set(); err != nil {
		return err
	}
	addresses, err := d.speakAs(h)
	if err != nil {
		return err
	}
	if err := changeAddresses(h, dev.Index, addresses); err != nil {
		return err
	}
	neighbours := map[neighbour]bool{{dev.Index, linkVPC, [6]byte(linkVPCMAC)}: true}
	if err := changeNeighbours(h, neighbours, map[int]bool{dev.Index: true}); err != nil {
		return err
	}
	routes := map[route]bool{d.nobodys(): true}
	for _, a := range public {
		routes[route{to: host32(a), device: dev.Index, via: linkVPC}] = true
	}
	return changeRoutes(h, routes, func(r route) bool { return r.device == dev.Index || r == d.nobodys() })
}

// nobodys answers for the public addresses that no port has.
func (d *Driver) nobodys() route { return route{to: d.cfg.PublicPool, metric: lowest} }

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
		_, err = d.host.rules.apply(d.hostTable(dev.Name, nil))
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
		if err := changeRoutes(h, nil, func(r route) bool { return r == d.nobodys() }); err != nil {
			return err
		}
		d.host.rules = ruleset{}
		return dropTables(d.hostTable("", nil))
	})
}
