package networktest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/network"
)

const web, ssh, other = 80, 22, 9000

// groups: what the receiver's groups let in gets in, the rest does not.
func groups(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-self", members("sg-self"))
	p.group("sg-web", tcp(anywhere, web), udp(anywhere, 8000, 8010), echo(netip.MustParsePrefix("10.1.1.11/32")))
	p.group("sg-empty")
	p.port("eni-a", 11, "sg-self")
	p.port("eni-b", 12, "sg-self")
	p.port("eni-web", 13, "sg-web")
	p.port("eni-both", 14, "sg-web", "sg-self")
	p.port("eni-shut", 15, "sg-empty")
	p.port("eni-none", 16)
	p.portIn(p.Subnets[1], "eni-far", 17, "sg-self")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b", "eni-web", "eni-both", "eni-shut", "eni-none", "eni-far")
	a, b, webs, both, shut, none, far := g[0], g[1], g[2], g[3], g[4], g[5], g[6]
	for _, x := range g {
		x.listen(w.T, web, ssh, 8000, 8010, 8011)
	}
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"same group", a.stack, pr, at(b.addr, ssh), true, a.addr},
			probe{"same group, back", b.stack, pr, at(a.addr, ssh), true, b.addr},
			probe{"same group, other subnet", a.stack, pr, at(far.addr, ssh), true, a.addr},
			probe{"one of two groups", a.stack, pr, at(both.addr, ssh), true, a.addr},
			probe{"other group", webs.stack, pr, at(a.addr, ssh), false, netip.Addr{}},
			probe{"no rule", a.stack, pr, at(shut.addr, ssh), false, netip.Addr{}},
			probe{"no group", a.stack, pr, at(none.addr, ssh), false, netip.Addr{}},
			probe{"from no group", none.stack, pr, at(both.addr, web), false, netip.Addr{}},
		)
	}
	w.expect(
		probe{"open port", shut.stack, "tcp", at(webs.addr, web), true, shut.addr},
		probe{"open port of several groups", shut.stack, "tcp", at(both.addr, web), true, shut.addr},
		probe{"other port", shut.stack, "tcp", at(webs.addr, ssh), false, netip.Addr{}},
		probe{"other protocol", shut.stack, "udp", at(webs.addr, web), false, netip.Addr{}},
		probe{"range, first", shut.stack, "udp", at(webs.addr, 8000), true, shut.addr},
		probe{"range, last", shut.stack, "udp", at(webs.addr, 8010), true, shut.addr},
		probe{"after range", shut.stack, "udp", at(webs.addr, 8011), false, netip.Addr{}},
		probe{"range of other protocol", shut.stack, "tcp", at(webs.addr, 8000), false, netip.Addr{}},
		probe{"echo from the address", a.stack, "icmp", at(webs.addr, 0), true, netip.Addr{}},
		probe{"echo from another", b.stack, "icmp", at(webs.addr, 0), false, netip.Addr{}},
	)
}

// references: a rule that names a group means its members, and follows them.
func references(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-db", network.Rule{Protocol: 6, From: 5432, To: 5432, Group: "sg-app"})
	p.group("sg-app")
	p.group("sg-out")
	p.port("eni-db", 11, "sg-db")
	p.port("eni-app", 12, "sg-app")
	p.port("eni-out", 13, "sg-out")
	w.apply(p)
	g := w.boot(p, "eni-db", "eni-app", "eni-out")
	db, app, out := g[0], g[1], g[2]
	db.listen(w.T, 5432, other)
	w.expect(
		probe{"member", app.stack, "tcp", at(db.addr, 5432), true, app.addr},
		probe{"member, other port", app.stack, "tcp", at(db.addr, other), false, netip.Addr{}},
		probe{"no member", out.stack, "tcp", at(db.addr, 5432), false, netip.Addr{}},
	)
	p.Ports[2].Groups = []string{"sg-out", "sg-app"}
	p.Ports[1].Groups = []string{"sg-out"}
	w.apply(p)
	w.expect(
		probe{"new member", out.stack, "tcp", at(db.addr, 5432), true, out.addr},
		probe{"no member any more", app.stack, "tcp", at(db.addr, 5432), false, netip.Addr{}},
	)
	// A group that nobody is in yet, and one that is no more.
	p.Groups[0].Ingress = []network.Rule{members("sg-later"), members("sg-gone")}
	w.apply(p)
	w.expect(probe{"nobody is in it", out.stack, "tcp", at(db.addr, 5432), false, netip.Addr{}})
	p.group("sg-later")
	p.Ports[1].Groups = []string{"sg-later"}
	w.apply(p)
	w.expect(probe{"somebody is", app.stack, "tcp", at(db.addr, 5432), true, app.addr})
}

// ruleChanges: an added or removed rule holds for new flows when Apply returns.
func ruleChanges(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a")
	p.port("eni-a", 11, "sg-a")
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web)
	for i := range 3 {
		for _, pr := range []string{"tcp", "udp", "icmp"} {
			w.expect(probe{fmt.Sprint("closed ", i), g[0].stack, pr, at(g[1].addr, web), false, netip.Addr{}})
		}
		p.Groups[0].Ingress = []network.Rule{tcp(anywhere, web), udp(p.CIDRs[0], 1, 65535), echo(anywhere)}
		w.apply(p)
		for _, pr := range []string{"tcp", "udp", "icmp"} {
			w.expect(probe{fmt.Sprint("open ", i), g[0].stack, pr, at(g[1].addr, web), true, netip.Addr{}})
		}
		p.Groups[0].Ingress = nil
		w.apply(p)
	}
}

