package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// AttachUserPolicy gives a user the permissions of a managed policy.
func (s *Service) AttachUserPolicy(ctx context.Context, in *api.AttachUserPolicyRequest) (*api.AttachUserPolicyOutput, error) {
	return done[api.AttachUserPolicyOutput](attach(ctx, s, users, "AttachUserPolicy", in.UserName, in.PolicyArn))
}

// DetachUserPolicy takes the permissions of a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *api.DetachUserPolicyRequest) (*api.DetachUserPolicyOutput, error) {
	return done[api.DetachUserPolicyOutput](detach(ctx, s, users, "DetachUserPolicy", in.UserName, in.PolicyArn))
}

// ListAttachedUserPolicies lists the managed policies that a user has, by name.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *api.ListAttachedUserPoliciesRequest) (*api.ListAttachedUserPoliciesResponse, error) {
	list, more, marker, err := listAttached(ctx, s, users, "ListAttachedUserPolicies", in.UserName, in.PathPrefix, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedUserPoliciesResponse{AttachedPolicies: list, IsTruncated: more, Marker: marker}, nil
}

// AttachGroupPolicy gives a group the permissions of a managed policy.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *api.AttachGroupPolicyRequest) (*api.AttachGroupPolicyOutput, error) {
	return done[api.AttachGroupPolicyOutput](attach(ctx, s, groups, "AttachGroupPolicy", in.GroupName, in.PolicyArn))
}

// DetachGroupPolicy takes the permissions of a managed policy from a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *api.DetachGroupPolicyRequest) (*api.DetachGroupPolicyOutput, error) {
	return done[api.DetachGroupPolicyOutput](detach(ctx, s, groups, "DetachGroupPolicy", in.GroupName, in.PolicyArn))
}

// ListAttachedGroupPolicies lists the managed policies that a group has, by name.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *api.ListAttachedGroupPoliciesRequest) (*api.ListAttachedGroupPoliciesResponse, error) {
	list, more, marker, err := listAttached(ctx, s, groups, "ListAttachedGroupPolicies", in.GroupName, in.PathPrefix, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedGroupPoliciesResponse{AttachedPolicies: list, IsTruncated: more, Marker: marker}, nil
}

// AttachRolePolicy gives a role the permissions of a managed policy.
func (s *Service) AttachRolePolicy(ctx context.Context, in *api.AttachRolePolicyRequest) (*api.AttachRolePolicyOutput, error) {
	return done[api.AttachRolePolicyOutput](attach(ctx, s, roles, "AttachRolePolicy", in.RoleName, in.PolicyArn))
}

// DetachRolePolicy takes the permissions of a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *api.DetachRolePolicyRequest) (*api.DetachRolePolicyOutput, error) {
	return done[api.DetachRolePolicyOutput](detach(ctx, s, roles, "DetachRolePolicy", in.RoleName, in.PolicyArn))
}

// ListAttachedRolePolicies lists the managed policies that a role has, by name.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *api.ListAttachedRolePoliciesRequest) (*api.ListAttachedRolePoliciesResponse, error) {
	list, more, marker, err := listAttached(ctx, s, roles, "ListAttachedRolePolicies", in.RoleName, in.PathPrefix, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedRolePoliciesResponse{AttachedPolicies: list, IsTruncated: more, Marker: marker}, nil
}
