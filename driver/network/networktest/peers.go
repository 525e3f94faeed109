package networktest

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// peer makes two plans peers, without routes.
func peer(a, b *plan, id string) {
	a.Peers = append(a.Peers, network.Peer{ID: id, VPC: b.ID, CIDRs: b.CIDRs})
	b.Peers = append(b.Peers, network.Peer{ID: id, VPC: a.ID, CIDRs: a.CIDRs})
}

// peers: VPCs that are peers and have routes to each other meet, and nobody else does
// through them.
func peers(w *world) {
	a, b, c := newPlan("vpc-a", 1).withIPv6(), newPlan("vpc-b", 2).withIPv6(), newPlan("vpc-c", 3)
	stranger := newPlan("vpc-d", 1) // has the ranges of the first
	for _, p := range []*plan{a, b, c, stranger} {
		p.group("sg-x", tcp(anywhere, web), udp(anywhere, web), echo(anywhere), tcp(anywhere6, web), echo(anywhere6))
		p.port("eni-1", 11, "sg-x").Addresses[0].Public = w.public(byte(10 * len(p.ID) * int(p.ID[4]-'a'+1) / 7))
	}
	b.port("eni-forger", 12, "sg-x").AnySource = true
	peer(a, b, "pcx-ab")
	peer(b, c, "pcx-bc")
	a.table(tableOut, to("10.2.0.0/16", network.ViaPeer, "pcx-ab"), to("10.3.0.0/16", network.ViaPeer, "pcx-ab"),
		to("192.0.2.0/24", network.ViaPeer, "pcx-ab"), to("2001:db8:0:200::/56", network.ViaPeer, "pcx-ab"), network.Route{To: b.CIDRs[1], Via: network.ViaPeer, Target: "pcx-ab"})
	b.table(tableOut, to("10.1.0.0/16", network.ViaPeer, "pcx-ab"), to("10.3.0.0/16", network.ViaPeer, "pcx-bc"),
		to("0.0.0.0/0", network.ViaInternet, ""), network.Route{To: a.CIDRs[1], Via: network.ViaPeer, Target: "pcx-ab"})
	c.table(tableOut, to("10.2.0.0/16", network.ViaPeer, "pcx-bc"), to("10.1.0.0/16", network.ViaPeer, "pcx-bc"))
	for _, p := range []*plan{b, stranger, a, c} {
		w.apply(p)
	}
	ga, gb, forger, gc, gd := w.bootOne(a, "eni-1"), w.bootOne(b, "eni-1"), w.bootOne(b, "eni-forger"), w.bootOne(c, "eni-1"), w.bootOne(stranger, "eni-1")
	for _, s := range []stack{ga.stack, gb.stack, gc.stack, gd.stack, w.elsewhere} {
		s.listen(w.T, web, ssh)
	}
	met := func(when string) {
		w.Helper()
		w.expect(
			probe{when + ": to the peer", ga.stack, "tcp", at(gb.addr, web), true, ga.addr},
			probe{when + ": back", gb.stack, "udp", at(ga.addr, web), true, gb.addr},
			probe{when + ": IPv6", ga.stack, "tcp", at(gb.addr6, web), true, ga.addr6},
			probe{when + ": IPv6 echo, back", gb.stack, "icmp", at(ga.addr6, 0), true, netip.Addr{}},
			probe{when + ": echo", ga.stack, "icmp", at(gb.addr, 0), true, netip.Addr{}},
			probe{when + ": the other peer", gb.stack, "tcp", at(gc.addr, web), true, gb.addr},
			probe{when + ": the groups", ga.stack, "tcp", at(gb.addr, ssh), false, netip.Addr{}},
			probe{when + ": a peer's peer", ga.stack, "tcp", at(gc.addr, web), false, netip.Addr{}},
			probe{when + ": a peer's peer, back", gc.stack, "icmp", at(ga.addr, 0), false, netip.Addr{}},
			probe{when + ": a peer's gateway", ga.stack, "tcp", at(elsewhereAddr, web), false, netip.Addr{}},
			probe{when + ": a peer's resolver", ga.stack, "icmp", at(netip.MustParseAddr("10.2.0.2"), 0), false, netip.Addr{}},
			probe{when + ": a stranger", gd.stack, "tcp", at(gb.addr, web), false, netip.Addr{}},
		)
	}
	met("at first")
	w.forgedPeer(forger, ga)
	w.Driver = w.Reopen()
	for _, p := range []*plan{a, b, c, stranger} {
		w.apply(p)
		w.apply(p)
		met("in a new process, after " + p.ID)
	}
}

