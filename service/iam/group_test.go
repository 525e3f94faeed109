package iam

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

func (r *rig) addGroup(name string) api.Group {
	r.Helper()
	return *must(r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: &name}))(r).Group
}

func (r *rig) join(group, user string) error {
	return second(r.AddUserToGroup(r.ctx, &api.AddUserToGroupRequest{GroupName: &group, UserName: &user}))
}

func groupNames(groups []api.Group) string {
	var names []string
	for _, g := range groups {
		names = append(names, *g.GroupName)
	}
	return strings.Join(names, " ")
}

func TestCreateGroup(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		what       string
		in         api.CreateGroupRequest
		code, text string
	}{
		{"plain", api.CreateGroupRequest{GroupName: new("Staff")}, "", ""},
		{"128", api.CreateGroupRequest{GroupName: new(strings.Repeat("g", 128)), Path: new("/x/")}, "", ""},
		{"129", api.CreateGroupRequest{GroupName: new(strings.Repeat("g", 129))}, "ValidationError", ""},
		{"taken", api.CreateGroupRequest{GroupName: new("staff")}, "EntityAlreadyExists", "Group with name staff already exists."},
		{"bad name", api.CreateGroupRequest{GroupName: new("a/b")}, "ValidationError", "The specified value for groupName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{"bad path", api.CreateGroupRequest{GroupName: new("p"), Path: new("x")}, "ValidationError", badPath},
	} {
		out, err := r.CreateGroup(r.ctx, &c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
		if err == nil && !strings.HasPrefix(*out.Group.GroupId, "AGPA") {
			t.Errorf("%s: got %+v", c.what, out.Group)
		}
	}
	if got := groupNames(must(r.ListGroups(r.ctx, &api.ListGroupsRequest{}))(t).Groups); got != strings.Repeat("g", 128)+" Staff" {
		t.Errorf("groups are %q", got)
	}
	if got := groupNames(must(r.ListGroups(r.ctx, &api.ListGroupsRequest{PathPrefix: new("/x/")}))(t).Groups); got != strings.Repeat("g", 128) {
		t.Errorf("groups below a path are %q", got)
	}
	if got := groupNames(must(r.ListGroups(r.bob, &api.ListGroupsRequest{}))(t).Groups); got != "" {
		t.Errorf("bob sees %q", got)
	}
}

func TestQuotaOfAccount(t *testing.T) {
	r := newRig(t)
	r.update(func(tx *store.Tx) error {
		for i := range 300 {
			g := cloud.Group{Meta: cloud.Meta{ID: identity.NewID(identity.GroupPrefix), Account: alice}, Name: fmt.Sprint("g", i), Path: "/"}
			if err := groups.create(tx, g); err != nil {
				return err
			}
		}
		return nil
	})
	_, err := r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("more")})
	want(t, "the 301st", err, "LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 300")
	_, err = r.CreateGroup(r.bob, &api.CreateGroupRequest{GroupName: new("more")})
	want(t, "bob's first", err, "")
	must(r.DeleteGroup(r.ctx, &api.DeleteGroupRequest{GroupName: new("g7")}))(t)
	_, err = r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("more")})
	want(t, "in the place of another", err, "")
}

func TestMembers(t *testing.T) {
	r := newRig(t)
	r.addGroup("staff")
	for _, name := range []string{"carol", "dave", "erin"} {
		r.addUser(name)
		want(t, name, r.join("staff", name), "")
	}
	want(t, "again", r.join("Staff", "CAROL"), "")
	want(t, "no such group", r.join("nothing", "carol"), "NoSuchEntity", "The group with name nothing cannot be found.")
	want(t, "no such user", r.join("staff", "nobody"), "NoSuchEntity", "The user with name nobody cannot be found.")
	want(t, "no name", r.join("staff", ""), "ValidationError")
	want(t, "bob's group", second(r.AddUserToGroup(r.bob, &api.AddUserToGroupRequest{GroupName: new("staff"), UserName: new("carol")})), "NoSuchEntity")

	page := must(r.GetGroup(r.ctx, &api.GetGroupRequest{GroupName: new("staff"), MaxItems: new(int32(2))}))(t)
	rest := must(r.GetGroup(r.ctx, &api.GetGroupRequest{GroupName: new("staff"), Marker: page.Marker}))(t)
	if got := strings.Join(append(userNames(page.Users), userNames(rest.Users)...), " "); got != "carol dave erin" || !*page.IsTruncated || *rest.IsTruncated {
		t.Errorf("members are %q", got)
	}
	r.addGroup("other")
	_, err := r.GetGroup(r.ctx, &api.GetGroupRequest{GroupName: new("other"), Marker: page.Marker})
	want(t, "marker of another group", err, "ValidationError", "Invalid Marker.")

	for i := range 9 {
		name := fmt.Sprint("g", i)
		r.addGroup(name)
		want(t, name, r.join(name, "carol"), "")
	}
	want(t, "the 11th", r.join("other", "carol"), "LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
	want(t, "one of the ten", r.join("g1", "carol"), "")
	first := must(r.ListGroupsForUser(r.ctx, &api.ListGroupsForUserRequest{UserName: new("carol"), MaxItems: new(int32(9))}))(t)
	last := must(r.ListGroupsForUser(r.ctx, &api.ListGroupsForUserRequest{UserName: new("carol"), Marker: first.Marker}))(t)
	if got := groupNames(append(first.Groups, last.Groups...)); got != "g0 g1 g2 g3 g4 g5 g6 g7 g8 staff" {
		t.Errorf("carol is in %q", got)
	}

	del := func() error {
		return second(r.DeleteGroup(r.ctx, &api.DeleteGroupRequest{GroupName: new("staff")}))
	}
	want(t, "with members", del(), "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	for _, name := range []string{"carol", "dave", "erin", "erin"} {
		must(r.RemoveUserFromGroup(r.ctx, &api.RemoveUserFromGroupRequest{GroupName: new("staff"), UserName: &name}))(t)
	}
	must(r.UpdateGroup(r.ctx, &api.UpdateGroupRequest{GroupName: new("staff"), NewGroupName: new("crew"), NewPath: new("/x/")}))(t)
	want(t, "the old name", del(), "NoSuchEntity", "The group with name staff cannot be found.")
	_, err = r.UpdateGroup(r.ctx, &api.UpdateGroupRequest{GroupName: new("crew"), NewGroupName: new("other")})
	want(t, "a name that is taken", err, "EntityAlreadyExists")
	_, err = r.UpdateGroup(r.ctx, &api.UpdateGroupRequest{GroupName: new("crew"), NewGroupName: new("*")})
	want(t, "a bad name", err, "ValidationError")
	_, err = r.UpdateGroup(r.ctx, &api.UpdateGroupRequest{GroupName: new("crew"), NewPath: new("*")})
	want(t, "a bad path", err, "ValidationError")
	if g := must(r.GetGroup(r.ctx, &api.GetGroupRequest{GroupName: new("crew")}))(t).Group; *g.Arn != "arn:aws:iam::"+alice+":group/x/crew" {
		t.Errorf("group is %+v", g)
	}
	must(r.DeleteGroup(r.ctx, &api.DeleteGroupRequest{GroupName: new("crew")}))(t)
}
