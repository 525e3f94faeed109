// Package sts implements the Security Token Service:
// https://docs.aws.amazon.com/STS/latest/APIReference/.
//
// It gives temporary credentials to whom policies and trust policies let have
// them: to callers that the gateway has verified, and to those whom an identity
// provider vouches for, which it verifies itself. It guarantees that a role that
// does not exist, or is another account's, answers exactly as one that may not be
// assumed; that a session never gets more than its role or user has; and that
// nothing is written: credentials prove themselves, so that none can be listed or
// revoked one by one. Nothing is fetched from identity providers but what package
// identity/oidc fetches.
package sts

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/oidc"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the STS API. Its exported methods are exactly the operations that
// it supports. Fields are set once, before the first call.
type Service struct {
	Judge *identity.Judge // the store, the place, the clock and the keys; decides on trust policies
	Authz policy.Authorizer
	Web   *oidc.Verifier // of tokens of OpenID Connect providers
}

// The tables that the operations read.
var (
	accountTable   store.Table[cloud.Account]
	accessKeyTable store.Table[cloud.AccessKey]
	oidcTable      store.Table[cloud.OIDCProvider]
	samlTable      store.Table[cloud.SAMLProvider]
)

// GetCallerIdentity returns the account, ARN and unique ID of the caller; the
// root of an account has the account's number for an ID. It needs no permission,
// and no policy can deny it:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
	caller := cloud.CallerFrom(ctx)
	return &sts.GetCallerIdentityResponse{Account: &caller.Account, Arn: &caller.ARN, UserId: &caller.UserID}, nil
}

// val returns what p points to, the zero value for nil: an absent parameter.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// opt returns a pointer to v, nil for the zero value: an absent member.
func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
