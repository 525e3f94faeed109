package ec2

import (
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

func (r *rig) describeNAT(id string) ec2.NatGateway {
	r.Helper()
	return must(r.DescribeNatGateways(r.ctx, &ec2.DescribeNatGatewaysRequest{NatGatewayIds: []string{id}}))(r).NatGateways[0]
}

func TestPublicNatGateway(t *testing.T) {
	r := newRig(t)
	address, ip := r.allocate()
	subnet := r.net.Subnets[0]
	in := ec2.CreateNatGatewayRequest{
		SubnetId: &subnet.ID, AllocationId: &address, PrivateIpAddress: new("172.31.0.9"), ClientToken: new("once"), TagSpecifications: tagSpec("natgateway", "a", "b"),
	}
	made := must(r.CreateNatGateway(r.ctx, &in))(t)
	g := made.NatGateway
	a := g.NatGatewayAddresses[0]
	if *g.State != "pending" || *g.ConnectivityType != "public" || *g.VpcId != r.net.VPC.ID || *made.ClientToken != "once" || *g.Tags[0].Key != "a" ||
		*a.AllocationId != address || *a.PublicIp != ip || *a.PrivateIp != "172.31.0.9" || !*a.IsPrimary || *a.Status != "associating" {
		t.Errorf("gateway is %+v, its address %+v", g, a)
	}
	if again := must(r.CreateNatGateway(r.ctx, &in))(t).NatGateway; *again.NatGatewayId != *g.NatGatewayId {
		t.Errorf("the same token makes %s", *again.NatGatewayId)
	}
	r.settleNAT(*g.NatGatewayId)
	for name, value := range map[string]string{"state": "available", "subnet-id": subnet.ID, "vpc-id": r.net.VPC.ID, "nat-gateway-id": *g.NatGatewayId, "tag:a": "b"} {
		if out := must(r.DescribeNatGateways(r.ctx, &ec2.DescribeNatGatewaysRequest{Filter: filters(name, value)}))(t).NatGateways; len(out) != 1 {
			t.Errorf("%s finds %+v", name, out)
		}
	}
	n, _ := interfaceTable.Get(r.DB.View(), *a.NetworkInterfaceId)
	if n.Of != *g.NatGatewayId || n.SourceDestCheck || n.Addresses[0].Public == nil || n.Addresses[0].Public.Association != *a.AssociationId || len(n.Groups) != 0 {
		t.Errorf("interface is %+v", n)
	}
	held := must(r.DescribeAddresses(r.ctx, &ec2.DescribeAddressesRequest{AllocationIds: []string{address}}))(t).Addresses[0]
	if *held.AssociationId != *a.AssociationId || *held.NetworkInterfaceId != n.ID {
		t.Errorf("address is %+v", held)
	}
	_, err := r.ReleaseAddress(r.ctx, &ec2.ReleaseAddressRequest{AllocationId: &address})
	want(t, "release", err, "InvalidIPAddress.InUse")
	_, err = r.DisassociateAddress(r.ctx, &ec2.DisassociateAddressRequest{AssociationId: a.AssociationId})
	want(t, "disassociate", err, "AuthFailure")
	loose := r.addInterface("", port{subnet: r.net.Subnets[1]})
	_, err = r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: &address, NetworkInterfaceId: &loose.ID})
	want(t, "take away", err, "AuthFailure")
	_, err = r.DetachInternetGateway(r.ctx, &ec2.DetachInternetGatewayRequest{InternetGatewayId: &r.net.Gateway.ID, VpcId: &r.net.VPC.ID})
	want(t, "detach", err, "DependencyViolation")
	_, err = r.DeleteSubnet(r.ctx, &ec2.DeleteSubnetRequest{SubnetId: &subnet.ID})
	want(t, "delete subnet", err, "DependencyViolation")

	must(r.DeleteNatGateway(r.ctx, &ec2.DeleteNatGatewayRequest{NatGatewayId: g.NatGatewayId}))(t)
	if g := r.describeNAT(*g.NatGatewayId); *g.State != "deleting" || *g.NatGatewayAddresses[0].Status != "disassociating" {
		t.Errorf("gateway is %+v", g)
	}
	r.settleNAT(*g.NatGatewayId)
	if g := r.describeNAT(*g.NatGatewayId); *g.State != "deleted" || g.DeleteTime == nil {
		t.Errorf("gateway is %+v", g)
	}
	must(r.ReleaseAddress(r.ctx, &ec2.ReleaseAddressRequest{AllocationId: &address}))(t)
	must(r.DeleteNatGateway(r.ctx, &ec2.DeleteNatGatewayRequest{NatGatewayId: g.NatGatewayId}))(t) // what is gone may be deleted again
}

