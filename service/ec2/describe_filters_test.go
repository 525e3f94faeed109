package ec2

import (
	"maps"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// absent is the value of filters on what no resource here has: they are valid
// and match nothing.
const absent = "\x00absent"

// filterTable tries every filter of an operation: the value of each in cases
// must select the resource of that ID, another value must select nothing.
type filterTable struct {
	names []string // all that the operation knows
	id    string
	cases map[string]string
	ids   func([]ec2.Filter) ([]string, error)
}

func names[T any](f fields[T]) []string { return slices.Sorted(maps.Keys(f)) }

func (f filterTable) check(t *testing.T) {
	t.Helper()
	for _, name := range f.names {
		value, ok := f.cases[name]
		if !ok {
			t.Errorf("filter %s has no test", name)
			continue
		}
		if value == absent {
			if ids, err := f.ids(filters(name, "*")); err != nil || len(ids) > 0 {
				t.Errorf("filter %s: got %v, %v, want nothing", name, ids, err)
			}
			continue
		}
		if ids, err := f.ids(filters(name, value)); err != nil || !slices.Contains(ids, f.id) {
			t.Errorf("filter %s=%s: got %v, %v, want %s", name, value, ids, err, f.id)
		}
		if ids, err := f.ids(filters(name, "no-such-value")); err != nil || len(ids) > 0 {
			t.Errorf("filter %s=no-such-value: got %v, %v, want nothing", name, ids, err)
		}
	}
	for name := range f.cases {
		if !slices.Contains(f.names, name) && name != "tag-key" && name != "tag-value" && name != "tag:Name" {
			t.Errorf("no filter is called %s", name)
		}
	}
	_, err := f.ids(filters("no-such-filter", "x"))
	want(t, "unknown filter", err, "InvalidParameterValue", "The filter 'no-such-filter' is invalid")
}

// checkTags tries the filters on tags, which all resources share.
func (f filterTable) checkTags(t *testing.T, r *rig) {
	t.Helper()
	if _, err := r.CreateTags(r.ctx, &ec2.CreateTagsRequest{Resources: []string{f.id}, Tags: tags("Name", "blue moon")}); err != nil {
		t.Fatal(err)
	}
	f.names = append(f.names, "tag:Name", "tag-key", "tag-value")
	f.cases["tag:Name"], f.cases["tag-key"], f.cases["tag-value"] = "blue*", "Name", "blue moon"
	f.check(t)
}

func TestRegionFilters(t *testing.T) {
	r := newRig(t)
	filterTable{
		names: []string{"endpoint", "opt-in-status", "region-name"}, id: "eu-paris-1",
		cases: map[string]string{"endpoint": "ec2.eu-paris-1.*", "opt-in-status": "opt-in-not-required", "region-name": "eu-paris-1"},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeRegions(r.ctx, &ec2.DescribeRegionsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.Regions, func(v ec2.Region) string { return *v.RegionName }), nil
		},
	}.check(t)
}

func TestZoneFilters(t *testing.T) {
	r := newRig(t)
	filterTable{
		names: names(zoneFields), id: "eu-paris-1b",
		cases: map[string]string{
			"group-name": "eu-paris-1", "message": absent, "opt-in-status": "opt-in-not-required", "parent-zone-id": absent,
			"parent-zone-name": absent, "region-name": "eu-paris-1", "state": "available", "zone-id": "eup1-az2",
			"zone-name": "eu-paris-1b", "zone-type": "availability-zone",
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeAvailabilityZones(r.ctx, &ec2.DescribeAvailabilityZonesRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.AvailabilityZones, func(v ec2.AvailabilityZone) string { return *v.ZoneName }), nil
		},
	}.check(t)
}

func TestVPCFilters(t *testing.T) {
	r := newRig(t)
	vpc := r.net.VPC
	filterTable{
		names: names(r.vpcFields()), id: vpc.ID,
		cases: map[string]string{
			"cidr": "172.31.0.0/16", "cidr-block": "172.31.0.0/16", "cidr-block-association.association-id": vpc.CIDRs[0].Association,
			"cidr-block-association.cidr-block": "172.31.*", "cidr-block-association.state": "associated", "dhcp-options-id": vpc.DHCPOptions,
			"ipv6-cidr-block-association.association-id": absent, "ipv6-cidr-block-association.ipv6-cidr-block": absent,
			"ipv6-cidr-block-association.ipv6-pool": absent, "ipv6-cidr-block-association.state": absent,
			"is-default": "true", "isDefault": "true", "owner-id": alice, "state": "available", "vpc-id": vpc.ID,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeVpcs(r.ctx, &ec2.DescribeVpcsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.Vpcs, func(v ec2.Vpc) string { return *v.VpcId }), nil
		},
	}.checkTags(t, r)
}

