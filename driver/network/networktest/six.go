package networktest

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/net/ipv6"

	"github.com/vauban-cloud/vauban/driver/network"
)

// groups6: groups, lists, members and ACLs mean IPv6 as they do IPv4, and one is not the
// other.
func groups6(w *world) {
	prefix := netip.MustParsePrefix
	p := newPlan("vpc-a", 1).withIPv6()
	p.group("sg-self", members("sg-self"))
	p.group("sg-web", tcp(prefix("2001:db8:1::/56"), web), udp(anywhere6, 8000, 8010), echo(prefix("2001:db8:1:1::b/128")), udp(anywhere, ssh))
	p.group("sg-list", network.Rule{Protocol: 6, From: web, To: web, List: "pl-a"})
	p.group("sg-four", all(anywhere))
	p.Lists = []network.List{{ID: "pl-a", Prefixes: []netip.Prefix{prefix("2001:db8:1:1::8/125"), anywhere}}}
	for i, group := range []string{"sg-self", "sg-self", "sg-web", "sg-list", "sg-four"} {
		p.portIn(p.Subnets[i%2], []string{"eni-a", "eni-b", "eni-web", "eni-list", "eni-four"}[i], byte(11+i), group)
	}
	p.port("eni-far", 27, "sg-self")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b", "eni-web", "eni-list", "eni-four", "eni-far")
	a, b, webs, list, four, far := g[0], g[1], g[2], g[3], g[4], g[5]
	for _, x := range g {
		x.listen(w.T, web, ssh, 8000, 8010, 8011)
	}
	for _, pr := range []string{"tcp", "udp", "icmp"} {
		w.expect(
			probe{"same group", a.stack, pr, at(b.addr6, ssh), true, a.addr6},
			probe{"same group, back", b.stack, pr, at(a.addr6, ssh), true, b.addr6},
			probe{"other group", webs.stack, pr, at(a.addr6, ssh), false, netip.Addr{}},
			probe{"only IPv4 is let in", a.stack, pr, at(four.addr6, ssh), false, netip.Addr{}},
			probe{"only IPv4 is let in, which goes", a.stack, pr, at(four.addr, ssh), true, a.addr},
		)
	}
	w.expect(
		probe{"range", b.stack, "tcp", at(webs.addr6, web), true, b.addr6},
		probe{"other port", b.stack, "tcp", at(webs.addr6, ssh), false, netip.Addr{}},
		probe{"other version", b.stack, "tcp", at(webs.addr, web), false, netip.Addr{}},
		probe{"only the other version", b.stack, "udp", at(webs.addr6, ssh), false, netip.Addr{}},
		probe{"ports, last", b.stack, "udp", at(webs.addr6, 8010), true, b.addr6},
		probe{"after ports", b.stack, "udp", at(webs.addr6, 8011), false, netip.Addr{}},
		probe{"echo from the address", a.stack, "icmp", at(webs.addr6, 0), true, netip.Addr{}},
		probe{"echo from another", b.stack, "icmp", at(webs.addr6, 0), false, netip.Addr{}},
		probe{"in the list", a.stack, "tcp", at(list.addr6, web), true, a.addr6},
		probe{"in the list's IPv4", far.stack, "tcp", at(list.addr, web), true, far.addr},
		probe{"not in the list", far.stack, "tcp", at(list.addr6, web), false, netip.Addr{}},
		probe{"unused", a.stack, "tcp", at(address6(1, 1, 99), web), false, netip.Addr{}},
	)
	w.acls6(p, a, b, far)
}

// acls6: IPv6 passes an ACL only if an entry about IPv6 allows it.
func (w *world) acls6(p *plan, out, in, far *guest) {
	p.acl(1, "acl-in",
		[]network.Entry{allow(all(anywhere)), deny(tcp(anywhere6, ssh)), allow(echo(netip.PrefixFrom(out.addr6, 128))), allow(tcp(anywhere6, 1, 65535))},
		[]network.Entry{allow(all(anywhere)), allow(all(anywhere6))})
	w.apply(p)
	w.expect(
		probe{"allowed", out.stack, "tcp", at(in.addr6, web), true, out.addr6},
		probe{"denied", out.stack, "tcp", at(in.addr6, ssh), false, netip.Addr{}},
		probe{"of no entry", out.stack, "udp", at(in.addr6, web), false, netip.Addr{}},
		probe{"IPv4", out.stack, "udp", at(in.addr, ssh), true, out.addr},
		probe{"echo", out.stack, "icmp", at(in.addr6, 0), true, netip.Addr{}},
		probe{"echo from another", far.stack, "icmp", at(in.addr6, 0), false, netip.Addr{}},
		probe{"an answer of no entry", in.stack, "udp", at(out.addr6, web), false, netip.Addr{}},
		probe{"the router", in.stack, "icmp", at(network.Resolver6, 0), true, netip.Addr{}},
	)
	p.ACLs[0].Ingress = []network.Entry{allow(all(anywhere))}
	w.apply(p)
	w.expect(
		probe{"IPv4 alone", out.stack, "icmp", at(in.addr, 0), true, netip.Addr{}},
		probe{"IPv4 alone, IPv6", out.stack, "icmp", at(in.addr6, 0), false, netip.Addr{}},
	)
}

