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

const (
	memberPrefix    = "members-"  // of sets; the group's ID follows
	member6Prefix   = "members6-" // the same for IPv6
	inward, outward = "-in", "-out"
)

// addGroups makes two chains a group: what goes on when a port of the group
// sends it, and what is accepted when it is sent to one. Ports of several groups
// that are the same share two more, which try each group.
func addGroups(t *table, v network.VPC) {
	ingress := t.mapping(ingressMap, nftables.TypeVerdict, nftables.TypeIFName)
	egress := t.mapping(egressMap, nftables.TypeVerdict, nftables.TypeIFName)
	for _, g := range v.Groups {
		t.chain(g.ID+inward, groupRules(t, g.Ingress, sender, accept())...)
		t.chain(g.ID+outward, groupRules(t, g.Egress, receiver, goTo(receiveChain))...)
	}
	for _, g := range v.Groups {
		for _, a := range g.Members {
			addMember(t, g.ID, a)
		}
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
			for _, a := range p.Addresses {
				addMember(t, g, a.Private)
			}
			for _, a := range p.Addresses6 {
				addMember(t, g, a)
			}
		}
	}
}

// addMember adds an address to the members of a group, if rules name it.
func addMember(t *table, group string, a netip.Addr) {
	prefix := memberPrefix
	if a.Is6() {
		prefix = member6Prefix
	}
	if members := t.sets[prefix+group]; members != nil {
		members.elements[key(a.AsSlice())] = ""
	}
}

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

// groupRules encodes rules about the other end. A group that is named as the other
// end gets a set of its members, so that a new member is one element, wherever the
// group is named; so does a list.
func groupRules(t *table, rules []network.Rule, other end, then []expr.Any) []rule {
	var encoded []rule
	for _, r := range rules {
		for _, match := range matches(t, r, other) {
			encoded = append(encoded, when(match, traffic(r.Protocol, r.From, r.To), then))
		}
	}
	return encoded
}

// matches are the alternatives that a rule means by its other end.
func matches(t *table, r network.Rule, other end) [][]expr.Any {
	switch {
	case r.Group != "":
		if t.sets[memberPrefix+r.Group] == nil {
			t.set(memberPrefix+r.Group, nftables.TypeIPAddr)
			t.set(member6Prefix+r.Group, nftables.TypeIP6Addr)
		}
		return [][]expr.Any{
			when(ipVersion.is(unix.NFPROTO_IPV4), in(memberPrefix+r.Group, other.v4)),
			when(ipVersion.is(unix.NFPROTO_IPV6), in(member6Prefix+r.Group, other.v6)),
		}
	case r.List != "":
		return [][]expr.Any{in(listPrefix+r.List, ipVersion, other.v4), in(list6Prefix+r.List, ipVersion, other.v6)}
	default:
		return [][]expr.Any{other.within(r.Prefix)}
	}
}

// traffic matches a protocol and ports, or type and code.
func traffic(proto, from, to int) []expr.Any {
	if proto < 0 {
		return nil
	}
	match := protocol.is(byte(proto))
	switch proto {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP:
		if from < 0 || from == 0 && to == 65535 {
			return match
		}
		return append(match, toPort.between(uint16(from), uint16(to))...)
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		if from >= 0 {
			match = append(match, icmpType.is(byte(from))...)
		}
		if from >= 0 && to >= 0 {
			match = append(match, icmpCode.is(byte(to))...)
		}
	}
	return match
}
