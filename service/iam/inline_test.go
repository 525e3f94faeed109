package iam

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// bearerOps are the operations on the policies of one kind of entities, for tests
// that are the same for all.
type bearerOps struct {
	word           string
	put            func(entity, name, document string) error
	get            func(entity, name string) (string, error)
	list           func(entity string, items *int32, marker *string) ([]string, *string, error)
	remove         func(entity, name string) error
	attach, detach func(entity, arn string) error
	attached       func(entity string, prefix *string, items *int32, marker *string) ([]api.AttachedPolicy, *string, error)
}

// bearers makes a user, a group and a role with the name "x".
func (r *rig) bearers() []bearerOps {
	r.Helper()
	r.addUser("x")
	r.addGroup("x")
	r.addRole("x")
	return []bearerOps{
		{
			"user",
			func(e, n, d string) error {
				return second(r.PutUserPolicy(r.ctx, &api.PutUserPolicyRequest{UserName: &e, PolicyName: &n, PolicyDocument: &d}))
			},
			func(e, n string) (string, error) {
				out, err := r.GetUserPolicy(r.ctx, &api.GetUserPolicyRequest{UserName: &e, PolicyName: &n})
				if err != nil {
					return "", err
				}
				return *out.UserName + " " + *out.PolicyName + " " + *out.PolicyDocument, nil
			},
			func(e string, items *int32, marker *string) ([]string, *string, error) {
				out, err := r.ListUserPolicies(r.ctx, &api.ListUserPoliciesRequest{UserName: &e, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.PolicyNames, out.Marker, nil
			},
			func(e, n string) error {
				return second(r.DeleteUserPolicy(r.ctx, &api.DeleteUserPolicyRequest{UserName: &e, PolicyName: &n}))
			},
			func(e, a string) error {
				return second(r.AttachUserPolicy(r.ctx, &api.AttachUserPolicyRequest{UserName: &e, PolicyArn: &a}))
			},
			func(e, a string) error {
				return second(r.DetachUserPolicy(r.ctx, &api.DetachUserPolicyRequest{UserName: &e, PolicyArn: &a}))
			},
			func(e string, prefix *string, items *int32, marker *string) ([]api.AttachedPolicy, *string, error) {
				out, err := r.ListAttachedUserPolicies(r.ctx, &api.ListAttachedUserPoliciesRequest{UserName: &e, PathPrefix: prefix, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.AttachedPolicies, out.Marker, nil
			},
		},
		{
			"group",
			func(e, n, d string) error {
				return second(r.PutGroupPolicy(r.ctx, &api.PutGroupPolicyRequest{GroupName: &e, PolicyName: &n, PolicyDocument: &d}))
			},
			func(e, n string) (string, error) {
				out, err := r.GetGroupPolicy(r.ctx, &api.GetGroupPolicyRequest{GroupName: &e, PolicyName: &n})
				if err != nil {
					return "", err
				}
				return *out.GroupName + " " + *out.PolicyName + " " + *out.PolicyDocument, nil
			},
			func(e string, items *int32, marker *string) ([]string, *string, error) {
				out, err := r.ListGroupPolicies(r.ctx, &api.ListGroupPoliciesRequest{GroupName: &e, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.PolicyNames, out.Marker, nil
			},
			func(e, n string) error {
				return second(r.DeleteGroupPolicy(r.ctx, &api.DeleteGroupPolicyRequest{GroupName: &e, PolicyName: &n}))
			},
			func(e, a string) error {
				return second(r.AttachGroupPolicy(r.ctx, &api.AttachGroupPolicyRequest{GroupName: &e, PolicyArn: &a}))
			},
			func(e, a string) error {
				return second(r.DetachGroupPolicy(r.ctx, &api.DetachGroupPolicyRequest{GroupName: &e, PolicyArn: &a}))
			},
			func(e string, prefix *string, items *int32, marker *string) ([]api.AttachedPolicy, *string, error) {
				out, err := r.ListAttachedGroupPolicies(r.ctx, &api.ListAttachedGroupPoliciesRequest{GroupName: &e, PathPrefix: prefix, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.AttachedPolicies, out.Marker, nil
			},
		},
		{
			"role",
			func(e, n, d string) error {
				return second(r.PutRolePolicy(r.ctx, &api.PutRolePolicyRequest{RoleName: &e, PolicyName: &n, PolicyDocument: &d}))
			},
			func(e, n string) (string, error) {
				out, err := r.GetRolePolicy(r.ctx, &api.GetRolePolicyRequest{RoleName: &e, PolicyName: &n})
				if err != nil {
					return "", err
				}
				return *out.RoleName + " " + *out.PolicyName + " " + *out.PolicyDocument, nil
			},
			func(e string, items *int32, marker *string) ([]string, *string, error) {
				out, err := r.ListRolePolicies(r.ctx, &api.ListRolePoliciesRequest{RoleName: &e, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.PolicyNames, out.Marker, nil
			},
			func(e, n string) error {
				return second(r.DeleteRolePolicy(r.ctx, &api.DeleteRolePolicyRequest{RoleName: &e, PolicyName: &n}))
			},
			func(e, a string) error {
				return second(r.AttachRolePolicy(r.ctx, &api.AttachRolePolicyRequest{RoleName: &e, PolicyArn: &a}))
			},
			func(e, a string) error {
				return second(r.DetachRolePolicy(r.ctx, &api.DetachRolePolicyRequest{RoleName: &e, PolicyArn: &a}))
			},
			func(e string, prefix *string, items *int32, marker *string) ([]api.AttachedPolicy, *string, error) {
				out, err := r.ListAttachedRolePolicies(r.ctx, &api.ListAttachedRolePoliciesRequest{RoleName: &e, PathPrefix: prefix, MaxItems: items, Marker: marker})
				if err != nil {
					return nil, nil, err
				}
				return out.AttachedPolicies, out.Marker, nil
			},
		},
	}
}

func TestInlinePolicies(t *testing.T) {
	r := newRig(t)
	quotas := map[string]int{"user": 2048, "group": 5120, "role": 10240}
	for _, ops := range r.bearers() {
		most, p := quotas[ops.word], allowing("ec2:*")
		for _, c := range []struct {
			what, entity, name, document, code, text string
		}{
			{"first", "x", "first", p, "", ""},
			{"replace", "X", "first", padded(100), "", ""},
			{"all characters", "x", "aZ09_+=,.@-", p, "", ""},
			{"the rest", "x", "rest", strings.ReplaceAll(padded(most-100-len(p)), `":`, "\" :\n "), "", ""},
			{"one more", "x", "more", p, "LimitExceeded", fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s x", most, ops.word)},
			{"a longer one", "x", "first", padded(101), "LimitExceeded", ""},
			{"a shorter one", "x", "first", padded(99), "", ""},
			{"nobody's", "none", "p", p, "NoSuchEntity", "The " + ops.word + " with name none cannot be found."},
			{"no name", "x", "", p, "ValidationError", ""},
			{"bad name", "x", "a b", p, "ValidationError", "The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
			{"long name", "x", strings.Repeat("p", 129), p, "ValidationError", ""},
			{"no document", "x", "p", "", "ValidationError", ""},
			{"malformed", "x", "p", p[1:], "MalformedPolicyDocument", ""},
			{"trust document", "x", "p", trusting(trustEC2), "MalformedPolicyDocument", ""},
		} {
			err := ops.put(c.entity, c.name, c.document)
			if c.text == "" {
				want(t, ops.word+": "+c.what, err, c.code)
			} else {
				want(t, ops.word+": "+c.what, err, c.code, c.text)
			}
		}
		if got := must(ops.get("X", "aZ09_+=,.@-"))(t); got != "x aZ09_+=,.@- "+strings.ReplaceAll(url.QueryEscape(p), "+", "%20") {
			t.Errorf("%s: got %q", ops.word, got)
		}
		want(t, ops.word, second(ops.get("x", "p")), "NoSuchEntity", "The "+ops.word+" policy with name p cannot be found.")
		want(t, ops.word, second(ops.get("x", "*")), "ValidationError")
		names, marker, err := ops.list("x", new(int32(2)), nil)
		want(t, ops.word, err, "")
		rest, end, err := ops.list("x", nil, marker)
		want(t, ops.word, err, "")
		if got := strings.Join(append(names, rest...), " "); got != "aZ09_+=,.@- first rest" || end != nil {
			t.Errorf("%s: names are %q", ops.word, got)
		}
		want(t, ops.word, ops.remove("x", "none"), "NoSuchEntity", "The "+ops.word+" policy with name none cannot be found.")
		want(t, ops.word, ops.remove("x", "/"), "ValidationError")
		for _, name := range []string{"aZ09_+=,.@-", "first", "rest"} {
			want(t, ops.word, ops.remove("x", name), "")
		}
		if names, _, _ := ops.list("x", nil, nil); names == nil || len(names) != 0 {
			t.Errorf("%s: names are %q", ops.word, names)
		}
	}
}

func TestAttachPolicies(t *testing.T) {
	r := newRig(t)
	team := *must(r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{PolicyName: new("team"), Path: new("/a/"), PolicyDocument: new(allowing("*"))}))(t).Policy.Arn
	arns := []string{admin, team}
	for i := range 9 {
		arns = append(arns, r.addPolicy(fmt.Sprint("p", i)))
	}
	quotas := map[string]string{"user": "PoliciesPerUser", "group": "PoliciesPerGroup", "role": "PoliciesPerRole"}
	for _, ops := range r.bearers() {
		for _, arn := range arns[:10] {
			want(t, ops.word+" "+arn, ops.attach("x", arn), "")
		}
		want(t, ops.word+": again", ops.attach("x", admin), "")
		want(t, ops.word+": the 11th", ops.attach("x", arns[10]), "LimitExceeded", "Cannot exceed quota for "+quotas[ops.word]+": 10")
		want(t, ops.word+": nobody's", ops.attach("none", admin), "NoSuchEntity", "The "+ops.word+" with name none cannot be found.")
		want(t, ops.word+": no such policy", ops.attach("x", admin+"2"), "NoSuchEntity", "Policy "+admin+"2 does not exist or is not attachable.")
		want(t, ops.word+": no policy", ops.attach("x", "arn:aws:iam::aws:role/AdministratorAccess"), "InvalidInput")
		want(t, ops.word+": no ARN", ops.attach("x", "AdministratorAccess"), "ValidationError")
		first, marker, err := ops.attached("x", nil, new(int32(4)), nil)
		want(t, ops.word, err, "")
		rest, _, err := ops.attached("x", nil, nil, marker)
		want(t, ops.word, err, "")
		var names []string
		for _, p := range append(first, rest...) {
			names = append(names, *p.PolicyName)
		}
		if got := strings.Join(names, " "); got != "AdministratorAccess p0 p1 p2 p3 p4 p5 p6 p7 team" {
			t.Errorf("%s: attached are %q", ops.word, got)
		}
		below, _, err := ops.attached("x", new("/a/"), nil, nil)
		if err != nil || len(below) != 1 || *below[0].PolicyArn != team {
			t.Errorf("%s: below the path are %+v, %v", ops.word, below, err)
		}
		_, _, err = ops.attached("x", new("a"), nil, nil)
		want(t, ops.word+": bad prefix", err, "ValidationError")
		want(t, ops.word+": detach what is not attached", ops.detach("x", arns[10]), "NoSuchEntity", "Policy "+arns[10]+" was not found.")
		want(t, ops.word+": detach", ops.detach("x", team), "")
		want(t, ops.word+": detach again", ops.detach("x", team), "NoSuchEntity")
		want(t, ops.word+": detach nonsense", ops.detach("x", "x"), "ValidationError")
	}
	if p := must(r.GetPolicy(r.ctx, &api.GetPolicyRequest{PolicyArn: new(admin)}))(t).Policy; *p.AttachmentCount != 3 {
		t.Errorf("policy is %+v", p)
	}
	if p := must(r.GetPolicy(r.bob, &api.GetPolicyRequest{PolicyArn: new(admin)}))(t).Policy; *p.AttachmentCount != 0 {
		t.Errorf("bob sees %+v", p)
	}
}

func TestListEntitiesForPolicy(t *testing.T) {
	r := newRig(t)
	for _, ops := range r.bearers() {
		want(t, ops.word, ops.attach("x", admin), "")
	}
	must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: new("y"), Path: new("/team/"), PermissionsBoundary: new(admin)}))(t)
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("z"), PermissionsBoundary: new(admin)}))(t)
	show := func(out *api.ListEntitiesForPolicyResponse) string {
		var all []string
		for _, g := range out.PolicyGroups {
			all = append(all, "group "+*g.GroupName+" "+(*g.GroupId)[:4])
		}
		for _, g := range out.PolicyRoles {
			all = append(all, "role "+*g.RoleName+" "+(*g.RoleId)[:4])
		}
		for _, g := range out.PolicyUsers {
			all = append(all, "user "+*g.UserName+" "+(*g.UserId)[:4])
		}
		return strings.Join(all, ", ")
	}
	const group, role, x, y = "group x AGPA", "role x AROA", "user x AIDA", "user y AIDA"
	for _, c := range []struct {
		what string
		in   api.ListEntitiesForPolicyRequest
		all  string
		code string
	}{
		{"all", api.ListEntitiesForPolicyRequest{}, group + ", " + role + ", " + x + ", " + y, ""},
		{"users", api.ListEntitiesForPolicyRequest{EntityFilter: new("User")}, x + ", " + y, ""},
		{"groups", api.ListEntitiesForPolicyRequest{EntityFilter: new("Group")}, group, ""},
		{"roles", api.ListEntitiesForPolicyRequest{EntityFilter: new("Role")}, role, ""},
		{"below a path", api.ListEntitiesForPolicyRequest{PathPrefix: new("/team/")}, y, ""},
		{"attached", api.ListEntitiesForPolicyRequest{PolicyUsageFilter: new("PermissionsPolicy")}, group + ", " + role + ", " + x, ""},
		{"bounded", api.ListEntitiesForPolicyRequest{PolicyUsageFilter: new("PermissionsBoundary")}, y, ""},
		{"no entity", api.ListEntitiesForPolicyRequest{EntityFilter: new("user")}, "", "ValidationError"},
		{"no usage", api.ListEntitiesForPolicyRequest{PolicyUsageFilter: new("x")}, "", "ValidationError"},
		{"no prefix", api.ListEntitiesForPolicyRequest{PathPrefix: new("x")}, "", "ValidationError"},
		{"no policy", api.ListEntitiesForPolicyRequest{PolicyArn: new(admin + "2")}, "", "NoSuchEntity"},
	} {
		if c.in.PolicyArn == nil {
			c.in.PolicyArn = new(admin)
		}
		out, err := r.ListEntitiesForPolicy(r.ctx, &c.in)
		want(t, c.what, err, c.code)
		if err == nil && show(out) != c.all {
			t.Errorf("%s: got %s", c.what, show(out))
		}
	}
	first := must(r.ListEntitiesForPolicy(r.ctx, &api.ListEntitiesForPolicyRequest{PolicyArn: new(admin), MaxItems: new(int32(2))}))(t)
	rest := must(r.ListEntitiesForPolicy(r.ctx, &api.ListEntitiesForPolicyRequest{PolicyArn: new(admin), Marker: first.Marker}))(t)
	if show(first) != group+", "+role || show(rest) != x+", "+y {
		t.Errorf("pages are %s and %s", show(first), show(rest))
	}
}
