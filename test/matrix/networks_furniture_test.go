package matrix

import (
	"net/netip"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The networks of Alice's that rows make.

const s3Service = "com.amazonaws.eu-paris-1.s3"

// s3List is the prefix list of the service that endpoints lead to.
func (w *world) s3List() cloud.PrefixList {
	return cloud.PrefixList{
		Meta: cloud.Meta{ID: cloud.NewID("pl"), Account: cloud.OperatorAccount, Created: w.Now()}, Name: w.Place.EndpointService("s3"), MaxEntries: 1, Version: 1,
		Entries: []cloud.PrefixListEntry{{Prefix: netip.MustParsePrefix("169.254.169.251/32")}},
	}
}

// vpc makes a VPC with an IPv6 range, which is returned too.
func (w *world) vpc() (id, prefix6 string) {
	w.Helper()
	v := made[*api.CreateVpcResult](w, Alice, &api.CreateVpcRequest{
		CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true), TagSpecifications: tagSpec("vpc"),
	}).Vpc
	return *v.VpcId, *v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock
}

// subnet makes a subnet of a new VPC.
func (w *world) subnet() (vpc, subnet, prefix6 string) {
	w.Helper()
	vpc, prefix6 = w.vpc()
	out := made[*api.CreateSubnetResult](w, Alice, &api.CreateSubnetRequest{
		VpcId: &vpc, CidrBlock: new("10.0.1.0/24"), AvailabilityZone: &w.net.Subnets[0].Zone, TagSpecifications: tagSpec("subnet"),
	})
	return vpc, *out.Subnet.SubnetId, prefix6
}

// sub6 is the first /64 of a /56.
func sub6(prefix6 string) string {
	return netip.PrefixFrom(netip.MustParsePrefix(prefix6).Addr(), 64).String()
}

// table makes a route table of a VPC.
func (w *world) table(vpc string) string {
	w.Helper()
	return *made[*api.CreateRouteTableResult](w, Alice, &api.CreateRouteTableRequest{VpcId: &vpc, TagSpecifications: tagSpec("route-table")}).RouteTable.RouteTableId
}

// routed makes a route table of the default VPC with a route to 192.0.2.0/24.
func (w *world) routed() string {
	w.Helper()
	t := w.table(w.net.VPC.ID)
	made[*api.CreateRouteResult](w, Alice, &api.CreateRouteRequest{RouteTableId: &t, DestinationCidrBlock: new("192.0.2.0/24"), GatewayId: &w.net.Gateway.ID})
	return t
}

// followed makes a route table that the default VPC's first subnet follows.
func (w *world) followed() (table, association string) {
	w.Helper()
	table = w.table(w.net.VPC.ID)
	out := made[*api.AssociateRouteTableResult](w, Alice, &api.AssociateRouteTableRequest{RouteTableId: &table, SubnetId: &w.net.Subnets[0].ID})
	return table, *out.AssociationId
}

// gateway makes an internet gateway, attached to the VPC unless that is "".
func (w *world) gateway(vpc string) string {
	w.Helper()
	id := made[*api.CreateInternetGatewayResult](w, Alice, &api.CreateInternetGatewayRequest{TagSpecifications: tagSpec("internet-gateway")}).InternetGateway.InternetGatewayId
	if vpc != "" {
		made[*api.AttachInternetGatewayOutput](w, Alice, &api.AttachInternetGatewayRequest{InternetGatewayId: id, VpcId: &vpc})
	}
	return *id
}

func (w *world) egress() string {
	w.Helper()
	return *made[*api.CreateEgressOnlyInternetGatewayResult](w, Alice, &api.CreateEgressOnlyInternetGatewayRequest{
		VpcId: &w.net.VPC.ID, TagSpecifications: tagSpec("egress-only-internet-gateway"),
	}).EgressOnlyInternetGateway.EgressOnlyInternetGatewayId
}

// nat makes a NAT gateway that is ready.
func (w *world) nat() string {
	w.Helper()
	a := w.address()
	id := *made[*api.CreateNatGatewayResult](w, Alice, &api.CreateNatGatewayRequest{
		SubnetId: &w.net.Subnets[0].ID, AllocationId: &a, TagSpecifications: tagSpec("natgateway"),
	}).NatGateway.NatGatewayId
	w.Update(func(tx *store.Tx) error {
		return nats.Modify(tx, id, func(g *cloud.NATGateway) error { g.Ready = w.Now(); return nil })
	})
	return id
}

func (w *world) options() string {
	w.Helper()
	return *made[*api.CreateDhcpOptionsResult](w, Alice, &api.CreateDhcpOptionsRequest{
		DhcpConfigurations: domainOption(), TagSpecifications: tagSpec("dhcp-options"),
	}).DhcpOptions.DhcpOptionsId
}

func domainOption() []api.NewDhcpConfiguration {
	return []api.NewDhcpConfiguration{{Key: new("domain-name"), Values: []string{"example.internal"}}}
}

func (w *world) endpoint() string {
	w.Helper()
	return *made[*api.CreateVpcEndpointResult](w, Alice, &api.CreateVpcEndpointRequest{
		VpcId: &w.net.VPC.ID, ServiceName: new(s3Service), TagSpecifications: tagSpec("vpc-endpoint"),
	}).VpcEndpoint.VpcEndpointId
}
