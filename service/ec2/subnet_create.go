package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateSubnet makes a subnet of a VPC's range, in a zone.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html
func (s *Service) CreateSubnet(ctx context.Context, in *ec2.CreateSubnetRequest) (*ec2.CreateSubnetResult, error) {
	zone, refused := s.subnetZone(in.AvailabilityZone, in.AvailabilityZoneId)
	a := s.asking(ctx)
	like := cloud.Subnet{VPC: val(in.VpcId), Zone: zone}
	caller, err := s.allow(ctx, "CreateSubnet", in.DryRun,
		aboutSubnet.made(a, like, requestTags(in.TagSpecifications, "subnet")), aboutVPC.of(a, val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	subnet, err := readSubnet(in)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		return nil, refused
	}
	subnet.Zone = zone
	subnet.Meta = cloud.Meta{ID: s.NewID("subnet"), Account: caller.Account, Created: s.Now(), Tags: subnet.Tags}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, err := get(tx, caller, vpcTable, "vpc", subnet.VPC)
		if err != nil {
			return err
		}
		if err := checkSubnet(tx, vpc, subnet.Prefix); err != nil {
			return err
		}
		if subnet.Prefix6.IsValid() {
			subnet.Association6 = s.NewID("subnet-cidr-assoc")
			if err := checkSubnet6(tx, vpc, subnet.Prefix6); err != nil {
				return err
			}
		}
		return s.addSubnet(tx, subnet)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSubnetResult{Subnet: new(s.subnetOut(s.DB.View(), subnet))}, nil
}

// readSubnet reads what a request says of a subnet.
func readSubnet(in *ec2.CreateSubnetRequest) (n cloud.Subnet, err error) {
	switch {
	case val(in.VpcId) == "":
		return n, missing("vpcId")
	case val(in.Ipv6Native):
		return n, unsupported("Subnets without IPv4 are not available. Leave out Ipv6Native.")
	case val(in.OutpostArn) != "":
		return n, unsupported("Outposts are not available.")
	case val(in.Ipv4IpamPoolId) != "" || val(in.Ipv6IpamPoolId) != "" || in.Ipv4NetmaskLength != nil || in.Ipv6NetmaskLength != nil:
		return n, unsupported("Address pools of IPAM are not available. Name the subnet's ranges.")
	case val(in.CidrBlock) == "":
		return n, missing("cidrBlock")
	}
	n.VPC = *in.VpcId
	if n.Prefix, err = parseRange("cidrBlock", *in.CidrBlock, false); err != nil {
		return n, err
	}
	if val(in.Ipv6CidrBlock) != "" {
		if n.Prefix6, err = parseRange("ipv6CidrBlock", *in.Ipv6CidrBlock, true); err != nil {
			return n, err
		}
	}
	n.Tags, err = tagsFromSpec(in.TagSpecifications, "subnet")
	return n, err
}

// checkSubnet refuses a range that no subnet of the VPC can have.
func checkSubnet(r store.Reader, v cloud.VPC, p netip.Prefix) error {
	if p.Bits() < 16 || p.Bits() > 28 || !inside(v.CIDRs, p) {
		return cloud.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", p)
	}
	for n := range subnetTable.Select(r, "vpc/"+v.ID) {
		if n.Prefix.Overlaps(p) {
			return errSubnetConflict(p)
		}
	}
	return nil
}

// checkSubnet6 is checkSubnet of IPv6.
func checkSubnet6(r store.Reader, v cloud.VPC, p netip.Prefix) error {
	if p.Bits() != 64 || !inside(v.CIDRs6, p) {
		return cloud.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid. It must be a /64 of one of the VPC's IPv6 CIDR blocks.", p)
	}
	for n := range subnetTable.Select(r, "vpc/"+v.ID) {
		if n.Prefix6.IsValid() && n.Prefix6.Overlaps(p) {
			return errSubnetConflict(p)
		}
	}
	return nil
}

func errSubnetConflict(p netip.Prefix) error {
	return cloud.Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", p)
}

// inside reports whether one of the blocks has all of the range.
func inside(blocks []cloud.CIDRBlock, p netip.Prefix) bool {
	return slices.ContainsFunc(blocks, func(b cloud.CIDRBlock) bool { return b.Prefix.Bits() <= p.Bits() && b.Prefix.Contains(p.Addr()) })
}

// addSubnet writes a subnet, and has the VPC's default network ACL filter it.
func (s *Service) addSubnet(tx *store.Tx, n cloud.Subnet) error {
	if err := within(s.Limits.Subnets, subnetTable.Count(tx, "vpc/"+n.VPC), "SubnetLimitExceeded", "subnets of a VPC"); err != nil {
		return err
	}
	for a := range aclTable.Select(tx, "vpc/"+n.VPC) {
		if !a.Default {
			continue
		}
		err := aclTable.Modify(tx, a.ID, func(a *cloud.NetworkACL) error {
			a.Associations = append(a.Associations, cloud.ACLAssociation{ID: s.NewID("aclassoc"), Subnet: n.ID})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return subnetTable.Create(tx, n)
}

// DeleteSubnet removes a subnet without interfaces.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSubnet.html
func (s *Service) DeleteSubnet(ctx context.Context, in *ec2.DeleteSubnetRequest) (*ec2.DeleteSubnetOutput, error) {
	caller, err := s.allow(ctx, "DeleteSubnet", in.DryRun, aboutSubnet.of(s.asking(ctx), val(in.SubnetId)))
	if err != nil {
		return nil, err
	}
	if val(in.SubnetId) == "" {
		return nil, missing("subnetId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := get(tx, caller, subnetTable, "subnet", *in.SubnetId)
		switch {
		case err != nil:
			return err
		case interfaceTable.Count(tx, "subnet/"+n.ID) > 0:
			return hasDependents("subnet", n.ID)
		}
		return removeSubnet(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteSubnetOutput{}, nil
}

// removeSubnet deletes a subnet with its associations.
func removeSubnet(tx *store.Tx, n cloud.Subnet) error {
	err := editTables(tx, n.VPC, func(t *cloud.RouteTable) {
		t.Associations = slices.DeleteFunc(t.Associations, func(a cloud.RouteTableAssociation) bool { return a.Subnet == n.ID })
	})
	if err != nil {
		return err
	}
	for a := range aclTable.Select(tx, "vpc/"+n.VPC) {
		err := aclTable.Modify(tx, a.ID, func(a *cloud.NetworkACL) error {
			a.Associations = slices.DeleteFunc(a.Associations, func(as cloud.ACLAssociation) bool { return as.Subnet == n.ID })
			return nil
		})
		if err != nil {
			return err
		}
	}
	return subnetTable.Delete(tx, n.ID)
}