func TestPrivateNatGateway(t *testing.T) {
	r := newRig(t)
	g := must(r.CreateNatGateway(r.ctx, &ec2.CreateNatGatewayRequest{SubnetId: &r.net.Subnets[0].ID, ConnectivityType: new("private")}))(t).NatGateway
	if a := g.NatGatewayAddresses[0]; *g.ConnectivityType != "private" || a.PublicIp != nil || a.AllocationId != nil || a.PrivateIp == nil {
		t.Errorf("gateway is %+v, its address %+v", g, a)
	}
}

func TestNatGatewaysThatFail(t *testing.T) {
	r := newRig(t)
	vpc := r.vpcOf("10.0.0.0/16")
	alone := r.addSubnetOf(vpc, "10.0.0.0/28")
	free, _ := r.allocate()
	used, _ := r.allocate()
	busy := r.addInterface("", port{})
	must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: &used, NetworkInterfaceId: &busy.ID}))(t)
	for range 11 { // all that a /28 has
		s, _ := subnetTable.Get(r.DB.View(), alone)
		r.addInterface("", port{subnet: s, groups: []string{}})
	}
	for _, c := range []struct {
		code string
		in   ec2.CreateNatGatewayRequest
	}{
		{"Gateway.NotAttached", ec2.CreateNatGatewayRequest{SubnetId: &alone, AllocationId: &free}},
		{"Resource.AlreadyAssociated", ec2.CreateNatGatewayRequest{SubnetId: &r.net.Subnets[0].ID, AllocationId: &used}},
		{"InsufficientFreeAddressesInSubnet", ec2.CreateNatGatewayRequest{SubnetId: &alone, ConnectivityType: new("private")}},
	} {
		made := must(r.CreateNatGateway(r.ctx, &c.in))(t).NatGateway
		g := r.describeNAT(*made.NatGatewayId)
		if *g.State != "failed" || *g.FailureCode != c.code || *g.FailureMessage == "" || *g.NatGatewayAddresses[0].Status != "failed" || g.NatGatewayAddresses[0].NetworkInterfaceId != nil {
			t.Errorf("%s: gateway is %+v", c.code, g)
		}
	}
	if held, _ := addressTable.Get(r.DB.View(), free); held.Association != "" {
		t.Errorf("address is %+v", held)
	}
}

func TestCreateNatGatewayRefuses(t *testing.T) {
	r := newRig(t)
	address, _ := r.allocate()
	subnet := r.net.Subnets[0].ID
	taken := r.addInterface("", port{}).Primary().String()
	type in = ec2.CreateNatGatewayRequest
	for _, c := range []struct {
		what, code string
		in         in
	}{
		{"no subnet", "MissingParameter", in{AllocationId: &address}},
		{"no address", "MissingParameter", in{SubnetId: &subnet}},
		{"private with an address", "InvalidParameterCombination", in{SubnetId: &subnet, AllocationId: &address, ConnectivityType: new("private")}},
		{"connectivity", "InvalidParameterValue", in{SubnetId: &subnet, AllocationId: &address, ConnectivityType: new("odd")}},
		{"regional", "UnsupportedOperation", in{VpcId: &r.net.VPC.ID, AvailabilityMode: new("regional")}},
		{"secondary", "UnsupportedOperation", in{SubnetId: &subnet, AllocationId: &address, SecondaryAllocationIds: []string{address}}},
		{"malformed", "InvalidAllocationID.Malformed", in{SubnetId: &subnet, AllocationId: new("x")}},
		{"unknown", "InvalidAllocationID.NotFound", in{SubnetId: &subnet, AllocationId: new("eipalloc-0123456789abcdef0")}},
		{"bob's subnet", "InvalidSubnetID.NotFound", in{SubnetId: &r.bobs.Subnets[0].ID, AllocationId: &address}},
		{"no IP address", "InvalidParameterValue", in{SubnetId: &subnet, AllocationId: &address, PrivateIpAddress: new("x")}},
		{"address in use", "InvalidIPAddress.InUse", in{SubnetId: &subnet, AllocationId: &address, PrivateIpAddress: &taken}},
	} {
		_, err := r.CreateNatGateway(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	r.Limits.NATGateways = 1
	must(r.CreateNatGateway(r.ctx, &in{SubnetId: &subnet, AllocationId: &address}))(t)
	_, err := r.CreateNatGateway(r.ctx, &in{SubnetId: &subnet, ConnectivityType: new("private")})
	want(t, "too many", err, "NatGatewayLimitExceeded")
	must(r.CreateNatGateway(r.ctx, &in{SubnetId: &r.net.Subnets[1].ID, ConnectivityType: new("private")}))(t)
	_, err = r.DeleteNatGateway(r.ctx, &ec2.DeleteNatGatewayRequest{NatGatewayId: new("nat-0123456789abcdef0")})
	want(t, "delete", err, "NatGatewayNotFound", "NAT gateway nat-0123456789abcdef0 was not found")
}
