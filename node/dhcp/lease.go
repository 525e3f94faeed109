package dhcp

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// LeaseTime is how long an address is given for. It never changes hands while
// the port exists, so this only says how soon a guest learns of changed options.
const LeaseTime = 24 * time.Hour

// Lease is what a port is told. All addresses are IPv4.
type Lease struct {
	MAC      net.HardwareAddr // of the port; others are not answered
	Address  netip.Addr
	Prefix   netip.Prefix // the subnet
	Router   netip.Addr   // also the server's own address on the port
	DNS      []netip.Addr // none if the VPC has no resolver
	Hostname string       // e.g. "ip-10-0-1-5"
	Domain   string       // e.g. "eu-paris-1.compute.internal"
	MTU      int          // 0 to leave it out

	NTP         []netip.Addr
	NetBIOS     []netip.Addr // name servers
	NetBIOSNode byte         // node type of RFC 2132, section 8.7; 0 to leave it out
}

// Answer is the reply to one message of the lease's port; nil if there is none to
// give. The states of a REQUEST are told apart as in RFC 2131, section 4.3.2.
func (l Lease) Answer(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	switch {
	case m.OpCode != dhcpv4.OpcodeBootRequest, m.HWType != iana.HWTypeEthernet,
		!bytes.Equal(m.ClientHWAddr, l.MAC), !m.GatewayIPAddr.IsUnspecified(): // there are no relays here
		return nil
	}
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return l.reply(m, dhcpv4.MessageTypeOffer)
	case dhcpv4.MessageTypeInform:
		return l.reply(m, dhcpv4.MessageTypeAck)
	case dhcpv4.MessageTypeRequest:
		if server := m.ServerIdentifier(); server != nil && !server.Equal(l.Router.AsSlice()) {
			return nil // the guest took another server's offer
		}
		wanted := m.ClientIPAddr // renewing or rebinding
		if wanted.IsUnspecified() {
			wanted = m.RequestedIPAddress() // selecting or restarting
		}
		if !wanted.Equal(l.Address.AsSlice()) {
			return l.reply(m, dhcpv4.MessageTypeNak)
		}
		return l.reply(m, dhcpv4.MessageTypeAck)
	default: // DECLINE and RELEASE change nothing: the address belongs to the port
		return nil
	}
}

// reply makes the message of that type.
func (l Lease) reply(m *dhcpv4.DHCPv4, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	r, err := dhcpv4.NewReplyFromRequest(m)
	if err != nil {
		return nil
	}
	router := net.IP(l.Router.AsSlice())
	r.UpdateOption(dhcpv4.OptMessageType(kind))
	r.UpdateOption(dhcpv4.OptServerIdentifier(router))
	if kind == dhcpv4.MessageTypeNak {
		return r
	}
	if kind == dhcpv4.MessageTypeAck {
		r.ClientIPAddr = m.ClientIPAddr
	}
	if m.MessageType() != dhcpv4.MessageTypeInform { // RFC 2131, section 4.3.5
		r.YourIPAddr = l.Address.AsSlice()
		r.UpdateOption(dhcpv4.OptIPAddressLeaseTime(LeaseTime))
	}
	all := net.IPMask(net.CIDRMask(32, 32))
	r.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(l.Prefix.Bits(), 32)))
	r.UpdateOption(dhcpv4.OptRouter(router))
	// RFC 3442: who understands this option ignores the router above. The metadata
	// service has its own route, because some guests hold 169.254.0.0/16 for local.
	r.UpdateOption(dhcpv4.OptClasslessStaticRoute(
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4(169, 254, 169, 254).To4(), Mask: all}, Router: router},
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, Router: router},
	))
	if len(l.DNS) > 0 {
		r.UpdateOption(dhcpv4.OptDNS(ips(l.DNS)...))
	}
	if len(l.NTP) > 0 {
		r.UpdateOption(dhcpv4.OptNTPServers(ips(l.NTP)...))
	}
	if len(l.NetBIOS) > 0 {
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionNetBIOSOverTCPIPNameServer, dhcpv4.IPs(ips(l.NetBIOS)).ToBytes()))
	}
	if l.NetBIOSNode != 0 {
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionNetBIOSOverTCPIPNodeType, []byte{l.NetBIOSNode}))
	}
	if l.Hostname != "" {
		r.UpdateOption(dhcpv4.OptHostName(l.Hostname))
	}
	if l.Domain != "" {
		r.UpdateOption(dhcpv4.OptDomainName(l.Domain))
	}
	if l.MTU > 0 {
		r.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, dhcpv4.Uint16(l.MTU).ToBytes()))
	}
	return r
}

func ips(addrs []netip.Addr) (out []net.IP) {
	for _, a := range addrs {
		out = append(out, a.AsSlice())
	}
	return out
}
