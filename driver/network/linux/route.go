package linux

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A route of the driver, in a form that can be compared. Without a device it
// answers "unreachable", or says nothing if silent.
type route struct {
	table  uint32 // zero: the main one
	to     netip.Prefix
	device int        // index
	via    netip.Addr // gateway on the device's link, if valid
	source netip.Addr // what the router itself sends as, if valid
	metric int
	silent bool
}

// A neighbour is a permanent entry of the ARP or neighbour cache.
type neighbour struct {
	device int
	ip     netip.Addr
	mac    [6]byte
}

// An address is one that a device has.
type address struct {
	device int
	ip     netip.Addr
}

// usual is the metric of IPv6 routes that were given none.
const usual = 1024

// families are those of IPv4 and IPv6.
var families = []int{netlink.FAMILY_V4, netlink.FAMILY_V6}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// changeRoutes makes the driver's routes among those that are selected be as
// wanted, in all tables of the calling thread's namespace.
func changeRoutes(h *netlink.Handle, want map[route]bool, selected func(route) bool) error {
	have := make(map[route]bool)
	err := retryDump(func() error {
		clear(have)
		for _, family := range families {
			all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
			err := h.RouteListFilteredIter(family, all, netlink.RT_FILTER_TABLE, func(n netlink.Route) bool {
				if r, ok := readRoute(n); ok && selected(r) {
					have[r] = true
				}
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for r := range want {
		if have[r] {
			continue
		}
		if err := h.RouteReplace(r.netlink()); err != nil {
			return fmt.Errorf("route %s: %w", r.to, err)
		}
	}
	for r := range have {
		if want[r] {
			continue
		}
		// The one above may have taken its place, or it went with its device.
		if err := h.RouteDel(r.netlink()); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("delete route %s: %w", r.to, err)
		}
	}
	return nil
}

// readRoute understands routes as the driver makes them.
func readRoute(n netlink.Route) (r route, ok bool) {
	if n.Protocol != routeProtocol {
		return route{}, false
	}
	r = route{table: uint32(n.Table), to: everywhere(n.Family), device: n.LinkIndex, metric: n.Priority}
	if n.Dst != nil {
		addr, _ := netip.AddrFromSlice(n.Dst.IP)
		addr = addr.Unmap() // the library has IPv4 zero in 16 octets
		bits, _ := n.Dst.Mask.Size()
		r.to = netip.PrefixFrom(addr, bits)
	}
	if r.table == unix.RT_TABLE_MAIN {
		r.table = 0
	}
	if n.Family == netlink.FAMILY_V6 && r.metric == usual {
		r.metric = 0
	}
	r.silent = n.Type == unix.RTN_BLACKHOLE
	if r.silent || n.Type == unix.RTN_UNREACHABLE {
		r.device = 0
	}
	r.via, _ = netip.AddrFromSlice(n.Gw)
	r.source, _ = netip.AddrFromSlice(n.Src)
	return r, true
}

func (r route) netlink() *netlink.Route {
	n := &netlink.Route{
		Table:    int(r.table),
		Dst:      &net.IPNet{IP: r.to.Addr().AsSlice(), Mask: net.CIDRMask(r.to.Bits(), r.to.Addr().BitLen())},
		Protocol: routeProtocol, LinkIndex: r.device, Priority: r.metric,
		Gw: r.via.AsSlice(), Src: r.source.AsSlice(),
	}
	switch {
	case r.silent:
		n.Type = unix.RTN_BLACKHOLE
	case r.device == 0:
		n.Type = unix.RTN_UNREACHABLE
	case r.via.IsValid():
		n.Flags = int(netlink.FLAG_ONLINK)
	case r.to.Addr().Is4():
		n.Scope = netlink.SCOPE_LINK
	}
	return n
}

// everywhere is the range of all addresses of the family.
func everywhere(family int) netip.Prefix {
	if family == netlink.FAMILY_V4 {
		return netip.PrefixFrom(nobody, 0)
	}
	return netip.PrefixFrom(nobody6, 0)
}

// alone is the range of the one address.
func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// changeNeighbours makes the permanent entries of the devices, by index, be as
// wanted, in the calling thread's namespace.
func changeNeighbours(h *netlink.Handle, want map[neighbour]bool, devices map[int]bool) error {
	have := make(map[neighbour]bool)
	err := retryDump(func() error {
		clear(have)
		for _, family := range families {
			list, err := h.NeighListExecute(netlink.Ndmsg{Family: uint8(family), State: netlink.NUD_PERMANENT})
			for _, n := range list {
				ip, _ := netip.AddrFromSlice(n.IP)
				if devices[n.LinkIndex] && len(n.HardwareAddr) == 6 && !ip.IsMulticast() {
					have[neighbour{n.LinkIndex, ip, [6]byte(n.HardwareAddr)}] = true
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	kept := make(map[address]bool)
	for n := range want {
		kept[address{n.device, n.ip}] = true
		if have[n] {
			continue
		}
		if err := h.NeighSet(n.netlink()); err != nil {
			return fmt.Errorf("set neighbour %s: %w", n.ip, err)
		}
	}
	for n := range have {
		if want[n] || kept[address{n.device, n.ip}] {
			continue
		}
		if err := h.NeighDel(n.netlink()); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete neighbour %s: %w", n.ip, err)
		}
	}
	return nil
}

func (n neighbour) netlink() *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex: n.device, Family: familyOf(n.ip), State: netlink.NUD_PERMANENT,
		IP: n.ip.AsSlice(), HardwareAddr: n.mac[:],
	}
}

// changeAddresses makes the addresses of the devices, by index, beside those of the
// loopback ranges, be as wanted.
func changeAddresses(h *netlink.Handle, want map[address]bool, devices map[int]bool) error {
	have := make(map[address]netlink.Addr)
	err := retryDump(func() error {
		clear(have)
		list, err := h.AddrList(nil, netlink.FAMILY_ALL)
		for _, a := range list {
			ip, _ := netip.AddrFromSlice(a.IP)
			if ip = ip.Unmap(); devices[a.LinkIndex] && !ip.IsLoopback() {
				have[address{a.LinkIndex, ip}] = a
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for a, n := range have {
		if want[a] {
			continue
		}
		if err := h.AddrDel(device0(a.device), &n); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("delete address %s: %w", a.ip, err)
		}
	}
	for a := range want {
		if _, there := have[a]; there {
			continue
		}
		if err := a.add(h); err != nil {
			return err
		}
	}
	return nil
}

// add gives the device the address, which nobody else on its link is asked about.
func (a address) add(h *netlink.Handle) error {
	bits := a.ip.BitLen()
	if a.ip.IsLinkLocalUnicast() && a.ip.Is6() {
		bits = 64 // who is on the link is reached there: RFC 4291
	}
	n := &netlink.Addr{IPNet: &net.IPNet{IP: a.ip.AsSlice(), Mask: net.CIDRMask(bits, a.ip.BitLen())}}
	if a.ip.Is6() {
		n.Flags = unix.IFA_F_NODAD
	}
	if err := h.AddrReplace(device0(a.device), n); err != nil {
		return fmt.Errorf("add address %s: %w", a.ip, err)
	}
	return nil
}

// device0 is the device of an index, of which nothing else is known.
func device0(index int) *netlink.Device {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

// retryDump reads again what changed while it was read.
func retryDump(dump func() error) error {
	for range 20 {
		if err := dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return err
		}
	}
	return netlink.ErrDumpInterrupted
}
