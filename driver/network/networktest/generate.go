package networktest

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// generate gives both plans other rules, entries, lists, members and routes.
func (m *matrixRun) generate(round int) {
	for i, p := range []*plan{m.a, m.b} {
		other := []*plan{m.b, m.a}[i]
		for j := range p.Groups {
			g := &p.Groups[j]
			g.Ingress, g.Egress = m.rules(round, p, other, 4), m.rules(round, p, other, 2)
			if m.rand.IntN(4) == 0 {
				g.Ingress = append(g.Ingress, all(anywhere), all(anywhere6))
			}
			if m.often() {
				g.Egress = append(g.Egress, all(anywhere), all(anywhere6))
			}
		}
		beyond := other.Ports[m.rand.IntN(3)]
		p.Groups[4].Members = append(addressesOf(beyond), elsewhereAddr)
		p.Lists[0].Prefixes = []netip.Prefix{m.prefix(p, other), m.prefix(p, other), m.prefix(p, other)}
		for j := range p.ACLs {
			p.ACLs[j].Ingress, p.ACLs[j].Egress = m.entries(round, p, other), m.entries(round, p, other)
		}
		for j := range p.Tables {
			p.Tables[j].Routes = m.routes(j == 0, other)
			if j == 1 && len(p.NATs) > 0 && m.often() {
				p.Tables[j].Routes = append(p.Tables[j].Routes, network.Route{To: anywhere, Via: network.ViaNAT, Target: p.NATs[0].ID})
			}
		}
		p.Internet = m.rand.IntN(8) > 0
	}
}

func (m *matrixRun) often() bool { return m.rand.IntN(4) > 0 }

// prefix is a range that some of the packets come from.
func (m *matrixRun) prefix(p, other *plan) netip.Prefix {
	from := []*plan{p, other}[m.rand.IntN(2)]
	port := from.Ports[m.rand.IntN(3)]
	return []netip.Prefix{
		anywhere, anywhere6, from.CIDRs[0], from.CIDRs[1], from.Subnets[m.rand.IntN(2)].Prefix, from.Subnets[m.rand.IntN(2)].Prefix6,
		netip.PrefixFrom(port.Addresses[0].Private, 32), netip.PrefixFrom(port.Addresses6[0], 128),
		m.pool, netip.PrefixFrom(elsewhereAddr, 32), netip.PrefixFrom(elsewhere6, 64).Masked(),
	}[m.rand.IntN(11)]
}

// traffic is a rule's protocol and ports, or type and code.
func (m *matrixRun) traffic(round int) network.Rule {
	port := int(openPort(round))
	protocol := []int{6, 17}[m.rand.IntN(2)]
	return []network.Rule{
		{Protocol: -1, From: -1, To: -1},
		{Protocol: 6, From: port, To: port},
		{Protocol: 17, From: port, To: port},
		{Protocol: protocol, From: 1, To: port},
		{Protocol: protocol, From: 1024, To: 65535},
		{Protocol: protocol, From: -1, To: -1},
		{Protocol: 1, From: -1, To: -1},
		{Protocol: 58, From: -1, To: -1},
		{Protocol: 1, From: 8, To: 0},
		{Protocol: 58, From: 128, To: -1},
		{Protocol: 1, From: 8, To: 1},
		{Protocol: 47, From: -1, To: -1},
	}[m.rand.IntN(12)]
}

// rules are a few of a group.
func (m *matrixRun) rules(round int, p, other *plan, most int) (rules []network.Rule) {
	for range m.rand.IntN(most + 1) {
		r := m.traffic(round)
		switch m.rand.IntN(8) {
		case 0:
			r.Group = "sg-all"
		case 1:
			r.Group = "sg-beyond"
		case 2:
			r.List = "pl-a"
		default:
			r.Prefix = m.prefix(p, other)
		}
		rules = append(rules, r)
	}
	return rules
}

// entries are a few of an ACL, which mostly end with all that is left.
func (m *matrixRun) entries(round int, p, other *plan) (entries []network.Entry) {
	for range m.rand.IntN(3) {
		r := m.traffic(round)
		r.Prefix = m.prefix(p, other)
		entries = append(entries, entry(m.rand.IntN(2) == 0, r))
	}
	if m.rand.IntN(8) > 0 {
		entries = append(entries, openACL()...)
	}
	return entries
}

// routes lead to the internet, and to the peer, or not.
func (m *matrixRun) routes(outside bool, other *plan) (routes []network.Route) {
	if outside && m.rand.IntN(8) > 0 {
		routes = append(routes, network.Route{To: anywhere, Via: network.ViaInternet}, network.Route{To: anywhere6, Via: network.ViaInternet})
	}
	if !outside && m.often() {
		routes = append(routes, network.Route{To: anywhere6, Via: network.ViaEgress})
	}
	for _, c := range other.CIDRs {
		switch m.rand.IntN(8) {
		case 0:
			continue
		case 1:
			routes = append(routes, network.Route{To: c})
		default:
			routes = append(routes, network.Route{To: c, Via: network.ViaPeer, Target: "pcx-a"})
		}
	}
	if m.rand.IntN(6) == 0 { // a longer prefix, which leads nowhere
		routes = append(routes, network.Route{To: other.Subnets[m.rand.IntN(2)].Prefix}, network.Route{To: other.Subnets[m.rand.IntN(2)].Prefix6})
	}
	m.rand.Shuffle(len(routes), func(a, b int) { routes[a], routes[b] = routes[b], routes[a] })
	return routes
}
