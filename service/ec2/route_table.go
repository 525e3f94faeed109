package ec2

import (
	"context"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeRouteTables lists the caller's route tables.
func (s *Service) DescribeRouteTables(ctx context.Context, in *ec2.DescribeRouteTablesRequest) (*ec2.DescribeRouteTablesResult, error) {
	caller, err := s.allow(ctx, "DescribeRouteTables", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	tables, next, err := listing[cloud.RouteTable]{
		operation: "DescribeRouteTables", table: routeTable, prefix: "rtb", ids: in.RouteTableIds,
		filters: in.Filters, fields: routeTableFields(view), max: in.MaxResults, most: 100, token: in.NextToken,
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(tables, func(t cloud.RouteTable) ec2.RouteTable { return routeTableOut(view, t) })
	return &ec2.DescribeRouteTablesResult{RouteTables: out, NextToken: next}, nil
}

func routeTableFields(r store.Reader) fields[cloud.RouteTable] {
	// target is the field of the routes that lead to what has the prefix.
	target := func(prefixes ...string) field[cloud.RouteTable] {
		return routeField(func(_ cloud.RouteTable, route cloud.Route) string {
			for _, p := range prefixes {
				if strings.HasPrefix(route.Target, p) {
					return route.Target
				}
			}
			return ""
		})
	}
	return fields[cloud.RouteTable]{
		"association.gateway-id":                 never[cloud.RouteTable],
		"association.main":                       associationField(func(_ cloud.RouteTable, a cloud.RouteTableAssociation) string { return boolWord(a.Main) }),
		"association.route-table-association-id": associationField(func(_ cloud.RouteTable, a cloud.RouteTableAssociation) string { return a.ID }),
		"association.route-table-id":             associationField(func(t cloud.RouteTable, _ cloud.RouteTableAssociation) string { return t.ID }),
		"association.subnet-id":                  associationField(func(_ cloud.RouteTable, a cloud.RouteTableAssociation) string { return a.Subnet }),
		"owner-id":                               one(func(t cloud.RouteTable) string { return t.Account }),
		"route-table-id":                         one(func(t cloud.RouteTable) string { return t.ID }),
		"route.destination-cidr-block":           routeField(func(_ cloud.RouteTable, r cloud.Route) string { return prefixWord(r.Destination, false) }),
		"route.destination-ipv6-cidr-block":      routeField(func(_ cloud.RouteTable, r cloud.Route) string { return prefixWord(r.Destination, true) }),
		"route.destination-prefix-list-id":       routeField(func(_ cloud.RouteTable, r cloud.Route) string { return r.List }),
		"route.egress-only-internet-gateway-id":  target("eigw-"),
		"route.gateway-id":                       target("local", "igw-", "vgw-", "vpce-"),
		"route.instance-id":                      routeField(func(_ cloud.RouteTable, route cloud.Route) string { return routeInstance(r, route) }),
		"route.nat-gateway-id":                   target("nat-"),
		"route.origin":                           routeField(func(_ cloud.RouteTable, r cloud.Route) string { return r.Origin }),
		"route.state":                            routeField(func(t cloud.RouteTable, route cloud.Route) string { return routeState(r, t, route) }),
		"route.transit-gateway-id":               target("tgw-"),
		"route.vpc-peering-connection-id":        target("pcx-"),
		"vpc-id":                                 one(func(t cloud.RouteTable) string { return t.VPC }),
	}
}

func associationField(value func(cloud.RouteTable, cloud.RouteTableAssociation) string) field[cloud.RouteTable] {
	return func(t cloud.RouteTable, is func(string) bool) bool {
		for _, a := range t.Associations {
			if v := value(t, a); v != "" && is(v) {
				return true
			}
		}
		return false
	}
}

func routeField(value func(cloud.RouteTable, cloud.Route) string) field[cloud.RouteTable] {
	return func(t cloud.RouteTable, is func(string) bool) bool {
		for _, r := range t.Routes {
			if v := value(t, r); v != "" && is(v) {
				return true
			}
		}
		return false
	}
}

func routeTableOut(r store.Reader, t cloud.RouteTable) ec2.RouteTable {
	return ec2.RouteTable{
		RouteTableId: new(t.ID), OwnerId: new(t.Account), VpcId: new(t.VPC), Tags: tagSet(t.Tags),
		PropagatingVgws: []ec2.PropagatingVgw{},
		Associations: each(t.Associations, func(a cloud.RouteTableAssociation) ec2.RouteTableAssociation {
			return ec2.RouteTableAssociation{
				RouteTableAssociationId: new(a.ID), RouteTableId: new(t.ID), SubnetId: opt(a.Subnet), Main: new(a.Main),
				AssociationState: stateAssociated(),
			}
		}),
		Routes: each(t.Routes, func(route cloud.Route) ec2.Route { return routeOut(r, t, route) }),
	}
}
