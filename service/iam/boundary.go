package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// aboutRoot names the root of the caller's account to policy.
func (s *Service) aboutRoot(ctx context.Context) policy.Resource {
	return policy.Resource{ARN: s.arn(cloud.CallerFrom(ctx).Account, "root")}
}

// PutUserPermissionsBoundary makes a managed policy the bound of what a user may do.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, in *api.PutUserPermissionsBoundaryRequest) (*api.PutUserPermissionsBoundaryOutput, error) {
	return done[api.PutUserPermissionsBoundaryOutput](putBoundary(ctx, s, users, "PutUserPermissionsBoundary", in.UserName, in.PermissionsBoundary))
}

// PutRolePermissionsBoundary makes a managed policy the bound of what a role may do.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *api.PutRolePermissionsBoundaryRequest) (*api.PutRolePermissionsBoundaryOutput, error) {
	return done[api.PutRolePermissionsBoundaryOutput](putBoundary(ctx, s, roles, "PutRolePermissionsBoundary", in.RoleName, in.PermissionsBoundary))
}

// DeleteUserPermissionsBoundary takes the bound of a user away.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, in *api.DeleteUserPermissionsBoundaryRequest) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	return done[api.DeleteUserPermissionsBoundaryOutput](deleteBoundary(ctx, s, users, "DeleteUserPermissionsBoundary", in.UserName))
}

// DeleteRolePermissionsBoundary takes the bound of a role away.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *api.DeleteRolePermissionsBoundaryRequest) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	return done[api.DeleteRolePermissionsBoundaryOutput](deleteBoundary(ctx, s, roles, "DeleteRolePermissionsBoundary", in.RoleName))
}

func putBoundary[T entity](ctx context.Context, s *Service, k *kind[T], action string, name, arn *string) error {
	c, v, err := find(ctx, s, k, name, question{action: action, keys: keys{}.with(boundaryKey, val(arn))})
	if err != nil {
		return err
	}
	return change(ctx, s, k, v, func(tx *store.Tx, v *T) error {
		if err := k.guarded(*v); err != nil {
			return err
		}
		return s.setBoundary(tx, k.grants(v), c.Account, new(val(arn)))
	})
}

func deleteBoundary[T entity](ctx context.Context, s *Service, k *kind[T], action string, name *string) error {
	_, v, err := find(ctx, s, k, name, question{action: action, bounded: true})
	if err != nil {
		return err
	}
	return change(ctx, s, k, v, func(_ *store.Tx, v *T) error {
		if err := k.guarded(*v); err != nil {
			return err
		}
		k.grants(v).Boundary = ""
		return nil
	})
}

// setBoundary makes a managed policy the bound of what somebody may do; nil
// leaves the bound as it is.
func (s *Service) setBoundary(r store.Reader, g *cloud.Grants, account string, arn *string) error {
	if arn == nil {
		return nil
	}
	if err := s.attachable(r, account, "permissionsBoundary", *arn); err != nil {
		return err
	}
	g.Boundary = *arn
	return nil
}

// attachable refuses ARNs of policies that the account cannot use: those that are
// not there, and those of other accounts.
func (s *Service) attachable(r store.Reader, account, parameter, arn string) error {
	if err := checkPolicyARN(parameter, arn); err != nil {
		return err
	}
	if _, ok := managed(r, account, arn); !ok {
		return noSuch("Policy %s does not exist or is not attachable.", arn)
	}
	return nil
}

func showBoundary(arn string) *api.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &api.AttachedPermissionsBoundary{PermissionsBoundaryArn: new(arn), PermissionsBoundaryType: new("Policy")}
}
