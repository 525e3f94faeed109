package networktest

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/driver/network"
)

// forgery: whatever a guest puts on its wire, others only get what its MAC and
// addresses may send.
func forgery(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	for i, id := range []string{"eni-bad", "eni-good", "eni-victim"} {
		p.port(id, byte(11+i), "sg-a").Addresses[0].Public = w.public(byte(11 + i))
	}
	w.apply(p)
	g := w.boot(p, "eni-bad", "eni-good", "eni-victim")
	bad, good, victim := g[0], g[1], g[2]
	good.listen(w.T, web)
	router := bad.router(p.Subnets[0])
	mac := bad.port.MAC
	otherMAC := net.HardwareAddr{0x02, 9, 9, 9, 9, 9}
	to := at(good.addr, other)
	// A flow of the others', for the forger to speak about.
	victim.listen(w.T, 3000)
	flow, err := good.dial(w.Context(), "udp4", at(victim.addr, 3000))
	must(w.T, err)
	defer flow.Close()
	must(w.T, exchange(flow, patience))
	about := udp4(netip.MustParseAddrPort(flow.LocalAddr().String()), at(victim.addr, 3000), "FORGED")

	forged := map[string][]byte{
		"the victim's address":              datagram(mac, router, at(victim.addr, 1), to, "FORGED"),
		"the victim's address and MAC":      datagram(victim.port.MAC, router, at(victim.addr, 1), to, "FORGED"),
		"another MAC":                       datagram(otherMAC, router, at(bad.addr, 1), to, "FORGED"),
		"an unused address":                 datagram(mac, router, at(netip.MustParseAddr("10.1.1.200"), 1), to, "FORGED"),
		"the router's address":              datagram(mac, router, at(p.Subnets[0].Router, 1), to, "FORGED"),
		"the metadata address":              datagram(mac, router, at(netip.MustParseAddr("169.254.169.254"), 80), to, "FORGED"),
		"an outside address":                datagram(mac, router, at(elsewhereAddr, 1), to, "FORGED"),
		"no address":                        datagram(mac, router, at(netip.IPv4Unspecified(), 1), to, "FORGED"),
		"loopback":                          datagram(mac, router, at(netip.MustParseAddr("127.0.0.1"), 1), to, "FORGED"),
		"its own public address":            datagram(mac, router, at(w.public(11), 1), to, "FORGED"),
		"a DHCP server":                     datagram(mac, router, at(bad.addr, 67), at(good.addr, 68), "FORGED"),
		"a DHCP server, to all":             datagram(mac, broadcastMAC, at(bad.addr, 67), at(broadcastAddr, 68), "FORGED"),
		"its neighbour's MAC as next hop":   datagram(mac, good.port.MAC, at(victim.addr, 1), to, "FORGED"),
		"a broadcast":                       datagram(mac, broadcastMAC, at(bad.addr, 1), at(netip.MustParseAddr("10.1.1.255"), 1), "FORGED"),
		"a redirect":                        icmp4(mac, router, bad.addr, good.addr, 5, 1, append(bad.addr.AsSlice(), about...)),
		"a router's advertisement (ICMPv4)": icmp4(mac, router, bad.addr, good.addr, 9, 0, []byte("FORGED12")),
	}
	for _, frame := range forged {
		bad.send(frame)
	}
	bad.send(routerAdvertisement(mac, network.Router6))
	// The last frame is true: when it has come, the others have had their time.
	bad.send(datagram(mac, router, at(bad.addr, 1), to, "TRUE"))
	if !good.sees(contains("TRUE")) {
		w.Fatal("a true frame does not arrive")
	}
	if good.saw(contains("FORGED")) {
		for name, frame := range forged {
			good.forget()
			bad.send(frame)
			bad.send(datagram(mac, router, at(bad.addr, 1), to, "TRUE"))
			good.sees(contains("TRUE"))
			if good.saw(contains("FORGED")) {
				w.Errorf("a frame with %s arrives", name)
			}
		}
	}
	if good.saw(func(f []byte) bool { return len(f) > 14 && binary.BigEndian.Uint16(f[12:]) == 0x86dd }) {
		w.Error("IPv6 arrives")
	}
	w.forgedARP(bad, good, victim)
}

// forgedARP: nobody is led astray by a guest that claims another's address.
func (w *world) forgedARP(bad, good, victim *guest) {
	subnet := netip.MustParseAddr("10.1.1.1")
	mac := bad.port.MAC
	for range 3 {
		for _, claim := range []netip.Addr{victim.addr, good.addr, subnet} {
			bad.send(arp(arpReply, mac, claim, broadcastMAC, claim))
			bad.send(arp(arpRequest, mac, claim, nil, claim))
			bad.send(arp(arpRequest, mac, claim, nil, subnet))
			bad.send(arp(arpRequest, mac, claim, nil, good.addr))
		}
	}
	victim.listen(w.T, 2000)
	good.listen(w.T, 2000)
	bad.forget()
	w.expect(
		probe{"to the victim", good.stack, "tcp", at(victim.addr, 2000), true, good.addr},
		probe{"to the victim from outside", w.host, "tcp", at(w.public(13), 2000), true, hostAddr},
		probe{"to the other", victim.stack, "tcp", at(good.addr, 2000), true, victim.addr},
	)
	if bad.saw(func(f []byte) bool {
		return bytes.Contains(f, victim.addr.AsSlice()) && bytes.Equal(f[12:14], []byte{8, 0})
	}) {
		w.Error("the forger gets the victim's packets")
	}
	// Asked truly, the router answers for neighbours; asked in another's name, it does not.
	bad.send(arp(arpRequest, mac, victim.addr, nil, good.addr))
	bad.send(arp(arpRequest, mac, bad.addr, nil, victim.addr))
	answer := func(about netip.Addr) func([]byte) bool {
		return func(f []byte) bool {
			a, ok := parseARP(f)
			return ok && a.op == arpReply && a.sender == about
		}
	}
	if !bad.sees(answer(victim.addr)) {
		w.Error("ARP for a neighbour has no answer")
	}
	if bad.saw(answer(good.addr)) {
		w.Error("ARP in another's name has an answer")
	}
}

