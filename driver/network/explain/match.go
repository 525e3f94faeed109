package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/driver/network"
)

// first is the port's first address of a family; zero if it has none.
func first(p *network.Port, six bool) (a netip.Addr) {
	switch {
	case p == nil:
	case six && len(p.Addresses6) > 0:
		a = p.Addresses6[0]
	case !six && len(p.Addresses) > 0:
		a = p.Addresses[0].Private
	}
	return a
}

func has(p *network.Port, a netip.Addr) bool {
	return slices.Contains(p.Addresses6, a) || slices.ContainsFunc(p.Addresses, func(x network.Address) bool { return x.Private == a })
}

func publicOf(p *network.Port, private netip.Addr) (public netip.Addr) {
	for _, a := range p.Addresses {
		if a.Private == private {
			public = a.Public
		}
	}
	return public
}

// served is what the router of every VPC answers to.
type served struct{ protocol, port int }

// services are the addresses at which it does.
var services = map[netip.Addr][]served{
	network.Metadata: {{tcp, 80}}, network.API: {{tcp, 80}}, network.Metadata6: {{tcp, 80}},
	network.Resolver: {{udp, 53}, {tcp, 53}}, network.Resolver6: {{udp, 53}, {tcp, 53}},
}

// served returns what the router answers to at an address; ok if the address is its own.
// Objects is not: only a route leads there.
func (w *walk) served(v *network.VPC, a netip.Addr) (at []served, ok bool) {
	at, ok = services[a]
	for _, c := range v.CIDRs {
		if c.Addr().Is4() && network.ResolverOf(c) == a {
			at, ok = append(at, services[network.Resolver]...), true
		}
	}
	for _, s := range v.Subnets {
		if s.Router == a {
			at, ok = append(at, served{udp, 67}), true
		}
	}
	return at, ok
}

// links are the addresses of links, beyond which there is nothing but the router.
var links = netip.MustParsePrefix("169.254.0.0/16")

// service reports whether the packet is for the router itself, and what becomes of it.
// Groups and network ACLs are not asked.
func (w *walk) service(from place, p packet) bool {
	at, ok := w.served(from.vpc, p.destination)
	switch {
	case !ok && p.destination != network.Objects && links.Contains(p.destination):
		w.stop("service", p.destination.String(), "is nobody's address")
		return true
	case !ok:
		return false
	}
	echo := p.protocol == icmp || p.protocol == icmp6
	if !echo && !slices.Contains(at, served{p.protocol, p.to}) {
		w.stop("service", p.destination.String(), "does not answer at %s", portsText(p.protocol, p.to, p.to))
		return true
	}
	w.answered = w.step(Step{Kind: "service", ID: p.destination.String(), Passes: true, Text: "is the VPC's router, which answers"})
	return true
}

// groups looks whether a port's groups let the packet in, or out.
func (w *walk) groups(at place, p packet, ingress bool) bool {
	way, other := "out", p.destination
	if ingress {
		way, other = "in", p.source
	}
	for _, g := range at.vpc.Groups {
		if !slices.Contains(at.port.Groups, g.ID) {
			continue
		}
		rules := g.Egress
		if ingress {
			rules = g.Ingress
		}
		for _, r := range rules {
			if matches(r.Protocol, r.From, r.To, p) && isOther(at.vpc, r, other) {
				return w.step(Step{Kind: "group", ID: g.ID, Rule: r.ID, Passes: true, Text: "lets it " + way + " of " + at.port.ID + ": " + ruleText(r)})
			}
		}
	}
	id := ""
	if len(at.port.Groups) > 0 {
		id = fmt.Sprint(at.port.Groups)
		if len(at.port.Groups) == 1 {
			id = at.port.Groups[0]
		}
	}
	return w.step(Step{Kind: "group", ID: id, Text: fmt.Sprintf("no rule lets %s %s of %s", p, way, at.port.ID)})
}

// isOther reports whether a rule means the address of the other end.
func isOther(v *network.VPC, r network.Rule, other netip.Addr) bool {
	switch {
	case r.List != "":
		for _, l := range v.Lists {
			if l.ID == r.List {
				return slices.ContainsFunc(l.Prefixes, func(x netip.Prefix) bool { return x.Contains(other) })
			}
		}
		return false
	case r.Group != "":
		for _, p := range v.Ports {
			if slices.Contains(p.Groups, r.Group) && has(&p, other) {
				return true
			}
		}
		return slices.ContainsFunc(v.Groups, func(g network.Group) bool { return g.ID == r.Group && slices.Contains(g.Members, other) })
	default:
		return r.Prefix.Contains(other)
	}
}

// matches reports whether protocol and ports of a rule or an entry mean the packet.
func matches(protocol, from, to int, p packet) bool {
	switch {
	case protocol == -1:
		return true
	case protocol != p.protocol:
		return false
	case p.protocol == icmp || p.protocol == icmp6:
		kind, code := p.kind()
		return (from == -1 || from == kind) && (to == -1 || to == code)
	default:
		return from == -1 || from <= p.to && p.to <= to
	}
}

func ruleText(r network.Rule) string {
	other := r.Prefix.String()
	if r.Group != "" {
		other = r.Group
	}
	if r.List != "" {
		other = r.List
	}
	return portsText(r.Protocol, r.From, r.To) + ", " + other
}

func portsText(protocol, from, to int) string {
	name := map[int]string{-1: "all", icmp: "icmp", tcp: "tcp", udp: "udp", icmp6: "icmpv6"}[protocol]
	if name == "" {
		name = "protocol " + strconv.Itoa(protocol)
	}
	switch {
	case protocol == -1 || from == -1 && to == -1:
		return name
	case from == to:
		return fmt.Sprintf("%s %d", name, from)
	default:
		return fmt.Sprintf("%s %d to %d", name, from, to)
	}
}

// edges looks at a packet on its way from one subnet to another, or from outside.
func (w *walk) edges(from, to place, p packet) bool {
	if from.vpc != nil && from.vpc.ID == to.vpc.ID && from.subnet.ID == to.subnet.ID {
		return true
	}
	return (from.port == nil || w.acl(from, p, false)) && w.acl(to, p, true)
}

// acl has the network ACL of a subnet look at a packet that enters or leaves it.
func (w *walk) acl(at place, p packet, ingress bool) bool {
	for _, a := range at.vpc.ACLs {
		if a.ID != at.subnet.ACL {
			continue
		}
		entries, other, way := a.Egress, p.destination, "out of"
		if ingress {
			entries, other, way = a.Ingress, p.source, "into"
		}
		for _, e := range entries {
			if matches(e.Protocol, e.From, e.To, p) && e.Prefix.Contains(other) {
				verb := "denies"
				if e.Allow {
					verb = "allows"
				}
				text := fmt.Sprintf("%s %s %s %s: %s, %s", verb, p, way, at.subnet.ID, portsText(e.Protocol, e.From, e.To), e.Prefix)
				return w.step(Step{Kind: "acl", ID: a.ID, Rule: strconv.Itoa(e.Number), Passes: e.Allow, Text: text})
			}
		}
		return w.step(Step{Kind: "acl", ID: a.ID, Rule: "*", Text: fmt.Sprintf("no entry allows %s %s %s", p, way, at.subnet.ID)})
	}
	return true
}
