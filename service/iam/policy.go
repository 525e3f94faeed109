package iam

import (
	"context"
	"errors"
	"net/http"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// The quotas of managed policies:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxPolicies    = 1500
	maxPolicySize  = 6144 // characters
	maxDescription = 1000
)

// cloudAccount stands for an account in the ARNs of the policies that the cloud
// itself brings.
const cloudAccount = "aws"

// policyPathPattern is what the model says of the path of a managed policy.
const policyPathPattern = `((/[A-Za-z0-9\.,\+@=_-]+)*)/`

// CreatePolicy makes a managed policy.
func (s *Service) CreatePolicy(ctx context.Context, in *api.CreatePolicyRequest) (*api.CreatePolicyResponse, error) {
	account, name := cloud.CallerFrom(ctx).Account, val(in.PolicyName)
	path, pathErr := policyPathOf(in.Path)
	nameErr := checkName("policyName", name, maxName)
	resource := "policy" + path + name
	if nameErr != nil || pathErr != nil {
		resource = "policy/*"
	}
	if _, err := s.allowNew(ctx, "CreatePolicy", "TagPolicy", nil, in.Tags, policy.Resource{ARN: s.arn(account, resource)}); err != nil {
		return nil, err
	}
	if nameErr != nil {
		return nil, nameErr
	}
	if pathErr != nil {
		return nil, pathErr
	}
	if err := checkLength("description", val(in.Description), 0, maxDescription); err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	if err := checkManaged(val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	p := cloud.ManagedPolicy{Meta: s.meta(identity.PolicyPrefix, account, tags), Name: name, Path: path, Description: val(in.Description)}
	p.Versions = []cloud.PolicyVersion{{ID: "v1", Document: *in.PolicyDocument, Created: p.Created}}
	p.Default, p.Last, p.Updated = "v1", 1, p.Created
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		err := tx.Claim(cloud.ManagedPolicyNames(account), cloud.IAMName(name), p.ID)
		if _, taken := errors.AsType[*store.ClaimedError](err); taken {
			return cloud.Errorf("EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", name)
		}
		if err != nil {
			return err
		}
		if policyTable.Count(tx, cloud.AccountLabel(account)) >= maxPolicies {
			return quota("PoliciesPerAccount", maxPolicies)
		}
		return policyTable.Create(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreatePolicyResponse{Policy: new(s.showPolicy(s.db().View(), account, p, true))}, nil
}

func policyPathOf(path *string) (string, error) {
	p, err := pathOf(path)
	if err == nil && strings.ContainsFunc(p, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("/.,+@=-", r) }) {
		err = constraint("path", p, "%s", mustMatch(policyPathPattern))
	}
	return p, err
}

// checkManaged refuses what cannot be the document of a managed policy.
func checkManaged(document string) error {
	if err := checkDocument("policyDocument", document, policy.IdentityPolicy); err != nil {
		return err
	}
	if sizeOf(document) > maxPolicySize {
		return quota("PolicySize", maxPolicySize)
	}
	return nil
}

// managed finds the managed policy that an ARN names for an account: its own, or
// one of those that the cloud brings, which belong to cloudAccount.
func managed(r store.Reader, account, arn string) (cloud.ManagedPolicy, bool) {
	if m, ok := identity.Catalogue().Find(arn); ok {
		return brought(m), true
	}
	p, ok := identity.Policy(r, arn)
	return p, ok && p.Account == account
}

// brought is a policy of the cloud in the form of a customer's.
func brought(m identity.Managed) cloud.ManagedPolicy {
	return cloud.ManagedPolicy{
		Meta: cloud.Meta{ID: m.ID, Account: cloudAccount, Created: m.Created},
		Name: m.Name, Path: m.Path, Description: m.Description, Default: "v1", Last: 1, Updated: m.Created,
		Versions: []cloud.PolicyVersion{{ID: "v1", Document: m.Document, Created: m.Created}},
	}
}

// findPolicy returns the caller and the managed policy of that ARN, once the
// caller was allowed to do the action with it.
func (s *Service) findPolicy(ctx context.Context, action string, arn *string, k keys) (cloud.Caller, cloud.ManagedPolicy, error) {
	account := cloud.CallerFrom(ctx).Account
	p, ok := managed(s.db().View(), account, val(arn))
	bad := checkPolicyARN("policyArn", val(arn))
	about := policy.Resource{ARN: val(arn), Owner: account, Tags: p.Tags}
	if bad != nil {
		about.ARN = s.arn(account, "policy/*")
	}
	if !ok { // another account's have no tags to show
		about.Tags = nil
	}
	c, err := s.allow(ctx, action, k, about)
	if err == nil {
		err = bad
	}
	if err == nil && !ok {
		err = noPolicy(*arn)
	}
	return c, p, err
}

// findOwn is findPolicy for changes: what the cloud brings cannot be changed.
func (s *Service) findOwn(ctx context.Context, action string, arn *string, k keys) (cloud.ManagedPolicy, error) {
	c, p, err := s.findPolicy(ctx, action, arn, k)
	if err == nil && p.Account == cloudAccount {
		err = &cloud.Error{
			Code: "AccessDenied", Status: http.StatusForbidden,
			Message: "User: " + c.ARN + " is not authorized to perform: iam:" + action + " on resource: policy " + *arn + " because it belongs to the cloud: make a policy of your own",
		}
	}
	return p, err
}

// changePolicy changes a customer managed policy that was found.
func (s *Service) changePolicy(ctx context.Context, p cloud.ManagedPolicy, fn func(*cloud.ManagedPolicy) error) error {
	err := s.db().Update(ctx, func(tx *store.Tx) error { return policyTable.Modify(tx, p.ID, fn) })
	return s.gonePolicy(p, err)
}

// gonePolicy says that there is no such policy if the store said so.
func (s *Service) gonePolicy(p cloud.ManagedPolicy, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return noPolicy(s.arn(p.Account, p.Resource()))
	}
	return err
}

