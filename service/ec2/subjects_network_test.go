package ec2

import "github.com/vauban-cloud/vauban/awsapi/ec2"

// networkCalls is what the operations on VPCs, subnets, routes and gateways ask about.
func networkCalls() map[string]call {
	type S = Service
	const tagged = "+aws:RequestTag/k+aws:TagKeys"
	return map[string]call{
		"CreateDefaultVpc": list((*S).CreateDefaultVpc), "CreateDefaultSubnet": list((*S).CreateDefaultSubnet),
		"DescribeAddressesAttribute":         list((*S).DescribeAddressesAttribute),
		"DescribeDhcpOptions":                list((*S).DescribeDhcpOptions),
		"DescribeEgressOnlyInternetGateways": list((*S).DescribeEgressOnlyInternetGateways),
		"DescribeNatGateways":                list((*S).DescribeNatGateways),
		"DescribeVpcEndpointServices":        list((*S).DescribeVpcEndpointServices),
		"DescribeVpcEndpoints":               list((*S).DescribeVpcEndpoints),
		"CreateVpc": op((*S).CreateVpc, func(*authRig) ec2.CreateVpcRequest {
			return ec2.CreateVpcRequest{CidrBlock: new("10.1.0.0/16"), TagSpecifications: tagSpec("vpc", "k", "v")}
		}, "vpc*"+tagged+"\nec2:CreateTags vpc*"+tagged),
		"DeleteVpc": op((*S).DeleteVpc, func(a *authRig) ec2.DeleteVpcRequest { return ec2.DeleteVpcRequest{VpcId: &a.net1.vpc} }, "vpc"),
		"ModifyVpcAttribute": op((*S).ModifyVpcAttribute, func(a *authRig) ec2.ModifyVpcAttributeRequest {
			return ec2.ModifyVpcAttributeRequest{VpcId: &a.net1.vpc, EnableDnsHostnames: &ec2.AttributeBooleanValue{Value: new(true)}}
		}, "vpc+Attribute+Attribute/EnableDnsHostnames"),
		"ModifyVpcTenancy": op((*S).ModifyVpcTenancy, func(a *authRig) ec2.ModifyVpcTenancyRequest {
			return ec2.ModifyVpcTenancyRequest{VpcId: &a.net1.vpc, InstanceTenancy: new("default")}
		}, "vpc"),
		"AssociateVpcCidrBlock": op((*S).AssociateVpcCidrBlock, func(a *authRig) ec2.AssociateVpcCidrBlockRequest {
			return ec2.AssociateVpcCidrBlockRequest{VpcId: &a.net1.vpc, CidrBlock: new("10.3.0.0/16")}
		}, "vpc"),
		"DisassociateVpcCidrBlock": op((*S).DisassociateVpcCidrBlock, func(a *authRig) ec2.DisassociateVpcCidrBlockRequest {
			return ec2.DisassociateVpcCidrBlockRequest{AssociationId: &a.net1.extra}
		}, "vpc"),
		"CreateSubnet": op((*S).CreateSubnet, func(a *authRig) ec2.CreateSubnetRequest {
			return ec2.CreateSubnetRequest{VpcId: &a.net1.vpc, CidrBlock: new("10.0.9.0/24"), TagSpecifications: tagSpec("subnet", "k", "v")}
		}, "subnet*"+tagged+" vpc\nec2:CreateTags subnet*"+tagged),
		"DeleteSubnet": op((*S).DeleteSubnet, func(a *authRig) ec2.DeleteSubnetRequest { return ec2.DeleteSubnetRequest{SubnetId: &a.net1.second} }, "subnet"),
		"ModifySubnetAttribute": op((*S).ModifySubnetAttribute, func(a *authRig) ec2.ModifySubnetAttributeRequest {
			return ec2.ModifySubnetAttributeRequest{SubnetId: &a.net1.second, MapPublicIpOnLaunch: &ec2.AttributeBooleanValue{Value: new(true)}}
		}, "subnet+Attribute+Attribute/MapPublicIpOnLaunch"),
		"AssociateSubnetCidrBlock": op((*S).AssociateSubnetCidrBlock, func(a *authRig) ec2.AssociateSubnetCidrBlockRequest {
			return ec2.AssociateSubnetCidrBlockRequest{SubnetId: &a.net1.second, Ipv6CidrBlock: new(sub6(a.net1.prefix6, 2))}
		}, "subnet"),
		"DisassociateSubnetCidrBlock": op((*S).DisassociateSubnetCidrBlock, func(a *authRig) ec2.DisassociateSubnetCidrBlockRequest {
			return ec2.DisassociateSubnetCidrBlockRequest{AssociationId: &a.net1.subnet6}
		}, "subnet"),
		"CreateRouteTable": op((*S).CreateRouteTable, func(a *authRig) ec2.CreateRouteTableRequest {
			return ec2.CreateRouteTableRequest{VpcId: &a.net1.vpc, TagSpecifications: tagSpec("route-table", "k", "v")}
		}, "route-table*"+tagged+" vpc\nec2:CreateTags route-table*"+tagged),
		"DeleteRouteTable": op((*S).DeleteRouteTable, func(a *authRig) ec2.DeleteRouteTableRequest {
			return ec2.DeleteRouteTableRequest{RouteTableId: &a.net1.table}
		}, "route-table"),
		"CreateRoute": op((*S).CreateRoute, func(a *authRig) ec2.CreateRouteRequest {
			return ec2.CreateRouteRequest{RouteTableId: &a.net1.table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &a.net1.gateway}
		}, "route-table"),
		"ReplaceRoute": op((*S).ReplaceRoute, func(a *authRig) ec2.ReplaceRouteRequest {
			return ec2.ReplaceRouteRequest{RouteTableId: &a.net1.table, DestinationCidrBlock: new("192.0.2.0/24"), NatGatewayId: &a.net1.nat}
		}, "route-table"),
		"DeleteRoute": op((*S).DeleteRoute, func(a *authRig) ec2.DeleteRouteRequest {
			return ec2.DeleteRouteRequest{RouteTableId: &a.net1.table, DestinationCidrBlock: new("192.0.2.0/24")}
		}, "route-table"),
		"AssociateRouteTable": op((*S).AssociateRouteTable, func(a *authRig) ec2.AssociateRouteTableRequest {
			return ec2.AssociateRouteTableRequest{RouteTableId: &a.net1.table, SubnetId: &a.net1.second}
		}, "route-table subnet"),
		"DisassociateRouteTable": op((*S).DisassociateRouteTable, func(a *authRig) ec2.DisassociateRouteTableRequest {
			return ec2.DisassociateRouteTableRequest{AssociationId: &a.net1.association}
		}, "route-table subnet"),
		"ReplaceRouteTableAssociation": op((*S).ReplaceRouteTableAssociation, func(a *authRig) ec2.ReplaceRouteTableAssociationRequest {
			main, _ := a.mainTable(a.net1.vpc)
			return ec2.ReplaceRouteTableAssociationRequest{AssociationId: &a.net1.association, RouteTableId: &main}
		}, "route-table route-table subnet"),
		"CreateInternetGateway": op((*S).CreateInternetGateway, func(*authRig) ec2.CreateInternetGatewayRequest {
			return ec2.CreateInternetGatewayRequest{TagSpecifications: tagSpec("internet-gateway", "k", "v")}
		}, "internet-gateway*"+tagged+"\nec2:CreateTags internet-gateway*"+tagged),
		"DeleteInternetGateway": op((*S).DeleteInternetGateway, func(a *authRig) ec2.DeleteInternetGatewayRequest {
			return ec2.DeleteInternetGatewayRequest{InternetGatewayId: &a.net1.loose}
		}, "internet-gateway"),
		"AttachInternetGateway": op((*S).AttachInternetGateway, func(a *authRig) ec2.AttachInternetGatewayRequest {
			return ec2.AttachInternetGatewayRequest{InternetGatewayId: &a.net1.loose, VpcId: &a.net1.vpc}
		}, "internet-gateway vpc"),
		"DetachInternetGateway": op((*S).DetachInternetGateway, func(a *authRig) ec2.DetachInternetGatewayRequest {
			return ec2.DetachInternetGatewayRequest{InternetGatewayId: &a.net1.gateway, VpcId: &a.net1.vpc}
		}, "internet-gateway vpc"),
		"CreateEgressOnlyInternetGateway": op((*S).CreateEgressOnlyInternetGateway, func(a *authRig) ec2.CreateEgressOnlyInternetGatewayRequest {
			return ec2.CreateEgressOnlyInternetGatewayRequest{VpcId: &a.net1.vpc, TagSpecifications: tagSpec("egress-only-internet-gateway", "k", "v")}
		}, "egress-only-internet-gateway*"+tagged+" vpc\nec2:CreateTags egress-only-internet-gateway*"+tagged),
		"DeleteEgressOnlyInternetGateway": op((*S).DeleteEgressOnlyInternetGateway, func(a *authRig) ec2.DeleteEgressOnlyInternetGatewayRequest {
			return ec2.DeleteEgressOnlyInternetGatewayRequest{EgressOnlyInternetGatewayId: &a.net1.egress}
		}, "egress-only-internet-gateway"),
		"CreateNatGateway": op((*S).CreateNatGateway, func(a *authRig) ec2.CreateNatGatewayRequest {
			return ec2.CreateNatGatewayRequest{SubnetId: &a.net1.subnet, AllocationId: &a.address, TagSpecifications: tagSpec("natgateway", "k", "v")}
		}, "natgateway*"+tagged+" subnet elastic-ip\nec2:CreateTags natgateway*"+tagged),
		"DeleteNatGateway": op((*S).DeleteNatGateway, func(a *authRig) ec2.DeleteNatGatewayRequest {
			return ec2.DeleteNatGatewayRequest{NatGatewayId: &a.net1.nat}
		}, "natgateway"),
		"CreateDhcpOptions": op((*S).CreateDhcpOptions, func(*authRig) ec2.CreateDhcpOptionsRequest {
			return ec2.CreateDhcpOptionsRequest{TagSpecifications: tagSpec("dhcp-options", "k", "v")}
		}, "dhcp-options*"+tagged+"\nec2:CreateTags dhcp-options*"+tagged),
		"DeleteDhcpOptions": op((*S).DeleteDhcpOptions, func(a *authRig) ec2.DeleteDhcpOptionsRequest {
			return ec2.DeleteDhcpOptionsRequest{DhcpOptionsId: &a.net1.options}
		}, "dhcp-options"),
		"AssociateDhcpOptions": op((*S).AssociateDhcpOptions, func(a *authRig) ec2.AssociateDhcpOptionsRequest {
			return ec2.AssociateDhcpOptionsRequest{DhcpOptionsId: &a.net1.options, VpcId: &a.net1.vpc}
		}, "vpc dhcp-options"),
		"AssociateDhcpOptions of none": op((*S).AssociateDhcpOptions, func(a *authRig) ec2.AssociateDhcpOptionsRequest {
			return ec2.AssociateDhcpOptionsRequest{DhcpOptionsId: new("default"), VpcId: &a.net1.vpc}
		}, "vpc"),
		"CreateVpcEndpoint": op((*S).CreateVpcEndpoint, func(a *authRig) ec2.CreateVpcEndpointRequest {
			return ec2.CreateVpcEndpointRequest{
				VpcId: &a.net1.vpc, ServiceName: new("com.amazonaws.eu-paris-1.s3"), RouteTableIds: []string{a.net1.table}, TagSpecifications: tagSpec("vpc-endpoint", "k", "v"),
			}
		}, "vpc-endpoint*"+tagged+" vpc route-table\nec2:CreateTags vpc-endpoint*"+tagged),
		"ModifyVpcEndpoint": op((*S).ModifyVpcEndpoint, func(a *authRig) ec2.ModifyVpcEndpointRequest {
			return ec2.ModifyVpcEndpointRequest{VpcEndpointId: &a.net1.endpoint, AddRouteTableIds: []string{a.net1.table}}
		}, "vpc-endpoint route-table"),
		"DeleteVpcEndpoints": op((*S).DeleteVpcEndpoints, func(a *authRig) ec2.DeleteVpcEndpointsRequest {
			return ec2.DeleteVpcEndpointsRequest{VpcEndpointIds: []string{a.net1.endpoint}}
		}, "vpc-endpoint"),
	}
}