// forgedPeer: peers only get what comes from their peer's ranges.
func (w *world) forgedPeer(forger, victim *guest) {
	s := network.Subnet{Router: netip.MustParseAddr("10.2.1.1")}
	router := forger.router(s)
	send := func(from netip.Addr, text string) {
		forger.send(datagram(forger.port.MAC, router, at(from, 1), at(victim.addr, web), text))
	}
	for _, from := range []netip.Addr{netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("10.3.1.11"), netip.MustParseAddr("10.1.1.12"), elsewhereAddr} {
		send(from, "FORGED")
	}
	send(forger.addr, "TRUE")
	if !victim.sees(contains("TRUE")) || victim.saw(contains("FORGED")) {
		w.Errorf("the peer's true packet arrives: %v, its forged ones: %v", victim.saw(contains("TRUE")), victim.saw(contains("FORGED")))
	}
}

// peersApart: a peering ends with either VPC's plan or the VPC, and what was for the
// peer goes nowhere else.
func peersApart(w *world) {
	a, b := newPlan("vpc-a", 1), newPlan("vpc-b", 2)
	for i, p := range []*plan{a, b} {
		p.group("sg-x", all(anywhere))
		p.port("eni-1", 11, "sg-x").Addresses[0].Public = w.public(byte(11 + i))
	}
	peer(a, b, "pcx-ab")
	a.table(tableOut, to("10.2.0.0/16", network.ViaPeer, "pcx-ab"), to("0.0.0.0/0", network.ViaInternet, ""))
	b.table(tableOut, to("10.1.0.0/16", network.ViaPeer, "pcx-ab"), to("0.0.0.0/0", network.ViaInternet, ""))
	w.apply(a)
	w.apply(b)
	ga, gb := w.bootOne(a, "eni-1"), w.bootOne(b, "eni-1")
	gb.listen(w.T, web)
	// Elsewhere has the peer's address too, and would answer.
	w.elsewhere.setUp(w.T, "down", netip.PrefixFrom(gb.addr, 32), netip.Addr{})
	w.elsewhere.listen(w.T, web)
	reached := func(when string, yes bool) {
		w.Helper()
		w.expect(
			probe{when, ga.stack, "tcp", at(gb.addr, web), yes, ga.addr},
			probe{when, ga.stack, "icmp", at(gb.addr, 0), yes, netip.Addr{}},
			probe{when + ": elsewhere", ga.stack, "tcp", at(elsewhereAddr, web), true, hostAddr},
		)
	}
	reached("together", true)
	mine := b.Peers
	b.Peers = nil
	b.table(tableOut, to("10.1.0.0/16", network.ViaNothing, ""), to("0.0.0.0/0", network.ViaInternet, ""))
	w.apply(b)
	reached("the other ended it", false)
	w.apply(a)
	reached("the other ended it, applied", false)
	b.Peers = mine
	b.table(tableOut, to("10.1.0.0/16", network.ViaPeer, "pcx-ab"), to("0.0.0.0/0", network.ViaInternet, ""))
	w.apply(b)
	reached("together again", true)
	gb.halt()
	must(w.T, w.Remove(w.Context(), b.ID))
	reached("the other is gone", false)
	w.apply(b)
	again := w.bootOne(b, "eni-1")
	again.listen(w.T, web)
	reached("the other is back", true)
	must(w.T, w.Remove(w.Context(), a.ID))
	must(w.T, w.Remove(w.Context(), b.ID))
	if left, err := w.Traces(); err != nil || len(left) > 0 {
		w.Errorf("all VPCs are removed, but there is %v, %v", left, err)
	}
}
