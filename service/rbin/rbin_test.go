package rbin

import (
	"errors"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
)

func newService(t *testing.T) (*Service, *identitytest.Cloud) {
	t.Helper()
	c := identitytest.New(t)
	return &Service{DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, PageKey: []byte("a key")}, c
}

func days(n int32) *api.RetentionPeriod {
	return &api.RetentionPeriod{RetentionPeriodUnit: new("DAYS"), RetentionPeriodValue: &n}
}

func delay(n int32) *api.LockConfiguration {
	return &api.LockConfiguration{UnlockDelay: &api.UnlockDelay{UnlockDelayUnit: new("DAYS"), UnlockDelayValue: &n}}
}

func want(t *testing.T, what string, err error, code string) {
	t.Helper()
	got := ""
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		got = e.Code + " " + e.Reason
	} else if err != nil {
		got = err.Error()
	}
	if got != code {
		t.Errorf("%s: %v (%s), want %q", what, err, got, code)
	}
}

const (
	wrong   = "ValidationException INVALID_PARAMETER_VALUE"
	locked  = "ConflictException INVALID_RULE_STATE"
	unknown = "ResourceNotFoundException RULE_NOT_FOUND"
)

func TestLockedRule(t *testing.T) {
	s, c := newService(t)
	ctx := c.AsRoot(identitytest.Alice)
	made, err := s.CreateRule(ctx, &api.CreateRuleRequest{ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(7), LockConfiguration: delay(7)})
	if err != nil || *made.LockState != "locked" || len(*made.Identifier) != 11 {
		t.Fatalf("%+v, %v", made, err)
	}
	id := made.Identifier
	change := func() error {
		_, err := s.UpdateRule(ctx, &api.UpdateRuleRequest{Identifier: id, RetentionPeriod: days(8)})
		return err
	}
	remove := func() error {
		_, err := s.DeleteRule(ctx, &api.DeleteRuleRequest{Identifier: id})
		return err
	}
	want(t, "change", change(), locked)
	want(t, "delete", remove(), locked)
	_, err = s.LockRule(ctx, &api.LockRuleRequest{Identifier: id, LockConfiguration: delay(7)})
	want(t, "lock again", err, locked)
	out, err := s.UnlockRule(ctx, &api.UnlockRuleRequest{Identifier: id})
	if err != nil || *out.LockState != "pending_unlock" || out.LockEndTime.Sub(c.Now()) != 7*24*3600e9 {
		t.Errorf("unlocked: %+v, %v", out, err)
	}
	want(t, "change while it waits", change(), locked)
	_, err = s.LockRule(ctx, &api.LockRuleRequest{Identifier: id, LockConfiguration: delay(8)})
	want(t, "another delay", err, wrong)
	c.Seconds.Add(7 * 24 * 3600)
	want(t, "change", change(), "")
	got, err := s.GetRule(ctx, &api.GetRuleRequest{Identifier: id})
	if err != nil || *got.LockState != "unlocked" || *got.RetentionPeriod.RetentionPeriodValue != 8 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = s.GetRule(c.AsRoot(identitytest.Bob), &api.GetRuleRequest{Identifier: id})
	want(t, "another's", err, unknown)
	want(t, "delete", remove(), "")
	want(t, "delete again", remove(), unknown)
}

func TestListRules(t *testing.T) {
	s, c := newService(t)
	ctx := c.AsRoot(identitytest.Alice)
	for range 3 {
		if _, err := s.CreateRule(ctx, &api.CreateRuleRequest{ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(7)}); err != nil {
			t.Fatal(err)
		}
	}
	tagged, err := s.CreateRule(ctx, &api.CreateRuleRequest{
		ResourceType: new("EC2_IMAGE"), RetentionPeriod: days(1), ResourceTags: []api.ResourceTag{{ResourceTagKey: new("k"), ResourceTagValue: new("v")}}, Tags: []api.Tag{{Key: new("a"), Value: new("b")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	in, seen := &api.ListRulesRequest{ResourceType: new("EBS_SNAPSHOT"), MaxResults: new(int32(2))}, map[string]bool{}
	for pages := 0; ; pages++ {
		out, err := s.ListRules(ctx, in)
		if err != nil || pages > 1 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, r := range out.Rules {
			seen[*r.Identifier] = true
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("rules %v", seen)
	}
	for value, n := range map[string]int{"v": 1, "w": 0} {
		out, err := s.ListRules(ctx, &api.ListRulesRequest{ResourceType: new("EC2_IMAGE"), ResourceTags: []api.ResourceTag{{ResourceTagKey: new("k"), ResourceTagValue: &value}}})
		if err != nil || len(out.Rules) != n {
			t.Errorf("with k=%s: %+v, %v", value, out, err)
		}
	}
	_, err = s.TagResource(ctx, &api.TagResourceRequest{ResourceArn: tagged.RuleArn, Tags: []api.Tag{{Key: new("c"), Value: new("d")}}})
	want(t, "tag", err, "")
	_, err = s.UntagResource(ctx, &api.UntagResourceRequest{ResourceArn: tagged.RuleArn, TagKeys: []string{"a"}})
	want(t, "untag", err, "")
	if tags, err := s.ListTagsForResource(ctx, &api.ListTagsForResourceRequest{ResourceArn: tagged.RuleArn}); err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "c" {
		t.Errorf("%+v, %v", tags, err)
	}
	_, err = s.ListRules(ctx, &api.ListRulesRequest{ResourceType: new("EBS_SNAPSHOT"), NextToken: new("x")})
	want(t, "token", err, "ValidationException INVALID_PAGE_TOKEN")
}

func TestRefusals(t *testing.T) {
	s, c := newService(t)
	ctx := c.AsRoot(identitytest.Alice)
	tag := []api.ResourceTag{{ResourceTagKey: new("k")}}
	for what, in := range map[string]api.CreateRuleRequest{
		"resource":          {ResourceType: new("x"), RetentionPeriod: days(1)},
		"no days":           {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(0)},
		"too long":          {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(366)},
		"both tags":         {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(1), ResourceTags: tag, ExcludeResourceTags: tag},
		"lock with tags":    {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(1), ResourceTags: tag, LockConfiguration: delay(7)},
		"short delay":       {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(1), LockConfiguration: delay(6)},
		"long delay":        {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(1), LockConfiguration: delay(31)},
		"a tag's key":       {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(1), Tags: []api.Tag{{Key: new(""), Value: new("")}}},
		"a tag to look for": {ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: days(1), ResourceTags: []api.ResourceTag{{ResourceTagKey: new("aws:x")}}},
	} {
		_, err := s.CreateRule(ctx, &in)
		want(t, what, err, wrong)
	}
}
