package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// UpdateRole changes a role's description, which stays if it is left out, and how
// long its sessions may last: one hour if that is left out, as documented:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
func (s *Service) UpdateRole(ctx context.Context, in *api.UpdateRoleRequest) (*api.UpdateRoleResponse, error) {
	_, err := s.updateRole(ctx, "UpdateRole", in.RoleName, func(r *cloud.Role) {
		if in.Description != nil {
			r.Description = *in.Description
		}
		r.MaxSession = minSession
		if in.MaxSessionDuration != nil {
			r.MaxSession = int(*in.MaxSessionDuration)
		}
	}, guardRole)
	return done[api.UpdateRoleResponse](err)
}

// UpdateRoleDescription changes a role's description, also of a role that belongs
// to a service.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *api.UpdateRoleDescriptionRequest) (*api.UpdateRoleDescriptionResponse, error) {
	role, err := s.updateRole(ctx, "UpdateRoleDescription", in.RoleName, func(r *cloud.Role) { r.Description = val(in.Description) }, nil)
	if err != nil {
		return nil, err
	}
	return &api.UpdateRoleDescriptionResponse{Role: new(s.showRole(s.db().View(), role, true))}, nil
}

// updateRole changes what describes a role, unless guard refuses.
func (s *Service) updateRole(ctx context.Context, action string, name *string, set func(*cloud.Role), guard func(cloud.Role) error) (updated cloud.Role, err error) {
	_, role, err := find(ctx, s, roles, name, question{action: action, bounded: true})
	if err != nil {
		return role, err
	}
	err = change(ctx, s, roles, role, func(_ *store.Tx, r *cloud.Role) error {
		if guard != nil {
			if err := guard(*r); err != nil {
				return err
			}
		}
		set(r)
		updated = *r
		return checkRole(*r)
	})
	return updated, err
}

// UpdateAssumeRolePolicy changes who may assume a role.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *api.UpdateAssumeRolePolicyRequest) (*api.UpdateAssumeRolePolicyOutput, error) {
	_, role, err := find(ctx, s, roles, in.RoleName, question{action: "UpdateAssumeRolePolicy", bounded: true})
	if err != nil {
		return nil, err
	}
	if err := checkTrust("policyDocument", val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	return done[api.UpdateAssumeRolePolicyOutput](change(ctx, s, roles, role, func(tx *store.Tx, r *cloud.Role) (err error) {
		if err := guardRole(*r); err != nil {
			return err
		}
		r.Trust, err = s.bindTrust(tx, *in.PolicyDocument)
		return err
	}))
}

// DeleteRole deletes a role that has no policies and is in no instance profile. Its
// sessions end with it.
func (s *Service) DeleteRole(ctx context.Context, in *api.DeleteRoleRequest) (*api.DeleteRoleOutput, error) {
	_, role, err := find(ctx, s, roles, in.RoleName, question{action: "DeleteRole", bounded: true})
	if err != nil {
		return nil, err
	}
	return done[api.DeleteRoleOutput](remove(ctx, s, roles, role, func(tx *store.Tx, r cloud.Role) error {
		if err := guardRole(r); err != nil {
			return err
		}
		if profileTable.Count(tx, cloud.RoleLabel(r.ID)) > 0 {
			return conflict("remove roles from instance profile")
		}
		if err := refuseGrants(r.Grants); err != nil {
			return err
		}
		return forget(tx, r.ID)
	}))
}
