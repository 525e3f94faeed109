package linux

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	entering, leaving = "-enter", "-leave" // of chains; an ACL's or a subnet's ID comes before
	portsPrefix       = "ports-"           // of sets of devices; the subnet's ID follows
	enterMap          = "enter"            // device to the chain of what may enter its subnet
	leaveMap          = "leave"            // device to the chain of what may leave its subnet
)

// addACLs makes two chains an ACL that drops anything, which are asked about every
// packet that crosses the edge of a subnet. It returns whether there is such an ACL.
func addACLs(t *table, v network.VPC) bool {
	enter, leave := map[string]bool{}, map[string]bool{} // by ACL
	six := hasIPv6(v)
	for _, a := range v.ACLs {
		if !open(a.Ingress, six) {
			enter[a.ID] = true
			t.chain(a.ID+entering, entries(a.Ingress, sender, refusedIn)...)
		}
		if !open(a.Egress, six) {
			leave[a.ID] = true
			t.chain(a.ID+leaving, entries(a.Egress, receiver, refusedOut)...)
		}
	}
	if len(enter)+len(leave) == 0 {
		return false
	}
	addEdges(t, v, enter, leave)
	t.chain(enterChain, when(verdictOf(enterMap, outDevice)))
	t.chain(leaveChain, when(verdictOf(leaveMap, inDevice)))
	return true
}

// addEdges makes the chains of subnets, which ask an ACL about what is not from, or for, another
// port of the subnet, and says which of them are asked about a device.
func addEdges(t *table, v network.VPC, enter, leave map[string]bool) {
	enters := t.mapping(enterMap, nftables.TypeVerdict, nftables.TypeIFName)
	leaves := t.mapping(leaveMap, nftables.TypeVerdict, nftables.TypeIFName)
	for _, s := range v.Subnets {
		if !enter[s.ACL] && !leave[s.ACL] {
			continue
		}
		name := portsPrefix + s.ID
		ports := t.set(name, nftables.TypeIFName)
		if enter[s.ACL] {
			t.chain(s.ID+entering, when(in(name, inDevice), verdict(expr.VerdictReturn, "")), when(jump(s.ACL+entering)))
		}
		if leave[s.ACL] {
			t.chain(s.ID+leaving, when(in(name, outDevice), verdict(expr.VerdictReturn, "")), when(jump(s.ACL+leaving)))
		}
		for _, p := range v.Ports {
			if p.Subnet != s.ID {
				continue
			}
			dev := key(deviceName(portDevice(p.ID)))
			ports.elements[dev] = ""
			if enter[s.ACL] {
				enters.elements[dev] = s.ID + entering
			}
			if leave[s.ACL] {
				leaves.elements[dev] = s.ID + leaving
			}
		}
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
