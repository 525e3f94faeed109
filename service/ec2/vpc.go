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
		filters: in.Filters, fields: vpcFields, max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVpcsResult{Vpcs: each(vpcs, vpcOut), NextToken: next}, nil
}

var vpcFields = fields[cloud.VPC]{
	"cidr":                                        one(func(v cloud.VPC) string { return v.CIDRs[0].Prefix.String() }),
	"cidr-block":                                  one(func(v cloud.VPC) string { return v.CIDRs[0].Prefix.String() }),
	"cidr-block-association.association-id":       cidrField(func(c cloud.CIDRBlock) string { return c.Association }),
	"cidr-block-association.cidr-block":           cidrField(func(c cloud.CIDRBlock) string { return c.Prefix.String() }),
	"cidr-block-association.state":                cidrField(func(cloud.CIDRBlock) string { return "associated" }),
	"dhcp-options-id":                             one(func(v cloud.VPC) string { return v.DHCPOptions }),
	"ipv6-cidr-block-association.association-id":  never[cloud.VPC],
	"ipv6-cidr-block-association.ipv6-cidr-block": never[cloud.VPC],
	"ipv6-cidr-block-association.ipv6-pool":       never[cloud.VPC],
	"ipv6-cidr-block-association.state":           never[cloud.VPC],
	"is-default":                                  flag(func(v cloud.VPC) bool { return v.Default }),
	"isDefault":                                   flag(func(v cloud.VPC) bool { return v.Default }),
	"owner-id":                                    one(func(v cloud.VPC) string { return v.Account }),
	"state":                                       one(func(cloud.VPC) string { return available }),
	"vpc-id":                                      one(func(v cloud.VPC) string { return v.ID }),
}

func cidrField(value func(cloud.CIDRBlock) string) field[cloud.VPC] {
	return func(v cloud.VPC, is func(string) bool) bool {
		for _, c := range v.CIDRs {
			if is(value(c)) {
				return true
			}
		}
		return false
	}
}

func vpcOut(v cloud.VPC) ec2.Vpc {
	return ec2.Vpc{
		VpcId: new(v.ID), OwnerId: new(v.Account), Tags: tagSet(v.Tags),
		CidrBlock: new(v.CIDRs[0].Prefix.String()), IsDefault: new(v.Default), State: new(available),
		DhcpOptionsId: new(v.DHCPOptions), InstanceTenancy: new(v.Tenancy),
		BlockPublicAccessStates: notBlocked(),
		CidrBlockAssociationSet: each(v.CIDRs, func(c cloud.CIDRBlock) ec2.VpcCidrBlockAssociation {
			return ec2.VpcCidrBlockAssociation{
				AssociationId: new(c.Association), CidrBlock: new(c.Prefix.String()),
				CidrBlockState: &ec2.VpcCidrBlockState{State: new("associated")},
			}
		}),
	}
}

// notBlocked says that nothing keeps a network from reaching its gateway.
func notBlocked() *ec2.BlockPublicAccessStates {
	return &ec2.BlockPublicAccessStates{InternetGatewayBlockMode: new("off")}
}

// DescribeVpcAttribute tells one attribute of a VPC.
func (s *Service) DescribeVpcAttribute(ctx context.Context, in *ec2.DescribeVpcAttributeRequest) (*ec2.DescribeVpcAttributeResult, error) {
	caller, err := s.allow(ctx, "DescribeVpcAttribute", in.DryRun, aboutVPC.of(s.asking(ctx), val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.VpcId) == "":
		return nil, missing("vpcId")
	case val(in.Attribute) == "":
		return nil, missing("attribute")
	}
	vpc, err := get(s.DB.View(), caller, vpcTable, "vpc", *in.VpcId)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVpcAttributeResult{VpcId: new(vpc.ID)}
	switch *in.Attribute {
	case "enableDnsSupport":
		out.EnableDnsSupport = &ec2.AttributeBooleanValue{Value: new(vpc.DNSSupport)}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &ec2.AttributeBooleanValue{Value: new(vpc.DNSHostnames)}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &ec2.AttributeBooleanValue{Value: new(vpc.NetworkAddressUsageMetrics)}
	default:
		return nil, invalid("attribute", *in.Attribute, "Unknown attribute.")
	}
	return out, nil
}
