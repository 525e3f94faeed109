package ec2

import (
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// routed is a route to the destination; change sets its target.
func routed(table, to string, change func(*ec2.CreateRouteRequest)) ec2.CreateRouteRequest {
	in := ec2.CreateRouteRequest{RouteTableId: &table, DestinationCidrBlock: &to}
	change(&in)
	return in
}

func TestRouteTargets(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	r.settleNAT(net.nat)
	subnet, _ := subnetTable.Get(r.DB.View(), net.subnet)
	instance := cloud.NewID("i")
	guest := r.addInterface(instance, port{subnet: subnet, groups: []string{}})
	loose := r.addInterface("", port{subnet: subnet, groups: []string{}})
	pcx := cloud.Peering{
		Meta: cloud.Meta{ID: r.NewID("pcx"), Account: alice}, State: cloud.PeeringPending,
		Requester: cloud.PeeringSide{Account: alice, VPC: net.vpc}, Accepter: cloud.PeeringSide{Account: alice, VPC: r.net.VPC.ID},
	}
	r.update(func(tx *store.Tx) error { return peeringTable.Create(tx, pcx) })
	table := net.table
	for _, c := range []struct {
		to, code, shown string
		in              func(*ec2.CreateRouteRequest)
	}{
		{"0.0.0.0/0", "", "0.0.0.0/0 " + net.gateway + " active", func(in *ec2.CreateRouteRequest) { in.GatewayId = &net.gateway }},
		{"198.51.100.9/24", "", "198.51.100.0/24 " + net.nat + " active", func(in *ec2.CreateRouteRequest) { in.NatGatewayId = &net.nat }},
		{"10.8.0.0/16", "", "10.8.0.0/16 " + guest.ID + " active", func(in *ec2.CreateRouteRequest) { in.InstanceId = &instance }},
		{"10.9.0.0/16", "", "10.9.0.0/16 " + loose.ID + " blackhole", func(in *ec2.CreateRouteRequest) { in.NetworkInterfaceId = &loose.ID }},
		{"172.31.0.0/16", "", "172.31.0.0/16 " + pcx.ID + " blackhole", func(in *ec2.CreateRouteRequest) { in.VpcPeeringConnectionId = &pcx.ID }},
		{"", "", "::/0 " + net.egress + " active", func(in *ec2.CreateRouteRequest) {
			in.DestinationIpv6CidrBlock, in.EgressOnlyInternetGatewayId = new("::/0"), &net.egress
		}},
	} {
		in := routed(table, c.to, c.in)
		out, err := r.CreateRoute(r.ctx, &in)
		want(t, c.to, err, c.code)
		if err == nil && !*out.Return {
			t.Errorf("%s: it returns false", c.to)
		}
		if got := r.routesOf(table); !slices.Contains(got, c.shown) {
			t.Errorf("routes are %q, want %q", got, c.shown)
		}
	}
	for name, value := range map[string]string{
		"route.instance-id": instance, "route.nat-gateway-id": net.nat, "route.egress-only-internet-gateway-id": net.egress,
		"route.destination-ipv6-cidr-block": "::/0", "route.vpc-peering-connection-id": pcx.ID, "route.state": "blackhole",
	} {
		if found := must(r.DescribeRouteTables(r.ctx, &ec2.DescribeRouteTablesRequest{Filters: filters(name, value)}))(t).RouteTables; len(found) != 1 || *found[0].RouteTableId != table {
			t.Errorf("%s finds %+v", name, found)
		}
	}
	// What a route leads to may go away.
	r.update(func(tx *store.Tx) error {
		pcx.State = cloud.PeeringActive
		return peeringTable.Put(tx, pcx)
	})
	must(r.DeleteEgressOnlyInternetGateway(r.ctx, &ec2.DeleteEgressOnlyInternetGatewayRequest{EgressOnlyInternetGatewayId: &net.egress}))(t)
	must(r.DeleteNatGateway(r.ctx, &ec2.DeleteNatGatewayRequest{NatGatewayId: &net.nat}))(t)
	got := r.routesOf(table)
	for _, shown := range []string{"172.31.0.0/16 " + pcx.ID + " active", "::/0 " + net.egress + " blackhole", "198.51.100.0/24 " + net.nat + " blackhole"} {
		if !slices.Contains(got, shown) {
			t.Errorf("routes are %q, want %q", got, shown)
		}
	}
}

func TestCreateRouteRefuses(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	table := net.table
	igw := func(in *ec2.CreateRouteRequest) { in.GatewayId = &net.gateway }
	with := func(id string) func(*ec2.CreateRouteRequest) {
		return func(in *ec2.CreateRouteRequest) { in.GatewayId = &id }
	}
	for _, c := range []struct{ what, to, code, message string }{
		{"local", "10.0.0.0/16", "RouteAlreadyExists", "The route identified by 10.0.0.0/16 already exists."},
		{"same", "192.0.2.0/24", "RouteAlreadyExists", "The route identified by 192.0.2.0/24 already exists."},
		{"inside", "10.0.1.0/24", "InvalidParameterValue", "The destination CIDR block 10.0.1.0/24 is equal to or more specific than one of this VPC's CIDR blocks. " +
			"Packets within a VPC go straight to their destination."},
		{"services", "169.254.169.254/32", "InvalidParameterValue", "The destination CIDR block 169.254.169.254/32 is reserved for services of the cloud."},
		{"no range", "10.0.0", "InvalidParameterValue", "Value (10.0.0) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."},
		{"nowhere", "", "MissingParameter", "The request must contain the parameter destinationCidrBlock"},
	} {
		in := routed(table, c.to, igw)
		_, err := r.CreateRoute(r.ctx, &in)
		want(t, c.what, err, c.code, c.message)
	}
	missing := func(prefix string) *string { return new(prefix + "-0123456789abcdef0") }
	for _, c := range []struct {
		what, code string
		change     func(*ec2.CreateRouteRequest)
	}{
		{"no target", "MissingParameter", func(*ec2.CreateRouteRequest) {}},
		{"two targets", "InvalidParameterCombination", func(in *ec2.CreateRouteRequest) { in.GatewayId, in.NatGatewayId = &net.gateway, &net.nat }},
		{"two destinations", "InvalidParameterCombination", func(in *ec2.CreateRouteRequest) {
			in.GatewayId, in.DestinationIpv6CidrBlock = &net.gateway, new("::/0")
		}},
		{"transit gateway", "UnsupportedOperation", func(in *ec2.CreateRouteRequest) { in.TransitGatewayId = missing("tgw") }},
		{"local", "InvalidGatewayID.NotFound", with("local")},
		{"unknown gateway", "InvalidGatewayID.NotFound", with(*missing("igw"))},
		{"bob's gateway", "InvalidGatewayID.NotFound", with(r.bobs.Gateway.ID)},
		{"detached gateway", "InvalidParameterValue", with(net.loose)},
		{"gateway of another VPC", "InvalidParameterValue", with(r.net.Gateway.ID)},
		{"unknown NAT", "InvalidNatGatewayID.NotFound", func(in *ec2.CreateRouteRequest) { in.NatGatewayId = missing("nat") }},
		{"malformed NAT", "NatGatewayMalformed", func(in *ec2.CreateRouteRequest) { in.NatGatewayId = new("x") }},
		{"unknown interface", "InvalidNetworkInterfaceID.NotFound", func(in *ec2.CreateRouteRequest) { in.NetworkInterfaceId = missing("eni") }},
		{"unknown instance", "InvalidInstanceID.NotFound", func(in *ec2.CreateRouteRequest) { in.InstanceId = missing("i") }},
		{"unknown peering", "InvalidVpcPeeringConnectionID.NotFound", func(in *ec2.CreateRouteRequest) { in.VpcPeeringConnectionId = missing("pcx") }},
		{"egress-only for IPv4", "InvalidParameterValue", func(in *ec2.CreateRouteRequest) { in.EgressOnlyInternetGatewayId = &net.egress }},
		{"NAT for IPv6", "InvalidParameterValue", func(in *ec2.CreateRouteRequest) {
			in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.NatGatewayId = nil, new("2001:db8::/32"), &net.nat
		}},
		{"unknown list", "InvalidPrefixListID.NotFound", func(in *ec2.CreateRouteRequest) {
			in.DestinationCidrBlock, in.DestinationPrefixListId, in.GatewayId = nil, new("pl-0123456789abcdef9"), &net.gateway
		}},
		{"the cloud's list", "InvalidPrefixListID.NotFound", func(in *ec2.CreateRouteRequest) {
			in.DestinationCidrBlock, in.DestinationPrefixListId, in.GatewayId = nil, new(s3List().ID), &net.gateway
		}},
		{"bob's table", "InvalidRouteTableID.NotFound", func(in *ec2.CreateRouteRequest) { in.RouteTableId, in.GatewayId = &r.bobs.Routes.ID, &net.gateway }},
		{"no table", "MissingParameter", func(in *ec2.CreateRouteRequest) { in.RouteTableId, in.GatewayId = nil, &net.gateway }},
	} {
		in := routed(table, "0.0.0.0/0", c.change)
		_, err := r.CreateRoute(r.ctx, &in)
		want(t, c.what, err, c.code)
	}
	r.Limits.Routes = 1
	in := routed(table, "0.0.0.0/0", igw)
	_, err := r.CreateRoute(r.ctx, &in)
	want(t, "too many", err, "RouteLimitExceeded")
}

func TestRouteToAPrefixList(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	list := cloud.PrefixList{Meta: cloud.Meta{ID: r.NewID("pl"), Account: alice}, Name: "offices", MaxEntries: 3, Version: 1}
	r.update(func(tx *store.Tx) error { return listTable.Create(tx, list) })
	in := ec2.CreateRouteRequest{RouteTableId: &net.table, DestinationPrefixListId: &list.ID, GatewayId: &net.gateway}
	r.Limits.Routes = 3 // with the route that is there the list counts for one too many
	_, err := r.CreateRoute(r.ctx, &in)
	want(t, "too many", err, "RouteLimitExceeded")
	r.Limits.Routes = 4
	must(r.CreateRoute(r.ctx, &in))(t)
	_, err = r.CreateRoute(r.ctx, &in)
	want(t, "again", err, "RouteAlreadyExists")
	if got := r.routesOf(net.table); !slices.Contains(got, list.ID+" "+net.gateway+" active") {
		t.Errorf("routes are %q", got)
	}
	must(r.DeleteRoute(r.ctx, &ec2.DeleteRouteRequest{RouteTableId: &net.table, DestinationPrefixListId: &list.ID}))(t)
	_, err = r.DeleteRoute(r.ctx, &ec2.DeleteRouteRequest{RouteTableId: &net.table, DestinationPrefixListId: &list.ID})
	want(t, "gone", err, "InvalidRoute.NotFound", "no route with destination-prefix-list-id "+list.ID+" in route table "+net.table)
}

func TestReplaceAndDeleteRoute(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	replace := func(change func(*ec2.ReplaceRouteRequest)) error {
		in := ec2.ReplaceRouteRequest{RouteTableId: &net.table, DestinationCidrBlock: new("192.0.2.0/24")}
		change(&in)
		_, err := r.ReplaceRoute(r.ctx, &in)
		return err
	}
	want(t, "replace", replace(func(in *ec2.ReplaceRouteRequest) { in.NatGatewayId = &net.nat }), "")
	if got := r.routesOf(net.table); !slices.Contains(got, "192.0.2.0/24 "+net.nat+" active") {
		t.Errorf("routes are %q", got)
	}
	want(t, "no route", replace(func(in *ec2.ReplaceRouteRequest) {
		in.DestinationCidrBlock, in.NatGatewayId = new("192.0.3.0/24"), &net.nat
	}), "InvalidParameterValue", "There is no route defined for '192.0.3.0/24' in the route table. Use CreateRoute instead.")
	want(t, "no target", replace(func(*ec2.ReplaceRouteRequest) {}), "MissingParameter")
	want(t, "to local", replace(func(in *ec2.ReplaceRouteRequest) { in.LocalTarget = new(true) }), "InvalidParameterValue")
	want(t, "local to local", replace(func(in *ec2.ReplaceRouteRequest) {
		in.DestinationCidrBlock, in.LocalTarget = new("10.0.0.0/16"), new(true)
	}), "")
	want(t, "local", replace(func(in *ec2.ReplaceRouteRequest) {
		in.DestinationCidrBlock, in.NatGatewayId = new("10.0.0.0/16"), &net.nat
	}), "UnsupportedOperation")

	for _, c := range []struct{ to, code, message string }{
		{"192.0.2.0/24", "", ""},
		{"192.0.2.0/24", "InvalidRoute.NotFound", "no route with destination-cidr-block 192.0.2.0/24 in route table " + net.table},
		{"10.0.0.0/16", "InvalidParameterValue", "cannot remove local route 10.0.0.0/16 in route table " + net.table},
	} {
		_, err := r.DeleteRoute(r.ctx, &ec2.DeleteRouteRequest{RouteTableId: &net.table, DestinationCidrBlock: &c.to})
		want(t, "delete "+c.to, err, c.code, c.message)
	}
}

func TestRouteTableAssociations(t *testing.T) {
	r := newRig(t)
	net := r.newNet1()
	main, mainID := r.mainTable(net.vpc)
	associate := func(table, subnet string) (string, error) {
		out, err := r.AssociateRouteTable(r.ctx, &ec2.AssociateRouteTableRequest{RouteTableId: &table, SubnetId: &subnet})
		if err != nil {
			return "", err
		}
		return *out.AssociationId, nil
	}
	if id := must(associate(net.table, net.subnet))(t); id != net.association {
		t.Errorf("a second association is %s", id)
	}
	_, err := associate(main, net.subnet)
	want(t, "two tables", err, "Resource.AlreadyAssociated")
	_, err = associate(net.table, r.net.Subnets[0].ID)
	want(t, "other VPC", err, "InvalidParameterValue")
	_, err = associate(net.table, r.bobs.Subnets[0].ID)
	want(t, "bob's", err, "InvalidSubnetID.NotFound")
	_, err = r.AssociateRouteTable(r.ctx, &ec2.AssociateRouteTableRequest{RouteTableId: &net.table, GatewayId: &net.gateway})
	want(t, "gateway", err, "UnsupportedOperation")

	remove := func(id string) error {
		_, err := r.DeleteRouteTable(r.ctx, &ec2.DeleteRouteTableRequest{RouteTableId: &id})
		return err
	}
	want(t, "delete the main one", remove(main), "DependencyViolation", "The routeTable '"+main+"' has dependencies and cannot be deleted.")
	want(t, "delete one in use", remove(net.table), "DependencyViolation")

	replace := func(association, table string) (string, error) {
		out, err := r.ReplaceRouteTableAssociation(r.ctx, &ec2.ReplaceRouteTableAssociationRequest{AssociationId: &association, RouteTableId: &table})
		if err != nil {
			return "", err
		}
		return *out.NewAssociationId, nil
	}
	moved := must(replace(net.association, main))(t)
	newMain := must(replace(mainID, net.table))(t)
	if table, id := r.mainTable(net.vpc); table != net.table || id != newMain {
		t.Errorf("the main table is %s by %s", table, id)
	}
	_, err = replace(moved, r.net.Routes.ID)
	want(t, "table of another VPC", err, "InvalidParameterValue")
	_, err = replace(net.association, main)
	want(t, "association that was replaced", err, "InvalidAssociationID.NotFound")

	drop := func(id string) error {
		_, err := r.DisassociateRouteTable(r.ctx, &ec2.DisassociateRouteTableRequest{AssociationId: &id})
		return err
	}
	want(t, "main", drop(newMain), "InvalidParameterValue", "cannot disassociate the main route table association "+newMain)
	want(t, "bob's", drop(r.bobs.Routes.Associations[0].ID), "InvalidAssociationID.NotFound")
	want(t, "subnet", drop(moved), "")
	want(t, "again", drop(moved), "InvalidAssociationID.NotFound")
	want(t, "delete what was the main one", remove(main), "")
}

func TestCreateRouteTable(t *testing.T) {
	r := newRig(t)
	in := ec2.CreateRouteTableRequest{VpcId: &r.net.VPC.ID, ClientToken: new("once"), TagSpecifications: tagSpec("route-table", "a", "b")}
	one := must(r.CreateRouteTable(r.ctx, &in))(t)
	two := must(r.CreateRouteTable(r.ctx, &in))(t)
	if *one.RouteTable.RouteTableId != *two.RouteTable.RouteTableId || len(one.RouteTable.Routes) != 1 || *one.RouteTable.Tags[0].Key != "a" {
		t.Errorf("tables are %+v and %+v", one.RouteTable, two.RouteTable)
	}
	in.VpcId = &r.bobs.VPC.ID
	_, err := r.CreateRouteTable(r.ctx, &in)
	want(t, "token with another VPC", err, "IdempotentParameterMismatch")
	r.Limits.RouteTables = 2
	_, err = r.CreateRouteTable(r.ctx, &ec2.CreateRouteTableRequest{VpcId: &r.net.VPC.ID})
	want(t, "too many", err, "RouteTableLimitExceeded")
}
