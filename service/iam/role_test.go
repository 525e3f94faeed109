package iam

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// trusting is a trust document for principals, which are JSON.
func trusting(principals string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principals + `,"Action":"sts:AssumeRole"}]}`
}

const trustEC2 = `{"Service":"ec2.amazonaws.com"}`

func (r *rig) addRole(name string) api.Role {
	r.Helper()
	return *must(r.CreateRole(r.ctx, &api.CreateRoleRequest{RoleName: &name, AssumeRolePolicyDocument: new(trusting(trustEC2))}))(r).Role
}

// trust is the trust document of a role, as it is shown.
func (r *rig) trust(role string) string {
	r.Helper()
	out := must(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: &role}))(r).Role
	return must(url.PathUnescape(*out.AssumeRolePolicyDocument))(r)
}

func TestCreateRole(t *testing.T) {
	r := newRig(t)
	r.addRole("taken")
	ok := new(trusting(trustEC2))
	for _, c := range []struct {
		what       string
		in         api.CreateRoleRequest
		code, text string
	}{
		{"whole", api.CreateRoleRequest{RoleName: new("whole"), Path: new("/ci/"), Description: new("déploie"), MaxSessionDuration: new(int32(43200)), Tags: tags("a", "b"), PermissionsBoundary: new(admin), AssumeRolePolicyDocument: ok}, "", ""},
		{"64", api.CreateRoleRequest{RoleName: new(strings.Repeat("r", 64)), AssumeRolePolicyDocument: ok}, "", ""},
		{"65", api.CreateRoleRequest{RoleName: new(strings.Repeat("r", 65)), AssumeRolePolicyDocument: ok}, "ValidationError", ""},
		{"taken", api.CreateRoleRequest{RoleName: new("Taken"), AssumeRolePolicyDocument: ok}, "EntityAlreadyExists", "Role with name Taken already exists."},
		{"bad name", api.CreateRoleRequest{RoleName: new("rôle"), AssumeRolePolicyDocument: ok}, "ValidationError", ""},
		{"bad path", api.CreateRoleRequest{RoleName: new("p"), Path: new("ci"), AssumeRolePolicyDocument: ok}, "ValidationError", badPath},
		{"path of services", api.CreateRoleRequest{RoleName: new("p"), Path: new("/aws-service-role/x/"), AssumeRolePolicyDocument: ok}, "InvalidInput", ""},
		{"short session", api.CreateRoleRequest{RoleName: new("p"), MaxSessionDuration: new(int32(3599)), AssumeRolePolicyDocument: ok}, "ValidationError", "1 validation error detected: Value '3599' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600"},
		{"long session", api.CreateRoleRequest{RoleName: new("p"), MaxSessionDuration: new(int32(43201)), AssumeRolePolicyDocument: ok}, "ValidationError", ""},
		{"long description", api.CreateRoleRequest{RoleName: new("p"), Description: new(strings.Repeat("d", 1001)), AssumeRolePolicyDocument: ok}, "ValidationError", ""},
		{"bad description", api.CreateRoleRequest{RoleName: new("p"), Description: new("日本"), AssumeRolePolicyDocument: ok}, "ValidationError", ""},
		{"no document", api.CreateRoleRequest{RoleName: new("p")}, "ValidationError", ""},
		{"no trust document", api.CreateRoleRequest{RoleName: new("p"), AssumeRolePolicyDocument: new(allowing("sts:AssumeRole"))}, "MalformedPolicyDocument", ""},
		{"long document", api.CreateRoleRequest{RoleName: new("p"), AssumeRolePolicyDocument: new(trusting(`{"Service":"` + strings.Repeat("a", 2000) + `.amazonaws.com"}`))}, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"no such boundary", api.CreateRoleRequest{RoleName: new("p"), PermissionsBoundary: new(admin + "2"), AssumeRolePolicyDocument: ok}, "NoSuchEntity", ""},
		{"bad tag", api.CreateRoleRequest{RoleName: new("p"), Tags: tags("", ""), AssumeRolePolicyDocument: ok}, "ValidationError", ""},
	} {
		_, err := r.CreateRole(r.ctx, &c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
	}
	want(t, "refused requests left nothing", second(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: new("p")})), "NoSuchEntity", "The role with name p cannot be found.")
	want(t, "bob", second(r.GetRole(r.bob, &api.GetRoleRequest{RoleName: new("whole")})), "NoSuchEntity")
	role := must(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: new("whole")}))(t).Role
	if *role.Arn != "arn:aws:iam::"+alice+":role/ci/whole" || *role.Description != "déploie" || *role.MaxSessionDuration != 43200 ||
		len(role.Tags) != 1 || *role.PermissionsBoundary.PermissionsBoundaryArn != admin || !strings.HasPrefix(*role.RoleId, "AROA") || role.RoleLastUsed == nil {
		t.Errorf("role is %+v", role)
	}
	list := must(r.ListRoles(r.ctx, &api.ListRolesRequest{MaxItems: new(int32(2))}))(t)
	rest := must(r.ListRoles(r.ctx, &api.ListRolesRequest{Marker: list.Marker}))(t)
	if n := len(list.Roles) + len(rest.Roles); n != 3 || *rest.Roles[0].RoleName != "whole" || rest.Roles[0].Tags != nil {
		t.Errorf("roles are %+v and %+v", list.Roles, rest.Roles)
	}
}

