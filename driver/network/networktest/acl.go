package networktest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vauban-cloud/vauban/driver/network"
)

// acl adds an ACL to the plan and gives it to the subnet.
func (p *plan) acl(subnet int, id string, ingress, egress []network.Entry) *network.ACL {
	p.Subnets[subnet].ACL = id
	p.ACLs = append(p.ACLs, network.ACL{ID: id, Ingress: ingress, Egress: egress})
	return &p.ACLs[len(p.ACLs)-1]
}

// entry is what a rule matches, allowed or not.
func entry(allow bool, r network.Rule) network.Entry {
	return network.Entry{Allow: allow, Protocol: r.Protocol, From: r.From, To: r.To, Prefix: r.Prefix}
}

func allow(r network.Rule) network.Entry { return entry(true, r) }

func deny(r network.Rule) network.Entry { return entry(false, r) }

// openACL lets everything pass.
func openACL() []network.Entry { return []network.Entry{allow(all(anywhere)), allow(all(anywhere6))} }

// acls: packets that cross a subnet's edge pass its ACL, each and whatever groups let
// through; others do not.
func acls(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-out", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-out2", 12, "sg-a").Addresses[0].Public = w.public(12)
	p.portIn(p.Subnets[1], "eni-in", 13, "sg-a")
	p.portIn(p.Subnets[1], "eni-in2", 14, "sg-a")
	outRange, inRange := p.Subnets[0].Prefix, p.Subnets[1].Prefix
	// Into subnet-in only what is for port 80, but not from eni-out2, and answers.
	p.acl(1, "acl-in",
		[]network.Entry{deny(all(netip.MustParsePrefix("10.1.1.12/32"))), allow(tcp(outRange, web)), allow(echo(outRange)), allow(tcp(anywhere, 32768, 65535))},
		[]network.Entry{allow(tcp(outRange, 1024, 65535)), deny(all(outRange)), allow(all(anywhere))})
	w.apply(p)
	g := w.boot(p, "eni-out", "eni-out2", "eni-in", "eni-in2")
	out, out2, in, in2 := g[0], g[1], g[2], g[3]
	for _, x := range append(g, &guest{stack: w.elsewhere}) {
		x.listen(w.T, web, ssh, 2000)
	}
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"within a subnet", in.stack, pr, at(in2.addr, ssh), true, in.addr},
			probe{"a subnet without ACL", out.stack, pr, at(out2.addr, ssh), true, out.addr},
			probe{"from an address that is denied", out2.stack, pr, at(in.addr, web), false, netip.Addr{}},
			probe{"router", in.stack, "icmp", at(p.Subnets[1].Router, 0), true, netip.Addr{}},
		)
	}
	w.expect(
		probe{"allowed", out.stack, "tcp", at(in.addr, web), true, out.addr},
		probe{"other port", out.stack, "tcp", at(in.addr, ssh), false, netip.Addr{}},
		probe{"other protocol", out.stack, "udp", at(in.addr, web), false, netip.Addr{}},
		probe{"the request is allowed, the answer is not", out.stack, "icmp", at(in.addr, 0), false, netip.Addr{}},
		probe{"out, and the answer in", in.stack, "tcp", at(out.addr, 2000), true, in.addr},
		probe{"out is denied", in.stack, "tcp", at(out.addr, ssh), false, netip.Addr{}},
		probe{"out is denied, other protocol", in.stack, "udp", at(out.addr, 2000), false, netip.Addr{}},
	)
	// The ACL of both sides counts; the internet's packets pass one, with private addresses.
	p.acl(0, "acl-out",
		[]network.Entry{allow(tcp(netip.PrefixFrom(hostAddr, 32), web)), deny(udp(anywhere, ssh)), allow(tcp(netip.PrefixFrom(elsewhereAddr, 32), 1024, 65535)), allow(udp(w.pool, 1, 65535))},
		[]network.Entry{allow(tcp(netip.PrefixFrom(hostAddr, 32), 1024, 65535)), allow(tcp(netip.PrefixFrom(elsewhereAddr, 32), web)), allow(udp(w.pool, 1, 65535)), deny(all(inRange))})
	w.apply(p)
	w.expect(
		probe{"both sides' ACLs", out.stack, "tcp", at(in.addr, web), false, netip.Addr{}},
		probe{"within the subnet", out.stack, "tcp", at(out2.addr, ssh), true, out.addr},
		probe{"from the internet", w.host, "tcp", at(w.public(11), web), true, hostAddr},
		probe{"from the internet, other port", w.host, "tcp", at(w.public(11), ssh), false, netip.Addr{}},
		probe{"to the internet", out.stack, "tcp", at(elsewhereAddr, web), true, hostAddr},
		probe{"to the internet, other port", out.stack, "tcp", at(elsewhereAddr, ssh), false, netip.Addr{}},
		probe{"out and in again by public addresses", out.stack, "udp", at(w.public(12), web), true, w.public(11)},
		probe{"out and in again, denied", out.stack, "udp", at(w.public(12), ssh), false, netip.Addr{}},
	)
	// Empty lists let nothing pass.
	p.ACLs[0].Ingress, p.ACLs[0].Egress = nil, openACL()
	p.ACLs[1].Ingress, p.ACLs[1].Egress = openACL(), openACL()
	w.apply(p)
	w.expect(
		probe{"nothing in", out.stack, "tcp", at(in.addr, web), false, netip.Addr{}},
		probe{"no answer in", in.stack, "tcp", at(out.addr, web), false, netip.Addr{}},
		probe{"within the subnet", in2.stack, "tcp", at(in.addr, web), true, in2.addr},
	)
	p.Subnets[1].ACL = ""
	w.apply(p)
	w.expect(probe{"without an ACL", out.stack, "icmp", at(in.addr, 0), true, netip.Addr{}})
}

