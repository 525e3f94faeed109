package organizations

import (
	"slices"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
)

func TestOrganization(t *testing.T) {
	r := newRig(t)
	o := must(r.DescribeOrganization(r.AsRoot(alice), nil))(t).Organization
	if *o.MasterAccountId != management || *o.FeatureSet != "ALL" || *o.Arn != "arn:aws:organizations::"+management+":organization/"+*o.Id ||
		*o.MasterAccountArn != "arn:aws:organizations::"+management+":account/"+*o.Id+"/"+management || *o.MasterAccountEmail != management+"@example.org" {
		t.Errorf("organization is %+v", o)
	}
	roots := must(r.ListRoots(r.ctx, &api.ListRootsRequest{}))(t).Roots
	if len(roots) != 1 || *roots[0].Id != r.root || *roots[0].Name != "Root" || *roots[0].PolicyTypes[0].Type != "SERVICE_CONTROL_POLICY" {
		t.Errorf("roots are %+v", roots)
	}
	services := must(r.ListAWSServiceAccessForOrganization(r.ctx, &api.ListAWSServiceAccessForOrganizationRequest{}))(t).EnabledServicePrincipals
	if services == nil || len(services) > 0 {
		t.Errorf("services are %v", services)
	}
	_, err := r.CreateOrganization(r.ctx, &api.CreateOrganizationRequest{})
	want(t, "create", err, "AlreadyInOrganizationException")
	_, err = r.LeaveOrganization(r.ctx, nil)
	want(t, "leave", err, "MasterCannotLeaveOrganizationException")
	for id, wanted := range map[string]string{
		management: "MasterCannotLeaveOrganizationException", "999999999999": "AccountNotFoundException",
		alice: "ConstraintViolationException ACCOUNT_CANNOT_LEAVE_ORGANIZATION", "x": "InvalidInputException INVALID_PATTERN",
	} {
		_, err = r.RemoveAccountFromOrganization(r.ctx, &api.RemoveAccountFromOrganizationRequest{AccountId: &id})
		want(t, "remove "+id, err, wanted)
	}
}

func TestUnits(t *testing.T) {
	r := newRig(t)
	create := func(parent, name string) error {
		_, err := r.CreateOrganizationalUnit(r.ctx, &api.CreateOrganizationalUnitRequest{ParentId: &parent, Name: &name})
		return err
	}
	missing := "ou-" + r.root[2:] + "-zzzzzzzz"
	_, err := r.DescribeOrganizationalUnit(r.ctx, &api.DescribeOrganizationalUnitRequest{OrganizationalUnitId: &missing})
	want(t, "describe nothing", err, "OrganizationalUnitNotFoundException")
	_, err = r.DescribeOrganizationalUnit(r.ctx, &api.DescribeOrganizationalUnitRequest{OrganizationalUnitId: &r.root})
	want(t, "describe the root as a unit", err, "InvalidInputException INVALID_PATTERN")
	team := r.unit(r.root, "team")
	for _, test := range []struct{ what, parent, name, wanted string }{
		{"same name", r.root, "team", "DuplicateOrganizationalUnitException"},
		{"same name elsewhere", team, "team", ""},
		{"no parent", missing, "x", "ParentNotFoundException"},
		{"another root", "r-zzzz0", "x", "ParentNotFoundException"},
		{"below an account", alice, "x", "InvalidInputException INVALID_PATTERN"},
		{"no name", r.root, "", "InvalidInputException INPUT_REQUIRED"},
		{"long name", r.root, strings.Repeat("é", 129), "InvalidInputException MAX_LENGTH_EXCEEDED"},
		{"longest name", r.root, strings.Repeat("é", 128), ""},
	} {
		want(t, test.what, create(test.parent, test.name), test.wanted)
	}
	at := r.root
	for range maxDepth {
		at = r.unit(at, "deep")
	}
	want(t, "too deep", create(at, "deep"), "ConstraintViolationException OU_DEPTH_LIMIT_EXCEEDED")
	u := must(r.DescribeOrganizationalUnit(r.ctx, &api.DescribeOrganizationalUnitRequest{OrganizationalUnitId: &at}))(t).OrganizationalUnit
	if strings.Count(*u.Path, "/ou-") != maxDepth || !strings.HasSuffix(*u.Path, "/"+at+"/") || *u.Name != "deep" {
		t.Errorf("unit is %+v", *u.Path)
	}

	rename := func(id, name string) error {
		_, err := r.UpdateOrganizationalUnit(r.ctx, &api.UpdateOrganizationalUnitRequest{OrganizationalUnitId: &id, Name: &name})
		return err
	}
	want(t, "rename to a name that is taken", rename(team, "deep"), "DuplicateOrganizationalUnitException")
	want(t, "rename to its own name", rename(team, "team"), "")
	want(t, "rename", rename(team, "crew"), "")
	want(t, "rename nothing", rename(missing, "crew"), "OrganizationalUnitNotFoundException")
	want(t, "the old name is free", create(r.root, "team"), "")

	remove := func(id string) error {
		_, err := r.DeleteOrganizationalUnit(r.ctx, &api.DeleteOrganizationalUnitRequest{OrganizationalUnitId: &id})
		return err
	}
	want(t, "delete with a unit in it", remove(team), "OrganizationalUnitNotEmptyException")
	want(t, "move in", r.move(alice, r.root, at), "")
	want(t, "delete with an account in it", remove(at), "OrganizationalUnitNotEmptyException")
	want(t, "move out", r.move(alice, at, r.root), "")
	want(t, "delete", remove(at), "")
	want(t, "delete again", remove(at), "OrganizationalUnitNotFoundException")
	if p, _ := controlTable.Get(r.DB.View(), "p-FullAWSAccess"); slices.Contains(p.Targets, at) {
		t.Error("a policy is attached to a unit that is gone")
	}
}

