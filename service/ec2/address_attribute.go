package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// DescribeAddressesAttribute tells an attribute of the caller's elastic addresses: the
// names that they resolve to, of which none has one of its own.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAddressesAttribute.html
func (s *Service) DescribeAddressesAttribute(ctx context.Context, in *ec2.DescribeAddressesAttributeRequest) (*ec2.DescribeAddressesAttributeResult, error) {
	caller, err := s.allow(ctx, "DescribeAddressesAttribute", in.DryRun)
	if err != nil {
		return nil, err
	}
	if a := val(in.Attribute); a != "" && a != ec2.AddressAttributeNameDomainName {
		return nil, invalid("attribute", a, "The only attribute is domain-name.")
	}
	found, next, err := listing[cloud.Address]{
		operation: "DescribeAddressesAttribute", table: addressTable, prefix: "eipalloc", ids: in.AllocationIds,
		max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeAddressesAttributeResult{NextToken: next, Addresses: each(found, func(a cloud.Address) ec2.AddressAttribute {
		return ec2.AddressAttribute{AllocationId: new(a.ID), PublicIp: new(a.Address.String())}
	})}, nil
}
