package iam

import (
	"net/url"
	"slices"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

func TestGetAccountAuthorizationDetails(t *testing.T) {
	r := newRig(t)
	must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: new("carol"), Tags: tags("team", "web"), PermissionsBoundary: new(admin)}))(t)
	r.grant("carol", allowing("ec2:*"))
	must(r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("admins")}))(t)
	must(r.AddUserToGroup(r.ctx, &api.AddUserToGroupRequest{GroupName: new("admins"), UserName: new("carol")}))(t)
	own := must(r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(allowing("s3:*"))}))(t).Policy
	must(r.CreatePolicyVersion(r.ctx, &api.CreatePolicyVersionRequest{PolicyArn: own.Arn, PolicyDocument: new(allowing("s3:Get*"))}))(t)
	must(r.AttachGroupPolicy(r.ctx, &api.AttachGroupPolicyRequest{GroupName: new("admins"), PolicyArn: own.Arn}))(t)
	role := must(r.CreateServiceLinkedRole(r.ctx, &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("es.amazonaws.com")}))(t).Role
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("erin")}))(t)

	out := must(r.GetAccountAuthorizationDetails(r.ctx, &api.GetAccountAuthorizationDetailsRequest{}))(t)
	if len(out.UserDetailList) != 1 || len(out.GroupDetailList) != 1 || len(out.RoleDetailList) != 1 || len(out.Policies) != 2 || *out.IsTruncated {
		t.Fatalf("got %+v", out)
	}
	u, g := out.UserDetailList[0], out.GroupDetailList[0]
	if document, _ := url.QueryUnescape(*u.UserPolicyList[0].PolicyDocument); document != allowing("ec2:*") || *u.PermissionsBoundary.PermissionsBoundaryArn != admin || !slices.Equal(u.GroupList, []string{"admins"}) || *u.Tags[0].Value != "web" {
		t.Errorf("user is %+v", u)
	}
	if len(g.AttachedManagedPolicies) != 1 || *g.AttachedManagedPolicies[0].PolicyName != "p" {
		t.Errorf("group is %+v", g)
	}
	if *out.RoleDetailList[0].Arn != *role.Arn {
		t.Errorf("role is %+v", out.RoleDetailList[0])
	}
	p, brought := out.Policies[0], out.Policies[1]
	document, _ := url.QueryUnescape(*p.PolicyVersionList[1].Document)
	if *p.AttachmentCount != 1 || len(p.PolicyVersionList) != 2 || !*p.PolicyVersionList[0].IsDefaultVersion || document != allowing("s3:Get*") {
		t.Errorf("policy is %+v", p)
	}
	if *brought.Arn != admin || *brought.PermissionsBoundaryUsageCount != 1 || len(brought.PolicyVersionList) == 0 {
		t.Errorf("policy is %+v", brought)
	}

	for filter, n := range map[string][4]int{
		"User": {1, 0, 0, 0}, "Group": {0, 1, 0, 0}, "Role": {0, 0, 1, 0}, "LocalManagedPolicy": {0, 0, 0, 1}, "AWSManagedPolicy": {0, 0, 0, 1},
	} {
		out := must(r.GetAccountAuthorizationDetails(r.ctx, &api.GetAccountAuthorizationDetailsRequest{Filter: []string{filter}}))(t)
		if got := [4]int{len(out.UserDetailList), len(out.GroupDetailList), len(out.RoleDetailList), len(out.Policies)}; got != n {
			t.Errorf("%s: %v", filter, got)
		}
	}
	want(t, "a filter", second(r.GetAccountAuthorizationDetails(r.ctx, &api.GetAccountAuthorizationDetailsRequest{Filter: []string{"Users"}})), "ValidationError")

	in, pages, seen := &api.GetAccountAuthorizationDetailsRequest{MaxItems: new(int32(2))}, 0, 0
	for {
		out := must(r.GetAccountAuthorizationDetails(r.ctx, in))(t)
		pages++
		seen += len(out.UserDetailList) + len(out.GroupDetailList) + len(out.RoleDetailList) + len(out.Policies)
		if !*out.IsTruncated {
			break
		}
		in.Marker = out.Marker
	}
	if pages != 3 || seen != 5 {
		t.Errorf("%d pages with %d", pages, seen)
	}
	in.Filter = []string{"User"}
	want(t, "the marker of another list", second(r.GetAccountAuthorizationDetails(r.ctx, in)), "ValidationError")
}
