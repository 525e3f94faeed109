package dhcp6_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/vauban-cloud/vauban/node/dhcp6"
)

var (
	mac   = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	lease = dhcp6.Lease{
		Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("2001:db8::6")},
		DNS:       []netip.Addr{netip.MustParseAddr("fd00:ec2::253")}, NTP: []netip.Addr{netip.MustParseAddr("2001:db8::123")},
		Search: "eu-paris-1.compute.internal", Preferred: 200 * time.Second,
	}
	iaid   = [4]byte{0, 0, 0, 1}
	client = &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: mac}
)

// message is what a guest sends.
func message(t *testing.T, kind dhcpv6.MessageType, with ...dhcpv6.Modifier) *dhcpv6.Message {
	t.Helper()
	m, err := dhcpv6.NewMessage(with...)
	if err != nil {
		t.Fatal(err)
	}
	m.MessageType = kind
	return m
}

func has(addresses ...string) dhcpv6.Modifier {
	var list []dhcpv6.OptIAAddress
	for _, a := range addresses {
		list = append(list, dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(a)})
	}
	return func(d dhcpv6.DHCPv6) {
		dhcpv6.WithIANA(list...)(d)
		dhcpv6.WithIAID(iaid)(d)
	}
}

// told is an answer in short, as it comes over the wire.
func told(t *testing.T, m *dhcpv6.Message) string {
	t.Helper()
	if m == nil {
		return "nothing"
	}
	m, err := dhcpv6.MessageFromBytes(m.ToBytes())
	if err != nil {
		t.Fatal(err)
	}
	words := []string{m.MessageType.String()}
	if m.GetOneOption(dhcpv6.OptionRapidCommit) != nil {
		words = append(words, "rapid")
	}
	if s := m.Options.Status(); s != nil {
		words = append(words, s.StatusCode.String())
	}
	for _, ia := range m.Options.IANA() {
		words = append(words, fmt.Sprintf("%x", ia.IaId))
		for _, a := range ia.Options.Addresses() {
			words = append(words, fmt.Sprintf("%s/%.0f/%.0f", a.IPv6Addr, a.PreferredLifetime.Seconds(), a.ValidLifetime.Seconds()))
		}
		if s := ia.Options.Status(); s != nil {
			words = append(words, s.StatusCode.String())
		}
	}
	return strings.Join(words, " ")
}

