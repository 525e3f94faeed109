package ec2

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The rows are those of
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions
func TestWhichRangesAVPCMayHave(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ first, second, code string }{
		{"10.0.0.0/16", "10.2.0.0/16", ""},
		{"10.0.0.0/16", "100.64.0.0/16", ""},
		{"10.0.0.0/16", "203.0.113.0/24", ""},
		{"10.0.0.0/16", "10.0.1.0/24", "InvalidVpc.Range"},
		{"10.0.0.0/16", "172.16.0.0/16", "InvalidVpc.Range"},
		{"10.0.0.0/16", "192.168.0.0/16", "InvalidVpc.Range"},
		{"10.0.0.0/16", "198.19.0.0/16", "InvalidVpc.Range"},
		{"10.0.0.0/16", "10.64.0.0/15", "InvalidVpc.Range"},
		{"10.1.0.0/16", "10.0.0.0/16", "InvalidVpc.Range"},
		{"10.2.0.0/16", "10.0.0.0/16", ""},
		{"172.16.0.0/16", "172.17.0.0/16", ""},
		{"172.16.0.0/16", "172.31.0.0/16", "InvalidVpc.Range"},
		{"172.16.0.0/16", "10.0.0.0/16", "InvalidVpc.Range"},
		{"192.168.0.0/24", "192.168.1.0/24", ""},
		{"192.168.0.0/24", "10.0.0.0/16", "InvalidVpc.Range"},
		{"100.64.0.0/16", "10.0.0.0/16", "InvalidVpc.Range"},
		{"100.64.0.0/16", "203.0.113.0/24", ""},
	} {
		id := r.vpcOf(c.first)
		_, err := r.AssociateVpcCidrBlock(r.ctx, &ec2.AssociateVpcCidrBlockRequest{VpcId: &id, CidrBlock: &c.second})
		want(t, c.second+" beside "+c.first, err, c.code)
	}
}

