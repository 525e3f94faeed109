package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// The values of PolicyUsageFilter.
const (
	asPermissions = "PermissionsPolicy"
	asBoundary    = "PermissionsBoundary"
)

// usage is how many users, groups and roles of an account have a managed policy,
// and how many it bounds.
type usage struct{ attached, bounds int32 }

// of is the usage that a filter is about; without one, that as permissions.
func (u usage) of(filter string) int32 {
	if filter == asBoundary {
		return u.bounds
	}
	return u.attached
}

func usageOf(r store.Reader, account, arn string) usage {
	return usage{
		attached: countIn(r, users, account, cloud.PolicyLabel(arn)) + countIn(r, groups, account, cloud.PolicyLabel(arn)) + countIn(r, roles, account, cloud.PolicyLabel(arn)),
		bounds:   countIn(r, users, account, cloud.BoundaryLabel(arn)) + countIn(r, roles, account, cloud.BoundaryLabel(arn)),
	}
}

// countIn counts the entities of an account that have a label. The policies that
// the cloud brings are in use in every account.
func countIn[T entity](r store.Reader, k *kind[T], account, label string) (n int32) {
	for v := range k.table.Select(r, label) {
		if k.meta(&v).Account == account {
			n++
		}
	}
	return n
}

// ListPolicies lists managed policies, the account's own and those that the cloud
// brings, by name.
func (s *Service) ListPolicies(ctx context.Context, in *api.ListPoliciesRequest) (*api.ListPoliciesResponse, error) {
	c, err := s.allowList(ctx, "ListPolicies", "policy", in.PathPrefix)
	if err != nil {
		return nil, err
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	scope, filter := "All", val(in.PolicyUsageFilter)
	if in.Scope != nil {
		scope = *in.Scope
	}
	if err := checkOneOf("scope", scope, "All", "AWS", "Local"); err != nil {
		return nil, err
	}
	if err := checkUsageFilter(in.PolicyUsageFilter); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListPolicies", "", in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	view := s.db().View()
	var all []cloud.ManagedPolicy
	add := func(m cloud.ManagedPolicy) {
		if !strings.HasPrefix(m.Resource(), "policy"+val(in.PathPrefix)) {
			return
		}
		used := usageOf(view, c.Account, s.arn(m.Account, m.Resource())).of(filter) > 0
		if used || filter == "" && !val(in.OnlyAttached) {
			all = append(all, m)
		}
	}
	if scope != "AWS" {
		for m := range policyTable.Select(view, cloud.AccountLabel(c.Account)) {
			add(m)
		}
	}
	if scope != "Local" {
		for _, m := range identity.Catalogue().All() {
			add(brought(m))
		}
	}
	page, more, marker := cut(p, all, func(m cloud.ManagedPolicy) string { return policyOrder(s.arn(m.Account, m.Resource())) })
	out := &api.ListPoliciesResponse{Policies: []api.Policy{}, IsTruncated: more, Marker: marker}
	for _, m := range page {
		out.Policies = append(out.Policies, s.showPolicy(view, c.Account, m, false))
	}
	return out, nil
}

func checkUsageFilter(filter *string) error {
	if filter == nil {
		return nil
	}
	return checkOneOf("policyUsageFilter", *filter, asPermissions, asBoundary)
}

// ListEntitiesForPolicy lists the groups, roles and users of the account that have
// a managed policy, or that it bounds.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *api.ListEntitiesForPolicyRequest) (*api.ListEntitiesForPolicyResponse, error) {
	c, policy, err := s.findPolicy(ctx, "ListEntitiesForPolicy", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	if in.EntityFilter != nil {
		if err := checkOneOf("entityFilter", *in.EntityFilter, "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"); err != nil {
			return nil, err
		}
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	if err := checkUsageFilter(in.PolicyUsageFilter); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListEntitiesForPolicy", policy.ID, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	view, wanted := s.db().View(), bearers{c.Account, *in.PolicyArn, val(in.PathPrefix), val(in.PolicyUsageFilter)}
	var all []bearer
	for _, b := range slices.Concat(bearersOf(view, groups, wanted), bearersOf(view, roles, wanted), bearersOf(view, users, wanted)) {
		if in.EntityFilter == nil || strings.EqualFold(*in.EntityFilter, b.word) {
			all = append(all, b)
		}
	}
	page, more, marker := cut(p, all, func(b bearer) string { return b.word + "/" + cloud.IAMName(b.name) })
	out := &api.ListEntitiesForPolicyResponse{
		PolicyGroups: []api.PolicyGroup{}, PolicyRoles: []api.PolicyRole{}, PolicyUsers: []api.PolicyUser{},
		IsTruncated: more, Marker: marker,
	}
	for _, b := range page {
		switch b.word {
		case groups.word:
			out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupId: new(b.id), GroupName: new(b.name)})
		case roles.word:
			out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleId: new(b.id), RoleName: new(b.name)})
		case users.word:
			out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserId: new(b.id), UserName: new(b.name)})
		}
	}
	return out, nil
}

// bearer is a user, a group or a role that has a managed policy.
type bearer struct{ word, name, id string }

// bearers are those of an account below a path; usage is a PolicyUsageFilter.
type bearers struct{ account, arn, pathPrefix, usage string }

func bearersOf[T entity](r store.Reader, k *kind[T], wanted bearers) []bearer {
	found := map[string]bearer{} // by ID: a policy can both be attached and bound
	look := func(label string) {
		for v := range k.table.Select(r, label) {
			if k.meta(&v).Account == wanted.account && strings.HasPrefix(v.Resource(), k.word+wanted.pathPrefix) {
				found[v.Key()] = bearer{k.word, nameOf(v), v.Key()}
			}
		}
	}
	if wanted.usage != asBoundary {
		look(cloud.PolicyLabel(wanted.arn))
	}
	if wanted.usage != asPermissions {
		look(cloud.BoundaryLabel(wanted.arn))
	}
	return slices.Collect(maps.Values(found))
}
