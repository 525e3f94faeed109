package linux

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	dhcpServer, dhcpClient   = 67, 68   // RFC 2131
	dhcp6Server, dhcp6Client = 547, 546 // RFC 8415
	dns, http                = 53, 80
)

// addInput is the router's own firewall.
func addInput(t *table, v network.VPC) {
	addServices(t, v)
	t.base("input", filterAt(nftables.ChainHookInput, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop),
		when(inDevice.is(deviceName("lo")...), accept()),
		when(tracked(known), accept()),
		when(tracked(invalid), drop()),
		when(ipVersion.is(unix.NFPROTO_IPV6), goTo(input6Chain)),
		when(isDiscover(), accept()),
		// Not for ports that send as others: an answer would go to those.
		when(in(sourcesSet, inDevice, etherSource, source), goTo(servicesChain)))
	t.chain(input6Chain,
		when(in(sources6Set, inDevice, etherSource, source6), goTo(services6Chain)),
		// Routers ask for their next hop as whoever they send for.
		when(in(anySourceSet, inDevice, etherSource), protocol.is(unix.IPPROTO_ICMPV6), icmpType.is(icmp6Ask), accept()),
		// Addresses of the link say nothing else: addSources.
		when(in(cardsSet, inDevice, etherSource), source6.within(linkLocal6), accept()),
		when(in(cardsSet, inDevice, etherSource), source6.is(nobody6.AsSlice()...), accept()),
		when(drop()))
}

// addServices lets guests reach the servers in the namespace.
func addServices(t *table, v network.VPC) {
	s := t.set(servicesSet, nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService)
	s6 := t.set(services6Set, nftables.TypeIP6Addr, nftables.TypeInetProto, nftables.TypeInetService)
	serve := func(s *set, a netip.Addr, proto byte, port uint16) {
		s.elements[key(a.AsSlice(), []byte{proto}, be16(port))] = ""
	}
	serve(s, network.Metadata, unix.IPPROTO_TCP, http)
	serve(s, network.API, unix.IPPROTO_TCP, http)
	serve(s6, network.Metadata6, unix.IPPROTO_TCP, http)
	for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		for _, a := range resolvers(v) {
			serve(s, a, proto, dns)
		}
		serve(s6, network.Resolver6, proto, dns)
	}
	for _, n := range v.Subnets {
		serve(s, n.Router, unix.IPPROTO_UDP, dhcpServer)
	}
	serve(s6, network.Router6, unix.IPPROTO_UDP, dhcp6Server)
	t.chain(servicesChain, slices.Concat([]rule{
		when(in(servicesSet, destination, protocol, toPort), accept()),
	}, objects(t, v), []rule{
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpEcho), accept()),
		when(drop()),
	})...)
	t.chain(services6Chain,
		when(in(services6Set, destination6, protocol, toPort), accept()),
		when(protocol.isNot(unix.IPPROTO_ICMPV6), drop()),
		when(icmpType.is(icmp6Echo), accept()),
		when(icmpType.is(icmp6Solicit), accept()),
		when(icmpType.is(icmp6Ask), accept()),
		when(icmpType.is(icmp6Tell), accept()),
		when(drop()))
}

// resolvers are the IPv4 addresses at which the VPC's resolver answers.
func resolvers(v network.VPC) []netip.Addr {
	addrs := []netip.Addr{network.Resolver}
	for _, c := range v.CIDRs {
		if c.Addr().Is4() {
			addrs = append(addrs, network.ResolverOf(c))
		}
	}
	return addrs
}
