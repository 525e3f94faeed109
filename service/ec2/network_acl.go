package ec2

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxACLs is how many network ACLs a VPC may have.
const maxACLs = 200

// CreateNetworkAcl makes a network ACL of a VPC, which lets nothing pass and is
// associated with no subnet.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAcl.html
func (s *Service) CreateNetworkAcl(ctx context.Context, in *ec2.CreateNetworkAclRequest) (*ec2.CreateNetworkAclResult, error) {
	a := s.asking(ctx)
	made := aboutACL.made(a, cloud.NetworkACL{VPC: val(in.VpcId)}, requestTags(in.TagSpecifications, "network-acl"))
	caller, err := s.allow(ctx, "CreateNetworkAcl", in.DryRun, made, aboutVPC.of(a, val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "network-acl")
	if err != nil {
		return nil, err
	}
	var acl cloud.NetworkACL
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
		if err != nil {
			return err
		}
		ids, repeated, err := s.once(tx, caller, "CreateNetworkAcl", in.ClientToken, in, func() ([]string, error) {
			if aclTable.Count(tx, "vpc/"+vpc.ID) >= maxACLs {
				return nil, cloud.Errorf("NetworkAclLimitExceeded", "The maximum number of network ACLs for VPC '%s' has been reached.", vpc.ID)
			}
			l := cloud.NetworkACL{Meta: cloud.Meta{ID: s.NewID("acl"), Account: caller.Account, Created: s.Now(), Tags: tags}, VPC: vpc.ID}
			return []string{l.ID}, aclTable.Create(tx, l)
		})
		if err != nil {
			return err
		}
		var ok bool
		if acl, ok = aclTable.Get(tx, ids[0]); !ok && repeated {
			return notFound("acl", ids[0])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := aclOut(s.DB.View(), acl)
	return &ec2.CreateNetworkAclResult{NetworkAcl: &out, ClientToken: in.ClientToken}, nil
}

// DeleteNetworkAcl removes a network ACL that is neither a VPC's default one nor
// associated with a subnet.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAcl.html
func (s *Service) DeleteNetworkAcl(ctx context.Context, in *ec2.DeleteNetworkAclRequest) (*ec2.DeleteNetworkAclOutput, error) {
	caller, err := s.allow(ctx, "DeleteNetworkAcl", in.DryRun, aboutACL.of(s.asking(ctx), val(in.NetworkAclId)))
	if err != nil {
		return nil, err
	}
	if val(in.NetworkAclId) == "" {
		return nil, missing("networkAclId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		acl, err := get(tx, caller, aclTable, "acl", *in.NetworkAclId)
		switch {
		case err != nil:
			return err
		case acl.Default:
			return cloud.Errorf("InvalidParameterValue", "cannot delete default network ACL %s", acl.ID)
		case len(acl.Associations) > 0:
			return cloud.Errorf("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", acl.ID)
		}
		return aclTable.Delete(tx, acl.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteNetworkAclOutput{}, nil
}

// ReplaceNetworkAclAssociation has another network ACL of the VPC filter a subnet.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclAssociation.html
func (s *Service) ReplaceNetworkAclAssociation(ctx context.Context, in *ec2.ReplaceNetworkAclAssociationRequest) (*ec2.ReplaceNetworkAclAssociationResult, error) {
	caller, err := s.allow(ctx, "ReplaceNetworkAclAssociation", in.DryRun, s.asking(ctx).aclAssociation(in)...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.AssociationId) == "":
		return nil, missing("associationId")
	case val(in.NetworkAclId) == "":
		return nil, missing("networkAclId")
	}
	id := s.NewID("aclassoc")
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		old, at, err := findACLAssociation(tx, caller, *in.AssociationId)
		if err != nil {
			return err
		}
		acl, err := get(tx, caller, aclTable, "acl", *in.NetworkAclId)
		if err != nil {
			return err
		}
		subnet := old.Associations[at].Subnet
		if acl.VPC != old.VPC {
			return cloud.Errorf("InvalidParameterValue", "%s and %s belong to different networks.", acl.ID, subnet)
		}
		err = aclTable.Modify(tx, old.ID, func(l *cloud.NetworkACL) error {
			l.Associations = slices.Delete(slices.Clone(l.Associations), at, at+1)
			return nil
		})
		return errors.Join(err, aclTable.Modify(tx, acl.ID, func(l *cloud.NetworkACL) error {
			l.Associations = append(slices.Clone(l.Associations), cloud.ACLAssociation{ID: id, Subnet: subnet})
			return nil
		}))
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ReplaceNetworkAclAssociationResult{NewAssociationId: &id}, nil
}

// aclAssociation is a network ACL, and the subnet that it is to filter.
func (a asking) aclAssociation(in *ec2.ReplaceNetworkAclAssociationRequest) []subject {
	subnet := ""
	if old, at, err := findACLAssociation(a.r, a.c, val(in.AssociationId)); err == nil {
		subnet = old.Associations[at].Subnet
	}
	return []subject{aboutACL.of(a, val(in.NetworkAclId)), aboutSubnet.of(a, subnet)}
}

// findACLAssociation finds the caller's network ACL that has an association, and
// which of its own that is.
func findACLAssociation(r store.Reader, c cloud.Caller, id string) (acl cloud.NetworkACL, at int, err error) {
	if err := checkIDs("aclassoc", id); err != nil {
		return acl, 0, err
	}
	for acl := range aclTable.Select(r, cloud.AccountLabel(c.Account)) {
		at := slices.IndexFunc(acl.Associations, func(as cloud.ACLAssociation) bool { return as.ID == id })
		if at >= 0 {
			return acl, at, nil
		}
	}
	return acl, 0, notFound("aclassoc", id)
}

// DescribeNetworkAcls lists the caller's network ACLs.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkAcls.html
func (s *Service) DescribeNetworkAcls(ctx context.Context, in *ec2.DescribeNetworkAclsRequest) (*ec2.DescribeNetworkAclsResult, error) {
	caller, err := s.allow(ctx, "DescribeNetworkAcls", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	acls, next, err := listing[cloud.NetworkACL]{
		operation: "DescribeNetworkAcls", table: aclTable, prefix: "acl", ids: in.NetworkAclIds,
		filters: in.Filters, fields: aclFields(view), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(acls, func(a cloud.NetworkACL) ec2.NetworkAcl { return aclOut(view, a) })
	return &ec2.DescribeNetworkAclsResult{NetworkAcls: out, NextToken: next}, nil
}

func aclFields(r store.Reader) fields[cloud.NetworkACL] {
	type acl = cloud.NetworkACL
	entry := func(value func(ec2.NetworkAclEntry) string) field[acl] {
		return func(a acl, is func(string) bool) bool {
			return slices.ContainsFunc(aclEntries(r, a), func(e ec2.NetworkAclEntry) bool { v := value(e); return v != "" && is(v) })
		}
	}
	number := func(n *int32) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(int(*n))
	}
	association := func(value func(acl, cloud.ACLAssociation) string) field[acl] {
		return func(a acl, is func(string) bool) bool {
			return slices.ContainsFunc(a.Associations, func(as cloud.ACLAssociation) bool { return is(value(a, as)) })
		}
	}
	return fields[acl]{
		"association.association-id": association(func(_ acl, as cloud.ACLAssociation) string { return as.ID }),
		"association.network-acl-id": association(func(a acl, _ cloud.ACLAssociation) string { return a.ID }),
		"association.subnet-id":      association(func(_ acl, as cloud.ACLAssociation) string { return as.Subnet }),
		"default":                    flag(func(a acl) bool { return a.Default }),
		"entry.cidr":                 entry(func(e ec2.NetworkAclEntry) string { return val(e.CidrBlock) }),
		"entry.egress":               entry(func(e ec2.NetworkAclEntry) string { return boolWord(*e.Egress) }),
		"entry.icmp.code":            entry(func(e ec2.NetworkAclEntry) string { return number(val(e.IcmpTypeCode).Code) }),
		"entry.icmp.type":            entry(func(e ec2.NetworkAclEntry) string { return number(val(e.IcmpTypeCode).Type) }),
		"entry.ipv6-cidr":            entry(func(e ec2.NetworkAclEntry) string { return val(e.Ipv6CidrBlock) }),
		"entry.port-range.from":      entry(func(e ec2.NetworkAclEntry) string { return number(val(e.PortRange).From) }),
		"entry.port-range.to":        entry(func(e ec2.NetworkAclEntry) string { return number(val(e.PortRange).To) }),
		"entry.protocol":             entry(func(e ec2.NetworkAclEntry) string { return *e.Protocol }),
		"entry.rule-action":          entry(func(e ec2.NetworkAclEntry) string { return *e.RuleAction }),
		"entry.rule-number":          entry(func(e ec2.NetworkAclEntry) string { return number(e.RuleNumber) }),
		"network-acl-id":             one(acl.Key),
		"owner-id":                   one(func(a acl) string { return a.Account }),
		"vpc-id":                     one(func(a acl) string { return a.VPC }),
	}
}

func aclOut(r store.Reader, a cloud.NetworkACL) ec2.NetworkAcl {
	return ec2.NetworkAcl{
		NetworkAclId: new(a.ID), OwnerId: new(a.Account), VpcId: new(a.VPC), IsDefault: new(a.Default), Tags: tagSet(a.Tags),
		Entries: aclEntries(r, a),
		Associations: each(a.Associations, func(as cloud.ACLAssociation) ec2.NetworkAclAssociation {
			return ec2.NetworkAclAssociation{NetworkAclAssociationId: new(as.ID), NetworkAclId: new(a.ID), SubnetId: new(as.Subnet)}
		}),
	}
}

// aclEntries shows the entries of a network ACL in both directions, each with the
// last, which denies what no other has matched.
func aclEntries(r store.Reader, a cloud.NetworkACL) []ec2.NetworkAclEntry {
	vpc, _ := vpcTable.Get(r, a.VPC)
	var out []ec2.NetworkAclEntry
	for _, egress := range []bool{false, true} {
		for _, e := range a.Entries {
			if e.Egress == egress {
				out = append(out, aclEntryOut(e))
			}
		}
		last := cloud.ACLEntry{Number: lastEntry, Egress: egress, Protocol: allProtocols, FromPort: allPorts, ToPort: allPorts, Prefix: everywhere}
		out = append(out, aclEntryOut(last))
		if len(vpc.CIDRs6) > 0 {
			last.Number, last.Prefix = lastEntry+1, everywhere6
			out = append(out, aclEntryOut(last))
		}
	}
	return out
}

var everywhere6 = netip.MustParsePrefix("::/0")
