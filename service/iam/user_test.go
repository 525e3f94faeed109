package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// addUser makes a user of alice's.
func (r *rig) addUser(name string) api.User {
	r.Helper()
	return *must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: &name}))(r).User
}

// tags makes tags from keys and values.
func tags(pairs ...string) []api.Tag {
	var out []api.Tag
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, api.Tag{Key: new(pair[0]), Value: new(pair[1])})
	}
	return out
}

func manyTags(n int) []api.Tag {
	var out []api.Tag
	for i := range n {
		out = append(out, tags(fmt.Sprint("key", i), "v")...)
	}
	return out
}

const badName = "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"

const badPath = "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."

func TestCreateUser(t *testing.T) {
	r := newRig(t)
	r.addUser("taken")
	for _, c := range []struct {
		what       string
		in         api.CreateUserRequest
		code, text string
	}{
		{"plain", api.CreateUserRequest{UserName: new("carol")}, "", ""},
		{"every character", api.CreateUserRequest{UserName: new("aZ09_+=,.@-"), Path: new("/a/b!~/")}, "", ""},
		{"64", api.CreateUserRequest{UserName: new(strings.Repeat("u", 64))}, "", ""},
		{"tagged", api.CreateUserRequest{UserName: new("tagged"), Tags: tags("Team", "a", "é ü", "")}, "", ""},
		{"50 tags", api.CreateUserRequest{UserName: new("many"), Tags: manyTags(50)}, "", ""},

		{"no name", api.CreateUserRequest{}, "ValidationError", "1 validation error detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"65", api.CreateUserRequest{UserName: new(strings.Repeat("u", 65))}, "ValidationError", "1 validation error detected: Value '" + strings.Repeat("u", 65) + "' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"space", api.CreateUserRequest{UserName: new("a b")}, "ValidationError", badName},
		{"Cyrillic a", api.CreateUserRequest{UserName: new("аlice")}, "ValidationError", badName},
		{"full width", api.CreateUserRequest{UserName: new("ａlice")}, "ValidationError", badName},
		{"zero width", api.CreateUserRequest{UserName: new("al\u200bice")}, "ValidationError", badName},
		{"control character", api.CreateUserRequest{UserName: new("a\x00b")}, "ValidationError", badName},
		{"line feed", api.CreateUserRequest{UserName: new("alice\n")}, "ValidationError", badName},
		{"no text", api.CreateUserRequest{UserName: new("a\xffb")}, "ValidationError", badName},
		{"wildcard", api.CreateUserRequest{UserName: new("*")}, "ValidationError", badName},
		{"path in the name", api.CreateUserRequest{UserName: new("../../root")}, "ValidationError", badName},
		{"colon", api.CreateUserRequest{UserName: new("a:b")}, "ValidationError", badName},
		{"long nonsense", api.CreateUserRequest{UserName: new(strings.Repeat("x", 100_000))}, "ValidationError", ""},
		{"taken", api.CreateUserRequest{UserName: new("taken")}, "EntityAlreadyExists", "User with name taken already exists."},
		{"taken in another case", api.CreateUserRequest{UserName: new("TAKEN"), Path: new("/x/")}, "EntityAlreadyExists", "User with name TAKEN already exists."},

		{"empty path", api.CreateUserRequest{UserName: new("p"), Path: new("")}, "ValidationError", ""},
		{"relative path", api.CreateUserRequest{UserName: new("p"), Path: new("a/")}, "ValidationError", badPath},
		{"open path", api.CreateUserRequest{UserName: new("p"), Path: new("/a")}, "ValidationError", badPath},
		{"empty part", api.CreateUserRequest{UserName: new("p"), Path: new("/a//b/")}, "ValidationError", badPath},
		{"two slashes", api.CreateUserRequest{UserName: new("p"), Path: new("//")}, "ValidationError", badPath},
		{"traversal", api.CreateUserRequest{UserName: new("p"), Path: new("/a/../")}, "ValidationError", badPath},
		{"space in the path", api.CreateUserRequest{UserName: new("p"), Path: new("/a b/")}, "ValidationError", badPath},
		{"letter beyond ASCII in the path", api.CreateUserRequest{UserName: new("p"), Path: new("/é/")}, "ValidationError", badPath},
		{"path of 513", api.CreateUserRequest{UserName: new("p"), Path: new("/" + strings.Repeat("a", 511) + "/")}, "ValidationError", ""},

		{"51 tags", api.CreateUserRequest{UserName: new("p"), Tags: manyTags(51)}, "ValidationError", "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"no key", api.CreateUserRequest{UserName: new("p"), Tags: []api.Tag{{Value: new("v")}}}, "ValidationError", ""},
		{"key of 129", api.CreateUserRequest{UserName: new("p"), Tags: tags(strings.Repeat("k", 129), "")}, "ValidationError", ""},
		{"value of 257", api.CreateUserRequest{UserName: new("p"), Tags: tags("k", strings.Repeat("v", 257))}, "ValidationError", ""},
		{"bad key", api.CreateUserRequest{UserName: new("p"), Tags: tags("a&b", "")}, "ValidationError", `1 validation error detected: Value 'a&b' at 'tags.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		{"bad value", api.CreateUserRequest{UserName: new("p"), Tags: tags("a", "b*")}, "ValidationError", ""},
		{"reserved key", api.CreateUserRequest{UserName: new("p"), Tags: tags("AWS:x", "b")}, "InvalidInput", ""},
		{"key twice", api.CreateUserRequest{UserName: new("p"), Tags: tags("a", "b", "A", "b")}, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"no such boundary", api.CreateUserRequest{UserName: new("p"), PermissionsBoundary: new("arn:aws:iam::aws:policy/Nothing")}, "NoSuchEntity", "Policy arn:aws:iam::aws:policy/Nothing does not exist or is not attachable."},
		{"no boundary's ARN", api.CreateUserRequest{UserName: new("p"), PermissionsBoundary: new("x")}, "ValidationError", ""},
		{"boundary", api.CreateUserRequest{UserName: new("bounded"), PermissionsBoundary: new("arn:aws:iam::aws:policy/AdministratorAccess")}, "", ""},
	} {
		out, err := r.CreateUser(r.ctx, &c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
		if err != nil {
			continue
		}
		got := must(r.GetUser(r.ctx, &api.GetUserRequest{UserName: c.in.UserName}))(t).User
		path := "/"
		if c.in.Path != nil {
			path = *c.in.Path
		}
		if *got.UserId != *out.User.UserId || *got.Arn != "arn:aws:iam::"+alice+":user"+path+*c.in.UserName || !strings.HasPrefix(*got.UserId, "AIDA") || len(*got.UserId) != 21 {
			t.Errorf("%s: got %+v", c.what, got)
		}
		if len(got.Tags) != len(c.in.Tags) {
			t.Errorf("%s: tags are %+v", c.what, got.Tags)
		}
		if c.in.PermissionsBoundary != nil && *got.PermissionsBoundary.PermissionsBoundaryArn != *c.in.PermissionsBoundary {
			t.Errorf("%s: boundary is %+v", c.what, got.PermissionsBoundary)
		}
	}
	_, err := r.GetUser(r.ctx, &api.GetUserRequest{UserName: new("p")})
	want(t, "refused requests left nothing", err, "NoSuchEntity", "The user with name p cannot be found.")
	_, err = r.GetUser(r.bob, &api.GetUserRequest{UserName: new("carol")})
	want(t, "bob does not see alice's", err, "NoSuchEntity", "The user with name carol cannot be found.")
	want(t, "bob has names of his own", second(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("carol")})), "")
}

func TestGetUserWithoutName(t *testing.T) {
	r := newRig(t)
	carol := r.addUser("carol")
	root := must(r.GetUser(r.ctx, &api.GetUserRequest{}))(t).User
	if *root.Arn != "arn:aws:iam::"+alice+":root" || *root.UserId != alice {
		t.Errorf("root is %+v", root)
	}
	_, err := r.GetUser(r.as("user/carol"), &api.GetUserRequest{})
	want(t, "without permission", err, "AccessDenied")
	r.put("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}}`)
	self := must(r.GetUser(r.as("user/carol"), &api.GetUserRequest{}))(t).User
	if *self.UserId != *carol.UserId {
		t.Errorf("carol sees %+v", self)
	}
	_, err = r.GetUser(r.as("user/carol"), &api.GetUserRequest{UserName: new("nobody")})
	want(t, "who may not, does not learn that there is nobody", err, "AccessDenied")
	r.update(func(tx *store.Tx) error {
		role := cloud.Role{Meta: cloud.Meta{ID: identity.NewID(identity.RolePrefix), Account: alice}, Name: "admin", Path: "/", Trust: "{}"}
		role.Attached = []string{"arn:aws:iam::aws:policy/AdministratorAccess"}
		if err := roles.claim(tx, alice, role.Name, role.ID); err != nil {
			return err
		}
		return roleTable.Create(tx, role)
	})
	session := r.cloud.As("arn:aws:sts::" + alice + ":assumed-role/admin/s")
	_, err = r.GetUser(session, &api.GetUserRequest{})
	want(t, "a role", err, "ValidationError", "Must specify userName when calling with non-User credentials")
}

// put gives a user of alice's an inline policy.
func (r *rig) put(user, document string) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		u, _ := users.named(tx, alice, user)
		return userTable.Modify(tx, u.ID, func(u *cloud.User) error {
			u.Inline = map[string]string{"test": document}
			return nil
		})
	})
}

