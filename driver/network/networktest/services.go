package networktest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// services: guests reach the router's servers, whatever their groups, and nothing
// else of it.
func services(w *world) {
	p := newPlan("vpc-a", 1)
	quiet := p.group("sg-quiet")
	quiet.Egress = nil
	p.port("eni-a", 11, "sg-quiet").Addresses[0].Public = w.public(11)
	p.portIn(p.Subnets[1], "eni-b", 12, "sg-quiet")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	resolver := netip.MustParseAddr("10.1.0.2")
	w.serve(p.ID, network.Metadata, 80)
	w.serve(p.ID, network.Metadata, 81)
	w.serve(p.ID, network.API, 80)
	w.serve(p.ID, network.API, 22)
	w.serve(p.ID, network.Resolver, 53)
	w.serve(p.ID, resolver, 53)
	w.serve(p.ID, p.Subnets[0].Router, 67)
	w.serve(p.ID, p.Subnets[0].Router, 9000)
	for _, x := range g {
		w.expect(
			probe{"metadata", x.stack, "tcp", at(network.Metadata, 80), true, x.addr},
			probe{"API", x.stack, "tcp", at(network.API, 80), true, x.addr},
			probe{"API, other port", x.stack, "tcp", at(network.API, 22), false, netip.Addr{}},
			probe{"resolver, UDP", x.stack, "udp", at(resolver, 53), true, x.addr},
			probe{"resolver, TCP", x.stack, "tcp", at(resolver, 53), true, x.addr},
			probe{"resolver of links", x.stack, "udp", at(network.Resolver, 53), true, x.addr},
			probe{"DHCP, renewal", x.stack, "udp", at(p.Subnets[0].Router, 67), true, x.addr},
			probe{"echo", x.stack, "icmp", at(p.Subnets[0].Router, 0), true, netip.Addr{}},
			probe{"echo to the other subnet's router", x.stack, "icmp", at(p.Subnets[1].Router, 0), true, netip.Addr{}},
			probe{"metadata, other port", x.stack, "tcp", at(network.Metadata, 81), false, netip.Addr{}},
			probe{"metadata, UDP", x.stack, "udp", at(network.Metadata, 80), false, netip.Addr{}},
			probe{"router, other port", x.stack, "tcp", at(p.Subnets[0].Router, 9000), false, netip.Addr{}},
			probe{"router, other port, UDP", x.stack, "udp", at(p.Subnets[0].Router, 9000), false, netip.Addr{}},
		)
	}
	w.expect(
		probe{"metadata from the host", w.host, "tcp", at(network.Metadata, 80), false, netip.Addr{}},
		probe{"API from the host", w.host, "tcp", at(network.API, 80), false, netip.Addr{}},
		probe{"metadata by a public address", w.host, "tcp", at(w.public(11), 80), false, netip.Addr{}},
	)
}

// serve answers TCP and UDP at the ports of the VPC's router.
func (w *world) serve(vpc string, a netip.Addr, ports ...uint16) {
	w.Helper()
	for _, port := range ports {
		l, err := w.Listen(w.Context(), vpc, "tcp"+version(a), at(a, port).String())
		must(w.T, err)
		c, err := w.ListenPacket(w.Context(), vpc, "udp"+version(a), at(a, port).String())
		must(w.T, err)
		answer(w.T, l, c)
	}
}

