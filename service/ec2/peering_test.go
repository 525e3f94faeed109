package ec2

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// peerWith asks, as alice, for a connection of her default VPC with one of bob's.
func (r *rig) peerWith(vpc string) string {
	r.Helper()
	out := must(r.CreateVpcPeeringConnection(r.ctx, &ec2.CreateVpcPeeringConnectionRequest{VpcId: &r.net.VPC.ID, PeerVpcId: &vpc, PeerOwnerId: new(bob)}))(r.TB)
	return *out.VpcPeeringConnection.VpcPeeringConnectionId
}

// peeringState is the state that a caller sees, "" for none.
func (r *rig) peeringState(ctx context.Context, id string) string {
	out, err := r.DescribeVpcPeeringConnections(ctx, &ec2.DescribeVpcPeeringConnectionsRequest{VpcPeeringConnectionIds: []string{id}})
	if err != nil {
		return ""
	}
	return *out.VpcPeeringConnections[0].Status.Code
}

func (r *rig) accept(ctx context.Context, id string) error {
	_, err := r.AcceptVpcPeeringConnection(ctx, &ec2.AcceptVpcPeeringConnectionRequest{VpcPeeringConnectionId: &id})
	return err
}

func (r *rig) unpeer(ctx context.Context, id string) error {
	_, err := r.DeleteVpcPeeringConnection(ctx, &ec2.DeleteVpcPeeringConnectionRequest{VpcPeeringConnectionId: &id})
	return err
}

func TestCreatePeering(t *testing.T) {
	r := newRig(t)
	mine, theirs, overlapping := r.addRangedVPC("10.1.0.0/16").ID, r.addRangedVPCOf(bob, "10.2.0.0/16").ID, r.addRangedVPCOf(bob, "172.31.128.0/17").ID
	for _, c := range []struct {
		what, vpc, peer, owner, code, state string
	}{
		{"no VPC", "", mine, "", "MissingParameter", ""},
		{"no peer", r.net.VPC.ID, "", "", "MissingParameter", ""},
		{"unknown VPC", "vpc-01234567", mine, "", "InvalidVpcID.NotFound", ""},
		{"bob's VPC", r.bobs.VPC.ID, mine, "", "InvalidVpcID.NotFound", ""},
		{"itself", mine, mine, "", "InvalidParameterValue", ""},
		{"malformed", mine, "x", "", "InvalidVpcID.Malformed", ""},
		{"unknown peer", mine, "vpc-01234567", "", "", "failed"},
		{"bob's without his number", mine, theirs, "", "", "failed"},
		{"overlap within the account", r.net.VPC.ID, r.addVPC().VPC.ID, "", "", "failed"},
		{"overlap with bob", r.net.VPC.ID, overlapping, bob, "", "failed"},
		{"within the account", r.net.VPC.ID, mine, alice, "", "pending-acceptance"},
		{"again", r.net.VPC.ID, mine, "", "VpcPeeringConnectionAlreadyExists", ""},
		{"with bob", r.net.VPC.ID, theirs, bob, "", "pending-acceptance"},
	} {
		out, err := r.CreateVpcPeeringConnection(r.ctx, &ec2.CreateVpcPeeringConnectionRequest{VpcId: &c.vpc, PeerVpcId: &c.peer, PeerOwnerId: &c.owner})
		want(t, c.what, err, c.code)
		if err != nil {
			continue
		}
		id := *out.VpcPeeringConnection.VpcPeeringConnectionId
		if got := r.peeringState(r.ctx, id); got != c.state || *out.VpcPeeringConnection.Status.Code != "initiating-request" {
			t.Errorf("%s: it is %q, want %s", c.what, got, c.state)
		}
		if c.state == "failed" && r.peeringState(r.bob, id) != "" {
			t.Errorf("%s: bob sees it", c.what)
		}
	}
}