func userNames(users []api.User) []string {
	names := []string{}
	for _, u := range users {
		names = append(names, *u.UserName)
	}
	return names
}

func TestListUsers(t *testing.T) {
	r := newRig(t)
	for name, path := range map[string]string{"dave": "/", "Carol": "/staff/", "erin": "/staff/it/", "frank": "/staffing/"} {
		must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: &name, Path: &path}))(t)
	}
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("zoe")}))(t)
	for _, c := range []struct {
		in    api.ListUsersRequest
		names string
		code  string
	}{
		{api.ListUsersRequest{}, "Carol dave erin frank", ""},
		{api.ListUsersRequest{PathPrefix: new("/staff/")}, "Carol erin", ""},
		{api.ListUsersRequest{PathPrefix: new("/staff")}, "Carol erin frank", ""},
		{api.ListUsersRequest{PathPrefix: new("/none/")}, "", ""},
		{api.ListUsersRequest{MaxItems: new(int32(1000))}, "Carol dave erin frank", ""},
		{api.ListUsersRequest{PathPrefix: new("staff")}, "", "ValidationError"},
		{api.ListUsersRequest{PathPrefix: new("")}, "", "ValidationError"},
		{api.ListUsersRequest{PathPrefix: new("/é")}, "", "ValidationError"},
		{api.ListUsersRequest{MaxItems: new(int32(0))}, "", "ValidationError"},
		{api.ListUsersRequest{MaxItems: new(int32(1001))}, "", "ValidationError"},
		{api.ListUsersRequest{Marker: new("x")}, "", "ValidationError"},
		{api.ListUsersRequest{Marker: new("")}, "", "ValidationError"},
	} {
		out, err := r.ListUsers(r.ctx, &c.in)
		want(t, fmt.Sprintf("%+v", c.in), err, c.code)
		if err == nil && (strings.Join(userNames(out.Users), " ") != c.names || *out.IsTruncated || out.Marker != nil) {
			t.Errorf("%+v: got %q", c.in, userNames(out.Users))
		}
	}

	var all []string
	in := &api.ListUsersRequest{MaxItems: new(int32(3))}
	first := must(r.ListUsers(r.ctx, in))(t)
	if !*first.IsTruncated {
		t.Error("the first page is not truncated")
	}
	in.Marker = first.Marker
	second := must(r.ListUsers(r.ctx, in))(t)
	if all = append(userNames(first.Users), userNames(second.Users)...); strings.Join(all, " ") != "Carol dave erin frank" {
		t.Errorf("pages have %q", all)
	}
	for what, ctx := range map[string]context.Context{"another account": r.bob} {
		_, err := r.ListUsers(ctx, in)
		want(t, what, err, "ValidationError", "Invalid Marker.")
	}
	_, err := r.ListGroups(r.ctx, &api.ListGroupsRequest{Marker: first.Marker})
	want(t, "another list", err, "ValidationError", "Invalid Marker.")
}

