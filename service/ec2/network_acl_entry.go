package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	// maxEntries is how many entries a network ACL may have in each direction, those
	// that deny the rest included.
	maxEntries = 20
	// lastEntry is the number of the entry that denies the rest.
	lastEntry = 32767
	// allProtocols is the number that stands for every protocol.
	allProtocols = -1
)

// The numbers of the protocols that have ports or types.
// https://www.iana.org/assignments/protocol-numbers
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// CreateNetworkAclEntry adds an entry to a network ACL.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
func (s *Service) CreateNetworkAclEntry(ctx context.Context, in *ec2.CreateNetworkAclEntryRequest) (*ec2.CreateNetworkAclEntryOutput, error) {
	caller, err := s.allow(ctx, "CreateNetworkAclEntry", in.DryRun, aboutACL.of(s.asking(ctx), val(in.NetworkAclId)))
	if err != nil {
		return nil, err
	}
	if err := s.putEntry(ctx, caller, ec2.ReplaceNetworkAclEntryRequest(*in), false); err != nil {
		return nil, err
	}
	return &ec2.CreateNetworkAclEntryOutput{}, nil
}

// ReplaceNetworkAclEntry replaces the entry of a number and direction.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclEntry.html
func (s *Service) ReplaceNetworkAclEntry(ctx context.Context, in *ec2.ReplaceNetworkAclEntryRequest) (*ec2.ReplaceNetworkAclEntryOutput, error) {
	caller, err := s.allow(ctx, "ReplaceNetworkAclEntry", in.DryRun, aboutACL.of(s.asking(ctx), val(in.NetworkAclId)))
	if err != nil {
		return nil, err
	}
	if err := s.putEntry(ctx, caller, *in, true); err != nil {
		return nil, err
	}
	return &ec2.ReplaceNetworkAclEntryOutput{}, nil
}

// putEntry writes an entry: a new one, or in place of one that is there.
func (s *Service) putEntry(ctx context.Context, c cloud.Caller, in ec2.ReplaceNetworkAclEntryRequest, replace bool) error {
	e, err := readEntry(in)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		acl, err := get(tx, c, aclTable, "acl", *in.NetworkAclId)
		if err != nil {
			return err
		}
		at := entryAt(acl, e.Number, e.Egress)
		acl.Entries = slices.Clone(acl.Entries)
		switch {
		case replace && at < 0:
			return errNoEntry(acl, e.Number, e.Egress)
		case replace:
			acl.Entries[at] = e
			return aclTable.Put(tx, acl)
		case at >= 0:
			return cloud.Errorf("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.Number)
		case tooManyEntries(tx, acl, e.Egress):
			return cloud.Errorf("NetworkAclEntryLimitExceeded", "The maximum number of network ACL entries has been reached.")
		}
		acl.Entries = append(acl.Entries, e)
		slices.SortFunc(acl.Entries, cloud.ACLEntry.Compare)
		return aclTable.Put(tx, acl)
	})
}

func entryAt(acl cloud.NetworkACL, number int, egress bool) int {
	return slices.IndexFunc(acl.Entries, func(e cloud.ACLEntry) bool { return e.Number == number && e.Egress == egress })
}

func errNoEntry(acl cloud.NetworkACL, number int, egress bool) error {
	direction := "ingress"
	if egress {
		direction = "egress"
	}
	return cloud.Errorf("InvalidNetworkAclEntry.NotFound", "The network ACL '%s' has no %s entry of number %d.", acl.ID, direction, number)
}

// tooManyEntries reports whether a direction has no room for another entry.
func tooManyEntries(r store.Reader, acl cloud.NetworkACL, egress bool) bool {
	n := 1 // the last
	if vpc, _ := vpcTable.Get(r, acl.VPC); len(vpc.CIDRs6) > 0 {
		n = 2
	}
	for _, e := range acl.Entries {
		if e.Egress == egress {
			n++
		}
	}
	return n >= maxEntries
}

