package ec2

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// maxEndpointPolicy is how long an endpoint's policy may be, in characters.
const maxEndpointPolicy = 20480

// CreateVpcEndpoint makes a gateway endpoint: a way from subnets, whose route tables
// it names, to a service of the cloud.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
func (s *Service) CreateVpcEndpoint(ctx context.Context, in *ec2.CreateVpcEndpointRequest) (*ec2.CreateVpcEndpointResult, error) {
	caller, err := s.allow(ctx, "CreateVpcEndpoint", in.DryRun, s.asking(ctx).newEndpoint(in)...)
	if err != nil {
		return nil, err
	}
	if err := checkEndpoint(in); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "vpc-endpoint")
	if err != nil {
		return nil, err
	}
	var e cloud.Endpoint
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, caller, "CreateVpcEndpoint", in.ClientToken, in, func() ([]string, error) {
			e := cloud.Endpoint{
				Meta: cloud.Meta{ID: s.NewID("vpce"), Account: caller.Account, Created: s.Now().UTC(), Tags: tags},
				VPC:  *in.VpcId, Service: *in.ServiceName, Policy: val(in.PolicyDocument),
			}
			return []string{e.ID}, s.createEndpoint(tx, caller, e, in.RouteTableIds)
		})
		if err != nil {
			return err
		}
		e, err = get(tx, caller, endpointTable, "vpce", ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateVpcEndpointResult{VpcEndpoint: new(s.endpointOut(e)), ClientToken: in.ClientToken}, nil
}

func (a asking) newEndpoint(in *ec2.CreateVpcEndpointRequest) []subject {
	about := []subject{
		aboutEndpoint.made(a, cloud.Endpoint{Service: val(in.ServiceName)}, requestTags(in.TagSpecifications, "vpc-endpoint")),
		aboutVPC.of(a, val(in.VpcId)),
	}
	return append(about, aboutRoutes.named(a, in.RouteTableIds...)...)
}

// checkEndpoint checks a request by itself.
func checkEndpoint(in *ec2.CreateVpcEndpointRequest) error {
	switch {
	case cmp.Or(val(in.VpcEndpointType), ec2.VpcEndpointTypeGateway) != ec2.VpcEndpointTypeGateway,
		val(in.ResourceConfigurationArn) != "", val(in.ServiceNetworkArn) != "":
		return unsupported("Endpoints are of type Gateway. Leave out VpcEndpointType.")
	case len(in.SubnetIds)+len(in.SecurityGroupIds)+len(in.SubnetConfigurations) > 0, val(in.PrivateDnsEnabled), in.DnsOptions != nil,
		cmp.Or(val(in.IpAddressType), "ipv4") != "ipv4":
		return cloud.Errorf("InvalidParameter", "Endpoints of type Gateway have no subnets, security groups or names. Give route tables.")
	case val(in.VpcId) == "":
		return missing("VpcId")
	case val(in.ServiceName) == "":
		return missing("ServiceName")
	}
	return checkEndpointPolicy(val(in.PolicyDocument))
}

// checkEndpointPolicy refuses what is no policy; "" is every access.
func checkEndpointPolicy(document string) error {
	if document == "" {
		return nil
	}
	if len(document) > maxEndpointPolicy {
		return cloud.Errorf("InvalidPolicyDocument", "The policy document has more than %d characters.", maxEndpointPolicy)
	}
	_, err := policy.Parse(document, policy.ResourcePolicy)
	if wrong, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return cloud.Errorf("InvalidPolicyDocument", "The specified policy document is not valid: %s", wrong)
	}
	return err
}

func (s *Service) createEndpoint(tx *store.Tx, c cloud.Caller, e cloud.Endpoint, tables []string) error {
	if _, err := get(tx, c, vpcTable, "vpc", e.VPC); err != nil {
		return err
	}
	list, ok := serviceList(tx, e.Service)
	if !ok {
		return errNoService(e.Service)
	}
	have := endpointTable.Count(tx, cloud.AccountLabel(c.Account))
	if err := within(s.Limits.Endpoints, have, "VpcEndpointLimitExceeded", "gateway endpoints"); err != nil {
		return err
	}
	e.List = list.ID
	for _, id := range tables {
		if err := s.leadTo(tx, c, &e, id); err != nil {
			return err
		}
	}
	return endpointTable.Create(tx, e)
}

func errNoService(name string) error {
	return cloud.Errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", name)
}

// leadTo gives a route table the route to an endpoint.
func (s *Service) leadTo(tx *store.Tx, c cloud.Caller, e *cloud.Endpoint, id string) error {
	t, err := get(tx, c, routeTable, "rtb", id)
	switch {
	case err != nil:
		return err
	case t.VPC != e.VPC:
		return cloud.Errorf("InvalidParameter", "The route table %s does not belong to the VPC %s of the endpoint.", id, e.VPC)
	case slices.Contains(e.RouteTables, id):
		return nil
	case slices.ContainsFunc(t.Routes, destination{list: e.List}.is):
		return cloud.Errorf("RouteAlreadyExists", "route table %s already has a route with destination-prefix-list-id %s", id, e.List)
	}
	e.RouteTables = append(slices.Clone(e.RouteTables), id)
	t.Routes = append(slices.Clone(t.Routes), cloud.Route{List: e.List, Target: e.ID, Origin: originRoute})
	if err := s.checkRoutes(tx, t); err != nil {
		return err
	}
	return routeTable.Put(tx, t)
}

// leadAway takes the route to an endpoint from a route table.
func leadAway(tx *store.Tx, c cloud.Caller, e *cloud.Endpoint, id string) error {
	t, err := get(tx, c, routeTable, "rtb", id)
	if err != nil {
		return err
	}
	e.RouteTables = slices.DeleteFunc(slices.Clone(e.RouteTables), func(o string) bool { return o == id })
	t.Routes = withoutTarget(slices.Clone(t.Routes), e.ID)
	return routeTable.Put(tx, t)
}
