package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// maxRoles is how many roles an instance profile can have.
const maxRoles = 1

// AddRoleToInstanceProfile makes a role that of an instance profile, and so of the
// instances that run with the profile: the caller must be allowed to pass the role
// to them, too.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *api.AddRoleToInstanceProfileRequest) (*api.AddRoleToInstanceProfileOutput, error) {
	c, p, err := find(ctx, s, profiles, in.InstanceProfileName, question{action: "AddRoleToInstanceProfile"})
	if err != nil {
		return nil, err
	}
	name := val(in.RoleName)
	if err := roles.check(name); err != nil {
		return nil, err
	}
	role, found := roles.named(s.db().View(), c.Account, name)
	passed := roles.aboutName(s, c.Account, "/", name)
	if found {
		passed = about(s, role)
	}
	// A key of the resource, not of the request: it is IAM that asks, and IAM's
	// words that say no.
	passed.Keys = keys{}.with("iam:PassedToService", "ec2.amazonaws.com")
	if err := s.Authz.Authorize(ctx, policy.Request{Caller: c, Action: "iam:PassRole", Resources: []policy.Resource{passed}}); err != nil {
		return nil, err
	}
	return done[api.AddRoleToInstanceProfileOutput](change(ctx, s, profiles, p, func(tx *store.Tx, p *cloud.InstanceProfile) error {
		role, ok := roleTable.Get(tx, role.ID)
		switch {
		case !ok:
			return roles.missing(name)
		case p.Role != "":
			return quota("InstanceSessionsPerInstanceProfile", maxRoles)
		}
		p.Role = role.ID
		return guardRole(role)
	}))
}

// RemoveRoleFromInstanceProfile takes the role from an instance profile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *api.RemoveRoleFromInstanceProfileRequest) (*api.RemoveRoleFromInstanceProfileOutput, error) {
	c, p, err := find(ctx, s, profiles, in.InstanceProfileName, question{action: "RemoveRoleFromInstanceProfile"})
	if err != nil {
		return nil, err
	}
	name := val(in.RoleName)
	if err := roles.check(name); err != nil {
		return nil, err
	}
	return done[api.RemoveRoleFromInstanceProfileOutput](change(ctx, s, profiles, p, func(tx *store.Tx, p *cloud.InstanceProfile) error {
		if role, ok := roles.named(tx, c.Account, name); !ok || p.Role != role.ID {
			return roles.missing(name)
		}
		p.Role = ""
		return nil
	}))
}
