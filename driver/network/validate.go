package network

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

// name is the form of every ID here: outside names (namespaces, chains) are made of them.
var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// ValidName reports whether id can name a VPC or something in it: a small
// letter, then small letters, digits and dashes, 31 characters at most.
func ValidName(id string) bool { return name.MatchString(id) }

// ResolverOf is the address of the resolver that the router of a range answers
// at: its base plus two, in IPv4.
func ResolverOf(cidr netip.Prefix) netip.Addr { return cidr.Masked().Addr().Next().Next() }

// Validate returns why no driver can make the VPC, or nil.
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
	lists, err := v.validLists()
	if err != nil {
		return err
	}
	groups, err := v.validGroups(lists)
	if err != nil {
		return err
	}
	if err := v.validPorts(subnets, groups); err != nil {
		return err
	}
	if err := v.validACLs(); err != nil {
		return err
	}
	return v.validRoutes()
}

func (v VPC) validGroups(lists map[string]bool) (map[string]bool, error) {
	groups := make(map[string]bool, len(v.Groups))
	for _, g := range v.Groups {
		if !ValidName(g.ID) {
			return nil, fmt.Errorf("group ID %q is not a name", g.ID)
		}
		if groups[g.ID] {
			return nil, fmt.Errorf("group %s is there twice", g.ID)
		}
		groups[g.ID] = true
		for _, r := range slices.Concat(g.Ingress, g.Egress) {
			if err := r.validate(lists); err != nil {
				return nil, fmt.Errorf("group %s: %w", g.ID, err)
			}
		}
		for _, m := range g.Members {
			if !m.IsValid() || m.Zone() != "" || m.Is4In6() {
				return nil, fmt.Errorf("group %s: member %s is not an address", g.ID, m)
			}
		}
	}
	return groups, nil
}

func (r Rule) validate(lists map[string]bool) error {
	switch {
	case ends(r) != 1:
		return fmt.Errorf("a rule names a range, a group or a list")
	case r.Group != "" && !ValidName(r.Group):
		return fmt.Errorf("group ID %q is not a name", r.Group)
	case r.List != "" && !lists[r.List]:
		return fmt.Errorf("list %q is not in the plan", r.List)
	}
	return validTraffic(r.Protocol, r.From, r.To)
}

// validTraffic checks a protocol and its ports, or type and code.
func validTraffic(protocol, from, to int) error {
	top := 65535
	if protocol == 1 || protocol == 58 {
		top = 255
	}
	switch {
	case protocol < -1 || protocol > 255:
		return fmt.Errorf("%d is not an IP protocol", protocol)
	case from < -1 || from > top || to < -1 || to > top:
		return fmt.Errorf("%d to %d is not a range of protocol %d", from, to, protocol)
	case (protocol == 6 || protocol == 17) && (from > to || from == -1 && to != -1):
		return fmt.Errorf("ports %d to %d are not a range", from, to)
	}
	return nil
}

func (v VPC) validPorts(subnets map[string]Subnet, groups map[string]bool) error {
	ids := make(map[string]bool, len(v.Ports))
	macs := make(map[string]string, len(v.Ports))
	addrs := make(map[netip.Addr]string, len(v.Ports)+2*len(subnets))
	for _, c := range v.CIDRs {
		if c.Addr().Is4() {
			addrs[ResolverOf(c)] = "the resolver"
		}
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
	for _, a := range p.Addresses6 {
		if !subnet.Prefix6.IsValid() || !subnet.Prefix6.Contains(a) {
			return fmt.Errorf("address %s is not in the IPv6 range of %s", a, subnet.ID)
		}
		if owner, is := taken[a]; is {
			return fmt.Errorf("address %s belongs to %s", a, owner)
		}
		taken[a] = p.ID
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