func TestRangesComeAndGo(t *testing.T) {
	r := newRig(t)
	id := r.vpcOf("10.0.0.0/16")
	table, _ := r.mainTable(id)
	added := must(r.AssociateVpcCidrBlock(r.ctx, &ec2.AssociateVpcCidrBlockRequest{VpcId: &id, CidrBlock: new("10.2.0.0/16")}))(t).CidrBlockAssociation
	if *added.CidrBlockState.State != "associating" || *added.CidrBlock != "10.2.0.0/16" {
		t.Errorf("association is %+v", added)
	}
	if got := r.routesOf(table); !slices.Equal(got, []string{"10.0.0.0/16 local active", "10.2.0.0/16 local active"}) {
		t.Errorf("routes are %q", got)
	}
	subnet := r.addSubnetOf(id, "10.2.3.0/24")
	drop := func(association string) error {
		_, err := r.DisassociateVpcCidrBlock(r.ctx, &ec2.DisassociateVpcCidrBlockRequest{AssociationId: &association})
		return err
	}
	v, _ := vpcTable.Get(r.DB.View(), id)
	want(t, "primary", drop(v.CIDRs[0].Association), "OperationNotPermitted")
	want(t, "in use", drop(*added.AssociationId), "InvalidCidrBlock.InUse", "The vpc "+id+" currently has a subnet within CIDR block 10.2.0.0/16")
	want(t, "unknown", drop("vpc-cidr-assoc-1"), "InvalidVpcCidrBlockAssociationID.NotFound")
	want(t, "bob's", drop(r.bobs.VPC.CIDRs[0].Association), "InvalidVpcCidrBlockAssociationID.NotFound")
	must(r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: &subnet}))(t)
	want(t, "free", drop(*added.AssociationId), "")
	if got := r.routesOf(table); !slices.Equal(got, []string{"10.0.0.0/16 local active"}) {
		t.Errorf("routes are %q", got)
	}
	// A route to a range keeps it from being the VPC's own.
	gateway := r.addGateway()
	must(r.AttachInternetGateway(r.ctx, &ec2.AttachInternetGatewayRequest{InternetGatewayId: &gateway, VpcId: &id}))(t)
	must(r.CreateRoute(r.ctx, &ec2.CreateRouteRequest{RouteTableId: &table, DestinationCidrBlock: new("10.9.0.0/16"), GatewayId: &gateway}))(t)
	for cidr, code := range map[string]string{"10.9.0.0/16": "InvalidVpc.Range", "10.9.1.0/24": ""} {
		_, err := r.AssociateVpcCidrBlock(r.ctx, &ec2.AssociateVpcCidrBlockRequest{VpcId: &id, CidrBlock: &cidr})
		want(t, cidr, err, code)
	}
	r.Limits.Ranges = 2
	_, err := r.AssociateVpcCidrBlock(r.ctx, &ec2.AssociateVpcCidrBlockRequest{VpcId: &id, CidrBlock: new("10.10.0.0/16")})
	want(t, "too many", err, "CidrLimitExceeded")
	for what, in := range map[string]ec2.AssociateVpcCidrBlockRequest{
		"MissingParameter": {VpcId: &id}, "InvalidParameterCombination": {VpcId: &id, CidrBlock: new("10.3.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)},
	} {
		_, err := r.AssociateVpcCidrBlock(r.ctx, &in)
		want(t, what, err, what)
	}
}

func TestIPv6Range(t *testing.T) {
	r := newRig(t)
	id := r.vpcOf("10.0.0.0/16")
	subnet := r.addSubnetOf(id, "10.0.1.0/24")
	table, _ := r.mainTable(id)
	web := must(r.CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupRequest{VpcId: &id, GroupName: new("web"), Description: new("web")}))(t).GroupId
	added := must(r.AssociateVpcCidrBlock(r.ctx, &ec2.AssociateVpcCidrBlockRequest{VpcId: &id, AmazonProvidedIpv6CidrBlock: new(true)}))(t).Ipv6CidrBlockAssociation
	p := netip.MustParsePrefix(*added.Ipv6CidrBlock)
	if p.Bits() != 56 || !r.IPv6Pool.Contains(p.Addr()) || p != p.Masked() || *added.Ipv6Pool != "Amazon" || *added.NetworkBorderGroup != "eu-paris-1" {
		t.Errorf("range is %+v", added)
	}
	if owner, _ := store.Owner(r.DB.View(), cloud.VPCRanges6, p.String()); owner != id {
		t.Errorf("the range is %s's", owner)
	}
	if got := r.routesOf(table); !slices.Equal(got, []string{"10.0.0.0/16 local active", p.String() + " local active"}) {
		t.Errorf("routes are %q", got)
	}
	a := r.aclOf(subnet)
	numbers := each(a.Entries, func(e cloud.ACLEntry) int { return e.Number })
	if !slices.Equal(numbers, []int{100, 101, 100, 101}) || !slices.IsSortedFunc(a.Entries, cloud.ACLEntry.Compare) {
		t.Errorf("entries are %+v", a.Entries)
	}
	if out := r.securityGroup(*web).IpPermissionsEgress; len(out) != 1 || len(out[0].Ipv6Ranges) != 1 || *out[0].Ipv6Ranges[0].CidrIpv6 != "::/0" {
		t.Errorf("outbound rules are %+v", out)
	}
	found := must(r.DescribeVpcs(r.ctx, &ec2.DescribeVpcsRequest{Filters: filters("ipv6-cidr-block-association.ipv6-cidr-block", p.String(),
		"ipv6-cidr-block-association.state", "associated", "ipv6-cidr-block-association.ipv6-pool", "Amazon", "ipv6-cidr-block-association.association-id", *added.AssociationId)}))(t).Vpcs
	if len(found) != 1 || *found[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlockState.State != "associated" {
		t.Errorf("found %+v", found)
	}

	six := must(r.AssociateSubnetCidrBlock(r.ctx, &ec2.AssociateSubnetCidrBlockRequest{SubnetId: &subnet, Ipv6CidrBlock: new(sub6(p.String(), 7))}))(t).Ipv6CidrBlockAssociation
	drop := func() error {
		_, err := r.DisassociateVpcCidrBlock(r.ctx, &ec2.DisassociateVpcCidrBlockRequest{AssociationId: added.AssociationId})
		return err
	}
	want(t, "in use", drop(), "InvalidCidrBlock.InUse")
	must(r.DisassociateSubnetCidrBlock(r.ctx, &ec2.DisassociateSubnetCidrBlockRequest{AssociationId: six.AssociationId}))(t)
	want(t, "free", drop(), "")
	if _, taken := store.Owner(r.DB.View(), cloud.VPCRanges6, p.String()); taken {
		t.Error("the range was not given back")
	}
}

func TestIPv6PoolIsExhausted(t *testing.T) {
	r := newRig(t)
	r.IPv6Pool = netip.MustParsePrefix("fd5a:c10d::/55")
	seen := map[string]bool{}
	for range 2 {
		v := must(r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)}))(t).Vpc
		seen[*v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock] = true
	}
	if !seen["fd5a:c10d::/56"] || !seen["fd5a:c10d:0:100::/56"] {
		t.Errorf("ranges are %v", seen)
	}
	before := vpcTable.Count(r.DB.View(), "")
	_, err := r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)})
	want(t, "third", err, "InsufficientAddressCapacity")
	if vpcTable.Count(r.DB.View(), "") != before {
		t.Error("a VPC was made all the same")
	}
	r.IPv6Pool = netip.Prefix{}
	_, err = r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)})
	want(t, "no pool", err, "UnsupportedOperation")
}

