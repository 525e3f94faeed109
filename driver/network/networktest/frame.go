package networktest

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

const (
	arpRequest, arpReply = 1, 2
	protocolICMP         = 1
	protocolUDP          = 17
	protocolICMPv6       = 58
)

var (
	broadcastMAC  = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	broadcastAddr = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// ethernet frames a packet: RFC 894.
func ethernet(from, to net.HardwareAddr, etherType uint16, payload []byte) []byte {
	f := append(bytes.Clone(to), from...)
	return append(binary.BigEndian.AppendUint16(f, etherType), payload...)
}

// arp is a request or reply: RFC 826. Without a target MAC it is broadcast.
func arp(op uint16, mac net.HardwareAddr, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) []byte {
	p := []byte{0, 1, 8, 0, 6, 4}
	p = binary.BigEndian.AppendUint16(p, op)
	p = append(append(p, mac...), sender.AsSlice()...)
	to := targetMAC
	if to == nil {
		to, targetMAC = broadcastMAC, make(net.HardwareAddr, 6)
	}
	return ethernet(mac, to, 0x0806, append(append(p, targetMAC...), target.AsSlice()...))
}

type arpPacket struct {
	op     uint16
	mac    net.HardwareAddr
	sender netip.Addr
}

func parseARP(f []byte) (arpPacket, bool) {
	if len(f) < 42 || binary.BigEndian.Uint16(f[12:]) != 0x0806 {
		return arpPacket{}, false
	}
	sender, _ := netip.AddrFromSlice(f[28:32])
	return arpPacket{binary.BigEndian.Uint16(f[20:]), net.HardwareAddr(bytes.Clone(f[22:28])), sender}, true
}

// ip4 makes a packet: RFC 791.
func ip4(from, to netip.Addr, protocol byte, payload []byte) []byte {
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	copy(h[12:], from.AsSlice())
	copy(h[16:], to.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

// datagram is a whole frame with a UDP datagram.
func datagram(fromMAC, toMAC net.HardwareAddr, from, to netip.AddrPort, data string) []byte {
	return ethernet(fromMAC, toMAC, 0x0800, udp4(from, to, data))
}

// udp4 is a packet with a UDP datagram, without a checksum: RFC 768.
func udp4(from, to netip.AddrPort, data string) []byte {
	u := binary.BigEndian.AppendUint16(nil, from.Port())
	u = binary.BigEndian.AppendUint16(u, to.Port())
	u = binary.BigEndian.AppendUint16(u, uint16(8+len(data)))
	u = append(u, 0, 0)
	return ip4(from.Addr(), to.Addr(), protocolUDP, append(u, data...))
}

// icmp4 is a whole frame with an ICMP message: RFC 792.
func icmp4(fromMAC, toMAC net.HardwareAddr, from, to netip.Addr, typ, code byte, body []byte) []byte {
	m := append([]byte{typ, code, 0, 0}, body...)
	binary.BigEndian.PutUint16(m[2:], checksum(m))
	return ethernet(fromMAC, toMAC, 0x0800, ip4(from, to, protocolICMP, m))
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// routerAdvertisement is a whole frame that offers a router to everybody: RFC 4861, section 4.2.
func routerAdvertisement(mac net.HardwareAddr, from netip.Addr) []byte {
	return ethernet(mac, net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, 0x86dd,
		icmp6(from, netip.MustParseAddr("ff02::1"), 134, 0, []byte{64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}))
}

// contains matches frames with the text in them.
func contains(text string) func([]byte) bool {
	return func(f []byte) bool { return bytes.Contains(f, []byte(text)) }
}

// ip6 makes a packet with the longest life, as neighbour discovery wants: RFC 8200.
func ip6(from, to netip.Addr, next byte, payload []byte) []byte {
	h := append([]byte{0x60, 0, 0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(payload)))...)
	h = append(append(append(h, next, 255), from.AsSlice()...), to.AsSlice()...)
	return append(h, payload...)
}

// udp6 is a packet with a UDP datagram.
func udp6(from, to netip.AddrPort, data string) []byte {
	u := binary.BigEndian.AppendUint16(nil, from.Port())
	u = binary.BigEndian.AppendUint16(u, to.Port())
	u = binary.BigEndian.AppendUint16(u, uint16(8+len(data)))
	u = append(append(u, 0, 0), data...)
	binary.BigEndian.PutUint16(u[6:], checksum6(from.Addr(), to.Addr(), protocolUDP, u))
	return ip6(from.Addr(), to.Addr(), protocolUDP, u)
}

// icmp6 is a packet with an ICMPv6 message: RFC 4443.
func icmp6(from, to netip.Addr, typ, code byte, body []byte) []byte {
	m := append([]byte{typ, code, 0, 0}, body...)
	binary.BigEndian.PutUint16(m[2:], checksum6(from, to, protocolICMPv6, m))
	return ip6(from, to, protocolICMPv6, m)
}

// checksum6 is that of RFC 8200, section 8.1.
func checksum6(from, to netip.Addr, next byte, payload []byte) uint16 {
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(payload)))
	return checksum(append(append(pseudo, 0, 0, 0, next), payload...))
}