func TestTrustNamesWhoIsThere(t *testing.T) {
	r := newRig(t)
	carol := r.addUser("carol")
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("bert"), Path: new("/x/")}))(t)
	role := r.addRole("role")
	for _, c := range []struct{ what, principals, bad string }{
		{"service", trustEC2, ""},
		{"everybody in AWS", `{"AWS":"*"}`, ""},
		{"account", `{"AWS":"` + bob + `"}`, ""},
		{"root", `{"AWS":"arn:aws:iam::` + bob + `:root"}`, ""},
		{"user", `{"AWS":"arn:aws:iam::` + alice + `:user/carol"}`, ""},
		{"user of bob's", `{"AWS":"arn:aws:iam::` + bob + `:user/x/bert"}`, ""},
		{"role", `{"AWS":["arn:aws:iam::` + alice + `:role/role","` + alice + `"]}`, ""},
		{"IDs", `{"AWS":["` + *carol.UserId + `","` + *role.RoleId + `"]}`, ""},
		{"session", `{"AWS":"arn:aws:sts::` + alice + `:assumed-role/role/session"}`, ""},
		{"provider", `{"Federated":"accounts.google.com"}`, ""},

		{"no such account", `{"AWS":"999999999999"}`, "999999999999"},
		{"no such root", `{"AWS":"arn:aws:iam::999999999999:root"}`, "arn:aws:iam::999999999999:root"},
		{"no such user", `{"AWS":["` + alice + `","arn:aws:iam::` + alice + `:user/dave"]}`, "arn:aws:iam::" + alice + ":user/dave"},
		{"no such role", `{"AWS":"arn:aws:iam::` + alice + `:role/carol"}`, "arn:aws:iam::" + alice + ":role/carol"},
		{"another path", `{"AWS":"arn:aws:iam::` + bob + `:user/bert"}`, "arn:aws:iam::" + bob + ":user/bert"},
		{"another case", `{"AWS":"arn:aws:iam::` + alice + `:user/Carol"}`, "arn:aws:iam::" + alice + ":user/Carol"},
		{"another partition", `{"AWS":"arn:aws-cn:iam::` + alice + `:user/carol"}`, "arn:aws-cn:iam::" + alice + ":user/carol"},
		{"no such ID", `{"AWS":"AIDAAAAAAAAAAAAAAAAAA"}`, "AIDAAAAAAAAAAAAAAAAAA"},
	} {
		document := trusting(c.principals)
		before := r.trust("role")
		_, err := r.UpdateAssumeRolePolicy(r.ctx, &api.UpdateAssumeRolePolicyRequest{RoleName: new("role"), PolicyDocument: &document})
		if c.bad == "" {
			want(t, c.what, err, "")
			continue
		}
		want(t, c.what, err, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+c.bad+`"`)
		if r.trust("role") != before {
			t.Errorf("%s: trust is %s", c.what, r.trust("role"))
		}
	}
}