// readEntry reads an entry. Ports and types are kept for the protocols that have
// them alone; ICMPv6 of an IPv4 range means all types.
func readEntry(in ec2.ReplaceNetworkAclEntryRequest) (e cloud.ACLEntry, err error) {
	switch action := val(in.RuleAction); {
	case val(in.NetworkAclId) == "":
		return e, missing("networkAclId")
	case in.Egress == nil:
		return e, missing("egress")
	case action == "":
		return e, missing("ruleAction")
	case action != "allow" && action != "deny":
		return e, invalid("ruleAction", action, "Valid values are: allow, deny.")
	}
	e = cloud.ACLEntry{Egress: *in.Egress, Allow: *in.RuleAction == "allow"}
	if e.Number, err = ruleNumber(in.RuleNumber); err != nil {
		return e, err
	}
	if e.Prefix, err = entryRange(in.CidrBlock, in.Ipv6CidrBlock); err != nil {
		return e, err
	}
	protocol, err := parseProtocol(val(in.Protocol))
	if err != nil {
		return e, err
	}
	var from, to *int32
	switch e.Protocol = protocolNumber(protocol); {
	case e.Protocol == protocolTCP || e.Protocol == protocolUDP:
		if in.PortRange == nil {
			return e, missing("portRange.from")
		}
		from, to = in.PortRange.From, in.PortRange.To
	case e.Protocol == protocolICMPv6 && e.Prefix.Addr().Is4():
		protocol = "-1"
	case e.Protocol == protocolICMP || e.Protocol == protocolICMPv6:
		if in.IcmpTypeCode == nil {
			return e, missing("icmpTypeCode.code")
		}
		from, to = in.IcmpTypeCode.Type, in.IcmpTypeCode.Code
	}
	e.FromPort, e.ToPort, err = parsePorts(protocol, from, to)
	return e, err
}

func ruleNumber(n *int32) (int, error) {
	switch {
	case n == nil:
		return 0, missing("ruleNumber")
	case *n < 1 || *n >= lastEntry:
		return 0, invalid("ruleNumber", strconv.Itoa(int(*n)), "The number must be from 1 to 32766.")
	}
	return int(*n), nil
}

// entryRange reads the range of an entry, which is of exactly one family.
func entryRange(v4, v6 *string) (netip.Prefix, error) {
	switch {
	case v4 == nil && v6 == nil:
		return netip.Prefix{}, missing("cidrBlock")
	case v4 != nil && v6 != nil:
		return netip.Prefix{}, cloud.Errorf("InvalidParameterCombination", "The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock")
	case v4 != nil:
		return parseCIDR(v4, false)
	}
	return parseCIDR(v6, true)
}

// protocolNumber is the number of a protocol as parseProtocol spells it.
func protocolNumber(name string) int {
	switch name {
	case "tcp":
		return protocolTCP
	case "udp":
		return protocolUDP
	case "icmp":
		return protocolICMP
	case "icmpv6":
		return protocolICMPv6
	}
	n, _ := strconv.Atoi(name)
	return n
}

// DeleteNetworkAclEntry removes the entry of a number and direction.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAclEntry.html
func (s *Service) DeleteNetworkAclEntry(ctx context.Context, in *ec2.DeleteNetworkAclEntryRequest) (*ec2.DeleteNetworkAclEntryOutput, error) {
	caller, err := s.allow(ctx, "DeleteNetworkAclEntry", in.DryRun, aboutACL.of(s.asking(ctx), val(in.NetworkAclId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.NetworkAclId) == "":
		return nil, missing("networkAclId")
	case in.Egress == nil:
		return nil, missing("egress")
	}
	number, err := ruleNumber(in.RuleNumber)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		acl, err := get(tx, caller, aclTable, "acl", *in.NetworkAclId)
		if err != nil {
			return err
		}
		at := entryAt(acl, number, *in.Egress)
		if at < 0 {
			return errNoEntry(acl, number, *in.Egress)
		}
		acl.Entries = slices.Delete(slices.Clone(acl.Entries), at, at+1)
		return aclTable.Put(tx, acl)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteNetworkAclEntryOutput{}, nil
}

func aclEntryOut(e cloud.ACLEntry) ec2.NetworkAclEntry {
	out := ec2.NetworkAclEntry{
		RuleNumber: new(int32(e.Number)), Egress: new(e.Egress), Protocol: new(strconv.Itoa(e.Protocol)), RuleAction: new("deny"),
		CidrBlock: opt(prefixWord(e.Prefix, false)), Ipv6CidrBlock: opt(prefixWord(e.Prefix, true)),
	}
	if e.Allow {
		out.RuleAction = new("allow")
	}
	switch e.Protocol {
	case protocolTCP, protocolUDP:
		out.PortRange = &ec2.PortRange{From: new(int32(e.FromPort)), To: new(int32(e.ToPort))}
	case protocolICMP, protocolICMPv6:
		out.IcmpTypeCode = &ec2.IcmpTypeCode{Type: new(int32(e.FromPort)), Code: new(int32(e.ToPort))}
	}
	return out
}
