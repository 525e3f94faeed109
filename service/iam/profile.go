package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *api.CreateInstanceProfileRequest) (*api.CreateInstanceProfileResponse, error) {
	account, name := cloud.CallerFrom(ctx).Account, val(in.InstanceProfileName)
	path, pathErr := pathOf(in.Path)
	if _, err := s.allowNew(ctx, "CreateInstanceProfile", "TagInstanceProfile", nil, in.Tags, profiles.aboutName(s, account, path, name)); err != nil {
		return nil, err
	}
	if err := profiles.check(name); err != nil {
		return nil, err
	}
	if pathErr != nil {
		return nil, pathErr
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	p := cloud.InstanceProfile{Meta: s.meta(identity.InstanceProfilePrefix, account, tags), Name: name, Path: path}
	err = s.db().Update(ctx, func(tx *store.Tx) error { return profiles.create(tx, p) })
	if err != nil {
		return nil, err
	}
	return &api.CreateInstanceProfileResponse{InstanceProfile: new(s.showProfile(s.db().View(), p, true))}, nil
}

// showProfile is an instance profile as the API shows it; lists leave out tags.
func (s *Service) showProfile(view store.Reader, p cloud.InstanceProfile, whole bool) api.InstanceProfile {
	out := api.InstanceProfile{
		Arn: new(s.arn(p.Account, p.Resource())), CreateDate: new(p.Created), InstanceProfileId: new(p.ID),
		InstanceProfileName: new(p.Name), Path: new(p.Path), Roles: []api.Role{},
	}
	if role, ok := roleTable.Get(view, p.Role); ok {
		out.Roles = append(out.Roles, s.showRole(view, role, false))
	}
	if whole && len(p.Tags) > 0 {
		out.Tags = tagList(p.Tags)
	}
	return out
}

// GetInstanceProfile shows an instance profile and its role.
func (s *Service) GetInstanceProfile(ctx context.Context, in *api.GetInstanceProfileRequest) (*api.GetInstanceProfileResponse, error) {
	_, p, err := find(ctx, s, profiles, in.InstanceProfileName, question{action: "GetInstanceProfile"})
	if err != nil {
		return nil, err
	}
	return &api.GetInstanceProfileResponse{InstanceProfile: new(s.showProfile(s.db().View(), p, true))}, nil
}

// ListInstanceProfiles lists instance profiles by name.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *api.ListInstanceProfilesRequest) (*api.ListInstanceProfilesResponse, error) {
	c, err := s.allowList(ctx, "ListInstanceProfiles", profiles.word, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListInstanceProfiles", "", in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &api.ListInstanceProfilesResponse{}
	out.InstanceProfiles, out.IsTruncated, out.Marker = s.profilePage(p, list(s, profiles, c.Account, in.PathPrefix))
	return out, nil
}

// ListInstanceProfilesForRole lists the instance profiles that a role is in.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *api.ListInstanceProfilesForRoleRequest) (*api.ListInstanceProfilesForRoleResponse, error) {
	c, role, err := find(ctx, s, roles, in.RoleName, question{action: "ListInstanceProfilesForRole"})
	if err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListInstanceProfilesForRole", role.ID, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	var all []cloud.InstanceProfile
	for p := range profileTable.Select(s.db().View(), cloud.RoleLabel(role.ID)) {
		all = append(all, p)
	}
	out := &api.ListInstanceProfilesForRoleResponse{}
	out.InstanceProfiles, out.IsTruncated, out.Marker = s.profilePage(p, all)
	return out, nil
}

func (s *Service) profilePage(p pager, all []cloud.InstanceProfile) ([]api.InstanceProfile, *bool, *string) {
	page, more, marker := cut(p, all, func(p cloud.InstanceProfile) string { return cloud.IAMName(p.Name) })
	view, shown := s.db().View(), make([]api.InstanceProfile, 0, len(page))
	for _, p := range page {
		shown = append(shown, s.showProfile(view, p, false))
	}
	return shown, more, marker
}

// DeleteInstanceProfile deletes an instance profile that has no role.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *api.DeleteInstanceProfileRequest) (*api.DeleteInstanceProfileOutput, error) {
	_, p, err := find(ctx, s, profiles, in.InstanceProfileName, question{action: "DeleteInstanceProfile"})
	if err != nil {
		return nil, err
	}
	return done[api.DeleteInstanceProfileOutput](remove(ctx, s, profiles, p, func(_ *store.Tx, p cloud.InstanceProfile) error {
		if p.Role != "" {
			return conflict("remove roles from instance profile")
		}
		return nil
	}))
}
