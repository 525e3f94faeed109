package networktest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/driver/network"
)

// flows: ports with a log tell what they saw, and what became of it.
func flows(w *world) {
	driver, has := w.Driver.(network.Flows)
	if !has {
		w.Skip("the engine does not count")
	}
	p := newPlan("vpc-a", 1)
	p.group("sg-a", tcp(anywhere, web), echo(anywhere))
	p.port("eni-a", 11, "sg-a").Log = network.Log{Accepted: true, Rejected: true}
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-a").Log = network.Log{Accepted: true, Rejected: true}
	p.portIn(p.Subnets[1], "eni-c", 13, "sg-a").Log = network.Log{Rejected: true}
	p.port("eni-d", 14, "sg-a")
	p.Ports[0].Addresses[0].Public = w.public(11)
	if _, err := driver.Flows(w.Context(), p.ID); !errors.Is(err, network.ErrNoVPC) {
		w.Errorf("flows of a VPC that is not there: %v", err)
	}
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b", "eni-c", "eni-d")
	for _, x := range g {
		x.listen(w.T, web)
	}
	a, b, c, d := g[0], g[1], g[2], g[3]
	start := time.Now()
	w.expect(
		probe{"accepted", a.stack, "tcp", at(b.addr, web), true, a.addr},
		probe{"accepted, by who does not log that", a.stack, "tcp", at(c.addr, web), true, a.addr},
		probe{"echo", a.stack, "icmp", at(b.addr, 0), true, netip.Addr{}},
		probe{"rejected", a.stack, "udp", at(b.addr, web), false, netip.Addr{}},
		probe{"rejected by who only logs that", a.stack, "udp", at(c.addr, web), false, netip.Addr{}},
		probe{"from outside", w.host, "tcp", at(w.public(11), web), true, hostAddr},
		probe{"of no port with a log", d.stack, "udp", at(netip.MustParseAddr("10.1.2.99"), web), false, netip.Addr{}},
	)
	all, err := driver.Flows(w.Context(), p.ID)
	must(w.T, err)
	want := func(name string, is int, match func(network.Flow) bool) {
		w.Helper()
		n := 0
		for _, f := range all {
			if match(f) {
				n++
			}
		}
		if n != is {
			w.Errorf("%s: %d flows, want %d of %v", name, n, is, all)
		}
	}
	flow := func(port string, in, ok bool, protocol int, from, to netip.AddrPort) func(network.Flow) bool {
		return func(f network.Flow) bool {
			same := func(x, y netip.AddrPort) bool { return x.Addr() == y.Addr() && (y.Port() == 1 || x.Port() == y.Port()) }
			return f.Port == port && f.Ingress == in && f.Accepted == ok && f.Protocol == protocol && same(f.Source, from) && same(f.Destination, to)
		}
	}
	for _, f := range all {
		if f.Packets == 0 || f.Bytes < 20*f.Packets || f.Start.After(f.End) || f.End.Before(start.Add(-patience)) || f.End.After(time.Now().Add(time.Second)) {
			w.Errorf("a flow of nothing, or never: %+v", f)
		}
	}
	const anyPort = 1
	want("request, sent", 1, flow("eni-a", false, true, 6, at(a.addr, anyPort), at(b.addr, web)))
	want("request, received", 1, flow("eni-b", true, true, 6, at(a.addr, anyPort), at(b.addr, web)))
	want("answer, sent", 1, flow("eni-b", false, true, 6, at(b.addr, web), at(a.addr, anyPort)))
	want("answer, received", 1, flow("eni-a", true, true, 6, at(b.addr, web), at(a.addr, anyPort)))
	want("echo", 1, flow("eni-b", true, true, 1, at(a.addr, 0), at(b.addr, 0)))
	want("sent, and rejected there", 1, flow("eni-a", false, true, 17, at(a.addr, anyPort), at(b.addr, web)))
	want("rejected", 1, flow("eni-b", true, false, 17, at(a.addr, anyPort), at(b.addr, web)))
	want("rejected, only that", 1, flow("eni-c", true, false, 17, at(a.addr, anyPort), at(c.addr, web)))
	want("private address", 1, flow("eni-a", true, true, 6, at(hostAddr, anyPort), at(a.addr, web)))
	want("private address, back", 1, flow("eni-a", false, true, 6, at(a.addr, web), at(hostAddr, anyPort)))
	want("accepted, but not logged", 0, func(f network.Flow) bool { return f.Port == "eni-c" && f.Accepted })
	want("without a log", 0, func(f network.Flow) bool { return f.Port == "eni-d" })
	if again, err := driver.Flows(w.Context(), p.ID); err != nil || slices.ContainsFunc(again, func(f network.Flow) bool { return f.Protocol == 17 }) {
		w.Errorf("flows are told twice: %v, %v", again, err)
	}
	w.rejectedByACL(p, driver, a, b)
}