func TestPeeringLife(t *testing.T) {
	r := newRig(t)
	id := r.peerWith(r.addRangedVPCOf(bob, "10.2.0.0/16").ID)
	want(t, "accept by the requester", r.accept(r.ctx, id), "OperationNotPermitted")
	want(t, "delete by the accepter", r.unpeer(r.bob, id), "OperationNotPermitted")
	carol := cloud.WithCaller(t.Context(), cloud.Caller{Account: "000000000003"})
	want(t, "accept by a stranger", r.accept(carol, id), "InvalidVpcPeeringConnectionID.NotFound")
	options := func(ctx context.Context, in ec2.ModifyVpcPeeringConnectionOptionsRequest) error {
		in.VpcPeeringConnectionId = &id
		_, err := r.ModifyVpcPeeringConnectionOptions(ctx, &in)
		return err
	}
	resolve := &ec2.PeeringConnectionOptionsRequest{AllowDnsResolutionFromRemoteVpc: new(true)}
	want(t, "options before", options(r.ctx, ec2.ModifyVpcPeeringConnectionOptionsRequest{RequesterPeeringConnectionOptions: resolve}), "OperationNotPermitted")
	before := must(r.DescribeVpcPeeringConnections(r.ctx, &ec2.DescribeVpcPeeringConnectionsRequest{}))(t).VpcPeeringConnections[0]
	if before.AccepterVpcInfo.CidrBlock != nil || *before.RequesterVpcInfo.CidrBlock != "172.31.0.0/16" || !before.ExpirationTime.Equal(r.Now().Add(7*24*time.Hour)) {
		t.Errorf("pending: %+v", before)
	}
	want(t, "accept", r.accept(r.bob, id), "")
	want(t, "accept again", r.accept(r.bob, id), "")
	want(t, "options", options(r.ctx, ec2.ModifyVpcPeeringConnectionOptionsRequest{RequesterPeeringConnectionOptions: resolve}), "")
	want(t, "bob's options", options(r.ctx, ec2.ModifyVpcPeeringConnectionOptionsRequest{AccepterPeeringConnectionOptions: resolve}), "OperationNotPermitted")
	want(t, "tag by bob", r.tagAs(r.bob, id, "side", "bob"), "")
	want(t, "tag by alice", r.tagAs(r.ctx, id, "side", "alice"), "")
	for ctx, side := range map[context.Context]string{r.ctx: "alice", r.bob: "bob"} {
		p := must(r.DescribeVpcPeeringConnections(ctx, &ec2.DescribeVpcPeeringConnectionsRequest{Filters: filters("tag:side", side)}))(t).VpcPeeringConnections
		if len(p) != 1 || *p[0].Status.Code != "active" || *p[0].AccepterVpcInfo.CidrBlock != "10.2.0.0/16" || !*p[0].RequesterVpcInfo.PeeringOptions.AllowDnsResolutionFromRemoteVpc || p[0].ExpirationTime != nil {
			t.Errorf("%s sees %+v", side, p)
		}
	}
	want(t, "reject what is active", r.reject(r.bob, id), "InvalidStateTransition")
	want(t, "delete", r.unpeer(r.bob, id), "")
	want(t, "delete again", r.unpeer(r.bob, id), "InvalidStateTransition")
	r.clock.Add(3 * 3600)
	if a, b := r.peeringState(r.ctx, id), r.peeringState(r.bob, id); a != "deleted" || b != "" {
		t.Errorf("three hours after, alice sees %q and bob, who deleted it, %q", a, b)
	}
	r.clock.Add(46 * 3600)
	if a := r.peeringState(r.ctx, id); a != "" {
		t.Errorf("two days after, alice sees %q", a)
	}
}

func (r *rig) tagAs(ctx context.Context, id, key, value string) error {
	_, err := r.CreateTags(ctx, &ec2.CreateTagsRequest{Resources: []string{id}, Tags: tags(key, value)})
	return err
}

func (r *rig) reject(ctx context.Context, id string) error {
	_, err := r.RejectVpcPeeringConnection(ctx, &ec2.RejectVpcPeeringConnectionRequest{VpcPeeringConnectionId: &id})
	return err
}

func TestRejectPeering(t *testing.T) {
	r := newRig(t)
	id := r.peerWith(r.addRangedVPCOf(bob, "10.2.0.0/16").ID)
	want(t, "by the requester", r.reject(r.ctx, id), "OperationNotPermitted")
	want(t, "reject", r.reject(r.bob, id), "")
	want(t, "accept after", r.accept(r.bob, id), "InvalidStateTransition")
	if got := r.peeringState(r.ctx, id); got != "rejected" {
		t.Errorf("alice sees %q", got)
	}
}