// A document comes back as it was given, but for who is gone; whoever takes the
// place of the gone one is not trusted.
func TestTrustFollowsThePrincipal(t *testing.T) {
	r := newRig(t)
	carol := r.addUser("carol")
	first := r.addRole("first")
	document := "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\n    \"Sid\": \"a\",\n    \"Effect\": \"Allow\",\n" +
		`    "Principal": {"AWS" : [ "arn:aws:iam::` + alice + `:user\/carol",` + "\t" + `"arn:aws:iam::` + alice + `:role/first", "` + bob + `"], "Service": ["ec2.amazonaws.com"]},` +
		"\n    \"Action\": \"sts:AssumeRole\",\n" +
		`    "Condition": {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::` + alice + `:user/carol"}}` + "\n  }\n}\n"
	must(r.CreateRole(r.ctx, &api.CreateRoleRequest{RoleName: new("role"), AssumeRolePolicyDocument: &document}))(t)
	plain := strings.Replace(document, `user\/carol`, "user/carol", 1)
	if got := r.trust("role"); got != plain {
		t.Errorf("shown as\n%s", got)
	}
	kept, _ := roles.named(r.db().View(), alice, "role")
	for _, id := range []string{*carol.UserId, *first.RoleId} {
		if !strings.Contains(kept.Trust, id) {
			t.Errorf("kept as\n%s", kept.Trust)
		}
	}
	must(r.UpdateUser(r.ctx, &api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("caroline"), NewPath: new("/x/")}))(t)
	renamed := strings.Replace(plain, "user/carol\",\t", "user/x/caroline\",\t", 1)
	if got := r.trust("role"); got != renamed {
		t.Errorf("after the renaming shown as\n%s", got)
	}
	must(r.DeleteUser(r.ctx, &api.DeleteUserRequest{UserName: new("caroline")}))(t)
	must(r.DeleteRole(r.ctx, &api.DeleteRoleRequest{RoleName: new("first")}))(t)
	r.addUser("carol")
	r.addRole("first")
	gone := r.trust("role")
	if !strings.Contains(gone, `"`+*carol.UserId+`"`) || !strings.Contains(gone, `"`+*first.RoleId+`"`) || !json.Valid([]byte(gone)) {
		t.Errorf("of those that are gone shown as\n%s", gone)
	}
	kept, _ = roles.named(r.db().View(), alice, "role")
	if strings.Contains(kept.Trust, "role/first") {
		t.Errorf("the namesake is trusted:\n%s", kept.Trust)
	}
}

func TestUpdateRole(t *testing.T) {
	r := newRig(t)
	r.addRole("role")
	for _, c := range []struct {
		what string
		in   api.UpdateRoleRequest
		code string
	}{
		{"both", api.UpdateRoleRequest{RoleName: new("role"), Description: new("one"), MaxSessionDuration: new(int32(3601))}, ""},
		{"session", api.UpdateRoleRequest{RoleName: new("role"), MaxSessionDuration: new(int32(7200))}, ""},
		{"short session", api.UpdateRoleRequest{RoleName: new("role"), MaxSessionDuration: new(int32(1))}, "ValidationError"},
		{"bad description", api.UpdateRoleRequest{RoleName: new("role"), Description: new("\x7f")}, "ValidationError"},
		{"unknown", api.UpdateRoleRequest{RoleName: new("none")}, "NoSuchEntity"},
	} {
		want(t, c.what, second(r.UpdateRole(r.ctx, &c.in)), c.code)
	}
	if role := must(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: new("role")}))(t).Role; *role.MaxSessionDuration != 7200 || *role.Description != "one" {
		t.Errorf("role is %+v", role)
	}
	out := must(r.UpdateRoleDescription(r.ctx, &api.UpdateRoleDescriptionRequest{RoleName: new("role"), Description: new("")}))(t).Role
	if out.Description != nil || *out.MaxSessionDuration != 7200 {
		t.Errorf("role is %+v", out)
	}
	must(r.UpdateRole(r.ctx, &api.UpdateRoleRequest{RoleName: new("role"), Description: new("two")}))(t)
	if role := must(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: new("role")}))(t).Role; *role.MaxSessionDuration != 3600 || *role.Description != "two" {
		t.Errorf("without a duration the role is %+v", role)
	}
}

