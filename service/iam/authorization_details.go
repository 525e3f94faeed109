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

// detail is one thing that GetAccountAuthorizationDetails lists: keys order them by
// kind, and add shows it in the answer.
type detail struct {
	key string
	add func(*api.GetAccountAuthorizationDetailsResponse)
}

// GetAccountAuthorizationDetails lists users, groups, roles and managed policies
// with all their permissions. Of the policies that the cloud brings it lists those
// that are in use.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, in *api.GetAccountAuthorizationDetailsRequest) (*api.GetAccountAuthorizationDetailsResponse, error) {
	c, err := s.allow(ctx, "GetAccountAuthorizationDetails", nil)
	if err != nil {
		return nil, err
	}
	kinds := slices.Clone(in.Filter)
	for _, kind := range kinds {
		if err := checkOneOf("filter.member", kind, api.EntityTypeUser, api.EntityTypeRole, api.EntityTypeGroup, api.EntityTypeLocalManagedPolicy, api.EntityTypeAWSManagedPolicy); err != nil {
			return nil, err
		}
	}
	slices.Sort(kinds)
	p, err := s.page(c, "GetAccountAuthorizationDetails", strings.Join(kinds, ","), in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	wanted := func(kind string) bool { return len(kinds) == 0 || slices.Contains(kinds, kind) }
	page, more, marker := cut(p, s.details(s.db().View(), c.Account, wanted), func(d detail) string { return d.key })
	out := &api.GetAccountAuthorizationDetailsResponse{
		UserDetailList: []api.UserDetail{}, GroupDetailList: []api.GroupDetail{}, RoleDetailList: []api.RoleDetail{}, Policies: []api.ManagedPolicyDetail{},
		IsTruncated: more, Marker: marker,
	}
	for _, d := range page {
		d.add(out)
	}
	return out, nil
}

// details lists what is wanted of an account.
func (s *Service) details(view store.Reader, account string, wanted func(kind string) bool) (all []detail) {
	type answer = api.GetAccountAuthorizationDetailsResponse
	label := cloud.AccountLabel(account)
	if wanted(api.EntityTypeUser) {
		for u := range userTable.Select(view, label) {
			all = append(all, detail{"1" + u.ID, func(out *answer) { out.UserDetailList = append(out.UserDetailList, s.userDetail(view, u)) }})
		}
	}
	if wanted(api.EntityTypeGroup) {
		for g := range groupTable.Select(view, label) {
			all = append(all, detail{"2" + g.ID, func(out *answer) { out.GroupDetailList = append(out.GroupDetailList, s.groupDetail(g)) }})
		}
	}
	if wanted(api.EntityTypeRole) {
		for r := range roleTable.Select(view, label) {
			all = append(all, detail{"3" + r.ID, func(out *answer) { out.RoleDetailList = append(out.RoleDetailList, s.roleDetail(view, r)) }})
		}
	}
	policy := func(order string, m cloud.ManagedPolicy) {
		all = append(all, detail{order + m.ID, func(out *answer) { out.Policies = append(out.Policies, s.policyDetail(view, account, m)) }})
	}
	if wanted(api.EntityTypeLocalManagedPolicy) {
		for m := range policyTable.Select(view, label) {
			policy("4", m)
		}
	}
	if wanted(api.EntityTypeAWSManagedPolicy) {
		for _, m := range identity.Catalogue().All() {
			if u := usageOf(view, account, m.ARN()); u.attached+u.bounds > 0 {
				policy("5", brought(m))
			}
		}
	}
	return all
}

func (s *Service) userDetail(view store.Reader, u cloud.User) api.UserDetail {
	out := api.UserDetail{
		Arn: new(s.arn(u.Account, u.Resource())), CreateDate: &u.Created, Path: &u.Path, UserId: &u.ID, UserName: &u.Name,
		AttachedManagedPolicies: showAttached(u.Attached), UserPolicyList: inlineList(u.Grants), PermissionsBoundary: showBoundary(u.Boundary),
		GroupList: []string{}, Tags: tagList(u.Tags),
	}
	for _, id := range u.Groups {
		if g, ok := groupTable.Get(view, id); ok {
			out.GroupList = append(out.GroupList, g.Name)
		}
	}
	return out
}

func (s *Service) groupDetail(g cloud.Group) api.GroupDetail {
	return api.GroupDetail{
		Arn: new(s.arn(g.Account, g.Resource())), CreateDate: &g.Created, Path: &g.Path, GroupId: &g.ID, GroupName: &g.Name,
		AttachedManagedPolicies: showAttached(g.Attached), GroupPolicyList: inlineList(g.Grants),
	}
}

func (s *Service) roleDetail(view store.Reader, r cloud.Role) api.RoleDetail {
	whole := s.showRole(view, r, true)
	out := api.RoleDetail{
		Arn: whole.Arn, AssumeRolePolicyDocument: whole.AssumeRolePolicyDocument, CreateDate: whole.CreateDate, Path: whole.Path,
		RoleId: whole.RoleId, RoleName: whole.RoleName, RoleLastUsed: whole.RoleLastUsed, PermissionsBoundary: whole.PermissionsBoundary,
		AttachedManagedPolicies: showAttached(r.Attached), RolePolicyList: inlineList(r.Grants), Tags: tagList(r.Tags),
		InstanceProfileList: []api.InstanceProfile{},
	}
	for p := range profileTable.Select(view, cloud.RoleLabel(r.ID)) {
		out.InstanceProfileList = append(out.InstanceProfileList, s.showProfile(view, p, false))
	}
	return out
}

func (s *Service) policyDetail(view store.Reader, account string, m cloud.ManagedPolicy) api.ManagedPolicyDetail {
	whole := s.showPolicy(view, account, m, true)
	out := api.ManagedPolicyDetail{
		Arn: whole.Arn, AttachmentCount: whole.AttachmentCount, CreateDate: whole.CreateDate, DefaultVersionId: whole.DefaultVersionId,
		Description: whole.Description, IsAttachable: whole.IsAttachable, Path: whole.Path, UpdateDate: whole.UpdateDate,
		PermissionsBoundaryUsageCount: whole.PermissionsBoundaryUsageCount, PolicyId: whole.PolicyId, PolicyName: whole.PolicyName,
	}
	for _, v := range m.Versions {
		version := showVersion(v, v.ID == m.Default)
		version.Document = encoded(v.Document)
		out.PolicyVersionList = append(out.PolicyVersionList, version)
	}
	return out
}

// inlineList lists inline policies with their documents.
func inlineList(g cloud.Grants) []api.PolicyDetail {
	list := []api.PolicyDetail{}
	for _, name := range slices.Sorted(maps.Keys(g.Inline)) {
		list = append(list, api.PolicyDetail{PolicyName: new(name), PolicyDocument: encoded(g.Inline[name])})
	}
	return list
}
