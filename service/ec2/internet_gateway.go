package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// DescribeInternetGateways lists the caller's internet gateways.
func (s *Service) DescribeInternetGateways(ctx context.Context, in *ec2.DescribeInternetGatewaysRequest) (*ec2.DescribeInternetGatewaysResult, error) {
	caller, err := s.allow(ctx, "DescribeInternetGateways", in.DryRun)
	if err != nil {
		return nil, err
	}
	gateways, next, err := listing[cloud.InternetGateway]{
		operation: "DescribeInternetGateways", table: gatewayTable, prefix: "igw", ids: in.InternetGatewayIds,
		filters: in.Filters, fields: gatewayFields, max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeInternetGatewaysResult{InternetGateways: each(gateways, gatewayOut), NextToken: next}, nil
}

var gatewayFields = fields[cloud.InternetGateway]{
	"attachment.state": maybe(func(g cloud.InternetGateway) string {
		if g.VPC == "" {
			return ""
		}
		return available
	}),
	"attachment.vpc-id":   maybe(func(g cloud.InternetGateway) string { return g.VPC }),
	"internet-gateway-id": one(func(g cloud.InternetGateway) string { return g.ID }),
	"owner-id":            one(func(g cloud.InternetGateway) string { return g.Account }),
}

func gatewayOut(g cloud.InternetGateway) ec2.InternetGateway {
	out := ec2.InternetGateway{
		InternetGatewayId: new(g.ID), OwnerId: new(g.Account), Tags: tagSet(g.Tags),
		Attachments: []ec2.InternetGatewayAttachment{},
	}
	if g.VPC != "" {
		out.Attachments = append(out.Attachments, ec2.InternetGatewayAttachment{State: new(available), VpcId: new(g.VPC)})
	}
	return out
}
