package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/driver/network"
)

// step notes a look at the packet, and reports whether it goes on.
func (w *walk) step(s Step) bool {
	s.Reply = w.answering
	w.steps = append(w.steps, s)
	w.blocked = w.blocked || !s.Passes
	return s.Passes
}

func (w *walk) stop(kind, id, format string, args ...any) {
	w.step(Step{Kind: kind, ID: id, Text: fmt.Sprintf(format, args...)})
}

// leave follows a packet that a port sends.
func (w *walk) leave(from place, p packet) {
	if !from.port.AnySource && !has(from.port, p.source) {
		w.stop("port", from.port.ID, "sends from %s, which is not its address", p.source)
		return
	}
	if !w.service(from, p) && w.groups(from, p, false) {
		w.forward(from, p)
	}
}

// forward follows a packet that was let out of a port.
func (w *walk) forward(from place, p packet) {
	v := from.vpc
	for _, c := range v.CIDRs {
		if c.Contains(p.destination) {
			w.step(Step{Kind: "route", ID: from.subnet.Table, Rule: c.String(), Passes: true, Text: "leads within the VPC (local)"})
			w.deliver(from, v, p)
			return
		}
	}
	r, ok := v.Leads(*from.subnet, p.destination)
	if !ok {
		w.stop("route", from.subnet.Table, "has no route to %s", p.destination)
		return
	}
	if r.Via == network.ViaNothing {
		w.step(Step{Kind: "route", ID: from.subnet.Table, Rule: r.To.String(), Text: "leads nowhere: its target is no more (blackhole)"})
		return
	}
	w.step(Step{Kind: "route", ID: from.subnet.Table, Rule: r.To.String(), Passes: true, Text: "leads to " + name(r)})
	w.follow(from, r, p)
}

func name(r network.Route) string {
	if r.Target == "" {
		return string(r.Via)
	}
	return r.Target
}

// follow takes the packet where the route leads.
func (w *walk) follow(from place, r network.Route, p packet) {
	switch r.Via {
	case network.ViaInternet:
		w.internet(from, r, p)
	case network.ViaEgress:
		if p.source.Is4() {
			w.stop("route", r.Target, "carries IPv6 alone")
		} else if w.acl(from, p, false) {
			w.arrive(p)
		}
	case network.ViaPeer:
		w.peer(from, r, p)
	case network.ViaPort:
		w.router(from, r, p)
	case network.ViaNAT, network.ViaService:
		w.begin(from, r, p)
	case network.ViaNothing: // its caller has stopped there
	}
}

// begin takes a packet where flows begin: an answer has come another way.
func (w *walk) begin(from place, r network.Route, p packet) {
	switch {
	case p.answer:
		w.astray(r, p)
	case r.Via == network.ViaNAT:
		w.nat(from, r, p)
	default:
		if p.protocol == udp || p.protocol == tcp && p.to != 80 && p.to != 443 {
			w.stop("service", r.Target, "does not answer at %s", portsText(p.protocol, p.to, p.to))
			return
		}
		w.answered = w.step(Step{Kind: "service", ID: r.Target, Passes: true, Text: "the cloud's own service answers"})
	}
}

// astray stops an answer that does not go back by the way on which its packet came.
func (w *walk) astray(r network.Route, p packet) {
	w.stop("route", r.Target, "does not lead the answer back to %s", p.destination)
}

// internet translates the packet to its port's public address, and lets it out.
func (w *walk) internet(from place, r network.Route, p packet) {
	if !from.vpc.Internet {
		w.stop("route", r.Target, "is attached to no VPC")
		return
	}
	if !w.acl(from, p, false) {
		return
	}
	if p.source.Is4() {
		public := publicOf(from.port, p.source)
		if !public.IsValid() {
			w.stop("port", from.port.ID, "has no public address for %s", p.source)
			return
		}
		w.step(Step{Kind: "nat", ID: from.port.ID, Passes: true, Text: fmt.Sprintf("%s goes out as %s", p.source, public)})
		p.source = public
	}
	w.arrive(p)
}

// nat sends the packet on from the NAT's own port.
func (w *walk) nat(from place, r network.Route, p packet) {
	for _, n := range from.vpc.NATs {
		gate := w.find(n.Port)
		if n.ID != r.Target || gate.port == nil {
			continue
		}
		if p.source.Is6() {
			w.stop("nat", n.ID, "carries IPv4 alone")
			return
		}
		if !w.edges(from, gate, p) {
			return
		}
		w.hops = append(w.hops, hop{from, gate, p})
		own := first(gate.port, false)
		w.step(Step{Kind: "nat", ID: n.ID, Passes: true, Text: fmt.Sprintf("%s goes on as %s", p.source, own)})
		p.source = own
		w.origin, w.sent = gate, p
		w.forward(gate, p)
		return
	}
	w.stop("nat", r.Target, "is not there")
}

// router gives the packet to a guest that routes.
func (w *walk) router(from place, r network.Route, p packet) {
	gate := w.find(r.Target)
	switch {
	case gate.port == nil:
		w.stop("port", r.Target, "is not there")
	case !gate.port.AnySource:
		w.stop("port", r.Target, "takes what is for itself alone: its source/destination check is on")
	case p.answer && gate.port != w.origin.port:
		w.astray(r, p)
	case p.answer:
		if w.edges(from, gate, p) {
			w.end, w.arrived = gate, p
		}
	case w.edges(from, gate, p) && w.groups(gate, p, true):
		w.hops = append(w.hops, hop{from, gate, p})
		w.answered = w.step(Step{Kind: "port", ID: r.Target, Passes: true, Text: "has the packet: its guest decides what becomes of it"})
	}
}

