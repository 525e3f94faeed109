package ec2

import (
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// associations lists associations as "INSTANCE PROFILE-ID".
func (r *rig) associations(in ec2.DescribeIamInstanceProfileAssociationsRequest) ([]string, error) {
	out, err := r.DescribeIamInstanceProfileAssociations(r.ctx, &in)
	if err != nil {
		return nil, err
	}
	return each(out.IamInstanceProfileAssociations, func(a ec2.IamInstanceProfileAssociation) string {
		if *a.State != "associated" || !strings.HasPrefix(*a.AssociationId, "iip-assoc-0") || a.Timestamp.IsZero() {
			r.Errorf("got association %s, %s at %s", *a.AssociationId, *a.State, a.Timestamp)
		}
		return *a.InstanceId + " " + *a.IamInstanceProfile.Id
	}), nil
}

func TestLaunchWithProfile(t *testing.T) {
	r := newGuestRig(t)
	p := r.addProfile(alice, "Web")
	for _, spec := range []*ec2.IamInstanceProfileSpecification{byName("Web"), {Arn: new(profileARN(p))}} {
		out := must(r.RunInstances(r.ctx, r.request(func(in *runIn) { in.IamInstanceProfile, in.MinCount, in.MaxCount = spec, new(int32(2)), new(int32(2)) })))(t)
		for _, i := range out.Instances {
			if *i.IamInstanceProfile.Arn != "arn:aws:iam::000000000001:instance-profile/app/Web" || *i.IamInstanceProfile.Id != p.ID {
				t.Errorf("the answer shows %+v", *i.IamInstanceProfile)
			}
		}
		one, two := r.doc(*out.Instances[0].InstanceId), r.doc(*out.Instances[1].InstanceId)
		if one.Profile.ID == two.Profile.ID || !cloud.ValidID("iip-assoc", one.Profile.ID) || !one.Profile.Since.Equal(r.Now()) {
			t.Errorf("associations %+v and %+v", one.Profile, two.Profile)
		}
	}
	if got := r.describe(r.launchIDs()[0]).IamInstanceProfile; got != nil {
		t.Errorf("without a profile: got %+v", *got)
	}
}

func TestUnknownProfiles(t *testing.T) {
	r := newGuestRig(t)
	r.addProfile(bob, "bobs")
	p := r.addProfile(alice, "empty")
	r.update(func(tx *store.Tx) error {
		return profileTable.Modify(tx, p.ID, func(p *cloud.InstanceProfile) error { p.Role = ""; return nil })
	})
	running := r.running()
	for _, c := range []struct {
		spec          ec2.IamInstanceProfileSpecification
		code, message string
	}{
		{*byName("x"), "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		{*byName("bobs"), "InvalidParameterValue", "Value (bobs) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		{
			ec2.IamInstanceProfileSpecification{Arn: new("arn:aws:iam::000000000002:instance-profile/app/bobs")},
			"InvalidParameterValue",
			"Value (arn:aws:iam::000000000002:instance-profile/app/bobs) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
		},
		{
			ec2.IamInstanceProfileSpecification{Arn: new("arn:aws:iam::000000000001:instance-profile/empty")}, "InvalidParameterValue", // without its path
			"Value (arn:aws:iam::000000000001:instance-profile/empty) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
		},
		{
			ec2.IamInstanceProfileSpecification{Arn: new("a"), Name: new("b")},
			"InvalidParameterCombination",
			"The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
		},
		{*byName("empty"), "InvalidParameterValue", `IAM Instance Profile "arn:aws:iam::000000000001:instance-profile/app/empty" has no associated IAM Roles`},
	} {
		_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) { in.IamInstanceProfile = &c.spec }))
		want(t, "launch with "+c.message, err, c.code, c.message)
		_, err = r.AssociateIamInstanceProfile(r.ctx, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &running, IamInstanceProfile: &c.spec})
		want(t, "associate "+c.message, err, c.code, c.message)
	}
	if got := must(r.associations(ec2.DescribeIamInstanceProfileAssociationsRequest{}))(t); len(got) > 0 {
		t.Errorf("got associations %v", got)
	}
}

