package linux

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// ICMP types that only routers send, and echo requests: RFC 792, RFC 1256.
const icmpRedirect, icmpEcho, icmpRouter = 5, 8, 9

// ICMPv6 types: RFC 4443 and, from the router solicitation on, RFC 4861.
const (
	icmp6Echo           = 128
	icmp6Solicit        = 133
	icmp6Router         = 134
	icmp6Ask, icmp6Tell = 135, 136 // neighbour solicitation and advertisement
	icmp6Redirect       = 137
)

var (
	linkLocal6 = netip.MustParsePrefix("fe80::/10")
	services6  = netip.MustParsePrefix("fd00:ec2::/32") // the router's own: nobody sends from there
)

// beforeFragments is a priority before the kernel puts fragments together: nobody
// adds one to another's datagram.
const beforeFragments nftables.ChainPriority = -450

// addSources lets ports send only as themselves, and not as servers and routers.
func addSources(t *table, v network.VPC) {
	addPortSets(t, v)
	link, lo := deviceName(linkDevice), deviceName("lo")
	t.base("sources", filterAt(nftables.ChainHookPrerouting, beforeFragments, nftables.ChainPolicyDrop),
		when(ipVersion.is(unix.NFPROTO_IPV6), goTo(sources6Chain)),
		when(in(sourcesSet, inDevice, etherSource, source), accept()),
		when(inDevice.is(link...), accept()),
		when(inDevice.is(lo...), accept()),
		when(verdictOf(peerSources, inDevice)),
		when(source.within(linkLocal), drop()),
		when(in(anySourceSet, inDevice, etherSource), accept()),
		when(in(cardsSet, inDevice, etherSource), isDiscover(), source.is(nobody.AsSlice()...), accept()))
	t.chain(sources6Chain,
		when(in(sources6Set, inDevice, etherSource, source6), accept()),
		when(inDevice.is(link...), accept()),
		when(inDevice.is(lo...), accept()),
		when(verdictOf(peerSources, inDevice)),
		when(source6.is(network.Router6.AsSlice()...), drop()),
		when(source6.within(services6), drop()),
		when(in(cardsSet, inDevice, etherSource), source6.within(linkLocal6), accept()),
		when(in(cardsSet, inDevice, etherSource), source6.is(nobody6.AsSlice()...), accept()),
		when(in(anySourceSet, inDevice, etherSource), accept()),
		when(drop()))
	// What a port may say goes before connection tracking sees it.
	t.base("prerouting", filterAt(nftables.ChainHookPrerouting, *nftables.ChainPriorityRaw, nftables.ChainPolicyAccept),
		when(ipVersion.is(unix.NFPROTO_IPV6), goTo(send6Chain)),
		when(protocol.is(unix.IPPROTO_TCP), accept()), // before others, as most packets are
		when(inDevice.is(link...), accept()),
		when(protocol.is(unix.IPPROTO_UDP), bothPorts.is(pair(dhcpServer, dhcpClient)...), drop()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRedirect), drop()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRouter), drop()))
	t.chain(send6Chain,
		when(inDevice.is(link...), accept()),
		when(source6.within(linkLocal6), goTo(neighboursChain)),
		when(source6.is(nobody6.AsSlice()...), goTo(neighboursChain)),
		when(protocol.is(unix.IPPROTO_TCP), accept()),
		when(protocol.is(unix.IPPROTO_UDP), bothPorts.is(pair(dhcp6Server, dhcp6Client)...), drop()),
		when(protocol.isNot(unix.IPPROTO_ICMPV6), accept()),
		when(icmpType.is(icmp6Router), drop()),
		when(icmpType.is(icmp6Redirect), drop()),
		when(icmpType.is(icmp6Tell), goTo(claimsChain)),
		when(accept()))
	// Addresses of the link, and none, are for what only the router hears.
	t.chain(neighboursChain,
		when(protocol.is(unix.IPPROTO_UDP), bothPorts.is(pair(dhcp6Client, dhcp6Server)...), accept()),
		when(protocol.isNot(unix.IPPROTO_ICMPV6), drop()),
		when(icmpType.is(icmp6Ask), accept()),
		when(icmpType.is(icmp6Tell), goTo(claimsChain)),
		when(icmpType.is(icmp6Solicit), accept()),
		when(icmpType.is(icmp6Echo), destination6.is(network.Router6.AsSlice()...), accept()),
		when(drop()))
	// Who may say that an address is at its MAC.
	t.chain(claimsChain,
		when(in(sources6Set, inDevice, etherSource, neighbour6), accept()),
		when(neighbour6.is(network.Router6.AsSlice()...), drop()),
		when(neighbour6.within(linkLocal6), accept()),
		when(drop()))
}

// addPortSets holds what each port may send as.
func addPortSets(t *table, v network.VPC) {
	sources := t.set(sourcesSet, nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIPAddr)
	sources6 := t.set(sources6Set, nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIP6Addr)
	cards := t.set(cardsSet, nftables.TypeIFName, nftables.TypeEtherAddr)
	forgers := t.set(anySourceSet, nftables.TypeIFName, nftables.TypeEtherAddr)
	for _, p := range v.Ports {
		dev := deviceName(portDevice(p.ID))
		cards.elements[key(dev, p.MAC)] = ""
		if p.AnySource {
			forgers.elements[key(dev, p.MAC)] = ""
		}
		for _, a := range p.Addresses {
			sources.elements[key(dev, p.MAC, a.Private.AsSlice())] = ""
		}
		for _, a := range p.Addresses6 {
			sources6.elements[key(dev, p.MAC, a.AsSlice())] = ""
		}
	}
}

// resolution lets ARP only tell the truth: who may say that an address is at a
// MAC, and who may ask.
func resolution(v network.VPC) *table {
	t := newTable(nftables.TableFamilyARP, rulesName)
	addPortSets(t, v)
	delete(t.sets, sources6Set)
	const hookARPIn = 0
	t.base("input", hook{nftables.ChainTypeFilter, hookARPIn, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop},
		when(in(sourcesSet, inDevice, arpMAC, arpSource), accept()),
		// Routers ask for their next hop as whoever they send for.
		when(arpKind.is(be16(arpRequest)...), in(anySourceSet, inDevice, arpMAC), accept()),
		// RFC 5227: is somebody else at the address that I was given?
		when(arpKind.is(be16(arpRequest)...), in(cardsSet, inDevice, arpMAC), arpSource.is(nobody.AsSlice()...), accept()))
	return t
}

const arpRequest = 1 // RFC 826

// isDiscover matches the broadcasts of DHCP clients that may have no address yet.
func isDiscover() []expr.Any {
	return slices.Concat(protocol.is(unix.IPPROTO_UDP), bothPorts.is(pair(dhcpClient, dhcpServer)...), destination.is(everybody.AsSlice()...))
}

// pair is two ports as they follow each other in headers.
func pair(from, to uint16) []byte { return slices.Concat(be16(from), be16(to)) }

// filterAt is a hook of filters.
func filterAt(point *nftables.ChainHook, priority nftables.ChainPriority, policy nftables.ChainPolicy) hook {
	return hook{nftables.ChainTypeFilter, *point, priority, policy}
}
