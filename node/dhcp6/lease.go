package dhcp6

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Valid is how long an address is given for at least. It never changes hands while the
// port has it, so guests keep it when nobody answers for a while.
const Valid = 24 * time.Hour

// Lease is what a port is told. All addresses are IPv6.
type Lease struct {
	Addresses []netip.Addr // of the port, at least one
	DNS       []netip.Addr // none if the VPC has no resolver
	NTP       []netip.Addr
	Search    string        // domain that names are looked up in, e.g. "eu-paris-1.compute.internal"
	Preferred time.Duration // until the guest prefers other addresses; it renews before. Zero: Valid
}

// serverID names the server to guests. Every port has one server, the same for all.
var serverID = &dhcpv6.DUIDUUID{UUID: network.Router6.As16()}

// Answer is the reply to one message of the lease's port; nil if there is none to
// give: RFC 8415, sections 16 and 18.3.
func (l Lease) Answer(m *dhcpv6.Message) *dhcpv6.Message {
	client, server := m.Options.ClientID(), m.Options.ServerID()
	if client == nil && m.MessageType != dhcpv6.MessageTypeInformationRequest {
		return nil
	}
	if server != nil && !server.Equal(serverID) {
		return nil // it is another server's
	}
	switch kind := m.MessageType; kind {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind:
		if server != nil {
			return nil
		}
		return l.toAll(m)
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		if server == nil {
			return nil
		}
		return l.toOne(m)
	case dhcpv6.MessageTypeInformationRequest:
		if len(identities(m)) > 0 {
			return nil
		}
		r := l.reply(m, dhcpv6.MessageTypeReply)
		r.AddOption(dhcpv6.OptInformationRefreshTime(Valid))
		return r
	default: // what servers and relays say
		return nil
	}
}

// toAll answers what is said to any server.
func (l Lease) toAll(m *dhcpv6.Message) *dhcpv6.Message {
	switch m.MessageType {
	case dhcpv6.MessageTypeConfirm:
		return l.confirm(m)
	case dhcpv6.MessageTypeSolicit:
		if m.GetOneOption(dhcpv6.OptionRapidCommit) == nil {
			return l.give(m, dhcpv6.MessageTypeAdvertise)
		}
		r := l.give(m, dhcpv6.MessageTypeReply)
		r.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
		return r
	default: // Rebind
		return l.give(m, dhcpv6.MessageTypeReply)
	}
}

// toOne answers what is said to this server. To give an address back changes nothing:
// it belongs to the port.
func (l Lease) toOne(m *dhcpv6.Message) *dhcpv6.Message {
	if k := m.MessageType; k == dhcpv6.MessageTypeRelease || k == dhcpv6.MessageTypeDecline {
		r := l.reply(m, dhcpv6.MessageTypeReply)
		r.AddOption(status(iana.StatusSuccess, ""))
		return r
	}
	return l.give(m, dhcpv6.MessageTypeReply)
}

// confirm says whether all addresses are still the port's. Who asks about none gets
// no answer.
func (l Lease) confirm(m *dhcpv6.Message) *dhcpv6.Message {
	var asked []netip.Addr
	for _, ia := range m.Options.IANA() {
		asked = append(asked, addresses(ia.Options.Addresses())...)
	}
	for _, ia := range m.Options.IATA() {
		asked = append(asked, addresses(ia.Options.Addresses())...)
	}
	if len(asked) == 0 {
		return nil
	}
	r := l.reply(m, dhcpv6.MessageTypeReply)
	for _, a := range asked {
		if !slices.Contains(l.Addresses, a) {
			r.AddOption(status(iana.StatusNotOnLink, "the port has other addresses"))
			return r
		}
	}
	r.AddOption(status(iana.StatusSuccess, ""))
	return r
}

// give is the message that gives the first association all addresses of the port, and
// others none. Addresses that the guest has and that are not the port's end.
func (l Lease) give(m *dhcpv6.Message, kind dhcpv6.MessageType) *dhcpv6.Message {
	r := l.reply(m, kind)
	for i, ia := range m.Options.IANA() {
		given := l.Addresses
		if i > 0 {
			given = nil
		}
		r.AddOption(l.association(ia, given))
	}
	for _, ia := range m.Options.IATA() {
		r.AddOption(&dhcpv6.OptIATA{IaId: ia.IaId, Options: dhcpv6.IdentityOptions{Options: dhcpv6.Options{
			status(iana.StatusNoAddrsAvail, "temporary addresses are not given"),
		}}})
	}
	for _, ia := range m.Options.IAPD() {
		r.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: dhcpv6.PDOptions{Options: dhcpv6.Options{
			status(iana.StatusNoPrefixAvail, "prefixes are not delegated"),
		}}})
	}
	return r
}

// association is what one association of a guest gets.
func (l Lease) association(ia *dhcpv6.OptIANA, given []netip.Addr) *dhcpv6.OptIANA {
	preferred := l.Preferred
	if preferred <= 0 {
		preferred = Valid
	}
	out := &dhcpv6.OptIANA{IaId: ia.IaId, T1: preferred / 2, T2: preferred / 5 * 4}
	for _, a := range given {
		out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: a.AsSlice(), PreferredLifetime: preferred, ValidLifetime: max(Valid, preferred)})
	}
	for _, a := range addresses(ia.Options.Addresses()) {
		if !slices.Contains(given, a) && a.IsValid() && !a.IsUnspecified() {
			out.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: a.AsSlice()}) // its lifetime is over
		}
	}
	if len(given) == 0 {
		out.T1, out.T2 = 0, 0
		out.Options.Add(status(iana.StatusNoAddrsAvail, "the first association has all addresses of the port"))
	}
	return out
}

// reply is a message of a kind with what every guest is told.
func (l Lease) reply(m *dhcpv6.Message, kind dhcpv6.MessageType) *dhcpv6.Message {
	r := &dhcpv6.Message{MessageType: kind, TransactionID: m.TransactionID}
	if client := m.GetOneOption(dhcpv6.OptionClientID); client != nil {
		r.AddOption(client)
	}
	r.AddOption(dhcpv6.OptServerID(serverID))
	if len(l.DNS) > 0 {
		r.AddOption(dhcpv6.OptDNS(ips(l.DNS)...))
	}
	if l.Search != "" {
		r.AddOption(dhcpv6.OptDomainSearchList(&rfc1035label.Labels{Labels: []string{l.Search}}))
	}
	if len(l.NTP) > 0 {
		var servers dhcpv6.OptNTPServer
		for _, a := range ips(l.NTP) {
			s := dhcpv6.NTPSuboptionSrvAddr(a)
			servers.Suboptions.Add(&s)
		}
		r.AddOption(&servers)
	}
	return r
}

// identities are the associations that a message has.
func identities(m *dhcpv6.Message) []dhcpv6.Option {
	return slices.Concat(m.GetOption(dhcpv6.OptionIANA), m.GetOption(dhcpv6.OptionIATA), m.GetOption(dhcpv6.OptionIAPD))
}

func status(code iana.StatusCode, message string) dhcpv6.Option {
	return &dhcpv6.OptStatusCode{StatusCode: code, StatusMessage: message}
}

func addresses(list []*dhcpv6.OptIAAddress) (out []netip.Addr) {
	for _, a := range list {
		addr, _ := netip.AddrFromSlice(a.IPv6Addr)
		out = append(out, addr)
	}
	return out
}

func ips(addrs []netip.Addr) (out []net.IP) {
	for _, a := range addrs {
		out = append(out, a.AsSlice())
	}
	return out
}