// A profile is given, replaced and taken away, and everything shows it.
func TestAssociateProfile(t *testing.T) {
	r := newGuestRig(t)
	web, batch := r.addProfile(alice, "web"), r.addProfile(alice, "batch")
	id := r.running()
	associate := func(instance, name string) (*ec2.AssociateIamInstanceProfileResult, error) {
		return r.AssociateIamInstanceProfile(r.ctx, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &instance, IamInstanceProfile: byName(name)})
	}
	first := must(associate(id, "web"))(t).IamInstanceProfileAssociation
	if *first.State != "associating" || *first.InstanceId != id || *first.IamInstanceProfile.Arn != profileARN(web) || *first.IamInstanceProfile.Id != web.ID || !first.Timestamp.Equal(r.Now()) {
		t.Errorf("got %+v", first)
	}
	if got := r.describe(id).IamInstanceProfile; got == nil || *got.Id != web.ID {
		t.Errorf("the instance shows %+v", got)
	}
	_, err := associate(id, "batch")
	want(t, "a second", err, "IncorrectState", "There is an existing association for instance "+id)

	r.tick(60e9)
	second := must(r.ReplaceIamInstanceProfileAssociation(r.ctx, &ec2.ReplaceIamInstanceProfileAssociationRequest{AssociationId: first.AssociationId, IamInstanceProfile: byName("batch")}))(t).IamInstanceProfileAssociation
	if *second.AssociationId == *first.AssociationId || *second.State != "associating" || *second.IamInstanceProfile.Id != batch.ID || !second.Timestamp.Equal(r.Now()) {
		t.Errorf("got %+v", second)
	}
	if got := *r.describe(id).IamInstanceProfile.Arn; got != profileARN(batch) {
		t.Errorf("the instance shows %s", got)
	}
	_, err = r.ReplaceIamInstanceProfileAssociation(r.ctx, &ec2.ReplaceIamInstanceProfileAssociationRequest{AssociationId: first.AssociationId, IamInstanceProfile: byName("web")})
	want(t, "the replaced one", err, "InvalidAssociationID.NotFound", "An invalid association-id of '"+*first.AssociationId+"' was given")

	_, err = r.DisassociateIamInstanceProfile(r.bob, &ec2.DisassociateIamInstanceProfileRequest{AssociationId: second.AssociationId})
	want(t, "by bob", err, "InvalidAssociationID.NotFound")
	last := must(r.DisassociateIamInstanceProfile(r.ctx, &ec2.DisassociateIamInstanceProfileRequest{AssociationId: second.AssociationId}))(t).IamInstanceProfileAssociation
	if *last.State != "disassociating" || *last.AssociationId != *second.AssociationId || *last.IamInstanceProfile.Id != batch.ID {
		t.Errorf("got %+v", last)
	}
	if got := r.describe(id).IamInstanceProfile; got != nil {
		t.Errorf("the instance shows %+v", got)
	}
	_, err = r.DisassociateIamInstanceProfile(r.ctx, &ec2.DisassociateIamInstanceProfileRequest{AssociationId: second.AssociationId})
	want(t, "again", err, "InvalidAssociationID.NotFound")
	_, err = associate(id, "web")
	want(t, "anew", err, "")
}

func TestAssociateProfileRefuses(t *testing.T) {
	r := newGuestRig(t)
	r.addProfile(alice, "web")
	r.addProfile(bob, "web")
	_, err := r.AssociateIamInstanceProfile(r.ctx, &ec2.AssociateIamInstanceProfileRequest{InstanceId: new(r.stopped()), IamInstanceProfile: byName("web")})
	want(t, "stopped", err, "")
	mine := r.running()
	for what, c := range map[string]struct{ id, code string }{
		"pending":       {r.launchIDs()[0], "IncorrectInstanceState"},
		"shutting down": {r.inState(cloud.InstanceShuttingDown), "IncorrectInstanceState"},
		"terminated":    {r.inState(cloud.InstanceTerminated), "IncorrectInstanceState"},
		"not there":     {"i-00000000000000009", "InvalidInstanceID.NotFound"},
		"malformed":     {"i-x", "InvalidInstanceID.Malformed"},
	} {
		_, err := r.AssociateIamInstanceProfile(r.ctx, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &c.id, IamInstanceProfile: byName("web")})
		want(t, what, err, c.code)
	}
	_, err = r.AssociateIamInstanceProfile(r.bob, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &mine, IamInstanceProfile: byName("web")})
	want(t, "another's", err, "InvalidInstanceID.NotFound")
	_, err = r.AssociateIamInstanceProfile(r.ctx, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &mine})
	want(t, "no profile", err, "MissingParameter", "The request must contain the parameter IamInstanceProfile")
	_, err = r.ReplaceIamInstanceProfileAssociation(r.ctx, &ec2.ReplaceIamInstanceProfileAssociationRequest{IamInstanceProfile: byName("web")})
	want(t, "no association to replace", err, "MissingParameter", "The request must contain the parameter AssociationId")
	_, err = r.DisassociateIamInstanceProfile(r.ctx, &ec2.DisassociateIamInstanceProfileRequest{})
	want(t, "no association to end", err, "MissingParameter")
}

