// Package networktest is the conformance suite of network drivers: what every
// engine guarantees, checked with real packets where the engine carries any.
//
// A test's guests are network namespaces whose only card is fed by the port's
// tap, frame by frame, as a virtual machine's would be. So is the host that the
// driver under test works on: nothing touches the machine's own network. Guests,
// hosts and elsewhere have no names and end with the process.
package networktest

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Bench makes clouds to test with.
type Bench struct {
	// New returns a cloud without VPCs on the host, which is the path of a network
	// namespace (empty if simulated), with pools of public addresses, and of ranges of
	// IPv6, of its own. It cleans up after the test, whatever state that left.
	New func(t *testing.T, host string, pool, pool6 netip.Prefix) Cloud
	// Simulated says that the engine carries no packets: only what does not need
	// them is tested.
	Simulated bool
}

// Cloud is what is under test.
type Cloud struct {
	network.Driver
	// Reopen returns another driver of the same cloud, as a restart of its process would.
	Reopen func() network.Driver
	// Damage is what somebody with the host's root might do to a VPC, by name.
	Damage map[string]Damage
	// Traces returns what is there of the cloud outside of its process.
	Traces func() ([]string, error)
}

// Damage is something done to a VPC behind the driver's back.
type Damage struct {
	Do func(vpcID string) error
	// Forgotten says that only the process that made the VPC can undo it without
	// the guests noticing.
	Forgotten bool
}

// Run runs the suite. Subtests run in parallel, each on its own host.
func Run(t *testing.T, b Bench) {
	tests := map[string]func(*world){
		"Life": life, "Refusals": refusals, "Parallel": parallel, "Sockets": sockets,
	}
	if !b.Simulated {
		maps.Copy(tests, map[string]func(*world){
			"Groups": groups, "References": references, "RuleChanges": ruleChanges, "Established": established, "Egress": egress, "NoGap": noGap, "NoGapAtEdges": noGapAtEdges,
			"Public": public, "Hairpin": hairpin, "PublicChanges": publicChanges, "Pool": pool, "Host": hostIsClosed,
			"ACLs": acls, "ACLChanges": aclChanges, "Fragments": fragments, "Lists": lists, "MembersBeyond": membersBeyond, "Flows": flows, "Flows6": flows6, "FlowFlood": flowFlood, "Pieces": pieces,
			"Groups6": groups6, "Services6": services6, "Forgery6": forgery6, "Solicitations": solicitations, "Matrix": matrix,
			"Routes": routes, "Services by route": serviceRoute, "Routers": routers, "NAT": nats, "NATFlows": natFlows, "PrivateNAT": privateNAT,
			"Peers": peers, "PeersApart": peersApart, "Outside6": outside6, "Overlap": overlap, "TwoClouds": twoClouds,
			"Forgery": forgery, "AnySource": anySource, "Services": services, "DHCP": dhcp,
			"Unused": unused, "MTU": mtu, "SeveralAddresses": severalAddresses,
			"Repair": repair, "Restart": restart, "Taps": taps, "MovedAddress": movedAddress, "Many": many,
		})
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newWorld(t, b))
		})
	}
}

// must ends the test if there is an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