func TestAnswer(t *testing.T) {
	first := lease.Answer(message(t, dhcpv6.MessageTypeSolicit, dhcpv6.WithClientID(client), has()))
	own := dhcpv6.WithServerID(first.Options.ServerID())
	foreign := dhcpv6.WithServerID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: net.HardwareAddr{2, 0, 0, 0, 0, 9}})
	me := dhcpv6.WithClientID(client)
	const all = "00000001 2001:db8::5/200/86400 2001:db8::6/200/86400"
	type modifiers = []dhcpv6.Modifier
	for name, c := range map[string]struct {
		kind dhcpv6.MessageType
		with modifiers
		want string
	}{
		"solicit":                         {dhcpv6.MessageTypeSolicit, modifiers{me, has()}, "ADVERTISE " + all},
		"solicit another's":               {dhcpv6.MessageTypeSolicit, modifiers{me, has("2001:db8::7")}, "ADVERTISE " + all + " 2001:db8::7/0/0"},
		"rapid":                           {dhcpv6.MessageTypeSolicit, modifiers{me, has(), dhcpv6.WithRapidCommit}, "REPLY rapid " + all},
		"solicit without an association":  {dhcpv6.MessageTypeSolicit, modifiers{me}, "ADVERTISE"},
		"solicit as nobody":               {dhcpv6.MessageTypeSolicit, modifiers{has()}, "nothing"},
		"solicit this server":             {dhcpv6.MessageTypeSolicit, modifiers{me, own, has()}, "nothing"},
		"request":                         {dhcpv6.MessageTypeRequest, modifiers{me, own, has("2001:db8::5")}, "REPLY " + all},
		"request another's":               {dhcpv6.MessageTypeRequest, modifiers{me, own, has("2001:db8::7")}, "REPLY " + all + " 2001:db8::7/0/0"},
		"request of another server":       {dhcpv6.MessageTypeRequest, modifiers{me, foreign, has()}, "nothing"},
		"request of no server":            {dhcpv6.MessageTypeRequest, modifiers{me, has()}, "nothing"},
		"renew":                           {dhcpv6.MessageTypeRenew, modifiers{me, own, has("2001:db8::5", "2001:db8::6")}, "REPLY " + all},
		"rebind":                          {dhcpv6.MessageTypeRebind, modifiers{me, has("2001:db8::7")}, "REPLY " + all + " 2001:db8::7/0/0"},
		"rebind at a server":              {dhcpv6.MessageTypeRebind, modifiers{me, own, has()}, "nothing"},
		"confirm":                         {dhcpv6.MessageTypeConfirm, modifiers{me, has("2001:db8::6")}, "REPLY Success"},
		"confirm another's":               {dhcpv6.MessageTypeConfirm, modifiers{me, has("2001:db8::5", "2001:db8::7")}, "REPLY NotOnLink"},
		"confirm nothing":                 {dhcpv6.MessageTypeConfirm, modifiers{me, has()}, "nothing"},
		"release":                         {dhcpv6.MessageTypeRelease, modifiers{me, own, has("2001:db8::5")}, "REPLY Success"},
		"decline":                         {dhcpv6.MessageTypeDecline, modifiers{me, own, has("2001:db8::5")}, "REPLY Success"},
		"information":                     {dhcpv6.MessageTypeInformationRequest, nil, "REPLY"},
		"information with an association": {dhcpv6.MessageTypeInformationRequest, modifiers{me, has()}, "nothing"},
		"a server's message":              {dhcpv6.MessageTypeAdvertise, modifiers{me, has()}, "nothing"},
	} {
		m := message(t, c.kind, c.with...)
		r := lease.Answer(m)
		if got := told(t, r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if r == nil {
			continue
		}
		o := r.Options
		if r.TransactionID != m.TransactionID || o.ServerID() == nil || len(o.DNS()) != 1 || len(o.NTPServers()) != 1 || o.DomainSearchList().Labels[0] != lease.Search {
			t.Errorf("%s: %s", name, r.Summary())
		}
	}
}

// Only the first association has addresses, and nothing is delegated.
func TestOtherAssociations(t *testing.T) {
	m := message(t, dhcpv6.MessageTypeSolicit, dhcpv6.WithClientID(client), has(), dhcpv6.WithIATA([4]byte{3}), dhcpv6.WithIAPD([4]byte{4}))
	m.AddOption(&dhcpv6.OptIANA{IaId: [4]byte{2}})
	r := lease.Answer(m)
	if got := told(t, r); got != "ADVERTISE 00000001 2001:db8::5/200/86400 2001:db8::6/200/86400 02000000 NoAddrsAvail" {
		t.Errorf("the answer is %s", got)
	}
	if s := r.Options.OneIATA().Options.Status(); s == nil || s.StatusCode != iana.StatusNoAddrsAvail {
		t.Errorf("temporary addresses: %v", s)
	}
	if s := r.Options.IAPD()[0].Options.Status(); s == nil || s.StatusCode != iana.StatusNoPrefixAvail {
		t.Errorf("prefixes: %v", s)
	}
}

func FuzzAnswer(f *testing.F) {
	m, err := dhcpv6.NewSolicit(mac)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.ToBytes())
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := dhcpv6.MessageFromBytes(packet)
		if err != nil {
			return
		}
		if r := lease.Answer(m); r != nil && r.TransactionID != m.TransactionID {
			t.Error("the answer is to something else")
		}
	})
}
