package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ModifyNetworkInterfaceAttribute changes one attribute of an interface: its
// description, its security groups, the check of sources and destinations, or
// whether it goes with its instance.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
func (s *Service) ModifyNetworkInterfaceAttribute(ctx context.Context, in *ec2.ModifyNetworkInterfaceAttributeRequest) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
	caller, err := s.allow(ctx, "ModifyNetworkInterfaceAttribute", in.DryRun, s.asking(ctx).interfaceAttribute(in)...)
	if err != nil {
		return nil, err
	}
	if err := refuseAttribute(in); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		switch {
		case in.Description != nil:
			n.Description = val(in.Description.Value)
		case in.SourceDestCheck != nil:
			n.SourceDestCheck = *in.SourceDestCheck.Value
		case len(in.Groups) > 0:
			subnet := cloud.Subnet{Meta: cloud.Meta{ID: n.Subnet}, VPC: n.VPC}
			if n.Groups, err = s.launchGroups(tx, caller, subnet, in.Groups, nil); err != nil {
				return err
			}
		default:
			at := n.Attachment
			if at == nil || at.ID != val(in.Attachment.AttachmentId) {
				return notFound("eni-attach", val(in.Attachment.AttachmentId))
			}
			changed := *at
			changed.DeleteOnTermination = *in.Attachment.DeleteOnTermination
			n.Attachment = &changed
		}
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyNetworkInterfaceAttributeOutput{}, nil
}

// interfaceAttributes are the attributes that a request changes.
func interfaceAttributes(in *ec2.ModifyNetworkInterfaceAttributeRequest) (names []string) {
	for _, a := range []struct {
		name  string
		given bool
	}{
		{"description", in.Description != nil},
		{"groupSet", len(in.Groups) > 0},
		{"sourceDestCheck", in.SourceDestCheck != nil},
		{"attachment", in.Attachment != nil},
		{"enaSrdSpecification", in.EnaSrdSpecification != nil},
		{"enablePrimaryIpv6", in.EnablePrimaryIpv6 != nil},
		{"connectionTrackingSpecification", in.ConnectionTrackingSpecification != nil},
		{"associatePublicIpAddress", in.AssociatePublicIpAddress != nil},
		{"associatedSubnetIds", len(in.AssociatedSubnetIds) > 0},
	} {
		if a.given {
			names = append(names, a.name)
		}
	}
	return names
}

// refuseAttribute refuses requests that change no attribute, more than one, or one
// that interfaces here have not.
func refuseAttribute(in *ec2.ModifyNetworkInterfaceAttributeRequest) error {
	names := interfaceAttributes(in)
	switch {
	case len(names) == 0:
		return cloud.Errorf("InvalidParameterCombination", "No attributes specified.")
	case len(names) > 1:
		return cloud.Errorf("InvalidParameterCombination", "Fields for multiple attribute types specified: %s", strings.Join(names, ", "))
	case in.Description != nil:
		return checkDescription(val(in.Description.Value))
	case in.SourceDestCheck != nil && in.SourceDestCheck.Value == nil:
		return missing("sourceDestCheck.value")
	case in.SourceDestCheck != nil, len(in.Groups) > 0:
		return nil
	case in.Attachment == nil:
		return unsupported("The attribute '" + names[0] + "' of a network interface cannot be changed.")
	case val(in.Attachment.AttachmentId) == "":
		return missing("attachment.attachmentId")
	case in.Attachment.EnaQueueCount != nil || val(in.Attachment.DefaultEnaQueueCount):
		return unsupported("The queues of an interface cannot be chosen.")
	case in.Attachment.DeleteOnTermination == nil:
		return missing("attachment.deleteOnTermination")
	}
	return checkIDs("eni-attach", *in.Attachment.AttachmentId)
}

// interfaceAttribute is an interface with the attribute that a request changes, and
// the groups that it names.
func (a asking) interfaceAttribute(in *ec2.ModifyNetworkInterfaceAttributeRequest) []subject {
	x := aboutInterface.of(a, val(in.NetworkInterfaceId))
	if names := interfaceAttributes(in); len(names) == 1 {
		value := ""
		if in.SourceDestCheck != nil && in.SourceDestCheck.Value != nil {
			value = boolWord(*in.SourceDestCheck.Value)
		}
		x = x.with(attribute(strings.ToUpper(names[0][:1])+names[0][1:], value))
	}
	return append([]subject{x}, aboutGroup.named(a, distinct(in.Groups)...)...)
}

// DescribeNetworkInterfaceAttribute tells one attribute of an interface.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaceAttribute.html
func (s *Service) DescribeNetworkInterfaceAttribute(ctx context.Context, in *ec2.DescribeNetworkInterfaceAttributeRequest) (*ec2.DescribeNetworkInterfaceAttributeResult, error) {
	caller, err := s.allow(ctx, "DescribeNetworkInterfaceAttribute", in.DryRun, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.NetworkInterfaceId) == "":
		return nil, missing("networkInterfaceId")
	case val(in.Attribute) == "":
		return nil, missing("attribute")
	}
	view := s.DB.View()
	n, err := get(view, caller, interfaceTable, "eni", *in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeNetworkInterfaceAttributeResult{NetworkInterfaceId: &n.ID}
	switch *in.Attribute {
	case "description":
		out.Description = &ec2.AttributeValue{Value: &n.Description}
	case "groupSet":
		out.Groups = groupIdentifiers(view, n.Groups)
	case "sourceDestCheck":
		out.SourceDestCheck = &ec2.AttributeBooleanValue{Value: &n.SourceDestCheck}
	case "attachment":
		out.Attachment = attachmentOut(view, n)
	case "associatePublicIpAddress":
		out.AssociatePublicIpAddress = new(slices.ContainsFunc(n.Addresses, func(p cloud.PrivateAddress) bool { return p.Public != nil && p.Public.Allocation == "" }))
	default:
		return nil, invalid("attribute", *in.Attribute, "Unknown attribute.")
	}
	return out, nil
}

// ResetNetworkInterfaceAttribute puts the check of sources and destinations back on.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetNetworkInterfaceAttribute.html
func (s *Service) ResetNetworkInterfaceAttribute(ctx context.Context, in *ec2.ResetNetworkInterfaceAttributeRequest) (*ec2.ResetNetworkInterfaceAttributeOutput, error) {
	caller, err := s.allow(ctx, "ResetNetworkInterfaceAttribute", in.DryRun, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	if in.SourceDestCheck == nil {
		return nil, missing("sourceDestCheck")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		n.SourceDestCheck = true
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ResetNetworkInterfaceAttributeOutput{}, nil
}
