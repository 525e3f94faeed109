package networktest

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// lists: a rule that names a list means its ranges, and follows them.
func lists(w *world) {
	prefix := netip.MustParsePrefix
	p := newPlan("vpc-a", 1)
	p.group("sg-a", network.Rule{Protocol: 6, From: web, To: web, List: "pl-a"}, network.Rule{Protocol: 17, From: -1, To: -1, List: "pl-b"})
	p.Lists = []network.List{
		{ID: "pl-a", Prefixes: []netip.Prefix{prefix("10.1.1.11/32"), prefix("10.1.1.8/30"), prefix("192.0.2.0/24"), prefix("fd00::/8")}},
		{ID: "pl-b"},
	}
	for i, id := range []string{"eni-a", "eni-b", "eni-c"} {
		p.port(id, byte(11+i), "sg-a")
	}
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b", "eni-c")
	g[2].listen(w.T, web, ssh)
	w.expect(
		probe{"in the list", g[0].stack, "tcp", at(g[2].addr, web), true, g[0].addr},
		probe{"in the list, other port", g[0].stack, "tcp", at(g[2].addr, ssh), false, netip.Addr{}},
		probe{"not in the list", g[1].stack, "tcp", at(g[2].addr, web), false, netip.Addr{}},
		probe{"an empty list", g[0].stack, "udp", at(g[2].addr, web), false, netip.Addr{}},
	)
	p.Lists[0].Prefixes = []netip.Prefix{prefix("10.1.1.12/30"), prefix("10.1.1.13/32")}
	p.Lists[1].Prefixes = []netip.Prefix{prefix("0.0.0.0/0"), prefix("10.0.0.0/8")}
	w.apply(p)
	w.expect(
		probe{"not in the list any more", g[0].stack, "tcp", at(g[2].addr, web), false, netip.Addr{}},
		probe{"in the list now", g[1].stack, "tcp", at(g[2].addr, web), true, g[1].addr},
		probe{"in a list of all", g[0].stack, "udp", at(g[2].addr, web), true, g[0].addr},
	)
	// What leaves is about the other end, too.
	p.Groups[0].Ingress = []network.Rule{all(anywhere)}
	p.Groups[0].Egress = []network.Rule{{Protocol: -1, From: -1, To: -1, List: "pl-a"}}
	p.Lists[0].Prefixes = []netip.Prefix{prefix("10.1.1.13/32")}
	w.apply(p)
	w.expect(
		probe{"to the list", g[0].stack, "tcp", at(g[2].addr, ssh), true, g[0].addr},
		probe{"to what is not in the list", g[0].stack, "icmp", at(g[1].addr, 0), false, netip.Addr{}},
	)
}

// membersBeyond: a group may have members that are no ports here.
func membersBeyond(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", network.Rule{Protocol: 6, From: web, To: web, Group: "sg-beyond"})
	p.Groups = append(p.Groups, network.Group{ID: "sg-beyond", Members: []netip.Addr{hostAddr, netip.MustParseAddr("fd00::1")}})
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[0].listen(w.T, web)
	w.expect(
		probe{"a member beyond", w.host, "tcp", at(w.public(11), web), true, hostAddr},
		probe{"no member", g[1].stack, "tcp", at(g[0].addr, web), false, netip.Addr{}},
	)
	p.Groups[1].Members = []netip.Addr{g[1].addr}
	w.apply(p)
	w.expect(
		probe{"no member any more", w.host, "tcp", at(w.public(11), web), false, netip.Addr{}},
		probe{"a member now", g[1].stack, "tcp", at(g[0].addr, web), true, g[1].addr},
	)
}
