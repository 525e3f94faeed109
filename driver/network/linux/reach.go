package linux

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	exits6Set   = "exits6"  // devices whose IPv6 packets may leave the VPC
	arrive6Map  = "arrive6" // device to the chain that says who may begin flows with it
	arrive6     = "arrive6" // the chain that asks it
	arriving    = "-arrive" // of chains; the route table's ID comes before
	objectsSet  = "objects" // devices that reach the service at network.Objects
	https       = 443
	poolBits6   = 56 // of a VPC's ranges of the IPv6 pool
	peersSet    = "peers"
	peerSources = "peer-sources" // device to the chain of what the peer may send as
	peerFrom    = "-from"        // of chains; the peer's ID comes before
)

// routesOf are the routes of the subnet's table.
func routesOf(v network.VPC, s network.Subnet) []network.Route {
	for _, t := range v.Tables {
		if t.ID == s.Table {
			return t.Routes
		}
	}
	return nil
}

// leaves reports whether a route of the subnet leads to an internet gateway that is
// attached, or, in IPv6, to an egress-only one.
func leaves(v network.VPC, s network.Subnet, four bool) bool {
	return slices.ContainsFunc(routesOf(v, s), func(r network.Route) bool {
		return r.To.Addr().Is4() == four && (r.Via == network.ViaInternet && v.Internet || r.Via == network.ViaEgress && !four)
	})
}

// hasOutside reports whether packets may leave the VPC, or come in.
func hasOutside(v network.VPC) bool {
	return slices.ContainsFunc(v.Subnets, func(s network.Subnet) bool { return leaves(v, s, true) || hasIPv6(v) && leaves(v, s, false) })
}

// subnetsByID indexes the subnets of a plan.
func subnetsByID(v network.VPC) map[string]network.Subnet {
	m := make(map[string]network.Subnet, len(v.Subnets))
	for _, s := range v.Subnets {
		m[s.ID] = s
	}
	return m
}

// addOutside6 says who may send IPv6 packets outside, and who may be sent such that
// begin a flow: they come from where an internet gateway leads to, and not an egress-only one.
func addOutside6(t *table, v network.VPC) {
	exits := t.set(exits6Set, nftables.TypeIFName)
	arrive := t.mapping(arrive6Map, nftables.TypeVerdict, nftables.TypeIFName)
	subnets := subnetsByID(v)
	for _, p := range v.Ports {
		s := subnets[p.Subnet]
		if len(p.Addresses6) == 0 || !leaves(v, s, false) {
			continue
		}
		dev := key(deviceName(portDevice(p.ID)))
		exits.elements[dev] = ""
		arrive.elements[dev] = s.Table + arriving
		if t.chains[s.Table+arriving] == nil {
			t.chain(s.Table+arriving, arrivals(v, s)...)
		}
	}
	t.chain(arrive6, when(verdictOf(arrive6Map, outDevice)), when(goTo(refusedIn)))
}

// arrivals asks the subnet's table where a sender is: the longest prefix first.
func arrivals(v network.VPC, s network.Subnet) []rule {
	routes := slices.Clone(routesOf(v, s))
	slices.SortStableFunc(routes, func(a, b network.Route) int { return b.To.Bits() - a.To.Bits() })
	var rules []rule
	for _, r := range routes {
		then := goTo(refusedIn)
		if r.Via == network.ViaInternet && v.Internet {
			then = goTo(receiveChain)
		}
		if r.To.Addr().Is6() {
			rules = append(rules, when(source6.within(r.To), then))
		}
	}
	return append(rules, when(goTo(refusedIn)))
}

// objectsDevices are the devices of ports whose subnet leads to the service at
// network.Objects.
func objectsDevices(v network.VPC) (devices []string) {
	subnets := subnetsByID(v)
	for _, p := range v.Ports {
		if r, ok := v.Leads(subnets[p.Subnet], network.Objects); ok && r.Via == network.ViaService {
			devices = append(devices, portDevice(p.ID))
		}
	}
	return devices
}

// objects lets those ports reach the service.
func objects(t *table, v network.VPC) []rule {
	devices := t.set(objectsSet, nftables.TypeIFName)
	for _, d := range objectsDevices(v) {
		devices.elements[key(deviceName(d))] = ""
	}
	var rules []rule
	for _, port := range []uint16{http, https} {
		rules = append(rules, when(destination.is(network.Objects.AsSlice()...), protocol.is(unix.IPPROTO_TCP),
			toPort.is(be16(port)...), in(objectsSet, inDevice), accept()))
	}
	return rules
}

// addPeerRules lets peers send as their own addresses alone.
func addPeerRules(t *table, v network.VPC) {
	devices := t.set(peersSet, nftables.TypeIFName)
	sources := t.mapping(peerSources, nftables.TypeVerdict, nftables.TypeIFName)
	for _, p := range v.Peers {
		dev := key(deviceName(peerDevice(p.ID)))
		devices.elements[dev] = ""
		sources.elements[dev] = p.ID + peerFrom
		var rules []rule
		for _, c := range p.CIDRs {
			rules = append(rules, when(sender.within(c), accept()))
		}
		t.chain(p.ID+peerFrom, append(rules, when(drop()))...)
	}
}

// ranges6 are the plan's ranges of the pool of public IPv6 addresses.
func (d *Driver) ranges6(v network.VPC) (ranges []netip.Prefix) {
	for _, c := range v.CIDRs {
		if c.Addr().Is6() && d.cfg.PublicPool6.IsValid() && d.cfg.PublicPool6.Overlaps(c) {
			ranges = append(ranges, c)
		}
	}
	return ranges
}
