package iam

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// allowing is a policy that allows one action on everything.
func allowing(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

// padded is allowing, size characters long.
func padded(size int) string {
	p := allowing("s3:")
	return strings.Replace(p, "s3:", "s3:"+strings.Repeat("a", size-len(p)), 1)
}

func (r *rig) addPolicy(name string) string {
	r.Helper()
	return *must(r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{PolicyName: &name, PolicyDocument: new(allowing("ec2:*"))}))(r).Policy.Arn
}

const (
	admin    = "arn:aws:iam::aws:policy/AdministratorAccess"
	password = "arn:aws:iam::aws:policy/IAMUserChangePassword"
)

func TestCreatePolicy(t *testing.T) {
	r := newRig(t)
	r.addPolicy("Taken")
	ok := new(allowing("ec2:*"))
	for _, c := range []struct {
		what       string
		in         api.CreatePolicyRequest
		code, text string
	}{
		{"whole", api.CreatePolicyRequest{PolicyName: new("whole"), Path: new("/a/b.c,+@=_-/"), Description: new("é\n"), PolicyDocument: ok, Tags: tags("a", "1", "A", "2")}, "", ""},
		{"of 6144", api.CreatePolicyRequest{PolicyName: new("long"), PolicyDocument: new(strings.ReplaceAll(padded(6144), ",", ",\n\t "))}, "", ""},

		{"of 6145", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(padded(6145))}, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"},
		{"much too long", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(padded(131073))}, "ValidationError", ""},
		{"taken", api.CreatePolicyRequest{PolicyName: new("taken"), PolicyDocument: ok}, "EntityAlreadyExists", "A policy called taken already exists. Duplicate names are not allowed."},
		{"bad name", api.CreatePolicyRequest{PolicyName: new("a b"), PolicyDocument: ok}, "ValidationError", "The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{"bad path", api.CreatePolicyRequest{PolicyName: new("p"), Path: new("a"), PolicyDocument: ok}, "ValidationError", badPath},
		{"path of other kinds", api.CreatePolicyRequest{PolicyName: new("p"), Path: new("/a!b/"), PolicyDocument: ok}, "ValidationError", ""},
		{"long description", api.CreatePolicyRequest{PolicyName: new("p"), Description: new(strings.Repeat("d", 1001)), PolicyDocument: ok}, "ValidationError", ""},
		{"bad tag", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: ok, Tags: tags("aws:a", "")}, "InvalidInput", ""},
		{"no document", api.CreatePolicyRequest{PolicyName: new("p")}, "ValidationError", ""},
		{"no JSON", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new("allow all")}, "MalformedPolicyDocument", ""},
		{"no effect", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(`{"Statement":[{"Action":"*","Resource":"*"}]}`)}, "MalformedPolicyDocument", "Syntax error in policy: line 1, column 15: Statement[0]: the statement has no Effect"},
		{"principal", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`)}, "MalformedPolicyDocument", ""},
		{"letters beyond Latin-1", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(allowing("ес2:*"))}, "ValidationError", ""},
		{"control character", api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(allowing("ec2:\x01*"))}, "ValidationError", ""},
	} {
		_, err := r.CreatePolicy(r.ctx, &c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
	}
	whole := "arn:aws:iam::" + alice + ":policy/a/b.c,+@=_-/whole"
	p := must(r.GetPolicy(r.ctx, &api.GetPolicyRequest{PolicyArn: &whole}))(t).Policy
	if !strings.HasPrefix(*p.PolicyId, "ANPA") || *p.DefaultVersionId != "v1" || *p.Description != "é\n" || len(p.Tags) != 2 || *p.AttachmentCount != 0 || !*p.IsAttachable {
		t.Errorf("got %+v", p)
	}
	for arn, code := range map[string]string{
		"arn:aws:iam::" + alice + ":policy/whole": "NoSuchEntity",
		"arn:aws:iam::" + alice + ":policy/p":     "NoSuchEntity",
		"arn:aws:iam::aws:policy/Nothing":         "NoSuchEntity",
		"arn:aws:iam::" + alice + ":user/whole":   "InvalidInput",
		"arn:aws:s3:::" + alice + ":policy/whole": "InvalidInput",
		"whole": "ValidationError",
		"arn:aws:iam::" + alice + ":policy/" + "é" + "whole":  "InvalidInput",
		strings.Repeat("a", 2049):                             "ValidationError",
		"arn:aws:iam::" + alice + ":policy/a/../../../secret": "NoSuchEntity",
	} {
		want(t, arn, second(r.GetPolicy(r.ctx, &api.GetPolicyRequest{PolicyArn: &arn})), code)
	}
	want(t, "bob", second(r.GetPolicy(r.bob, &api.GetPolicyRequest{PolicyArn: &whole})), "NoSuchEntity", "Policy "+whole+" was not found.")
	want(t, "bob attaches", second(r.AttachUserPolicy(r.bob, &api.AttachUserPolicyRequest{UserName: new("x"), PolicyArn: &whole})), "NoSuchEntity", "The user with name x cannot be found.")
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("x")}))(t)
	want(t, "bob attaches", second(r.AttachUserPolicy(r.bob, &api.AttachUserPolicyRequest{UserName: new("x"), PolicyArn: &whole})), "NoSuchEntity", "Policy "+whole+" does not exist or is not attachable.")
	want(t, "bob bounds", second(r.PutUserPermissionsBoundary(r.bob, &api.PutUserPermissionsBoundaryRequest{UserName: new("x"), PermissionsBoundary: &whole})), "NoSuchEntity")
}

func TestPolicyVersions(t *testing.T) {
	r := newRig(t)
	arn := r.addPolicy("p")
	r.cloud.Seconds.Add(60)
	add := func(action string, isDefault bool) (*api.CreatePolicyVersionResponse, error) {
		return r.CreatePolicyVersion(r.ctx, &api.CreatePolicyVersionRequest{PolicyArn: &arn, PolicyDocument: new(allowing(action)), SetAsDefault: &isDefault})
	}
	for i := 2; i <= 5; i++ {
		v := must(add(fmt.Sprintf("ec2:V%d", i), i == 3))(t).PolicyVersion
		if *v.VersionId != fmt.Sprint("v", i) || *v.IsDefaultVersion != (i == 3) {
			t.Errorf("made %+v", v)
		}
	}
	want(t, "the sixth", second(add("ec2:*", true)), "LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	want(t, "malformed", second(r.CreatePolicyVersion(r.ctx, &api.CreatePolicyVersionRequest{PolicyArn: &arn, PolicyDocument: new("{}")})), "MalformedPolicyDocument")

	del := func(id string) error {
		return second(r.DeletePolicyVersion(r.ctx, &api.DeletePolicyVersionRequest{PolicyArn: &arn, VersionId: &id}))
	}
	setDefault := func(id string) error {
		return second(r.SetDefaultPolicyVersion(r.ctx, &api.SetDefaultPolicyVersionRequest{PolicyArn: &arn, VersionId: &id}))
	}
	want(t, "delete the default", del("v3"), "DeleteConflict", "Cannot delete the default version of a policy.")
	want(t, "no such version", del("v9"), "NoSuchEntity", "Policy "+arn+" version v9 does not exist or is not attachable.")
	want(t, "no version", del("3"), "ValidationError")
	want(t, "default that is not there", setDefault("v9"), "NoSuchEntity")
	want(t, "default that is none", setDefault("v0"), "ValidationError")
	want(t, "delete", del("v1"), "")
	want(t, "another default", setDefault("v5"), "")
	want(t, "delete the former", del("v3"), "")
	must(add("ec2:V6", false))(t)

	in := &api.ListPolicyVersionsRequest{PolicyArn: &arn, MaxItems: new(int32(3))}
	first := must(r.ListPolicyVersions(r.ctx, in))(t)
	in.Marker = first.Marker
	rest := must(r.ListPolicyVersions(r.ctx, in))(t)
	var ids []string
	for _, v := range append(first.Versions, rest.Versions...) {
		ids = append(ids, fmt.Sprint(*v.VersionId, " ", *v.IsDefaultVersion))
	}
	if got := strings.Join(ids, ", "); got != "v6 false, v5 true, v4 false, v2 false" {
		t.Errorf("versions are %s", got)
	}
	v := must(r.GetPolicyVersion(r.ctx, &api.GetPolicyVersionRequest{PolicyArn: &arn, VersionId: new("v4")}))(t).PolicyVersion
	if text, err := url.PathUnescape(*v.Document); err != nil || text != allowing("ec2:V4") || strings.ContainsAny(*v.Document, "+ {") {
		t.Errorf("version is %+v", v)
	}
	p := must(r.GetPolicy(r.ctx, &api.GetPolicyRequest{PolicyArn: &arn}))(t).Policy
	if *p.DefaultVersionId != "v5" || !p.UpdateDate.After(*p.CreateDate) {
		t.Errorf("policy is %+v", p)
	}
	remove := func() error { return second(r.DeletePolicy(r.ctx, &api.DeletePolicyRequest{PolicyArn: &arn})) }
	want(t, "delete with versions", remove(), "DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	for _, id := range []string{"v2", "v4", "v6"} {
		want(t, id, del(id), "")
	}
	want(t, "delete", remove(), "")
	want(t, "again", remove(), "NoSuchEntity", "Policy "+arn+" was not found.")
	if again := r.addPolicy("p"); again != arn {
		t.Errorf("again is %s", again)
	}
}

// A version that is put in force counts from the next request on.
func TestDefaultVersionCounts(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	arn := r.addPolicy("p")
	must(r.AttachUserPolicy(r.ctx, &api.AttachUserPolicyRequest{UserName: new("carol"), PolicyArn: &arn}))(t)
	carol := r.as("user/carol")
	list := func() error { return second(r.ListUsers(carol, &api.ListUsersRequest{})) }
	want(t, "before", list(), "AccessDenied")
	must(r.CreatePolicyVersion(r.ctx, &api.CreatePolicyVersionRequest{PolicyArn: &arn, PolicyDocument: new(allowing("iam:ListUsers")), SetAsDefault: new(true)}))(t)
	want(t, "in force", list(), "")
	must(r.SetDefaultPolicyVersion(r.ctx, &api.SetDefaultPolicyVersionRequest{PolicyArn: &arn, VersionId: new("v1")}))(t)
	want(t, "no more", list(), "AccessDenied")
}

func TestPoliciesOfTheCloud(t *testing.T) {
	r := newRig(t)
	p := must(r.GetPolicy(r.ctx, &api.GetPolicyRequest{PolicyArn: new(admin)}))(t).Policy
	if *p.Arn != admin || *p.DefaultVersionId != "v1" {
		t.Errorf("policy is %+v", p)
	}
	versions := must(r.ListPolicyVersions(r.ctx, &api.ListPolicyVersionsRequest{PolicyArn: new(admin)}))(t).Versions
	if len(versions) != 1 || *versions[0].VersionId != "v1" || !*versions[0].IsDefaultVersion {
		t.Errorf("versions are %+v", versions)
	}
	must(r.GetPolicyVersion(r.ctx, &api.GetPolicyVersionRequest{PolicyArn: new(admin), VersionId: new("v1")}))(t)
	if list := must(r.ListPolicyTags(r.ctx, &api.ListPolicyTagsRequest{PolicyArn: new(admin)}))(t); len(list.Tags) != 0 {
		t.Errorf("tags are %+v", list.Tags)
	}
	for what, err := range map[string]error{
		"delete":         second(r.DeletePolicy(r.ctx, &api.DeletePolicyRequest{PolicyArn: new(admin)})),
		"new version":    second(r.CreatePolicyVersion(r.ctx, &api.CreatePolicyVersionRequest{PolicyArn: new(admin), PolicyDocument: new(allowing("*"))})),
		"delete version": second(r.DeletePolicyVersion(r.ctx, &api.DeletePolicyVersionRequest{PolicyArn: new(admin), VersionId: new("v1")})),
		"set default":    second(r.SetDefaultPolicyVersion(r.ctx, &api.SetDefaultPolicyVersionRequest{PolicyArn: new(admin), VersionId: new("v1")})),
		"tag":            second(r.TagPolicy(r.ctx, &api.TagPolicyRequest{PolicyArn: new(admin), Tags: tags("a", "b")})),
		"untag":          second(r.UntagPolicy(r.ctx, &api.UntagPolicyRequest{PolicyArn: new(admin), TagKeys: []string{"a"}})),
	} {
		want(t, what, err, "AccessDenied")
	}
}

func policyNames(policies []api.Policy) string {
	var names []string
	for _, p := range policies {
		names = append(names, *p.PolicyName)
	}
	return strings.Join(names, " ")
}

func TestListPolicies(t *testing.T) {
	r := newRig(t)
	b := r.addPolicy("b")
	a := r.addPolicy("A")
	must(r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{PolicyName: new("c"), Path: new("/team/"), PolicyDocument: new(allowing("*"))}))(t)
	must(r.CreatePolicy(r.bob, &api.CreatePolicyRequest{PolicyName: new("zz"), PolicyDocument: new(allowing("*"))}))(t)
	r.addUser("carol")
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("bert"), PermissionsBoundary: new(password)}))(t)
	must(r.AttachUserPolicy(r.ctx, &api.AttachUserPolicyRequest{UserName: new("carol"), PolicyArn: &b}))(t)
	must(r.AttachUserPolicy(r.ctx, &api.AttachUserPolicyRequest{UserName: new("carol"), PolicyArn: new(admin)}))(t)
	must(r.PutUserPermissionsBoundary(r.ctx, &api.PutUserPermissionsBoundaryRequest{UserName: new("carol"), PermissionsBoundary: &a}))(t)
	for _, c := range []struct {
		what  string
		in    api.ListPoliciesRequest
		names string
		code  string
	}{
		{"local", api.ListPoliciesRequest{Scope: new("Local")}, "A b c", ""},
		{"below a path", api.ListPoliciesRequest{Scope: new("Local"), PathPrefix: new("/team")}, "c", ""},
		{"attached", api.ListPoliciesRequest{OnlyAttached: new(true)}, "AdministratorAccess b", ""},
		{"local and attached", api.ListPoliciesRequest{Scope: new("Local"), OnlyAttached: new(true)}, "b", ""},
		{"of the cloud and attached", api.ListPoliciesRequest{Scope: new("AWS"), OnlyAttached: new(true)}, "AdministratorAccess", ""},
		{"boundaries", api.ListPoliciesRequest{PolicyUsageFilter: new("PermissionsBoundary")}, "A", ""},
		{"permissions", api.ListPoliciesRequest{PolicyUsageFilter: new("PermissionsPolicy")}, "AdministratorAccess b", ""},
		{"boundaries that are attached", api.ListPoliciesRequest{PolicyUsageFilter: new("PermissionsBoundary"), OnlyAttached: new(true)}, "A", ""},
		{"no scope", api.ListPoliciesRequest{Scope: new("local")}, "", "ValidationError"},
		{"no usage", api.ListPoliciesRequest{PolicyUsageFilter: new("x")}, "", "ValidationError"},
		{"no prefix", api.ListPoliciesRequest{PathPrefix: new("x")}, "", "ValidationError"},
	} {
		out, err := r.ListPolicies(r.ctx, &c.in)
		want(t, c.what, err, c.code)
		if err == nil && policyNames(out.Policies) != c.names {
			t.Errorf("%s: got %q, want %q", c.what, policyNames(out.Policies), c.names)
		}
	}
	var all []api.Policy
	for in := (&api.ListPoliciesRequest{MaxItems: new(int32(7))}); ; {
		page := must(r.ListPolicies(r.ctx, in))(t)
		all = append(all, page.Policies...)
		if in.Marker = page.Marker; !*page.IsTruncated {
			break
		}
	}
	whole := must(r.ListPolicies(r.ctx, &api.ListPoliciesRequest{MaxItems: new(int32(1000))}))(t).Policies
	if policyNames(all) != policyNames(whole) || len(all) < 5 {
		t.Errorf("pages have %q, the whole %q", policyNames(all), policyNames(whole))
	}
	if p := must(r.GetPolicy(r.ctx, &api.GetPolicyRequest{PolicyArn: &a}))(t).Policy; *p.AttachmentCount != 0 || *p.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("policy is %+v", p)
	}
	want(t, "delete a boundary", second(r.DeletePolicy(r.ctx, &api.DeletePolicyRequest{PolicyArn: &a})), "DeleteConflict", "Cannot delete a policy attached to entities.")
	want(t, "delete an attached one", second(r.DeletePolicy(r.ctx, &api.DeletePolicyRequest{PolicyArn: &b})), "DeleteConflict", "Cannot delete a policy attached to entities.")
	must(r.DeleteUserPermissionsBoundary(r.ctx, &api.DeleteUserPermissionsBoundaryRequest{UserName: new("carol")}))(t)
	must(r.DeletePolicy(r.ctx, &api.DeletePolicyRequest{PolicyArn: &a}))(t)
}
