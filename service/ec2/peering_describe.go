package ec2

import (
	"context"
	"iter"
	"maps"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeVpcPeeringConnections lists the connections that the caller has a side of.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcPeeringConnections.html
func (s *Service) DescribeVpcPeeringConnections(ctx context.Context, in *ec2.DescribeVpcPeeringConnectionsRequest) (*ec2.DescribeVpcPeeringConnectionsResult, error) {
	caller, err := s.allow(ctx, "DescribeVpcPeeringConnections", in.DryRun)
	if err != nil {
		return nil, err
	}
	view, now := s.DB.View(), s.Now()
	visible := func(p cloud.Peering) bool { return p.Visible(caller.Account, now) }
	found, next, err := listing[cloud.Peering]{
		operation: "DescribeVpcPeeringConnections", table: peeringTable, prefix: "pcx", ids: in.VpcPeeringConnectionIds,
		filters: in.Filters, fields: peeringFields(view), max: in.MaxResults, most: 1000, token: in.NextToken,
		all: func(r store.Reader) iter.Seq[cloud.Peering] {
			return where(peeringTable.Select(r, cloud.AccountLabel(caller.Account)), visible)
		},
		seen: visible,
		tags: func(p cloud.Peering) map[string]string { return p.As(caller.Account).Tags },
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(found, func(p cloud.Peering) ec2.VpcPeeringConnection { return peeringOut(view, caller, p) })
	return &ec2.DescribeVpcPeeringConnectionsResult{VpcPeeringConnections: out, NextToken: next}, nil
}

func peeringFields(r store.Reader) fields[cloud.Peering] {
	type pcx = cloud.Peering
	all := fields[pcx]{
		"expiration-time": maybe(func(p pcx) string {
			if p.Expires.IsZero() {
				return ""
			}
			return timeWord(p.Expires)
		}),
		"status-code":               one(func(p pcx) string { return string(p.State) }),
		"status-message":            one(func(p pcx) string { return p.Message }),
		"vpc-peering-connection-id": one(pcx.Key),
	}
	side := func(prefix string, of func(pcx) cloud.PeeringSide) fields[pcx] {
		return fields[pcx]{
			prefix + "cidr-block": maybe(func(p pcx) string {
				if v, ok := vpcTable.Get(r, of(p).VPC); ok && p.State == cloud.PeeringActive {
					return v.CIDRs[0].Prefix.String()
				}
				return ""
			}),
			prefix + "owner-id": one(func(p pcx) string { return of(p).Account }),
			prefix + "vpc-id":   one(func(p pcx) string { return of(p).VPC }),
		}
	}
	maps.Copy(all, side("accepter-vpc-info.", func(p pcx) cloud.PeeringSide { return p.Accepter }))
	maps.Copy(all, side("requester-vpc-info.", func(p pcx) cloud.PeeringSide { return p.Requester }))
	return all
}

func peeringOut(r store.Reader, c cloud.Caller, p cloud.Peering) ec2.VpcPeeringConnection {
	out := ec2.VpcPeeringConnection{
		VpcPeeringConnectionId: new(p.ID), Tags: tagSet(p.As(c.Account).Tags),
		Status:           &ec2.VpcPeeringConnectionStateReason{Code: new(string(p.State)), Message: new(p.Message)},
		RequesterVpcInfo: sideOut(r, c, p, p.Requester), AccepterVpcInfo: sideOut(r, c, p, p.Accepter),
	}
	if !p.Expires.IsZero() {
		out.ExpirationTime = new(p.Expires)
	}
	return out
}

// sideOut shows one side. The ranges of another account's VPC are shown once that
// account has agreed: by its request, or by its acceptance.
func sideOut(r store.Reader, c cloud.Caller, p cloud.Peering, side cloud.PeeringSide) *ec2.VpcPeeringConnectionVpcInfo {
	out := &ec2.VpcPeeringConnectionVpcInfo{OwnerId: new(side.Account), VpcId: new(side.VPC), Region: new(side.Region)}
	agreed := side.Account == c.Account || side.VPC == p.Requester.VPC || p.State == cloud.PeeringActive
	vpc, ok := vpcTable.Get(r, side.VPC)
	if !ok || vpc.Account != side.Account || !agreed {
		return out
	}
	out.CidrBlock = new(vpc.CIDRs[0].Prefix.String())
	out.CidrBlockSet = each(vpc.CIDRs, func(b cloud.CIDRBlock) ec2.CidrBlock { return ec2.CidrBlock{CidrBlock: new(b.Prefix.String())} })
	out.Ipv6CidrBlockSet = each(vpc.CIDRs6, func(b cloud.CIDRBlock) ec2.Ipv6CidrBlock {
		return ec2.Ipv6CidrBlock{Ipv6CidrBlock: new(b.Prefix.String())}
	})
	out.PeeringOptions = &ec2.VpcPeeringConnectionOptionsDescription{
		AllowDnsResolutionFromRemoteVpc: new(side.ResolveDNS), AllowEgressFromLocalClassicLinkToRemoteVpc: new(false), AllowEgressFromLocalVpcToRemoteClassicLink: new(false),
	}
	return out
}

// ModifyVpcPeeringConnectionOptions changes what each side lets the other do, for the
// sides that are the caller's.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcPeeringConnectionOptions.html
func (s *Service) ModifyVpcPeeringConnectionOptions(ctx context.Context, in *ec2.ModifyVpcPeeringConnectionOptionsRequest) (*ec2.ModifyVpcPeeringConnectionOptionsResult, error) {
	caller, err := s.allow(ctx, "ModifyVpcPeeringConnectionOptions", in.DryRun, aboutPeering.of(s.asking(ctx), val(in.VpcPeeringConnectionId)))
	if err != nil {
		return nil, err
	}
	requester, accepter := in.RequesterPeeringConnectionOptions, in.AccepterPeeringConnectionOptions
	if requester == nil && accepter == nil {
		return nil, missing("accepterPeeringConnectionOptions")
	}
	for _, o := range []*ec2.PeeringConnectionOptionsRequest{requester, accepter} {
		if o != nil && (val(o.AllowEgressFromLocalClassicLinkToRemoteVpc) || val(o.AllowEgressFromLocalVpcToRemoteClassicLink)) {
			return nil, unsupported("ClassicLink is not available.")
		}
	}
	p, err := s.changePeering(ctx, caller, in.VpcPeeringConnectionId, func(_ *store.Tx, p *cloud.Peering) error {
		if p.State != cloud.PeeringActive {
			return cloud.Errorf("OperationNotPermitted", "Peering %s is not active. Peering options can be added only to active peerings.", p.ID)
		}
		for side, o := range map[*cloud.PeeringSide]*ec2.PeeringConnectionOptionsRequest{&p.Requester: requester, &p.Accepter: accepter} {
			switch {
			case o == nil:
			case side.Account != caller.Account:
				return cloud.Errorf("OperationNotPermitted", "User %s cannot change the peering options of the side of %s", caller.Account, side.Account)
			case o.AllowDnsResolutionFromRemoteVpc != nil:
				side.ResolveDNS = *o.AllowDnsResolutionFromRemoteVpc
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &ec2.ModifyVpcPeeringConnectionOptionsResult{}
	if requester != nil {
		out.RequesterPeeringConnectionOptions = optionsOf(p.Requester)
	}
	if accepter != nil {
		out.AccepterPeeringConnectionOptions = optionsOf(p.Accepter)
	}
	return out, nil
}

func optionsOf(side cloud.PeeringSide) *ec2.PeeringConnectionOptions {
	return &ec2.PeeringConnectionOptions{
		AllowDnsResolutionFromRemoteVpc: new(side.ResolveDNS), AllowEgressFromLocalClassicLinkToRemoteVpc: new(false), AllowEgressFromLocalVpcToRemoteClassicLink: new(false),
	}
}
