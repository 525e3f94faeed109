package ec2

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

func TestDefaultNetwork(t *testing.T) {
	r := newRig(t)
	vpc := must(r.DescribeVpcs(r.ctx, &ec2.DescribeVpcsRequest{}))(t).Vpcs
	if len(vpc) != 1 || *vpc[0].CidrBlock != "172.31.0.0/16" || !*vpc[0].IsDefault || *vpc[0].State != "available" || *vpc[0].OwnerId != alice ||
		*vpc[0].InstanceTenancy != "default" || !strings.HasPrefix(*vpc[0].DhcpOptionsId, "dopt-") || len(vpc[0].CidrBlockAssociationSet) != 1 {
		t.Errorf("VPCs are %+v", vpc)
	}
	subnets := must(r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{Filters: filters("vpc-id", *vpc[0].VpcId)}))(t).Subnets
	got := map[string]string{}
	for _, s := range subnets {
		got[*s.AvailabilityZone+" "+*s.AvailabilityZoneId] = *s.CidrBlock
		if !*s.MapPublicIpOnLaunch || !*s.DefaultForAz || *s.AvailableIpAddressCount != 4091 || *s.State != "available" {
			t.Errorf("subnet is %+v", s)
		}
	}
	if len(got) != 2 || got["eu-paris-1a eup1-az1"] != "172.31.0.0/20" || got["eu-paris-1b eup1-az2"] != "172.31.16.0/20" {
		t.Errorf("subnets are %v", got)
	}
	tables := must(r.DescribeRouteTables(r.ctx, &ec2.DescribeRouteTablesRequest{}))(t).RouteTables
	if len(tables) != 1 || len(tables[0].Routes) != 2 || *tables[0].Routes[0].GatewayId != "local" || *tables[0].Routes[0].DestinationCidrBlock != "172.31.0.0/16" ||
		*tables[0].Routes[1].GatewayId != r.net.Gateway.ID || *tables[0].Routes[1].State != "active" || !*tables[0].Associations[0].Main || tables[0].Associations[0].SubnetId != nil {
		t.Errorf("route tables are %+v", tables)
	}
	gateways := must(r.DescribeInternetGateways(r.ctx, &ec2.DescribeInternetGatewaysRequest{}))(t).InternetGateways
	if len(gateways) != 1 || *gateways[0].Attachments[0].VpcId != *vpc[0].VpcId || *gateways[0].Attachments[0].State != "available" {
		t.Errorf("gateways are %+v", gateways)
	}
	group := r.securityGroup(r.net.Group.ID)
	if *group.GroupName != "default" || *group.Description != "default VPC security group" || *group.IpPermissions[0].IpProtocol != "-1" ||
		*group.IpPermissions[0].UserIdGroupPairs[0].GroupId != *group.GroupId || *group.IpPermissionsEgress[0].IpRanges[0].CidrIp != "0.0.0.0/0" {
		t.Errorf("group is %+v", group)
	}
}

func TestDetachedGateway(t *testing.T) {
	r := newRig(t)
	r.update(func(tx *store.Tx) error {
		return gatewayTable.Modify(tx, r.net.Gateway.ID, func(g *cloud.InternetGateway) error { g.VPC = ""; return nil })
	})
	gateways := must(r.DescribeInternetGateways(r.ctx, &ec2.DescribeInternetGatewaysRequest{InternetGatewayIds: []string{r.net.Gateway.ID}}))(t).InternetGateways
	if len(gateways[0].Attachments) != 0 {
		t.Errorf("a detached gateway has attachments %+v", gateways[0].Attachments)
	}
	if got := must(r.DescribeInternetGateways(r.ctx, &ec2.DescribeInternetGatewaysRequest{Filters: filters("attachment.state", "*")}))(t); len(got.InternetGateways) != 0 {
		t.Errorf("a detached gateway has an attachment state")
	}
	tables := must(r.DescribeRouteTables(r.ctx, &ec2.DescribeRouteTablesRequest{Filters: filters("route.state", "blackhole")}))(t).RouteTables
	if len(tables) != 1 || *tables[0].Routes[0].State != "active" || *tables[0].Routes[1].State != "blackhole" {
		t.Errorf("route tables are %+v", tables)
	}
}

