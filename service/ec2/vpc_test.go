package ec2

import (
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func TestCreateVpcMakesWhatAWSMakes(t *testing.T) {
	r := newRig(t)
	v := must(r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.9.9/16"), TagSpecifications: tagSpec("vpc", "Name", "net")}))(t).Vpc
	if *v.CidrBlock != "10.0.0.0/16" || *v.IsDefault || *v.DhcpOptionsId != r.net.Options.ID || *v.Tags[0].Value != "net" ||
		len(v.CidrBlockAssociationSet) != 1 || len(v.Ipv6CidrBlockAssociationSet) != 0 {
		t.Errorf("VPC is %+v", v)
	}
	table, _ := r.mainTable(*v.VpcId)
	if got := r.routesOf(table); !slices.Equal(got, []string{"10.0.0.0/16 local active"}) {
		t.Errorf("main route table has %q", got)
	}
	groups := must(r.DescribeSecurityGroups(r.ctx, &ec2.DescribeSecurityGroupsRequest{Filters: filters("vpc-id", *v.VpcId)}))(t).SecurityGroups
	if len(groups) != 1 || *groups[0].GroupName != "default" || len(groups[0].IpPermissionsEgress) != 1 {
		t.Errorf("groups are %+v", groups)
	}
	subnet := r.addSubnetOf(*v.VpcId, "10.0.1.0/24")
	if a := r.aclOf(subnet); !a.Default || a.VPC != *v.VpcId || len(a.Entries) != 2 {
		t.Errorf("network ACL is %+v", a)
	}
	for attribute, on := range map[string]bool{"enableDnsSupport": true, "enableDnsHostnames": false} {
		out := must(r.DescribeVpcAttribute(r.ctx, &ec2.DescribeVpcAttributeRequest{VpcId: v.VpcId, Attribute: &attribute}))(t)
		for _, value := range []*ec2.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
			if value != nil && *value.Value != on {
				t.Errorf("%s is %v", attribute, *value.Value)
			}
		}
	}
}

func TestCreateVpcRefuses(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		what, code string
		in         ec2.CreateVpcRequest
	}{
		{"no range", "MissingParameter", ec2.CreateVpcRequest{}},
		{"no CIDR", "InvalidParameterValue", ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0")}},
		{"IPv6", "InvalidParameterValue", ec2.CreateVpcRequest{CidrBlock: new("fd00::/56")}},
		{"too large", "InvalidVpc.Range", ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/15")}},
		{"too small", "InvalidVpc.Range", ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/29")}},
		{"link-local", "InvalidVpc.Range", ec2.CreateVpcRequest{CidrBlock: new("169.254.0.0/16")}},
		{"multicast", "InvalidVpc.Range", ec2.CreateVpcRequest{CidrBlock: new("239.0.0.0/16")}},
		{"tenancy", "UnsupportedOperation", ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), InstanceTenancy: new("dedicated")}},
		{"IPAM", "UnsupportedOperation", ec2.CreateVpcRequest{Ipv4IpamPoolId: new("ipam-pool-1"), Ipv4NetmaskLength: new(int32(24))}},
		{"own IPv6", "UnsupportedOperation", ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), Ipv6CidrBlock: new("2001:db8::/56")}},
		{"other tags", "InvalidParameterValue", ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), TagSpecifications: tagSpec("subnet", "a", "b")}},
	} {
		_, err := r.CreateVpc(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	r.Limits.VPCs = 2
	r.vpcOf("10.0.0.0/16")
	_, err := r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16")})
	want(t, "third", err, "VpcLimitExceeded")
}

func TestDeleteVpc(t *testing.T) {
	r := newRig(t)
	remove := func(id string) error {
		_, err := r.DeleteVpc(r.ctx, &ec2.DeleteVpcRequest{VpcId: &id})
		return err
	}
	want(t, "none", remove(""), "MissingParameter")
	want(t, "malformed", remove("x"), "InvalidVpcID.Malformed")
	want(t, "bob's", remove(r.bobs.VPC.ID), "InvalidVpcID.NotFound")

	id := r.vpcOf("10.0.0.0/16")
	words := "The vpc '" + id + "' has dependencies and cannot be deleted."
	for what, depend := range map[string]func() (undo func() error){
		"subnet": func() func() error {
			n := r.addSubnetOf(id, "10.0.0.0/24")
			return func() error { _, err := r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: &n}); return err }
		},
		"internet gateway": func() func() error {
			g := r.addGateway()
			must(r.AttachInternetGateway(r.ctx, &ec2.AttachInternetGatewayRequest{InternetGatewayId: &g, VpcId: &id}))(t)
			return func() error {
				_, err := r.DetachInternetGateway(r.ctx, &ec2.DetachInternetGatewayRequest{InternetGatewayId: &g, VpcId: &id})
				return err
			}
		},
		"egress-only gateway": func() func() error {
			g := must(r.CreateEgressOnlyInternetGateway(r.ctx, &ec2.CreateEgressOnlyInternetGatewayRequest{VpcId: &id}))(t).EgressOnlyInternetGateway
			return func() error {
				_, err := r.DeleteEgressOnlyInternetGateway(r.ctx, &ec2.DeleteEgressOnlyInternetGatewayRequest{EgressOnlyInternetGatewayId: g.EgressOnlyInternetGatewayId})
				return err
			}
		},
		"route table": func() func() error {
			table := must(r.CreateRouteTable(r.ctx, &ec2.CreateRouteTableRequest{VpcId: &id}))(t).RouteTable.RouteTableId
			return func() error {
				_, err := r.DeleteRouteTable(r.ctx, &ec2.DeleteRouteTableRequest{RouteTableId: table})
				return err
			}
		},
		"group": func() func() error {
			g := must(r.CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupRequest{VpcId: &id, GroupName: new("web"), Description: new("web")}))(t).GroupId
			return func() error {
				_, err := r.DeleteSecurityGroup(r.ctx, &ec2.DeleteSecurityGroupRequest{GroupId: g})
				return err
			}
		},
		"endpoint": func() func() error {
			e := must(r.CreateVpcEndpoint(r.ctx, &ec2.CreateVpcEndpointRequest{VpcId: &id, ServiceName: new("com.amazonaws.eu-paris-1.s3")}))(t).VpcEndpoint.VpcEndpointId
			return func() error {
				_, err := r.DeleteVpcEndpoints(r.ctx, &ec2.DeleteVpcEndpointsRequest{VpcEndpointIds: []string{*e}})
				return err
			}
		},
	} {
		undo := depend()
		want(t, what, remove(id), "DependencyViolation", words)
		want(t, what+" undone", undo(), "")
	}
	want(t, "empty", remove(id), "")
	want(t, "again", remove(id), "InvalidVpcID.NotFound")
	view := r.DB.View()
	label := "vpc/" + id
	if n := routeTable.Count(view, label) + aclTable.Count(view, label) + groupTable.Count(view, label); n != 0 {
		t.Errorf("%d documents are left", n)
	}
	if owner, taken := store.Owner(view, cloud.GroupNames(id), "default"); taken {
		t.Errorf("the default group's name is still that of %s", owner)
	}
}

