package dlm

import (
	"errors"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/dlm"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
)

const role = "arn:aws:iam::" + identitytest.Alice + ":role/keeper"

func newService(t *testing.T) (*Service, *identitytest.Cloud) {
	t.Helper()
	c := identitytest.New(t)
	return &Service{DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, NewID: cloud.NewID}, c
}

// daily is a request that can be granted.
func daily() *api.CreateLifecyclePolicyRequest {
	return &api.CreateLifecyclePolicyRequest{
		Description: new("nightly backups"), ExecutionRoleArn: new(role), State: new("ENABLED"), Tags: map[string]string{"a": "b"},
		PolicyDetails: &api.PolicyDetails{
			ResourceTypes: []string{"INSTANCE"}, TargetTags: []api.Tag{{Key: new("team"), Value: new("blue")}},
			Schedules: []api.Schedule{{
				Name: new("daily"), CopyTags: new(true), TagsToAdd: []api.Tag{{Key: new("k"), Value: new("v")}}, VariableTags: []api.Tag{{Key: new("of"), Value: new("$(instance-id)")}},
				CreateRule: &api.CreateRule{Interval: new(int32(24)), IntervalUnit: new("HOURS"), Times: []string{"03:00"}},
				RetainRule: &api.RetainRule{Interval: new(int32(2)), IntervalUnit: new("WEEKS")},
			}},
		},
	}
}

func want(t *testing.T, what string, err error, code string) {
	t.Helper()
	got := ""
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		got = e.Code
	} else if err != nil {
		got = err.Error()
	}
	if got != code {
		t.Errorf("%s: %v, want %q", what, err, code)
	}
}

func TestLifeOfAPolicy(t *testing.T) {
	s, c := newService(t)
	ctx, bob := c.AsRoot(identitytest.Alice), c.AsRoot(identitytest.Bob)
	made, err := s.CreateLifecyclePolicy(ctx, daily())
	if err != nil {
		t.Fatal(err)
	}
	get := func() *api.LifecyclePolicy {
		t.Helper()
		out, err := s.GetLifecyclePolicy(ctx, &api.GetLifecyclePolicyRequest{PolicyId: made.PolicyId})
		if err != nil {
			t.Fatal(err)
		}
		return out.Policy
	}
	p := get()
	schedule := p.PolicyDetails.Schedules[0]
	if *p.State != "ENABLED" || *p.Description != "nightly backups" || *p.ExecutionRoleArn != role || p.Tags["a"] != "b" || *schedule.CreateRule.Interval != 24 ||
		schedule.CreateRule.Times[0] != "03:00" || *schedule.RetainRule.Interval != 2 || schedule.RetainRule.Count != nil || len(schedule.VariableTags) != 1 || !*schedule.CopyTags {
		t.Errorf("got %+v", p)
	}
	c.Seconds.Add(60)
	change := daily().PolicyDetails
	change.Schedules[0].CreateRule = &api.CreateRule{CronExpression: new("cron(0 3 ? * SUN *)")}
	change.Schedules[0].RetainRule = &api.RetainRule{Count: new(int32(3))}
	if _, err := s.UpdateLifecyclePolicy(ctx, &api.UpdateLifecyclePolicyRequest{PolicyId: made.PolicyId, State: new("DISABLED"), PolicyDetails: change}); err != nil {
		t.Fatal(err)
	}
	p = get()
	schedule = p.PolicyDetails.Schedules[0]
	if *p.State != "DISABLED" || *p.Description != "nightly backups" || *schedule.CreateRule.CronExpression == "" || *schedule.RetainRule.Count != 3 || p.DateModified.Sub(*p.DateCreated) != time.Minute {
		t.Errorf("after the change: %+v", p)
	}
	for _, in := range []api.GetLifecyclePoliciesRequest{
		{}, {State: new("DISABLED")}, {ResourceTypes: []string{"INSTANCE"}}, {TargetTags: []string{"team=blue"}}, {TagsToAdd: []string{"k=v"}}, {PolicyIds: []string{*made.PolicyId}},
	} {
		if out, err := s.GetLifecyclePolicies(ctx, &in); err != nil || len(out.Policies) != 1 {
			t.Errorf("%+v: %v, %v", in, out, err)
		}
	}
	for _, in := range []api.GetLifecyclePoliciesRequest{
		{State: new("ENABLED")}, {ResourceTypes: []string{"VOLUME"}}, {TargetTags: []string{"team=red"}}, {TagsToAdd: []string{"k=w"}}, {DefaultPolicyType: new("ALL")},
	} {
		if out, err := s.GetLifecyclePolicies(ctx, &in); err != nil || len(out.Policies) != 0 {
			t.Errorf("%+v: %v, %v", in, out, err)
		}
	}
	_, err = s.TagResource(ctx, &api.TagResourceRequest{ResourceArn: p.PolicyArn, Tags: map[string]string{"c": "d"}})
	want(t, "tag", err, "")
	_, err = s.UntagResource(ctx, &api.UntagResourceRequest{ResourceArn: p.PolicyArn, TagKeys: []string{"a"}})
	want(t, "untag", err, "")
	if tags, err := s.ListTagsForResource(ctx, &api.ListTagsForResourceRequest{ResourceArn: p.PolicyArn}); err != nil || len(tags.Tags) != 1 || tags.Tags["c"] != "d" {
		t.Errorf("tags %v, %v", tags, err)
	}
	_, err = s.GetLifecyclePolicy(bob, &api.GetLifecyclePolicyRequest{PolicyId: made.PolicyId})
	want(t, "another's", err, "ResourceNotFoundException")
	_, err = s.DeleteLifecyclePolicy(ctx, &api.DeleteLifecyclePolicyRequest{PolicyId: made.PolicyId})
	want(t, "delete", err, "")
	_, err = s.DeleteLifecyclePolicy(ctx, &api.DeleteLifecyclePolicyRequest{PolicyId: made.PolicyId})
	want(t, "delete again", err, "ResourceNotFoundException")
}

