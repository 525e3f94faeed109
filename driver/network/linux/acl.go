package linux

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	entering, leaving = "-enter", "-leave" // of chains; the ACL's ID comes before
	subnetMap         = "subnets"          // device to the base of its port's subnet
	neighboursSet     = "neighbours"       // base of a subnet, device of a port in it
	enterMap          = "enter"            // device to the chain of what may enter its subnet
	leaveMap          = "leave"            // device to the chain of what may leave its subnet
)

// addACLs makes two chains an ACL that drops anything, which are asked about every
// packet that crosses the edge of a subnet. It returns whether there is such an ACL.
func addACLs(t *table, v network.VPC) bool {
	enter, leave := map[string]string{}, map[string]string{}
	six := hasIPv6(v)
	for _, a := range v.ACLs {
		if !open(a.Ingress, six) {
			enter[a.ID] = a.ID + entering
			t.chain(a.ID+entering, entries(a.Ingress, sender, refusedIn)...)
		}
		if !open(a.Egress, six) {
			leave[a.ID] = a.ID + leaving
			t.chain(a.ID+leaving, entries(a.Egress, receiver, refusedOut)...)
		}
	}
	if len(enter)+len(leave) == 0 {
		return false
	}
	addEdges(t, v, enter, leave)
	for chain, names := range map[string]string{enterChain: enterMap, leaveChain: leaveMap} {
		device := outDevice
		if chain == leaveChain {
			device = inDevice
		}
		t.chain(chain, when(sameSubnet(), verdict(expr.VerdictReturn, "")), when(verdictOf(names, device)))
	}
	return true
}

// addEdges says which subnet each device is in, and which chains are asked there.
func addEdges(t *table, v network.VPC, enter, leave map[string]string) {
	bases := t.mapping(subnetMap, nftables.TypeIPAddr, nftables.TypeIFName)
	neighbours := t.set(neighboursSet, nftables.TypeIPAddr, nftables.TypeIFName)
	enters := t.mapping(enterMap, nftables.TypeVerdict, nftables.TypeIFName)
	leaves := t.mapping(leaveMap, nftables.TypeVerdict, nftables.TypeIFName)
	subnets := make(map[string]network.Subnet, len(v.Subnets))
	for _, s := range v.Subnets {
		subnets[s.ID] = s
	}
	for _, p := range v.Ports {
		s, dev := subnets[p.Subnet], deviceName(portDevice(p.ID))
		base := s.Prefix.Masked().Addr().AsSlice()
		bases.elements[key(dev)] = key(base)
		neighbours.elements[key(base, dev)] = ""
		if chain, is := enter[s.ACL]; is {
			enters.elements[key(dev)] = chain
		}
		if chain, is := leave[s.ACL]; is {
			leaves.elements[key(dev)] = chain
		}
	}
}

// sameSubnet matches packets from a port to one of its own subnet.
func sameSubnet() []expr.Any {
	return []expr.Any{
		inDevice.load(0),
		&expr.Lookup{SourceRegister: register(0), DestRegister: register(0), IsDestRegSet: true, SetName: subnetMap},
		outDevice.load(1),
		&expr.Lookup{SourceRegister: register(0), SetName: neighboursSet},
	}
}

// entries returns from the chain for what the first entry that matches allows, and
// goes to refused for all else.
func entries(list []network.Entry, other end, refused string) []rule {
	rules := make([]rule, 0, len(list)+1)
	for _, e := range list {
		then := goTo(refused)
		if e.Allow {
			then = verdict(expr.VerdictReturn, "")
		}
		rules = append(rules, when(other.within(e.Prefix), traffic(e.Protocol, e.From, e.To), then))
	}
	return append(rules, when(goTo(refused)))
}

// open reports whether the entries let everything pass.
func open(entries []network.Entry, six bool) bool {
	return opens(entries, true) && (!six || opens(entries, false))
}

// opens reports whether the first entry about IPv4, or IPv6, allows everything.
func opens(entries []network.Entry, four bool) bool {
	for _, e := range entries {
		if e.Prefix.Addr().Is4() == four {
			return e.Allow && e.Protocol < 0 && e.Prefix.Bits() == 0
		}
	}
	return false
}

func hasIPv6(v network.VPC) bool {
	for _, c := range v.CIDRs {
		if c.Addr().Is6() {
			return true
		}
	}
	return false
}

// within matches packets whose end is in the range.
func (e end) within(p netip.Prefix) []expr.Any {
	if p.Addr().Is4() {
		return when(ipVersion.is(unix.NFPROTO_IPV4), e.v4.within(p))
	}
	return when(ipVersion.is(unix.NFPROTO_IPV6), e.v6.within(p))
}