func TestTree(t *testing.T) {
	r := newRig(t)
	a, b := r.unit(r.root, "a"), r.unit(r.root, "b")
	inner := r.unit(a, "inner")
	want(t, "move", r.move(alice, r.root, inner), "")
	children := func(parent, kind string) string {
		var ids []string
		for _, c := range must(r.ListChildren(r.ctx, &api.ListChildrenRequest{ParentId: &parent, ChildType: &kind}))(t).Children {
			if *c.Type != kind {
				t.Errorf("%s is a %s", *c.Id, *c.Type)
			}
			ids = append(ids, *c.Id)
		}
		return strings.Join(ids, " ")
	}
	both := []string{a, b}
	slices.Sort(both)
	for _, test := range []struct{ parent, kind, wanted string }{
		{r.root, "ORGANIZATIONAL_UNIT", strings.Join(both, " ")},
		{r.root, "ACCOUNT", bob + " " + management},
		{a, "ORGANIZATIONAL_UNIT", inner},
		{a, "ACCOUNT", ""},
		{inner, "ACCOUNT", alice},
	} {
		if got := children(test.parent, test.kind); got != test.wanted {
			t.Errorf("%s below %s: %q, want %q", test.kind, test.parent, got, test.wanted)
		}
	}
	_, err := r.ListChildren(r.ctx, &api.ListChildrenRequest{ParentId: &a, ChildType: new("ROOT")})
	want(t, "children of no kind", err, "InvalidInputException INVALID_ENUM")
	for child, wanted := range map[string]string{alice: inner + " ORGANIZATIONAL_UNIT", inner: a + " ORGANIZATIONAL_UNIT", a: r.root + " ROOT", management: r.root + " ROOT"} {
		p := must(r.ListParents(r.ctx, &api.ListParentsRequest{ChildId: &child}))(t).Parents
		if len(p) != 1 || *p[0].Id+" "+*p[0].Type != wanted {
			t.Errorf("parents of %s are %v, want %s", child, p, wanted)
		}
	}
	_, err = r.ListParents(r.ctx, &api.ListParentsRequest{ChildId: new("999999999999")})
	want(t, "parents of nobody", err, "ChildNotFoundException")
	_, err = r.ListParents(r.ctx, &api.ListParentsRequest{ChildId: &r.root})
	want(t, "parents of the root", err, "InvalidInputException INVALID_PATTERN")
	units := must(r.ListOrganizationalUnitsForParent(r.ctx, &api.ListOrganizationalUnitsForParentRequest{ParentId: &r.root, MaxResults: new(int32(1))}))(t)
	if len(units.OrganizationalUnits) != 1 || *units.OrganizationalUnits[0].Id != both[0] || units.NextToken == nil {
		t.Errorf("first page of units is %+v", units)
	}
	_, err = r.ListOrganizationalUnitsForParent(r.ctx, &api.ListOrganizationalUnitsForParentRequest{ParentId: new("r-zzzz0")})
	want(t, "units of no root", err, "ParentNotFoundException")
}