func TestSubnets(t *testing.T) {
	r := newRig(t)
	v := must(r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)}))(t).Vpc
	id, p := v.VpcId, *v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock
	made := must(r.CreateSubnet(r.ctx, &ec2.CreateSubnetRequest{
		VpcId: id, CidrBlock: new("10.0.1.7/24"), Ipv6CidrBlock: new(sub6(p, 1)), AvailabilityZoneId: new("eup1-az2"), TagSpecifications: tagSpec("subnet", "a", "b"),
	}))(t).Subnet
	if *made.CidrBlock != "10.0.1.0/24" || *made.AvailabilityZone != "eu-paris-1b" || *made.AvailableIpAddressCount != 251 || *made.MapPublicIpOnLaunch ||
		*made.DefaultForAz || *made.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock != sub6(p, 1) || *made.Tags[0].Key != "a" {
		t.Errorf("subnet is %+v", made)
	}
	for _, c := range []struct {
		what, code string
		in         ec2.CreateSubnetRequest
	}{
		{"no VPC", "MissingParameter", ec2.CreateSubnetRequest{CidrBlock: new("10.0.2.0/24")}},
		{"no range", "MissingParameter", ec2.CreateSubnetRequest{VpcId: id}},
		{"bob's VPC", "InvalidVpcID.NotFound", ec2.CreateSubnetRequest{VpcId: &r.bobs.VPC.ID, CidrBlock: new("172.31.200.0/24")}},
		{"outside", "InvalidSubnet.Range", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.1.0.0/24")}},
		{"too small", "InvalidSubnet.Range", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.2.0/29")}},
		{"overlap", "InvalidSubnet.Conflict", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.0.0/23")}},
		{"zone", "InvalidParameterValue", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.2.0/24"), AvailabilityZone: new("us-east-1a")}},
		{"IPv6 size", "InvalidSubnet.Range", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.2.0/24"), Ipv6CidrBlock: &p}},
		{"IPv6 outside", "InvalidSubnet.Range", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.2.0/24"), Ipv6CidrBlock: new("fd00::/64")}},
		{"IPv6 overlap", "InvalidSubnet.Conflict", ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.2.0/24"), Ipv6CidrBlock: new(sub6(p, 1))}},
		{"IPv6 only", "UnsupportedOperation", ec2.CreateSubnetRequest{VpcId: id, Ipv6CidrBlock: new(sub6(p, 2)), Ipv6Native: new(true)}},
	} {
		_, err := r.CreateSubnet(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	r.Limits.Subnets = 1
	_, err := r.CreateSubnet(r.ctx, &ec2.CreateSubnetRequest{VpcId: id, CidrBlock: new("10.0.2.0/24")})
	want(t, "too many", err, "SubnetLimitExceeded")
	filtered := filters("ipv6-cidr-block-association.ipv6-cidr-block", sub6(p, 1), "ipv6-cidr-block-association.state", "associated",
		"ipv6-cidr-block-association.association-id", *made.Ipv6CidrBlockAssociationSet[0].AssociationId)
	if out := must(r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{Filters: filtered}))(t).Subnets; len(out) != 1 {
		t.Errorf("found %+v", out)
	}
}

func TestDeleteSubnet(t *testing.T) {
	r := newRig(t)
	n := r.addInterface("", port{})
	remove := func() error {
		_, err := r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: &n.Subnet})
		return err
	}
	must(r.AssociateRouteTable(r.ctx, &ec2.AssociateRouteTableRequest{RouteTableId: &r.net.Routes.ID, SubnetId: &n.Subnet}))(t)
	want(t, "with an interface", remove(), "DependencyViolation", "The subnet '"+n.Subnet+"' has dependencies and cannot be deleted.")
	r.removeInterface(n)
	want(t, "empty", remove(), "")
	if as := r.describeTable(r.net.Routes.ID).Associations; len(as) != 1 || !*as[0].Main {
		t.Errorf("associations are %+v", as)
	}
	if a := r.aclOf(n.Subnet); a.ID != "" {
		t.Errorf("%s is associated with it", a.ID)
	}
}

func TestModifySubnetAttribute(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	yes := &ec2.AttributeBooleanValue{Value: new(true)}
	type in = ec2.ModifySubnetAttributeRequest
	for _, c := range []struct {
		what, code string
		in         in
	}{
		{"nothing", "MissingParameter", in{SubnetId: &net.subnet}},
		{"two", "InvalidParameterCombination", in{SubnetId: &net.subnet, MapPublicIpOnLaunch: yes, PrivateDnsHostnameTypeOnLaunch: new("ip-name")}},
		{"public", "", in{SubnetId: &net.subnet, MapPublicIpOnLaunch: yes}},
		{"IPv6", "", in{SubnetId: &net.subnet, AssignIpv6AddressOnCreation: yes}},
		{"IPv6 without a range", "InvalidParameterValue", in{SubnetId: &net.second, AssignIpv6AddressOnCreation: yes}},
		{"names", "", in{SubnetId: &net.subnet, PrivateDnsHostnameTypeOnLaunch: new("resource-name")}},
		{"odd names", "InvalidParameterValue", in{SubnetId: &net.subnet, PrivateDnsHostnameTypeOnLaunch: new("name")}},
		{"A", "", in{SubnetId: &net.subnet, EnableResourceNameDnsARecordOnLaunch: yes}},
		{"AAAA", "", in{SubnetId: &net.subnet, EnableResourceNameDnsAAAARecordOnLaunch: yes}},
		{"DNS64", "UnsupportedOperation", in{SubnetId: &net.subnet, EnableDns64: yes}},
		{"outpost", "UnsupportedOperation", in{SubnetId: &net.subnet, MapCustomerOwnedIpOnLaunch: yes}},
		{"bob's", "InvalidSubnetID.NotFound", in{SubnetId: &r.bobs.Subnets[0].ID, MapPublicIpOnLaunch: yes}},
	} {
		_, err := r.ModifySubnetAttribute(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	s := must(r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{SubnetIds: []string{net.subnet}}))(t).Subnets[0]
	if o := s.PrivateDnsNameOptionsOnLaunch; !*s.MapPublicIpOnLaunch || !*s.AssignIpv6AddressOnCreation || *o.HostnameType != "resource-name" || !*o.EnableResourceNameDnsARecord || !*o.EnableResourceNameDnsAAAARecord {
		t.Errorf("subnet is %+v, its names %+v", s, o)
	}
	_, err := r.DisassociateSubnetCidrBlock(r.ctx, &ec2.DisassociateSubnetCidrBlockRequest{AssociationId: &net.subnet6})
	want(t, "range in use", err, "InvalidCidrBlock.InUse")
	if err == nil || !strings.Contains(err.Error(), "assign-ipv6-address-on-creation") {
		t.Errorf("it says %v", err)
	}
	_, err = r.AssociateSubnetCidrBlock(r.ctx, &ec2.AssociateSubnetCidrBlockRequest{SubnetId: &net.subnet, Ipv6CidrBlock: new(sub6(net.prefix6, 9))})
	want(t, "second range", err, "CidrLimitExceeded")
}
