package matrix

import (
	"net/netip"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ec2Interfaces are the operations on network interfaces.
var ec2Interfaces = table{
	"ec2:CreateNetworkInterface": func(w *world) row {
		subnet := w.net.Subnets[0].ID
		return row{
			in: &api.CreateNetworkInterfaceRequest{SubnetId: &subnet, Groups: []string{w.net.Group.ID}, TagSpecifications: tagSpec("network-interface")},
			needs: []need{
				on(w.named("network-interface/*"), "aws:RequestTag/team", "blue", "ec2:Subnet", w.arn(subnet), "ec2:Vpc", w.arn(w.net.VPC.ID)),
				on(w.arn(subnet), blue, "blue"), on(w.arn(w.net.Group.ID), blue, "blue"),
				also("ec2:CreateTags", w.named("network-interface/*"), "ec2:CreateAction", "CreateNetworkInterface"),
			},
			other: "InvalidSubnetID.NotFound",
		}
	},
	"ec2:DeleteNetworkInterface": func(w *world) row {
		n := w.nic()
		return w.nicRow(&api.DeleteNetworkInterfaceRequest{NetworkInterfaceId: &n}, n)
	},
	"ec2:AttachNetworkInterface": func(w *world) row {
		n, i := w.nic(), w.instance()
		r := w.nicRow(&api.AttachNetworkInterfaceRequest{NetworkInterfaceId: &n, InstanceId: &i, DeviceIndex: new(int32(1))}, n)
		r.needs = append(r.needs, on(w.arn(i), blue, "blue"))
		return r
	},
	"ec2:DetachNetworkInterface": func(w *world) row {
		n, i := w.nic(), w.instance()
		attachment := *made[*api.AttachNetworkInterfaceResult](w, Alice, &api.AttachNetworkInterfaceRequest{NetworkInterfaceId: &n, InstanceId: &i, DeviceIndex: new(int32(1))}).AttachmentId
		r := w.nicRow(&api.DetachNetworkInterfaceRequest{AttachmentId: &attachment}, n)
		r.needs = append(r.needs, on(w.arn(i), blue, "blue"))
		r.other = "InvalidAttachmentID.NotFound"
		return r
	},
	"ec2:ModifyNetworkInterfaceAttribute": func(w *world) row {
		n, g := w.nic(), w.group()
		r := w.nicRow(&api.ModifyNetworkInterfaceAttributeRequest{NetworkInterfaceId: &n, Groups: []string{g}}, n)
		r.needs = append(r.needs, on(w.arn(g), blue, "blue"))
		return r
	},
	"ec2:DescribeNetworkInterfaceAttribute": func(w *world) row {
		n := w.nic()
		return w.nicRow(&api.DescribeNetworkInterfaceAttributeRequest{NetworkInterfaceId: &n, Attribute: new("description")}, n)
	},
	"ec2:ResetNetworkInterfaceAttribute": func(w *world) row {
		n := w.nic()
		return w.nicRow(&api.ResetNetworkInterfaceAttributeRequest{NetworkInterfaceId: &n, SourceDestCheck: new("true")}, n)
	},
	"ec2:AssignPrivateIpAddresses": func(w *world) row {
		n := w.nic()
		return w.nicRow(&api.AssignPrivateIpAddressesRequest{NetworkInterfaceId: &n, SecondaryPrivateIpAddressCount: new(int32(1))}, n)
	},
	"ec2:UnassignPrivateIpAddresses": func(w *world) row {
		n := w.nic()
		given := made[*api.AssignPrivateIpAddressesResult](w, Alice, &api.AssignPrivateIpAddressesRequest{NetworkInterfaceId: &n, SecondaryPrivateIpAddressCount: new(int32(1))})
		return w.nicRow(&api.UnassignPrivateIpAddressesRequest{NetworkInterfaceId: &n, PrivateIpAddresses: []string{*given.AssignedPrivateIpAddresses[0].PrivateIpAddress}}, n)
	},
	"ec2:AssignIpv6Addresses": func(w *world) row {
		w.dualStack()
		n := w.nic()
		return w.nicRow(&api.AssignIpv6AddressesRequest{NetworkInterfaceId: &n, Ipv6AddressCount: new(int32(1))}, n)
	},
	"ec2:UnassignIpv6Addresses": func(w *world) row {
		w.dualStack()
		n := w.nic()
		given := made[*api.AssignIpv6AddressesResult](w, Alice, &api.AssignIpv6AddressesRequest{NetworkInterfaceId: &n, Ipv6AddressCount: new(int32(1))})
		return w.nicRow(&api.UnassignIpv6AddressesRequest{NetworkInterfaceId: &n, Ipv6Addresses: given.AssignedIpv6Addresses}, n)
	},
}

// nic makes a network interface of Alice's.
func (w *world) nic() string {
	w.Helper()
	return *made[*api.CreateNetworkInterfaceResult](w, Alice, &api.CreateNetworkInterfaceRequest{
		SubnetId: &w.net.Subnets[0].ID, TagSpecifications: tagSpec("network-interface"),
	}).NetworkInterface.NetworkInterfaceId
}

// dualStack gives Alice's first subnet a range of IPv6.
func (w *world) dualStack() {
	w.Helper()
	w.Update(func(tx *store.Tx) error {
		return subnets.Modify(tx, w.net.Subnets[0].ID, func(s *cloud.Subnet) error {
			s.Prefix6 = netip.MustParsePrefix("fd00:1::/64")
			return nil
		})
	})
}

// nicRow is the row of an operation on a network interface.
func (w *world) nicRow(in any, id string) row {
	return row{
		in: in, other: "InvalidNetworkInterfaceID.NotFound",
		needs: []need{on(w.arn(id), blue, "blue", "ec2:NetworkInterfaceID", id, "ec2:Subnet", w.arn(w.net.Subnets[0].ID), "ec2:Vpc", w.arn(w.net.VPC.ID))},
	}
}
