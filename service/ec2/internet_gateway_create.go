package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateInternetGateway makes an internet gateway that is attached to nothing.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html
func (s *Service) CreateInternetGateway(ctx context.Context, in *ec2.CreateInternetGatewayRequest) (*ec2.CreateInternetGatewayResult, error) {
	about := aboutGateway.made(s.asking(ctx), cloud.InternetGateway{}, requestTags(in.TagSpecifications, "internet-gateway"))
	caller, err := s.allow(ctx, "CreateInternetGateway", in.DryRun, about)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "internet-gateway")
	if err != nil {
		return nil, err
	}
	g := cloud.InternetGateway{Meta: cloud.Meta{ID: s.NewID("igw"), Account: caller.Account, Created: s.Now(), Tags: tags}}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		have := gatewayTable.Count(tx, cloud.AccountLabel(caller.Account))
		if err := within(s.Limits.InternetGateways, have, "InternetGatewayLimitExceeded", "internet gateways"); err != nil {
			return err
		}
		return gatewayTable.Create(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateInternetGatewayResult{InternetGateway: new(gatewayOut(g))}, nil
}

// DeleteInternetGateway removes an internet gateway that is attached to nothing.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteInternetGateway.html
func (s *Service) DeleteInternetGateway(ctx context.Context, in *ec2.DeleteInternetGatewayRequest) (*ec2.DeleteInternetGatewayOutput, error) {
	caller, err := s.allow(ctx, "DeleteInternetGateway", in.DryRun, aboutGateway.of(s.asking(ctx), val(in.InternetGatewayId)))
	if err != nil {
		return nil, err
	}
	if val(in.InternetGatewayId) == "" {
		return nil, missing("internetGatewayId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := get(tx, caller, gatewayTable, "igw", *in.InternetGatewayId)
		switch {
		case err != nil:
			return err
		case g.VPC != "":
			return hasDependents("internetGateway", g.ID)
		}
		return gatewayTable.Delete(tx, g.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteInternetGatewayOutput{}, nil
}

// AttachInternetGateway connects a VPC, which may have one gateway, to the outside.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html
func (s *Service) AttachInternetGateway(ctx context.Context, in *ec2.AttachInternetGatewayRequest) (*ec2.AttachInternetGatewayOutput, error) {
	caller, err := s.allow(ctx, "AttachInternetGateway", in.DryRun, s.asking(ctx).gatewayAndVPC(in.InternetGatewayId, in.VpcId)...)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		g, vpc, err := s.gatewayAndVPC(tx, caller, in.InternetGatewayId, in.VpcId)
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return cloud.Errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPC)
		}
		if gatewayTable.Count(tx, "vpc/"+vpc) > 0 {
			return cloud.Errorf("InvalidParameterValue", "Network %s already has an internet gateway attached", vpc)
		}
		g.VPC = vpc
		return gatewayTable.Put(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AttachInternetGatewayOutput{}, nil
}

// DetachInternetGateway cuts a VPC off from the outside, once nothing in it has a
// public address.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html
func (s *Service) DetachInternetGateway(ctx context.Context, in *ec2.DetachInternetGatewayRequest) (*ec2.DetachInternetGatewayOutput, error) {
	caller, err := s.allow(ctx, "DetachInternetGateway", in.DryRun, s.asking(ctx).gatewayAndVPC(in.InternetGatewayId, in.VpcId)...)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		g, vpc, err := s.gatewayAndVPC(tx, caller, in.InternetGatewayId, in.VpcId)
		if err != nil {
			return err
		}
		if g.VPC != vpc {
			return cloud.Errorf("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, vpc)
		}
		for n := range interfaceTable.Select(tx, "vpc/"+vpc) {
			for _, a := range n.Addresses {
				if a.Public != nil {
					return cloud.Errorf("DependencyViolation",
						"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpc)
				}
			}
		}
		g.VPC = ""
		return gatewayTable.Put(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DetachInternetGatewayOutput{}, nil
}

func (a asking) gatewayAndVPC(gateway, vpc *string) []subject {
	return []subject{aboutGateway.of(a, val(gateway)), aboutVPC.of(a, val(vpc))}
}

// gatewayAndVPC finds the gateway and the ID of the VPC that a request names.
func (s *Service) gatewayAndVPC(r store.Reader, c cloud.Caller, gateway, vpc *string) (cloud.InternetGateway, string, error) {
	var none cloud.InternetGateway
	switch {
	case val(gateway) == "":
		return none, "", missing("internetGatewayId")
	case val(vpc) == "":
		return none, "", missing("vpcId")
	}
	g, err := get(r, c, gatewayTable, "igw", *gateway)
	if err != nil {
		return none, "", err
	}
	_, err = get(r, c, vpcTable, "vpc", *vpc)
	return g, *vpc, err
}