// peer takes the packet to the other VPC, where it is for a port or for nobody.
func (w *walk) peer(from place, r network.Route, p packet) {
	for _, c := range from.vpc.Peers {
		if c.ID != r.Target {
			continue
		}
		other := w.vpc(c.VPC)
		if other == nil || !slices.ContainsFunc(c.CIDRs, func(x netip.Prefix) bool { return x.Contains(p.destination) }) {
			w.stop("peering", c.ID, "%s is not in the other VPC", p.destination)
			return
		}
		w.step(Step{Kind: "peering", ID: c.ID, Passes: true, Text: "leads to " + other.ID})
		w.deliver(from, other, p)
		return
	}
	w.stop("peering", r.Target, "is not there")
}

func (w *walk) vpc(id string) *network.VPC {
	for _, v := range w.vpcs {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// arrive follows a packet that is outside: it may be for a public address of a VPC.
func (w *walk) arrive(p packet) {
	for _, v := range w.vpcs {
		for i := range v.Ports {
			port := &v.Ports[i]
			inner := innerOf(port, p.destination)
			if !inner.IsValid() {
				continue
			}
			if !w.opens(at(v, port), p) {
				return
			}
			if inner != p.destination {
				w.step(Step{Kind: "nat", ID: port.ID, Passes: true, Text: fmt.Sprintf("%s is %s inside", p.destination, inner)})
				p.destination = inner
			}
			w.deliver(place{}, v, p)
			return
		}
	}
	if slices.ContainsFunc(w.vpcs, func(v *network.VPC) bool { return inside(v, p.destination) }) {
		w.stop("outside", "", "%s is not reached from outside", p.destination)
		return
	}
	if slices.ContainsFunc(w.pools, func(r netip.Prefix) bool { return r.Contains(p.destination) }) {
		w.stop("outside", "", "nobody has %s, which is one of the cloud's", p.destination)
		return
	}
	w.step(Step{Kind: "outside", Passes: true, Text: p.destination.String() + " is beyond the cloud"})
	w.end, w.arrived = place{}, p
}

// opens reports whether a port's packets that come from outside get into its VPC: by an internet
// gateway that its subnet's table leads to, or, as answers of IPv6, by any way out.
func (w *walk) opens(to place, p packet) bool {
	v := to.vpc
	if p.answer && p.source.Is6() && slices.ContainsFunc(v.Subnets, func(s network.Subnet) bool { return leadsOut(v, s) }) {
		return true
	}
	if !v.Internet {
		w.stop("outside", v.ID, "has no internet gateway by which %s is reached", p.destination)
		return false
	}
	if r, ok := v.Leads(*to.subnet, p.source); !ok || r.Via != network.ViaInternet {
		w.stop("route", to.subnet.Table, "does not lead to an internet gateway, by which packets from %s would come", p.source)
		return false
	}
	return true
}

// innerOf is the port's private address that an address outside stands for.
func innerOf(p *network.Port, outer netip.Addr) (inner netip.Addr) {
	for _, a := range p.Addresses {
		if a.Public == outer {
			return a.Private
		}
	}
	if slices.Contains(p.Addresses6, outer) {
		return outer
	}
	return inner
}

// leadsOut reports whether packets of IPv6 leave the VPC from the subnet, for anywhere.
func leadsOut(v *network.VPC, s network.Subnet) bool {
	return slices.ContainsFunc(v.Tables, func(t network.Table) bool {
		return t.ID == s.Table && slices.ContainsFunc(t.Routes, func(r network.Route) bool {
			return r.To.Addr().Is6() && (r.Via == network.ViaEgress || r.Via == network.ViaInternet && v.Internet)
		})
	})
}

// deliver gives the packet to the port of the VPC that has its destination. from is
// empty for one that comes from outside.
func (w *walk) deliver(from place, v *network.VPC, p packet) {
	for i := range v.Ports {
		port := &v.Ports[i]
		if !has(port, p.destination) {
			continue
		}
		to := at(v, port)
		if !w.edges(from, to, p) {
			return
		}
		if !p.answer && slices.ContainsFunc(v.NATs, func(n network.NAT) bool { return n.Port == port.ID }) {
			w.stop("nat", port.ID, "is a NAT's, which takes no flows from elsewhere")
			return
		}
		if p.answer || w.groups(to, p, true) {
			w.end, w.arrived = to, p
		}
		return
	}
	w.stop("subnet", v.ID, "no port has the address %s", p.destination)
}

// answer follows the answer to the packet back, first to where it was translated last, then
// over the edges that it had crossed before.
func (w *walk) answer() {
	w.answering = true
	if !w.answered {
		from, p := w.end, w.arrived.back()
		if from.port != nil {
			w.forward(from, p)
		} else {
			w.arrive(p)
		}
		if !w.blocked && (w.end.port != w.origin.port || w.arrived.destination != w.sent.source || w.arrived.source != w.sent.destination) {
			w.stop("route", "", "the answer comes from %s to %s, where nobody waits for it", w.arrived.source, w.arrived.destination)
		}
	}
	for _, h := range slices.Backward(w.hops) {
		if w.blocked || !w.edges(h.to, h.from, h.packet.back()) {
			return
		}
	}
}

func inside(v *network.VPC, a netip.Addr) bool {
	return slices.ContainsFunc(v.CIDRs, func(c netip.Prefix) bool { return c.Contains(a) })
}
