package networktest

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv6"

	"github.com/vauban-cloud/vauban/driver/network"
)

// solicitations: who listens for them in a VPC hears guests that ask for a router, knows
// their ports, and can advertise on their links alone; guests do not hear each other ask.
func solicitations(w *world) {
	links, has := w.Driver.(network.Links)
	if !has {
		w.Skip("the engine has no device for each port")
	}
	p := newPlan("vpc-a", 1).withIPv6()
	p.group("sg-a", all(anywhere6))
	p.port("eni-a", 11, "sg-a")
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	socket, err := w.ListenPacket(w.Context(), p.ID, "ip6:ipv6-icmp", "::")
	must(w.T, err)
	defer socket.Close()
	must(w.T, socket.SetDeadline(time.Now().Add(patience)))
	c := ipv6.NewPacketConn(socket)
	var asked ipv6.ICMPFilter
	asked.SetAll(true)
	asked.Accept(ipv6.ICMPTypeRouterSolicitation)
	must(w.T, c.SetICMPFilter(&asked))
	must(w.T, c.SetControlMessage(ipv6.FlagInterface|ipv6.FlagHopLimit, true))
	names, err := links.LinksOf(w.Context(), p.ID)
	must(w.T, err)
	for i, x := range g {
		own := linkLocalOf(x.port.MAC)
		x.send(routerSolicitation(x.port.MAC, own))
		for { // guests' kernels ask too
			_, about, from, err := c.ReadFrom(make([]byte, 1500))
			must(w.T, err)
			if names[about.IfIndex] != x.port.ID {
				continue
			}
			if !from.(*net.IPAddr).IP.Equal(own.AsSlice()) || about.HopLimit != 255 {
				w.Errorf("%s asks from %s with %d hops left", x.port.ID, from, about.HopLimit)
			}
			reply := &ipv6.ControlMessage{IfIndex: about.IfIndex, Src: network.Router6.AsSlice(), HopLimit: 255}
			_, err = c.WriteTo(append([]byte{134, 0, 0, 0}, "ADVERTISED"+x.port.ID...), reply, &net.IPAddr{IP: net.ParseIP("ff02::1")})
			must(w.T, err)
			break
		}
		if !x.sees(contains("ADVERTISED" + x.port.ID)) {
			w.Errorf("%s has no answer", x.port.ID)
		}
		if other := g[1-i]; other.saw(contains("ADVERTISED"+x.port.ID)) || other.saw(func(f []byte) bool { return bytes.Contains(f, own.AsSlice()) }) {
			w.Errorf("%s sees what %s says, or is told", other.port.ID, x.port.ID)
		}
	}
}

// routerSolicitation is a whole frame: RFC 4861, section 4.1.
func routerSolicitation(mac net.HardwareAddr, from netip.Addr) []byte {
	to := netip.MustParseAddr("ff02::2").As16()
	src := from.As16()
	m := make([]byte, 8)
	m[0] = 133
	pseudo := append(append(append(bytes.Clone(src[:]), to[:]...), 0, 0, 0, byte(len(m)), 0, 0, 0, 58), m...)
	binary.BigEndian.PutUint16(m[2:], checksum(pseudo))
	h := append([]byte{0x60, 0, 0, 0, 0, byte(len(m)), 58, 255}, src[:]...)
	return ethernet(mac, net.HardwareAddr{0x33, 0x33, 0, 0, 0, 2}, 0x86dd, append(append(h, to[:]...), m...))
}