func TestRolesOfServices(t *testing.T) {
	r := newRig(t)
	r.addRole("AWSServiceRoleForX")
	r.update(func(tx *store.Tx) error {
		role, _ := roles.named(tx, alice, "AWSServiceRoleForX")
		role.Service = "x.amazonaws.com"
		return roleTable.Put(tx, role)
	})
	name := new("AWSServiceRoleForX")
	must(r.CreateInstanceProfile(r.ctx, &api.CreateInstanceProfileRequest{InstanceProfileName: new("p")}))(t)
	for what, err := range map[string]error{
		"update":          second(r.UpdateRole(r.ctx, &api.UpdateRoleRequest{RoleName: name, MaxSessionDuration: new(int32(7200))})),
		"trust":           second(r.UpdateAssumeRolePolicy(r.ctx, &api.UpdateAssumeRolePolicyRequest{RoleName: name, PolicyDocument: new(trusting(trustEC2))})),
		"attach":          second(r.AttachRolePolicy(r.ctx, &api.AttachRolePolicyRequest{RoleName: name, PolicyArn: new(admin)})),
		"detach":          second(r.DetachRolePolicy(r.ctx, &api.DetachRolePolicyRequest{RoleName: name, PolicyArn: new(admin)})),
		"put":             second(r.PutRolePolicy(r.ctx, &api.PutRolePolicyRequest{RoleName: name, PolicyName: new("p"), PolicyDocument: new(allowing("*"))})),
		"delete policy":   second(r.DeleteRolePolicy(r.ctx, &api.DeleteRolePolicyRequest{RoleName: name, PolicyName: new("p")})),
		"bound":           second(r.PutRolePermissionsBoundary(r.ctx, &api.PutRolePermissionsBoundaryRequest{RoleName: name, PermissionsBoundary: new(admin)})),
		"delete bound":    second(r.DeleteRolePermissionsBoundary(r.ctx, &api.DeleteRolePermissionsBoundaryRequest{RoleName: name})),
		"instance role":   second(r.AddRoleToInstanceProfile(r.ctx, &api.AddRoleToInstanceProfileRequest{RoleName: name, InstanceProfileName: new("p")})),
		"delete the role": second(r.DeleteRole(r.ctx, &api.DeleteRoleRequest{RoleName: name})),
	} {
		want(t, what, err, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForX' - this role is only modifiable by AWS")
	}
	must(r.UpdateRoleDescription(r.ctx, &api.UpdateRoleDescriptionRequest{RoleName: name, Description: new("x")}))(t)
	must(r.TagRole(r.ctx, &api.TagRoleRequest{RoleName: name, Tags: tags("a", "b")}))(t)
}

func TestInstanceProfiles(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"web", "db", "spare"} {
		r.addRole(name)
	}
	profile := func(name string) api.InstanceProfile {
		return *must(r.GetInstanceProfile(r.ctx, &api.GetInstanceProfileRequest{InstanceProfileName: &name}))(t).InstanceProfile
	}
	add := func(profile, role string) error {
		return second(r.AddRoleToInstanceProfile(r.ctx, &api.AddRoleToInstanceProfileRequest{InstanceProfileName: &profile, RoleName: &role}))
	}
	removeRole := func(profile, role string) error {
		return second(r.RemoveRoleFromInstanceProfile(r.ctx, &api.RemoveRoleFromInstanceProfileRequest{InstanceProfileName: &profile, RoleName: &role}))
	}
	del := func(profile string) error {
		return second(r.DeleteInstanceProfile(r.ctx, &api.DeleteInstanceProfileRequest{InstanceProfileName: &profile}))
	}
	for _, c := range []struct {
		what       string
		in         api.CreateInstanceProfileRequest
		code, text string
	}{
		{"whole", api.CreateInstanceProfileRequest{InstanceProfileName: new("web"), Path: new("/x/"), Tags: tags("a", "1", "A", "2")}, "", ""},
		{"plain", api.CreateInstanceProfileRequest{InstanceProfileName: new(strings.Repeat("p", 128))}, "", ""},
		{"another", api.CreateInstanceProfileRequest{InstanceProfileName: new("web2")}, "", ""},
		{"long name", api.CreateInstanceProfileRequest{InstanceProfileName: new(strings.Repeat("p", 129))}, "ValidationError", ""},
		{"bad name", api.CreateInstanceProfileRequest{InstanceProfileName: new("a/b")}, "ValidationError", ""},
		{"bad path", api.CreateInstanceProfileRequest{InstanceProfileName: new("p"), Path: new("x")}, "ValidationError", badPath},
		{"bad tag", api.CreateInstanceProfileRequest{InstanceProfileName: new("p"), Tags: tags("", "")}, "ValidationError", ""},
		{"taken", api.CreateInstanceProfileRequest{InstanceProfileName: new("WEB")}, "EntityAlreadyExists", "Instance Profile WEB already exists."},
	} {
		_, err := r.CreateInstanceProfile(r.ctx, &c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
	}
	want(t, "no such profile", add("none", "web"), "NoSuchEntity", "Instance Profile none cannot be found.")
	want(t, "no such role", add("web", "none"), "NoSuchEntity", "The role with name none cannot be found.")
	want(t, "bad role", add("web", "*"), "ValidationError")
	want(t, "add", add("web", "web"), "")
	want(t, "add again", add("web", "web"), "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	want(t, "add a second", add("web", "db"), "LimitExceeded")
	want(t, "add to another", add("web2", "web"), "")
	want(t, "remove another", removeRole("web", "db"), "NoSuchEntity", "The role with name db cannot be found.")
	if p := profile("web"); len(p.Roles) != 1 || *p.Roles[0].RoleName != "web" || p.Roles[0].AssumeRolePolicyDocument == nil || len(p.Tags) != 2 || *p.Arn != "arn:aws:iam::"+alice+":instance-profile/x/web" || !strings.HasPrefix(*p.InstanceProfileId, "AIPA") {
		t.Errorf("profile is %+v", p)
	}
	of := must(r.ListInstanceProfilesForRole(r.ctx, &api.ListInstanceProfilesForRoleRequest{RoleName: new("web"), MaxItems: new(int32(1))}))(t)
	rest := must(r.ListInstanceProfilesForRole(r.ctx, &api.ListInstanceProfilesForRoleRequest{RoleName: new("web"), Marker: of.Marker}))(t)
	if *of.InstanceProfiles[0].InstanceProfileName != "web" || *rest.InstanceProfiles[0].InstanceProfileName != "web2" || *rest.IsTruncated {
		t.Errorf("profiles of the role are %+v, %+v", of, rest)
	}
	all := must(r.ListInstanceProfiles(r.ctx, &api.ListInstanceProfilesRequest{PathPrefix: new("/x")}))(t)
	if len(all.InstanceProfiles) != 1 || *all.InstanceProfiles[0].InstanceProfileName != "web" {
		t.Errorf("profiles below the path are %+v", all)
	}
	want(t, "delete with a role", del("web"), "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	want(t, "delete the role", second(r.DeleteRole(r.ctx, &api.DeleteRoleRequest{RoleName: new("web")})), "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	want(t, "remove", removeRole("web", "WEB"), "")
	want(t, "remove again", removeRole("web", "web"), "NoSuchEntity")
	want(t, "delete", del("web"), "")
	want(t, "delete again", del("web"), "NoSuchEntity", "Instance Profile web cannot be found.")
	want(t, "remove from the other", removeRole("web2", "web"), "")
	want(t, "delete the role", second(r.DeleteRole(r.ctx, &api.DeleteRoleRequest{RoleName: new("web")})), "")
}

// Who may change profiles, but not pass a role, cannot give it to instances.
func TestInstanceProfileNeedsPassRole(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.addRole("admin")
	r.addRole("web")
	must(r.CreateInstanceProfile(r.ctx, &api.CreateInstanceProfileRequest{InstanceProfileName: new("p")}))(t)
	r.put("carol", fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:AddRoleToInstanceProfile","Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::%s:role/web","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}]}`, alice))
	add := func(role string) error {
		return second(r.AddRoleToInstanceProfile(r.as("user/carol"), &api.AddRoleToInstanceProfileRequest{InstanceProfileName: new("p"), RoleName: &role}))
	}
	want(t, "a role that she may not pass", add("admin"), "AccessDenied")
	want(t, "a role that is not there", add("none"), "AccessDenied")
	want(t, "a role that she may pass", add("web"), "")
}

func TestDeleteRole(t *testing.T) {
	r := newRig(t)
	role := r.addRole("role")
	del := func() error { return second(r.DeleteRole(r.ctx, &api.DeleteRoleRequest{RoleName: new("role")})) }
	must(r.AttachRolePolicy(r.ctx, &api.AttachRolePolicyRequest{RoleName: new("role"), PolicyArn: new(admin)}))(t)
	want(t, "with a managed policy", del(), "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	must(r.DetachRolePolicy(r.ctx, &api.DetachRolePolicyRequest{RoleName: new("role"), PolicyArn: new(admin)}))(t)
	must(r.PutRolePolicy(r.ctx, &api.PutRolePolicyRequest{RoleName: new("role"), PolicyName: new("p"), PolicyDocument: new(allowing("*"))}))(t)
	want(t, "with an inline policy", del(), "DeleteConflict", "Cannot delete entity, must delete policies first.")
	must(r.DeleteRolePolicy(r.ctx, &api.DeleteRolePolicyRequest{RoleName: new("role"), PolicyName: new("p")}))(t)
	must(r.PutRolePermissionsBoundary(r.ctx, &api.PutRolePermissionsBoundaryRequest{RoleName: new("role"), PermissionsBoundary: new(admin)}))(t)
	r.update(func(tx *store.Tx) error {
		return lastUseTable.Put(tx, cloud.LastUse{ID: *role.RoleId, Account: alice, When: r.Judge.Now(), Region: "eu-paris-1"})
	})
	if used := must(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: new("role")}))(t).Role.RoleLastUsed; *used.Region != "eu-paris-1" || !used.LastUsedDate.Equal(r.Judge.Now()) {
		t.Errorf("last used is %+v", used)
	}
	want(t, "with a boundary only", del(), "")
	want(t, "again", del(), "NoSuchEntity", "The role with name role cannot be found.")
}
