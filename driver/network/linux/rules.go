package linux

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Names of sets in a VPC's tables.
const (
	sourcesSet   = "sources"    // device, MAC, address: what a port may send as
	cardsSet     = "cards"      // device, MAC: the ports
	anySourceSet = "any_source" // device, MAC: ports that may send as anybody
	servicesSet  = "services"   // address, protocol, port: what the router serves
	egressMap    = "egress"     // device to the chain of what its port may send
	ingressMap   = "ingress"    // device to the chain of what its port may receive
	exitsSet     = "exits"      // device, address: what may leave the VPC
	publicMap    = "public"     // public to private address
	privateMap   = "private"    // private to public address
)

// Chains that are no base chains.
const (
	sendChain     = "send" // what has a true source
	servicesChain = "services"
	receiveChain  = "receive" // what was let out by its sender's groups
)

const (
	dhcpServer, dhcpClient = 67, 68 // RFC 2131
	dns, http              = 53, 80
)

// vpcTables are the rules of a VPC's namespace.
func vpcTables(v network.VPC) []*table {
	return []*table{forwarding(v), resolution(v)}
}

// forwarding holds the groups, the router's own firewall and the translation of
// public addresses.
func forwarding(v network.VPC) *table {
	t := newTable(nftables.TableFamilyINet, "vauban")
	addPortSets(t, v)
	addServices(t, v)
	addPublic(t, v)
	addGroups(t, v)

	filter := func(point *nftables.ChainHook, priority *nftables.ChainPriority) hook {
		return hook{nftables.ChainTypeFilter, *point, *priority, nftables.ChainPolicyDrop}
	}
	nat := func(point *nftables.ChainHook, priority *nftables.ChainPriority) hook {
		return hook{nftables.ChainTypeNAT, *point, *priority, nftables.ChainPolicyAccept}
	}
	link := deviceName(linkDevice)
	// What no port may send goes before connection tracking sees it.
	t.base("prerouting", filter(nftables.ChainHookPrerouting, nftables.ChainPriorityRaw),
		when(ipVersion.isNot(unix.NFPROTO_IPV4), drop()),
		when(in(sourcesSet, inDevice, etherSource, source), goTo(sendChain)),
		when(inDevice.is(link...), accept()),
		when(inDevice.is(deviceName("lo")...), accept()),
		when(in(anySourceSet, inDevice, etherSource), goTo(sendChain)),
		when(in(cardsSet, inDevice, etherSource), isDiscover(), source.is(nobody.AsSlice()...), accept()))
	t.chain(sendChain,
		when(protocol.is(unix.IPPROTO_TCP), accept()), // first, as most packets are
		when(protocol.is(unix.IPPROTO_UDP), bothPorts.is(slices.Concat(be16(dhcpServer), be16(dhcpClient))...), drop()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRedirect), drop()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRouter), drop()),
		when(accept()))
	t.base("input", filter(nftables.ChainHookInput, nftables.ChainPriorityFilter),
		when(inDevice.is(deviceName("lo")...), accept()),
		when(tracked(known), accept()),
		when(tracked(invalid), drop()),
		when(isDiscover(), accept()),
		// Not for ports that send as others: an answer would go to those.
		when(in(sourcesSet, inDevice, etherSource, source), goTo(servicesChain)))
	t.base("forward", filter(nftables.ChainHookForward, nftables.ChainPriorityFilter),
		when(tracked(known), accept()),
		when(tracked(invalid), drop()),
		when(inDevice.is(link...), goTo(receiveChain)),
		when(verdictOf(egressMap, inDevice)))
	t.base("dnat", nat(nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest),
		when(inDevice.is(link...), translate(expr.NATTypeDestNAT, destination, publicMap)))
	t.base("snat", nat(nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource),
		when(outDevice.is(link...), translate(expr.NATTypeSourceNAT, source, privateMap)))
	t.chain(receiveChain,
		when(verdictOf(ingressMap, outDevice)),
		when(outDevice.is(link...), in(exitsSet, inDevice, source), accept()),
		when(drop()))
	return t
}

// ICMP types that only routers send: RFC 792 and RFC 1256.
const icmpRedirect, icmpEcho, icmpRouter = 5, 8, 9

// isDiscover matches the broadcasts of DHCP clients that may have no address yet.
func isDiscover() []expr.Any {
	return slices.Concat(protocol.is(unix.IPPROTO_UDP),
		bothPorts.is(slices.Concat(be16(dhcpClient), be16(dhcpServer))...), destination.is(everybody.AsSlice()...))
}

func addPortSets(t *table, v network.VPC) {
	sources := t.set(sourcesSet, nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIPAddr)
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
	}
}

// addServices lets guests reach the servers in the namespace.
func addServices(t *table, v network.VPC) {
	s := t.set(servicesSet, nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService)
	serve := func(a netip.Addr, proto byte, port uint16) {
		s.elements[key(a.AsSlice(), []byte{proto}, be16(port))] = ""
	}
	serve(network.Metadata, unix.IPPROTO_TCP, http)
	serve(network.API, unix.IPPROTO_TCP, http)
	for _, a := range resolvers(v) {
		serve(a, unix.IPPROTO_UDP, dns)
		serve(a, unix.IPPROTO_TCP, dns)
	}
	for _, n := range v.Subnets {
		serve(n.Router, unix.IPPROTO_UDP, dhcpServer)
	}
	t.chain(servicesChain,
		when(in(servicesSet, destination, protocol, toPort), accept()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpEcho), accept()),
		when(drop()))
}

