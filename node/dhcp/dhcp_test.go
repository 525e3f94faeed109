package dhcp_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vauban-cloud/vauban/node/dhcp"
)

func lease() dhcp.Lease {
	return dhcp.Lease{
		MAC:      net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Address:  netip.MustParseAddr("10.0.1.5"),
		Prefix:   netip.MustParsePrefix("10.0.1.0/24"),
		Router:   netip.MustParseAddr("10.0.1.1"),
		DNS:      []netip.Addr{netip.MustParseAddr("10.0.0.2")},
		Hostname: "ip-10-0-1-5", Domain: "eu-paris-1.compute.internal", MTU: 1500,
	}
}

// message makes what a guest sends.
func message(t testing.TB, kind dhcpv4.MessageType, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(lease().MAC)}, with...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func requested(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
}

func server(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(ip)))
}

func client(ip string) dhcpv4.Modifier { return dhcpv4.WithClientIP(net.ParseIP(ip)) }

func TestAnswer(t *testing.T) {
	const none, offer, ack, nak = dhcpv4.MessageTypeNone, dhcpv4.MessageTypeOffer, dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak
	const discover, request = dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest
	for name, c := range map[string]struct {
		m    *dhcpv4.DHCPv4
		want dhcpv4.MessageType
	}{
		"discover":              {message(t, discover), offer},
		"discover another":      {message(t, discover, requested("10.0.1.9")), offer},
		"select":                {message(t, request, requested("10.0.1.5"), server("10.0.1.1")), ack},
		"select another server": {message(t, request, requested("10.0.1.5"), server("10.0.1.99")), none},
		"select wrong":          {message(t, request, requested("10.0.1.6"), server("10.0.1.1")), nak},
		"restart":               {message(t, request, requested("10.0.1.5")), ack},
		"restart wrong":         {message(t, request, requested("192.168.0.5")), nak},
		"renew":                 {message(t, request, client("10.0.1.5")), ack},
		"renew wrong":           {message(t, request, client("10.0.1.6")), nak},
		"request nothing":       {message(t, request), nak},
		"inform":                {message(t, dhcpv4.MessageTypeInform, client("10.0.1.5")), ack},
		"decline":               {message(t, dhcpv4.MessageTypeDecline, requested("10.0.1.5")), none},
		"release":               {message(t, dhcpv4.MessageTypeRelease, client("10.0.1.5")), none},
		"no type":               {message(t, dhcpv4.MessageTypeNone), none},
		"another MAC":           {message(t, discover, dhcpv4.WithHwAddr(net.HardwareAddr{2, 0, 0, 0, 0, 2})), none},
		"relayed":               {message(t, discover, dhcpv4.WithGatewayIP(net.IPv4(10, 0, 1, 9))), none},
		"a reply":               {message(t, discover, func(m *dhcpv4.DHCPv4) { m.OpCode = dhcpv4.OpcodeBootReply }), none},
	} {
		got := none
		if r := lease().Answer(c.m); r != nil {
			got = r.MessageType()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestOptions(t *testing.T) {
	id := dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte{1, 2, 0, 0, 0, 0, 1}))
	m := message(t, dhcpv4.MessageTypeRequest, requested("10.0.1.5"), id)
	// What the guest sees is what is on the wire.
	r, err := dhcpv4.FromBytes(lease().Answer(m).ToBytes())
	if err != nil {
		t.Fatal(err)
	}
	if !r.YourIPAddr.Equal(net.IPv4(10, 0, 1, 5)) || r.TransactionID != m.TransactionID {
		t.Errorf("reply: %s", r)
	}
	mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, r.Options)
	routes := r.ClasslessStaticRoute()
	for name, ok := range map[string]bool{
		"mask":      r.SubnetMask().String() == "ffffff00",
		"router":    len(r.Router()) == 1 && r.Router()[0].String() == "10.0.1.1",
		"server":    r.ServerIdentifier().String() == "10.0.1.1",
		"dns":       len(r.DNS()) == 1 && r.DNS()[0].String() == "10.0.0.2",
		"hostname":  r.HostName() == "ip-10-0-1-5",
		"domain":    r.DomainName() == "eu-paris-1.compute.internal",
		"time":      r.IPAddressLeaseTime(0) == 24*time.Hour,
		"mtu":       err == nil && mtu == 1500,
		"routes":    len(routes) == 2 && routes[0].Dest.String() == "169.254.169.254/32" && routes[1].Dest.String() == "0.0.0.0/0" && routes[1].Router.String() == "10.0.1.1",
		"client ID": slices.Equal(r.Options.Get(dhcpv4.OptionClientIdentifier), m.Options.Get(dhcpv4.OptionClientIdentifier)),
	} {
		if !ok {
			t.Errorf("%s: %s", name, r.Summary())
		}
	}

	nak := lease().Answer(message(t, dhcpv4.MessageTypeRequest, requested("10.0.1.9")))
	if !nak.YourIPAddr.IsUnspecified() || nak.Router() != nil || nak.ServerIdentifier() == nil {
		t.Errorf("NAK: %s", nak.Summary())
	}
	inform := lease().Answer(message(t, dhcpv4.MessageTypeInform, client("10.0.1.5")))
	if !inform.YourIPAddr.IsUnspecified() || inform.IPAddressLeaseTime(0) != 0 || len(inform.Router()) != 1 {
		t.Errorf("answer to INFORM: %s", inform.Summary())
	}
	quiet := lease()
	quiet.DNS, quiet.Hostname, quiet.Domain, quiet.MTU = nil, "", "", 0
	r = quiet.Answer(m)
	for _, o := range []dhcpv4.OptionCode{dhcpv4.OptionDomainNameServer, dhcpv4.OptionHostName, dhcpv4.OptionDomainName, dhcpv4.OptionInterfaceMTU} {
		if r.Options.Has(o) {
			t.Errorf("option %s without a value", o)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(message(f, dhcpv4.MessageTypeDiscover).ToBytes())
	f.Add(message(f, dhcpv4.MessageTypeRequest, requested("10.0.1.5"), server("10.0.1.1")).ToBytes())
	f.Add(message(f, dhcpv4.MessageTypeInform, client("10.0.1.5")).ToBytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := dhcpv4.FromBytes(packet)
		if err != nil {
			return
		}
		r := lease().Answer(m)
		if r == nil {
			return
		}
		back, err := dhcpv4.FromBytes(r.ToBytes())
		if err != nil {
			t.Fatalf("malformed reply: %v", err)
		}
		if ip := back.YourIPAddr; !ip.IsUnspecified() && !ip.Equal(net.IPv4(10, 0, 1, 5)) {
			t.Errorf("told of %s", ip)
		}
	})
}