// rejectedByACL: an ACL on the way out rejects for the sender, one on the way in for the
// receiver, and packets are counted.
func (w *world) rejectedByACL(p *plan, driver network.Flows, a, b *guest) {
	p.acl(0, "acl-a", openACL(), []network.Entry{deny(udp(anywhere, 5000)), allow(all(anywhere))})
	p.acl(1, "acl-b", []network.Entry{deny(udp(anywhere, 5001)), allow(all(anywhere))}, openACL())
	w.apply(p)
	router := a.router(p.Subnets[0])
	for range 5 {
		for port := range uint16(2) {
			a.send(datagram(a.port.MAC, router, at(a.addr, 4000), at(b.addr, 5000+port), "12345678"))
		}
	}
	var got []network.Flow
	err := eventually("five packets rejected by each", func() error {
		more, err := driver.Flows(w.Context(), p.ID)
		if err != nil {
			return err
		}
		got = append(got, more...)
		for port, want := range map[string]network.Flow{
			"eni-a": {Destination: at(b.addr, 5000)}, "eni-b": {Destination: at(b.addr, 5001), Ingress: true},
		} {
			packets, bytes := uint64(0), uint64(0)
			for _, f := range got {
				if f.Port == port && !f.Accepted && f.Destination == want.Destination && f.Source == at(a.addr, 4000) && f.Ingress == want.Ingress {
					packets, bytes = packets+f.Packets, bytes+f.Bytes
				}
			}
			if packets != 5 || bytes != 5*36 {
				return fmt.Errorf("%s counts %d packets of %d bytes in %v", port, packets, bytes, got)
			}
		}
		return nil
	})
	if err != nil {
		w.Error(err)
	}
	// Without a log nothing is told.
	for i := range p.Ports {
		p.Ports[i].Log = network.Log{}
	}
	w.apply(p)
	w.expect(probe{"unlogged", a.stack, "tcp", at(b.addr, web), true, a.addr})
	if none, err := driver.Flows(w.Context(), p.ID); err != nil || len(none) > 0 {
		w.Errorf("flows without a log: %v, %v", none, err)
	}
}

// flows6: IPv6 is counted, too; what the sender's groups reject is the sender's alone.
func flows6(w *world) {
	driver, has := w.Driver.(network.Flows)
	if !has {
		w.Skip("the engine does not count")
	}
	p := newPlan("vpc-a", 1).withIPv6()
	p.group("sg-a", all(anywhere6)).Egress = []network.Rule{tcp(anywhere6, web), echo(anywhere6)}
	for i, id := range []string{"eni-a", "eni-b"} {
		p.portIn(p.Subnets[i], id, byte(11+i), "sg-a").Log = network.Log{Accepted: true, Rejected: true}
	}
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	a, b := g[0], g[1]
	b.listen(w.T, web)
	w.expect(
		probe{"accepted", a.stack, "tcp", at(b.addr6, web), true, a.addr6},
		probe{"echo", a.stack, "icmp", at(b.addr6, 0), true, netip.Addr{}},
		probe{"rejected", a.stack, "udp", at(b.addr6, web), false, netip.Addr{}},
	)
	all, err := driver.Flows(w.Context(), p.ID)
	must(w.T, err)
	got := make(map[string]int)
	for _, f := range all {
		got[fmt.Sprint(f.Port, f.Ingress, f.Accepted, f.Protocol, f.Source.Addr(), f.Destination.Addr())]++
	}
	want := make(map[string]int)
	for _, protocol := range []int{6, 58} {
		for _, in := range []bool{true, false} {
			ends := []string{"eni-a", "eni-b"}
			if in {
				ends = []string{"eni-b", "eni-a"}
			}
			want[fmt.Sprint(ends[0], in, true, protocol, a.addr6, b.addr6)]++
			want[fmt.Sprint(ends[1], in, true, protocol, b.addr6, a.addr6)]++
		}
	}
	want[fmt.Sprint("eni-a", false, false, 17, a.addr6, b.addr6)]++
	if !maps.Equal(got, want) {
		w.Errorf("flows are %v, want %v", got, want)
	}
}

// flowFlood: a port that is told more than can be counted, all of it rejected, costs no more
// than some, and disturbs no flow.
func flowFlood(w *world) {
	driver, has := w.Driver.(network.Flows)
	if !has {
		w.Skip("the engine does not count")
	}
	p := newPlan("vpc-a", 1)
	p.group("sg-a", tcp(anywhere, web))
	for i, id := range []string{"eni-a", "eni-b"} {
		p.port(id, byte(11+i), "sg-a").Log = network.Log{Accepted: true, Rejected: true}
	}
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web)
	router := g[0].router(p.Subnets[0])
	const packets = 20000
	for i := range uint16(packets) {
		g[0].send(datagram(g[0].port.MAC, router, at(g[0].addr, 1000+i), at(g[1].addr, ssh), "12345678"))
	}
	w.expect(probe{"in the flood", g[0].stack, "tcp", at(g[1].addr, web), true, g[0].addr})
	all, err := driver.Flows(w.Context(), p.ID)
	must(w.T, err)
	type seen struct {
		port    string
		ingress bool
	}
	accepted, rejected := map[seen]bool{}, 0 // a connection is tried again when it is slow
	for _, f := range all {
		if f.Protocol == 6 && f.Accepted {
			accepted[seen{f.Port, f.Ingress}] = true
		}
		if f.Port == "eni-b" && f.Ingress && !f.Accepted {
			rejected++
		}
	}
	if len(accepted) != 4 || rejected == 0 || rejected > packets {
		w.Errorf("the flood leaves flows that were accepted at %v, want both ports both ways, and %d that were not", accepted, rejected)
	}
}
