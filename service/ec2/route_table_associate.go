package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// AssociateRouteTable has a route table say where a subnet's packets go.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html
func (s *Service) AssociateRouteTable(ctx context.Context, in *ec2.AssociateRouteTableRequest) (*ec2.AssociateRouteTableResult, error) {
	a := s.asking(ctx)
	about := []subject{aboutRoutes.of(a, val(in.RouteTableId))}
	if val(in.SubnetId) != "" {
		about = append(about, aboutSubnet.of(a, *in.SubnetId))
	}
	if val(in.GatewayId) != "" {
		about = append(about, aboutGateway.of(a, *in.GatewayId))
	}
	caller, err := s.allow(ctx, "AssociateRouteTable", in.DryRun, about...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.RouteTableId) == "":
		return nil, missing("routeTableId")
	case val(in.GatewayId) != "" || val(in.PublicIpv4Pool) != "":
		return nil, unsupported("Route tables of gateways are not available. Name a subnet.")
	case val(in.SubnetId) == "":
		return nil, missing("subnetId")
	}
	var id string
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := get(tx, caller, routeTable, "rtb", *in.RouteTableId)
		if err != nil {
			return err
		}
		n, err := get(tx, caller, subnetTable, "subnet", *in.SubnetId)
		if err != nil {
			return err
		}
		if n.VPC != t.VPC {
			return errOtherNetwork(t.ID, "subnet", n.ID)
		}
		for other := range routeTable.Select(tx, "vpc/"+t.VPC) {
			for _, as := range other.Associations {
				switch {
				case as.Subnet != n.ID:
				case other.ID == t.ID:
					id = as.ID
					return nil
				default:
					return cloud.Errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
				}
			}
		}
		id = s.NewID("rtbassoc")
		return routeTable.Modify(tx, t.ID, func(t *cloud.RouteTable) error {
			t.Associations = append(t.Associations, cloud.RouteTableAssociation{ID: id, Subnet: n.ID})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssociateRouteTableResult{AssociationId: &id, AssociationState: stateAssociated()}, nil
}

func stateAssociated() *ec2.RouteTableAssociationState {
	return &ec2.RouteTableAssociationState{State: new(associated)}
}

func errOtherNetwork(table, kind, id string) error {
	return cloud.Errorf("InvalidParameterValue", "route table %s and %s %s belong to different networks", table, kind, id)
}

// routeAssociation finds an association of one of the caller's route tables.
func routeAssociation(r store.Reader, c cloud.Caller, id string) (cloud.RouteTable, cloud.RouteTableAssociation, error) {
	for t := range routeTable.Select(r, cloud.AccountLabel(c.Account)) {
		for _, as := range t.Associations {
			if as.ID == id {
				return t, as, nil
			}
		}
	}
	return cloud.RouteTable{}, cloud.RouteTableAssociation{}, notFound("rtbassoc", id)
}

// associationSubjects is what a request is about that names an association.
func (a asking) associationSubjects(id string) []subject {
	t, as, err := routeAssociation(a.r, a.c, id)
	if err != nil {
		return []subject{a.absent("rtb", "")}
	}
	about := []subject{aboutRoutes.doc(a, t)}
	if as.Subnet != "" {
		about = append(about, aboutSubnet.of(a, as.Subnet))
	}
	return about
}

// DisassociateRouteTable lets a subnet follow its VPC's main route table again.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateRouteTable.html
func (s *Service) DisassociateRouteTable(ctx context.Context, in *ec2.DisassociateRouteTableRequest) (*ec2.DisassociateRouteTableOutput, error) {
	caller, err := s.allow(ctx, "DisassociateRouteTable", in.DryRun, s.asking(ctx).associationSubjects(val(in.AssociationId))...)
	if err != nil {
		return nil, err
	}
	if val(in.AssociationId) == "" {
		return nil, missing("associationId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		t, as, err := routeAssociation(tx, caller, *in.AssociationId)
		switch {
		case err != nil:
			return err
		case as.Main:
			return cloud.Errorf("InvalidParameterValue", "cannot disassociate the main route table association %s", as.ID)
		}
		return dropAssociation(tx, t.ID, as)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DisassociateRouteTableOutput{}, nil
}

func dropAssociation(tx *store.Tx, table string, as cloud.RouteTableAssociation) error {
	return routeTable.Modify(tx, table, func(t *cloud.RouteTable) error {
		t.Associations = slices.DeleteFunc(t.Associations, func(o cloud.RouteTableAssociation) bool { return o == as })
		return nil
	})
}

// ReplaceRouteTableAssociation gives a subnet another route table, or a VPC another
// main one.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceRouteTableAssociation.html
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, in *ec2.ReplaceRouteTableAssociationRequest) (*ec2.ReplaceRouteTableAssociationResult, error) {
	a := s.asking(ctx)
	about := append([]subject{aboutRoutes.of(a, val(in.RouteTableId))}, a.associationSubjects(val(in.AssociationId))...)
	caller, err := s.allow(ctx, "ReplaceRouteTableAssociation", in.DryRun, about...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.AssociationId) == "":
		return nil, missing("associationId")
	case val(in.RouteTableId) == "":
		return nil, missing("routeTableId")
	}
	id := s.NewID("rtbassoc")
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		old, as, err := routeAssociation(tx, caller, *in.AssociationId)
		if err != nil {
			return err
		}
		t, err := get(tx, caller, routeTable, "rtb", *in.RouteTableId)
		switch {
		case err != nil:
			return err
		case t.VPC != old.VPC:
			return errOtherNetwork(t.ID, "route table", old.ID)
		}
		if err := dropAssociation(tx, old.ID, as); err != nil {
			return err
		}
		return routeTable.Modify(tx, t.ID, func(t *cloud.RouteTable) error {
			as.ID = id
			t.Associations = append(t.Associations, as)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ReplaceRouteTableAssociationResult{NewAssociationId: &id, AssociationState: stateAssociated()}, nil
}
