package network

import (
	"fmt"
	"net/netip"
)

// nobodys are ranges that are not for guests.
var nobodys = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/8"), netip.MustParsePrefix("fe80::/9"), netip.MustParsePrefix("ff00::/8"),
	netip.PrefixFrom(Metadata6, 32).Masked(),
}

// validRange accepts what can be routed between guests.
func validRange(p netip.Prefix) error {
	if !p.IsValid() || p != p.Masked() {
		return fmt.Errorf("%s is not a range", p)
	}
	if p.Addr().Is4() && (p.Bits() < 8 || p.Bits() > 28) {
		return fmt.Errorf("%s is not an IPv4 range of /8 to /28", p)
	}
	if p.Addr().Is6() && (p.Bits() < 32 || p.Bits() > 64) {
		return fmt.Errorf("%s is not an IPv6 range of /32 to /64", p)
	}
	for _, reserved := range nobodys {
		if reserved.Overlaps(p) {
			return fmt.Errorf("%s is in %s, which is nobody's", p, reserved)
		}
	}
	return nil
}

func (v VPC) validSubnets() (map[string]Subnet, error) {
	subnets := make(map[string]Subnet, len(v.Subnets))
	for i, s := range v.Subnets {
		if !ValidName(s.ID) {
			return nil, fmt.Errorf("subnet ID %q is not a name", s.ID)
		}
		if _, twice := subnets[s.ID]; twice {
			return nil, fmt.Errorf("subnet %s is there twice", s.ID)
		}
		if !s.Prefix.Addr().Is4() {
			return nil, fmt.Errorf("subnet %s: %s is not an IPv4 range", s.ID, s.Prefix)
		}
		if s.Prefix6.IsValid() && !s.Prefix6.Addr().Is6() {
			return nil, fmt.Errorf("subnet %s: %s is not an IPv6 range", s.ID, s.Prefix6)
		}
		for _, p := range s.ranges() {
			if err := v.validSubnetRange(p, v.Subnets[:i]); err != nil {
				return nil, fmt.Errorf("subnet %s: %w", s.ID, err)
			}
		}
		if !s.Prefix.Contains(s.Router) {
			return nil, fmt.Errorf("subnet %s: router %s is not in %s", s.ID, s.Router, s.Prefix)
		}
		subnets[s.ID] = s
	}
	return subnets, nil
}

// ranges are the subnet's one or two.
func (s Subnet) ranges() []netip.Prefix {
	if s.Prefix6.IsValid() {
		return []netip.Prefix{s.Prefix, s.Prefix6}
	}
	return []netip.Prefix{s.Prefix}
}

// validSubnetRange checks a range against the VPC's, and those of other subnets.
func (v VPC) validSubnetRange(p netip.Prefix, others []Subnet) error {
	if err := validRange(p); err != nil {
		return err
	}
	inside := false
	for _, c := range v.CIDRs {
		inside = inside || c.Bits() <= p.Bits() && c.Contains(p.Addr())
	}
	if !inside {
		return fmt.Errorf("%s is in no range of the VPC", p)
	}
	for _, o := range others {
		for _, taken := range o.ranges() {
			if taken.Overlaps(p) {
				return fmt.Errorf("%s overlaps with subnet %s", p, o.ID)
			}
		}
	}
	return nil
}
