package networktest

import (
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/driver/network"
)

// oracle says what becomes of packets by the documentation of plans alone, one question
// at a time: it is slow, remembers nothing, and has no code in common with a driver.
type oracle map[string]network.VPC // by ID, as applied

// place is where a packet is: at a port, or outside of all VPCs.
type place struct {
	vpc  string // empty: outside
	port network.Port
}

// packet is what rules are about. Of ICMP and ICMPv6 fromPort is the type, and toPort the code.
type packet struct {
	protocol         int
	from, to         netip.Addr
	fromPort, toPort int
}

// Reasons why nothing comes back.
const byGroup, byACL, byRoute = "group", "ACL", "route"

// exchange is why a request from a place has no answer, empty if it has one. known says that
// the flow was let through before.
func (o oracle) exchange(from place, p packet, known bool) (reason string) {
	if gateway, is := o.gateway(from, p.to); is {
		return o.exchangeBy(gateway, from, p, known)
	}
	there, p, reason := o.send(from, p, known)
	if reason != "" {
		return reason
	}
	_, _, reason = o.send(there, p.answer(), true)
	return reason
}

// gateway is the port of the NAT that the packets to an address are routed to, if any.
func (o oracle) gateway(from place, to netip.Addr) (gateway network.Port, is bool) {
	v := o[from.vpc]
	if _, own := within(v, to); own || from.vpc == "" {
		return gateway, false
	}
	r, ok := route(v, subnetOf(v, from.port), to)
	for _, n := range v.NATs {
		for _, p := range v.Ports {
			if ok && r.Via == network.ViaNAT && r.Target == n.ID && p.ID == n.Port {
				return p, true
			}
		}
	}
	return gateway, false
}

// exchangeBy is exchange for what a NAT sends on as its own.
func (o oracle) exchangeBy(gateway network.Port, from place, p packet, known bool) (reason string) {
	v := o[from.vpc]
	if !known && !o.lets(v, from.port, false, p) {
		return byGroup
	}
	near, far := subnetOf(v, from.port), subnetOf(v, gateway)
	back := p.answer()
	crosses := near.ID != far.ID
	if crosses && (!passes(v, near, false, p) || !passes(v, far, true, p) || !passes(v, far, false, back) || !passes(v, near, true, back)) {
		return byACL
	}
	p.from = gateway.Addresses[0].Private
	return o.exchange(place{v.ID, gateway}, p, known)
}

// seenAs is whom the other end sees when a packet goes out, whatever rules say of it.
func (o oracle) seenAs(from place, p packet) netip.Addr {
	if gateway, is := o.gateway(from, p.to); is {
		p.from = gateway.Addresses[0].Private
		return o.seenAs(place{from.vpc, gateway}, p)
	}
	_, p, _ = o.send(from, p, true)
	return p.from
}

// answer is the packet that comes back.
func (p packet) answer() packet {
	p.from, p.to = p.to, p.from
	switch p.protocol {
	case 1:
		p.fromPort = 0 // echo reply: RFC 792
	case 58:
		p.fromPort = 129 // RFC 4443
	default:
		p.fromPort, p.toPort = p.toPort, p.fromPort
	}
	return p
}

// send follows a packet one way, and returns where it ends and how it looks there.
func (o oracle) send(from place, p packet, known bool) (place, packet, string) {
	if from.vpc == "" {
		return o.enter(p, known)
	}
	v := o[from.vpc]
	if !known && !o.lets(v, from.port, false, p) {
		return place{}, p, byGroup
	}
	subnet := subnetOf(v, from.port)
	if to, own := within(v, p.to); own {
		if to.port.ID != "" && to.port.Subnet == from.port.Subnet {
			if !known && !o.lets(v, to.port, true, p) {
				return to, p, byGroup
			}
			return to, p, ""
		}
		if !passes(v, subnet, false, p) {
			return to, p, byACL
		}
		return o.arrive(to, p, known)
	}
	if !passes(v, subnet, false, p) {
		return place{}, p, byACL
	}
	r, ok := route(v, subnet, p.to)
	switch {
	case !ok:
		return place{}, p, byRoute
	case r.Via == network.ViaInternet && v.Internet && p.from.Is4():
		if p.from = publicOf(from.port, p.from); !p.from.IsValid() {
			return place{}, p, byRoute
		}
		return o.enter(p, known)
	case (r.Via == network.ViaInternet && v.Internet || r.Via == network.ViaEgress) && p.from.Is6():
		return o.enter(p, known)
	case r.Via == network.ViaPeer:
		return o.arrive(o.across(v, r.Target, p.to), p, known)
	}
	return place{}, p, byRoute
}

// nowhere is a place that no packet reaches.
const nowhere = "nowhere"

// arrive is the end of a packet's way: into a port, or outside.
func (o oracle) arrive(to place, p packet, known bool) (place, packet, string) {
	if to.vpc == "" {
		return to, p, ""
	}
	v, is := o[to.vpc]
	if !is || to.port.ID == "" {
		return to, p, byRoute
	}
	for _, a := range to.port.Addresses {
		if a.Public == p.to {
			p.to = a.Private
		}
	}
	if !passes(v, subnetOf(v, to.port), true, p) {
		return to, p, byACL
	}
	if !known && !o.lets(v, to.port, true, p) {
		return to, p, byGroup
	}
	return to, p, ""
}

// enter is the rest of a packet's way that has left all VPCs.
func (o oracle) enter(p packet, known bool) (place, packet, string) {
	to := o.outside(p)
	if v, is := o[to.vpc]; is && p.to.Is6() && to.port.ID != "" {
		// A flow begins where the subnet's packets would go to an internet gateway, and goes on
		// while there is any way out.
		r, ok := route(v, subnetOf(v, to.port), p.from)
		if begins := ok && r.Via == network.ViaInternet && v.Internet; !begins && (!known || !leadsOut(v)) {
			return to, p, byRoute
		}
	}
	return o.arrive(to, p, known)
}