func TestUpdateUser(t *testing.T) {
	r := newRig(t)
	carol := r.addUser("carol")
	r.addUser("dave")
	for _, c := range []struct {
		what string
		in   api.UpdateUserRequest
		code string
	}{
		{"nothing", api.UpdateUserRequest{UserName: new("carol")}, ""},
		{"taken", api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("DAVE")}, "EntityAlreadyExists"},
		{"bad name", api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("a/b")}, "ValidationError"},
		{"long name", api.UpdateUserRequest{UserName: new("carol"), NewUserName: new(strings.Repeat("u", 65))}, "ValidationError"},
		{"bad path", api.UpdateUserRequest{UserName: new("carol"), NewPath: new("x")}, "ValidationError"},
		{"unknown", api.UpdateUserRequest{UserName: new("nobody"), NewPath: new("/x/")}, "NoSuchEntity"},
		{"another case", api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("Carol")}, ""},
		{"rename and move", api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("caroline"), NewPath: new("/staff/")}, ""},
	} {
		_, err := r.UpdateUser(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	got := must(r.GetUser(r.ctx, &api.GetUserRequest{UserName: new("CAROLINE")}))(t).User
	if *got.UserId != *carol.UserId || *got.Arn != "arn:aws:iam::"+alice+":user/staff/caroline" {
		t.Errorf("got %+v", got)
	}
	want(t, "the old name is free", second(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: new("carol")})), "")

	r.put("dave", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"arn:aws:iam::*:user/da*"}}`)
	dave := r.as("user/dave")
	_, err := r.UpdateUser(dave, &api.UpdateUserRequest{UserName: new("dave"), NewUserName: new("admin")})
	want(t, "to a name without permission", err, "AccessDenied")
	_, err = r.UpdateUser(dave, &api.UpdateUserRequest{UserName: new("dave"), NewPath: new("/da/")})
	want(t, "to a path without permission", err, "")
	_, err = r.UpdateUser(dave, &api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("david")})
	want(t, "from a name without permission", err, "AccessDenied")
}

func TestDeleteUser(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	id := func() string { u, _ := users.named(r.db().View(), alice, "carol"); return u.ID }()
	del := func() error { return second(r.DeleteUser(r.ctx, &api.DeleteUserRequest{UserName: new("carol")})) }
	must(r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("staff")}))(t)
	must(r.AddUserToGroup(r.ctx, &api.AddUserToGroupRequest{GroupName: new("staff"), UserName: new("carol")}))(t)
	want(t, "in a group", del(), "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	must(r.RemoveUserFromGroup(r.ctx, &api.RemoveUserFromGroupRequest{GroupName: new("staff"), UserName: new("carol")}))(t)

	r.update(func(tx *store.Tx) error { return loginTable.Put(tx, cloud.LoginProfile{User: id, Account: alice}) })
	want(t, "with a password", del(), "DeleteConflict", "Cannot delete entity, must delete login profile first.")
	r.update(func(tx *store.Tx) error { return loginTable.Delete(tx, id) })

	r.update(func(tx *store.Tx) error {
		return mfaTable.Put(tx, cloud.MFADevice{Serial: "serial", Account: alice, User: id})
	})
	want(t, "with a device", del(), "DeleteConflict", "Cannot delete entity, must delete MFA device first.")
	r.update(func(tx *store.Tx) error { return mfaTable.Delete(tx, "serial") })

	r.update(func(tx *store.Tx) error { return lastUseTable.Put(tx, cloud.LastUse{ID: id, Account: alice}) })
	_, err := r.DeleteUser(r.bob, &api.DeleteUserRequest{UserName: new("carol")})
	want(t, "bob", err, "NoSuchEntity")
	want(t, "with nothing", del(), "")
	want(t, "again", del(), "NoSuchEntity", "The user with name carol cannot be found.")
	if _, ok := lastUseTable.Get(r.db().View(), id); ok {
		t.Error("the last use is left")
	}
	if again := r.addUser("carol"); *again.UserId == id {
		t.Error("a new user has the old ID")
	}
}
