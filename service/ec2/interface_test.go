package ec2

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

type newNICIn = ec2.CreateNetworkInterfaceRequest

// withIPv6 gives alice's first subnet a range of IPv6.
func (r *rig) withIPv6(assign bool) cloud.Subnet {
	r.Helper()
	s := r.net.Subnets[0]
	s.Prefix6, s.AssignIPv6 = netip.MustParsePrefix("fd00:1::/64"), assign
	r.update(func(tx *store.Tx) error { return subnetTable.Put(tx, s) })
	return s
}

func TestCreateNetworkInterface(t *testing.T) {
	r := newRig(t)
	v6, v4 := r.withIPv6(true), r.net.Subnets[1].ID
	group := r.newSecurityGroup("web")
	for what, c := range map[string]struct {
		change func(*newNICIn)
		code   string
	}{
		"no subnet":      {func(in *newNICIn) { in.SubnetId = nil }, "MissingParameter"},
		"unknown subnet": {func(in *newNICIn) { in.SubnetId = new("subnet-01234567") }, "InvalidSubnetID.NotFound"},
		"bob's subnet":   {func(in *newNICIn) { in.SubnetId = &r.bobs.Subnets[0].ID }, "InvalidSubnetID.NotFound"},
		"bob's group":    {func(in *newNICIn) { in.Groups = []string{r.bobs.Group.ID} }, "InvalidGroup.NotFound"},
		"outside":        {func(in *newNICIn) { in.PrivateIpAddress = new("10.0.0.9") }, "InvalidParameterValue"},
		"reserved":       {func(in *newNICIn) { in.PrivateIpAddress = new("172.31.0.3") }, "InvalidParameterValue"},
		"reserved IPv6":  {func(in *newNICIn) { in.Ipv6Addresses = []ec2.InstanceIpv6Address{{Ipv6Address: new("fd00:1::3")}} }, "InvalidParameterValue"},
		"IPv6 outside":   {func(in *newNICIn) { in.Ipv6Addresses = []ec2.InstanceIpv6Address{{Ipv6Address: new("fd00:2::9")}} }, "InvalidParameterValue"},
		"IPv6 twice": {func(in *newNICIn) {
			in.Ipv6Addresses = slices.Repeat([]ec2.InstanceIpv6Address{{Ipv6Address: new("fd00:1::9")}}, 2)
		}, "InvalidParameterValue"},
		"IPv6 in IPv4": {func(in *newNICIn) { in.SubnetId, in.Ipv6AddressCount = &v4, new(int32(1)) }, "InvalidParameterValue"},
		"both counts": {func(in *newNICIn) {
			in.Ipv6AddressCount, in.Ipv6Addresses = new(int32(1)), make([]ec2.InstanceIpv6Address, 1)
		}, "InvalidParameterCombination"},
		"negative":         {func(in *newNICIn) { in.Ipv6AddressCount = new(int32(-1)) }, "InvalidParameterValue"},
		"too many":         {func(in *newNICIn) { in.SecondaryPrivateIpAddressCount = new(int32(maxPrivate)) }, "PrivateIpAddressLimitExceeded"},
		"too many IPv6":    {func(in *newNICIn) { in.Ipv6AddressCount = new(int32(maxPrivate + 1)) }, "PrivateIpAddressLimitExceeded"},
		"primary IPv6":     {func(in *newNICIn) { in.EnablePrimaryIpv6 = new(true) }, "UnsupportedOperation"},
		"prefixes":         {func(in *newNICIn) { in.Ipv6PrefixCount = new(int32(1)) }, "UnsupportedOperation"},
		"EFA":              {func(in *newNICIn) { in.InterfaceType = new("efa") }, "UnsupportedOperation"},
		"tags of another":  {func(in *newNICIn) { in.TagSpecifications = tagSpec("instance", "k", "v") }, "InvalidParameterValue"},
		"control in words": {func(in *newNICIn) { in.Description = new("a\x01") }, "InvalidParameterValue"},
		"plain":            {func(*newNICIn) {}, ""},
		"without IPv6":     {func(in *newNICIn) { in.Ipv6AddressCount = new(int32(0)) }, ""},
		"addresses by name": {func(in *newNICIn) {
			in.PrivateIpAddress, in.Ipv6Addresses = new("172.31.1.1"), []ec2.InstanceIpv6Address{{Ipv6Address: new("fd00:1::77")}}
		}, ""},
		"several, with words": {func(in *newNICIn) {
			in.SecondaryPrivateIpAddressCount, in.Description, in.Groups = new(int32(3)), new("words"), []string{group}
		}, ""},
	} {
		in := newNICIn{SubnetId: &v6.ID}
		c.change(&in)
		_, err := r.CreateNetworkInterface(r.ctx, &in)
		want(t, what, err, c.code)
	}
	out := must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{Filters: filters("description", "words")}))(t).NetworkInterfaces
	if len(out) != 1 || len(out[0].PrivateIpAddresses) != 4 || len(out[0].Ipv6Addresses) != 1 || *out[0].Groups[0].GroupId != group || *out[0].Status != "available" || *out[0].RequesterManaged {
		t.Errorf("found %+v", out)
	}
	named := must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{Filters: filters("ipv6-addresses.ipv6-address", "fd00:1::77")}))(t).NetworkInterfaces
	if len(named) != 1 || *named[0].PrivateIpAddress != "172.31.1.1" {
		t.Errorf("by IPv6 address: %+v", named)
	}
	_, err := r.CreateNetworkInterface(r.ctx, &newNICIn{SubnetId: &v6.ID, Ipv6Addresses: []ec2.InstanceIpv6Address{{Ipv6Address: new("fd00:1::77")}}})
	want(t, "an address that is taken", err, "InvalidIPAddress.InUse")
}