func TestModifyVpcAttribute(t *testing.T) {
	r := newRig(t)
	id := r.vpcOf("10.0.0.0/16")
	yes, no := &ec2.AttributeBooleanValue{Value: new(true)}, &ec2.AttributeBooleanValue{Value: new(false)}
	modify := func(in ec2.ModifyVpcAttributeRequest) error {
		_, err := r.ModifyVpcAttribute(r.ctx, &in)
		return err
	}
	for _, c := range []struct {
		what, code string
		in         ec2.ModifyVpcAttributeRequest
	}{
		{"no VPC", "MissingParameter", ec2.ModifyVpcAttributeRequest{EnableDnsSupport: yes}},
		{"nothing", "MissingParameter", ec2.ModifyVpcAttributeRequest{VpcId: &id}},
		{"two", "InvalidParameterCombination", ec2.ModifyVpcAttributeRequest{VpcId: &id, EnableDnsSupport: yes, EnableDnsHostnames: yes}},
		{"bob's", "InvalidVpcID.NotFound", ec2.ModifyVpcAttributeRequest{VpcId: &r.bobs.VPC.ID, EnableDnsSupport: yes}},
		{"host names", "", ec2.ModifyVpcAttributeRequest{VpcId: &id, EnableDnsHostnames: yes}},
		{"metrics", "", ec2.ModifyVpcAttributeRequest{VpcId: &id, EnableNetworkAddressUsageMetrics: yes}},
		{"no host names", "", ec2.ModifyVpcAttributeRequest{VpcId: &id, EnableDnsHostnames: no}},
		{"no support", "", ec2.ModifyVpcAttributeRequest{VpcId: &id, EnableDnsSupport: no}},
		{"host names without support", "InvalidParameterValue", ec2.ModifyVpcAttributeRequest{VpcId: &id, EnableDnsHostnames: yes}},
	} {
		want(t, c.what, modify(c.in), c.code)
	}
	if v, _ := vpcTable.Get(r.DB.View(), id); v.DNSSupport || v.DNSHostnames || !v.NetworkAddressUsageMetrics {
		t.Errorf("VPC is %+v", v)
	}
	_, err := r.ModifyVpcTenancy(r.ctx, &ec2.ModifyVpcTenancyRequest{VpcId: &id, InstanceTenancy: new("default")})
	want(t, "tenancy", err, "")
	_, err = r.ModifyVpcTenancy(r.ctx, &ec2.ModifyVpcTenancyRequest{VpcId: &id, InstanceTenancy: new("dedicated")})
	want(t, "another tenancy", err, "InvalidParameterValue")
}