func TestTags(t *testing.T) {
	r := newRig(t)
	unit := r.unit(r.root, "unit")
	p := r.policy("p", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}`)
	tag := func(id string, list []api.Tag) error {
		_, err := r.TagResource(r.ctx, &api.TagResourceRequest{ResourceId: &id, Tags: list})
		return err
	}
	for _, id := range []string{r.root, unit, alice, p} {
		want(t, "tag "+id, tag(id, tags("b", "2", "a", id)), "")
		want(t, "replace "+id, tag(id, tags("b", "", "c", "3")), "")
		_, err := r.UntagResource(r.ctx, &api.UntagResourceRequest{ResourceId: &id, TagKeys: []string{"c", "none"}})
		want(t, "untag "+id, err, "")
	}
	for _, id := range []string{r.root, unit, alice, p} {
		got := must(r.ListTagsForResource(r.ctx, &api.ListTagsForResourceRequest{ResourceId: &id}))(t).Tags
		if len(got) != 2 || *got[0].Key != "a" || *got[0].Value != id || *got[1].Key != "b" || *got[1].Value != "" {
			t.Errorf("tags of %s are %+v", id, got)
		}
	}
	var many []string
	for i := range maxTags + 1 {
		many = append(many, "k"+strings.Repeat("x", i), "v")
	}
	for _, test := range []struct {
		what, id, wanted string
		tags             []api.Tag
	}{
		{"nothing", "999999999999", "TargetNotFoundException", tags("a", "1")},
		{"no tags", alice, "InvalidInputException INPUT_REQUIRED", nil},
		{"no key", alice, "InvalidInputException INPUT_REQUIRED", tags("", "1")},
		{"no value", alice, "InvalidInputException INPUT_REQUIRED", []api.Tag{{Key: new("a")}}},
		{"long key", alice, "InvalidInputException MAX_LENGTH_EXCEEDED", tags(strings.Repeat("k", 129), "1")},
		{"long value", alice, "InvalidInputException MAX_LENGTH_EXCEEDED", tags("a", strings.Repeat("v", 257))},
		{"too many", alice, "ConstraintViolationException MAX_TAG_LIMIT_EXCEEDED", tags(many...)},
		{"malformed", "x", "InvalidInputException INVALID_PATTERN", tags("a", "1")},
		{"the cloud's own policy", "p-FullAWSAccess", "InvalidInputException IMMUTABLE_POLICY", tags("a", "1")},
	} {
		want(t, test.what, tag(test.id, test.tags), test.wanted)
	}
	if got := r.account(alice).Tags; len(got) != 2 {
		t.Errorf("refused tags left %v", got)
	}
	_, err := r.UntagResource(r.ctx, &api.UntagResourceRequest{ResourceId: new(alice)})
	want(t, "untag nothing", err, "InvalidInputException INPUT_REQUIRED")
	_, err = r.ListTagsForResource(r.ctx, &api.ListTagsForResourceRequest{ResourceId: new("999999999999")})
	want(t, "tags of nobody", err, "TargetNotFoundException")
}
