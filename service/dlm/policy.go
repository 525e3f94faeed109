package dlm

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/dlm"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/tagging"
	"github.com/vauban-cloud/vauban/store"
)

const maxPolicies = 100 // of an account

// CreateLifecyclePolicy makes a policy.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_CreateLifecyclePolicy.html
func (s *Service) CreateLifecyclePolicy(ctx context.Context, in *api.CreateLifecyclePolicyRequest) (*api.CreateLifecyclePolicyResponse, error) {
	about := s.about(ctx, "*", tagging.Keys(in.Tags))
	caller, err := s.allow(ctx, "CreateLifecyclePolicy", about)
	if err == nil && len(in.Tags) > 0 {
		_, err = s.allow(ctx, "TagResource", about)
	}
	if err := cmp.Or(err, s.pass(ctx, val(in.ExecutionRoleArn))); err != nil {
		return nil, err
	}
	if in.DefaultPolicy != nil || in.CreateInterval != nil || in.RetainInterval != nil || in.CopyTags != nil || in.ExtendDeletion != nil || in.CrossRegionCopyTargets != nil || in.Exclusions != nil {
		return nil, absent("Default policies")
	}
	if in.PolicyDetails == nil {
		return nil, invalid("The parameter PolicyDetails is missing.")
	}
	if wrong := tagging.Check(in.Tags); wrong != "" {
		return nil, invalid("%s", wrong)
	}
	now := s.Now().UTC()
	p := cloud.LifecyclePolicy{Meta: cloud.Meta{ID: s.NewID("policy"), Account: caller.Account, Created: now, Tags: in.Tags}, Modified: now}
	if err := change(&p, in.Description, in.ExecutionRoleArn, in.State, in.PolicyDetails); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if policies.Count(tx, cloud.AccountLabel(caller.Account)) >= maxPolicies {
			return &cloud.Error{Code: "LimitExceededException", Status: 429, Message: "The account has as many policies as it may have."}
		}
		return policies.Create(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateLifecyclePolicyResponse{PolicyId: &p.ID}, nil
}

var description = regexp.MustCompile(`^[0-9A-Za-z _-]{1,500}$`)

// change sets what a request says of a policy, as far as it says it.
func change(p *cloud.LifecyclePolicy, text, role, state *string, d *api.PolicyDetails) error {
	p.Description, p.Role = cmp.Or(val(text), p.Description), cmp.Or(val(role), p.Role)
	owner := roleARN.FindStringSubmatch(p.Role)
	switch {
	case !description.MatchString(p.Description):
		return invalid("The description has 1 to 500 letters, digits, spaces, _ and -.")
	case owner == nil || owner[1] != p.Account:
		return invalid("ExecutionRoleArn %q is no role of the account.", p.Role)
	case state != nil && *state != api.SettablePolicyStateValuesENABLED && *state != api.SettablePolicyStateValuesDISABLED:
		return invalid("The state %q is not ENABLED or DISABLED.", *state)
	}
	if state != nil {
		p.Enabled = *state == api.SettablePolicyStateValuesENABLED
	}
	if d == nil {
		return nil
	}
	return details(p, d)
}

// UpdateLifecyclePolicy changes a policy. Times that have passed do not count for what is new.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_UpdateLifecyclePolicy.html
func (s *Service) UpdateLifecyclePolicy(ctx context.Context, in *api.UpdateLifecyclePolicyRequest) (*api.UpdateLifecyclePolicyResponse, error) {
	err := s.edit(ctx, "UpdateLifecyclePolicy", *in.PolicyId, nil, func(p *cloud.LifecyclePolicy) error {
		if err := s.pass(ctx, val(in.ExecutionRoleArn)); err != nil {
			return err
		}
		if in.CreateInterval != nil || in.RetainInterval != nil || in.CopyTags != nil || in.ExtendDeletion != nil || in.CrossRegionCopyTargets != nil || in.Exclusions != nil {
			return absent("Default policies")
		}
		p.Modified = s.Now().UTC()
		return change(p, in.Description, in.ExecutionRoleArn, in.State, in.PolicyDetails)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateLifecyclePolicyResponse{}, nil
}

// DeleteLifecyclePolicy deletes a policy. What it took stays.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_DeleteLifecyclePolicy.html
func (s *Service) DeleteLifecyclePolicy(ctx context.Context, in *api.DeleteLifecyclePolicyRequest) (*api.DeleteLifecyclePolicyResponse, error) {
	caller, err := s.allow(ctx, "DeleteLifecyclePolicy", s.about(ctx, *in.PolicyId, nil))
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		p, err := own(tx, caller, *in.PolicyId)
		if err != nil {
			return err
		}
		return policies.Delete(tx, p.ID)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteLifecyclePolicyResponse{}, nil
}

// GetLifecyclePolicy tells of a policy.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_GetLifecyclePolicy.html
func (s *Service) GetLifecyclePolicy(ctx context.Context, in *api.GetLifecyclePolicyRequest) (*api.GetLifecyclePolicyResponse, error) {
	caller, err := s.allow(ctx, "GetLifecyclePolicy", s.about(ctx, *in.PolicyId, nil))
	if err != nil {
		return nil, err
	}
	p, err := own(s.DB.View(), caller, *in.PolicyId)
	if err != nil {
		return nil, err
	}
	return &api.GetLifecyclePolicyResponse{Policy: &api.LifecyclePolicy{
		PolicyId: &p.ID, PolicyArn: new(s.arn(p.Account, p.ID)), Description: &p.Description, ExecutionRoleArn: &p.Role, State: new(stateOf(p)), StatusMessage: new(stateOf(p)),
		DateCreated: &p.Created, DateModified: &p.Modified, Tags: p.Tags, PolicyDetails: showDetails(p), DefaultPolicy: new(false),
	}}, nil
}

func stateOf(p cloud.LifecyclePolicy) string {
	if p.Enabled {
		return api.GettablePolicyStateValuesENABLED
	}
	return api.GettablePolicyStateValuesDISABLED
}

// GetLifecyclePolicies lists policies, all of them or those that a request describes.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_GetLifecyclePolicies.html
func (s *Service) GetLifecyclePolicies(ctx context.Context, in *api.GetLifecyclePoliciesRequest) (*api.GetLifecyclePoliciesResponse, error) {
	caller, err := s.allow(ctx, "GetLifecyclePolicies")
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	for _, id := range in.PolicyIds {
		if _, err := own(view, caller, id); err != nil {
			return nil, err
		}
	}
	out := &api.GetLifecyclePoliciesResponse{Policies: []api.LifecyclePolicySummary{}}
	if in.DefaultPolicyType != nil {
		return out, nil // there are none
	}
	for p := range policies.Select(view, cloud.AccountLabel(caller.Account)) {
		if described(p, in) {
			out.Policies = append(out.Policies, api.LifecyclePolicySummary{
				PolicyId: &p.ID, Description: &p.Description, State: new(stateOf(p)), Tags: p.Tags, PolicyType: new(api.PolicyTypeValuesEBSSNAPSHOTMANAGEMENT), DefaultPolicy: new(false),
			})
		}
	}
	return out, nil
}

// described reports whether a policy is one of those asked for.
func described(p cloud.LifecyclePolicy, in *api.GetLifecyclePoliciesRequest) bool {
	var added, targets []string
	for _, t := range p.Targets {
		targets = append(targets, t.Key+"="+val(t.Value))
	}
	for _, s := range p.Schedules {
		for key, value := range s.Tags {
			added = append(added, key+"="+value)
		}
	}
	among := func(asked, have []string) bool {
		return len(asked) == 0 || slices.ContainsFunc(asked, func(a string) bool { return slices.Contains(have, a) })
	}
	return among(in.PolicyIds, []string{p.ID}) && among(in.ResourceTypes, []string{p.Resource}) && among(in.TargetTags, targets) && among(in.TagsToAdd, added) &&
		(in.State == nil || *in.State == stateOf(p))
}

// TagResource gives tags to a policy.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	err := s.edit(ctx, "TagResource", s.idOf(ctx, in.ResourceArn), tagging.Keys(in.Tags), func(p *cloud.LifecyclePolicy) error {
		all := maps.Clone(p.Tags)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, in.Tags)
		if wrong := tagging.Check(all); wrong != "" {
			return invalid("%s", wrong)
		}
		p.Tags = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.TagResourceResponse{}, nil
}

// UntagResource takes tags from a policy.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResponse, error) {
	err := s.edit(ctx, "UntagResource", s.idOf(ctx, in.ResourceArn), keys{"aws:TagKeys": in.TagKeys}, func(p *cloud.LifecyclePolicy) error {
		p.Tags = maps.Clone(p.Tags)
		for _, key := range in.TagKeys {
			delete(p.Tags, key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UntagResourceResponse{}, nil
}

// ListTagsForResource tells the tags of a policy.
// https://docs.aws.amazon.com/dlm/latest/APIReference/API_ListTagsForResource.html
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	id := s.idOf(ctx, in.ResourceArn)
	caller, err := s.allow(ctx, "ListTagsForResource", s.about(ctx, id, nil))
	if err != nil {
		return nil, err
	}
	p, err := own(s.DB.View(), caller, id)
	if err != nil {
		return nil, err
	}
	tags := p.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return &api.ListTagsForResourceResponse{Tags: tags}, nil
}

func join(tags map[string]string) (out []api.Tag) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, api.Tag{Key: new(key), Value: new(tags[key])})
	}
	return out
}

// tagMap reads the tags of a request.
func tagMap(tags []api.Tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tags {
		out[val(t.Key)] = val(t.Value)
	}
	if wrong := tagging.Check(out); wrong != "" {
		return nil, invalid("%s", wrong)
	}
	if len(out) != len(tags) {
		return nil, invalid("A tag key is given more than once: %s.", strings.Join(slices.Sorted(maps.Keys(out)), ", "))
	}
	return out, nil
}
