package iam

import (
	"context"
	"strconv"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// How long sessions of a role may last, in seconds.
const (
	minSession = 3600 // also the default
	maxSession = 43200
)

// serviceRolePath is where the roles are that belong to services.
const serviceRolePath = "/aws-service-role/"

const descriptionPattern = `[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`

// CreateRole makes a role without permissions, which those may assume whom its
// trust document names.
func (s *Service) CreateRole(ctx context.Context, in *api.CreateRoleRequest) (*api.CreateRoleResponse, error) {
	k := keys{}.with(boundaryKey, val(in.PermissionsBoundary))
	account, name := cloud.CallerFrom(ctx).Account, val(in.RoleName)
	path, pathErr := pathOf(in.Path)
	if _, err := s.allowNew(ctx, "CreateRole", "TagRole", k, in.Tags, roles.aboutName(s, account, path, name)); err != nil {
		return nil, err
	}
	if err := roles.check(name); err != nil {
		return nil, err
	}
	if pathErr != nil {
		return nil, pathErr
	}
	if strings.HasPrefix(path, serviceRolePath) {
		return nil, invalidInput("The path %s is reserved for roles of services: choose another, or call CreateServiceLinkedRole.", serviceRolePath)
	}
	role := cloud.Role{Name: name, Path: path, Description: val(in.Description), MaxSession: minSession}
	if in.MaxSessionDuration != nil {
		role.MaxSession = int(*in.MaxSessionDuration)
	}
	if err := checkRole(role); err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, true)
	if err != nil {
		return nil, err
	}
	if err := checkTrust("assumeRolePolicyDocument", val(in.AssumeRolePolicyDocument)); err != nil {
		return nil, err
	}
	role.Meta = s.meta(identity.RolePrefix, account, tags)
	err = s.db().Update(ctx, func(tx *store.Tx) (err error) {
		if role.Trust, err = s.bindTrust(tx, *in.AssumeRolePolicyDocument); err != nil {
			return err
		}
		if err := s.setBoundary(tx, &role.Grants, account, in.PermissionsBoundary); err != nil {
			return err
		}
		return roles.create(tx, role)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateRoleResponse{Role: new(s.showRole(s.db().View(), role, true))}, nil
}

// checkRole refuses a description or a session's length that no role can have.
func checkRole(r cloud.Role) error {
	if err := checkLength("description", r.Description, 0, maxDescription); err != nil {
		return err
	}
	if strings.ContainsFunc(r.Description, func(c rune) bool {
		return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c > '~' && c < '\u00A1' || c > '\u00FF'
	}) {
		return constraint("description", r.Description, "%s", mustMatch(descriptionPattern))
	}
	switch {
	case r.MaxSession < minSession:
		return constraint("maxSessionDuration", strconv.Itoa(r.MaxSession), "Member must have value greater than or equal to %d", minSession)
	case r.MaxSession > maxSession:
		return constraint("maxSessionDuration", strconv.Itoa(r.MaxSession), "Member must have value less than or equal to %d", maxSession)
	}
	return nil
}

// showRole is a role as the API shows it; lists leave out tags, boundary and last
// use.
func (s *Service) showRole(view store.Reader, r cloud.Role, whole bool) api.Role {
	out := api.Role{
		Arn: new(s.arn(r.Account, r.Resource())), AssumeRolePolicyDocument: encoded(s.shownTrust(view, r.Trust)),
		CreateDate: new(r.Created), Description: opt(r.Description), MaxSessionDuration: new(int32(r.MaxSession)), //nolint:gosec // 3600 to 43200
		Path: new(r.Path), RoleId: new(r.ID), RoleName: new(r.Name),
	}
	if !whole {
		return out
	}
	out.PermissionsBoundary = showBoundary(r.Boundary)
	if len(r.Tags) > 0 {
		out.Tags = tagList(r.Tags)
	}
	out.RoleLastUsed = &api.RoleLastUsed{}
	if use, ok := lastUseTable.Get(view, r.ID); ok {
		out.RoleLastUsed = &api.RoleLastUsed{LastUsedDate: new(use.When), Region: opt(use.Region)}
	}
	return out
}

// GetRole shows a role.
func (s *Service) GetRole(ctx context.Context, in *api.GetRoleRequest) (*api.GetRoleResponse, error) {
	_, role, err := find(ctx, s, roles, in.RoleName, question{action: "GetRole", bounded: true})
	if err != nil {
		return nil, err
	}
	return &api.GetRoleResponse{Role: new(s.showRole(s.db().View(), role, true))}, nil
}

// ListRoles lists roles by name.
func (s *Service) ListRoles(ctx context.Context, in *api.ListRolesRequest) (*api.ListRolesResponse, error) {
	c, err := s.allowList(ctx, "ListRoles", roles.word, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListRoles", "", in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	view := s.db().View()
	page, more, marker := cut(p, list(s, roles, c.Account, in.PathPrefix), func(r cloud.Role) string { return cloud.IAMName(r.Name) })
	out := &api.ListRolesResponse{Roles: []api.Role{}, IsTruncated: more, Marker: marker}
	for _, r := range page {
		out.Roles = append(out.Roles, s.showRole(view, r, false))
	}
	return out, nil
}
