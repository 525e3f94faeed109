package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// AssociateVpcCidrBlock gives a VPC another range: of IPv4 the one that is asked for,
// of IPv6 one of the cloud's own pool.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateVpcCidrBlock.html
func (s *Service) AssociateVpcCidrBlock(ctx context.Context, in *ec2.AssociateVpcCidrBlockRequest) (*ec2.AssociateVpcCidrBlockResult, error) {
	caller, err := s.allow(ctx, "AssociateVpcCidrBlock", nil, aboutVPC.of(s.asking(ctx), val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	asked := rangeRequest{
		cidr: in.CidrBlock, provided: in.AmazonProvidedIpv6CidrBlock, cidr6: in.Ipv6CidrBlock, group: in.Ipv6CidrBlockNetworkBorderGroup,
		ipam: []*string{in.Ipv4IpamPoolId, in.Ipv6IpamPoolId, in.Ipv6Pool}, lengths: []*int32{in.Ipv4NetmaskLength, in.Ipv6NetmaskLength},
	}
	p, err := asked.check(s)
	if err != nil {
		return nil, err
	}
	v6 := val(in.AmazonProvidedIpv6CidrBlock)
	switch {
	case v6 && p.IsValid():
		return nil, cloud.Errorf("InvalidParameterCombination", "Only one of cidrBlock and amazonProvidedIpv6CidrBlock can be associated in one request.")
	case !v6 && !p.IsValid():
		return nil, missing("cidrBlock")
	}
	out := &ec2.AssociateVpcCidrBlockResult{VpcId: in.VpcId}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
		if err != nil {
			return err
		}
		var block cloud.CIDRBlock
		if v6 {
			if block, err = s.addRange6(tx, vpc); err == nil {
				out.Ipv6CidrBlockAssociation = new(s.rangeOut6(block, "associating"))
			}
			return err
		}
		if block, err = s.addRange(tx, vpc, p); err == nil {
			out.CidrBlockAssociation = new(rangeOut(block, "associating"))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DisassociateVpcCidrBlock takes a range from a VPC that no subnet is in.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateVpcCidrBlock.html
func (s *Service) DisassociateVpcCidrBlock(ctx context.Context, in *ec2.DisassociateVpcCidrBlockRequest) (*ec2.DisassociateVpcCidrBlockResult, error) {
	a := s.asking(ctx)
	vpc, _, _ := rangeByID(a.r, a.c, val(in.AssociationId))
	caller, err := s.allow(ctx, "DisassociateVpcCidrBlock", nil, aboutVPC.of(a, vpc.ID))
	if err != nil {
		return nil, err
	}
	if val(in.AssociationId) == "" {
		return nil, missing("associationId")
	}
	out := &ec2.DisassociateVpcCidrBlockResult{}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, block, err := rangeByID(tx, caller, *in.AssociationId)
		if err != nil {
			return err
		}
		out.VpcId = new(vpc.ID)
		if block.Prefix.Addr().Is6() {
			out.Ipv6CidrBlockAssociation = new(s.rangeOut6(block, "disassociating"))
		} else {
			out.CidrBlockAssociation = new(rangeOut(block, "disassociating"))
		}
		return removeRange(tx, vpc, block)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rangeByID finds a range of one of the caller's VPCs by its association.
func rangeByID(r store.Reader, c cloud.Caller, id string) (cloud.VPC, cloud.CIDRBlock, error) {
	for v := range vpcTable.Select(r, cloud.AccountLabel(c.Account)) {
		for _, b := range slices.Concat(v.CIDRs, v.CIDRs6) {
			if b.Association == id {
				return v, b, nil
			}
		}
	}
	return cloud.VPC{}, cloud.CIDRBlock{}, cloud.Errorf("InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", id)
}

func removeRange(tx *store.Tx, v cloud.VPC, b cloud.CIDRBlock) error {
	if v.CIDRs[0] == b {
		return cloud.Errorf("OperationNotPermitted",
			"The vpc CIDR block with association ID %s may not be disassociated. It is the primary IPv4 CIDR block of the VPC", b.Association)
	}
	for n := range subnetTable.Select(tx, "vpc/"+v.ID) {
		if b.Prefix.Contains(n.Prefix.Addr()) || n.Prefix6.IsValid() && b.Prefix.Contains(n.Prefix6.Addr()) {
			return cloud.Errorf("InvalidCidrBlock.InUse", "The vpc %s currently has a subnet within CIDR block %s", v.ID, b.Prefix)
		}
	}
	err := vpcTable.Modify(tx, v.ID, func(v *cloud.VPC) error {
		is := func(o cloud.CIDRBlock) bool { return o == b }
		v.CIDRs, v.CIDRs6 = slices.DeleteFunc(v.CIDRs, is), slices.DeleteFunc(v.CIDRs6, is)
		return nil
	})
	if err != nil {
		return err
	}
	tx.Release(cloud.VPCRanges6, b.Prefix.String())
	return editTables(tx, v.ID, func(t *cloud.RouteTable) {
		t.Routes = slices.DeleteFunc(t.Routes, func(r cloud.Route) bool { return r.Target == localTarget && r.Destination == b.Prefix })
	})
}
