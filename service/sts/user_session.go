package sts

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// The limits of sessions of users and roots, in seconds.
const (
	defaultUser = 43200
	longestUser = 129600
	longestRoot = 3600
)

// userDuration is how long a session of a user or a root lasts, in seconds. Those
// of a root end after an hour even if more was asked for.
func userDuration(c cloud.Caller, seconds *int32) int32 {
	n := int32(defaultUser)
	if seconds != nil {
		n = *seconds
	}
	if c.Type == cloud.PrincipalRoot {
		n = min(n, longestRoot)
	}
	return n
}

// GetSessionToken gives temporary credentials of the caller itself, with a second
// factor if one comes along. Policies cannot forbid it, since it is how a second
// factor is shown: it asks nobody but identity.Limit.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getsessiontoken.html
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenRequest) (*sts.GetSessionTokenResponse, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return nil, unsigned()
	}
	if err := identity.Limit(caller, "sts:GetSessionToken"); err != nil {
		return nil, err
	}
	var f form
	f.number("durationSeconds", in.DurationSeconds, shortestSession, longestUser)
	f.number("minimumSessionTokenSize", in.MinimumSessionTokenSize, 0, identity.MaxToken)
	f.factor(in.SerialNumber, in.TokenCode)
	if err := f.err(); err != nil {
		return nil, err
	}
	when, err := s.secondFactor(ctx, caller, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	session := cloud.Session{Account: caller.Account, Type: caller.Type, Entity: caller.Entity, MFA: when}
	out, err := s.issue(session, userDuration(caller, in.DurationSeconds), restrictions{}, in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenResponse{Credentials: out.credentials, SessionTokenSize: out.size, SessionTokenUtilization: out.utilization}, nil
}

// GetFederationToken gives temporary credentials of a user, under a name of the
// caller's choice, that can do what both the user and the session policies allow:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
func (s *Service) GetFederationToken(ctx context.Context, in *sts.GetFederationTokenRequest) (*sts.GetFederationTokenResponse, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return nil, unsigned()
	}
	var f form
	f.required("name", in.Name, 2, 32, namePattern)
	f.number("durationSeconds", in.DurationSeconds, shortestSession, longestUser)
	f.number("minimumSessionTokenSize", in.MinimumSessionTokenSize, 0, identity.MaxToken)
	policies := f.policies(in.Policy, in.PolicyArns)
	passed, tagError := f.requestTags(in.Tags, nil)
	if err := f.err(); err != nil {
		return nil, err
	}
	if tagError != nil {
		return nil, tagError
	}
	arn := s.Judge.Place.GlobalARN("sts", caller.Account, "federated-user/"+*in.Name)
	if err := s.mayFederate(ctx, caller, arn, passed); err != nil {
		return nil, err
	}
	session := cloud.Session{Account: caller.Account, Type: cloud.PrincipalFederated, Entity: caller.Entity, Name: *in.Name, Tags: passed.values}
	out, err := s.issue(session, userDuration(caller, in.DurationSeconds), policies, in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &sts.GetFederationTokenResponse{
		Credentials:      out.credentials,
		FederatedUser:    &sts.FederatedUser{Arn: &arn, FederatedUserId: new(caller.Account + ":" + *in.Name)},
		PackedPolicySize: out.packed, SessionTokenSize: out.size, SessionTokenUtilization: out.utilization,
	}, nil
}

// mayFederate asks for the action, and for sts:TagSession where there are tags.
func (s *Service) mayFederate(ctx context.Context, c cloud.Caller, arn string, passed tags) error {
	keys := map[string][]string{}
	passed.keys(keys)
	actions := []string{"sts:GetFederationToken"}
	if len(passed.values) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	for _, action := range actions {
		err := s.Authz.Authorize(ctx, policy.Request{Caller: c, Action: action, Resources: []policy.Resource{{ARN: arn}}, Keys: keys})
		if err != nil {
			return err
		}
	}
	return nil
}