func TestDescribeProfileAssociations(t *testing.T) {
	r := newGuestRig(t)
	web, batch := r.addProfile(alice, "web"), r.addProfile(alice, "batch")
	ids := r.launchIDs(func(in *runIn) {
		in.IamInstanceProfile, in.MinCount, in.MaxCount = byName("web"), new(int32(6)), new(int32(6))
	})
	other := r.launchIDs(func(in *runIn) { in.IamInstanceProfile = byName("batch") })[0]
	r.launchIDs()
	slices.Sort(ids)
	type in = ec2.DescribeIamInstanceProfileAssociationsRequest
	association := r.doc(other).Profile.ID
	for what, c := range map[string]struct {
		in   in
		want int
		code string
	}{
		"all":            {in{}, 7, ""},
		"one":            {in{AssociationIds: []string{association}}, 1, ""},
		"unknown":        {in{AssociationIds: []string{association, "iip-assoc-00000000000000009"}}, 0, "InvalidAssociationID.NotFound"},
		"of an instance": {in{Filters: filters("instance-id", other)}, 1, ""},
		"of others":      {in{Filters: filters("instance-id", "i-00000000000000009")}, 0, ""},
		"associated":     {in{Filters: filters("state", "associated")}, 7, ""},
		"associating":    {in{Filters: filters("state", "associating")}, 0, ""},
		"one, filtered":  {in{AssociationIds: []string{association}, Filters: filters("instance-id", ids[0])}, 0, ""},
		"another filter": {in{Filters: filters("colour", "red")}, 0, "InvalidParameterValue"},
		"small pages":    {in{MaxResults: new(int32(4))}, 0, "InvalidParameterValue"},
		"large pages":    {in{MaxResults: new(int32(1001))}, 0, "InvalidParameterValue"},
		"a bad token":    {in{NextToken: new("x")}, 0, "InvalidPaginationToken"},
	} {
		got, err := r.associations(c.in)
		want(t, what, err, c.code)
		if len(got) != c.want {
			t.Errorf("%s: got %d, want %d", what, len(got), c.want)
		}
	}
	var seen []string
	for token, pages := (*string)(nil), 0; pages == 0 || token != nil; pages++ {
		out := must(r.DescribeIamInstanceProfileAssociations(r.ctx, &in{MaxResults: new(int32(5)), NextToken: token}))(t)
		for _, a := range out.IamInstanceProfileAssociations {
			seen = append(seen, *a.InstanceId)
		}
		token = out.NextToken
	}
	if all := slices.Sorted(slices.Values(append(slices.Clone(ids), other))); !slices.Equal(seen, all) {
		t.Errorf("the pages show %v, want %v", seen, all)
	}
	if out := must(r.DescribeIamInstanceProfileAssociations(r.bob, &in{}))(t); len(out.IamInstanceProfileAssociations) > 0 {
		t.Error("bob sees alice's associations")
	}
	for filter, n := range map[[2]string]int{
		{"iam-instance-profile.arn", profileARN(web)}: 6, {"iam-instance-profile.arn", profileARN(batch)}: 1,
		{"iam-instance-profile.id", web.ID}: 6, {"iam-instance-profile.name", "batch"}: 1, {"iam-instance-profile.id", "*"}: 7, {"iam-instance-profile.name", "x"}: 0,
	} {
		if got := must(r.instanceIDs(ec2.DescribeInstancesRequest{Filters: filters(filter[0], filter[1])}))(t); len(got) != n {
			t.Errorf("%v: got %d instances, want %d", filter, len(got), n)
		}
	}
}

