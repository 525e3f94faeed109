package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// The one state of networks: they are there from the request on.
const available = "available"

// DescribeVpcs lists the caller's VPCs.
func (s *Service) DescribeVpcs(ctx context.Context, in *ec2.DescribeVpcsRequest) (*ec2.DescribeVpcsResult, error) {
	caller, err := s.allow(ctx, "DescribeVpcs", in.DryRun)
	if err != nil {
		return nil, err
	}
	vpcs, next, err := listing[cloud.VPC]{
		operation: "DescribeVpcs", table: vpcTable, prefix: "vpc", ids: in.VpcIds,
		filters: in.Filters, fields: s.vpcFields(), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVpcsResult{Vpcs: each(vpcs, s.vpcOut), NextToken: next}, nil
}

func (s *Service) vpcFields() fields[cloud.VPC] {
	type vpc = cloud.VPC
	v4, v6 := func(v vpc) []cloud.CIDRBlock { return v.CIDRs }, func(v vpc) []cloud.CIDRBlock { return v.CIDRs6 }
	association := func(b cloud.CIDRBlock) string { return b.Association }
	prefix := func(b cloud.CIDRBlock) string { return b.Prefix.String() }
	state := func(cloud.CIDRBlock) string { return associated }
	pool := func(cloud.CIDRBlock) string { return pool6 }
	return fields[vpc]{
		"cidr":                                        one(func(v vpc) string { return v.CIDRs[0].Prefix.String() }),
		"cidr-block":                                  one(func(v vpc) string { return v.CIDRs[0].Prefix.String() }),
		"cidr-block-association.association-id":       cidrField(v4, association),
		"cidr-block-association.cidr-block":           cidrField(v4, prefix),
		"cidr-block-association.state":                cidrField(v4, state),
		"dhcp-options-id":                             one(func(v vpc) string { return v.DHCPOptions }),
		"ipv6-cidr-block-association.association-id":  cidrField(v6, association),
		"ipv6-cidr-block-association.ipv6-cidr-block": cidrField(v6, prefix),
		"ipv6-cidr-block-association.ipv6-pool":       cidrField(v6, pool),
		"ipv6-cidr-block-association.state":           cidrField(v6, state),
		"is-default":                                  flag(func(v vpc) bool { return v.Default }),
		"isDefault":                                   flag(func(v vpc) bool { return v.Default }),
		"owner-id":                                    one(func(v vpc) string { return v.Account }),
		"state":                                       one(func(vpc) string { return available }),
		"vpc-id":                                      one(func(v vpc) string { return v.ID }),
	}
}

func cidrField(of func(cloud.VPC) []cloud.CIDRBlock, value func(cloud.CIDRBlock) string) field[cloud.VPC] {
	return func(v cloud.VPC, is func(string) bool) bool {
		for _, c := range of(v) {
			if is(value(c)) {
				return true
			}
		}
		return false
	}
}

// The state of ranges that a network has, and the name of the pool of the IPv6 ones.
const (
	associated = "associated"
	pool6      = "Amazon"
)

func (s *Service) vpcOut(v cloud.VPC) ec2.Vpc {
	return ec2.Vpc{
		VpcId: new(v.ID), OwnerId: new(v.Account), Tags: tagSet(v.Tags),
		CidrBlock: new(v.CIDRs[0].Prefix.String()), IsDefault: new(v.Default), State: new(available),
		DhcpOptionsId: new(v.DHCPOptions), InstanceTenancy: new(v.Tenancy),
		BlockPublicAccessStates:     notBlocked(),
		CidrBlockAssociationSet:     each(v.CIDRs, func(b cloud.CIDRBlock) ec2.VpcCidrBlockAssociation { return rangeOut(b, associated) }),
		Ipv6CidrBlockAssociationSet: each(v.CIDRs6, func(b cloud.CIDRBlock) ec2.VpcIpv6CidrBlockAssociation { return s.rangeOut6(b, associated) }),
	}
}

func rangeOut(b cloud.CIDRBlock, state string) ec2.VpcCidrBlockAssociation {
	return ec2.VpcCidrBlockAssociation{
		AssociationId: new(b.Association), CidrBlock: new(b.Prefix.String()), CidrBlockState: &ec2.VpcCidrBlockState{State: &state},
	}
}

func (s *Service) rangeOut6(b cloud.CIDRBlock, state string) ec2.VpcIpv6CidrBlockAssociation {
	return ec2.VpcIpv6CidrBlockAssociation{
		AssociationId: new(b.Association), Ipv6CidrBlock: new(b.Prefix.String()), Ipv6CidrBlockState: &ec2.VpcCidrBlockState{State: &state},
		Ipv6Pool: new(pool6), NetworkBorderGroup: new(s.Place.Region), IpSource: new("amazon"), Ipv6AddressAttribute: new("public"),
	}
}

// notBlocked says that nothing keeps a network from reaching its gateway.
func notBlocked() *ec2.BlockPublicAccessStates {
	return &ec2.BlockPublicAccessStates{InternetGatewayBlockMode: new("off")}
}
