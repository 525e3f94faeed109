package ec2

import (
	"context"
	"net/netip"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The two ways to name guests of a subnet.
const (
	ipNames       = "ip-name"
	resourceNames = "resource-name"
)

// ModifySubnetAttribute changes one attribute of a subnet.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html
func (s *Service) ModifySubnetAttribute(ctx context.Context, in *ec2.ModifySubnetAttributeRequest) (*ec2.ModifySubnetAttributeOutput, error) {
	attributes := []flagChange{
		{"MapPublicIpOnLaunch", in.MapPublicIpOnLaunch},
		{"AssignIpv6AddressOnCreation", in.AssignIpv6AddressOnCreation},
		{"EnableResourceNameDnsARecordOnLaunch", in.EnableResourceNameDnsARecordOnLaunch},
		{"EnableResourceNameDnsAAAARecordOnLaunch", in.EnableResourceNameDnsAAAARecordOnLaunch},
		{"EnableDns64", in.EnableDns64},
		{"MapCustomerOwnedIpOnLaunch", in.MapCustomerOwnedIpOnLaunch},
		{"DisableLniAtDeviceIndex", in.DisableLniAtDeviceIndex},
	}
	keys := changedFlag(attributes)
	if val(in.PrivateDnsHostnameTypeOnLaunch) != "" {
		keys = attribute("PrivateDnsHostnameTypeOnLaunch", *in.PrivateDnsHostnameTypeOnLaunch)
	}
	caller, err := s.allow(ctx, "ModifySubnetAttribute", nil, aboutSubnet.of(s.asking(ctx), val(in.SubnetId)).with(keys))
	if err != nil {
		return nil, err
	}
	if val(in.SubnetId) == "" {
		return nil, missing("subnetId")
	}
	name, on, err := subnetChange(in, attributes)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := get(tx, caller, subnetTable, "subnet", *in.SubnetId)
		if err != nil {
			return err
		}
		if name == "AssignIpv6AddressOnCreation" && on && !n.Prefix6.IsValid() {
			return invalid("assignIpv6AddressOnCreation", "true", "The subnet has no IPv6 CIDR block. Associate one first.")
		}
		return subnetTable.Modify(tx, n.ID, func(n *cloud.Subnet) error { setSubnet(n, name, on); return nil })
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifySubnetAttributeOutput{}, nil
}

// subnetChange returns the one attribute that a request changes; the type of host
// names is on for resource names.
func subnetChange(in *ec2.ModifySubnetAttributeRequest, attributes []flagChange) (name string, on bool, err error) {
	switch {
	case in.EnableLniAtDeviceIndex != nil || val(in.CustomerOwnedIpv4Pool) != "":
		return "", false, unsupported("Outposts are not available.")
	case val(in.PrivateDnsHostnameTypeOnLaunch) == "":
	case *in.PrivateDnsHostnameTypeOnLaunch != ipNames && *in.PrivateDnsHostnameTypeOnLaunch != resourceNames:
		return "", false, invalid("privateDnsHostnameTypeOnLaunch", *in.PrivateDnsHostnameTypeOnLaunch, "Choose ip-name or resource-name.")
	default:
		resource := *in.PrivateDnsHostnameTypeOnLaunch == resourceNames
		attributes = append(attributes, flagChange{"PrivateDnsHostnameTypeOnLaunch", &ec2.AttributeBooleanValue{Value: &resource}})
	}
	name, on, err = onlyFlag(attributes)
	switch {
	case err != nil:
	case on && name == "EnableDns64":
		err = unsupported("DNS64 is not available: there is no way from IPv6 to IPv4 addresses.")
	case on && (name == "MapCustomerOwnedIpOnLaunch" || name == "DisableLniAtDeviceIndex"):
		err = unsupported("Outposts are not available.")
	}
	return name, on, err
}

func setSubnet(n *cloud.Subnet, name string, on bool) {
	switch name {
	case "MapPublicIpOnLaunch":
		n.MapPublicIP = on
	case "AssignIpv6AddressOnCreation":
		n.AssignIPv6 = on
	case "PrivateDnsHostnameTypeOnLaunch":
		n.ResourceNames = on
	case "EnableResourceNameDnsARecordOnLaunch":
		n.ResourceNameA = on
	case "EnableResourceNameDnsAAAARecordOnLaunch":
		n.ResourceNameAAAA = on
	}
}

// AssociateSubnetCidrBlock gives a subnet an IPv6 range of its VPC's, a /64.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateSubnetCidrBlock.html
func (s *Service) AssociateSubnetCidrBlock(ctx context.Context, in *ec2.AssociateSubnetCidrBlockRequest) (*ec2.AssociateSubnetCidrBlockResult, error) {
	caller, err := s.allow(ctx, "AssociateSubnetCidrBlock", nil, aboutSubnet.of(s.asking(ctx), val(in.SubnetId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.SubnetId) == "":
		return nil, missing("subnetId")
	case val(in.Ipv6IpamPoolId) != "" || in.Ipv6NetmaskLength != nil:
		return nil, unsupported("Address pools of IPAM are not available. Name the range.")
	case val(in.Ipv6CidrBlock) == "":
		return nil, missing("ipv6CidrBlock")
	}
	p, err := parseRange("ipv6CidrBlock", *in.Ipv6CidrBlock, true)
	if err != nil {
		return nil, err
	}
	var n cloud.Subnet
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err = get(tx, caller, subnetTable, "subnet", *in.SubnetId)
		if err != nil {
			return err
		}
		if n.Prefix6.IsValid() {
			return cloud.Errorf("CidrLimitExceeded", "The subnet '%s' has met its maximum number of allowed IPv6 CIDRs: 1", n.ID)
		}
		vpc, _ := vpcTable.Get(tx, n.VPC)
		if err := checkSubnet6(tx, vpc, p); err != nil {
			return err
		}
		n.Prefix6, n.Association6 = p, s.NewID("subnet-cidr-assoc")
		return subnetTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssociateSubnetCidrBlockResult{SubnetId: new(n.ID), Ipv6CidrBlockAssociation: new(subnetRangeOut(n, "associating"))}, nil
}

// DisassociateSubnetCidrBlock takes the IPv6 range from a subnet in which no interface
// has an address of it.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateSubnetCidrBlock.html
func (s *Service) DisassociateSubnetCidrBlock(ctx context.Context, in *ec2.DisassociateSubnetCidrBlockRequest) (*ec2.DisassociateSubnetCidrBlockResult, error) {
	a := s.asking(ctx)
	n, _ := subnetByRange(a.r, a.c, val(in.AssociationId))
	caller, err := s.allow(ctx, "DisassociateSubnetCidrBlock", nil, aboutSubnet.of(a, n.ID))
	if err != nil {
		return nil, err
	}
	if val(in.AssociationId) == "" {
		return nil, missing("associationId")
	}
	out := &ec2.DisassociateSubnetCidrBlockResult{}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := subnetByRange(tx, caller, *in.AssociationId)
		if err != nil {
			return err
		}
		if why := range6InUse(tx, n); why != "" {
			return cloud.Errorf("InvalidCidrBlock.InUse", "The subnet IPv6 CIDR block with association ID %s may not be disassociated, because %s", n.Association6, why)
		}
		out.SubnetId, out.Ipv6CidrBlockAssociation = new(n.ID), new(subnetRangeOut(n, "disassociating"))
		n.Prefix6, n.Association6 = netip.Prefix{}, ""
		return subnetTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// range6InUse says what still needs a subnet's IPv6 range, "" if nothing does.
func range6InUse(r store.Reader, n cloud.Subnet) string {
	if n.AssignIPv6 {
		return "its subnet has assign-ipv6-address-on-creation set to true."
	}
	for i := range interfaceTable.Select(r, "subnet/"+n.ID) {
		if len(i.Addresses6) > 0 {
			return "the interface " + i.ID + " has an address of it."
		}
	}
	return ""
}

// subnetByRange finds the caller's subnet by the association of its IPv6 range.
func subnetByRange(r store.Reader, c cloud.Caller, id string) (cloud.Subnet, error) {
	for n := range subnetTable.Select(r, cloud.AccountLabel(c.Account)) {
		if id != "" && n.Association6 == id {
			return n, nil
		}
	}
	return cloud.Subnet{}, cloud.Errorf("InvalidSubnetCidrBlockAssociationID.NotFound", "The subnet CIDR block association ID '%s' does not exist", id)
}
