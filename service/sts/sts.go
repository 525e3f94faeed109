// Package sts implements the Security Token Service:
// https://docs.aws.amazon.com/STS/latest/APIReference/.
//
// It tells callers who they are, as the gateway has verified it. It issues no
// credentials yet.
package sts

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// Service is the STS API. Its exported methods are exactly the operations that
// it supports.
type Service struct {
	Judge *identity.Judge // the store, the place, the clock and the keys; decides on trust policies
	Authz policy.Authorizer
}

// GetCallerIdentity returns the account, ARN and unique ID of the caller; the
// root of an account has the account's number for an ID.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
	caller := cloud.CallerFrom(ctx)
	return &sts.GetCallerIdentityResponse{Account: &caller.Account, Arn: &caller.ARN, UserId: &caller.UserID}, nil
}
