package networktest

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// public: a port with a public address in a subnet that leads outside is
// reached by it and goes out as it; others neither.
func public(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", tcp(anywhere, web), udp(anywhere, web), echo(anywhere))
	p.port("eni-pub", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-priv", 12, "sg-a")
	p.portIn(p.Subnets[1], "eni-in", 13, "sg-a").Addresses[0].Public = w.public(13)
	w.apply(p)
	g := w.boot(p, "eni-pub", "eni-priv", "eni-in")
	for _, s := range []stack{g[0].stack, g[1].stack, g[2].stack, w.elsewhere} {
		s.listen(w.T, web, ssh)
	}
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"host to guest", w.host, pr, at(w.public(11), web), true, hostAddr},
			probe{"guest to elsewhere", g[0].stack, pr, at(elsewhereAddr, web), true, hostAddr},
			probe{"host to a subnet without a gateway", w.host, pr, at(w.public(13), web), false, netip.Addr{}},
			probe{"no public address", g[1].stack, pr, at(elsewhereAddr, web), false, netip.Addr{}},
			probe{"no gateway", g[2].stack, pr, at(elsewhereAddr, web), false, netip.Addr{}},
			probe{"no public address, to a public one", g[1].stack, pr, at(w.public(11), web), false, netip.Addr{}},
		)
	}
	w.expect(
		probe{"host to a closed port", w.host, "tcp", at(w.public(11), ssh), false, netip.Addr{}},
		probe{"private address from the host", w.host, "tcp", at(g[0].addr, web), false, netip.Addr{}},
		probe{"inside", g[1].stack, "tcp", at(g[0].addr, web), true, g[1].addr},
	)
}

// hairpin: guests reach each other by public addresses, within a VPC and
// between VPCs, and are seen as their own public address, which rules are about.
func hairpin(w *world) {
	a, b := newPlan("vpc-a", 1), newPlan("vpc-b", 1)
	for i, p := range []*plan{a, b} {
		p.group("sg-x", tcp(netip.PrefixFrom(w.public(byte(10*i+11)), 32), web), udp(w.pool, web), echo(w.pool), tcp(p.CIDRs[0], ssh))
		p.port("eni-1", 11, "sg-x").Addresses[0].Public = w.public(byte(10*i + 11))
		p.port("eni-2", 12, "sg-x").Addresses[0].Public = w.public(byte(10*i + 12))
		w.apply(p)
	}
	ga, gb := w.boot(a, "eni-1", "eni-2"), w.boot(b, "eni-1", "eni-2")
	for _, g := range append(ga, gb...) {
		g.listen(w.T, web, ssh)
	}
	w.expect(
		probe{"within a VPC", ga[0].stack, "tcp", at(w.public(12), web), true, w.public(11)},
		probe{"within a VPC, from an address that no rule has", ga[1].stack, "tcp", at(w.public(11), web), false, netip.Addr{}},
		probe{"within a VPC, by the private address's rule", ga[0].stack, "tcp", at(w.public(12), ssh), false, netip.Addr{}},
		probe{"to oneself", ga[0].stack, "tcp", at(w.public(11), web), true, w.public(11)},
		probe{"datagrams", ga[1].stack, "udp", at(w.public(11), web), true, w.public(12)},
		probe{"echo", ga[0].stack, "icmp", at(w.public(12), 0), true, netip.Addr{}},
		probe{"between VPCs", ga[0].stack, "udp", at(w.public(22), web), true, w.public(11)},
		probe{"between VPCs, back", gb[1].stack, "udp", at(w.public(11), web), true, w.public(22)},
		probe{"between VPCs, no rule", ga[0].stack, "tcp", at(w.public(22), web), false, netip.Addr{}},
	)
	// What a sender's groups let out is also about the public address.
	a.Groups[0].Egress = []network.Rule{all(a.CIDRs[0])}
	w.apply(a)
	w.expect(
		probe{"no way out to public addresses", ga[0].stack, "udp", at(w.public(12), web), false, netip.Addr{}},
		probe{"inside", ga[0].stack, "tcp", at(ga[1].addr, ssh), true, ga[0].addr},
	)
}