// leadsOut reports whether any subnet's packets of IPv6 go outside.
func leadsOut(v network.VPC) bool {
	for _, s := range v.Subnets {
		if r, ok := route(v, s, elsewhere6); ok && (r.Via == network.ViaEgress || r.Via == network.ViaInternet && v.Internet) {
			return true
		}
	}
	return false
}

// outside is where a packet ends that has left all VPCs: at a port's public address, at its IPv6
// address, or really outside.
func (o oracle) outside(p packet) place {
	for id, v := range o {
		if at, own := within(v, p.to); own && p.to.Is6() {
			return at
		}
		for _, q := range v.Ports {
			for _, a := range q.Addresses {
				if a.Public != p.to {
					continue
				}
				if r, ok := route(v, subnetOf(v, q), netip.IPv4Unspecified()); !v.Internet || !ok || r.Via != network.ViaInternet {
					return place{vpc: nowhere}
				}
				return place{id, q}
			}
		}
	}
	if p.to != hostAddr && p.to != elsewhereAddr && p.to != host6 && p.to != elsewhere6 {
		return place{vpc: nowhere}
	}
	return place{}
}

// across is where a packet ends that was sent to a peer.
func (o oracle) across(v network.VPC, peerID string, to netip.Addr) place {
	for _, mine := range v.Peers {
		for _, theirs := range o[mine.VPC].Peers {
			if mine.ID == peerID && theirs.ID == peerID && theirs.VPC == v.ID {
				if at, own := within(o[mine.VPC], to); own {
					return at
				}
			}
		}
	}
	return place{vpc: nowhere}
}

// within is the port of an address of the VPC's ranges; own says whether it is in one.
func within(v network.VPC, a netip.Addr) (at place, own bool) {
	for _, c := range v.CIDRs {
		own = own || c.Contains(a)
	}
	if !own {
		return place{}, false
	}
	for _, p := range v.Ports {
		if slices.Contains(addressesOf(p), a) {
			return place{v.ID, p}, true
		}
	}
	return place{vpc: nowhere}, true
}

func addressesOf(p network.Port) []netip.Addr {
	var all []netip.Addr
	for _, a := range p.Addresses {
		all = append(all, a.Private)
	}
	return append(all, p.Addresses6...)
}

// publicOf is the public address of a private one.
func publicOf(p network.Port, private netip.Addr) netip.Addr {
	for _, a := range p.Addresses {
		if a.Private == private {
			return a.Public
		}
	}
	return netip.Addr{}
}

func subnetOf(v network.VPC, p network.Port) network.Subnet {
	for _, s := range v.Subnets {
		if s.ID == p.Subnet {
			return s
		}
	}
	return network.Subnet{}
}

// route is the one of the longest prefix.
func route(v network.VPC, s network.Subnet, to netip.Addr) (best network.Route, ok bool) {
	for _, t := range v.Tables {
		for _, r := range t.Routes {
			if t.ID == s.Table && r.To.Contains(to) && (!ok || r.To.Bits() > best.To.Bits()) {
				best, ok = r, true
			}
		}
	}
	return best, ok
}

// passes asks the subnet's ACL about a packet that enters or leaves.
func passes(v network.VPC, s network.Subnet, enters bool, p packet) bool {
	for _, a := range v.ACLs {
		if a.ID != s.ACL {
			continue
		}
		entries, end := a.Egress, p.to
		if enters {
			entries, end = a.Ingress, p.from
		}
		for _, e := range entries {
			if e.Prefix.Contains(end) && means(e.Protocol, e.From, e.To, p) {
				return e.Allow
			}
		}
		return false
	}
	return true
}

// lets asks the port's groups about a packet that it gets or sends; those of a NAT's do not count.
func (o oracle) lets(v network.VPC, port network.Port, gets bool, p packet) bool {
	for _, n := range v.NATs {
		if n.Port == port.ID {
			return true
		}
	}
	for _, g := range v.Groups {
		for _, id := range port.Groups {
			if id != g.ID {
				continue
			}
			rules, end := g.Egress, p.to
			if gets {
				rules, end = g.Ingress, p.from
			}
			for _, r := range rules {
				if means(r.Protocol, r.From, r.To, p) && names(v, r, end) {
					return true
				}
			}
		}
	}
	return false
}

// names reports whether a rule is about the address.
func names(v network.VPC, r network.Rule, a netip.Addr) bool {
	if r.Prefix.IsValid() {
		return r.Prefix.Contains(a)
	}
	for _, l := range v.Lists {
		for _, p := range l.Prefixes {
			if l.ID == r.List && p.Contains(a) {
				return true
			}
		}
	}
	for _, g := range v.Groups {
		for _, m := range g.Members {
			if g.ID == r.Group && m == a {
				return true
			}
		}
	}
	for _, p := range v.Ports {
		for _, g := range p.Groups {
			for _, x := range addressesOf(p) {
				if g == r.Group && x == a {
					return true
				}
			}
		}
	}
	return false
}

// means reports whether the packet is of a protocol and ports, or type and code.
func means(protocol, from, to int, p packet) bool {
	switch {
	case protocol == -1:
		return true
	case protocol != p.protocol:
		return false
	case protocol == 6 || protocol == 17:
		return from == -1 || from <= p.toPort && p.toPort <= to
	case protocol == 1 || protocol == 58:
		return from == -1 || from == p.fromPort && (to == -1 || to == p.toPort)
	}
	return true
}
