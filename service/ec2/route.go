package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateRoute adds a route to a route table.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html
func (s *Service) CreateRoute(ctx context.Context, in *ec2.CreateRouteRequest) (*ec2.CreateRouteResult, error) {
	caller, err := s.allow(ctx, "CreateRoute", in.DryRun, aboutRoutes.of(s.asking(ctx), val(in.RouteTableId)))
	if err != nil {
		return nil, err
	}
	to, err := readDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	via, err := target{in}.read()
	if err != nil {
		return nil, err
	}
	err = s.editRoutes(ctx, caller, in.RouteTableId, func(tx *store.Tx, t *cloud.RouteTable) error {
		if slices.ContainsFunc(t.Routes, to.is) {
			return cloud.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", to)
		}
		route, err := s.newRoute(tx, caller, *t, to, via)
		if err != nil {
			return err
		}
		t.Routes = append(t.Routes, route)
		return s.checkRoutes(tx, *t)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateRouteResult{Return: new(true)}, nil
}

// ReplaceRoute leads a route of a route table elsewhere.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceRoute.html
func (s *Service) ReplaceRoute(ctx context.Context, in *ec2.ReplaceRouteRequest) (*ec2.ReplaceRouteOutput, error) {
	caller, err := s.allow(ctx, "ReplaceRoute", in.DryRun, aboutRoutes.of(s.asking(ctx), val(in.RouteTableId)))
	if err != nil {
		return nil, err
	}
	to, err := readDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	toLocal := val(in.LocalTarget)
	via, err := target{&ec2.CreateRouteRequest{
		CarrierGatewayId: in.CarrierGatewayId, CoreNetworkArn: in.CoreNetworkArn, EgressOnlyInternetGatewayId: in.EgressOnlyInternetGatewayId,
		GatewayId: in.GatewayId, InstanceId: in.InstanceId, LocalGatewayId: in.LocalGatewayId, NatGatewayId: in.NatGatewayId,
		NetworkInterfaceId: in.NetworkInterfaceId, OdbNetworkArn: in.OdbNetworkArn, TransitGatewayId: in.TransitGatewayId,
		VpcEndpointId: in.VpcEndpointId, VpcPeeringConnectionId: in.VpcPeeringConnectionId,
	}}.read()
	if err != nil && !toLocal {
		return nil, err
	}
	err = s.editRoutes(ctx, caller, in.RouteTableId, func(tx *store.Tx, t *cloud.RouteTable) error {
		at := slices.IndexFunc(t.Routes, to.is)
		switch {
		case at < 0:
			return cloud.Errorf("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", to)
		case toLocal && t.Routes[at].Target == localTarget:
			return nil // it is so already
		case toLocal:
			return cloud.Errorf("InvalidParameterValue", "The route identified by %s is not a local route: its target cannot be local.", to)
		case t.Routes[at].Target == localTarget:
			return unsupported("The target of local routes cannot be changed: packets within a VPC go straight to their destination.")
		case isEndpoint(t.Routes[at].Target):
			return cloud.Errorf("InvalidParameterValue", "cannot replace VPC endpoint route %s in route table %s", to, t.ID)
		}
		route, err := s.newRoute(tx, caller, *t, to, via)
		if err == nil {
			t.Routes[at] = route
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ReplaceRouteOutput{}, nil
}

// DeleteRoute removes a route from a route table.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteRoute.html
func (s *Service) DeleteRoute(ctx context.Context, in *ec2.DeleteRouteRequest) (*ec2.DeleteRouteOutput, error) {
	caller, err := s.allow(ctx, "DeleteRoute", in.DryRun, aboutRoutes.of(s.asking(ctx), val(in.RouteTableId)))
	if err != nil {
		return nil, err
	}
	to, err := readDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	err = s.editRoutes(ctx, caller, in.RouteTableId, func(_ *store.Tx, t *cloud.RouteTable) error {
		at := slices.IndexFunc(t.Routes, to.is)
		switch {
		case at < 0:
			return cloud.Errorf("InvalidRoute.NotFound", "no route with %s %s in route table %s", to.parameter(), to, t.ID)
		case t.Routes[at].Target == localTarget:
			return cloud.Errorf("InvalidParameterValue", "cannot remove local route %s in route table %s", to, t.ID)
		case isEndpoint(t.Routes[at].Target):
			return cloud.Errorf("InvalidParameterValue", "cannot remove VPC endpoint route %s in route table %s", to, t.ID)
		}
		t.Routes = slices.Delete(t.Routes, at, at+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteRouteOutput{}, nil
}

// editRoutes edits one of the caller's route tables.
func (s *Service) editRoutes(ctx context.Context, c cloud.Caller, id *string, edit func(*store.Tx, *cloud.RouteTable) error) error {
	if val(id) == "" {
		return missing("routeTableId")
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, err := get(tx, c, routeTable, "rtb", *id); err != nil {
			return err
		}
		return routeTable.Modify(tx, *id, func(t *cloud.RouteTable) error { return edit(tx, t) })
	})
}

// destination is where a route is for: a range or a prefix list.
type destination struct {
	prefix netip.Prefix
	list   string
}

// readDestination reads the one destination that a request names.
func readDestination(v4, v6, list *string) (d destination, err error) {
	switch given := each([]*string{v4, v6, list}, func(p *string) bool { return val(p) != "" }); {
	case slices.Equal(given, []bool{true, false, false}):
		d.prefix, err = parseRange("destinationCidrBlock", *v4, false)
	case slices.Equal(given, []bool{false, true, false}):
		d.prefix, err = parseRange("destinationIpv6CidrBlock", *v6, true)
	case slices.Equal(given, []bool{false, false, true}):
		d.list, err = *list, checkIDs("pl", *list)
	case slices.Contains(given, true):
		err = cloud.Errorf("InvalidParameterCombination", "Exactly one of destinationCidrBlock, destinationIpv6CidrBlock and destinationPrefixListId must be specified")
	default:
		err = missing("destinationCidrBlock")
	}
	return d, err
}

func (d destination) String() string {
	if d.list != "" {
		return d.list
	}
	return d.prefix.String()
}

// parameter is how the API calls the destination.
func (d destination) parameter() string {
	switch {
	case d.list != "":
		return "destination-prefix-list-id"
	case d.prefix.Addr().Is6():
		return "destination-ipv6-cidr-block"
	}
	return "destination-cidr-block"
}

// is reports whether a route is for the destination.
func (d destination) is(r cloud.Route) bool { return r.Destination == d.prefix && r.List == d.list }

// checkRoutes refuses tables with more routes than allowed.
func (s *Service) checkRoutes(r store.Reader, t cloud.RouteTable) error {
	n := 0
	for _, route := range t.Routes {
		switch l, ok := listTable.Get(r, route.List); {
		case route.Target == localTarget:
		case ok:
			n += l.MaxEntries
		default:
			n++
		}
	}
	return withinSum(s.Limits.Routes, n, 0, "RouteLimitExceeded", "routes of a route table")
}
