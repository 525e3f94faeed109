package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
)

// TagUser adds or replaces tags of a user.
func (s *Service) TagUser(ctx context.Context, in *api.TagUserRequest) (*api.TagUserOutput, error) {
	return done[api.TagUserOutput](tag(ctx, s, users, "TagUser", in.UserName, in.Tags))
}

// UntagUser removes tags of a user.
func (s *Service) UntagUser(ctx context.Context, in *api.UntagUserRequest) (*api.UntagUserOutput, error) {
	return done[api.UntagUserOutput](untag(ctx, s, users, "UntagUser", in.UserName, in.TagKeys))
}

// ListUserTags lists the tags of a user.
func (s *Service) ListUserTags(ctx context.Context, in *api.ListUserTagsRequest) (*api.ListUserTagsResponse, error) {
	list, more, marker, err := listTags(ctx, s, users, "ListUserTags", in.UserName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListUserTagsResponse{Tags: list, IsTruncated: more, Marker: marker}, nil
}

// TagRole adds or replaces tags of a role.
func (s *Service) TagRole(ctx context.Context, in *api.TagRoleRequest) (*api.TagRoleOutput, error) {
	return done[api.TagRoleOutput](tag(ctx, s, roles, "TagRole", in.RoleName, in.Tags))
}

// UntagRole removes tags of a role.
func (s *Service) UntagRole(ctx context.Context, in *api.UntagRoleRequest) (*api.UntagRoleOutput, error) {
	return done[api.UntagRoleOutput](untag(ctx, s, roles, "UntagRole", in.RoleName, in.TagKeys))
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(ctx context.Context, in *api.ListRoleTagsRequest) (*api.ListRoleTagsResponse, error) {
	list, more, marker, err := listTags(ctx, s, roles, "ListRoleTags", in.RoleName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListRoleTagsResponse{Tags: list, IsTruncated: more, Marker: marker}, nil
}

// TagInstanceProfile adds or replaces tags of an instance profile.
func (s *Service) TagInstanceProfile(ctx context.Context, in *api.TagInstanceProfileRequest) (*api.TagInstanceProfileOutput, error) {
	return done[api.TagInstanceProfileOutput](tag(ctx, s, profiles, "TagInstanceProfile", in.InstanceProfileName, in.Tags))
}

// UntagInstanceProfile removes tags of an instance profile.
func (s *Service) UntagInstanceProfile(ctx context.Context, in *api.UntagInstanceProfileRequest) (*api.UntagInstanceProfileOutput, error) {
	return done[api.UntagInstanceProfileOutput](untag(ctx, s, profiles, "UntagInstanceProfile", in.InstanceProfileName, in.TagKeys))
}

// ListInstanceProfileTags lists the tags of an instance profile.
func (s *Service) ListInstanceProfileTags(ctx context.Context, in *api.ListInstanceProfileTagsRequest) (*api.ListInstanceProfileTagsResponse, error) {
	list, more, marker, err := listTags(ctx, s, profiles, "ListInstanceProfileTags", in.InstanceProfileName, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListInstanceProfileTagsResponse{Tags: list, IsTruncated: more, Marker: marker}, nil
}

// TagPolicy adds or replaces tags of a managed policy.
func (s *Service) TagPolicy(ctx context.Context, in *api.TagPolicyRequest) (*api.TagPolicyOutput, error) {
	p, err := s.findOwn(ctx, "TagPolicy", in.PolicyArn, keys{}.withTags(in.Tags))
	if err != nil {
		return nil, err
	}
	return done[api.TagPolicyOutput](s.changePolicy(ctx, p, func(p *cloud.ManagedPolicy) (err error) {
		p.Tags, err = addTags(p.Tags, in.Tags, false)
		return err
	}))
}

// UntagPolicy removes tags of a managed policy.
func (s *Service) UntagPolicy(ctx context.Context, in *api.UntagPolicyRequest) (*api.UntagPolicyOutput, error) {
	p, err := s.findOwn(ctx, "UntagPolicy", in.PolicyArn, keys{}.withTagKeys(in.TagKeys))
	if err != nil {
		return nil, err
	}
	return done[api.UntagPolicyOutput](s.changePolicy(ctx, p, func(p *cloud.ManagedPolicy) (err error) {
		p.Tags, err = removeTags(p.Tags, in.TagKeys, false)
		return err
	}))
}

// ListPolicyTags lists the tags of a managed policy.
func (s *Service) ListPolicyTags(ctx context.Context, in *api.ListPolicyTagsRequest) (*api.ListPolicyTagsResponse, error) {
	c, policy, err := s.findPolicy(ctx, "ListPolicyTags", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListPolicyTags", policy.ID, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &api.ListPolicyTagsResponse{}
	out.Tags, out.IsTruncated, out.Marker = tagPage(p, policy.Tags)
	return out, nil
}
