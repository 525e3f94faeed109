package sts

import (
	"context"
	"net/http"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
)

// AssumeRole gives credentials of a role to a user or to another session that the
// role trusts: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleRequest) (*sts.AssumeRoleResponse, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return nil, unsigned()
	}
	a, err := readAssumeRole(in)
	if err != nil {
		return nil, err
	}
	if caller.Type == cloud.PrincipalRoot {
		return nil, denied("Roles may not be assumed by root accounts.")
	}
	a.caller = caller
	when, err := s.secondFactor(ctx, caller, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	if !when.IsZero() {
		// It counts for this request. The session does not have it, as documented:
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
		a.keys["aws:MultiFactorAuthPresent"], a.keys["aws:MultiFactorAuthAge"] = []string{"true"}, []string{"0"}
	}
	out, err := s.assume(ctx, a)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleResponse{
		AssumedRoleUser: out.user, Credentials: out.credentials, SourceIdentity: opt(out.source),
		PackedPolicySize: out.packed, SessionTokenSize: out.size, SessionTokenUtilization: out.utilization,
	}, nil
}

// readAssumeRole checks all of a request that needs no look into the store.
func readAssumeRole(in *sts.AssumeRoleRequest) (a assumption, err error) {
	var f form
	f.assumption(in.RoleArn, in.DurationSeconds, in.MinimumSessionTokenSize)
	f.required("roleSessionName", in.RoleSessionName, 2, 64, namePattern)
	f.text("externalId", in.ExternalId, 2, 1224, externalPattern)
	f.text("sourceIdentity", in.SourceIdentity, 2, 64, namePattern)
	f.factor(in.SerialNumber, in.TokenCode)
	a.restrictions = f.policies(in.Policy, in.PolicyArns)
	passed, tagError := f.requestTags(in.Tags, in.TransitiveTagKeys)
	if err := f.err(); err != nil {
		return a, err
	}
	if tagError != nil {
		return a, tagError
	}
	if len(in.ProvidedContexts) > 0 {
		return a, cloud.Errorf("ValidationError", "There are no context providers in this cloud: leave ProvidedContexts out")
	}
	a.action, a.role, a.name, a.tags = "sts:AssumeRole", *in.RoleArn, *in.RoleSessionName, passed
	a.seconds, a.least, a.source = in.DurationSeconds, in.MinimumSessionTokenSize, val(in.SourceIdentity)
	a.keys = map[string][]string{}
	if in.ExternalId != nil {
		a.keys["sts:ExternalId"] = []string{*in.ExternalId}
	}
	return a, checkRoleARN(a.role)
}

// unsigned refuses who has not signed. The gateway lets nobody else through; a
// service does not rely on it.
func unsigned() error {
	return &cloud.Error{Code: "MissingAuthenticationToken", Status: http.StatusForbidden, Message: "Request is missing Authentication Token"}
}