// An association outlives the profile, and ends with the instance.
func TestProfileIsDeleted(t *testing.T) {
	r := newGuestRig(t)
	web := r.addProfile(alice, "web")
	id := r.running(func(in *runIn) { in.IamInstanceProfile = byName("web") })
	r.update(func(tx *store.Tx) error {
		tx.ReleaseAll(web.ID)
		return profileTable.Delete(tx, web.ID)
	})
	if got := r.describe(id).IamInstanceProfile; got == nil || *got.Arn != profileARN(web) || *got.Id != web.ID {
		t.Errorf("the instance shows %+v", got)
	}
	if got := must(r.associations(ec2.DescribeIamInstanceProfileAssociationsRequest{}))(t); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	association := r.doc(id).Profile.ID
	must(r.powerOps()["terminate"](id))(t)
	if got := must(r.associations(ec2.DescribeIamInstanceProfileAssociationsRequest{}))(t); len(got) != 0 {
		t.Errorf("while it shuts down: got %v", got)
	}
	_, err := r.DisassociateIamInstanceProfile(r.ctx, &ec2.DisassociateIamInstanceProfileRequest{AssociationId: &association})
	want(t, "while it shuts down", err, "InvalidAssociationID.NotFound")
	r.ends(id)
	r.settle(id)
	if got := r.describe(id).IamInstanceProfile; got != nil {
		t.Errorf("a terminated instance shows %+v", got)
	}
}

// Who gives an instance a profile must be allowed to pass its role to EC2.
func TestPassRole(t *testing.T) {
	r := newJudgeRig(t)
	r.addProfile(alice, "web")
	id := r.running()
	const role = "arn:aws:iam::" + alice + ":role/web"
	launch := launching()
	for _, c := range []struct{ what, pass, code string }{
		{"no permission", may("ec2:*", "image/none"), "UnauthorizedOperation"},
		{"the role", may("iam:PassRole", role), ""},
		{"another role", may("iam:PassRole", role+"2"), "UnauthorizedOperation"},
		{"to EC2", may("iam:PassRole", "*", equals("iam:PassedToService", "ec2.amazonaws.com")), ""},
		{"to another service", may("iam:PassRole", "*", equals("iam:PassedToService", "lambda.amazonaws.com")), "UnauthorizedOperation"},
		{"for instances", may("iam:PassRole", "*", `{"ArnLike":{"iam:AssociatedResourceArn":"arn:aws:ec2:*:*:instance/*"}}`), ""},
		{"for something else", may("iam:PassRole", "*", `{"ArnLike":{"iam:AssociatedResourceArn":"arn:aws:ec2:*:*:volume/*"}}`), "UnauthorizedOperation"},
		{"by its tags", may("iam:PassRole", "*", equals("aws:ResourceTag/team", "blue")), ""},
	} {
		user := r.user(append(launch, c.pass, may("ec2:AssociateIamInstanceProfile", "*"))...)
		for _, dry := range []bool{true, false} {
			code := c.code
			if dry && code == "" {
				code = "DryRunOperation"
			}
			_, err := r.RunInstances(user, r.request(func(in *runIn) { in.IamInstanceProfile, in.DryRun = byName("web"), &dry }))
			want(t, "launch, pass "+c.what, err, code)
			if c.code != "" && !strings.Contains(err.Error(), "not authorized to perform: iam:PassRole on resource: "+role) {
				t.Errorf("pass %s: %v", c.what, err)
			}
		}
		_, err := r.AssociateIamInstanceProfile(user, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &id, IamInstanceProfile: byName("web")})
		want(t, "associate, pass "+c.what, err, c.code)
		if err == nil {
			must(r.DisassociateIamInstanceProfile(r.ctx, &ec2.DisassociateIamInstanceProfileRequest{AssociationId: &r.doc(id).Profile.ID}))(t)
		}
	}
	_, err := r.RunInstances(r.user(launch...), r.request())
	want(t, "without a profile nothing is passed", err, "")

	r.addProfile(alice, "batch")
	only := r.user(may("iam:PassRole", "*"), may("ec2:AssociateIamInstanceProfile", "*", `{"ArnLike":{"ec2:NewInstanceProfile":"arn:aws:iam::*:instance-profile/app/batch"}}`))
	_, err = r.AssociateIamInstanceProfile(only, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &id, IamInstanceProfile: byName("web")})
	want(t, "another profile", err, "UnauthorizedOperation")
	_, err = r.AssociateIamInstanceProfile(only, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &id, IamInstanceProfile: byName("nothing")})
	want(t, "a profile that is not there", err, "UnauthorizedOperation")
	_, err = r.AssociateIamInstanceProfile(only, &ec2.AssociateIamInstanceProfileRequest{InstanceId: &id, IamInstanceProfile: byName("batch")})
	want(t, "the profile", err, "")
}