func TestDefaultVpcAgain(t *testing.T) {
	r := newRig(t)
	_, err := r.CreateDefaultVpc(r.ctx, &ec2.CreateDefaultVpcRequest{})
	want(t, "second", err, "DefaultVpcAlreadyExists")
	_, err = r.CreateDefaultSubnet(r.ctx, &ec2.CreateDefaultSubnetRequest{AvailabilityZone: new("eu-paris-1a")})
	want(t, "second subnet", err, "DefaultSubnetAlreadyExistsInAvailabilityZone")

	lost := r.net.Subnets[0]
	must(r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: &lost.ID}))(t)
	subnet := must(r.CreateDefaultSubnet(r.ctx, &ec2.CreateDefaultSubnetRequest{AvailabilityZone: &lost.Zone}))(t).Subnet
	if *subnet.CidrBlock != lost.Prefix.String() || !*subnet.DefaultForAz || !*subnet.MapPublicIpOnLaunch || !r.aclOf(*subnet.SubnetId).Default {
		t.Errorf("subnet is %+v", subnet)
	}

	must(r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: subnet.SubnetId}))(t)
	must(r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: &r.net.Subnets[1].ID}))(t)
	must(r.DetachInternetGateway(r.ctx, &ec2.DetachInternetGatewayRequest{InternetGatewayId: &r.net.Gateway.ID, VpcId: &r.net.VPC.ID}))(t)
	must(r.DeleteVpc(r.ctx, &ec2.DeleteVpcRequest{VpcId: &r.net.VPC.ID}))(t)
	_, err = r.CreateDefaultSubnet(r.ctx, &ec2.CreateDefaultSubnetRequest{AvailabilityZone: &lost.Zone})
	want(t, "subnet without VPC", err, "DefaultVpcDoesNotExist")
	_, err = r.CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("web")})
	want(t, "group without VPC", err, "VPCIdNotSpecified")

	v := must(r.CreateDefaultVpc(r.ctx, &ec2.CreateDefaultVpcRequest{}))(t).Vpc
	subnets := must(r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{Filters: filters("vpc-id", *v.VpcId)}))(t).Subnets
	table, _ := r.mainTable(*v.VpcId)
	routes := r.routesOf(table)
	if !*v.IsDefault || *v.CidrBlock != "172.31.0.0/16" || len(subnets) != 2 || *v.DhcpOptionsId != r.net.Options.ID || len(routes) != 2 || !strings.HasPrefix(routes[1], "0.0.0.0/0 igw-") {
		t.Errorf("VPC is %+v with %d subnets and %q", v, len(subnets), routes)
	}
	if got := r.defaultVPC(r.DB.View(), cloud.Caller{Account: alice}); got != *v.VpcId {
		t.Errorf("the default VPC is %s", got)
	}
}
