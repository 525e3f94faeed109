package rbin

import (
	"context"
	"iter"
	"slices"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// GetRule tells of a rule.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_GetRule.html
func (s *Service) GetRule(ctx context.Context, in *api.GetRuleRequest) (*api.GetRuleResponse, error) {
	caller, err := s.allow(ctx, "GetRule", s.about(ctx, *in.Identifier), nil)
	if err != nil {
		return nil, err
	}
	r, err := own(s.DB.View(), caller, *in.Identifier)
	if err != nil {
		return nil, err
	}
	out := s.show(r)
	return &out, nil
}

// show is all that is told of a rule.
func (s *Service) show(r cloud.RecycleRule) api.GetRuleResponse {
	out := api.GetRuleResponse{
		Identifier: &r.ID, RuleArn: new(s.arn(r.Account, r.ID)), Description: opt(r.Description), ResourceType: &r.Resource,
		RetentionPeriod: period(r), ResourceTags: shown(r.Match), ExcludeResourceTags: shown(r.Exclude), Status: new(api.RuleStatusAvailable),
		LockState: new(lockState(r, s.Now())), LockEndTime: opt(r.Unlocks),
	}
	if r.UnlockDays != 0 {
		out.LockConfiguration = &api.LockConfiguration{UnlockDelay: &api.UnlockDelay{UnlockDelayUnit: new(api.UnlockDelayUnitDAYS), UnlockDelayValue: new(int32(r.UnlockDays))}} //nolint:gosec // maxUnlock at most
	}
	return out
}

func period(r cloud.RecycleRule) *api.RetentionPeriod {
	return &api.RetentionPeriod{RetentionPeriodUnit: new(api.RetentionPeriodUnitDAYS), RetentionPeriodValue: new(int32(r.Days))} //nolint:gosec // maxDays at most
}

func shown(tags []cloud.ResourceTag) (out []api.ResourceTag) {
	for _, t := range tags {
		out = append(out, api.ResourceTag{ResourceTagKey: &t.Key, ResourceTagValue: t.Value})
	}
	return out
}

// ListRules lists rules of one kind of resources, all of them or those with the given lock
// state or tags.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_ListRules.html
func (s *Service) ListRules(ctx context.Context, in *api.ListRulesRequest) (*api.ListRulesResponse, error) {
	caller := cloud.CallerFrom(ctx)
	all := policy.Resource{ARN: s.arn(caller.Account, "*"), Keys: keys{"rbin:Request/ResourceType": {*in.ResourceType}}}
	if _, err := s.allow(ctx, "ListRules", all, nil); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{api.ResourceTypeEBSSNAPSHOT, api.ResourceTypeEC2IMAGE}, *in.ResourceType) {
		return nil, invalid("The resource type %q is not EBS_SNAPSHOT or EC2_IMAGE.", *in.ResourceType)
	}
	chosen := func(r cloud.RecycleRule) bool {
		return r.Resource == *in.ResourceType && (in.LockState == nil || *in.LockState == lockState(r, s.Now())) &&
			hasAll(r.Match, in.ResourceTags) && hasAll(r.Exclude, in.ExcludeResourceTags)
	}
	seq := func(yield func(cloud.RecycleRule) bool) {
		for r := range rules.Select(s.DB.View(), cloud.AccountLabel(caller.Account)) {
			if chosen(r) && !yield(r) {
				return
			}
		}
	}
	found, next, err := s.cut(caller, iter.Seq[cloud.RecycleRule](seq), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListRulesResponse{Rules: []api.RuleSummary{}, NextToken: next}
	for _, r := range found {
		out.Rules = append(out.Rules, api.RuleSummary{
			Identifier: &r.ID, RuleArn: new(s.arn(r.Account, r.ID)), Description: opt(r.Description), RetentionPeriod: period(r), LockState: new(lockState(r, s.Now())),
		})
	}
	return out, nil
}

// hasAll reports whether a rule has all tags that are asked for.
func hasAll(have []cloud.ResourceTag, asked []api.ResourceTag) bool {
	for _, t := range asked {
		if !slices.ContainsFunc(have, func(h cloud.ResourceTag) bool {
			return h.Key == val(t.ResourceTagKey) && (t.ResourceTagValue == nil || h.Value != nil && *h.Value == *t.ResourceTagValue)
		}) {
			return false
		}
	}
	return true
}

// UpdateRule changes a rule that is not locked.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_UpdateRule.html
func (s *Service) UpdateRule(ctx context.Context, in *api.UpdateRuleRequest) (*api.UpdateRuleResponse, error) {
	about := s.about(ctx, *in.Identifier)
	if in.ResourceType != nil {
		about.Keys = with(about.Keys, "rbin:Request/ResourceType", *in.ResourceType)
	}
	r, err := s.edit(ctx, "UpdateRule", *in.Identifier, about, func(r *cloud.RecycleRule, now time.Time) error {
		switch {
		case !r.Changeable(now):
			return conflict("The rule %s is %s: it cannot be changed.", r.ID, lockState(*r, now))
		case in.ResourceType != nil && *in.ResourceType != r.Resource:
			return invalid("The resource type of a rule cannot be changed.")
		}
		return change(r, in.Description, in.RetentionPeriod, in.ResourceTags, in.ExcludeResourceTags)
	})
	if err != nil {
		return nil, err
	}
	g := s.show(r)
	return &api.UpdateRuleResponse{
		Identifier: g.Identifier, RuleArn: g.RuleArn, Description: g.Description, ResourceType: g.ResourceType, RetentionPeriod: g.RetentionPeriod,
		ResourceTags: g.ResourceTags, ExcludeResourceTags: g.ExcludeResourceTags, LockState: g.LockState, LockEndTime: g.LockEndTime, Status: g.Status,
	}, nil
}

// edit changes a rule of the caller's.
func (s *Service) edit(ctx context.Context, action, id string, about policy.Resource, do func(*cloud.RecycleRule, time.Time) error) (r cloud.RecycleRule, err error) {
	caller, err := s.allow(ctx, action, about, nil)
	if err != nil {
		return r, err
	}
	now := s.Now().UTC()
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if r, err = own(tx, caller, id); err != nil {
			return err
		}
		if err := do(&r, now); err != nil {
			return err
		}
		return rules.Put(tx, r)
	})
	return r, err
}

