package networktest

import (
	"net/netip"
	"os"

	"github.com/vauban-cloud/vauban/driver/network"
)

// farAddr is another address of elsewhere: RFC 5737.
var farAddr = netip.MustParseAddr("198.51.100.1")

// far gives elsewhere its other address.
func (w *world) far() {
	w.elsewhere.setUp(w.T, "down", netip.PrefixFrom(farAddr, 32), netip.Addr{})
}

// table gives a table of the plan its routes.
func (p *plan) table(id string, routes ...network.Route) {
	for i := range p.Tables {
		if p.Tables[i].ID == id {
			p.Tables[i].Routes = routes
			return
		}
	}
	p.Tables = append(p.Tables, network.Table{ID: id, Routes: routes})
}

func to(prefix string, via network.Via, target string) network.Route {
	return network.Route{To: netip.MustParsePrefix(prefix), Via: via, Target: target}
}

// routes: the longest prefix of the subnet's own table decides, at once when it changes.
func routes(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-a").Addresses[0].Public = w.public(12)
	w.far()
	w.elsewhere.listen(w.T, web)
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[0].listen(w.T, web)
	a, b := g[0], g[1]
	expect := func(why string, aNear, aFar, bNear, bFar bool) {
		w.Helper()
		for _, pr := range []string{"tcp", "icmp"} {
			w.expect(
				probe{why, a.stack, pr, at(elsewhereAddr, web), aNear, hostAddr},
				probe{why, a.stack, pr, at(farAddr, web), aFar, hostAddr},
				probe{why, b.stack, pr, at(elsewhereAddr, web), bNear, hostAddr},
				probe{why, b.stack, pr, at(farAddr, web), bFar, hostAddr},
				probe{why + ", inside", b.stack, pr, at(a.addr, web), true, b.addr},
			)
		}
	}
	expect("all and nothing", true, true, false, false)
	p.table(tableOut, to("0.0.0.0/0", network.ViaInternet, ""), to("198.51.100.0/24", network.ViaNothing, ""))
	p.table(tableIn, to("198.51.100.0/24", network.ViaInternet, ""))
	w.apply(p)
	expect("all but one, only one", true, false, false, true)
	p.table(tableOut, to("198.51.100.0/24", network.ViaNothing, ""), to("198.51.100.1/32", network.ViaInternet, ""), to("0.0.0.0/0", network.ViaNothing, ""))
	p.table(tableIn, to("198.51.100.0/25", network.ViaNothing, ""), to("128.0.0.0/1", network.ViaInternet, ""))
	w.apply(p)
	expect("longer and shorter", false, true, true, false)
	p.Subnets[0].Table, p.Subnets[1].Table = tableIn, tableOut
	w.apply(p)
	expect("exchanged", true, false, false, true)
	p.Internet = false
	w.apply(p)
	expect("no gateway", false, false, false, false)
	// A route to the VPC's own ranges changes nothing.
	p.table(tableIn, to("10.1.0.0/16", network.ViaNothing, ""), to("10.1.1.11/32", network.ViaNothing, ""))
	p.table(tableOut, to("10.0.0.0/8", network.ViaNothing, ""), to("10.1.1.11/32", network.ViaNothing, ""))
	w.apply(p)
	expect("none", false, false, false, false)
}

// serviceRoute: the service at Objects is there for subnets that have a route to it.
func serviceRoute(w *world) {
	p := newPlan("vpc-a", 1)
	quiet := p.group("sg-quiet")
	quiet.Egress = nil
	p.port("eni-a", 11, "sg-quiet")
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-quiet")
	service := network.Route{To: netip.PrefixFrom(network.Objects, 32), Via: network.ViaService}
	p.table(tableIn, service)
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	w.serve(p.ID, network.Objects, 80, 443, 81)
	w.expect(
		probe{"no route", g[0].stack, "tcp", at(network.Objects, 80), false, netip.Addr{}},
		probe{"route", g[1].stack, "tcp", at(network.Objects, 80), true, g[1].addr},
		probe{"route, TLS", g[1].stack, "tcp", at(network.Objects, 443), true, g[1].addr},
		probe{"other port", g[1].stack, "tcp", at(network.Objects, 81), false, netip.Addr{}},
	)
	p.table(tableIn)
	p.table(tableOut, to("0.0.0.0/0", network.ViaInternet, ""), service)
	w.apply(p)
	w.expect(
		probe{"route, later", g[0].stack, "tcp", at(network.Objects, 80), true, g[0].addr},
		probe{"no route, later", g[1].stack, "tcp", at(network.Objects, 80), false, netip.Addr{}},
	)
}