func TestPeeringFilters(t *testing.T) {
	r := newRig(t)
	vpc := r.addRangedVPCOf(bob, "10.2.0.0/16").ID
	id := r.peerWith(vpc)
	want(t, "accept", r.accept(r.bob, id), "")
	filterTable{
		names: names(peeringFields(r.DB.View())), id: id,
		cases: map[string]string{
			"accepter-vpc-info.cidr-block": "10.2.0.0/16", "accepter-vpc-info.owner-id": bob, "accepter-vpc-info.vpc-id": vpc,
			"requester-vpc-info.cidr-block": "172.31.0.0/16", "requester-vpc-info.owner-id": alice, "requester-vpc-info.vpc-id": r.net.VPC.ID,
			"expiration-time": absent, "status-code": "active", "status-message": "Active", "vpc-peering-connection-id": id,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeVpcPeeringConnections(r.ctx, &ec2.DescribeVpcPeeringConnectionsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.VpcPeeringConnections, func(p ec2.VpcPeeringConnection) string { return *p.VpcPeeringConnectionId }), nil
		},
	}.checkTags(t, r)
}

// Rules name groups of peered VPCs, and become stale when these or the peering go.
func TestRulesAcrossPeering(t *testing.T) {
	r := newRig(t)
	vpc := r.addRangedVPCOf(bob, "10.2.0.0/16").ID
	theirs := cloud.SecurityGroup{Meta: cloud.Meta{ID: "sg-0123456789abcdef0", Account: bob}, VPC: vpc, Name: "theirs"}
	r.update(func(tx *store.Tx) error { return groupTable.Create(tx, theirs) })
	web := r.newSecurityGroup("web")
	name := func(owner, pcx string) ec2.IpPermission {
		return ec2.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: &theirs.ID, UserId: opt(owner), VpcPeeringConnectionId: opt(pcx)}}}
	}
	want(t, "without peering", r.ingress(web, name(bob, "")), "InvalidGroup.NotFound")
	id := r.peerWith(vpc)
	want(t, "pending", r.ingress(web, name(bob, "")), "InvalidGroup.NotFound")
	want(t, "accept", r.accept(r.bob, id), "")
	want(t, "without owner", r.ingress(web, name("", id)), "InvalidGroup.NotFound")
	want(t, "another peering", r.ingress(web, name(bob, "pcx-01234567")), "InvalidVpcPeeringConnectionID.NotFound")
	want(t, "with its peering", r.ingress(web, name(bob, id)), "")
	pair := r.securityGroup(web).IpPermissions[0].UserIdGroupPairs[0]
	if *pair.VpcPeeringConnectionId != id || *pair.VpcId != vpc || *pair.UserId != bob || *pair.PeeringStatus != "active" {
		t.Errorf("the permission names %+v", pair)
	}
	references := must(r.DescribeSecurityGroupReferences(r.bob, &ec2.DescribeSecurityGroupReferencesRequest{GroupId: []string{theirs.ID}}))(t).SecurityGroupReferenceSet
	if len(references) != 1 || *references[0].ReferencingVpcId != r.net.VPC.ID || *references[0].VpcPeeringConnectionId != id {
		t.Errorf("references are %+v", references)
	}
	stale := func() []ec2.StaleSecurityGroup {
		return must(r.DescribeStaleSecurityGroups(r.ctx, &ec2.DescribeStaleSecurityGroupsRequest{VpcId: &r.net.VPC.ID}))(t).StaleSecurityGroupSet
	}
	if got := stale(); len(got) != 0 {
		t.Errorf("stale while all is there: %+v", got)
	}
	_, err := r.DeleteSecurityGroup(r.bob, &ec2.DeleteSecurityGroupRequest{GroupId: &theirs.ID})
	want(t, "delete the group", err, "")
	if got := stale(); len(got) != 1 || *got[0].GroupId != web || *got[0].StaleIpPermissions[0].UserIdGroupPairs[0].GroupId != theirs.ID {
		t.Errorf("stale: %+v", got)
	}
	want(t, "delete the peering", r.unpeer(r.ctx, id), "")
	_, err = r.RevokeSecurityGroupIngress(r.ctx, &ec2.RevokeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{name(bob, id)}})
	want(t, "revoke what is stale", err, "")
	if got := stale(); len(got) != 0 {
		t.Errorf("stale after all: %+v", got)
	}
}

func TestPeeringLimits(t *testing.T) {
	r := newRig(t)
	for n := range maxPeerRequests {
		r.peerWith(r.addRangedVPCOf(bob, fmt.Sprintf("10.%d.0.0/16", n)).ID)
	}
	_, err := r.CreateVpcPeeringConnection(r.ctx, &ec2.CreateVpcPeeringConnectionRequest{VpcId: &r.net.VPC.ID, PeerVpcId: new(r.addRangedVPCOf(bob, "10.200.0.0/16").ID), PeerOwnerId: new(bob)})
	want(t, "one too many", err, "OutstandingVpcPeeringConnectionLimitExceeded")
}