// DeleteRule deletes a rule that is not locked. What it keeps is kept as long as was said.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_DeleteRule.html
func (s *Service) DeleteRule(ctx context.Context, in *api.DeleteRuleRequest) (*api.DeleteRuleResponse, error) {
	caller, err := s.allow(ctx, "DeleteRule", s.about(ctx, *in.Identifier), nil)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		r, err := own(tx, caller, *in.Identifier)
		if err != nil {
			return err
		}
		if !r.Changeable(now) {
			return conflict("The rule %s is %s: it cannot be deleted.", r.ID, lockState(r, now))
		}
		return rules.Delete(tx, r.ID)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteRuleResponse{}, nil
}

// LockRule locks a rule, or locks it again.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_LockRule.html
func (s *Service) LockRule(ctx context.Context, in *api.LockRuleRequest) (*api.LockRuleResponse, error) {
	r, err := s.edit(ctx, "LockRule", *in.Identifier, s.about(ctx, *in.Identifier), func(r *cloud.RecycleRule, _ time.Time) error {
		if r.Locked {
			return conflict("The rule %s is locked already.", r.ID)
		}
		r.Unlocks = time.Time{}
		return lock(r, in.LockConfiguration)
	})
	if err != nil {
		return nil, err
	}
	g := s.show(r)
	return &api.LockRuleResponse{
		Identifier: g.Identifier, RuleArn: g.RuleArn, Description: g.Description, ResourceType: g.ResourceType, RetentionPeriod: g.RetentionPeriod,
		ResourceTags: g.ResourceTags, ExcludeResourceTags: g.ExcludeResourceTags, LockConfiguration: g.LockConfiguration, LockState: g.LockState, Status: g.Status,
	}, nil
}

// UnlockRule begins the delay after which a locked rule can be changed.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_UnlockRule.html
func (s *Service) UnlockRule(ctx context.Context, in *api.UnlockRuleRequest) (*api.UnlockRuleResponse, error) {
	r, err := s.edit(ctx, "UnlockRule", *in.Identifier, s.about(ctx, *in.Identifier), func(r *cloud.RecycleRule, now time.Time) error {
		if !r.Locked {
			return conflict("The rule %s is not locked.", r.ID)
		}
		r.Locked, r.Unlocks = false, now.AddDate(0, 0, r.UnlockDays)
		return nil
	})
	if err != nil {
		return nil, err
	}
	g := s.show(r)
	return &api.UnlockRuleResponse{
		Identifier: g.Identifier, RuleArn: g.RuleArn, Description: g.Description, ResourceType: g.ResourceType, RetentionPeriod: g.RetentionPeriod,
		ResourceTags: g.ResourceTags, ExcludeResourceTags: g.ExcludeResourceTags, LockConfiguration: g.LockConfiguration, LockState: g.LockState,
		LockEndTime: g.LockEndTime, Status: g.Status,
	}, nil
}
