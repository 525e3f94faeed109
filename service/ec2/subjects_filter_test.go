package ec2

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// filterFurniture is one of each kind that filters packets or carries them on.
type filterFurniture struct {
	acl, association, list, pending, active, log string
	extra                                        cloud.NetworkInterface // in a subnet with IPv6
	attached                                     cloud.NetworkInterface
}

func (a *authRig) addFilters() (f filterFurniture) {
	a.Helper()
	t := a.TB
	subnet := a.net.Subnets[0]
	subnet.Prefix6 = netip.MustParsePrefix("fd00:1::/64")
	a.update(func(tx *store.Tx) error { return subnetTable.Put(tx, subnet) })
	f.acl = *must(a.CreateNetworkAcl(a.ctx, &ec2.CreateNetworkAclRequest{VpcId: &a.net.VPC.ID}))(t).NetworkAcl.NetworkAclId
	must(a.CreateNetworkAclEntry(a.ctx, entry(f.acl, 100, false)))(t)
	f.association = a.filterBy(f.acl, subnet.ID)
	f.list = *must(a.CreateManagedPrefixList(a.ctx, newList("list", "10.0.0.0/8")))(t).PrefixList.PrefixListId
	f.pending, f.active = a.peer(a.addRangedVPC("10.1.0.0/16").ID), a.peer(a.addRangedVPC("10.2.0.0/16").ID)
	must(a.AcceptVpcPeeringConnection(a.ctx, &ec2.AcceptVpcPeeringConnectionRequest{VpcPeeringConnectionId: &f.active}))(t)
	a.addBucket(alice, "flows")
	f.log = must(a.CreateFlowLogs(a.ctx, newFlowLog(a.net.VPC.ID)))(t).FlowLogIds[0]
	f.extra = a.addInterface("", port{subnet: subnet, addresses: []netip.Addr{{}, {}}, addresses6: make([]netip.Addr, 1)})
	f.attached = a.addInterface("", port{subnet: subnet})
	must(a.AttachNetworkInterface(a.ctx, &ec2.AttachNetworkInterfaceRequest{NetworkInterfaceId: &f.attached.ID, InstanceId: &a.instance, DeviceIndex: new(int32(1))}))(t)
	f.attached, _ = interfaceTable.Get(a.DB.View(), f.attached.ID)
	return f
}

