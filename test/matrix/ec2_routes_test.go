package matrix

import api "github.com/vauban-cloud/vauban/awsapi/ec2"

// ec2Routes are the operations on route tables and what routes lead to.
var ec2Routes = table{
	"ec2:CreateRouteTable": func(w *world) row {
		v := w.net.VPC.ID
		return row{
			in:    &api.CreateRouteTableRequest{VpcId: &v, TagSpecifications: tagSpec("route-table")},
			needs: append(w.making("CreateRouteTable", "route-table"), on(w.arn(v), blue, "blue", "ec2:VpcID", v)), other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DeleteRouteTable": func(w *world) row {
		t := w.table(w.net.VPC.ID)
		return w.tableRow(&api.DeleteRouteTableRequest{RouteTableId: &t}, t)
	},
	"ec2:CreateRoute": func(w *world) row {
		t := w.table(w.net.VPC.ID)
		return w.tableRow(&api.CreateRouteRequest{RouteTableId: &t, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &w.net.Gateway.ID}, t)
	},
	"ec2:ReplaceRoute": func(w *world) row {
		t, nat := w.routed(), w.nat()
		return w.tableRow(&api.ReplaceRouteRequest{RouteTableId: &t, DestinationCidrBlock: new("192.0.2.0/24"), NatGatewayId: &nat}, t)
	},
	"ec2:DeleteRoute": func(w *world) row {
		t := w.routed()
		return w.tableRow(&api.DeleteRouteRequest{RouteTableId: &t, DestinationCidrBlock: new("192.0.2.0/24")}, t)
	},
	"ec2:AssociateRouteTable": func(w *world) row {
		t, s := w.table(w.net.VPC.ID), w.net.Subnets[0].ID
		r := w.tableRow(&api.AssociateRouteTableRequest{RouteTableId: &t, SubnetId: &s}, t)
		r.needs = append(r.needs, on(w.arn(s), blue, "blue", "ec2:SubnetID", s))
		return r
	},
	"ec2:DisassociateRouteTable": func(w *world) row {
		t, a := w.followed()
		r := w.tableRow(&api.DisassociateRouteTableRequest{AssociationId: &a}, t)
		r.needs = append(r.needs, on(w.arn(w.net.Subnets[0].ID), blue, "blue"))
		r.other = "InvalidAssociationID.NotFound"
		return r
	},
	"ec2:ReplaceRouteTableAssociation": func(w *world) row {
		old, a := w.followed()
		t := w.table(w.net.VPC.ID)
		r := w.tableRow(&api.ReplaceRouteTableAssociationRequest{AssociationId: &a, RouteTableId: &t}, t)
		r.needs = append(r.needs, on(w.arn(old), blue, "blue"), on(w.arn(w.net.Subnets[0].ID), blue, "blue"))
		r.other = "InvalidAssociationID.NotFound"
		return r
	},
	"ec2:CreateInternetGateway": func(w *world) row {
		return row{
			in:    &api.CreateInternetGatewayRequest{TagSpecifications: tagSpec("internet-gateway")},
			needs: w.making("CreateInternetGateway", "internet-gateway"),
		}
	},
	"ec2:DeleteInternetGateway": func(w *world) row {
		g := w.gateway("")
		return row{
			in: &api.DeleteInternetGatewayRequest{InternetGatewayId: &g}, needs: []need{on(w.arn(g), blue, "blue", "ec2:InternetGatewayID", g)},
			other: "InvalidInternetGatewayID.NotFound",
		}
	},
	"ec2:AttachInternetGateway": func(w *world) row {
		v, _ := w.vpc()
		g := w.gateway("")
		return row{
			in:    &api.AttachInternetGatewayRequest{InternetGatewayId: &g, VpcId: &v},
			needs: []need{on(w.arn(g), blue, "blue"), on(w.arn(v), blue, "blue")}, other: "InvalidInternetGatewayID.NotFound",
		}
	},
	"ec2:DetachInternetGateway": func(w *world) row {
		v, _ := w.vpc()
		g := w.gateway(v)
		return row{
			in:    &api.DetachInternetGatewayRequest{InternetGatewayId: &g, VpcId: &v},
			needs: []need{on(w.arn(g), blue, "blue"), on(w.arn(v), blue, "blue")}, other: "InvalidInternetGatewayID.NotFound",
		}
	},
	"ec2:CreateEgressOnlyInternetGateway": func(w *world) row {
		const kind = "egress-only-internet-gateway"
		return row{
			in:    &api.CreateEgressOnlyInternetGatewayRequest{VpcId: &w.net.VPC.ID, TagSpecifications: tagSpec(kind)},
			needs: append(w.making("CreateEgressOnlyInternetGateway", kind), on(w.arn(w.net.VPC.ID), blue, "blue")), other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DeleteEgressOnlyInternetGateway": func(w *world) row {
		g := w.egress()
		return row{
			in: &api.DeleteEgressOnlyInternetGatewayRequest{EgressOnlyInternetGatewayId: &g}, needs: []need{on(w.arn(g), blue, "blue")},
			other: "InvalidEgressOnlyInternetGatewayId.NotFound",
		}
	},
	"ec2:CreateNatGateway": func(w *world) row {
		s, a := w.net.Subnets[0].ID, w.address()
		return row{
			in: &api.CreateNatGatewayRequest{SubnetId: &s, AllocationId: &a, TagSpecifications: tagSpec("natgateway")},
			needs: append(w.making("CreateNatGateway", "natgateway"),
				on(w.arn(s), blue, "blue", "ec2:SubnetID", s), on(w.arn(a), blue, "blue", "ec2:AllocationId", a)),
			other: "InvalidSubnetID.NotFound",
		}
	},
	"ec2:DeleteNatGateway": func(w *world) row {
		g := w.nat()
		return row{in: &api.DeleteNatGatewayRequest{NatGatewayId: &g}, needs: []need{on(w.arn(g), blue, "blue")}, other: "NatGatewayNotFound"}
	},
	"ec2:CreateVpcEndpoint": func(w *world) row {
		t := w.table(w.net.VPC.ID)
		return row{
			in: &api.CreateVpcEndpointRequest{
				VpcId: &w.net.VPC.ID, ServiceName: new(s3Service), RouteTableIds: []string{t}, TagSpecifications: tagSpec("vpc-endpoint"),
			},
			needs: append(w.making("CreateVpcEndpoint", "vpc-endpoint", "ec2:VpceServiceName", s3Service),
				on(w.arn(w.net.VPC.ID), blue, "blue"), on(w.arn(t), blue, "blue")),
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:ModifyVpcEndpoint": func(w *world) row {
		e, t := w.endpoint(), w.table(w.net.VPC.ID)
		return row{
			in:    &api.ModifyVpcEndpointRequest{VpcEndpointId: &e, AddRouteTableIds: []string{t}},
			needs: []need{on(w.arn(e), blue, "blue", "ec2:VpceServiceName", s3Service), on(w.arn(t), blue, "blue")}, other: "InvalidVpcEndpointId.NotFound",
		}
	},
	"ec2:DeleteVpcEndpoints": func(w *world) row {
		e := w.endpoint()
		return row{
			in:    &api.DeleteVpcEndpointsRequest{VpcEndpointIds: []string{e}},
			needs: []need{on(w.arn(e), blue, "blue", "ec2:VpceServiceName", s3Service)},
			// What it cannot delete it says in its answer, in the request's own words.
			shared: []string{e},
		}
	},
}

// tableRow is the row of an operation on a route table.
func (w *world) tableRow(in any, table string) row {
	w.Helper()
	return row{in: in, needs: []need{on(w.arn(table), blue, "blue", "ec2:RouteTableID", table)}, other: "InvalidRouteTableID.NotFound"}
}
