package ec2

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// rangeRequest is what requests say of the ranges of a VPC.
type rangeRequest struct {
	cidr, cidr6 *string
	provided    *bool   // a range of the cloud's IPv6 pool
	group       *string // network border group of that range
	ipam        []*string
	lengths     []*int32
}

// check refuses what is not available, and returns the IPv4 range, zero for none.
func (q rangeRequest) check(s *Service) (netip.Prefix, error) {
	var none netip.Prefix
	switch {
	case slices.ContainsFunc(q.ipam, func(p *string) bool { return val(p) != "" }) || slices.ContainsFunc(q.lengths, func(n *int32) bool { return n != nil }):
		return none, unsupported("Address pools of IPAM are not available. Name an IPv4 range, or ask for an IPv6 range of the cloud's own pool with AmazonProvidedIpv6CidrBlock.")
	case val(q.cidr6) != "":
		return none, unsupported("IPv6 ranges are of the cloud's own pool. Ask for one with AmazonProvidedIpv6CidrBlock.")
	case val(q.provided) && !s.IPv6Pool.IsValid():
		return none, unsupported("This cloud has no IPv6 pool.")
	}
	if err := s.checkBorderGroup(q.group); err != nil {
		return none, err
	}
	if val(q.cidr) == "" {
		return none, nil
	}
	return parseRange("cidrBlock", *q.cidr, false)
}

// parseRange reads a range that a parameter names; bits behind the prefix are cleared.
func parseRange(parameter, cidr string, v6 bool) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Addr().Is6() != v6 || p.Addr().Is4In6() {
		return p, invalid(parameter, cidr, "This is not a valid CIDR block.")
	}
	return p.Masked(), nil
}

// unroutable are ranges that no network can have.
var unroutable = prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")

func prefixes(words ...string) []netip.Prefix { return each(words, netip.MustParsePrefix) }

func overlaps(list []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(list, p.Overlaps)
}

// checkVPCRange refuses ranges that no VPC can have.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
func checkVPCRange(p netip.Prefix) error {
	if p.Bits() < 16 || p.Bits() > 28 || overlaps(unroutable, p) {
		return cloud.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", p)
	}
	return nil
}

// private are the ranges of RFC 1918.
var private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

// checkAnotherRange refuses a range that a VPC with others may not have.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions
func checkAnotherRange(r store.Reader, v cloud.VPC, p netip.Prefix) error {
	if err := checkVPCRange(p); err != nil {
		return err
	}
	area := func(q netip.Prefix) int { return slices.IndexFunc(private, q.Overlaps) }
	have := each(v.CIDRs, func(c cloud.CIDRBlock) netip.Prefix { return c.Prefix })
	first, low := area(have[0]), prefixes("10.0.0.0/15", "10.0.0.0/16")
	switch {
	case overlaps(have, p):
		return cloud.Errorf("InvalidVpc.Range", "The CIDR '%s' conflicts with another CIDR block of the VPC.", p)
	case area(p) >= 0 && area(p) != first, overlaps(prefixes("198.19.0.0/16"), p),
		first == 1 && overlaps(prefixes("172.31.0.0/16"), p),
		overlaps(have, low[0]) && p.Overlaps(low[1]):
		return cloud.Errorf("InvalidVpc.Range", "The CIDR '%s' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, "+
			"or use a publicly-routable CIDR. For additional restrictions, see https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html", p)
	}
	for t := range routeTable.Select(r, "vpc/"+v.ID) {
		for _, route := range t.Routes {
			if d := route.Destination; d.IsValid() && p.Overlaps(d) && p.Bits() <= d.Bits() {
				return cloud.Errorf("InvalidVpc.Range", "The CIDR '%s' is the same as or larger than the destination %s of a route in %s.", p, d, t.ID)
			}
		}
	}
	return checkPeers(r, v, p)
}

// checkPeers refuses a range that a peered VPC has.
func checkPeers(r store.Reader, v cloud.VPC, p netip.Prefix) error {
	for c := range peeringTable.Select(r, "vpc/"+v.ID) {
		if c.State != cloud.PeeringActive {
			continue
		}
		other, _ := vpcTable.Get(r, c.Other(v.ID).VPC)
		if slices.ContainsFunc(other.CIDRs, func(b cloud.CIDRBlock) bool { return b.Prefix.Overlaps(p) }) {
			return cloud.Errorf("InvalidVpc.Range", "The CIDR '%s' overlaps with a CIDR of the VPC of %s.", p, c.ID)
		}
	}
	return nil
}