func TestCreateNetworkInterfaceOnce(t *testing.T) {
	r := newRig(t)
	in := newNICIn{SubnetId: &r.net.Subnets[0].ID, ClientToken: new("token")}
	first := must(r.CreateNetworkInterface(r.ctx, &in))(t)
	again := must(r.CreateNetworkInterface(r.ctx, &in))(t)
	if *first.NetworkInterface.NetworkInterfaceId != *again.NetworkInterface.NetworkInterfaceId || *again.ClientToken != "token" {
		t.Errorf("one token made %s and %s", *first.NetworkInterface.NetworkInterfaceId, *again.NetworkInterface.NetworkInterfaceId)
	}
	in.Description = new("other")
	_, err := r.CreateNetworkInterface(r.ctx, &in)
	want(t, "the token with another request", err, "IdempotentParameterMismatch")
}

func TestDeleteNetworkInterface(t *testing.T) {
	r := newRig(t)
	loose, used, managed := r.addInterface("", port{}), r.addInterface("i-0123456789abcdef0", port{}), r.addInterface("", port{})
	r.update(func(tx *store.Tx) error {
		return interfaceTable.Modify(tx, managed.ID, func(n *cloud.NetworkInterface) error { n.Of = "nat-0123456789abcdef0"; return nil })
	})
	allocation, _ := r.allocate()
	must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: &allocation, NetworkInterfaceId: &loose.ID}))(t)
	remove := func(id string) error {
		_, err := r.DeleteNetworkInterface(r.ctx, &ec2.DeleteNetworkInterfaceRequest{NetworkInterfaceId: &id})
		return err
	}
	want(t, "in use", remove(used.ID), "InvalidParameterValue", "Network interface '"+used.ID+"' is currently in use.")
	want(t, "managed", remove(managed.ID), "OperationNotPermitted")
	_, err := r.DeleteNetworkInterface(r.bob, &ec2.DeleteNetworkInterfaceRequest{NetworkInterfaceId: &loose.ID})
	want(t, "alice's", err, "InvalidNetworkInterfaceID.NotFound")
	want(t, "loose", remove(loose.ID), "")
	want(t, "again", remove(loose.ID), "InvalidNetworkInterfaceID.NotFound")
	if a, _ := addressTable.Get(r.DB.View(), allocation); a.Association != "" || a.Interface != "" {
		t.Errorf("its elastic address is %+v", a)
	}
	for _, space := range []string{cloud.PrivateAddresses(r.net.VPC.ID), cloud.MACs} {
		for _, v := range []string{loose.Primary().String(), loose.MAC} {
			if _, held := store.Owner(r.DB.View(), space, v); held {
				t.Errorf("%s %s is still claimed", space, v)
			}
		}
	}
	seen := must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{Filters: filters("requester-managed", "true")}))(t).NetworkInterfaces
	if len(seen) != 1 || *seen[0].NetworkInterfaceId != managed.ID || *seen[0].InterfaceType != "nat_gateway" || *seen[0].Status != "in-use" {
		t.Errorf("managed: %+v", seen)
	}
	_, err = r.DetachNetworkInterface(r.ctx, &ec2.DetachNetworkInterfaceRequest{AttachmentId: seen[0].Attachment.AttachmentId})
	want(t, "detach a managed one", err, "OperationNotPermitted")
}

