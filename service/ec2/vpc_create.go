package ec2

import (
	"cmp"
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateVpc makes a VPC with a main route table, a default network ACL and a default
// security group.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html
func (s *Service) CreateVpc(ctx context.Context, in *ec2.CreateVpcRequest) (*ec2.CreateVpcResult, error) {
	like := cloud.VPC{Tenancy: cmp.Or(val(in.InstanceTenancy), ec2.TenancyDefault)}
	caller, err := s.allow(ctx, "CreateVpc", in.DryRun, aboutVPC.made(s.asking(ctx), like, requestTags(in.TagSpecifications, "vpc")))
	if err != nil {
		return nil, err
	}
	switch {
	case like.Tenancy != ec2.TenancyDefault:
		return nil, unsupported("The only tenancy is default.")
	case in.VpcEncryptionControl != nil:
		return nil, unsupported("Encryption controls are not available. Leave out VpcEncryptionControl.")
	}
	asked := rangeRequest{
		cidr: in.CidrBlock, provided: in.AmazonProvidedIpv6CidrBlock, cidr6: in.Ipv6CidrBlock, group: in.Ipv6CidrBlockNetworkBorderGroup,
		ipam: []*string{in.Ipv4IpamPoolId, in.Ipv6IpamPoolId, in.Ipv6Pool}, lengths: []*int32{in.Ipv4NetmaskLength, in.Ipv6NetmaskLength},
	}
	whole, err := asked.check(s)
	if err != nil {
		return nil, err
	}
	if !whole.IsValid() {
		return nil, cloud.Errorf("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	}
	if err := checkVPCRange(whole); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "vpc")
	if err != nil {
		return nil, err
	}
	var vpc cloud.VPC
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n := cloud.NewNetwork(caller.Account, whole, "", s.NewID, s.Now())
		n.VPC.Tags = tags
		if err := s.createNetwork(tx, caller, n); err != nil {
			return err
		}
		if val(in.AmazonProvidedIpv6CidrBlock) {
			if _, err := s.addRange6(tx, n.VPC); err != nil {
				return err
			}
		}
		vpc, _ = vpcTable.Get(tx, n.VPC.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateVpcResult{Vpc: new(s.vpcOut(vpc))}, nil
}

// createNetwork writes a VPC and what it was made with. One without DHCP options gets
// the account's default set, which is made if it is not there.
func (s *Service) createNetwork(tx *store.Tx, c cloud.Caller, n cloud.Network) error {
	if err := within(s.Limits.VPCs, vpcTable.Count(tx, cloud.AccountLabel(c.Account)), "VpcLimitExceeded", "VPCs"); err != nil {
		return err
	}
	options, err := s.defaultOptions(tx, c)
	if err != nil {
		return err
	}
	n.VPC.DHCPOptions = options
	errs := []error{
		vpcTable.Create(tx, n.VPC), routeTable.Create(tx, n.Routes), aclTable.Create(tx, n.ACL), groupTable.Create(tx, n.Group),
		tx.Claim(cloud.GroupNames(n.VPC.ID), n.Group.Name, n.Group.ID),
	}
	for _, subnet := range n.Subnets {
		errs = append(errs, subnetTable.Create(tx, subnet))
	}
	if n.Gateway.ID != "" {
		errs = append(errs, gatewayTable.Create(tx, n.Gateway))
	}
	return cmp.Or(errs...)
}

// DeleteVpc removes a VPC that nothing is in but what it was made with.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
func (s *Service) DeleteVpc(ctx context.Context, in *ec2.DeleteVpcRequest) (*ec2.DeleteVpcOutput, error) {
	caller, err := s.allow(ctx, "DeleteVpc", in.DryRun, aboutVPC.of(s.asking(ctx), val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
		switch {
		case err != nil:
			return err
		case vpcInUse(tx, vpc.ID):
			return hasDependents("vpc", vpc.ID)
		}
		return removeVPC(tx, vpc.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteVpcOutput{}, nil
}

// hasDependents is the error for what others still need; kind is in the API's words.
func hasDependents(kind, id string) error {
	return cloud.Errorf("DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", kind, id)
}

// vpcInUse reports whether there is more in a VPC than it was made with.
func vpcInUse(r store.Reader, id string) bool {
	label := "vpc/" + id
	for _, n := range []int{
		subnetTable.Count(r, label), gatewayTable.Count(r, label), egressTable.Count(r, label), endpointTable.Count(r, label),
		interfaceTable.Count(r, label),
	} {
		if n > 0 {
			return true
		}
	}
	for p := range peeringTable.Select(r, label) {
		if p.State == cloud.PeeringActive || p.State == cloud.PeeringPending {
			return true
		}
	}
	for t := range routeTable.Select(r, label) {
		if !isMain(t) {
			return true
		}
	}
	for a := range aclTable.Select(r, label) {
		if !a.Default {
			return true
		}
	}
	for g := range groupTable.Select(r, label) {
		if g.Name != cloud.DefaultGroupName {
			return true
		}
	}
	return false
}

// removeVPC deletes a VPC with what it was made with.
func removeVPC(tx *store.Tx, id string) error {
	label := "vpc/" + id
	for t := range routeTable.Select(tx, label) {
		if err := routeTable.Delete(tx, t.ID); err != nil {
			return err
		}
	}
	for a := range aclTable.Select(tx, label) {
		if err := aclTable.Delete(tx, a.ID); err != nil {
			return err
		}
	}
	for g := range groupTable.Select(tx, label) {
		tx.ReleaseAll(g.ID)
		if err := groupTable.Delete(tx, g.ID); err != nil {
			return err
		}
	}
	tx.ReleaseAll(id)
	return vpcTable.Delete(tx, id)
}
