package linux

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// rulesName is the name of a VPC's tables.
const rulesName = "vauban"

// Names of sets in a VPC's tables.
const (
	sourcesSet   = "sources"    // device, MAC, address: what a port may send as
	sources6Set  = "sources6"   // the same for IPv6
	cardsSet     = "cards"      // device, MAC: the ports
	anySourceSet = "any_source" // device, MAC: ports that may send as anybody
	servicesSet  = "services"   // address, protocol, port: what the router serves
	services6Set = "services6"  // the same for IPv6
	egressMap    = "egress"     // device to the chain of what its port may send
	ingressMap   = "ingress"    // device to the chain of what its port may receive
	exitsSet     = "exits"      // device, address: what may leave the VPC
	publicMap    = "public"     // public to private address
	privateMap   = "private"    // private to public address
)

// Chains that are no base chains.
const (
	sources6Chain   = "sources6"
	send6Chain      = "send6" // what has a true source, in IPv6
	neighboursChain = "neighbours"
	claimsChain     = "claims"
	servicesChain   = "services"
	input6Chain     = "input6"
	services6Chain  = "services6"
	leaveChain      = "leave"   // asks the ACL of the sender's subnet
	enterChain      = "enter"   // asks the ACL of the receiver's subnet
	knownChain      = "known"   // what belongs to a flow that was let through
	receiveChain    = "receive" // what was let out by its sender's groups
	refusedOut      = "refused-out"
	refusedIn       = "refused-in"
)

// vpcTables are the rules of a VPC's namespace.
func vpcTables(v network.VPC) []*table {
	return []*table{forwarding(v), resolution(v)}
}

// forwarding holds the groups, the ACLs, the router's own firewall and the translation of
// public addresses.
func forwarding(v network.VPC) *table {
	t := newTable(nftables.TableFamilyINet, rulesName)
	addSources(t, v)
	addInput(t, v)
	addPublic(t, v)
	addLists(t, v)
	addGroups(t, v)
	addNATs(t, v)
	addPeerRules(t, v)
	addOutside6(t, v)
	addMarks(t, v)
	addForward(t, addACLs(t, v), addLogs(t, v))

	nat := func(point *nftables.ChainHook, priority *nftables.ChainPriority) hook {
		return hook{nftables.ChainTypeNAT, *point, *priority, nftables.ChainPolicyAccept}
	}
	link := deviceName(linkDevice)
	t.base("dnat", nat(nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest),
		when(ipVersion.is(unix.NFPROTO_IPV4), inDevice.is(link...), translate(expr.NATTypeDestNAT, destination, publicMap)))
	t.base("snat", nat(nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource),
		when(ipVersion.is(unix.NFPROTO_IPV4), outDevice.is(link...), translate(expr.NATTypeSourceNAT, source, privateMap)))
	return t
}

// addForward decides about packets between ports, and to and from the outside: the
// sender's side first, then the receiver's. ACLs are asked about every packet, groups about
// the first of a flow.
func addForward(t *table, acls bool, logs logging) {
	link := deviceName(linkDevice)
	var leave, enter, sent []rule
	if acls {
		leave, enter = []rule{when(jump(leaveChain))}, []rule{when(jump(enterChain))}
	}
	if logs.Accepted {
		sent = []rule{note(acceptedLog, "out")}
	}
	pass := accept()
	if acls || logs.Accepted {
		pass = goTo(knownChain)
		t.chain(knownChain, slices.Concat(sent, enter, []rule{when(accept())})...)
	}
	t.base("forward", filterAt(nftables.ChainHookForward, *nftables.ChainPriorityFilter, nftables.ChainPolicyDrop),
		slices.Concat(leave, []rule{
			when(tracked(known), pass),
			when(tracked(invalid), drop()),
			when(tracked(untracked), drop()), // such as neighbour discovery, which stays on its link
			when(inDevice.is(link...), ipVersion.is(unix.NFPROTO_IPV6), goTo(arrive6)),
			when(inDevice.is(link...), goTo(receiveChain)),
			when(in(peersSet, inDevice), goTo(receiveChain)),
			when(verdictOf(egressMap, inDevice)),
			when(goTo(refusedOut)),
		})...)
	t.chain(receiveChain, slices.Concat(sent, enter, []rule{
		when(verdictOf(ingressMap, outDevice)),
		when(ipVersion.is(unix.NFPROTO_IPV4), outDevice.is(link...), in(exitsSet, inDevice, source), accept()),
		when(ipVersion.is(unix.NFPROTO_IPV6), outDevice.is(link...), in(exits6Set, inDevice), accept()),
		when(in(peersSet, outDevice), in(tablesMap, inDevice), accept()), // what a port sends, by its table
		when(goTo(refusedIn)),
	})...)
	for chain, way := range map[string]string{refusedOut: "out", refusedIn: "in"} {
		var refused []rule
		if logs.Rejected {
			refused = []rule{note(rejectedLog, way)}
		}
		t.chain(chain, append(refused, when(drop()))...)
	}
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

// eachPublic calls f for every address with a public one that works: its subnet
// leads to the internet.
func eachPublic(v network.VPC, f func(network.Port, network.Address)) {
	internet := make(map[string]bool)
	for _, s := range v.Subnets {
		internet[s.ID] = leaves(v, s, true)
	}
	for _, p := range v.Ports {
		for _, a := range p.Addresses {
			if a.Public.IsValid() && internet[p.Subnet] {
				f(p, a)
			}
		}
	}
}