func TestDescribeVpcAttribute(t *testing.T) {
	r := newRig(t)
	ask := func(id, attribute string) (*ec2.DescribeVpcAttributeResult, error) {
		return r.DescribeVpcAttribute(r.ctx, &ec2.DescribeVpcAttributeRequest{VpcId: opt(id), Attribute: opt(attribute)})
	}
	id := r.net.VPC.ID
	if out := must(ask(id, "enableDnsSupport"))(t); !*out.EnableDnsSupport.Value || out.EnableDnsHostnames != nil || *out.VpcId != id {
		t.Errorf("got %+v", out)
	}
	if out := must(ask(id, "enableDnsHostnames"))(t); !*out.EnableDnsHostnames.Value || out.EnableDnsSupport != nil {
		t.Errorf("got %+v", out)
	}
	if out := must(ask(id, "enableNetworkAddressUsageMetrics"))(t); *out.EnableNetworkAddressUsageMetrics.Value {
		t.Errorf("got %+v", out)
	}
	for _, c := range []struct{ what, id, attribute, code string }{
		{"no VPC", "", "enableDnsSupport", "MissingParameter"},
		{"no attribute", id, "", "MissingParameter"},
		{"unknown attribute", id, "x", "InvalidParameterValue"},
		{"malformed", "x", "enableDnsSupport", "InvalidVpcID.Malformed"},
		{"unknown", "vpc-01234567", "enableDnsSupport", "InvalidVpcID.NotFound"},
		{"bob's", r.bobs.VPC.ID, "enableDnsSupport", "InvalidVpcID.NotFound"},
	} {
		_, err := ask(c.id, c.attribute)
		want(t, c.what, err, c.code)
	}
}

func TestDescribeNetworkInterfaces(t *testing.T) {
	r := newRig(t)
	instance := cloud.NewID("i")
	n := r.addInterface(instance, port{public: true, description: "d"})
	loose := r.addInterface("", port{})
	out := must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{NetworkInterfaceIds: []string{n.ID}}))(t).NetworkInterfaces[0]
	if *out.Status != "in-use" || *out.Attachment.InstanceId != instance || *out.Attachment.Status != "attached" || *out.Groups[0].GroupName != "default" ||
		*out.Association.IpOwnerId != "amazon" || out.Association.AllocationId != nil || *out.Association.PublicIp != n.Addresses[0].Public.Address.String() ||
		*out.MacAddress != n.MAC || *out.PrivateIpAddress != n.Primary().String() || !*out.SourceDestCheck || *out.InterfaceType != "interface" {
		t.Errorf("got %+v", out)
	}
	got := must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{Filters: filters("status", "available")}))(t).NetworkInterfaces
	if len(got) != 1 || *got[0].NetworkInterfaceId != loose.ID || got[0].Attachment != nil || got[0].Association != nil {
		t.Errorf("available are %+v", got)
	}
	got = must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{Filters: filters("addresses.association.owner-id", "amazon")}))(t).NetworkInterfaces
	if len(got) != 1 || *got[0].NetworkInterfaceId != n.ID {
		t.Errorf("with an address of the pool are %+v", got)
	}
}