// publicChanges: a public address follows its association, at once and with the
// flows that it had.
func publicChanges(w *world) {
	a, b := newPlan("vpc-a", 1), newPlan("vpc-b", 1)
	for _, p := range []*plan{a, b} {
		p.group("sg-x", all(anywhere))
		p.port("eni-1", 11, "sg-x")
		p.port("eni-2", 12, "sg-x")
	}
	a.Ports[0].Addresses[0].Public = w.public(50)
	w.apply(a)
	w.apply(b)
	ga, gb := w.boot(a, "eni-1", "eni-2"), w.boot(b, "eni-1")
	for i, g := range append(ga, gb...) {
		g.listen(w.T, web, uint16(8000+i))
	}
	c, err := w.host.dial(w.Context(), "tcp4", at(w.public(50), web))
	must(w.T, err)
	defer c.Close()
	w.expect(probe{"first", w.host, "tcp", at(w.public(50), 8000), true, hostAddr})

	a.Ports[0].Addresses[0].Public, a.Ports[1].Addresses[0].Public = netip.Addr{}, w.public(50)
	w.apply(a)
	w.expect(
		probe{"moved within the VPC", w.host, "tcp", at(w.public(50), 8001), true, hostAddr},
		probe{"out of the new one", ga[1].stack, "tcp", at(w.public(50), 8001), true, w.public(50)},
		probe{"out of the old one", ga[0].stack, "tcp", at(w.public(50), 8001), false, netip.Addr{}},
	)
	if exchange(c, soon) == nil {
		w.Error("an old flow goes on to the address's old port")
	}
	a.Ports[1].Addresses[0].Public, b.Ports[0].Addresses[0].Public = netip.Addr{}, w.public(50)
	w.apply(b) // before the old one knows
	w.apply(a)
	w.expect(probe{"moved to another VPC", w.host, "tcp", at(w.public(50), 8002), true, hostAddr})

	b.Internet = false
	w.apply(b)
	w.expect(probe{"gateway detached", w.host, "tcp", at(w.public(50), 8002), false, netip.Addr{}})
	b.Internet = true
	w.apply(b)
	w.expect(probe{"gateway attached", w.host, "tcp", at(w.public(50), 8002), true, hostAddr})
}

// pool: addresses of the pool that nobody has are nowhere, and do not leak out
// of the host.
func pool(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	w.apply(p)
	g := w.boot(p, "eni-a")[0]
	// Elsewhere claims the whole pool, and would answer.
	w.elsewhere.setUp(w.T, "down", netip.PrefixFrom(w.public(99), 24), netip.Addr{})
	w.elsewhere.listen(w.T, web)
	w.expect(
		probe{"from a guest", g.stack, "tcp", at(w.public(99), web), false, netip.Addr{}},
		probe{"from the host", w.host, "tcp", at(w.public(99), web), false, netip.Addr{}},
	)
	if _, err := w.host.try("tcp", at(w.public(99), web), patience); err == nil || isTimeout(err) {
		w.Errorf("an unused public address: %v, want unreachable", err)
	}
}

// hostIsClosed: guests do not reach the host, but it reaches them.
func hostIsClosed(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	for _, s := range []stack{w.host, g[0].stack, w.elsewhere} {
		s.listen(w.T, ssh)
	}
	w.expect(probe{"host to guest", w.host, "tcp", at(w.public(11), ssh), true, hostAddr})
	targets := []netip.Addr{hostAddr, netip.MustParseAddr("127.0.0.1")}
	// Addresses that a driver may use between the VPC and the host.
	for i := range byte(4) {
		targets = append(targets, netip.AddrFrom4([4]byte{169, 254, 0, i}))
	}
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		for _, to := range targets[:1] {
			for _, x := range g {
				w.expect(probe{"guest to host", x.stack, pr, at(to, ssh), false, netip.Addr{}})
			}
		}
	}
	for _, to := range targets[2:] {
		w.expect(probe{"guest to link", g[0].stack, "tcp", at(to, ssh), false, netip.Addr{}})
	}
}
