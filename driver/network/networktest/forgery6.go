package networktest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/driver/network"
)

// forgery6: what a guest may not send as by IPv6 reaches nobody, and leads nobody astray.
func forgery6(w *world) {
	p := newPlan("vpc-a", 1).withIPv6()
	p.group("sg-a", all(anywhere), all(anywhere6))
	for i, id := range []string{"eni-bad", "eni-good", "eni-victim"} {
		p.port(id, byte(11+i), "sg-a")
	}
	w.apply(p)
	g := w.boot(p, "eni-bad", "eni-good", "eni-victim")
	bad, good, victim := g[0], g[1], g[2]
	w.serve(p.ID, network.Metadata6, 80)
	good.listen(w.T, web)
	mac, router := bad.port.MAC, bad.router(p.Subnets[0])
	otherMAC := net.HardwareAddr{0x02, 9, 9, 9, 9, 9}
	to := at(good.addr6, other)
	frame := func(from net.HardwareAddr, packet []byte) []byte { return ethernet(from, router, 0x86dd, packet) }
	plain := func(from netip.Addr) []byte { return frame(mac, udp6(at(from, 1), to, "FORGED")) }
	six := netip.MustParseAddr
	target := func(flags byte, a netip.Addr) []byte {
		return slices.Concat([]byte{flags, 0, 0, 0}, a.AsSlice(), []byte{2, 1}, mac, []byte("FORGED"))
	}
	about := udp6(at(good.addr6, 1), at(victim.addr6, 1), "FORGED")
	forged := map[string][]byte{
		"the victim's address":            plain(victim.addr6),
		"the victim's address and MAC":    frame(victim.port.MAC, udp6(at(victim.addr6, 1), to, "FORGED")),
		"another MAC":                     frame(otherMAC, udp6(at(bad.addr6, 1), to, "FORGED")),
		"an unused address":               plain(address6(1, 1, 200)),
		"the router's address":            plain(network.Router6),
		"an address of the link":          plain(linkLocalOf(mac)),
		"the metadata address":            plain(network.Metadata6),
		"an outside address":              plain(six("2001:db8:ffff::1")),
		"no address":                      plain(netip.IPv6Unspecified()),
		"loopback":                        plain(netip.IPv6Loopback()),
		"a DHCPv6 server":                 frame(mac, udp6(at(bad.addr6, 547), at(good.addr6, 546), "FORGED")),
		"a DHCPv6 server on the link":     frame(mac, udp6(at(linkLocalOf(mac), 547), at(linkLocalOf(good.port.MAC), 546), "FORGED")),
		"a redirect":                      frame(mac, icmp6(bad.addr6, good.addr6, 137, 0, slices.Concat(target(0, victim.addr6), about))),
		"a router's advertisement":        frame(mac, icmp6(bad.addr6, good.addr6, 134, 0, []byte("0123456789abFORGED"))),
		"an advertisement of the victim":  frame(mac, icmp6(bad.addr6, good.addr6, 136, 0, target(0x60, victim.addr6))),
		"an advertisement of itself":      frame(mac, icmp6(bad.addr6, good.addr6, 136, 0, target(0x60, bad.addr6))),
		"a solicitation":                  frame(mac, icmp6(bad.addr6, good.addr6, 135, 0, target(0, good.addr6))),
		"the advertisement in fragments":  nil,
		"a DHCPv6 server in fragments":    nil,
		"the victim's address, in pieces": nil,
	}
	pieces := map[string][][]byte{
		"the advertisement in fragments":  fragments6(bad.addr6, good.addr6, 58, icmp6(bad.addr6, good.addr6, 134, 0, []byte("0123456789abFORGED"))[40:]),
		"a DHCPv6 server in fragments":    fragments6(bad.addr6, good.addr6, 17, udp6(at(bad.addr6, 547), at(good.addr6, 546), "FORGED")[40:]),
		"the victim's address, in pieces": fragments6(victim.addr6, good.addr6, 17, udp6(at(victim.addr6, 1), to, "FORGED")[40:]),
	}
	send := func(name string) {
		if forged[name] != nil {
			bad.send(forged[name])
		}
		for _, piece := range pieces[name] {
			bad.send(frame(mac, piece))
		}
	}
	for name := range forged {
		send(name)
	}
	for _, from := range []netip.Addr{network.Router6, linkLocalOf(mac), bad.addr6} {
		bad.send(routerAdvertisement(mac, from))
	}
	truth := frame(mac, udp6(at(bad.addr6, 1), to, "TRUE"))
	bad.send(truth)
	if !good.sees(contains("TRUE")) {
		w.Fatal("a true frame does not arrive")
	}
	if good.saw(contains("FORGED")) {
		for name := range forged {
			good.forget()
			send(name)
			bad.send(truth)
			good.sees(contains("TRUE"))
			if good.saw(contains("FORGED")) {
				w.Errorf("a frame with %s arrives", name)
			}
		}
	}
	w.forgedND(bad, good, victim)
}

// forgedND: nobody is led astray by a guest that claims another's address.
func (w *world) forgedND(bad, good, victim *guest) {
	mac := bad.port.MAC
	allNodes, allMAC := netip.IPv6LinkLocalAllNodes(), net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	for range 3 {
		for _, claim := range []netip.Addr{victim.addr6, good.addr6, network.Router6, network.Metadata6} {
			option := append([]byte{2, 1}, mac...)
			claimed := slices.Concat([]byte{0x20, 0, 0, 0}, claim.AsSlice(), option)
			for _, from := range []netip.Addr{bad.addr6, claim, linkLocalOf(mac)} {
				bad.send(ethernet(mac, allMAC, 0x86dd, icmp6(from, allNodes, 136, 0, claimed)))
				bad.send(ethernet(mac, allMAC, 0x86dd, icmp6(from, network.Router6, 136, 0, claimed)))
				bad.send(ethernet(mac, allMAC, 0x86dd, icmp6(from, network.Router6, 135, 0, slices.Concat(make([]byte, 4), network.Router6.AsSlice(), []byte{1, 1}, mac))))
			}
		}
	}
	victim.listen(w.T, 2000)
	good.listen(w.T, 2000)
	bad.forget()
	w.expect(
		probe{"to the victim", good.stack, "tcp", at(victim.addr6, 2000), true, good.addr6},
		probe{"to the other", victim.stack, "tcp", at(good.addr6, 2000), true, victim.addr6},
		probe{"to the router", good.stack, "tcp", at(network.Metadata6, 80), true, good.addr6},
	)
	if bad.saw(func(f []byte) bool {
		return len(f) > 54 && binary.BigEndian.Uint16(f[12:]) == 0x86dd && f[20] == 6
	}) {
		w.Error("the forger gets the victim's packets")
	}
}

// fragments6 cuts a payload in two: RFC 8200, section 4.5.
func fragments6(from, to netip.Addr, next byte, payload []byte) [][]byte {
	const cut = 8
	header := func(offset uint16) []byte {
		return slices.Concat([]byte{next, 0}, binary.BigEndian.AppendUint16(nil, offset), []byte{1, 2, 3, 4})
	}
	return [][]byte{
		ip6(from, to, 44, append(header(1), payload[:cut]...)),
		ip6(from, to, 44, append(header(cut), payload[cut:]...)),
	}
}