func TestSubnetFilters(t *testing.T) {
	r := newRig(t)
	r.addInterface("", port{subnet: r.net.Subnets[1]})
	subnet := r.net.Subnets[1]
	filterTable{
		names: names(r.subnetFields(r.DB.View())), id: subnet.ID,
		cases: map[string]string{
			"availability-zone": "eu-paris-1b", "availabilityZone": "eu-paris-1b", "availability-zone-id": "eup1-az2", "availabilityZoneId": "eup1-az2",
			"available-ip-address-count": "4090", "cidr": "172.31.16.0/20", "cidr-block": "172.31.16.0/20", "cidrBlock": "172.31.16.0/20",
			"customer-owned-ipv4-pool": absent, "default-for-az": "true", "defaultForAz": "true", "enable-dns64": "false", "enable-lni-at-device-index": absent,
			"ipv6-cidr-block-association.association-id": absent, "ipv6-cidr-block-association.ipv6-cidr-block": absent, "ipv6-cidr-block-association.state": absent,
			"ipv6-native": "false", "map-customer-owned-ip-on-launch": "false", "map-public-ip-on-launch": "true", "mapPublicIpOnLaunch": "true",
			"outpost-arn": absent, "owner-id": alice, "private-dns-name-options-on-launch.hostname-type": "ip-name",
			"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    "false",
			"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": "false",
			"state": "available", "subnet-arn": "arn:aws:ec2:eu-paris-1:" + alice + ":subnet/" + subnet.ID, "subnet-id": subnet.ID, "vpc-id": subnet.VPC,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeSubnets(r.ctx, &ec2.DescribeSubnetsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.Subnets, func(v ec2.Subnet) string { return *v.SubnetId }), nil
		},
	}.checkTags(t, r)
}

func TestRouteTableFilters(t *testing.T) {
	r := newRig(t)
	routes := r.net.Routes
	r.update(func(tx *store.Tx) error {
		return routeTable.Modify(tx, routes.ID, func(v *cloud.RouteTable) error {
			v.Associations = append(v.Associations, cloud.RouteTableAssociation{ID: "rtbassoc-0123456789abcdef0", Subnet: r.net.Subnets[0].ID})
			return nil
		})
	})
	filterTable{
		names: names(routeTableFields(r.DB.View())), id: routes.ID,
		cases: map[string]string{
			"association.gateway-id": absent, "association.main": "true", "association.route-table-association-id": "rtbassoc-0123456789abcdef0",
			"association.route-table-id": routes.ID, "association.subnet-id": r.net.Subnets[0].ID, "owner-id": alice, "route-table-id": routes.ID,
			"route.destination-cidr-block": "0.0.0.0/0", "route.destination-ipv6-cidr-block": absent, "route.destination-prefix-list-id": absent,
			"route.egress-only-internet-gateway-id": absent, "route.gateway-id": r.net.Gateway.ID, "route.instance-id": absent, "route.nat-gateway-id": absent,
			"route.origin": "CreateRoute", "route.state": "active", "route.transit-gateway-id": absent, "route.vpc-peering-connection-id": absent, "vpc-id": routes.VPC,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeRouteTables(r.ctx, &ec2.DescribeRouteTablesRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.RouteTables, func(v ec2.RouteTable) string { return *v.RouteTableId }), nil
		},
	}.checkTags(t, r)
}

func TestInternetGatewayFilters(t *testing.T) {
	r := newRig(t)
	filterTable{
		names: names(gatewayFields), id: r.net.Gateway.ID,
		cases: map[string]string{"attachment.state": "available", "attachment.vpc-id": r.net.VPC.ID, "internet-gateway-id": r.net.Gateway.ID, "owner-id": alice},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeInternetGateways(r.ctx, &ec2.DescribeInternetGatewaysRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.InternetGateways, func(v ec2.InternetGateway) string { return *v.InternetGatewayId }), nil
		},
	}.checkTags(t, r)
}

func TestNetworkInterfaceFilters(t *testing.T) {
	r := newRig(t)
	instance := cloud.NewID("i")
	n := r.addInterface(instance, port{description: "the first"})
	address := must(r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{}))(t)
	association := must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: address.AllocationId, InstanceId: &instance}))(t)
	filterTable{
		names: names(r.interfaceFields(r.DB.View())), id: n.ID,
		cases: map[string]string{
			"addresses.association.owner-id": alice, "addresses.association.public-ip": *address.PublicIp, "addresses.primary": "true",
			"addresses.private-ip-address": n.Primary().String(), "association.allocation-id": *address.AllocationId,
			"association.association-id": *association.AssociationId, "association.ip-owner-id": alice, "association.public-ip": *address.PublicIp,
			"association.public-dns-name": "ec2-100-64-0-*.eu-paris-1.*", "attachment.attach-time": "2023-11-14T22:13:20.000Z",
			"attachment.attachment-id": n.Attachment.ID, "attachment.delete-on-termination": "true", "attachment.device-index": "0",
			"attachment.instance-id": instance, "attachment.instance-owner-id": alice, "attachment.nat-gateway-id": absent, "attachment.status": "attached",
			"availability-zone": "eu-paris-1a", "availability-zone-id": "eup1-az1", "description": "the first", "group-id": r.net.Group.ID, "group-name": "default",
			"interface-type": "interface", "ipv6-addresses.ipv6-address": absent, "mac-address": n.MAC, "network-interface-id": n.ID, "owner-id": alice,
			"private-dns-name": "ip-172-31-*.eu-paris-1.compute.internal", "private-ip-address": n.Primary().String(), "requester-id": absent,
			"requester-managed": "false", "source-dest-check": "true", "status": "in-use", "subnet-id": n.Subnet, "vpc-id": n.VPC,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.NetworkInterfaces, func(v ec2.NetworkInterface) string { return *v.NetworkInterfaceId }), nil
		},
	}.checkTags(t, r)
}

