package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// plannedPort is a port and the router of its subnet.
type plannedPort struct {
	network.Port
	router netip.Addr
}

// planPorts copies the plan's ports, which are the caller's.
func planPorts(plan network.VPC) map[string]plannedPort {
	routers := make(map[string]netip.Addr, len(plan.Subnets))
	for _, s := range plan.Subnets {
		routers[s.ID] = s.Router
	}
	ports := make(map[string]plannedPort, len(plan.Ports))
	for _, p := range plan.Ports {
		p.MAC, p.Addresses, p.Groups = slices.Clone(p.MAC), slices.Clone(p.Addresses), slices.Clone(p.Groups)
		ports[p.ID] = plannedPort{p, routers[p.Subnet]}
	}
	return ports
}

// routes leads to the port by its device. The router speaks as the subnet's.
func (p plannedPort) routes(device int) []route {
	var routes []route
	for _, a := range p.Addresses {
		routes = append(routes, route{to: host32(a.Private), device: device, source: p.router})
	}
	return routes
}

// neighbours says where the port's addresses are, so that no guest is asked.
func (p plannedPort) neighbours(device int) []neighbour {
	var entries []neighbour
	for _, a := range p.Addresses {
		entries = append(entries, neighbour{device, a.Private, [6]byte(p.MAC)})
	}
	return entries
}

func host32(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 32) }

// protect gives the VPC's namespace, which the calling thread is in, its rules.
func (v *vpc) protect(plan network.VPC) error {
	for _, s := range spaceSysctls {
		if err := s.set(); err != nil {
			return err
		}
	}
	removed, err := v.rules.apply(vpcTables(plan)...)
	if err != nil {
		return err
	}
	return forget(removed)
}

// route makes devices, addresses, routes and neighbours of the VPC's namespace,
// which the calling thread is in, be as planned.
func (v *vpc) route(plan network.VPC) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("connect to rtnetlink: %w", err)
	}
	defer h.Close()
	devices, err := listDevices()
	if err != nil {
		return err
	}
	lo := devices["lo"]
	if lo.Flags&unix.IFF_UP == 0 {
		if err := h.LinkSetUp(&netlink.Device{LinkAttrs: lo.LinkAttrs}); err != nil {
			return fmt.Errorf("set up lo: %w", err)
		}
	}
	if err := changeAddresses(h, lo.Index, ownAddresses(plan)); err != nil {
		return err
	}
	w := &ways{routes: make(map[route]bool), neighbours: make(map[neighbour]bool), devices: make(map[int]bool)}
	w.addNowhere(plan)
	if err := w.addLink(plan, devices); err != nil {
		return err
	}
	if err := w.addPorts(plan, devices); err != nil {
		return err
	}
	if err := cutOff(h, devices, w.devices); err != nil {
		return err
	}
	if err := changeRoutes(h, w.routes, func(route) bool { return true }); err != nil {
		return err
	}
	return changeNeighbours(h, w.neighbours, w.devices)
}

// ownAddresses are those at which the router itself answers.
func ownAddresses(plan network.VPC) map[netip.Addr]bool {
	own := map[netip.Addr]bool{network.Metadata: true, network.API: true, network.Objects: true}
	for _, a := range resolvers(plan) {
		own[a] = true
	}
	for _, s := range plan.Subnets {
		own[s.Router] = true
	}
	return own
}

// ways is where packets go in a VPC.
type ways struct {
	routes     map[route]bool
	neighbours map[neighbour]bool
	devices    map[int]bool // that are in use, by index
}

// addNowhere answers for addresses of the VPC that no port has, and for those of
// links, none of which is beyond this one.
func (w *ways) addNowhere(plan network.VPC) {
	for _, c := range append([]netip.Prefix{linkLocal}, plan.CIDRs...) {
		w.routes[route{to: c, metric: lowest}] = true
	}
}

// addLink leads everything else outside, if there is one.
func (w *ways) addLink(plan network.VPC, devices map[string]*device) error {
	link := devices[linkDevice]
	if link == nil || !hasOutside(plan) {
		return nil
	}
	if want := linkSettings(plan.ID); !link.is(want) {
		if err := want.set(link.Index); err != nil {
			return err
		}
	}
	w.devices[link.Index] = true
	w.routes[route{to: host32(linkHost), device: link.Index}] = true
	w.routes[route{to: netip.PrefixFrom(nobody, 0), device: link.Index, via: linkHost}] = true
	w.neighbours[neighbour{link.Index, linkHost, [6]byte(linkHostMAC)}] = true
	return nil
}

// addPorts leads to the ports that have a device: those of guests that run.
func (w *ways) addPorts(plan network.VPC, devices map[string]*device) error {
	for _, p := range planPorts(plan) {
		dev := devices[portDevice(p.ID)]
		if dev == nil {
			continue
		}
		if want := portSettings(p.Port); !dev.is(want) {
			if err := want.set(dev.Index); err != nil {
				return err
			}
		}
		w.devices[dev.Index] = true
		for _, r := range p.routes(dev.Index) {
			w.routes[r] = true
		}
		for _, n := range p.neighbours(dev.Index) {
			w.neighbours[n] = true
		}
	}
	return nil
}

// cutOff takes down the driver's devices that are not in use: the guest that
// holds one need not know yet that its port is gone.
func cutOff(h *netlink.Handle, devices map[string]*device, used map[int]bool) error {
	for _, d := range devices {
		if d.owner() == "" || used[d.Index] || d.Flags&unix.IFF_UP == 0 {
			continue
		}
		if err := h.LinkSetDown(&netlink.Device{LinkAttrs: d.LinkAttrs}); err != nil {
			return fmt.Errorf("cut off %s: %w", d.owner(), err)
		}
	}
	return nil
}

// deleteDevices empties the calling thread's namespace.
func deleteDevices() error {
	devices, err := listDevices()
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.Name == "lo" {
			continue
		}
		if err := netlink.LinkDel(&netlink.Device{LinkAttrs: d.LinkAttrs}); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("delete device %s: %w", d.Name, err)
		}
	}
	return nil
}