// anySource: a port without the source check may send as anybody, but not to the
// router, and as no other MAC.
func anySource(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-nat", 11, "sg-a").AnySource = true
	p.port("eni-b", 12, "sg-a").Addresses[0].Public = w.public(12)
	w.apply(p)
	g := w.boot(p, "eni-nat", "eni-b")
	nat, b := g[0], g[1]
	router := nat.router(p.Subnets[0])
	from := at(netip.MustParseAddr("172.16.5.5"), 1)
	nat.send(datagram(net.HardwareAddr{0x02, 9, 9, 9, 9, 9}, router, from, at(b.addr, other), "OTHER-MAC"))
	nat.send(datagram(nat.port.MAC, router, from, at(b.addr, other), "OTHER-ADDRESS"))
	if !b.sees(contains("OTHER-ADDRESS")) {
		w.Error("a frame with another's address does not arrive")
	}
	if b.saw(contains("OTHER-MAC")) {
		w.Error("a frame with another MAC arrives")
	}
	// The router does not answer to others what a port asks in their name.
	w.serve(p.ID, network.Metadata, 80)
	syn := func(from netip.Addr) []byte {
		segment := slices.Concat(be(1234), be(80), []byte{0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0})
		pseudo := slices.Concat(from.AsSlice(), network.Metadata.AsSlice(), []byte{0, 6}, be(uint16(len(segment))), segment)
		binary.BigEndian.PutUint16(segment[16:], checksum(pseudo))
		return ethernet(nat.port.MAC, router, 0x0800, ip4(from, network.Metadata, 6, segment))
	}
	fromMetadata := func(f []byte) bool { return len(f) > 34 && bytes.Equal(f[26:30], network.Metadata.AsSlice()) }
	nat.send(syn(b.addr))
	nat.send(syn(nat.addr))
	if !nat.sees(fromMetadata) {
		w.Error("a request of the port's own to the metadata service has no answer")
	}
	if b.saw(fromMetadata) {
		w.Error("a request in another's name to the metadata service has an answer")
	}
	p.Ports[0].AnySource = false
	w.apply(p)
	b.forget()
	nat.send(datagram(nat.port.MAC, router, from, at(b.addr, other), "OTHER-ADDRESS"))
	nat.send(datagram(nat.port.MAC, router, at(nat.addr, 1), at(b.addr, other), "TRUE"))
	if !b.sees(contains("TRUE")) || b.saw(contains("OTHER-ADDRESS")) {
		w.Error("the source check is not back")
	}
}

func be(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// pieces: nobody adds a fragment to another's datagram.
func pieces(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	for i, id := range []string{"eni-bad", "eni-good", "eni-victim"} {
		p.port(id, byte(11+i), "sg-a")
	}
	w.apply(p)
	g := w.boot(p, "eni-bad", "eni-good", "eni-victim")
	bad, good, victim := g[0], g[1], g[2]
	whole := udp4(at(victim.addr, 1), at(good.addr, other), "TRUE----FALSE---")[20:]
	piece := func(x *guest, offset uint16, more bool, data []byte) {
		packet := ip4(victim.addr, good.addr, protocolUDP, data)
		flags := offset / 8
		if more {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(packet[4:], 4711)
		binary.BigEndian.PutUint16(packet[6:], flags)
		binary.BigEndian.PutUint16(packet[10:], 0)
		binary.BigEndian.PutUint16(packet[10:], checksum(packet[:20]))
		x.send(ethernet(x.port.MAC, x.router(p.Subnets[0]), 0x0800, packet))
	}
	piece(bad, 16, false, []byte("FORGED--"))
	piece(victim, 0, true, whole[:16])
	victim.send(datagram(victim.port.MAC, victim.router(p.Subnets[0]), at(victim.addr, 1), at(good.addr, other), "LATER"))
	if !good.sees(contains("LATER")) || good.saw(contains("FORGED")) {
		w.Error("a datagram has a part that another sent")
	}
	piece(victim, 16, false, whole[16:])
	if !good.sees(contains("FALSE---")) || good.saw(contains("FORGED")) {
		w.Error("a datagram in parts does not arrive, or not as it was sent")
	}
}

// forget drops the frames seen so far.
func (g *guest) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = slices.Clip(g.seen[:0])
}
