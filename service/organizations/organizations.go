// Package organizations implements the accounts of a cloud:
// https://docs.aws.amazon.com/organizations/latest/APIReference/.
//
// A cloud is one organization, whose management account is the operator's; it
// exists from the start, and every account is in it.
package organizations

import (
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// Service is the Organizations API. Its exported methods are exactly the
// operations that it supports. Fields are set once, before the first call.
type Service struct {
	Directory *identity.Directory // the store, the place, the clock and the keys
	Authz     policy.Authorizer
	PageKey   []byte // seals tokens of paged lists
}