func TestAssignPrivateAddresses(t *testing.T) {
	r := newRig(t)
	n, other := r.addInterface("", port{}), r.addInterface("", port{addresses: []netip.Addr{{}, netip.MustParseAddr("172.31.2.2")}})
	assign := func(in ec2.AssignPrivateIpAddressesRequest) error {
		in.NetworkInterfaceId = &n.ID
		_, err := r.AssignPrivateIpAddresses(r.ctx, &in)
		return err
	}
	for what, c := range map[string]struct {
		in   ec2.AssignPrivateIpAddressesRequest
		code string
	}{
		"nothing":      {ec2.AssignPrivateIpAddressesRequest{}, "MissingParameter"},
		"both":         {ec2.AssignPrivateIpAddressesRequest{SecondaryPrivateIpAddressCount: new(int32(1)), PrivateIpAddresses: []string{"172.31.2.9"}}, "InvalidParameterCombination"},
		"prefixes":     {ec2.AssignPrivateIpAddressesRequest{Ipv4PrefixCount: new(int32(1))}, "UnsupportedOperation"},
		"taken":        {ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{"172.31.2.2"}}, "InvalidIPAddress.InUse"},
		"a primary":    {ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{other.Primary().String()}, AllowReassignment: new(true)}, "InvalidIPAddress.InUse"},
		"its own":      {ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{n.Primary().String()}, AllowReassignment: new(true)}, "InvalidIPAddress.InUse"},
		"too many":     {ec2.AssignPrivateIpAddressesRequest{SecondaryPrivateIpAddressCount: new(int32(maxPrivate))}, "PrivateIpAddressLimitExceeded"},
		"no address":   {ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{"x"}}, "InvalidParameterValue"},
		"twice":        {ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{"172.31.2.9", "172.31.2.9"}}, "InvalidParameterValue"},
		"out of range": {ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{"10.0.0.1"}}, "InvalidParameterValue"},
	} {
		want(t, what, assign(c.in), c.code)
	}
	allocation, _ := r.allocate()
	must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: &allocation, NetworkInterfaceId: &other.ID, PrivateIpAddress: new("172.31.2.2")}))(t)
	want(t, "move", assign(ec2.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{"172.31.2.2"}, AllowReassignment: new(true)}), "")
	want(t, "two of any", assign(ec2.AssignPrivateIpAddressesRequest{SecondaryPrivateIpAddressCount: new(int32(2))}), "")
	n, _ = interfaceTable.Get(r.DB.View(), n.ID)
	other, _ = interfaceTable.Get(r.DB.View(), other.ID)
	if len(n.Addresses) != 4 || n.Addresses[1].Private.String() != "172.31.2.2" || len(other.Addresses) != 1 {
		t.Errorf("addresses are %v and %v", n.Addresses, other.Addresses)
	}
	if a, _ := addressTable.Get(r.DB.View(), allocation); a.Interface != "" {
		t.Errorf("the elastic address went along: %+v", a)
	}
	unassign := func(addresses ...string) error {
		_, err := r.UnassignPrivateIpAddresses(r.ctx, &ec2.UnassignPrivateIpAddressesRequest{NetworkInterfaceId: &n.ID, PrivateIpAddresses: addresses})
		return err
	}
	want(t, "none", unassign(), "MissingParameter")
	want(t, "the primary", unassign(n.Primary().String()), "InvalidParameterValue")
	want(t, "another's", unassign(other.Primary().String()), "InvalidParameterValue")
	want(t, "two", unassign("172.31.2.2", n.Addresses[2].Private.String()), "")
	if n, _ = interfaceTable.Get(r.DB.View(), n.ID); len(n.Addresses) != 2 {
		t.Errorf("left are %v", n.Addresses)
	}
}

func TestAssignIPv6Addresses(t *testing.T) {
	r := newRig(t)
	n := r.addInterface("", port{subnet: r.withIPv6(false)})
	out := must(r.AssignIpv6Addresses(r.ctx, &ec2.AssignIpv6AddressesRequest{NetworkInterfaceId: &n.ID, Ipv6AddressCount: new(int32(2))}))(t)
	must(r.AssignIpv6Addresses(r.ctx, &ec2.AssignIpv6AddressesRequest{NetworkInterfaceId: &n.ID, Ipv6Addresses: []string{"fd00:1::a"}}))(t)
	_, err := r.AssignIpv6Addresses(r.ctx, &ec2.AssignIpv6AddressesRequest{NetworkInterfaceId: &n.ID, Ipv6Addresses: []string{"fd00:1::a"}})
	want(t, "again", err, "InvalidIPAddress.InUse")
	_, err = r.AssignIpv6Addresses(r.ctx, &ec2.AssignIpv6AddressesRequest{NetworkInterfaceId: &n.ID})
	want(t, "nothing", err, "MissingParameter")
	got := must(r.UnassignIpv6Addresses(r.ctx, &ec2.UnassignIpv6AddressesRequest{NetworkInterfaceId: &n.ID, Ipv6Addresses: out.AssignedIpv6Addresses}))(t)
	if !slices.Equal(got.UnassignedIpv6Addresses, out.AssignedIpv6Addresses) || len(out.AssignedIpv6Addresses) != 2 {
		t.Errorf("assigned %v, unassigned %v", out.AssignedIpv6Addresses, got.UnassignedIpv6Addresses)
	}
	_, err = r.UnassignIpv6Addresses(r.ctx, &ec2.UnassignIpv6AddressesRequest{NetworkInterfaceId: &n.ID, Ipv6Addresses: out.AssignedIpv6Addresses})
	want(t, "not assigned", err, "InvalidParameterValue")
	if n, _ = interfaceTable.Get(r.DB.View(), n.ID); len(n.Addresses6) != 1 || n.Addresses6[0].String() != "fd00:1::a" {
		t.Errorf("left are %v", n.Addresses6)
	}
}
