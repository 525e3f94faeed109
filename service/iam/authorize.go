package iam

import (
	"context"
	"net/http"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// keys are condition keys of a request, beside those that every request has. Which
// an action knows:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
type keys map[string][]string

// with returns the keys and one more; an empty value is an absent key.
func (k keys) with(name, value string) keys {
	if value == "" {
		return k
	}
	if k == nil {
		k = keys{}
	}
	k[name] = []string{value}
	return k
}

// withTags returns the keys and those of tags that a request gives.
func (k keys) withTags(tags []api.Tag) keys {
	if k == nil {
		k = keys{}
	}
	for _, t := range tags {
		k["aws:RequestTag/"+val(t.Key)] = []string{val(t.Value)}
		k["aws:TagKeys"] = append(k["aws:TagKeys"], val(t.Key))
	}
	return k
}

// withTagKeys returns the keys and those of tags that a request takes away.
func (k keys) withTagKeys(names []string) keys {
	if k == nil {
		k = keys{}
	}
	if len(names) > 0 {
		k["aws:TagKeys"] = names
	}
	return k
}

const (
	boundaryKey = "iam:PermissionsBoundary"
	policyKey   = "iam:PolicyARN"
)

// allow is the one authorisation of every operation: it returns the caller if it
// may do action (e.g. "CreateUser") with the resources.
func (s *Service) allow(ctx context.Context, action string, k keys, resources ...policy.Resource) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return caller, &cloud.Error{
			Code: "MissingAuthenticationToken", Status: http.StatusForbidden,
			Message: "Request is missing Authentication Token",
		}
	}
	return caller, s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "iam:" + action, Resources: resources, Keys: k})
}

// allowNew is allow for an operation that makes something. Tags that it gives want
// the permission to give them, too, e.g. tagAction "TagUser":
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_permissions
func (s *Service) allowNew(ctx context.Context, action, tagAction string, k keys, tags []api.Tag, about policy.Resource) (cloud.Caller, error) {
	k = k.withTags(tags)
	caller, err := s.allow(ctx, action, k, about)
	if err != nil || len(tags) == 0 {
		return caller, err
	}
	return s.allow(ctx, tagAction, k, about)
}

// allowList is allow for lists: they are about all that lies below a path, e.g.
// kind "user".
func (s *Service) allowList(ctx context.Context, action, kind string, pathPrefix *string) (cloud.Caller, error) {
	prefix := val(pathPrefix)
	if checkPathPrefix(pathPrefix) != nil || prefix == "" {
		prefix = "/"
	}
	return s.allow(ctx, action, nil, policy.Resource{ARN: s.arn(cloud.CallerFrom(ctx).Account, kind+prefix)})
}
