package ec2

import (
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

func TestEndpoints(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	list := s3List().ID
	main, _ := r.mainTable(net.vpc)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}`
	type in = ec2.CreateVpcEndpointRequest
	service := new("com.amazonaws.eu-paris-1.s3")
	for _, c := range []struct {
		what, code string
		in         in
	}{
		{"no VPC", "MissingParameter", in{ServiceName: service}},
		{"no service", "MissingParameter", in{VpcId: &net.vpc}},
		{"other service", "InvalidServiceName", in{VpcId: &net.vpc, ServiceName: new("com.amazonaws.eu-paris-1.sqs")}},
		{"interface", "UnsupportedOperation", in{VpcId: &net.vpc, ServiceName: service, VpcEndpointType: new("Interface")}},
		{"subnets", "InvalidParameter", in{VpcId: &net.vpc, ServiceName: service, SubnetIds: []string{net.subnet}}},
		{"table of another VPC", "InvalidParameter", in{VpcId: &net.vpc, ServiceName: service, RouteTableIds: []string{r.net.Routes.ID}}},
		{"policy", "InvalidPolicyDocument", in{VpcId: &net.vpc, ServiceName: service, PolicyDocument: new("{")}},
		{"bob's VPC", "InvalidVpcID.NotFound", in{VpcId: &r.bobs.VPC.ID, ServiceName: service}},
	} {
		_, err := r.CreateVpcEndpoint(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	request := in{VpcId: &net.vpc, ServiceName: service, RouteTableIds: []string{net.table}, PolicyDocument: &policy, ClientToken: new("once")}
	e := must(r.CreateVpcEndpoint(r.ctx, &request))(t).VpcEndpoint
	if again := must(r.CreateVpcEndpoint(r.ctx, &request))(t).VpcEndpoint; *again.VpcEndpointId != *e.VpcEndpointId {
		t.Errorf("the same token makes %s", *again.VpcEndpointId)
	}
	if *e.State != "available" || *e.VpcEndpointType != "Gateway" || *e.PolicyDocument != policy || !slices.Equal(e.RouteTableIds, []string{net.table}) {
		t.Errorf("endpoint is %+v", e)
	}
	route := list + " " + *e.VpcEndpointId + " active"
	if got := r.routesOf(net.table); !slices.Contains(got, route) {
		t.Errorf("routes are %q", got)
	}
	_, err := r.CreateVpcEndpoint(r.ctx, &in{VpcId: &net.vpc, ServiceName: service, RouteTableIds: []string{net.table}})
	want(t, "second route", err, "RouteAlreadyExists")
	_, err = r.DeleteRoute(r.ctx, &ec2.DeleteRouteRequest{RouteTableId: &net.table, DestinationPrefixListId: &list})
	want(t, "delete route", err, "InvalidParameterValue", "cannot remove VPC endpoint route "+list+" in route table "+net.table)

	must(r.ModifyVpcEndpoint(r.ctx, &ec2.ModifyVpcEndpointRequest{
		VpcEndpointId: e.VpcEndpointId, AddRouteTableIds: []string{main}, RemoveRouteTableIds: []string{net.table}, ResetPolicy: new(true),
	}))(t)
	out := must(r.DescribeVpcEndpoints(r.ctx, &ec2.DescribeVpcEndpointsRequest{Filters: filters("service-name", *service, "vpc-id", net.vpc, "vpc-endpoint-type", "Gateway",
		"vpc-endpoint-state", "available", "vpc-endpoint-id", *e.VpcEndpointId)}))(t).VpcEndpoints
	if len(out) != 1 || *out[0].PolicyDocument != everyAccess || !slices.Equal(out[0].RouteTableIds, []string{main}) {
		t.Errorf("endpoints are %+v", out)
	}
	if slices.Contains(r.routesOf(net.table), route) || !slices.Contains(r.routesOf(main), route) {
		t.Errorf("routes are %q and %q", r.routesOf(net.table), r.routesOf(main))
	}
	unknown := "vpce-0123456789abcdef9"
	gone := must(r.DeleteVpcEndpoints(r.ctx, &ec2.DeleteVpcEndpointsRequest{VpcEndpointIds: []string{*e.VpcEndpointId, unknown}}))(t).Unsuccessful
	if len(gone) != 1 || *gone[0].ResourceId != unknown || *gone[0].Error.Code != "InvalidVpcEndpointId.NotFound" {
		t.Errorf("unsuccessful are %+v", gone)
	}
	if slices.Contains(r.routesOf(main), route) {
		t.Errorf("routes are %q", r.routesOf(main))
	}
	r.Limits.Endpoints = 1
	_, err = r.CreateVpcEndpoint(r.ctx, &in{VpcId: &net.vpc, ServiceName: service})
	want(t, "too many", err, "VpcEndpointLimitExceeded")
}

func TestEndpointServices(t *testing.T) {
	r := newRig(t)
	const name = "com.amazonaws.eu-paris-1.s3"
	out := must(r.DescribeVpcEndpointServices(r.ctx, &ec2.DescribeVpcEndpointServicesRequest{ServiceNames: []string{name}, Filters: filters("service-type", "Gateway", "owner", "amazon")}))(t)
	if !slices.Equal(out.ServiceNames, []string{name}) || *out.ServiceDetails[0].ServiceType[0].ServiceType != "Gateway" || len(out.ServiceDetails[0].AvailabilityZones) != 2 {
		t.Errorf("services are %+v", out)
	}
	if out := must(r.DescribeVpcEndpointServices(r.ctx, &ec2.DescribeVpcEndpointServicesRequest{Filters: filters("service-type", "Interface")}))(t); len(out.ServiceNames) != 0 {
		t.Errorf("services are %+v", out)
	}
	_, err := r.DescribeVpcEndpointServices(r.ctx, &ec2.DescribeVpcEndpointServicesRequest{ServiceNames: []string{"x"}})
	want(t, "unknown", err, "InvalidServiceName", "The Vpc Endpoint Service 'x' does not exist")
}
