package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateDefaultVpc makes the default VPC of an account again that deleted it, with a
// subnet in each zone and its internet gateway.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateDefaultVpc.html
func (s *Service) CreateDefaultVpc(ctx context.Context, in *ec2.CreateDefaultVpcRequest) (*ec2.CreateDefaultVpcResult, error) {
	caller, err := s.allow(ctx, "CreateDefaultVpc", in.DryRun)
	if err != nil {
		return nil, err
	}
	var vpc cloud.VPC
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if s.defaultVPC(tx, caller) != "" {
			return cloud.Errorf("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
		}
		n := cloud.DefaultNetwork(caller.Account, s.Place, s.NewID, s.Now())
		have := gatewayTable.Count(tx, cloud.AccountLabel(caller.Account))
		if err := within(s.Limits.InternetGateways, have, "InternetGatewayLimitExceeded", "internet gateways"); err != nil {
			return err
		}
		if err := s.createNetwork(tx, caller, n); err != nil {
			return err
		}
		vpc, _ = vpcTable.Get(tx, n.VPC.ID)
		return accountTable.Modify(tx, caller.Account, func(a *cloud.Account) error { a.DefaultVPC = n.VPC.ID; return nil })
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateDefaultVpcResult{Vpc: new(s.vpcOut(vpc))}, nil
}

// CreateDefaultSubnet makes the default subnet of a zone again: the first free /20 of
// the default VPC.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateDefaultSubnet.html
func (s *Service) CreateDefaultSubnet(ctx context.Context, in *ec2.CreateDefaultSubnetRequest) (*ec2.CreateDefaultSubnetResult, error) {
	caller, err := s.allow(ctx, "CreateDefaultSubnet", in.DryRun)
	if err != nil {
		return nil, err
	}
	if val(in.Ipv6Native) {
		return nil, unsupported("Subnets without IPv4 are not available. Leave out Ipv6Native.")
	}
	zone, err := s.subnetZone(in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return nil, err
	}
	if val(in.AvailabilityZone) == "" && val(in.AvailabilityZoneId) == "" {
		return nil, missing("availabilityZone")
	}
	var subnet cloud.Subnet
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		vpc := s.defaultVPC(tx, caller)
		if vpc == "" {
			return cloud.Errorf("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.")
		}
		var taken []netip.Prefix
		for n := range subnetTable.Select(tx, "vpc/"+vpc) {
			if n.DefaultForZone && n.Zone == zone {
				return cloud.Errorf("DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' is already the default subnet in %s.", n.ID, zone)
			}
			taken = append(taken, n.Prefix)
		}
		meta := cloud.Meta{ID: s.NewID("subnet"), Account: caller.Account, Created: s.Now()}
		for n := range 16 {
			if subnet = cloud.DefaultSubnet(meta, vpc, zone, n); !overlaps(taken, subnet.Prefix) {
				return s.addSubnet(tx, subnet)
			}
		}
		return cloud.Errorf("InvalidSubnet.Conflict", "The default VPC %s has no free /20 range.", vpc)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateDefaultSubnetResult{Subnet: new(s.subnetOut(s.DB.View(), subnet))}, nil
}

// subnetZone is the zone that a request names, by name or ID; the first if it names none.
func (s *Service) subnetZone(name, id *string) (string, error) {
	switch {
	case val(name) == "" && val(id) == "":
		return s.Place.Zones[0], nil
	case val(id) == "" && !slices.Contains(s.Place.Zones, *name):
		return "", invalid("availabilityZone", *name, "Subnets can currently only be created in the following availability zones: "+
			strings.Join(s.Place.Zones, ", ")+".")
	}
	return s.zoneOf(name, id)
}
