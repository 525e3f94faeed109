package matrix

import (
	"errors"
	"net/netip"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

var buckets store.Table[cloud.Bucket]

// ec2Filters are the operations on network ACLs, prefix lists, peering connections and
// flow logs, and the later ones on security groups.
var ec2Filters = table{
	"ec2:DescribeNetworkAcls":           list(&api.DescribeNetworkAclsRequest{}),
	"ec2:DescribeManagedPrefixLists":    list(&api.DescribeManagedPrefixListsRequest{}),
	"ec2:DescribePrefixLists":           list(&api.DescribePrefixListsRequest{}),
	"ec2:DescribeVpcPeeringConnections": list(&api.DescribeVpcPeeringConnectionsRequest{}),
	"ec2:DescribeFlowLogs":              list(&api.DescribeFlowLogsRequest{}),
	"ec2:DescribeStaleSecurityGroups":   alone("InvalidVpcID.NotFound", func(w *world) any { return &api.DescribeStaleSecurityGroupsRequest{VpcId: &w.net.VPC.ID} }),
	"ec2:DescribeSecurityGroupReferences": alone("InvalidGroup.NotFound", func(w *world) any {
		return &api.DescribeSecurityGroupReferencesRequest{GroupId: []string{w.net.Group.ID}}
	}),
	"ec2:GetSecurityGroupsForVpc": func(w *world) row {
		return row{in: &api.GetSecurityGroupsForVpcRequest{VpcId: &w.net.VPC.ID}, needs: []need{on(w.arn(w.net.VPC.ID), blue, "blue")}, other: "InvalidVpcID.NotFound"}
	},
	"ec2:ModifySecurityGroupRules": func(w *world) row {
		g := w.group()
		rule := *made[*api.AuthorizeSecurityGroupIngressResult](w, Alice, &api.AuthorizeSecurityGroupIngressRequest{
			GroupId: &g, IpPermissions: ssh(), TagSpecifications: tagSpec("security-group-rule"),
		}).SecurityGroupRules[0].SecurityGroupRuleId
		r := w.groupRow(&api.ModifySecurityGroupRulesRequest{GroupId: &g, SecurityGroupRules: []api.SecurityGroupRuleUpdate{{
			SecurityGroupRuleId: &rule, SecurityGroupRule: &api.SecurityGroupRuleRequest{IpProtocol: new("-1"), CidrIpv4: new("10.0.0.0/8")},
		}}}, g)
		r.needs = append(r.needs, on(w.arn(rule), blue, "blue"))
		return r
	},

	"ec2:CreateNetworkAcl": func(w *world) row {
		return row{
			in: &api.CreateNetworkAclRequest{VpcId: &w.net.VPC.ID, TagSpecifications: tagSpec("network-acl")},
			needs: []need{
				on(w.named("network-acl/*"), "aws:RequestTag/team", "blue", "ec2:Vpc", w.arn(w.net.VPC.ID)), on(w.arn(w.net.VPC.ID), blue, "blue"),
				also("ec2:CreateTags", w.named("network-acl/*"), "ec2:CreateAction", "CreateNetworkAcl"),
			},
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DeleteNetworkAcl":      func(w *world) row { a := w.acl(); return w.aclRow(&api.DeleteNetworkAclRequest{NetworkAclId: &a}, a) },
	"ec2:CreateNetworkAclEntry": func(w *world) row { a := w.acl(); return w.aclRow(entry(a, 200), a) },
	"ec2:ReplaceNetworkAclEntry": func(w *world) row {
		a := w.acl()
		return w.aclRow(new(api.ReplaceNetworkAclEntryRequest(*entry(a, 100))), a)
	},
	"ec2:DeleteNetworkAclEntry": func(w *world) row {
		a := w.acl()
		return w.aclRow(&api.DeleteNetworkAclEntryRequest{NetworkAclId: &a, RuleNumber: new(int32(100)), Egress: new(false)}, a)
	},
	"ec2:ReplaceNetworkAclAssociation": func(w *world) row {
		a, subnet, old := w.acl(), w.net.Subnets[0].ID, cloud.NewID("aclassoc")
		w.Update(func(tx *store.Tx) error {
			return acls.Create(tx, cloud.NetworkACL{
				Meta: cloud.Meta{ID: cloud.NewID("acl"), Account: Alice}, VPC: w.net.VPC.ID, Associations: []cloud.ACLAssociation{{ID: old, Subnet: subnet}},
			})
		})
		r := w.aclRow(&api.ReplaceNetworkAclAssociationRequest{AssociationId: &old, NetworkAclId: &a}, a)
		r.needs = append(r.needs, on(w.arn(subnet), blue, "blue"))
		r.other = "InvalidAssociationID.NotFound"
		return r
	},

	"ec2:CreateManagedPrefixList": func(w *world) row {
		return row{
			in: newList(),
			needs: []need{
				on(w.named("prefix-list/*"), "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.named("prefix-list/*"), "ec2:CreateAction", "CreateManagedPrefixList"),
			},
		}
	},
	"ec2:ModifyManagedPrefixList": func(w *world) row {
		l := w.list()
		return w.listRow(&api.ModifyManagedPrefixListRequest{PrefixListId: &l, PrefixListName: new("other")}, l)
	},
	"ec2:DeleteManagedPrefixList": func(w *world) row {
		l := w.list()
		return w.listRow(&api.DeleteManagedPrefixListRequest{PrefixListId: &l}, l)
	},
	"ec2:GetManagedPrefixListEntries": func(w *world) row {
		l := w.list()
		return w.listRow(&api.GetManagedPrefixListEntriesRequest{PrefixListId: &l}, l)
	},
	"ec2:GetManagedPrefixListAssociations": func(w *world) row {
		l := w.list()
		return w.listRow(&api.GetManagedPrefixListAssociationsRequest{PrefixListId: &l}, l)
	},
	"ec2:RestoreManagedPrefixListVersion": func(w *world) row {
		l := w.list()
		return w.listRow(&api.RestoreManagedPrefixListVersionRequest{PrefixListId: &l, PreviousVersion: new(int64(1)), CurrentVersion: new(int64(1))}, l)
	},

	"ec2:CreateVpcPeeringConnection": func(w *world) row {
		peer := w.peerVPC()
		return row{
			in: &api.CreateVpcPeeringConnectionRequest{VpcId: &w.net.VPC.ID, PeerVpcId: &peer, TagSpecifications: tagSpec("vpc-peering-connection")},
			needs: []need{
				on(w.arn(w.net.VPC.ID), blue, "blue"),
				on(w.named("vpc-peering-connection/*"), "aws:RequestTag/team", "blue", "ec2:RequesterVpc", w.arn(w.net.VPC.ID), "ec2:AccepterVpc", w.arn(peer)),
				also("ec2:CreateTags", w.named("vpc-peering-connection/*"), "ec2:CreateAction", "CreateVpcPeeringConnection"),
			},
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:AcceptVpcPeeringConnection": func(w *world) row {
		p, peer := w.peering()
		r := w.peeringRow(&api.AcceptVpcPeeringConnectionRequest{VpcPeeringConnectionId: &p}, p, peer)
		r.needs = append(r.needs, on(w.arn(peer), blue, "blue"))
		return r
	},
	"ec2:RejectVpcPeeringConnection": func(w *world) row {
		p, peer := w.peering()
		return w.peeringRow(&api.RejectVpcPeeringConnectionRequest{VpcPeeringConnectionId: &p}, p, peer)
	},
	"ec2:DeleteVpcPeeringConnection": func(w *world) row {
		p, peer := w.peering()
		return w.peeringRow(&api.DeleteVpcPeeringConnectionRequest{VpcPeeringConnectionId: &p}, p, peer)
	},
	"ec2:ModifyVpcPeeringConnectionOptions": func(w *world) row {
		p, peer := w.peering()
		made[*api.AcceptVpcPeeringConnectionResult](w, Alice, &api.AcceptVpcPeeringConnectionRequest{VpcPeeringConnectionId: &p})
		return w.peeringRow(&api.ModifyVpcPeeringConnectionOptionsRequest{
			VpcPeeringConnectionId: &p, AccepterPeeringConnectionOptions: &api.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: new(true)},
		}, p, peer)
	},

	"ec2:CreateFlowLogs": func(w *world) row {
		w.flowBucket()
		return row{
			in: flowLogs(w.net.VPC.ID),
			needs: []need{
				on(w.named("vpc-flow-log/*"), "aws:RequestTag/team", "blue"), on(w.arn(w.net.VPC.ID), blue, "blue"),
				also("ec2:CreateTags", w.named("vpc-flow-log/*"), "ec2:CreateAction", "CreateFlowLogs"),
			},
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:DeleteFlowLogs": func(w *world) row {
		w.flowBucket()
		log := made[*api.CreateFlowLogsResult](w, Alice, flowLogs(w.net.VPC.ID)).FlowLogIds[0]
		return row{in: &api.DeleteFlowLogsRequest{FlowLogIds: []string{log}}, needs: []need{on(w.arn(log), blue, "blue")}, other: "InvalidFlowLogId.NotFound"}
	},
}

// alone is the row of an operation without resource-level permissions that names
// something of Alice's, and ends with the code for others.
func alone(other string, in func(*world) any) func(*world) row {
	return func(w *world) row { return row{in: in(w), other: other} }
}

func entry(acl string, number int32) *api.CreateNetworkAclEntryRequest {
	return &api.CreateNetworkAclEntryRequest{
		NetworkAclId: &acl, RuleNumber: &number, Egress: new(false), RuleAction: new("allow"), Protocol: new("-1"), CidrBlock: new("10.0.0.0/8"),
	}
}

// acl makes a network ACL of Alice's with the entry 100.
func (w *world) acl() string {
	w.Helper()
	id := *made[*api.CreateNetworkAclResult](w, Alice, &api.CreateNetworkAclRequest{VpcId: &w.net.VPC.ID, TagSpecifications: tagSpec("network-acl")}).NetworkAcl.NetworkAclId
	made[*api.CreateNetworkAclEntryOutput](w, Alice, entry(id, 100))
	return id
}

func (w *world) aclRow(in any, id string) row {
	return row{in: in, needs: []need{on(w.arn(id), blue, "blue", "ec2:NetworkAclID", id, "ec2:Vpc", w.arn(w.net.VPC.ID))}, other: "InvalidNetworkAclID.NotFound"}
}

func newList() *api.CreateManagedPrefixListRequest {
	return &api.CreateManagedPrefixListRequest{
		PrefixListName: new("list"), AddressFamily: new("IPv4"), MaxEntries: new(int32(2)), Entries: []api.AddPrefixListEntry{{Cidr: new("10.0.0.0/8")}},
		TagSpecifications: tagSpec("prefix-list"),
	}
}

// list makes a prefix list of Alice's.
func (w *world) list() string {
	w.Helper()
	return *made[*api.CreateManagedPrefixListResult](w, Alice, newList()).PrefixList.PrefixListId
}

func (w *world) listRow(in any, id string) row {
	return row{in: in, needs: []need{on(w.arn(id), blue, "blue", "ec2:PrefixListID", id)}, other: "InvalidPrefixListID.NotFound"}
}

// peerVPC makes a VPC of Alice's with other ranges than the default one has.
func (w *world) peerVPC() string {
	w.Helper()
	v := cloud.VPC{Meta: cloud.Meta{ID: cloud.NewID("vpc"), Account: Alice, Tags: blueTags}, CIDRs: []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("10.1.0.0/16")}}}
	w.Update(func(tx *store.Tx) error { return vpcs.Create(tx, v) })
	return v.ID
}

// peering asks for a connection of Alice's default VPC with another of hers.
func (w *world) peering() (id, peer string) {
	w.Helper()
	peer = w.peerVPC()
	out := made[*api.CreateVpcPeeringConnectionResult](w, Alice, &api.CreateVpcPeeringConnectionRequest{
		VpcId: &w.net.VPC.ID, PeerVpcId: &peer, TagSpecifications: tagSpec("vpc-peering-connection"),
	})
	return *out.VpcPeeringConnection.VpcPeeringConnectionId, peer
}

func (w *world) peeringRow(in any, id, peer string) row {
	return row{
		in: in, other: "InvalidVpcPeeringConnectionID.NotFound",
		needs: []need{on(w.arn(id), blue, "blue", "ec2:AccepterVpc", w.arn(peer), "ec2:RequesterVpc", w.arn(w.net.VPC.ID), "ec2:VpcPeeringConnectionID", id)},
	}
}

// flowBucket makes the bucket "flows" of Alice's.
func (w *world) flowBucket() {
	w.Helper()
	b := cloud.Bucket{Meta: cloud.Meta{ID: cloud.NewID("bucket"), Account: Alice}, Name: "flows"}
	w.Update(func(tx *store.Tx) error {
		return errors.Join(buckets.Create(tx, b), tx.Claim(cloud.BucketNames, b.Name, b.ID))
	})
}

func flowLogs(vpc string) *api.CreateFlowLogsRequest {
	return &api.CreateFlowLogsRequest{
		ResourceType: new("VPC"), ResourceIds: []string{vpc}, TrafficType: new("ALL"), LogDestinationType: new("s3"), LogDestination: new("arn:aws:s3:::flows"),
		TagSpecifications: tagSpec("vpc-flow-log"),
	}
}
