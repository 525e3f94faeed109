package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

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

// ModifyVpcAttribute changes one attribute of a VPC.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html
func (s *Service) ModifyVpcAttribute(ctx context.Context, in *ec2.ModifyVpcAttributeRequest) (*ec2.ModifyVpcAttributeOutput, error) {
	attributes := []flagChange{
		{"EnableDnsSupport", in.EnableDnsSupport},
		{"EnableDnsHostnames", in.EnableDnsHostnames},
		{"EnableNetworkAddressUsageMetrics", in.EnableNetworkAddressUsageMetrics},
	}
	about := aboutVPC.of(s.asking(ctx), val(in.VpcId)).with(changedFlag(attributes))
	caller, err := s.allow(ctx, "ModifyVpcAttribute", nil, about)
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	name, on, err := onlyFlag(attributes)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
		if err != nil {
			return err
		}
		if name == "EnableDnsHostnames" && on && !vpc.DNSSupport {
			return invalid("enableDnsHostnames", "true", "DNS host names need enableDnsSupport.")
		}
		return vpcTable.Modify(tx, vpc.ID, func(v *cloud.VPC) error {
			switch name {
			case "EnableDnsSupport":
				v.DNSSupport = on
			case "EnableDnsHostnames":
				v.DNSHostnames = on
			case "EnableNetworkAddressUsageMetrics":
				v.NetworkAddressUsageMetrics = on
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyVpcAttributeOutput{}, nil
}

// flagChange is an attribute that a request may change, nil if it does not.
type flagChange struct {
	name  string
	value *ec2.AttributeBooleanValue
}

// changedFlag tells policy which attribute a request changes, and to what.
func changedFlag(all []flagChange) facts {
	for _, a := range all {
		if a.value != nil && a.value.Value != nil {
			return attribute(a.name, boolWord(*a.value.Value))
		}
	}
	return nil
}

// onlyFlag returns the one attribute that a request changes.
func onlyFlag(all []flagChange) (name string, on bool, err error) {
	for _, a := range all {
		switch {
		case a.value == nil || a.value.Value == nil:
		case name != "":
			return "", false, cloud.Errorf("InvalidParameterCombination", "A request can change one attribute: %s and %s are two.", name, a.name)
		default:
			name, on = a.name, *a.value.Value
		}
	}
	if name == "" {
		err = cloud.Errorf("MissingParameter", "The request must contain the attribute to change.")
	}
	return name, on, err
}

// ModifyVpcTenancy lets a VPC have the tenancy default, the only one.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcTenancy.html
func (s *Service) ModifyVpcTenancy(ctx context.Context, in *ec2.ModifyVpcTenancyRequest) (*ec2.ModifyVpcTenancyResult, error) {
	caller, err := s.allow(ctx, "ModifyVpcTenancy", in.DryRun, aboutVPC.of(s.asking(ctx), val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.VpcId) == "":
		return nil, missing("vpcId")
	case val(in.InstanceTenancy) == "":
		return nil, missing("instanceTenancy")
	case *in.InstanceTenancy != ec2.TenancyDefault:
		return nil, invalid("instanceTenancy", *in.InstanceTenancy, "The only tenancy that a VPC can be given is default.")
	}
	if _, err := get(s.DB.View(), caller, vpcTable, "vpc", *in.VpcId); err != nil {
		return nil, err
	}
	return &ec2.ModifyVpcTenancyResult{ReturnValue: new(true)}, nil
}
