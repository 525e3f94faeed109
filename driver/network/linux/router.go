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
		p.Addresses6 = slices.Clone(p.Addresses6)
		ports[p.ID] = plannedPort{p, routers[p.Subnet]}
	}
	return ports
}

// routes leads to the port by its device. The router speaks as the subnet's.
func (p plannedPort) routes(device int) []route {
	var routes []route
	for _, a := range p.Addresses {
		routes = append(routes, route{to: alone(a.Private), device: device, source: p.router})
	}
	for _, a := range p.Addresses6 {
		routes = append(routes, route{to: alone(a), device: device})
	}
	return routes
}

// neighbours says where the port's addresses are, so that no guest is asked; so is
// where packets go that a route leads to the port.
func (p plannedPort) neighbours(device int) []neighbour {
	var entries []neighbour
	for _, a := range p.Addresses {
		entries = append(entries, neighbour{device, a.Private, [6]byte(p.MAC)})
	}
	for _, a := range p.Addresses6 {
		entries = append(entries, neighbour{device, a, [6]byte(p.MAC)})
	}
	if len(p.Addresses6) > 0 {
		entries = append(entries, neighbour{device, guest6, [6]byte(p.MAC)})
	}
	return entries
}

// protect gives the VPC's namespace, which the calling thread is in, its rules.
func (v *vpc) protect(plan network.VPC) error {
	for _, s := range sysctlsOf(plan) {
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
	if err := part(devices, plan.Peers); err != nil {
		return err
	}
	lo := devices["lo"]
	if lo.Flags&unix.IFF_UP == 0 {
		if err := h.LinkSetUp(&netlink.Device{LinkAttrs: lo.LinkAttrs}); err != nil {
			return fmt.Errorf("set up lo: %w", err)
		}
	}
	w, err := planWays(plan, devices)
	if err != nil {
		return err
	}
	if err := cutOff(h, devices, w.devices); err != nil {
		return err
	}
	w.devices[lo.Index] = true
	if err := changeAddresses(h, w.addresses, w.devices); err != nil {
		return err
	}
	if err := changeChoices(h, choices(plan)); err != nil {
		return err
	}
	if err := changeRoutes(h, w.routes, func(route) bool { return true }); err != nil {
		return err
	}
	return changeNeighbours(h, w.neighbours, w.devices)
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
