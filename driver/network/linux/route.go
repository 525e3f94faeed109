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
// answers "unreachable".
type route struct {
	to     netip.Prefix
	device int        // index
	via    netip.Addr // gateway on the device's link, if valid
	source netip.Addr // what the router itself sends as, if valid
	metric int
}

// A neighbour is a permanent entry of the ARP cache.
type neighbour struct {
	device int
	ip     netip.Addr
	mac    [6]byte
}

// changeRoutes makes the driver's routes among those that are selected be as
// wanted, in the calling thread's namespace.
func changeRoutes(h *netlink.Handle, want map[route]bool, selected func(route) bool) error {
	have := make(map[route]bool)
	err := retryDump(func() error {
		clear(have)
		return h.RouteListFilteredIter(netlink.FAMILY_V4, &netlink.Route{}, 0, func(n netlink.Route) bool {
			if r, ok := readRoute(n); ok && selected(r) {
				have[r] = true
			}
			return true
		})
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
	r = route{to: netip.PrefixFrom(netip.IPv4Unspecified(), 0), device: n.LinkIndex, metric: n.Priority}
	if n.Dst != nil {
		addr, _ := netip.AddrFromSlice(n.Dst.IP.To4())
		bits, _ := n.Dst.Mask.Size()
		r.to = netip.PrefixFrom(addr, bits)
	}
	if n.Type == unix.RTN_UNREACHABLE {
		r.device = 0
	}
	r.via, _ = netip.AddrFromSlice(n.Gw.To4())
	r.source, _ = netip.AddrFromSlice(n.Src.To4())
	return r, true
}

func (r route) netlink() *netlink.Route {
	n := &netlink.Route{
		Dst:      &net.IPNet{IP: r.to.Addr().AsSlice(), Mask: net.CIDRMask(r.to.Bits(), 32)},
		Protocol: routeProtocol, LinkIndex: r.device, Priority: r.metric,
		Gw: r.via.AsSlice(), Src: r.source.AsSlice(),
	}
	switch {
	case r.device == 0:
		n.Type = unix.RTN_UNREACHABLE
	case r.via.IsValid():
		n.Flags = int(netlink.FLAG_ONLINK)
	default:
		n.Scope = netlink.SCOPE_LINK
	}
	return n
}

// changeNeighbours makes the permanent entries of the devices, by index, be as
// wanted, in the calling thread's namespace.
func changeNeighbours(h *netlink.Handle, want map[neighbour]bool, devices map[int]bool) error {
	have := make(map[neighbour]bool)
	err := retryDump(func() error {
		clear(have)
		list, err := h.NeighListExecute(netlink.Ndmsg{Family: unix.AF_INET, State: netlink.NUD_PERMANENT})
		for _, n := range list {
			ip, _ := netip.AddrFromSlice(n.IP.To4())
			if devices[n.LinkIndex] && len(n.HardwareAddr) == 6 {
				have[neighbour{n.LinkIndex, ip, [6]byte(n.HardwareAddr)}] = true
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	kept := make(map[netip.Addr]int)
	for n := range want {
		kept[n.ip] = n.device
		if have[n] {
			continue
		}
		if err := h.NeighSet(n.netlink()); err != nil {
			return fmt.Errorf("set neighbour %s: %w", n.ip, err)
		}
	}
	for n := range have {
		if want[n] || kept[n.ip] == n.device {
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
		LinkIndex: n.device, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
		IP: n.ip.AsSlice(), HardwareAddr: n.mac[:],
	}
}

// changeAddresses makes the addresses of the device, beside those of 127/8, be
// as wanted.
func changeAddresses(h *netlink.Handle, index int, want map[netip.Addr]bool) error {
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
	var list []netlink.Addr
	err := retryDump(func() (err error) {
		list, err = h.AddrList(link, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	have := make(map[netip.Addr]bool)
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.IP.To4())
		if ip.IsLoopback() {
			continue
		}
		if want[ip] {
			have[ip] = true
		} else if err := h.AddrDel(link, &a); err != nil {
			return fmt.Errorf("delete address %s: %w", ip, err)
		}
	}
	for ip := range want {
		if have[ip] {
			continue
		}
		a := &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}}
		if err := h.AddrReplace(link, a); err != nil {
			return fmt.Errorf("add address %s: %w", ip, err)
		}
	}
	return nil
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