// filterCalls are more of calls: interfaces, network ACLs, prefix lists, peering and flow logs.
func filterCalls() map[string]call {
	type S = Service
	return map[string]call{
		"DescribeFlowLogs":                list((*S).DescribeFlowLogs),
		"DescribeManagedPrefixLists":      list((*S).DescribeManagedPrefixLists),
		"DescribeNetworkAcls":             list((*S).DescribeNetworkAcls),
		"DescribePrefixLists":             list((*S).DescribePrefixLists),
		"DescribeVpcPeeringConnections":   list((*S).DescribeVpcPeeringConnections),
		"DescribeStaleSecurityGroups":     list((*S).DescribeStaleSecurityGroups),
		"DescribeSecurityGroupReferences": list((*S).DescribeSecurityGroupReferences),
		"GetSecurityGroupsForVpc": op((*S).GetSecurityGroupsForVpc, func(a *authRig) ec2.GetSecurityGroupsForVpcRequest {
			return ec2.GetSecurityGroupsForVpcRequest{VpcId: &a.net.VPC.ID}
		}, "vpc"),
		"ModifySecurityGroupRules": op((*S).ModifySecurityGroupRules, func(a *authRig) ec2.ModifySecurityGroupRulesRequest {
			return ec2.ModifySecurityGroupRulesRequest{GroupId: &a.group, SecurityGroupRules: []ec2.SecurityGroupRuleUpdate{{
				SecurityGroupRuleId: &a.rule, SecurityGroupRule: &ec2.SecurityGroupRuleRequest{IpProtocol: new("-1"), PrefixListId: &a.filters.list},
			}}}
		}, "security-group security-group-rule prefix-list"),

		"CreateNetworkInterface": op((*S).CreateNetworkInterface, func(a *authRig) ec2.CreateNetworkInterfaceRequest {
			return ec2.CreateNetworkInterfaceRequest{SubnetId: &a.net.Subnets[0].ID, Groups: []string{a.group}, TagSpecifications: tagSpec("network-interface", "k", "v")}
		}, "network-interface*+aws:RequestTag/k+aws:TagKeys subnet security-group\nec2:CreateTags network-interface*+aws:RequestTag/k+aws:TagKeys"),
		"DeleteNetworkInterface": op((*S).DeleteNetworkInterface, func(a *authRig) ec2.DeleteNetworkInterfaceRequest {
			return ec2.DeleteNetworkInterfaceRequest{NetworkInterfaceId: &a.filters.extra.ID}
		}, "network-interface"),
		"AttachNetworkInterface": op((*S).AttachNetworkInterface, func(a *authRig) ec2.AttachNetworkInterfaceRequest {
			return ec2.AttachNetworkInterfaceRequest{NetworkInterfaceId: &a.filters.extra.ID, InstanceId: &a.instance}
		}, "instance network-interface"),
		"DetachNetworkInterface": op((*S).DetachNetworkInterface, func(a *authRig) ec2.DetachNetworkInterfaceRequest {
			return ec2.DetachNetworkInterfaceRequest{AttachmentId: &a.filters.attached.Attachment.ID}
		}, "instance network-interface"),
		"ModifyNetworkInterfaceAttribute": op((*S).ModifyNetworkInterfaceAttribute, func(a *authRig) ec2.ModifyNetworkInterfaceAttributeRequest {
			return ec2.ModifyNetworkInterfaceAttributeRequest{NetworkInterfaceId: &a.filters.extra.ID, SourceDestCheck: &ec2.AttributeBooleanValue{Value: new(false)}}
		}, "network-interface+Attribute+Attribute/SourceDestCheck"),
		"ModifyNetworkInterfaceAttribute of groups": op((*S).ModifyNetworkInterfaceAttribute, func(a *authRig) ec2.ModifyNetworkInterfaceAttributeRequest {
			return ec2.ModifyNetworkInterfaceAttributeRequest{NetworkInterfaceId: &a.filters.extra.ID, Groups: []string{a.group}}
		}, "network-interface+Attribute security-group"),
		"DescribeNetworkInterfaceAttribute": op((*S).DescribeNetworkInterfaceAttribute, func(a *authRig) ec2.DescribeNetworkInterfaceAttributeRequest {
			return ec2.DescribeNetworkInterfaceAttributeRequest{NetworkInterfaceId: &a.filters.extra.ID}
		}, "network-interface"),
		"ResetNetworkInterfaceAttribute": op((*S).ResetNetworkInterfaceAttribute, func(a *authRig) ec2.ResetNetworkInterfaceAttributeRequest {
			return ec2.ResetNetworkInterfaceAttributeRequest{NetworkInterfaceId: &a.filters.extra.ID}
		}, "network-interface"),
		"AssignPrivateIpAddresses": op((*S).AssignPrivateIpAddresses, func(a *authRig) ec2.AssignPrivateIpAddressesRequest {
			return ec2.AssignPrivateIpAddressesRequest{NetworkInterfaceId: &a.filters.extra.ID, SecondaryPrivateIpAddressCount: new(int32(1))}
		}, "network-interface"),
		"UnassignPrivateIpAddresses": op((*S).UnassignPrivateIpAddresses, func(a *authRig) ec2.UnassignPrivateIpAddressesRequest {
			return ec2.UnassignPrivateIpAddressesRequest{NetworkInterfaceId: &a.filters.extra.ID, PrivateIpAddresses: []string{a.filters.extra.Addresses[1].Private.String()}}
		}, "network-interface"),
		"AssignIpv6Addresses": op((*S).AssignIpv6Addresses, func(a *authRig) ec2.AssignIpv6AddressesRequest {
			return ec2.AssignIpv6AddressesRequest{NetworkInterfaceId: &a.filters.extra.ID, Ipv6AddressCount: new(int32(1))}
		}, "network-interface"),
		"UnassignIpv6Addresses": op((*S).UnassignIpv6Addresses, func(a *authRig) ec2.UnassignIpv6AddressesRequest {
			return ec2.UnassignIpv6AddressesRequest{NetworkInterfaceId: &a.filters.extra.ID, Ipv6Addresses: []string{a.filters.extra.Addresses6[0].String()}}
		}, "network-interface"),

		"CreateNetworkAcl": op((*S).CreateNetworkAcl, func(a *authRig) ec2.CreateNetworkAclRequest {
			return ec2.CreateNetworkAclRequest{VpcId: &a.net.VPC.ID, TagSpecifications: tagSpec("network-acl", "k", "v")}
		}, "network-acl*+aws:RequestTag/k+aws:TagKeys vpc\nec2:CreateTags network-acl*+aws:RequestTag/k+aws:TagKeys"),
		"DeleteNetworkAcl": op((*S).DeleteNetworkAcl, func(a *authRig) ec2.DeleteNetworkAclRequest {
			return ec2.DeleteNetworkAclRequest{NetworkAclId: &a.filters.acl}
		}, "network-acl"),
		"CreateNetworkAclEntry": op((*S).CreateNetworkAclEntry, func(a *authRig) ec2.CreateNetworkAclEntryRequest { return *entry(a.filters.acl, 200, true) }, "network-acl"),
		"ReplaceNetworkAclEntry": op((*S).ReplaceNetworkAclEntry, func(a *authRig) ec2.ReplaceNetworkAclEntryRequest {
			return ec2.ReplaceNetworkAclEntryRequest(*entry(a.filters.acl, 100, false))
		}, "network-acl"),
		"DeleteNetworkAclEntry": op((*S).DeleteNetworkAclEntry, func(a *authRig) ec2.DeleteNetworkAclEntryRequest {
			return ec2.DeleteNetworkAclEntryRequest{NetworkAclId: &a.filters.acl}
		}, "network-acl"),
		"ReplaceNetworkAclAssociation": op((*S).ReplaceNetworkAclAssociation, func(a *authRig) ec2.ReplaceNetworkAclAssociationRequest {
			return ec2.ReplaceNetworkAclAssociationRequest{NetworkAclId: &a.filters.acl, AssociationId: &a.filters.association}
		}, "network-acl subnet"),

		"CreateManagedPrefixList": op((*S).CreateManagedPrefixList, func(*authRig) ec2.CreateManagedPrefixListRequest {
			in := newList("new", "10.0.0.0/8")
			in.TagSpecifications = tagSpec("prefix-list", "k", "v")
			return *in
		}, "prefix-list*+aws:RequestTag/k+aws:TagKeys\nec2:CreateTags prefix-list*+aws:RequestTag/k+aws:TagKeys"),
		"ModifyManagedPrefixList": op((*S).ModifyManagedPrefixList, func(a *authRig) ec2.ModifyManagedPrefixListRequest {
			return ec2.ModifyManagedPrefixListRequest{PrefixListId: &a.filters.list}
		}, "prefix-list"),
		"DeleteManagedPrefixList": op((*S).DeleteManagedPrefixList, func(a *authRig) ec2.DeleteManagedPrefixListRequest {
			return ec2.DeleteManagedPrefixListRequest{PrefixListId: &a.filters.list}
		}, "prefix-list"),
		"GetManagedPrefixListEntries": op((*S).GetManagedPrefixListEntries, func(a *authRig) ec2.GetManagedPrefixListEntriesRequest {
			return ec2.GetManagedPrefixListEntriesRequest{PrefixListId: &a.filters.list}
		}, "prefix-list"),
		"GetManagedPrefixListAssociations": op((*S).GetManagedPrefixListAssociations, func(a *authRig) ec2.GetManagedPrefixListAssociationsRequest {
			return ec2.GetManagedPrefixListAssociationsRequest{PrefixListId: &a.filters.list}
		}, "prefix-list"),
		"RestoreManagedPrefixListVersion": op((*S).RestoreManagedPrefixListVersion, func(a *authRig) ec2.RestoreManagedPrefixListVersionRequest {
			return ec2.RestoreManagedPrefixListVersionRequest{PrefixListId: &a.filters.list}
		}, "prefix-list"),

		"CreateVpcPeeringConnection": op((*S).CreateVpcPeeringConnection, func(a *authRig) ec2.CreateVpcPeeringConnectionRequest {
			return ec2.CreateVpcPeeringConnectionRequest{VpcId: &a.net.VPC.ID, PeerVpcId: &a.bobs.VPC.ID, PeerOwnerId: new(bob), TagSpecifications: tagSpec("vpc-peering-connection", "k", "v")}
		}, "vpc vpc-peering-connection*+aws:RequestTag/k+aws:TagKeys\nec2:CreateTags vpc-peering-connection*+aws:RequestTag/k+aws:TagKeys"),
		"AcceptVpcPeeringConnection": op((*S).AcceptVpcPeeringConnection, func(a *authRig) ec2.AcceptVpcPeeringConnectionRequest {
			return ec2.AcceptVpcPeeringConnectionRequest{VpcPeeringConnectionId: &a.filters.pending}
		}, "vpc-peering-connection vpc"),
		"RejectVpcPeeringConnection": op((*S).RejectVpcPeeringConnection, func(a *authRig) ec2.RejectVpcPeeringConnectionRequest {
			return ec2.RejectVpcPeeringConnectionRequest{VpcPeeringConnectionId: &a.filters.pending}
		}, "vpc-peering-connection"),
		"DeleteVpcPeeringConnection": op((*S).DeleteVpcPeeringConnection, func(a *authRig) ec2.DeleteVpcPeeringConnectionRequest {
			return ec2.DeleteVpcPeeringConnectionRequest{VpcPeeringConnectionId: &a.filters.active}
		}, "vpc-peering-connection"),
		"ModifyVpcPeeringConnectionOptions": op((*S).ModifyVpcPeeringConnectionOptions, func(a *authRig) ec2.ModifyVpcPeeringConnectionOptionsRequest {
			return ec2.ModifyVpcPeeringConnectionOptionsRequest{VpcPeeringConnectionId: &a.filters.active}
		}, "vpc-peering-connection"),

		"CreateFlowLogs": op((*S).CreateFlowLogs, func(a *authRig) ec2.CreateFlowLogsRequest {
			in := newFlowLog(a.net.VPC.ID)
			in.TagSpecifications = tagSpec("vpc-flow-log", "k", "v")
			return *in
		}, "vpc-flow-log*+aws:RequestTag/k+aws:TagKeys vpc\nec2:CreateTags vpc-flow-log*+aws:RequestTag/k+aws:TagKeys"),
		"DeleteFlowLogs": op((*S).DeleteFlowLogs, func(a *authRig) ec2.DeleteFlowLogsRequest {
			return ec2.DeleteFlowLogsRequest{FlowLogIds: []string{a.filters.log}}
		}, "vpc-flow-log"),
	}
}