// aclChanges: a changed ACL holds at once, also for flows that were let through before.
func aclChanges(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a")
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-a")
	p.acl(1, "acl-b", openACL(), openACL())
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web)
	for i, way := range []*[]network.Entry{&p.ACLs[0].Ingress, &p.ACLs[0].Egress} {
		for _, pr := range []string{"tcp4", "udp4"} {
			c, err := g[0].dial(w.Context(), pr, at(g[1].addr, web))
			must(w.T, err)
			defer c.Close()
			must(w.T, exchange(c, patience))
			*way = append([]network.Entry{deny(tcp(anywhere, 1, 65535)), deny(udp(p.Subnets[0].Prefix, 1, 65535))}, openACL()...)
			w.apply(p)
			if exchange(c, soon) == nil {
				w.Errorf("%s goes on through an ACL that denies it (%d)", pr, i)
			}
			*way = openACL()
			w.apply(p)
			if err := exchange(c, patience); err != nil {
				w.Errorf("%s does not go on through an ACL that allows it again (%d): %v", pr, i, err)
			}
		}
	}
}

// fragments: what is too long for one packet is filtered as one.
func fragments(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", udp(anywhere, web))
	p.port("eni-a", 11, "sg-a")
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-a")
	p.acl(1, "acl-b", []network.Entry{allow(udp(anywhere, web, other))}, openACL())
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web, ssh, other)
	long := func(port uint16, wait time.Duration) error {
		c, err := g[0].dial(w.Context(), "udp4", at(g[1].addr, port))
		must(w.T, err)
		defer c.Close()
		must(w.T, c.SetDeadline(time.Now().Add(wait)))
		_, err = c.Write(make([]byte, 5000))
		must(w.T, err)
		n, err := c.Read(make([]byte, 1<<16))
		if err == nil && n < 5000 {
			return fmt.Errorf("%d bytes come back", n)
		}
		return err
	}
	if err := long(web, patience); err != nil {
		w.Errorf("a long datagram that is allowed: %v", err)
	}
	if long(ssh, soon) == nil {
		w.Error("a long datagram passes an ACL that denies it")
	}
	if long(other, soon) == nil {
		w.Error("a long datagram passes groups that do not let it")
	}
}
