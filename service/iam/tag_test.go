package iam

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

func showTags(tags []api.Tag) string {
	var all []string
	for _, t := range tags {
		all = append(all, *t.Key+"="+*t.Value)
	}
	return strings.Join(all, " ")
}

func TestTags(t *testing.T) {
	r := newRig(t)
	r.addUser("x")
	r.addRole("x")
	must(r.CreateInstanceProfile(r.ctx, &api.CreateInstanceProfileRequest{InstanceProfileName: new("x")}))(t)
	arn := r.addPolicy("x")
	type list func(items *int32, marker *string) ([]api.Tag, *string, error)
	for _, k := range []struct {
		what  string
		fold  bool
		tag   func(tags []api.Tag) error
		untag func(keys []string) error
		list  list
		none  error
	}{
		{
			"user", true,
			func(tags []api.Tag) error {
				return second(r.TagUser(r.ctx, &api.TagUserRequest{UserName: new("x"), Tags: tags}))
			},
			func(keys []string) error {
				return second(r.UntagUser(r.ctx, &api.UntagUserRequest{UserName: new("x"), TagKeys: keys}))
			},
			func(items *int32, marker *string) ([]api.Tag, *string, error) {
				out, err := r.ListUserTags(r.ctx, &api.ListUserTagsRequest{UserName: new("x"), MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.Tags, out.Marker, nil
			},
			second(r.TagUser(r.bob, &api.TagUserRequest{UserName: new("x"), Tags: tags("a", "b")})),
		},
		{
			"role", true,
			func(tags []api.Tag) error {
				return second(r.TagRole(r.ctx, &api.TagRoleRequest{RoleName: new("x"), Tags: tags}))
			},
			func(keys []string) error {
				return second(r.UntagRole(r.ctx, &api.UntagRoleRequest{RoleName: new("x"), TagKeys: keys}))
			},
			func(items *int32, marker *string) ([]api.Tag, *string, error) {
				out, err := r.ListRoleTags(r.ctx, &api.ListRoleTagsRequest{RoleName: new("x"), MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.Tags, out.Marker, nil
			},
			second(r.TagRole(r.bob, &api.TagRoleRequest{RoleName: new("x"), Tags: tags("a", "b")})),
		},
		{
			"instance profile", false,
			func(tags []api.Tag) error {
				return second(r.TagInstanceProfile(r.ctx, &api.TagInstanceProfileRequest{InstanceProfileName: new("x"), Tags: tags}))
			},
			func(keys []string) error {
				return second(r.UntagInstanceProfile(r.ctx, &api.UntagInstanceProfileRequest{InstanceProfileName: new("x"), TagKeys: keys}))
			},
			func(items *int32, marker *string) ([]api.Tag, *string, error) {
				out, err := r.ListInstanceProfileTags(r.ctx, &api.ListInstanceProfileTagsRequest{InstanceProfileName: new("x"), MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.Tags, out.Marker, nil
			},
			second(r.TagInstanceProfile(r.bob, &api.TagInstanceProfileRequest{InstanceProfileName: new("x"), Tags: tags("a", "b")})),
		},
		{
			"policy", false,
			func(tags []api.Tag) error {
				return second(r.TagPolicy(r.ctx, &api.TagPolicyRequest{PolicyArn: &arn, Tags: tags}))
			},
			func(keys []string) error {
				return second(r.UntagPolicy(r.ctx, &api.UntagPolicyRequest{PolicyArn: &arn, TagKeys: keys}))
			},
			func(items *int32, marker *string) ([]api.Tag, *string, error) {
				out, err := r.ListPolicyTags(r.ctx, &api.ListPolicyTagsRequest{PolicyArn: &arn, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.Tags, out.Marker, nil
			},
			second(r.TagPolicy(r.bob, &api.TagPolicyRequest{PolicyArn: &arn, Tags: tags("a", "b")})),
		},
	} {
		want(t, k.what+": bob's", k.none, "NoSuchEntity")
		want(t, k.what, k.tag(tags("Team", "a", "env", "")), "")
		want(t, k.what+": another case", k.tag(tags("team", "b")), "")
		expected := "Team=a env= team=b"
		if k.fold {
			expected = "env= team=b"
		}
		first, marker, err := k.list(new(int32(1)), nil)
		want(t, k.what, err, "")
		rest, _, err := k.list(nil, marker)
		want(t, k.what, err, "")
		if got := showTags(append(first, rest...)); got != expected {
			t.Errorf("%s: tags are %q", k.what, got)
		}
		want(t, k.what+": 51 at once", k.tag(manyTags(51)), "ValidationError")
		want(t, k.what+": 50 more", k.tag(manyTags(50)), "LimitExceeded", "The number of tags has reached the maximum limit.")
		want(t, k.what+": reserved", k.tag(tags("Aws:x", "")), "InvalidInput")
		want(t, k.what+": bad", k.tag(tags("<", "")), "ValidationError")
		want(t, k.what+": untag nonsense", k.untag([]string{"<"}), "ValidationError")
		want(t, k.what+": untag too many", k.untag(make([]string, 51)), "ValidationError")
		want(t, k.what+": untag", k.untag([]string{"TEAM", "env", "none"}), "")
		expected = "Team=a team=b"
		if k.fold {
			expected = ""
		}
		if left, _, _ := k.list(nil, nil); showTags(left) != expected {
			t.Errorf("%s: left are %q", k.what, showTags(left))
		}
	}
}

// What a request says of tags, policies and boundaries, conditions can ask for.
func TestConditionKeys(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.addUser("dave")
	must(r.TagUser(r.ctx, &api.TagUserRequest{UserName: new("dave"), Tags: tags("team", "a")}))(t)
	must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: new("bounded"), PermissionsBoundary: new(password)}))(t)
	carol := r.as("user/carol")
	allow := func(action, condition string) {
		r.put("carol", fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:%s","Resource":"*","Condition":%s}}`, action, condition))
	}
	attach := func(user, arn string) error {
		return second(r.AttachUserPolicy(carol, &api.AttachUserPolicyRequest{UserName: &user, PolicyArn: &arn}))
	}
	allow("AttachUserPolicy", `{"ArnEquals":{"iam:PolicyARN":"`+password+`"}}`)
	want(t, "the policy", attach("dave", password), "")
	want(t, "another policy", attach("dave", admin), "AccessDenied")
	want(t, "another operation", second(r.DetachUserPolicy(carol, &api.DetachUserPolicyRequest{UserName: new("dave"), PolicyArn: new(password)})), "AccessDenied")

	allow("AttachUserPolicy", `{"StringEquals":{"iam:PermissionsBoundary":"`+password+`"}}`)
	want(t, "a bounded user", attach("bounded", admin), "")
	want(t, "an unbounded user", attach("dave", admin), "AccessDenied")

	allow("*", `{"StringEquals":{"aws:ResourceTag/team":"a"}}`)
	want(t, "a user of the team", second(r.GetUser(carol, &api.GetUserRequest{UserName: new("dave")})), "")
	want(t, "another user", second(r.GetUser(carol, &api.GetUserRequest{UserName: new("bounded")})), "AccessDenied")
	want(t, "no user", second(r.GetUser(carol, &api.GetUserRequest{UserName: new("none")})), "AccessDenied")

	tagged := `{"StringEquals":{"iam:PermissionsBoundary":"` + password + `","aws:RequestTag/team":"a"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`
	create := func(boundary *string, tags []api.Tag) error {
		return second(r.CreateUser(carol, &api.CreateUserRequest{UserName: new("new"), PermissionsBoundary: boundary, Tags: tags}))
	}
	allow("CreateUser", tagged)
	want(t, "without iam:TagUser", create(new(password), tags("team", "a")), "AccessDenied")
	allow("*User", tagged)
	want(t, "without a boundary", create(nil, tags("team", "a")), "AccessDenied")
	want(t, "with another boundary", create(new(admin), tags("team", "a")), "AccessDenied")
	want(t, "without the tag", create(new(password), nil), "AccessDenied")
	want(t, "with another tag", create(new(password), tags("team", "a", "x", "y")), "AccessDenied")
	want(t, "as it should be", create(new(password), tags("team", "a")), "")

	allow("UntagUser", `{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`)
	want(t, "untag another", second(r.UntagUser(carol, &api.UntagUserRequest{UserName: new("new"), TagKeys: []string{"x"}})), "AccessDenied")
	want(t, "untag", second(r.UntagUser(carol, &api.UntagUserRequest{UserName: new("new"), TagKeys: []string{"team"}})), "")

	allow("*Boundary", `{"StringEquals":{"iam:PermissionsBoundary":"`+password+`"}}`)
	want(t, "put another boundary", second(r.PutUserPermissionsBoundary(carol, &api.PutUserPermissionsBoundaryRequest{UserName: new("new"), PermissionsBoundary: new(admin)})), "AccessDenied")
	want(t, "put the boundary", second(r.PutUserPermissionsBoundary(carol, &api.PutUserPermissionsBoundaryRequest{UserName: new("dave"), PermissionsBoundary: new(password)})), "")
	want(t, "delete it", second(r.DeleteUserPermissionsBoundary(carol, &api.DeleteUserPermissionsBoundaryRequest{UserName: new("dave")})), "")
	want(t, "delete none", second(r.DeleteUserPermissionsBoundary(carol, &api.DeleteUserPermissionsBoundaryRequest{UserName: new("dave")})), "AccessDenied")
}

// Lists are about all that lies below a path.
func TestListsBelowAPath(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.put("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:List*","Resource":"arn:aws:iam::*:user/team/*"}}`)
	carol := r.as("user/carol")
	want(t, "below", second(r.ListUsers(carol, &api.ListUsersRequest{PathPrefix: new("/team/")})), "")
	want(t, "above", second(r.ListUsers(carol, &api.ListUsersRequest{})), "AccessDenied")
	want(t, "elsewhere", second(r.ListRoles(carol, &api.ListRolesRequest{PathPrefix: new("/team/")})), "AccessDenied")
}