func TestSecurityGroupFilters(t *testing.T) {
	r := newRig(t)
	id := r.newSecurityGroup("web")
	for _, authorize := range []func(*rig, string, ...ec2.IpPermission) error{(*rig).ingress, (*rig).egress} {
		if err := authorize(r, id, tcp(80, 81, "10.0.0.0/8"), tcpFrom(443, 444, r.net.Group.ID),
			ec2.IpPermission{IpProtocol: new("icmpv6"), Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: new("fd00::/8")}}}); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]string{"description": "a group", "group-id": id, "group-name": "web", "owner-id": alice, "vpc-id": r.net.VPC.ID}
	for _, prefix := range []string{"ip-permission.", "egress.ip-permission."} {
		maps.Copy(cases, map[string]string{
			prefix + "cidr": "10.0.0.0/8", prefix + "ipv6-cidr": "fd00::/8", prefix + "from-port": "443", prefix + "to-port": "444",
			prefix + "group-id": r.net.Group.ID, prefix + "group-name": "default", prefix + "prefix-list-id": absent,
			prefix + "protocol": "icmpv6", prefix + "user-id": alice,
		})
	}
	filterTable{
		names: names(groupFields(r.DB.View())), id: id, cases: cases,
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeSecurityGroups(r.ctx, &ec2.DescribeSecurityGroupsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.SecurityGroups, func(v ec2.SecurityGroup) string { return *v.GroupId }), nil
		},
	}.checkTags(t, r)
}

func TestSecurityGroupRuleFilters(t *testing.T) {
	r := newRig(t)
	rule := r.net.Group.Rules[0]
	filterTable{
		names: names(ruleFields), id: rule.ID,
		cases: map[string]string{"group-id": r.net.Group.ID, "security-group-rule-id": rule.ID},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeSecurityGroupRules(r.ctx, &ec2.DescribeSecurityGroupRulesRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.SecurityGroupRules, func(v ec2.SecurityGroupRule) string { return *v.SecurityGroupRuleId }), nil
		},
	}.checkTags(t, r)
}

func TestAddressFilters(t *testing.T) {
	r := newRig(t)
	instance := cloud.NewID("i")
	n := r.addInterface(instance, port{})
	address := must(r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{}))(t)
	association := must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: address.AllocationId, NetworkInterfaceId: &n.ID}))(t)
	must(r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{}))(t) // one that is not associated
	filterTable{
		names: names(r.addressFields()), id: *address.AllocationId,
		cases: map[string]string{
			"allocation-id": *address.AllocationId, "association-id": *association.AssociationId, "domain": "vpc", "instance-id": instance,
			"network-border-group": "eu-paris-1", "network-interface-id": n.ID, "network-interface-owner-id": alice,
			"private-ip-address": n.Primary().String(), "public-ip": *address.PublicIp,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeAddresses(r.ctx, &ec2.DescribeAddressesRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.Addresses, func(v ec2.Address) string { return *v.AllocationId }), nil
		},
	}.checkTags(t, r)

	out := must(r.DescribeAddresses(r.ctx, &ec2.DescribeAddressesRequest{Filters: filters("association-id", "*")}))(t)
	if len(out.Addresses) != 1 {
		t.Errorf("%d addresses have an association, want 1", len(out.Addresses))
	}
}

func TestTagFilters(t *testing.T) {
	r := newRig(t)
	if _, err := r.CreateTags(r.ctx, &ec2.CreateTagsRequest{Resources: []string{r.net.VPC.ID, r.net.Subnets[0].ID}, Tags: tags("Name", "blue", "env", "prod")}); err != nil {
		t.Fatal(err)
	}
	filterTable{
		names: append(names(tagItemFields), "tag:Name"), id: r.net.VPC.ID + " Name blue",
		cases: map[string]string{"key": "Name", "resource-id": r.net.VPC.ID, "resource-type": "vpc", "value": "bl*", "tag:Name": "blue"},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeTags(r.ctx, &ec2.DescribeTagsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.Tags, func(v ec2.TagDescription) string { return *v.ResourceId + " " + *v.Key + " " + *v.Value }), nil
		},
	}.check(t)
}
