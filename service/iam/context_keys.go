package iam

import (
	"context"
	"maps"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/policy"
)

// GetContextKeysForCustomPolicy lists the condition keys that policies mention.
func (s *Service) GetContextKeysForCustomPolicy(ctx context.Context, in *api.GetContextKeysForCustomPolicyRequest) (*api.GetContextKeysForPolicyResponse, error) {
	if _, err := s.allow(ctx, "GetContextKeysForCustomPolicy", nil); err != nil {
		return nil, err
	}
	return contextKeys(nil, in.PolicyInputList)
}

// GetContextKeysForPrincipalPolicy lists the condition keys that the policies of a
// user, a role or a group mention, and those that are given.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, in *api.GetContextKeysForPrincipalPolicyRequest) (*api.GetContextKeysForPolicyResponse, error) {
	sim := simulation{view: s.db().View()}
	if _, err := s.policySource(ctx, &sim, "GetContextKeysForPrincipalPolicy", val(in.PolicySourceArn)); err != nil {
		return nil, err
	}
	return contextKeys(sim.policies.Identity, in.PolicyInputList)
}

func contextKeys(sources []policy.Source, texts []string) (*api.GetContextKeysForPolicyResponse, error) {
	more, err := inputs(policy.IdentityPolicy, "PolicyInputList", texts)
	if err != nil {
		return nil, err
	}
	spelled, names := map[string]string{}, map[string]bool{}
	all := slices.Concat(sources, more)
	for _, source := range all {
		spell(spelled, source.Doc)
	}
	for _, source := range all {
		for _, key := range source.Doc.Keys() {
			names[asWritten(spelled, key)] = true
		}
	}
	out := &api.GetContextKeysForPolicyResponse{ContextKeyNames: slices.Sorted(maps.Keys(names))}
	return out, nil
}
