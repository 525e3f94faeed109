package cloud

import (
	"cmp"
	"net/netip"
)

// NetworkACL is a stateless filter at the edge of subnets. Each subnet has one.
type NetworkACL struct {
	Meta         // ID is "acl-…"
	VPC          string
	Default      bool       `json:",omitempty"`
	Entries      []ACLEntry // sorted by direction (ingress first) and number; without the last, 32767, which denies all
	Associations []ACLAssociation
}

// ACLEntry lets packets pass, or not. The first that matches decides.
type ACLEntry struct {
	Number   int  // 1 to 32766
	Egress   bool `json:",omitempty"`
	Allow    bool `json:",omitempty"`
	Protocol int  // IP protocol number, -1 for all
	FromPort int  // of TCP and UDP; of ICMP the type; -1 for all
	ToPort   int  // of TCP and UDP; of ICMP the code; -1 for all
	Prefix   netip.Prefix
}

// Compare orders entries by direction, ingress first, then by number.
func (e ACLEntry) Compare(o ACLEntry) int {
	switch {
	case e.Egress == o.Egress:
		return cmp.Compare(e.Number, o.Number)
	case e.Egress:
		return 1
	}
	return -1
}

// ACLAssociation ties a network ACL to a subnet.
type ACLAssociation struct {
	ID     string // "aclassoc-…"
	Subnet string
}

// Table is "networkacl".
func (NetworkACL) Table() string { return "networkacl" }

// Labels finds the network ACLs of an account and of a VPC.
func (a NetworkACL) Labels() []string { return []string{AccountLabel(a.Account), "vpc/" + a.VPC} }
