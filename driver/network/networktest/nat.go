package networktest

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/vauban-cloud/vauban/driver/network"
)

// natPlan has a guest behind a public NAT, and one beside it.
func natPlan(w *world) *plan {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.portIn(p.Subnets[1], "eni-in", 11, "sg-a")
	p.portIn(p.Subnets[1], "eni-in2", 13, "sg-a")
	p.port("eni-out", 12, "sg-a").Addresses[0].Public = w.public(12)
	p.port("eni-nat", 20).Addresses[0].Public = w.public(20)
	p.NATs = []network.NAT{{ID: "nat-a", Port: "eni-nat"}}
	p.table(tableIn, to("0.0.0.0/0", network.ViaNAT, "nat-a"))
	return p
}

// nats: guests reach the outside through a NAT, as its public address; nobody comes in.
func nats(w *world) {
	p := natPlan(w)
	w.apply(p)
	b := newPlan("vpc-b", 2)
	b.group("sg-b", all(anywhere))
	b.port("eni-b", 11, "sg-b").Addresses[0].Public = w.public(50)
	w.apply(b)
	g, other := w.boot(p, "eni-in", "eni-in2", "eni-out"), w.boot(b, "eni-b")[0]
	in, in2, out := g[0], g[1], g[2]
	for _, s := range []stack{in.stack, out.stack, other.stack, w.elsewhere} {
		s.listen(w.T, web)
	}
	private := p.portOf("eni-nat").Addresses[0].Private
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"elsewhere", in.stack, pr, at(elsewhereAddr, web), true, hostAddr},
			probe{"another VPC", in.stack, pr, at(w.public(50), web), true, w.public(20)},
			probe{"another VPC, from another guest", in2.stack, pr, at(w.public(50), web), true, w.public(20)},
			probe{"a public address of its own VPC", in.stack, pr, at(w.public(12), web), true, w.public(20)},
			probe{"inside", in.stack, pr, at(out.addr, web), true, in.addr},
			probe{"beside the NAT", out.stack, pr, at(w.public(50), web), true, w.public(12)},
			probe{"to the NAT from outside", w.host, pr, at(w.public(20), web), false, netip.Addr{}},
			probe{"to the NAT from inside", in.stack, pr, at(private, web), false, netip.Addr{}},
			probe{"to the NAT from its subnet", out.stack, pr, at(private, web), false, netip.Addr{}},
		)
	}
	// Its subnet's ACL and table are asked, and not its groups.
	p.acl(0, "acl-nat",
		[]network.Entry{allow(all(anywhere))}, []network.Entry{deny(all(netip.PrefixFrom(w.public(50), 32))), allow(all(anywhere))})
	w.apply(p)
	w.expect(
		probe{"the ACL's", in.stack, "tcp", at(w.public(50), web), false, netip.Addr{}},
		probe{"not the ACL's", in.stack, "tcp", at(elsewhereAddr, web), true, hostAddr},
	)
	p.Subnets[0].ACL, p.Subnets[0].Table = "", tableIn // its own packets come back to it
	w.apply(p)
	w.expect(probe{"a NAT before itself", in.stack, "tcp", at(elsewhereAddr, web), false, netip.Addr{}})
	p.Subnets[0].Table = tableOut
	p.NATs = nil
	p.table(tableIn, to("0.0.0.0/0", network.ViaNothing, ""))
	w.apply(p)
	w.expect(probe{"without its NAT", in.stack, "tcp", at(elsewhereAddr, web), false, netip.Addr{}})
	p.NATs = []network.NAT{{ID: "nat-b", Port: "eni-nat"}}
	p.table(tableIn, to("0.0.0.0/0", network.ViaNAT, "nat-b"))
	w.apply(p)
	w.expect(probe{"with another", in.stack, "tcp", at(elsewhereAddr, web), true, hostAddr})
	must(w.T, w.Remove(w.Context(), p.ID))
	must(w.T, w.Remove(w.Context(), b.ID))
	if left, err := w.Traces(); err != nil || len(left) > 0 {
		w.Errorf("all VPCs are removed, but there is %v, %v", left, err)
	}
}

// natFlows: flows through a NAT go on while things around it change, many at once.
func natFlows(w *world) {
	const each = 60
	p := natPlan(w)
	w.apply(p)
	g := w.boot(p, "eni-in", "eni-in2")
	w.elsewhere.listen(w.T, web)
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	for i, x := range g {
		for _, pr := range []string{"udp4", "tcp4"} {
			c, err := x.dial(ctx, pr, at(elsewhereAddr, web))
			must(w.T, err)
			wg.Go(func() {
				defer c.Close()
				for n := 0; ctx.Err() == nil; n++ {
					if err := exchange(c, patience); err != nil {
						w.Errorf("%s flow of guest %d, packet %d is lost: %v", pr, i, n, err)
						return
					}
				}
			})
		}
	}
	var crowd []net.Conn
	for i := range each {
		c, err := g[i%2].dial(w.Context(), "tcp4", at(elsewhereAddr, web))
		must(w.T, err)
		defer c.Close()
		crowd = append(crowd, c)
	}
	for i := range 8 {
		p.table("rtb-other", to("198.51.100.0/24", network.ViaNAT, "nat-a"))
		p.table(tableIn, to("0.0.0.0/0", network.ViaNAT, "nat-a"), network.Route{To: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i), 0}), 24)})
		if i == 3 {
			p.port("eni-nat2", 21).Addresses[0].Public = w.public(21)
			p.NATs = append(p.NATs, network.NAT{ID: "nat-2", Port: "eni-nat2"})
		}
		if i == 6 {
			p.NATs, p.Ports = p.NATs[:1], p.Ports[:len(p.Ports)-1]
		}
		w.apply(p)
		if i%4 == 1 {
			must(w.T, w.Reopen().Apply(ctx, p.VPC))
		}
	}
	cancel()
	wg.Wait()
	for i, c := range crowd {
		if err := exchange(c, patience); err != nil {
			w.Errorf("flow %d of the crowd is lost: %v", i, err)
		}
	}
}

// privateNAT: a NAT without a public address is seen as its private one, by peers.
func privateNAT(w *world) {
	p := natPlan(w)
	p.portOf("eni-nat").Addresses[0].Public = netip.Addr{}
	q := newPlan("vpc-b", 2)
	q.group("sg-b", all(anywhere))
	q.port("eni-b", 11, "sg-b")
	peer(p, q, "pcx-ab")
	p.table(tableOut, to("10.2.0.0/16", network.ViaPeer, "pcx-ab"), to("0.0.0.0/0", network.ViaInternet, ""))
	q.table(tableOut, to("10.1.1.0/24", network.ViaPeer, "pcx-ab")) // the NAT's subnet alone
	w.apply(p)
	w.apply(q)
	in, out, b := w.bootOne(p, "eni-in"), w.bootOne(p, "eni-out"), w.bootOne(q, "eni-b")
	b.listen(w.T, web)
	in.listen(w.T, web)
	w.elsewhere.listen(w.T, web)
	private := p.portOf("eni-nat").Addresses[0].Private
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"through the NAT", in.stack, pr, at(b.addr, web), true, private},
			probe{"beside the NAT", out.stack, pr, at(b.addr, web), true, out.addr},
			probe{"back", b.stack, pr, at(in.addr, web), false, netip.Addr{}},
			probe{"to the outside, without a public address", in.stack, pr, at(elsewhereAddr, web), false, netip.Addr{}},
		)
	}
}