// services6: guests reach the router's servers by IPv6, and nothing else of it.
func services6(w *world) {
	p := newPlan("vpc-a", 1).withIPv6()
	quiet := p.group("sg-quiet")
	quiet.Egress = nil
	p.port("eni-a", 11, "sg-quiet")
	w.apply(p)
	g := w.boot(p, "eni-a")[0]
	w.serve(p.ID, network.Metadata6, 80, 81)
	w.serve(p.ID, network.Resolver6, 53, 54)
	router := netip.MustParseAddr("fe80::1%nic0")
	w.expect(
		probe{"metadata", g.stack, "tcp", at(network.Metadata6, 80), true, g.addr6},
		probe{"metadata, other port", g.stack, "tcp", at(network.Metadata6, 81), false, netip.Addr{}},
		probe{"metadata, UDP", g.stack, "udp", at(network.Metadata6, 80), false, netip.Addr{}},
		probe{"resolver, UDP", g.stack, "udp", at(network.Resolver6, 53), true, g.addr6},
		probe{"resolver, TCP", g.stack, "tcp", at(network.Resolver6, 53), true, g.addr6},
		probe{"resolver, other port", g.stack, "udp", at(network.Resolver6, 54), false, netip.Addr{}},
		probe{"echo", g.stack, "icmp", at(router, 0), true, netip.Addr{}},
		probe{"echo, resolver", g.stack, "icmp", at(network.Resolver6, 0), true, netip.Addr{}},
		probe{"router, other port", g.stack, "tcp", at(router, 81), false, netip.Addr{}},
	)
	// DHCPv6, from an address of the link: RFC 8415.
	own := linkLocalOf(g.port.MAC)
	solicit := ethernet(g.port.MAC, net.HardwareAddr{0x33, 0x33, 0, 1, 0, 2}, 0x86dd,
		udp6(at(own, 546), at(netip.MustParseAddr("ff02::1:2"), 547), "SOLICIT"))
	c, err := w.ListenPacket(w.Context(), p.ID, "udp6", "[::]:547")
	must(w.T, err)
	defer c.Close()
	ports, has := w.Driver.(network.Ports)
	if !has {
		w.Skip("the engine has no device for each port")
	}
	server := ipv6.NewPacketConn(c)
	index := w.deviceOf(ports, p.ID, "eni-a")
	must(w.T, server.JoinGroup(&net.Interface{Index: index}, &net.UDPAddr{IP: net.ParseIP("ff02::1:2")}))
	g.send(solicit)
	must(w.T, c.SetDeadline(time.Now().Add(patience)))
	buf := make([]byte, 1500)
	n, from, err := c.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "SOLICIT" {
		w.Fatalf("%q from %v, %v, want a solicitation", buf[:n], from, err)
	}
	client := &net.UDPAddr{IP: own.AsSlice(), Port: 546, Zone: strconv.Itoa(index)}
	_, err = server.WriteTo([]byte("ADVERTISE"), nil, client)
	must(w.T, err)
	if !g.sees(contains("ADVERTISE")) {
		w.Error("the answer of the DHCPv6 server does not arrive")
	}
}

// deviceOf is the index of a port's device in its VPC.
func (w *world) deviceOf(ports network.Ports, vpc, port string) int {
	w.Helper()
	for index := range 100 {
		if id, err := ports.PortOf(w.Context(), vpc, index+1); err == nil && id == port {
			return index + 1
		}
	}
	w.Fatalf("port %s has no device", port)
	return 0
}

// linkLocalOf is the address that a card gives itself: RFC 4291, appendix A.
func linkLocalOf(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
}