// addPublic maps the public addresses of ports whose packets have a way out.
func addPublic(t *table, v network.VPC) {
	public := t.mapping(publicMap, nftables.TypeIPAddr, nftables.TypeIPAddr)
	private := t.mapping(privateMap, nftables.TypeIPAddr, nftables.TypeIPAddr)
	exits := t.set(exitsSet, nftables.TypeIFName, nftables.TypeIPAddr)
	eachPublic(v, func(p network.Port, a network.Address) {
		inner, outer := key(a.Private.AsSlice()), key(a.Public.AsSlice())
		public.elements[outer], private.elements[inner] = inner, outer
		exits.elements[key(deviceName(portDevice(p.ID)), a.Private.AsSlice())] = ""
	})
}

// addGroups makes two chains a group: what goes on when a port of the group
// sends it, and what is accepted when it is sent to one. Ports of several groups
// that are the same share two more, which try each group.
func addGroups(t *table, v network.VPC) {
	ingress := t.mapping(ingressMap, nftables.TypeVerdict, nftables.TypeIFName)
	egress := t.mapping(egressMap, nftables.TypeVerdict, nftables.TypeIFName)
	for _, g := range v.Groups {
		t.chain(g.ID+inward, groupRules(t, g.Ingress, source, accept())...)
		t.chain(g.ID+outward, groupRules(t, g.Egress, destination, goTo(receiveChain))...)
	}
	for _, p := range v.Ports {
		groups := slices.Compact(slices.Sorted(slices.Values(p.Groups)))
		if len(groups) == 0 {
			continue // nothing in, nothing out
		}
		dev := key(deviceName(portDevice(p.ID)))
		ingress.elements[dev] = groupsChain(t, groups, inward)
		egress.elements[dev] = groupsChain(t, groups, outward)
		for _, g := range groups {
			if members := t.sets[memberPrefix+g]; members != nil {
				for _, a := range p.Addresses {
					members.elements[key(a.Private.AsSlice())] = ""
				}
			}
		}
	}
}

const (
	memberPrefix    = "members-" // of sets; the group's ID follows
	inward, outward = "-in", "-out"
)

// groupsChain returns the chain that tries the groups one after the other.
func groupsChain(t *table, groups []string, way string) string {
	if len(groups) == 1 {
		return groups[0] + way
	}
	sum := sha256.Sum256([]byte(strings.Join(groups, " ")))
	name := "groups-" + hex.EncodeToString(sum[:8]) + way
	if t.chains[name] == nil {
		c := t.chain(name)
		for _, g := range groups {
			c.rules = append(c.rules, when(jump(g+way)))
		}
	}
	return name
}

// groupRules encodes rules about the other end, which the field holds. A group
// that is named as the other end gets a set of its members, so that a new member
// is one element, wherever the group is named.
func groupRules(t *table, rules []network.Rule, other field, then []expr.Any) []rule {
	var encoded []rule
	for _, r := range rules {
		var end []expr.Any
		switch {
		case r.Group != "":
			members := memberPrefix + r.Group
			if t.sets[members] == nil {
				t.set(members, nftables.TypeIPAddr)
			}
			end = in(members, other)
		case r.Prefix.Addr().Is4():
			end = other.within(r.Prefix)
		default:
			continue // about IPv6, which nobody here speaks
		}
		encoded = append(encoded, when(end, traffic(r), then))
	}
	return encoded
}

// traffic matches a rule's protocol and ports, or type and code.
func traffic(r network.Rule) []expr.Any {
	if r.Protocol < 0 {
		return nil
	}
	match := protocol.is(byte(r.Protocol))
	switch r.Protocol {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP:
		if r.From < 0 || r.From == 0 && r.To == 65535 {
			return match
		}
		return append(match, toPort.between(uint16(r.From), uint16(r.To))...)
	case unix.IPPROTO_ICMP:
		if r.From >= 0 {
			match = append(match, icmpType.is(byte(r.From))...)
		}
		if r.From >= 0 && r.To >= 0 {
			match = append(match, icmpCode.is(byte(r.To))...)
		}
	}
	return match
}

// resolution lets ARP only tell the truth: who may say that an address is at a
// MAC, and who may ask.
func resolution(v network.VPC) *table {
	t := newTable(nftables.TableFamilyARP, "vauban")
	addPortSets(t, v)
	delete(t.sets, anySourceSet)
	const hookARPIn = 0
	t.chain(sendChain,
		when(protocol.is(unix.IPPROTO_TCP), accept()), // first, as most packets are
		when(protocol.is(unix.IPPROTO_UDP), bothPorts.is(slices.Concat(be16(dhcpServer), be16(dhcpClient))...), drop()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRedirect), drop()),
		when(protocol.is(unix.IPPROTO_ICMP), icmpType.is(icmpRouter), drop()),
		when(accept()))
	t.base("input", hook{nftables.ChainTypeFilter, hookARPIn, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop},
		when(in(sourcesSet, inDevice, arpMAC, arpSource), accept()),
		// RFC 5227: is somebody else at the address that I was given?
		when(arpKind.is(be16(arpRequest)...), in(cardsSet, inDevice, arpMAC), arpSource.is(nobody.AsSlice()...), accept()))
	return t
}

const arpRequest = 1 // RFC 826

// resolvers are the addresses at which the VPC's resolver answers.
func resolvers(v network.VPC) []netip.Addr {
	addrs := []netip.Addr{network.Resolver}
	for _, c := range v.CIDRs {
		addrs = append(addrs, network.ResolverOf(c))
	}
	return addrs
}

// eachPublic calls f for every address with a public one that works: its subnet
// leads to the internet.
func eachPublic(v network.VPC, f func(network.Port, network.Address)) {
	internet := make(map[string]bool)
	for _, s := range v.Subnets {
		internet[s.ID] = v.Outside(s)
	}
	for _, p := range v.Ports {
		for _, a := range p.Addresses {
			if a.Public.IsValid() && internet[p.Subnet] {
				f(p, a)
			}
		}
	}
}