// addRange gives a VPC another IPv4 range.
func (s *Service) addRange(tx *store.Tx, v cloud.VPC, p netip.Prefix) (cloud.CIDRBlock, error) {
	if err := withinRanges(s.Limits.Ranges, v.ID, v.CIDRs); err != nil {
		return cloud.CIDRBlock{}, err
	}
	if err := checkAnotherRange(tx, v, p); err != nil {
		return cloud.CIDRBlock{}, err
	}
	block := cloud.CIDRBlock{Association: s.NewID("vpc-cidr-assoc"), Prefix: p}
	err := vpcTable.Modify(tx, v.ID, func(v *cloud.VPC) error { v.CIDRs = append(v.CIDRs, block); return nil })
	return block, cmp.Or(err, addLocal(tx, v.ID, p))
}

func withinRanges(limit int, vpc string, have []cloud.CIDRBlock) error {
	if limit > 0 && len(have) >= limit {
		return cloud.Errorf("CidrLimitExceeded", "This network '%s' has met its maximum number of allowed CIDRs: %d", vpc, limit)
	}
	return nil
}

// addRange6 gives a VPC a /56 of the cloud's IPv6 pool. Default network ACLs and
// groups whose outbound rules are still those of their start let IPv6 pass from then on.
func (s *Service) addRange6(tx *store.Tx, v cloud.VPC) (cloud.CIDRBlock, error) {
	if err := withinRanges(s.Limits.Ranges, v.ID, v.CIDRs6); err != nil {
		return cloud.CIDRBlock{}, err
	}
	count := 1 << min(24, max(0, 56-s.IPv6Pool.Bits()))
	at, err := claimOne(tx, cloud.VPCRanges6, count, v.ID, func(n int) string { return range6(s.IPv6Pool, n, 56).String() })
	if errors.Is(err, errAllClaimed) {
		err = cloud.Errorf("InsufficientAddressCapacity", "There are no free IPv6 ranges left in the cloud's pool.")
	}
	if err != nil {
		return cloud.CIDRBlock{}, err
	}
	block := cloud.CIDRBlock{Association: s.NewID("vpc-cidr-assoc"), Prefix: range6(s.IPv6Pool, at, 56)}
	err = vpcTable.Modify(tx, v.ID, func(v *cloud.VPC) error { v.CIDRs6 = append(v.CIDRs6, block); return nil })
	if err = cmp.Or(err, addLocal(tx, v.ID, block.Prefix)); err != nil {
		return block, err
	}
	for a := range aclTable.Select(tx, "vpc/"+v.ID) {
		if a.Default {
			if err := aclTable.Modify(tx, a.ID, func(a *cloud.NetworkACL) error { a.LetIPv6Pass(); return nil }); err != nil {
				return block, err
			}
		}
	}
	for g := range groupTable.Select(tx, "vpc/"+v.ID) {
		if err := s.letIPv6Out(tx, g); err != nil {
			return block, err
		}
	}
	return block, nil
}

// range6 is the n-th range of so many bits, at most 64, in a larger one.
func range6(whole netip.Prefix, n, bits int) netip.Prefix {
	b := whole.Masked().Addr().As16()
	for i := 7; i >= 0; i-- {
		b[i] |= byte(uint64(n) << (64 - bits) >> (8 * (7 - i)))
	}
	return netip.PrefixFrom(netip.AddrFrom16(b), bits)
}

// letIPv6Out adds the rule that lets all IPv6 out to a group whose only outbound rule
// is that for IPv4.
func (s *Service) letIPv6Out(tx *store.Tx, g cloud.SecurityGroup) error {
	out := slices.DeleteFunc(slices.Clone(g.Rules), func(r cloud.Rule) bool { return !r.Egress })
	if len(out) != 1 || out[0].Protocol != "-1" || out[0].Prefix != everywhere {
		return nil
	}
	return groupTable.Modify(tx, g.ID, func(g *cloud.SecurityGroup) error {
		g.Rules = append(g.Rules, cloud.Rule{
			ID: s.NewID("sgr"), Egress: true, Protocol: "-1", FromPort: allPorts, ToPort: allPorts, Prefix: netip.MustParsePrefix("::/0"),
		})
		return nil
	})
}

// addLocal adds a range of a VPC to its route tables, before all but other local routes.
func addLocal(tx *store.Tx, vpc string, p netip.Prefix) error {
	return editTables(tx, vpc, func(t *cloud.RouteTable) {
		at := 0
		for at < len(t.Routes) && t.Routes[at].Target == localTarget {
			at++
		}
		t.Routes = slices.Insert(t.Routes, at, cloud.Route{Destination: p, Target: localTarget, Origin: originTable})
	})
}

// editTables edits all route tables of a VPC.
func editTables(tx *store.Tx, vpc string, edit func(*cloud.RouteTable)) error {
	for t := range routeTable.Select(tx, "vpc/"+vpc) {
		if err := routeTable.Modify(tx, t.ID, func(t *cloud.RouteTable) error { edit(t); return nil }); err != nil {
			return err
		}
	}
	return nil
}
