package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The target of routes within the VPC, and where routes come from.
const (
	localTarget = "local"
	originTable = "CreateRouteTable"
	originRoute = "CreateRoute"
)

// CreateRouteTable makes a route table that leads to the VPC's own ranges.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html
func (s *Service) CreateRouteTable(ctx context.Context, in *ec2.CreateRouteTableRequest) (*ec2.CreateRouteTableResult, error) {
	a := s.asking(ctx)
	caller, err := s.allow(ctx, "CreateRouteTable", in.DryRun,
		aboutRoutes.made(a, cloud.RouteTable{VPC: val(in.VpcId)}, requestTags(in.TagSpecifications, "route-table")), aboutVPC.of(a, val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("vpcId")
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "route-table")
	if err != nil {
		return nil, err
	}
	var id string
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, caller, "CreateRouteTable", in.ClientToken, in, func() ([]string, error) {
			vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
			if err != nil {
				return nil, err
			}
			if err := within(s.Limits.RouteTables, routeTable.Count(tx, "vpc/"+vpc.ID), "RouteTableLimitExceeded", "route tables of a VPC"); err != nil {
				return nil, err
			}
			t := cloud.RouteTable{Meta: cloud.Meta{ID: s.NewID("rtb"), Account: caller.Account, Created: s.Now(), Tags: tags}, VPC: vpc.ID}
			for _, b := range slices.Concat(vpc.CIDRs, vpc.CIDRs6) {
				t.Routes = append(t.Routes, cloud.Route{Destination: b.Prefix, Target: localTarget, Origin: originTable})
			}
			return []string{t.ID}, routeTable.Create(tx, t)
		})
		if err == nil {
			id = ids[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	t, err := get(view, caller, routeTable, "rtb", id)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateRouteTableResult{RouteTable: new(routeTableOut(view, t)), ClientToken: in.ClientToken}, nil
}

func isMain(t cloud.RouteTable) bool {
	return slices.ContainsFunc(t.Associations, func(a cloud.RouteTableAssociation) bool { return a.Main })
}

// DeleteRouteTable removes a route table that is not the main one, and that no subnet
// is associated with.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteRouteTable.html
func (s *Service) DeleteRouteTable(ctx context.Context, in *ec2.DeleteRouteTableRequest) (*ec2.DeleteRouteTableOutput, error) {
	caller, err := s.allow(ctx, "DeleteRouteTable", in.DryRun, aboutRoutes.of(s.asking(ctx), val(in.RouteTableId)))
	if err != nil {
		return nil, err
	}
	if val(in.RouteTableId) == "" {
		return nil, missing("routeTableId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := get(tx, caller, routeTable, "rtb", *in.RouteTableId)
		switch {
		case err != nil:
			return err
		case len(t.Associations) > 0:
			return hasDependents("routeTable", t.ID)
		}
		for e := range endpointTable.Select(tx, "vpc/"+t.VPC) {
			err := endpointTable.Modify(tx, e.ID, func(e *cloud.Endpoint) error {
				e.RouteTables = slices.DeleteFunc(e.RouteTables, func(id string) bool { return id == t.ID })
				return nil
			})
			if err != nil {
				return err
			}
		}
		return routeTable.Delete(tx, t.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteRouteTableOutput{}, nil
}