// checkPolicyARN refuses what is no ARN of a managed policy.
func checkPolicyARN(parameter, arn string) error {
	if err := checkARN(parameter, arn); err != nil {
		return err
	}
	if parts := strings.SplitN(arn, ":", 6); len(parts) < 6 || parts[0] != "arn" || parts[2] != "iam" || parts[3] != "" || !strings.HasPrefix(parts[5], "policy/") || !isGraphicText(arn) {
		return invalidInput("ARN %s is not valid.", arn)
	}
	return nil
}

func noPolicy(arn string) error { return noSuch("Policy %s was not found.", arn) }

// GetPolicy shows a managed policy.
func (s *Service) GetPolicy(ctx context.Context, in *api.GetPolicyRequest) (*api.GetPolicyResponse, error) {
	c, p, err := s.findPolicy(ctx, "GetPolicy", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyResponse{Policy: new(s.showPolicy(s.db().View(), c.Account, p, true))}, nil
}

// showPolicy is a managed policy as the API shows it to an account; lists leave out
// description and tags.
func (s *Service) showPolicy(r store.Reader, account string, p cloud.ManagedPolicy, whole bool) api.Policy {
	u := usageOf(r, account, s.arn(p.Account, p.Resource()))
	out := api.Policy{
		Arn: new(s.arn(p.Account, p.Resource())), AttachmentCount: new(u.attached), CreateDate: new(p.Created),
		DefaultVersionId: new(p.Default), IsAttachable: new(true), Path: new(p.Path), PermissionsBoundaryUsageCount: new(u.bounds),
		PolicyId: new(p.ID), PolicyName: new(p.Name), UpdateDate: new(p.Updated),
	}
	if whole {
		out.Description = opt(p.Description)
		if len(p.Tags) > 0 {
			out.Tags = tagList(p.Tags)
		}
	}
	return out
}

// DeletePolicy deletes a managed policy that nobody has and that has one version.
func (s *Service) DeletePolicy(ctx context.Context, in *api.DeletePolicyRequest) (*api.DeletePolicyOutput, error) {
	p, err := s.findOwn(ctx, "DeletePolicy", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		p, ok := policyTable.Get(tx, p.ID)
		if !ok {
			return store.ErrNotFound
		}
		if u := usageOf(tx, p.Account, *in.PolicyArn); u.attached+u.bounds > 0 {
			return cloud.Errorf("DeleteConflict", "Cannot delete a policy attached to entities.")
		}
		if len(p.Versions) > 1 {
			return cloud.Errorf("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		tx.ReleaseAll(p.ID)
		return policyTable.Delete(tx, p.ID)
	})
	return done[api.DeletePolicyOutput](s.gonePolicy(p, err))
}
