package cloud

import "net/netip"

// SecurityGroup is a stateful firewall for the interfaces in it.
type SecurityGroup struct {
	Meta
	VPC         string
	Name        string
	Description string
	Rules       []Rule
}

// Rule lets packets in (or out, with Egress). Exactly one of Prefix, Group and
// PrefixList is set.
type Rule struct {
	ID          string            // "sgr-…"
	Egress      bool              `json:",omitempty"`
	Protocol    string            // "tcp", "udp", "icmp", "icmpv6", a number, or "-1" for all
	FromPort    int               // for ICMP the type; -1 for all
	ToPort      int               // for ICMP the code; -1 for all
	Prefix      netip.Prefix      `json:",omitzero"`
	Group       string            `json:",omitempty"` // a security group whose members are meant
	GroupOwner  string            `json:",omitempty"` // account of that group
	Peering     string            `json:",omitempty"` // "pcx-…" that the group's VPC is reached by; empty: the same VPC
	PrefixList  string            `json:",omitempty"`
	Description string            `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
}

// Same reports whether two rules let the same packets through: the duplicates
// that AWS refuses.
func (r Rule) Same(o Rule) bool {
	return r.Egress == o.Egress && r.Protocol == o.Protocol && r.FromPort == o.FromPort && r.ToPort == o.ToPort &&
		r.Prefix == o.Prefix && r.Group == o.Group && r.PrefixList == o.PrefixList
}

// Table is "securitygroup".
func (SecurityGroup) Table() string { return "securitygroup" }

// Labels finds the groups of an account and of a VPC, and those whose rules
// name another group.
func (g SecurityGroup) Labels() []string {
	l := []string{AccountLabel(g.Account), "vpc/" + g.VPC}
	for _, r := range g.Rules {
		if r.Group != "" {
			l = append(l, "names-group/"+r.Group)
		}
		if r.PrefixList != "" {
			l = append(l, "names-list/"+r.PrefixList)
		}
	}
	return l
}
