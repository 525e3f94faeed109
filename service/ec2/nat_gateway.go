package ec2

import (
	"context"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// natMode is where NAT gateways are: in one zone.
const natMode = "zonal"

// DeleteNatGateway gives up a NAT gateway; control/nat takes its interface away and
// lets its elastic addresses go.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNatGateway.html
func (s *Service) DeleteNatGateway(ctx context.Context, in *ec2.DeleteNatGatewayRequest) (*ec2.DeleteNatGatewayResult, error) {
	caller, err := s.allow(ctx, "DeleteNatGateway", in.DryRun, aboutNAT.of(s.asking(ctx), val(in.NatGatewayId)))
	if err != nil {
		return nil, err
	}
	if val(in.NatGatewayId) == "" {
		return nil, missing("natGatewayId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := get(tx, caller, natTable, "nat", *in.NatGatewayId)
		if err != nil || !g.Gone.IsZero() {
			return err
		}
		g.Delete = true
		return natTable.Put(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteNatGatewayResult{NatGatewayId: in.NatGatewayId}, nil
}

// DescribeNatGateways lists the caller's NAT gateways, and for an hour those that are
// gone or failed.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNatGateways.html
func (s *Service) DescribeNatGateways(ctx context.Context, in *ec2.DescribeNatGatewaysRequest) (*ec2.DescribeNatGatewaysResult, error) {
	caller, err := s.allow(ctx, "DescribeNatGateways", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.NATGateway]{
		operation: "DescribeNatGateways", table: natTable, prefix: "nat", ids: in.NatGatewayIds,
		filters: in.Filter, fields: natFields, max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeNatGatewaysResult{NatGateways: each(found, natOut), NextToken: next}, nil
}

var natFields = fields[cloud.NATGateway]{
	"nat-gateway-id": one(func(g cloud.NATGateway) string { return g.ID }),
	"state":          one(func(g cloud.NATGateway) string { return string(g.State()) }),
	"subnet-id":      one(func(g cloud.NATGateway) string { return g.Subnet }),
	"vpc-id":         one(func(g cloud.NATGateway) string { return g.VPC }),
}

func natOut(g cloud.NATGateway) ec2.NatGateway {
	out := ec2.NatGateway{
		NatGatewayId: new(g.ID), VpcId: new(g.VPC), SubnetId: new(g.Subnet), State: new(string(g.State())), CreateTime: new(g.Created),
		ConnectivityType: new(connectivity(g)), AvailabilityMode: new(natMode), Tags: tagSet(g.Tags), NatGatewayAddresses: []ec2.NatGatewayAddress{},
	}
	if code, words, failed := strings.Cut(g.Failure, ": "); failed {
		out.FailureCode, out.FailureMessage, out.DeleteTime = &code, &words, new(g.Created)
	}
	if !g.Gone.IsZero() {
		out.DeleteTime = new(g.Gone)
	}
	for i, a := range g.Addresses {
		out.NatGatewayAddresses = append(out.NatGatewayAddresses, natAddressOut(g, a, i == 0, natAddressStatus(g)))
	}
	return out
}

func connectivity(g cloud.NATGateway) string {
	if g.Private {
		return ec2.ConnectivityTypePrivate
	}
	return ec2.ConnectivityTypePublic
}

// natAddressStatus is that of an address that the gateway keeps as long as it lives.
func natAddressStatus(g cloud.NATGateway) string {
	switch g.State() {
	case cloud.NATFailed:
		return ec2.NatGatewayAddressStatusFailed
	case cloud.NATPending:
		return ec2.NatGatewayAddressStatusAssociating
	case cloud.NATDeleting, cloud.NATDeleted:
		return ec2.NatGatewayAddressStatusDisassociating
	case cloud.NATAvailable:
	}
	return ec2.NatGatewayAddressStatusSucceeded
}

func natAddressOut(g cloud.NATGateway, a cloud.NATAddress, primary bool, status string) ec2.NatGatewayAddress {
	return ec2.NatGatewayAddress{
		AllocationId: opt(a.Allocation), AssociationId: opt(a.Association), NetworkInterfaceId: opt(g.Interface),
		PrivateIp: opt(addrWord(a.Private)), PublicIp: opt(addrWord(a.Public)), IsPrimary: &primary, Status: &status,
	}
}
