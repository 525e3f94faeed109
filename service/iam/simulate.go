package iam

import (
	"context"
	"strconv"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// simulationInput is what both operations of the policy simulator take.
type simulationInput struct {
	actions, resources, boundary  []string
	resourcePolicy, resourceOwner *string
	callerARN, handling           *string
	contextEntries                []api.ContextEntry
	items                         *int32
	marker                        *string
}

// simulation is what the policy simulator decides on.
type simulation struct {
	view     store.Reader
	who      cloud.Caller    // asks
	policies policy.Policies // apply, but for that of the resource
	owner    string          // account, of the resources whose ARNs name none
	keys     map[string][]string
}

// SimulateCustomPolicy decides on requests as if somebody had only the policies
// that are given. Nobody needs to exist: the policies apply to CallerArn, or to
// nobody in particular of the caller's account.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *api.SimulateCustomPolicyRequest) (*api.SimulatePolicyResponse, error) {
	c, err := s.allow(ctx, "SimulateCustomPolicy", nil)
	if err != nil {
		return nil, err
	}
	sim := simulation{view: s.db().View(), who: cloud.Caller{Account: c.Account, Type: cloud.PrincipalUser}}
	if sim.policies.Identity, err = inputs(policy.IdentityPolicy, "PolicyInputList", in.PolicyInputList); err != nil {
		return nil, err
	}
	for i, level := range in.OrderedOrganizationPolicyInputList {
		list, err := inputs(policy.ServiceControlPolicy, "OrderedOrganizationPolicyInputList."+strconv.Itoa(i+1), level.ServiceControlPolicyInputList)
		if err != nil {
			return nil, err
		}
		sim.policies.SCP = append(sim.policies.SCP, list)
	}
	return s.simulate(c, "SimulateCustomPolicy", sim, simulationInput{
		in.ActionNames, in.ResourceArns, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, in.ResourceOwner,
		in.CallerArn, in.ResourceHandlingOption, in.ContextEntries, in.MaxItems, in.Marker,
	})
}

// SimulatePrincipalPolicy decides on requests as if a user, a role or a group of
// the account made them, with all policies that apply to it, and those that are
// given. A group asks as nobody in particular.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *api.SimulatePrincipalPolicyRequest) (*api.SimulatePolicyResponse, error) {
	sim := simulation{view: s.db().View()}
	c, err := s.policySource(ctx, &sim, "SimulatePrincipalPolicy", val(in.PolicySourceArn))
	if err != nil {
		return nil, err
	}
	if err := exclude(&sim.policies, in.PolicyExclusionList); err != nil {
		return nil, err
	}
	more, err := inputs(policy.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	sim.policies.Identity = append(sim.policies.Identity, more...)
	return s.simulate(c, "SimulatePrincipalPolicy", sim, simulationInput{
		in.ActionNames, in.ResourceArns, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, in.ResourceOwner,
		in.CallerArn, in.ResourceHandlingOption, in.ContextEntries, in.MaxItems, in.Marker,
	})
}

// policySource finds the user, role or group that an operation simulates, once the
// caller was allowed the action on it.
func (s *Service) policySource(ctx context.Context, sim *simulation, action, arn string) (cloud.Caller, error) {
	account := cloud.CallerFrom(ctx).Account
	resource := policy.Resource{ARN: s.arn(account, "user/*")}
	rest, own := strings.CutPrefix(arn, s.arn(account, ""))
	kind, path, _ := strings.Cut(rest, "/")
	own = own && path != "" && (kind == users.word || kind == roles.word || kind == groups.word)
	if own {
		resource.ARN = arn
		resource.Tags = s.tagsOf(sim.view, account, kind, path[strings.LastIndexByte(path, '/')+1:])
	}
	c, err := s.allow(ctx, action, nil, resource)
	if err != nil {
		return c, err
	}
	if err := checkARN("policySourceArn", arn); err != nil {
		return c, err
	}
	if parts := strings.SplitN(arn, ":", 6); len(parts) < 6 || !own && parts[4] == account {
		return c, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
	}
	found := false
	if own {
		sim.who, sim.policies, found, err = s.Judge.PoliciesOf(sim.view, arn)
	}
	if err == nil && !found {
		err = noSuch("The entity with ARN %s cannot be found.", arn)
	}
	return c, err
}

// tagsOf returns the tags of a user or a role.
func (s *Service) tagsOf(r store.Reader, account, kind, name string) map[string]string {
	if u, ok := users.named(r, account, name); ok && kind == users.word {
		return u.Tags
	}
	if role, ok := roles.named(r, account, name); ok && kind == roles.word {
		return role.Tags
	}
	return nil
}

// simulate reads the rest of a request, and decides on a page of it: every action
// with every resource.
func (s *Service) simulate(c cloud.Caller, operation string, sim simulation, in simulationInput) (*api.SimulatePolicyResponse, error) {
	if err := sim.complete(in); err != nil {
		return nil, err
	}
	p, err := s.page(c, operation, "", in.items, in.marker)
	if err != nil {
		return nil, err
	}
	pairs, err := pairsOf(in.actions, in.resources)
	if err != nil {
		return nil, err
	}
	page, more, marker := cut(p, pairs, func(p pair) string { return p.key })
	out := &api.SimulatePolicyResponse{EvaluationResults: []api.EvaluationResult{}, IsTruncated: more, Marker: marker}
	for _, p := range page {
		out.EvaluationResults = append(out.EvaluationResults, sim.decide(s, p.action, p.resource))
	}
	return out, nil
}

// decide decides on one action with one resource.
func (sim *simulation) decide(s *Service, action, resource string) api.EvaluationResult {
	about := policy.Resource{ARN: resource}
	if parts := strings.SplitN(resource, ":", 6); len(parts) == 6 && parts[4] == "" {
		about.Owner = sim.owner
	}
	request := policy.Request{Caller: sim.who, Action: action, Keys: sim.keys}
	return sim.show(s.Judge.Simulate(sim.view, sim.policies, request, about), about)
}
