package networktest

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// outside6: IPv6 goes out and comes in as it is through an internet gateway, only out
// through one for that, and not at all without a route.
func outside6(w *world) {
	p := newPlan("vpc-a", 1).withIPv6()
	p.group("sg-a", tcp(anywhere6, web), udp(anywhere6, web), echo(anywhere6))
	p.port("eni-out", 11, "sg-a")
	p.portIn(p.Subnets[1], "eni-in", 12, "sg-a")
	q := newPlan("vpc-b", 2).withIPv6()
	q.group("sg-b", all(anywhere6))
	q.port("eni-b", 11, "sg-b").AnySource = true
	w.apply(p)
	w.apply(q)
	out, in, b := w.bootOne(p, "eni-out"), w.bootOne(p, "eni-in"), w.bootOne(q, "eni-b")
	far := netip.MustParseAddr("3fff:5::1")
	w.elsewhere.alias6(w.T, "down", far)
	for _, s := range []stack{out.stack, in.stack, b.stack, w.host} {
		s.listen(w.T, web, ssh)
	}
	w.elsewhere.listenAt(w.T, at(elsewhere6, web))
	w.elsewhere.listenAt(w.T, at(far, web))
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"out", out.stack, pr, at(elsewhere6, web), true, out.addr6},
			probe{"in", w.elsewhere, pr, at(out.addr6, web), true, elsewhere6},
			probe{"the host", w.host, pr, at(out.addr6, web), true, host6},
			probe{"to the host", out.stack, pr, at(host6, web), false, netip.Addr{}},
			probe{"another VPC", out.stack, pr, at(b.addr6, web), true, out.addr6},
			probe{"another VPC, back", b.stack, pr, at(out.addr6, web), true, b.addr6},
			probe{"no route out", in.stack, pr, at(elsewhere6, web), false, netip.Addr{}},
			probe{"no route in", w.elsewhere, pr, at(in.addr6, web), false, netip.Addr{}},
			probe{"nobody's", out.stack, pr, at(address6(9, 1, 11), web), false, netip.Addr{}},
			probe{"unused", w.host, pr, at(address6(1, 1, 99), web), false, netip.Addr{}},
		)
	}
	w.expect(probe{"the groups", w.elsewhere, "tcp", at(out.addr6, ssh), false, netip.Addr{}})
	if _, err := w.host.try("tcp", at(address6(9, 1, 1), web), patience); err == nil || isTimeout(err) {
		w.Errorf("a range that nobody has: %v, want unreachable", err)
	}
	p.table(tableIn, network.Route{To: anywhere6, Via: network.ViaEgress, Target: "eigw-a"})
	p.table(tableOut, network.Route{To: anywhere6, Via: network.ViaEgress, Target: "eigw-a"}, to("3fff:5::/32", network.ViaInternet, ""))
	w.apply(p)
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"egress only, out", in.stack, pr, at(elsewhere6, web), true, in.addr6},
			probe{"egress only, in", w.elsewhere, pr, at(in.addr6, web), false, netip.Addr{}},
			probe{"egress for the rest, out", out.stack, pr, at(elsewhere6, web), true, out.addr6},
			probe{"egress for the rest, in", w.elsewhere, pr, at(out.addr6, web), false, netip.Addr{}},
			probe{"internet for some, out", out.stack, pr, at(far, web), true, out.addr6},
		)
	}
	p.Internet = false
	w.apply(p)
	w.expect(
		probe{"egress without an internet gateway", in.stack, "tcp", at(elsewhere6, web), true, in.addr6},
		probe{"detached", out.stack, "tcp", at(far, web), false, netip.Addr{}},
	)
	p.table(tableIn)
	p.table(tableOut)
	w.apply(p)
	w.expect(probe{"nothing any more", in.stack, "tcp", at(elsewhere6, web), false, netip.Addr{}})
}