// routers: a route leads to a guest whose source check is off, with packets for others,
// which it may send on; and to no other.
func routers(w *world) {
	p := newPlan("vpc-a", 1).withIPv6()
	p.group("sg-a", all(anywhere), all(anywhere6))
	for i, id := range []string{"eni-a", "eni-mid"} {
		p.portIn(p.Subnets[i%2], id, byte(11+i), "sg-a").AnySource = i > 0
	}
	last := p.Subnets[0]
	last.ID, last.Prefix, last.Router, last.Prefix6, last.Table = "subnet-mid", netip.MustParsePrefix("10.1.3.0/24"), netip.MustParseAddr("10.1.3.1"), netip.PrefixFrom(address6(1, 3, 0), 64), "rtb-mid"
	p.Subnets = append(p.Subnets, last)
	p.portIn(last, "eni-far", 14, "sg-a").AnySource = true
	beyond, beyond6 := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("3fff:113::5")
	p.table(tableOut, to("203.0.113.0/24", network.ViaPort, "eni-mid"), to("3fff:113::/32", network.ViaPort, "eni-mid"))
	p.table(tableIn, to("203.0.113.0/24", network.ViaPort, "eni-far"), to("3fff:113::/32", network.ViaPort, "eni-far"))
	p.table("rtb-mid", to("203.0.113.0/24", network.ViaPort, "eni-far"))
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-mid", "eni-far")
	a, mid, far := g[0], g[1], g[2]
	must(w.T, mid.space.Do(func() error {
		for _, file := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/net/"+file, []byte("1"), 0o600); err != nil {
				return err
			}
		}
		return os.WriteFile("/proc/sys/net/ipv4/conf/all/send_redirects", []byte("0"), 0o600)
	}))
	far.setUp(w.T, "nic0", netip.PrefixFrom(beyond, 32), netip.Addr{})
	far.setUp6(w.T, "nic0", netip.PrefixFrom(beyond6, 128), netip.Addr{})
	far.listenAt(w.T, at(beyond, web))
	far.listenAt(w.T, at(beyond6, web))
	reached := func(why string, yes bool) {
		w.Helper()
		for _, pr := range []string{"tcp", "udp", "icmp"} {
			w.expect(
				probe{why, a.stack, pr, at(beyond, web), yes, a.addr},
				probe{why, a.stack, pr, at(beyond6, web), yes, a.addr6},
			)
		}
	}
	reached("through a chain", true)
	p.portOf("eni-mid").AnySource = false
	w.apply(p)
	reached("through a guest that may not", false)
	p.portOf("eni-mid").AnySource = true
	p.table(tableOut, to("203.0.113.0/24", network.ViaPort, "eni-far"), to("3fff:113::/32", network.ViaPort, "eni-far"))
	w.apply(p)
	reached("directly", true)
	p.portOf("eni-far").Groups = nil
	w.apply(p)
	reached("without its groups' leave", false)
	p.portOf("eni-far").Groups = []string{"sg-a"}
	far.halt()
	w.apply(p)
	reached("when it is off", false)
}

// portOf is the plan's port of the ID.
func (p *plan) portOf(id string) *network.Port {
	for i := range p.Ports {
		if p.Ports[i].ID == id {
			return &p.Ports[i]
		}
	}
	return nil
}
