package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// CreateGroup makes a group without members or permissions.
func (s *Service) CreateGroup(ctx context.Context, in *api.CreateGroupRequest) (*api.CreateGroupResponse, error) {
	account, name := cloud.CallerFrom(ctx).Account, val(in.GroupName)
	path, pathErr := pathOf(in.Path)
	if _, err := s.allow(ctx, "CreateGroup", nil, groups.aboutName(s, account, path, name)); err != nil {
		return nil, err
	}
	if err := groups.check(name); err != nil {
		return nil, err
	}
	if pathErr != nil {
		return nil, pathErr
	}
	g := cloud.Group{Meta: s.meta(identity.GroupPrefix, account, nil), Name: name, Path: path}
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		return groups.create(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateGroupResponse{Group: new(s.showGroup(g))}, nil
}

func (s *Service) showGroup(g cloud.Group) api.Group {
	return api.Group{
		Arn: new(s.arn(g.Account, g.Resource())), CreateDate: new(g.Created), GroupId: new(g.ID),
		GroupName: new(g.Name), Path: new(g.Path),
	}
}

// GetGroup shows a group and its members, by name.
func (s *Service) GetGroup(ctx context.Context, in *api.GetGroupRequest) (*api.GetGroupResponse, error) {
	c, g, err := find(ctx, s, groups, in.GroupName, question{action: "GetGroup"})
	if err != nil {
		return nil, err
	}
	p, err := s.page(c, "GetGroup", g.ID, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	var members []cloud.User
	for u := range userTable.Select(s.db().View(), cloud.GroupLabel(g.ID)) {
		members = append(members, u)
	}
	page, more, marker := cut(p, members, byUserName)
	out := &api.GetGroupResponse{Group: new(s.showGroup(g)), Users: []api.User{}, IsTruncated: more, Marker: marker}
	for _, u := range page {
		out.Users = append(out.Users, s.showUser(u, false))
	}
	return out, nil
}

// ListGroups lists groups by name.
func (s *Service) ListGroups(ctx context.Context, in *api.ListGroupsRequest) (*api.ListGroupsResponse, error) {
	c, err := s.allowList(ctx, "ListGroups", groups.word, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListGroups", "", in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &api.ListGroupsResponse{}
	out.Groups, out.IsTruncated, out.Marker = s.groupPage(p, list(s, groups, c.Account, in.PathPrefix))
	return out, nil
}

func (s *Service) groupPage(p pager, all []cloud.Group) ([]api.Group, *bool, *string) {
	page, more, marker := cut(p, all, func(g cloud.Group) string { return cloud.IAMName(g.Name) })
	shown := make([]api.Group, 0, len(page))
	for _, g := range page {
		shown = append(shown, s.showGroup(g))
	}
	return shown, more, marker
}

// UpdateGroup gives a group another name or path; its members stay.
func (s *Service) UpdateGroup(ctx context.Context, in *api.UpdateGroupRequest) (*api.UpdateGroupOutput, error) {
	_, g, err := find(ctx, s, groups, in.GroupName, question{action: "UpdateGroup", newPath: in.NewPath, newName: in.NewGroupName})
	if err != nil {
		return nil, err
	}
	if in.NewGroupName != nil {
		if err := checkName("newGroupName", *in.NewGroupName, maxName); err != nil {
			return nil, err
		}
	}
	if in.NewPath != nil {
		if err := checkPath("newPath", *in.NewPath); err != nil {
			return nil, err
		}
	}
	return done[api.UpdateGroupOutput](change(ctx, s, groups, g, func(tx *store.Tx, g *cloud.Group) error {
		if in.NewPath != nil {
			g.Path = *in.NewPath
		}
		if in.NewGroupName == nil {
			return nil
		}
		old := g.Name
		g.Name = *in.NewGroupName
		return groups.rename(tx, g.Account, old, g.Name, g.ID)
	}))
}

// DeleteGroup deletes a group that has neither members nor policies.
func (s *Service) DeleteGroup(ctx context.Context, in *api.DeleteGroupRequest) (*api.DeleteGroupOutput, error) {
	_, g, err := find(ctx, s, groups, in.GroupName, question{action: "DeleteGroup"})
	if err != nil {
		return nil, err
	}
	return done[api.DeleteGroupOutput](remove(ctx, s, groups, g, func(tx *store.Tx, g cloud.Group) error {
		if userTable.Count(tx, cloud.GroupLabel(g.ID)) > 0 {
			return conflict("remove users from group")
		}
		return refuseGrants(g.Grants)
	}))
}
