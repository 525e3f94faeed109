package ec2

import (
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// net1 is a VPC of alice's with one of everything that packets go through.
type net1 struct {
	vpc, subnet, second, table, association string
	gateway, loose                          string // internet gateways, the first attached
	egress, nat, private, options, endpoint string
	prefix6, subnet6                        string // the VPC's IPv6 range and the first subnet's association
	extra                                   string // association of the VPC's second IPv4 range
}

func (r *rig) newNet1() net1 {
	r.Helper()
	t := testing.TB(r)
	v := must(r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: new(true)}))(t).Vpc
	n := net1{vpc: *v.VpcId, prefix6: *v.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock}
	extra := ec2.AssociateVpcCidrBlockRequest{VpcId: &n.vpc, CidrBlock: new("10.2.0.0/24")}
	n.extra = *must(r.AssociateVpcCidrBlock(r.ctx, &extra))(t).CidrBlockAssociation.AssociationId
	one := must(r.CreateSubnet(r.ctx, &ec2.CreateSubnetRequest{VpcId: &n.vpc, CidrBlock: new("10.0.1.0/24"), Ipv6CidrBlock: new(sub6(n.prefix6, 1))}))(t).Subnet
	n.subnet, n.subnet6 = *one.SubnetId, *one.Ipv6CidrBlockAssociationSet[0].AssociationId
	n.second = r.addSubnetOf(n.vpc, "10.0.2.0/24")
	n.gateway, n.loose = r.addGateway(), r.addGateway()
	must(r.AttachInternetGateway(r.ctx, &ec2.AttachInternetGatewayRequest{InternetGatewayId: &n.gateway, VpcId: &n.vpc}))(t)
	n.table = *must(r.CreateRouteTable(r.ctx, &ec2.CreateRouteTableRequest{VpcId: &n.vpc}))(t).RouteTable.RouteTableId
	n.association = *must(r.AssociateRouteTable(r.ctx, &ec2.AssociateRouteTableRequest{RouteTableId: &n.table, SubnetId: &n.subnet}))(t).AssociationId
	must(r.CreateRoute(r.ctx, &ec2.CreateRouteRequest{RouteTableId: &n.table, DestinationCidrBlock: new("192.0.2.0/24"), GatewayId: &n.gateway}))(t)
	n.egress = *must(r.CreateEgressOnlyInternetGateway(r.ctx, &ec2.CreateEgressOnlyInternetGatewayRequest{VpcId: &n.vpc}))(t).EgressOnlyInternetGateway.EgressOnlyInternetGatewayId
	address, _ := r.allocate()
	n.nat = *must(r.CreateNatGateway(r.ctx, &ec2.CreateNatGatewayRequest{SubnetId: &n.subnet, AllocationId: &address}))(t).NatGateway.NatGatewayId
	n.private = *must(r.CreateNatGateway(r.ctx, &ec2.CreateNatGatewayRequest{SubnetId: &n.subnet, ConnectivityType: new("private")}))(t).NatGateway.NatGatewayId
	n.options = *must(r.CreateDhcpOptions(r.ctx, &ec2.CreateDhcpOptionsRequest{DhcpConfigurations: []ec2.NewDhcpConfiguration{{Key: new("domain-name"), Values: []string{"example.internal"}}}}))(t).DhcpOptions.DhcpOptionsId
	n.endpoint = *must(r.CreateVpcEndpoint(r.ctx, &ec2.CreateVpcEndpointRequest{VpcId: &n.vpc, ServiceName: new("com.amazonaws.eu-paris-1.s3")}))(t).VpcEndpoint.VpcEndpointId
	return n
}

// sub6 is the n-th /64 of a VPC's IPv6 range.
func sub6(whole string, n int) string {
	return range6(netip.MustParsePrefix(whole), n, 64).String()
}

func (r *rig) addSubnetOf(vpc, cidr string) string {
	r.Helper()
	return *must(r.CreateSubnet(r.ctx, &ec2.CreateSubnetRequest{VpcId: &vpc, CidrBlock: &cidr}))(r).Subnet.SubnetId
}

func (r *rig) addGateway() string {
	r.Helper()
	return *must(r.CreateInternetGateway(r.ctx, &ec2.CreateInternetGatewayRequest{}))(r).InternetGateway.InternetGatewayId
}

// vpcOf makes a VPC of the range.
func (r *rig) vpcOf(cidr string) string {
	r.Helper()
	return *must(r.CreateVpc(r.ctx, &ec2.CreateVpcRequest{CidrBlock: &cidr}))(r).Vpc.VpcId
}

func (r *rig) describeTable(id string) ec2.RouteTable {
	r.Helper()
	return must(r.DescribeRouteTables(r.ctx, &ec2.DescribeRouteTablesRequest{RouteTableIds: []string{id}}))(r).RouteTables[0]
}

// routesOf writes the routes of a table as "destination target state".
func (r *rig) routesOf(id string) (routes []string) {
	r.Helper()
	for _, o := range r.describeTable(id).Routes {
		first := func(all ...*string) string {
			for _, p := range all {
				if p != nil {
					return *p
				}
			}
			return ""
		}
		routes = append(routes, first(o.DestinationCidrBlock, o.DestinationIpv6CidrBlock, o.DestinationPrefixListId)+" "+
			first(o.GatewayId, o.NatGatewayId, o.NetworkInterfaceId, o.EgressOnlyInternetGatewayId, o.VpcPeeringConnectionId)+" "+*o.State)
	}
	return routes
}

// mainTable is the main route table of a VPC and the ID of that association.
func (r *rig) mainTable(vpc string) (table, association string) {
	r.Helper()
	for t := range routeTable.Select(r.DB.View(), "vpc/"+vpc) {
		for _, a := range t.Associations {
			if a.Main {
				return t.ID, a.ID
			}
		}
	}
	r.Fatalf("%s has no main route table", vpc)
	return "", ""
}

// settleNAT does what control/nat does: a gateway is ready, or gone with its interface.
func (r *rig) settleNAT(id string) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		g, _ := natTable.Get(tx, id)
		if !g.Delete {
			g.Ready = r.Now()
			return natTable.Put(tx, g)
		}
		for a := range addressTable.Select(tx, "interface/"+g.Interface) {
			if err := r.disassociate(tx, a); err != nil {
				return err
			}
		}
		tx.ReleaseAll(g.Interface)
		if err := interfaceTable.Delete(tx, g.Interface); err != nil {
			return err
		}
		g.Gone = r.Now()
		return natTable.Put(tx, g)
	})
}

// aclOf is the network ACL that a subnet is associated with.
func (r *rig) aclOf(subnet string) cloud.NetworkACL {
	r.Helper()
	for a := range aclTable.All(r.DB.View()) {
		for _, as := range a.Associations {
			if as.Subnet == subnet {
				return a
			}
		}
	}
	return cloud.NetworkACL{}
}