// established: a flow goes on when the rule that let it in is removed, as AWS's tracked
// ones do; new ones do not begin.
func established(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", tcp(anywhere, web), udp(anywhere, web))
	p.port("eni-a", 11, "sg-a")
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web)
	var flows []net.Conn
	for _, pr := range []string{"tcp4", "udp4"} {
		c, err := g[0].dial(w.Context(), pr, at(g[1].addr, web))
		must(w.T, err)
		defer c.Close()
		must(w.T, exchange(c, patience))
		flows = append(flows, c)
	}
	p.Groups[0].Ingress, p.Groups[0].Egress = nil, nil
	w.apply(p)
	for _, c := range flows {
		if err := exchange(c, patience); err != nil {
			w.Errorf("a flow of %s does not go on: %v", c.LocalAddr().Network(), err)
		}
	}
	w.expect(
		probe{"new flow", g[0].stack, "tcp", at(g[1].addr, web), false, netip.Addr{}},
		probe{"new flow", g[0].stack, "udp", at(g[1].addr, web), false, netip.Addr{}},
	)
}

// egress: the sender's groups decide first, and answers need no rule.
func egress(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-open", all(anywhere))
	quiet := p.group("sg-quiet", tcp(anywhere, web))
	quiet.Egress = nil
	some := p.group("sg-some")
	some.Egress = []network.Rule{tcp(netip.MustParsePrefix("10.1.1.13/32"), web), {Protocol: 17, From: -1, To: -1, Group: "sg-open"}}
	p.port("eni-quiet", 11, "sg-quiet")
	p.port("eni-some", 12, "sg-some")
	p.port("eni-open", 13, "sg-open")
	p.port("eni-open2", 14, "sg-open")
	w.apply(p)
	g := w.boot(p, "eni-quiet", "eni-some", "eni-open", "eni-open2")
	for _, x := range g {
		x.listen(w.T, web, ssh)
	}
	w.expect(
		probe{"nothing out", g[0].stack, "tcp", at(g[2].addr, web), false, netip.Addr{}},
		probe{"an answer out", g[2].stack, "tcp", at(g[0].addr, web), true, g[2].addr},
		probe{"to the address", g[1].stack, "tcp", at(g[2].addr, web), true, g[1].addr},
		probe{"to the address, other port", g[1].stack, "tcp", at(g[2].addr, ssh), false, netip.Addr{}},
		probe{"to another address", g[1].stack, "tcp", at(g[3].addr, web), false, netip.Addr{}},
		probe{"to the group", g[1].stack, "udp", at(g[3].addr, ssh), true, g[1].addr},
		probe{"to another group", g[1].stack, "udp", at(g[0].addr, web), false, netip.Addr{}},
		probe{"echo, which no rule has", g[1].stack, "icmp", at(g[2].addr, 0), false, netip.Addr{}},
	)
}

// noGap: while other rules come and go, no new flow that is let through is lost,
// and none that is not gets through.
func noGap(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", udp(anywhere, web))
	p.group("sg-b", tcp(anywhere, 1))
	p.port("eni-a", 11, "sg-a")
	p.port("eni-b", 12, "sg-a", "sg-b")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web, ssh)
	w.whileChanging(g[0], at(g[1].addr, web), at(g[1].addr, ssh), func(i int) {
		p.Groups[0].Ingress = []network.Rule{tcp(anywhere, 1000+i), udp(anywhere, web), udp(netip.MustParsePrefix("10.9.0.0/16"), ssh)}
		p.Groups[1].Ingress = []network.Rule{tcp(anywhere, 2000+i)}
		p.Ports[1].Groups = [][]string{{"sg-a"}, {"sg-a", "sg-b"}}[i%2]
		w.apply(p)
	})
}

// noGapAtEdges: the same while ACLs, lists, members and logs come and go.
func noGapAtEdges(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", network.Rule{Protocol: 17, From: -1, To: -1, List: "pl-a"})
	p.Groups = append(p.Groups, network.Group{ID: "sg-b"})
	p.Lists = []network.List{{ID: "pl-a"}}
	p.port("eni-a", 11, "sg-a")
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-a")
	change := func(i int) {
		p.Lists[0].Prefixes = []netip.Prefix{p.Subnets[i%2].Prefix, netip.PrefixFrom(p.Ports[0].Addresses[0].Private, 32), netip.PrefixFrom(hostAddr, 24+i%8).Masked()}
		p.ACLs = nil
		p.acl(1, fmt.Sprint("acl-", i%3), []network.Entry{deny(tcp(anywhere, 1000+i)), allow(udp(anywhere, web)), deny(udp(anywhere, ssh))}, openACL())
		p.acl(0, "acl-out", openACL(), []network.Entry{deny(tcp(anywhere, 1000+i)), allow(udp(anywhere, web))})
		if i%4 == 3 { // one is enough
			p.Subnets[0].ACL = ""
		}
		p.Groups[1].Members = []netip.Addr{hostAddr, p.Ports[i%2].Addresses[0].Private}
		p.Ports[i%2].Log = network.Log{Accepted: i%3 > 0, Rejected: i%3 > 1}
		w.apply(p)
	}
	change(0)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web, ssh)
	w.whileChanging(g[0], at(g[1].addr, web), at(g[1].addr, ssh), change)
}

// whileChanging tries flows, to where they get and to where they do not, all the while.
func (w *world) whileChanging(from *guest, opened, closed netip.AddrPort, change func(int)) {
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	flows := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := from.try("udp", opened, patience); err != nil {
				w.Errorf("flow %d is lost: %v", flows, err)
			}
			flows++
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := from.try("udp", closed, 20*time.Millisecond); err == nil {
				w.Error("a flow gets through that should not")
			}
		}
	})
	for i := range 60 {
		change(i)
	}
	cancel()
	wg.Wait()
	if flows < 20 {
		w.Errorf("only %d flows were tried", flows)
	}
}
