package network

import (
	"fmt"
	"net/netip"
	"regexp"
)

// name is the form of every ID here: outside names (namespaces, chains) are made of them.
var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// ValidName reports whether id can name a VPC, subnet, port or group: a small
// letter, then small letters, digits and dashes, 31 characters at most.
func ValidName(id string) bool { return name.MatchString(id) }

// ResolverOf is the address of the resolver that the router of a range answers
// at: its base plus two.
func ResolverOf(cidr netip.Prefix) netip.Addr { return cidr.Masked().Addr().Next().Next() }

// Validate returns why no driver can make the VPC, or nil. Only IPv4 is carried.
func (v VPC) Validate() error {
	if !ValidName(v.ID) {
		return fmt.Errorf("VPC ID %q is not a name", v.ID)
	}
	for i, c := range v.CIDRs {
		if err := validRange(c); err != nil {
			return err
		}
		for _, o := range v.CIDRs[:i] {
			if o.Overlaps(c) {
				return fmt.Errorf("ranges %s and %s overlap", o, c)
			}
		}
	}
	subnets, err := v.validSubnets()
	if err != nil {
		return err
	}
	groups, err := v.validGroups()
	if err != nil {
		return err
	}
	return v.validPorts(subnets, groups)
}

// validRange accepts what can be routed between guests.
func validRange(p netip.Prefix) error {
	if !p.IsValid() || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 8 || p.Bits() > 28 {
		return fmt.Errorf("%s is not an IPv4 range of /8 to /28", p)
	}
	for _, reserved := range []string{"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"} {
		if netip.MustParsePrefix(reserved).Overlaps(p) {
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
		if err := validRange(s.Prefix); err != nil {
			return nil, fmt.Errorf("subnet %s: %w", s.ID, err)
		}
		if !s.Prefix.Contains(s.Router) {
			return nil, fmt.Errorf("subnet %s: router %s is not in %s", s.ID, s.Router, s.Prefix)
		}
		inside := false
		for _, c := range v.CIDRs {
			inside = inside || c.Bits() <= s.Prefix.Bits() && c.Contains(s.Prefix.Addr())
		}
		if !inside {
			return nil, fmt.Errorf("subnet %s: %s is in no range of the VPC", s.ID, s.Prefix)
		}
		for _, o := range v.Subnets[:i] {
			if o.Prefix.Overlaps(s.Prefix) {
				return nil, fmt.Errorf("subnets %s and %s overlap", o.ID, s.ID)
			}
		}
		subnets[s.ID] = s
	}
	return subnets, nil
}

func (v VPC) validGroups() (map[string]bool, error) {
	groups := make(map[string]bool, len(v.Groups))
	for _, g := range v.Groups {
		if !ValidName(g.ID) {
			return nil, fmt.Errorf("group ID %q is not a name", g.ID)
		}
		if groups[g.ID] {
			return nil, fmt.Errorf("group %s is there twice", g.ID)
		}
		groups[g.ID] = true
		for _, rules := range [][]Rule{g.Ingress, g.Egress} {
			for _, r := range rules {
				if err := r.validate(); err != nil {
					return nil, fmt.Errorf("group %s: %w", g.ID, err)
				}
			}
		}
	}
	return groups, nil
}

func (r Rule) validate() error {
	top := 65535
	if r.Protocol == 1 || r.Protocol == 58 {
		top = 255
	}
	switch {
	case r.Protocol < -1 || r.Protocol > 255:
		return fmt.Errorf("%d is not an IP protocol", r.Protocol)
	case r.From < -1 || r.From > top || r.To < -1 || r.To > top:
		return fmt.Errorf("%d to %d is not a range of protocol %d", r.From, r.To, r.Protocol)
	case (r.Protocol == 6 || r.Protocol == 17) && (r.From > r.To || r.From == -1 && r.To != -1):
		return fmt.Errorf("ports %d to %d are not a range", r.From, r.To)
	case ends(r) != 1:
		return fmt.Errorf("a rule names a range, a group or a list")
	case r.Group != "" && !ValidName(r.Group):
		return fmt.Errorf("group ID %q is not a name", r.Group)
	}
	return nil
}

func (v VPC) validPorts(subnets map[string]Subnet, groups map[string]bool) error {
	ids := make(map[string]bool, len(v.Ports))
	macs := make(map[string]string, len(v.Ports))
	addrs := make(map[netip.Addr]string, len(v.Ports)+2*len(subnets))
	for _, c := range v.CIDRs {
		addrs[ResolverOf(c)] = "the resolver"
	}
	for _, s := range subnets {
		addrs[s.Router] = "the router"
	}
	for _, p := range v.Ports {
		if !ValidName(p.ID) {
			return fmt.Errorf("port ID %q is not a name", p.ID)
		}
		if ids[p.ID] {
			return fmt.Errorf("port %s is there twice", p.ID)
		}
		ids[p.ID] = true
		subnet, known := subnets[p.Subnet]
		if !known {
			return fmt.Errorf("port %s: subnet %q is not in the plan", p.ID, p.Subnet)
		}
		if len(p.MAC) != 6 || p.MAC[0]&1 != 0 || [6]byte(p.MAC) == [6]byte{} {
			return fmt.Errorf("port %s: %q is not the MAC address of a card", p.ID, p.MAC)
		}
		if other, taken := macs[string(p.MAC)]; taken {
			return fmt.Errorf("ports %s and %s have the same MAC address", other, p.ID)
		}
		macs[string(p.MAC)] = p.ID
		for _, g := range p.Groups {
			if !groups[g] {
				return fmt.Errorf("port %s: group %q is not in the plan", p.ID, g)
			}
		}
		if err := p.validAddresses(subnet, addrs); err != nil {
			return fmt.Errorf("port %s: %w", p.ID, err)
		}
	}
	return nil
}

// validAddresses checks the port's addresses against those that are taken, and
// adds them.
func (p Port) validAddresses(subnet Subnet, taken map[netip.Addr]string) error {
	if len(p.Addresses) == 0 {
		return fmt.Errorf("no address")
	}
	for _, a := range p.Addresses {
		if !subnet.Prefix.Contains(a.Private) {
			return fmt.Errorf("address %s is not in %s", a.Private, subnet.Prefix)
		}
		if a.Public.IsValid() && !a.Public.Is4() {
			return fmt.Errorf("public address %s is not IPv4", a.Public)
		}
		for _, x := range []netip.Addr{a.Private, a.Public} {
			if owner, is := taken[x]; is {
				return fmt.Errorf("address %s belongs to %s", x, owner)
			}
			if x.IsValid() {
				taken[x] = p.ID
			}
		}
	}
	return nil
}

// ends counts the other ends that a rule names.
func ends(r Rule) (n int) {
	for _, named := range []bool{r.Prefix.IsValid(), r.Group != "", r.List != ""} {
		if named {
			n++
		}
	}
	return n
}
