package iam

import (
	"context"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxGroups is how many groups a user can be in.
const maxGroups = 10

// AddUserToGroup makes a user a member; one who is already stays one.
func (s *Service) AddUserToGroup(ctx context.Context, in *api.AddUserToGroupRequest) (*api.AddUserToGroupOutput, error) {
	return done[api.AddUserToGroupOutput](s.member(ctx, "AddUserToGroup", in.GroupName, in.UserName, func(u *cloud.User, group string) error {
		switch {
		case slices.Contains(u.Groups, group):
			return nil
		case len(u.Groups) >= maxGroups:
			return quota("GroupsPerUser", maxGroups)
		}
		u.Groups = append(u.Groups, group)
		return nil
	}))
}

// RemoveUserFromGroup ends a membership; whoever is no member stays none.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *api.RemoveUserFromGroupRequest) (*api.RemoveUserFromGroupOutput, error) {
	return done[api.RemoveUserFromGroupOutput](s.member(ctx, "RemoveUserFromGroup", in.GroupName, in.UserName, func(u *cloud.User, group string) error {
		u.Groups = slices.DeleteFunc(u.Groups, func(id string) bool { return id == group })
		return nil
	}))
}

// member changes whether a user is in a group. Only the group is authorised, as
// the action's reference has it.
func (s *Service) member(ctx context.Context, action string, group, user *string, fn func(u *cloud.User, group string) error) error {
	c, g, err := find(ctx, s, groups, group, question{action: action})
	if err != nil {
		return err
	}
	name := val(user)
	if err := users.check(name); err != nil {
		return err
	}
	return s.db().Update(ctx, func(tx *store.Tx) error {
		if _, ok := groupTable.Get(tx, g.ID); !ok {
			return groups.missing(g.Name)
		}
		u, ok := users.named(tx, c.Account, name)
		if !ok {
			return users.missing(name)
		}
		return userTable.Modify(tx, u.ID, func(u *cloud.User) error { return fn(u, g.ID) })
	})
}

// ListGroupsForUser lists the groups that a user is in, by name.
func (s *Service) ListGroupsForUser(ctx context.Context, in *api.ListGroupsForUserRequest) (*api.ListGroupsForUserResponse, error) {
	c, u, err := find(ctx, s, users, in.UserName, question{action: "ListGroupsForUser"})
	if err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListGroupsForUser", u.ID, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	var all []cloud.Group
	for _, id := range u.Groups {
		if g, ok := groupTable.Get(s.db().View(), id); ok {
			all = append(all, g)
		}
	}
	out := &api.ListGroupsForUserResponse{}
	out.Groups, out.IsTruncated, out.Marker = s.groupPage(p, all)
	return out, nil
}