// dhcp: a guest without an address reaches the DHCP server, which knows the port,
// and has its answer.
func dhcp(w *world) {
	ports, has := w.Driver.(network.Ports)
	if !has {
		w.Skip("the engine has no device for each port")
	}
	p := newPlan("vpc-a", 1)
	p.group("sg-a")
	p.port("eni-a", 11, "sg-a")
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	c, err := w.ListenPacket(w.Context(), p.ID, "udp4", "0.0.0.0:67")
	must(w.T, err)
	defer c.Close()
	server := ipv4.NewPacketConn(c)
	must(w.T, server.SetControlMessage(ipv4.FlagInterface, true))
	must(w.T, c.SetDeadline(time.Now().Add(patience)))
	for i := range g {
		x := g[len(g)-1-i]
		x.send(datagram(x.port.MAC, broadcastMAC, at(netip.IPv4Unspecified(), 68), at(broadcastAddr, 67), "DISCOVER"))
		buf := make([]byte, 1500)
		n, cm, _, err := server.ReadFrom(buf)
		must(w.T, err)
		id, err := ports.PortOf(w.Context(), p.ID, cm.IfIndex)
		if string(buf[:n]) != "DISCOVER" || err != nil || id != x.port.ID {
			w.Errorf("%q came from %q, %v, want it from %s", buf[:n], id, err, x.port.ID)
		}
		// To the address that the guest will have, and to all on its link.
		from := &ipv4.ControlMessage{IfIndex: cm.IfIndex, Src: p.Subnets[0].Router.AsSlice()}
		for _, to := range []netip.Addr{x.addr, broadcastAddr} {
			text := fmt.Sprint("OFFER ", to)
			_, err := server.WriteTo([]byte(text), from, &net.UDPAddr{IP: to.AsSlice(), Port: 68})
			must(w.T, err)
			if !x.sees(contains(text)) {
				w.Errorf("%s does not see %q", x.port.ID, text)
			}
			if g[i].saw(contains(text)) {
				w.Errorf("%s sees the other's %q", g[i].port.ID, text)
			}
		}
		g[0].forget()
		g[1].forget()
	}
	// A new server takes over without a gap.
	again, err := w.ListenPacket(w.Context(), p.ID, "udp4", "0.0.0.0:67")
	must(w.T, err)
	must(w.T, again.Close())
	if _, err := ports.PortOf(w.Context(), p.ID, 1); !errors.Is(err, network.ErrNoPort) {
		w.Errorf("the port of the loopback device: %v, want no such port", err)
	}
}

// mtu: a packet of 1500 bytes goes through whole, 1501 do not.
func mtu(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-b", 12, "sg-a").Addresses[0].Public = w.public(12)
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	for _, to := range []netip.Addr{g[1].addr, w.public(12)} {
		c, err := g[0].dial(w.Context(), "udp4", at(to, other))
		must(w.T, err)
		defer c.Close()
		raw, err := c.(*net.UDPConn).SyscallConn()
		must(w.T, err)
		must(w.T, raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
		}))
		must(w.T, err)
		packet := make([]byte, network.MTU-28)
		copy(packet, to.String())
		_, err = c.Write(packet)
		must(w.T, err)
		whole := func(f []byte) bool {
			return len(f) == 14+network.MTU && binary.BigEndian.Uint16(f[12:]) == 0x0800 && contains(to.String())(f)
		}
		if !g[1].sees(whole) {
			w.Errorf("a packet of %d bytes to %s does not arrive whole", network.MTU, to)
		}
		if _, err := c.Write(make([]byte, network.MTU-27)); !errors.Is(err, unix.EMSGSIZE) {
			w.Errorf("a packet of %d bytes to %s: %v, want it refused", network.MTU+1, to, err)
		}
	}
	// Larger ones go through in parts, and streams in segments.
	g[1].listen(w.T, web)
	c, err := g[0].dial(w.Context(), "udp4", at(g[1].addr, web))
	must(w.T, err)
	defer c.Close()
	must(w.T, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write(make([]byte, 9000))
	must(w.T, err)
	if n, err := c.Read(make([]byte, 1<<16)); err != nil || n < 9000 {
		w.Errorf("a datagram of 9000 bytes comes back with %d, %v", n, err)
	}
	s, err := g[0].dial(w.Context(), "tcp4", at(w.public(12), web))
	must(w.T, err)
	defer s.Close()
	must(w.T, s.SetDeadline(time.Now().Add(patience)))
	const size = 1 << 20
	go func() { _, _ = s.Write(make([]byte, size)) }()
	if n, err := io.CopyN(io.Discard, s, size); err != nil {
		w.Errorf("a stream of %d bytes comes back with %d, %v", size, n, err)
	}
}
