package ec2

import (
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// entry is a request for an entry of a network ACL that lets TCP from 10.0.0.0/8 pass.
func entry(acl string, number int32, egress bool) *ec2.CreateNetworkAclEntryRequest {
	return &ec2.CreateNetworkAclEntryRequest{
		NetworkAclId: &acl, RuleNumber: &number, Egress: &egress, RuleAction: new("allow"), Protocol: new("6"),
		CidrBlock: new("10.0.0.0/8"), PortRange: &ec2.PortRange{From: new(int32(80)), To: new(int32(90))},
	}
}

// newList is a request for a prefix list with room for five ranges of IPv4.
func newList(name string, ranges ...string) *ec2.CreateManagedPrefixListRequest {
	in := &ec2.CreateManagedPrefixListRequest{PrefixListName: &name, AddressFamily: new("IPv4"), MaxEntries: new(int32(5))}
	for _, r := range ranges {
		in.Entries = append(in.Entries, ec2.AddPrefixListEntry{Cidr: &r, Description: new("entry")})
	}
	return in
}

// newFlowLog is a request for a flow log of a VPC to the bucket "flows".
func newFlowLog(vpc string) *ec2.CreateFlowLogsRequest {
	return &ec2.CreateFlowLogsRequest{
		ResourceType: new("VPC"), ResourceIds: []string{vpc}, TrafficType: new("ALL"), LogDestinationType: new("s3"), LogDestination: new("arn:aws:s3:::flows/logs/"),
	}
}

func (r *rig) addBucket(account, name string) {
	r.Helper()
	b := cloud.Bucket{Meta: cloud.Meta{ID: r.NewID("bucket"), Account: account}, Name: name}
	r.update(func(tx *store.Tx) error {
		if err := bucketTable.Create(tx, b); err != nil {
			return err
		}
		return tx.Claim(cloud.BucketNames, name, b.ID)
	})
}

// addRangedVPC makes a VPC of alice's with a range and nothing in it.
func (r *rig) addRangedVPC(cidr string) cloud.VPC { return r.addRangedVPCOf(alice, cidr) }

func (r *rig) addRangedVPCOf(account, cidr string) cloud.VPC {
	r.Helper()
	v := cloud.VPC{Meta: cloud.Meta{ID: r.NewID("vpc"), Account: account}, Tenancy: "default", CIDRs: []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix(cidr)}}}
	r.update(func(tx *store.Tx) error { return vpcTable.Create(tx, v) })
	return v
}

// peer asks for a peering connection of alice's default VPC with another of hers.
func (r *rig) peer(vpc string) string {
	r.Helper()
	out := must(r.CreateVpcPeeringConnection(r.ctx, &ec2.CreateVpcPeeringConnectionRequest{VpcId: &r.net.VPC.ID, PeerVpcId: &vpc}))(r.TB)
	return *out.VpcPeeringConnection.VpcPeeringConnectionId
}

// filterBy ties a subnet to a network ACL instead of any other, and returns the
// association's ID.
func (r *rig) filterBy(acl, subnet string) string {
	r.Helper()
	id := r.NewID("aclassoc")
	r.update(func(tx *store.Tx) error {
		for a := range aclTable.Select(tx, cloud.AccountLabel(alice)) {
			a.Associations = slices.DeleteFunc(slices.Clone(a.Associations), func(as cloud.ACLAssociation) bool { return as.Subnet == subnet })
			if a.ID == acl {
				a.Associations = append(a.Associations, cloud.ACLAssociation{ID: id, Subnet: subnet})
			}
			if err := aclTable.Put(tx, a); err != nil {
				return err
			}
		}
		return nil
	})
	return id
}