// TestExplicitIDs asks each Describe for IDs: malformed, unknown, another
// tenant's, and together with a page size.
func TestExplicitIDs(t *testing.T) {
	r := newRig(t)
	bobs := must(r.AllocateAddress(r.bob, &ec2.AllocateAddressRequest{}))(t)
	for prefix, c := range map[string]struct {
		bobs string
		call func(ids []string, max *int32) error
	}{
		"vpc": {r.bobs.VPC.ID, func(ids []string, max *int32) error {
			_, err := r.DescribeVpcs(r.ctx, &ec2.DescribeVpcsRequest{VpcIds: ids, MaxResults: max})
			return err
		}},
		"subnet": {r.bobs.Subnets[0].ID, func(ids []string, max *int32) error {
			_, err := r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{SubnetIds: ids, MaxResults: max})
			return err
		}},
		"rtb": {r.bobs.Routes.ID, func(ids []string, max *int32) error {
			_, err := r.DescribeRouteTables(r.ctx, &ec2.DescribeRouteTablesRequest{RouteTableIds: ids, MaxResults: max})
			return err
		}},
		"igw": {r.bobs.Gateway.ID, func(ids []string, max *int32) error {
			_, err := r.DescribeInternetGateways(r.ctx, &ec2.DescribeInternetGatewaysRequest{InternetGatewayIds: ids, MaxResults: max})
			return err
		}},
		"eni": {"eni-0123456789abcdef0", func(ids []string, max *int32) error {
			_, err := r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{NetworkInterfaceIds: ids, MaxResults: max})
			return err
		}},
		"sg": {r.bobs.Group.ID, func(ids []string, max *int32) error {
			_, err := r.DescribeSecurityGroups(r.ctx, &ec2.DescribeSecurityGroupsRequest{GroupIds: ids, MaxResults: max})
			return err
		}},
		"sgr": {r.bobs.Group.Rules[0].ID, func(ids []string, max *int32) error {
			_, err := r.DescribeSecurityGroupRules(r.ctx, &ec2.DescribeSecurityGroupRulesRequest{SecurityGroupRuleIds: ids, MaxResults: max})
			return err
		}},
		"eipalloc": {*bobs.AllocationId, func(ids []string, max *int32) error {
			_, err := r.DescribeAddresses(r.ctx, &ec2.DescribeAddressesRequest{AllocationIds: ids})
			return err
		}},
	} {
		k := kindOf(prefix)
		unknown := []string{prefix + "-01234567", prefix + "-0123456789abcdef0"}
		want(t, prefix+" malformed", c.call([]string{"web"}, nil), k.malformed, `Invalid id: "web" (expecting "`+prefix+`-...")`)
		want(t, prefix+" too short", c.call([]string{prefix + "-0123"}, nil), k.malformed, `Invalid id: "`+prefix+`-0123"`)
		want(t, prefix+" in capitals", c.call([]string{prefix + "-0123456A"}, nil), k.malformed)
		want(t, prefix+" unknown", c.call(unknown[:1], nil), k.notFound, strings.Replace(k.one, "%", unknown[0], 1))
		want(t, prefix+" two unknown", c.call(unknown, nil), k.notFound, strings.Replace(k.many, "%", strings.Join(unknown, ", "), 1))
		want(t, prefix+" of bob", c.call([]string{c.bobs}, nil), k.notFound, strings.Replace(k.one, "%", c.bobs, 1))
		if prefix != "eipalloc" {
			want(t, prefix+" with a page", c.call(unknown, new(int32(5))), "InvalidParameterCombination")
			want(t, prefix+" page too small", c.call(nil, new(int32(4))), "InvalidParameterValue")
			want(t, prefix+" page too large", c.call(nil, new(int32(1001))), "InvalidParameterValue")
		}
	}
}

// deny refuses one action to everybody.
type deny string

func (d deny) Authorize(_ context.Context, r policy.Request) error {
	if r.Action == string(d) {
		return cloud.Errorf("UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	return nil
}

func TestAuthorization(t *testing.T) {
	r := newRig(t)
	r.Authz = deny("ec2:DescribeVpcs")
	_, err := r.DescribeVpcs(r.ctx, &ec2.DescribeVpcsRequest{DryRun: new(true)})
	want(t, "denied", err, "UnauthorizedOperation")
	_, err = r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{})
	want(t, "allowed", err, "")
	_, err = r.DescribeVpcs(t.Context(), &ec2.DescribeVpcsRequest{})
	var e *cloud.Error
	if !errors.As(err, &e) || e.Code != "AuthFailure" || e.HTTPStatus() != 401 {
		t.Errorf("anonymous: got %v", err)
	}
	_, err = r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{DryRun: new(true)})
	if !errors.As(err, &e) || e.Code != "DryRunOperation" || e.HTTPStatus() != 412 {
		t.Errorf("dry run: got %v", err)
	}
}

// TestTenantsSeeTheirOwn checks that a tenant sees its own resources and no
// other's, whatever it asks for.
func TestTenantsSeeTheirOwn(t *testing.T) {
	r := newRig(t)
	out := must(r.DescribeVpcs(r.bob, &ec2.DescribeVpcsRequest{Filters: filters("is-default", "true")}))(t)
	if len(out.Vpcs) != 1 || *out.Vpcs[0].VpcId != r.bobs.VPC.ID {
		t.Errorf("bob sees %+v", out.Vpcs)
	}
	if out = must(r.DescribeVpcs(r.bob, &ec2.DescribeVpcsRequest{Filters: filters("owner-id", alice)}))(t); len(out.Vpcs) != 0 {
		t.Errorf("bob sees %+v", out.Vpcs)
	}
}
