package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// everyAccess is the policy of an endpoint that was given none.
const everyAccess = `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

// DescribeVpcEndpoints lists the caller's endpoints.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcEndpoints.html
func (s *Service) DescribeVpcEndpoints(ctx context.Context, in *ec2.DescribeVpcEndpointsRequest) (*ec2.DescribeVpcEndpointsResult, error) {
	caller, err := s.allow(ctx, "DescribeVpcEndpoints", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.Endpoint]{
		operation: "DescribeVpcEndpoints", table: endpointTable, prefix: "vpce", ids: in.VpcEndpointIds,
		filters: in.Filters, fields: s.endpointFields(), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVpcEndpointsResult{VpcEndpoints: each(found, s.endpointOut), NextToken: next}, nil
}

func (s *Service) endpointFields() fields[cloud.Endpoint] {
	return fields[cloud.Endpoint]{
		"ip-address-type":    one(func(cloud.Endpoint) string { return "ipv4" }),
		"service-name":       one(func(e cloud.Endpoint) string { return e.Service }),
		"service-region":     one(func(cloud.Endpoint) string { return s.Place.Region }),
		"vpc-endpoint-id":    one(func(e cloud.Endpoint) string { return e.ID }),
		"vpc-endpoint-state": one(func(cloud.Endpoint) string { return available }),
		"vpc-endpoint-type":  one(func(cloud.Endpoint) string { return ec2.VpcEndpointTypeGateway }),
		"vpc-id":             one(func(e cloud.Endpoint) string { return e.VPC }),
	}
}

func (s *Service) endpointOut(e cloud.Endpoint) ec2.VpcEndpoint {
	policy := e.Policy
	if policy == "" {
		policy = everyAccess
	}
	return ec2.VpcEndpoint{
		VpcEndpointId: new(e.ID), VpcEndpointType: new(ec2.VpcEndpointTypeGateway), VpcId: new(e.VPC), OwnerId: new(e.Account),
		ServiceName: new(e.Service), ServiceRegion: new(s.Place.Region), State: new(available), CreationTimestamp: new(e.Created), PolicyDocument: &policy,
		RouteTableIds: slices.Concat([]string{}, e.RouteTables), Tags: tagSet(e.Tags), PrivateDnsEnabled: new(false), RequesterManaged: new(false),
		SubnetIds: []string{}, NetworkInterfaceIds: []string{}, Groups: []ec2.SecurityGroupIdentifier{}, DnsEntries: []ec2.DnsEntry{},
		IpAddressType: new("ipv4"),
	}
}

// ModifyVpcEndpoint changes an endpoint's policy, or which route tables lead to it.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
func (s *Service) ModifyVpcEndpoint(ctx context.Context, in *ec2.ModifyVpcEndpointRequest) (*ec2.ModifyVpcEndpointResult, error) {
	a := s.asking(ctx)
	about := append([]subject{aboutEndpoint.of(a, val(in.VpcEndpointId))}, aboutRoutes.named(a, slices.Concat(in.AddRouteTableIds, in.RemoveRouteTableIds)...)...)
	caller, err := s.allow(ctx, "ModifyVpcEndpoint", in.DryRun, about...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.VpcEndpointId) == "":
		return nil, missing("VpcEndpointId")
	case len(in.AddSubnetIds)+len(in.RemoveSubnetIds)+len(in.AddSecurityGroupIds)+len(in.RemoveSecurityGroupIds)+len(in.SubnetConfigurations) > 0,
		val(in.PrivateDnsEnabled), in.DnsOptions != nil, val(in.IpAddressType) != "" && *in.IpAddressType != "ipv4":
		return nil, cloud.Errorf("InvalidParameter", "Endpoints of type Gateway have no subnets, security groups or names.")
	case val(in.ResetPolicy) && val(in.PolicyDocument) != "":
		return nil, cloud.Errorf("InvalidParameterCombination", "ResetPolicy and PolicyDocument cannot be used together.")
	}
	if err := checkEndpointPolicy(val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := get(tx, caller, endpointTable, "vpce", *in.VpcEndpointId)
		if err != nil {
			return err
		}
		if val(in.ResetPolicy) || val(in.PolicyDocument) != "" {
			e.Policy = val(in.PolicyDocument)
		}
		for _, id := range in.RemoveRouteTableIds {
			if err := leadAway(tx, caller, &e, id); err != nil {
				return err
			}
		}
		for _, id := range in.AddRouteTableIds {
			if err := s.leadTo(tx, caller, &e, id); err != nil {
				return err
			}
		}
		return endpointTable.Put(tx, e)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyVpcEndpointResult{Return: new(true)}, nil
}

// DeleteVpcEndpoints removes endpoints and the routes to them, as many as it can.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcEndpoints.html
func (s *Service) DeleteVpcEndpoints(ctx context.Context, in *ec2.DeleteVpcEndpointsRequest) (*ec2.DeleteVpcEndpointsResult, error) {
	caller, err := s.allow(ctx, "DeleteVpcEndpoints", in.DryRun, aboutEndpoint.named(s.asking(ctx), in.VpcEndpointIds...)...)
	if err != nil {
		return nil, err
	}
	if len(in.VpcEndpointIds) == 0 {
		return nil, missing("VpcEndpointId")
	}
	if err := checkIDs("vpce", in.VpcEndpointIds...); err != nil {
		return nil, err
	}
	out := &ec2.DeleteVpcEndpointsResult{Unsuccessful: []ec2.UnsuccessfulItem{}}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		out.Unsuccessful = out.Unsuccessful[:0]
		for _, id := range in.VpcEndpointIds {
			e, ok := endpointTable.Get(tx, id)
			if !ok || e.Account != caller.Account {
				out.Unsuccessful = append(out.Unsuccessful, noEndpoint(id))
				continue
			}
			err := editTables(tx, e.VPC, func(t *cloud.RouteTable) { t.Routes = withoutTarget(t.Routes, id) })
			if err != nil {
				return err
			}
			if err := endpointTable.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func noEndpoint(id string) ec2.UnsuccessfulItem {
	return ec2.UnsuccessfulItem{ResourceId: &id, Error: &ec2.UnsuccessfulItemError{
		Code: new(kindOf("vpce").notFound), Message: new("The Vpc Endpoint Id '" + id + "' does not exist"),
	}}
}

func withoutTarget(routes []cloud.Route, target string) []cloud.Route {
	return slices.DeleteFunc(routes, func(r cloud.Route) bool { return r.Target == target })
}