func TestRefusals(t *testing.T) {
	s, c := newService(t)
	ctx := c.AsRoot(identitytest.Alice)
	for what, edit := range map[string]func(in *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, s *api.Schedule){
		"no details": func(in *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, _ *api.Schedule) {
			in.PolicyDetails = nil
		},
		"default policy": func(in *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, _ *api.Schedule) {
			in.DefaultPolicy = new("VOLUME")
		},
		"description": func(in *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, _ *api.Schedule) {
			in.Description = new("a.b")
		},
		"another's role": func(in *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, _ *api.Schedule) {
			in.ExecutionRoleArn = new("role")
		},
		"state": func(in *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, _ *api.Schedule) {
			in.State = new("ERROR")
		},
		"tags": func(in *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, _ *api.Schedule) {
			in.Tags = map[string]string{"aws:x": ""}
		},
		"images": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) {
			d.PolicyType = new("IMAGE_MANAGEMENT")
		},
		"two resources": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) {
			d.ResourceTypes = []string{"VOLUME", "INSTANCE"}
		},
		"outposts": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) {
			d.ResourceLocations = []string{"OUTPOST"}
		},
		"no targets":   func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) { d.TargetTags = nil },
		"no schedules": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) { d.Schedules = nil },
		"the same name": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) {
			d.Schedules = append(d.Schedules, d.Schedules[0])
		},
		"reboot": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) {
			d.Parameters = &api.Parameters{NoReboot: new(true)}
		},
		"no name": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) { s.Name = nil },
		"no rule": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) { s.RetainRule = nil },
		"interval": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.CreateRule.Interval = new(int32(5))
		},
		"unit": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.CreateRule.IntervalUnit = new("DAYS")
		},
		"time": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.CreateRule.Times = []string{"25:00"}
		},
		"cron": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.CreateRule = &api.CreateRule{CronExpression: new("x")}
		},
		"scripts": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.CreateRule.Scripts = make([]api.Script, 1)
		},
		"count": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.RetainRule = &api.RetainRule{Count: new(int32(1001))}
		},
		"age": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.RetainRule.Interval = new(int32(6000))
		},
		"archive": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.ArchiveRule = &api.ArchiveRule{}
		},
		"fast restore": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.FastRestoreRule = &api.FastRestoreRule{}
		},
		"share": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.ShareRules = make([]api.ShareRule, 1)
		},
		"other regions": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.CrossRegionCopyRules = make([]api.CrossRegionCopyRule, 1)
		},
		"variable": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.VariableTags[0].Value = new("$(x)")
		},
		"tag twice": func(_ *api.CreateLifecyclePolicyRequest, _ *api.PolicyDetails, s *api.Schedule) {
			s.TagsToAdd = append(s.TagsToAdd, s.TagsToAdd[0])
		},
		"volume variable": func(_ *api.CreateLifecyclePolicyRequest, d *api.PolicyDetails, _ *api.Schedule) {
			d.ResourceTypes = []string{"VOLUME"}
		},
	} {
		in := daily()
		edit(in, in.PolicyDetails, &in.PolicyDetails.Schedules[0])
		_, err := s.CreateLifecyclePolicy(ctx, in)
		want(t, what, err, "InvalidRequestException")
	}
}
