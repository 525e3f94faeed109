// Package iam implements Identity and Access Management:
// https://docs.aws.amazon.com/IAM/latest/APIReference/.
//
// Names are unique in an account without regard to case; what is in use cannot
// be deleted; a change counts from the next request on. The package decides
// nothing: policies are what it keeps, and package identity asks them.
package iam

import (
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// Service is the IAM API. Its exported methods are exactly the operations that
// it supports. Fields are set once, before the first call.
type Service struct {
	Judge   *identity.Judge   // the store, the place, the clock and the keys; decides for the simulations
	Authz   policy.Authorizer // decides whether a caller may call
	PageKey []byte            // seals markers of paged lists
}
