package networktest

import (
	"fmt"
	"net/netip"
)

// overlap: VPCs with the same ranges, ports and groups never meet.
func overlap(w *world) {
	a, b := newPlan("vpc-a", 1), newPlan("vpc-b", 1)
	for i, p := range []*plan{a, b} {
		p.group("sg-x", all(anywhere))
		p.port("eni-1", 11, "sg-x").Addresses[0].Public = w.public(byte(11 + i))
		p.port(fmt.Sprint("eni-", p.ID[4:]), byte(20+i), "sg-x")
		w.apply(p)
	}
	ga, gb := w.boot(a, "eni-1", "eni-a"), w.boot(b, "eni-1", "eni-b")
	ga[0].listen(w.T, 1001)
	ga[1].listen(w.T, web)
	gb[0].listen(w.T, 1002)
	gb[1].listen(w.T, web)
	for _, pr := range []string{"tcp", "udp"} {
		w.expect(
			probe{"own", ga[1].stack, pr, at(ga[0].addr, 1001), true, ga[1].addr},
			probe{"own", gb[1].stack, pr, at(gb[0].addr, 1002), true, gb[1].addr},
			probe{"the other's", ga[1].stack, pr, at(ga[0].addr, 1002), false, netip.Addr{}},
			probe{"the other's", gb[1].stack, pr, at(gb[0].addr, 1001), false, netip.Addr{}},
			probe{"only there", ga[0].stack, pr, at(gb[1].addr, web), false, netip.Addr{}},
			probe{"only there", gb[0].stack, pr, at(ga[1].addr, web), false, netip.Addr{}},
		)
	}
}

// twoClouds: two clouds on a host do not disturb each other, down to the same IDs.
func twoClouds(w *world) {
	second := *w
	for second.pool == w.pool {
		second.pool = randomPool()
	}
	second.Cloud = w.bench.New(w.T, w.host.space.Path(), second.pool, netip.MustParsePrefix("2001:db9::/32"))
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	w.apply(p)
	q := newPlan("vpc-a", 1)
	q.group("sg-a", all(anywhere))
	q.port("eni-a", 11, "sg-a").Addresses[0].Public = second.public(12)
	second.apply(q)
	mine, theirs := w.boot(p, "eni-a")[0], second.boot(q, "eni-a")[0]
	mine.listen(w.T, 1001)
	theirs.listen(w.T, 1002)
	both := func(why string) {
		w.expect(
			probe{"first cloud " + why, w.host, "tcp", at(w.public(11), 1001), true, hostAddr},
			probe{"second cloud " + why, w.host, "tcp", at(second.public(12), 1002), true, hostAddr},
			probe{"from the first to the second " + why, mine.stack, "tcp", at(second.public(12), 1002), true, netip.Addr{}},
			probe{"from the second to the first " + why, theirs.stack, "tcp", at(w.public(11), 1001), true, netip.Addr{}},
		)
	}
	both("beside it")
	w.apply(p)
	both("after an Apply of the first")
	must(w.T, second.Remove(w.Context(), "vpc-a"))
	w.expect(probe{"alone", w.host, "tcp", at(w.public(11), 1001), true, hostAddr})
	if left, err := second.Traces(); err != nil || len(left) > 0 {
		w.Errorf("the second cloud leaves %v, %v", left, err)
	}
}

// unused: addresses that no port has do not answer, and are refused where the
// router is asked.
func unused(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-off", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a")[0]
	// First, because the kernel says so only a few times a second.
	if _, err := g.try("tcp", at(netip.MustParseAddr("10.1.2.99"), web), patience); err == nil || isTimeout(err) {
		w.Errorf("an unused address of another subnet: %v, want unreachable", err)
	}
	for _, to := range []string{"10.1.1.99", "10.1.2.99", "10.1.77.1", "10.1.1.12", "10.99.0.1"} {
		for _, pr := range []string{"tcp", "udp", "icmp"} {
			w.expect(probe{"unused", g.stack, pr, at(netip.MustParseAddr(to), web), false, netip.Addr{}})
		}
	}
}

// severalAddresses: a port is reached by all its addresses.
func severalAddresses(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a")
	port := p.port("eni-b", 12, "sg-a")
	second := netip.MustParseAddr("10.1.1.60")
	port.Addresses[0].Public = w.public(12)
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web)
	g[1].setUp(w.T, "nic0", netip.PrefixFrom(second, 24), netip.Addr{})
	w.expect(probe{"not yet", g[0].stack, "tcp", at(second, web), false, netip.Addr{}})
	port.Addresses = append(port.Addresses, address(second, w.public(60)))
	w.apply(p)
	w.expect(
		probe{"first", g[0].stack, "tcp", at(g[1].addr, web), true, g[0].addr},
		probe{"second", g[0].stack, "tcp", at(second, web), true, g[0].addr},
		probe{"first public", w.host, "tcp", at(w.public(12), web), true, hostAddr},
		probe{"second public", w.host, "tcp", at(w.public(60), web), true, hostAddr},
	)
	port.Addresses = port.Addresses[:1]
	w.apply(p)
	w.expect(
		probe{"no more", g[0].stack, "tcp", at(second, web), false, netip.Addr{}},
		probe{"still", g[0].stack, "tcp", at(g[1].addr, web), true, g[0].addr},
	)
}
