package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// PutUserPolicy makes or replaces an inline policy of a user.
func (s *Service) PutUserPolicy(ctx context.Context, in *api.PutUserPolicyRequest) (*api.PutUserPolicyOutput, error) {
	return done[api.PutUserPolicyOutput](putInline(ctx, s, users, "PutUserPolicy", in.UserName, in.PolicyName, in.PolicyDocument))
}

// GetUserPolicy shows an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *api.GetUserPolicyRequest) (*api.GetUserPolicyResponse, error) {
	user, name, document, err := getInline(ctx, s, users, "GetUserPolicy", in.UserName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetUserPolicyResponse{UserName: user, PolicyName: name, PolicyDocument: document}, nil
}

// ListUserPolicies lists the names of a user's inline policies.
func (s *Service) ListUserPolicies(ctx context.Context, in *api.ListUserPoliciesRequest) (*api.ListUserPoliciesResponse, error) {
	names, more, marker, err := listInline(ctx, s, users, "ListUserPolicies", in.UserName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListUserPoliciesResponse{PolicyNames: names, IsTruncated: more, Marker: marker}, nil
}

// DeleteUserPolicy deletes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *api.DeleteUserPolicyRequest) (*api.DeleteUserPolicyOutput, error) {
	return done[api.DeleteUserPolicyOutput](deleteInline(ctx, s, users, "DeleteUserPolicy", in.UserName, in.PolicyName))
}

// PutGroupPolicy makes or replaces an inline policy of a group.
func (s *Service) PutGroupPolicy(ctx context.Context, in *api.PutGroupPolicyRequest) (*api.PutGroupPolicyOutput, error) {
	return done[api.PutGroupPolicyOutput](putInline(ctx, s, groups, "PutGroupPolicy", in.GroupName, in.PolicyName, in.PolicyDocument))
}

// GetGroupPolicy shows an inline policy of a group.
func (s *Service) GetGroupPolicy(ctx context.Context, in *api.GetGroupPolicyRequest) (*api.GetGroupPolicyResponse, error) {
	group, name, document, err := getInline(ctx, s, groups, "GetGroupPolicy", in.GroupName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetGroupPolicyResponse{GroupName: group, PolicyName: name, PolicyDocument: document}, nil
}

// ListGroupPolicies lists the names of a group's inline policies.
func (s *Service) ListGroupPolicies(ctx context.Context, in *api.ListGroupPoliciesRequest) (*api.ListGroupPoliciesResponse, error) {
	names, more, marker, err := listInline(ctx, s, groups, "ListGroupPolicies", in.GroupName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListGroupPoliciesResponse{PolicyNames: names, IsTruncated: more, Marker: marker}, nil
}

// DeleteGroupPolicy deletes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *api.DeleteGroupPolicyRequest) (*api.DeleteGroupPolicyOutput, error) {
	return done[api.DeleteGroupPolicyOutput](deleteInline(ctx, s, groups, "DeleteGroupPolicy", in.GroupName, in.PolicyName))
}

// PutRolePolicy makes or replaces an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, in *api.PutRolePolicyRequest) (*api.PutRolePolicyOutput, error) {
	return done[api.PutRolePolicyOutput](putInline(ctx, s, roles, "PutRolePolicy", in.RoleName, in.PolicyName, in.PolicyDocument))
}

// GetRolePolicy shows an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *api.GetRolePolicyRequest) (*api.GetRolePolicyResponse, error) {
	role, name, document, err := getInline(ctx, s, roles, "GetRolePolicy", in.RoleName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetRolePolicyResponse{RoleName: role, PolicyName: name, PolicyDocument: document}, nil
}

// ListRolePolicies lists the names of a role's inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *api.ListRolePoliciesRequest) (*api.ListRolePoliciesResponse, error) {
	names, more, marker, err := listInline(ctx, s, roles, "ListRolePolicies", in.RoleName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListRolePoliciesResponse{PolicyNames: names, IsTruncated: more, Marker: marker}, nil
}

// DeleteRolePolicy deletes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *api.DeleteRolePolicyRequest) (*api.DeleteRolePolicyOutput, error) {
	return done[api.DeleteRolePolicyOutput](deleteInline(ctx, s, roles, "DeleteRolePolicy", in.RoleName, in.PolicyName))
}
