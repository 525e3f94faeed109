// Package iam implements Identity and Access Management:
// https://docs.aws.amazon.com/IAM/latest/APIReference/.
//
// Names are unique in an account without regard to case; what is in use cannot
// be deleted; a change counts from the next request on, and changes of the same
// thing at the same time all take effect. Another account's entities answer
// exactly as if they did not exist. The package decides nothing: policies are
// what it keeps, and package identity asks them.
package iam

import (
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the IAM API. Its exported methods are exactly the operations that
// it supports. Fields are set once, before the first call.
type Service struct {
	Judge   *identity.Judge   // the store, the place, the clock and the keys; decides for the simulations
	Authz   policy.Authorizer // decides whether a caller may call
	PageKey []byte            // seals markers of paged lists
}

// The tables that the operations work on.
var (
	accountTable  store.Table[cloud.Account]
	userTable     store.Table[cloud.User]
	groupTable    store.Table[cloud.Group]
	roleTable     store.Table[cloud.Role]
	policyTable   store.Table[cloud.ManagedPolicy]
	profileTable  store.Table[cloud.InstanceProfile]
	keyTable      store.Table[cloud.AccessKey]
	lastUseTable  store.Table[cloud.LastUse]
	loginTable    store.Table[cloud.LoginProfile]
	mfaTable      store.Table[cloud.MFADevice]
	reportTable   store.Table[cloud.CredentialReport]
	deletionTable store.Table[cloud.RoleDeletion]
)

func (s *Service) db() *store.Store { return s.Judge.DB }

// arn names what an account has, e.g. resource "user/staff/alice".
func (s *Service) arn(account, resource string) string {
	return s.Judge.Place.GlobalARN("iam", account, resource)
}

// done is the answer of an operation that tells nothing but its success.
func done[T any](err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return new(T), nil
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
