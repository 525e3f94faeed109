package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateEgressOnlyInternetGateway makes a gateway that lets IPv6 flows out of a VPC.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateEgressOnlyInternetGateway.html
func (s *Service) CreateEgressOnlyInternetGateway(ctx context.Context, in *ec2.CreateEgressOnlyInternetGatewayRequest) (*ec2.CreateEgressOnlyInternetGatewayResult, error) {
	const kind = "egress-only-internet-gateway"
	a := s.asking(ctx)
	caller, err := s.allow(ctx, "CreateEgressOnlyInternetGateway", in.DryRun,
		aboutEgress.made(a, cloud.EgressGateway{}, requestTags(in.TagSpecifications, kind)), aboutVPC.of(a, val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	tags, err := tagsFromSpec(in.TagSpecifications, kind)
	if err != nil {
		return nil, err
	}
	var g cloud.EgressGateway
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, caller, "CreateEgressOnlyInternetGateway", in.ClientToken, in, func() ([]string, error) {
			vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
			if err != nil {
				return nil, err
			}
			have := egressTable.Count(tx, cloud.AccountLabel(caller.Account))
			if err := within(s.Limits.EgressGateways, have, "EgressOnlyInternetGatewayLimitExceeded", "egress-only internet gateways"); err != nil {
				return nil, err
			}
			g := cloud.EgressGateway{Meta: cloud.Meta{ID: s.NewID("eigw"), Account: caller.Account, Created: s.Now(), Tags: tags}, VPC: vpc.ID}
			return []string{g.ID}, egressTable.Create(tx, g)
		})
		if err != nil {
			return err
		}
		g, err = get(tx, caller, egressTable, "eigw", ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateEgressOnlyInternetGatewayResult{EgressOnlyInternetGateway: new(egressOut(g)), ClientToken: in.ClientToken}, nil
}

// DeleteEgressOnlyInternetGateway removes an egress-only internet gateway; routes to it
// lead nowhere from then on.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteEgressOnlyInternetGateway.html
func (s *Service) DeleteEgressOnlyInternetGateway(ctx context.Context, in *ec2.DeleteEgressOnlyInternetGatewayRequest) (*ec2.DeleteEgressOnlyInternetGatewayResult, error) {
	caller, err := s.allow(ctx, "DeleteEgressOnlyInternetGateway", in.DryRun, aboutEgress.of(s.asking(ctx), val(in.EgressOnlyInternetGatewayId)))
	if err != nil {
		return nil, err
	}
	if val(in.EgressOnlyInternetGatewayId) == "" {
		return nil, missing("egressOnlyInternetGatewayId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := get(tx, caller, egressTable, "eigw", *in.EgressOnlyInternetGatewayId)
		if err != nil {
			return err
		}
		return egressTable.Delete(tx, g.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteEgressOnlyInternetGatewayResult{ReturnCode: new(true)}, nil
}

// DescribeEgressOnlyInternetGateways lists the caller's egress-only internet gateways.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeEgressOnlyInternetGateways.html
func (s *Service) DescribeEgressOnlyInternetGateways(ctx context.Context, in *ec2.DescribeEgressOnlyInternetGatewaysRequest) (*ec2.DescribeEgressOnlyInternetGatewaysResult, error) {
	caller, err := s.allow(ctx, "DescribeEgressOnlyInternetGateways", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.EgressGateway]{
		operation: "DescribeEgressOnlyInternetGateways", table: egressTable, prefix: "eigw", ids: in.EgressOnlyInternetGatewayIds,
		filters: in.Filters, fields: fields[cloud.EgressGateway]{}, max: in.MaxResults, most: 255, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeEgressOnlyInternetGatewaysResult{EgressOnlyInternetGateways: each(found, egressOut), NextToken: next}, nil
}

func egressOut(g cloud.EgressGateway) ec2.EgressOnlyInternetGateway {
	return ec2.EgressOnlyInternetGateway{
		EgressOnlyInternetGatewayId: new(g.ID), Tags: tagSet(g.Tags),
		Attachments: []ec2.InternetGatewayAttachment{{State: new("attached"), VpcId: new(g.VPC)}},
	}
}
