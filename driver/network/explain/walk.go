package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/driver/network"
)

// step notes a look at the packet, and reports whether it goes on.
func (w *walk) step(s Step) bool {
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
	if w.groups(from, p, false) {
		w.forward(from, p)
	}
}

// forward follows a packet that was let out of a port.
func (w *walk) forward(from place, p packet) {
	v := from.vpc
	if w.service(from, p) {
		return
	}
	for _, c := range v.CIDRs {
		if c.Contains(p.destination) {
			w.step(Step{Kind: "route", ID: from.subnet.Table, Rule: c.String(), Passes: true, Text: "leads within the VPC (local)"})
			w.deliver(from, network.Route{}, v, p)
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
	case network.ViaNAT:
		w.nat(from, r, p)
	case network.ViaPort:
		w.router(from, r, p)
	case network.ViaPeer:
		w.peer(from, r, p)
	case network.ViaService:
		w.step(Step{Kind: "service", ID: r.Target, Passes: true, Text: "the cloud's own service answers"})
	}
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
		own := first(gate.port, false)
		w.step(Step{Kind: "nat", ID: n.ID, Passes: true, Text: fmt.Sprintf("%s goes on as %s", p.source, own)})
		p.source = own
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
	case w.edges(from, gate, p) && w.groups(gate, p, true):
		w.step(Step{Kind: "port", ID: r.Target, Passes: true, Text: "has the packet: its guest decides what becomes of it"})
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
		w.deliver(from, r, other, p)
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
			if !inner.IsValid() || !v.Internet {
				continue
			}
			if inner != p.destination {
				w.step(Step{Kind: "nat", ID: port.ID, Passes: true, Text: fmt.Sprintf("%s is %s inside", p.destination, inner)})
				p.destination = inner
			}
			w.deliver(place{}, network.Route{Via: network.ViaInternet}, v, p)
			return
		}
	}
	if slices.ContainsFunc(w.vpcs, func(v *network.VPC) bool { return inside(v, p.destination) }) {
		w.stop("outside", "", "%s is not reached from outside", p.destination)
		return
	}
	w.step(Step{Kind: "outside", Passes: true, Text: p.destination.String() + " is beyond the cloud"})
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

// deliver gives the packet to the port of the VPC that has its destination. from is
// empty for one that comes from outside; by is the route that led out of its VPC, or in.
func (w *walk) deliver(from place, by network.Route, v *network.VPC, p packet) {
	for i := range v.Ports {
		port := &v.Ports[i]
		if !has(port, p.destination) {
			continue
		}
		to := at(v, port)
		if !w.edges(from, to, p) {
			return
		}
		if slices.ContainsFunc(v.NATs, func(n network.NAT) bool { return n.Port == port.ID }) {
			w.stop("nat", port.ID, "is a NAT's, which takes no flows from elsewhere")
			return
		}
		if w.groups(to, p, true) {
			w.wayBack(to, by, p)
		}
		return
	}
	w.stop("subnet", v.ID, "no port has the address %s", p.destination)
}

// wayBack looks whether the receiver's table leads the answer to where the packet came
// from: by is the route that led it here, or one to the internet.
func (w *walk) wayBack(to place, by network.Route, p packet) {
	if by.Via == network.ViaNothing {
		return // within the VPC
	}
	r, ok := to.vpc.Leads(*to.subnet, p.source)
	s := Step{Reply: true, Kind: "route", ID: to.subnet.Table, Text: fmt.Sprintf("does not lead the answer back to %s", p.source)}
	if ok {
		s.Rule = r.To.String()
	}
	if ok && r.Via == by.Via && (by.Via != network.ViaPeer || r.Target == by.Target) {
		s.Passes, s.Text = true, "leads the answer back to "+name(r)
	}
	w.step(s)
}

func inside(v *network.VPC, a netip.Addr) bool {
	return slices.ContainsFunc(v.CIDRs, func(c netip.Prefix) bool { return c.Contains(a) })
}
