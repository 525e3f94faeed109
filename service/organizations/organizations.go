// Package organizations implements the accounts of a cloud:
// https://docs.aws.amazon.com/organizations/latest/APIReference/.
//
// A cloud is one organization, whose management account is the operator's; it
// exists from the start, and every account is in it for ever. Only the management
// account changes anything or sees the others. A change counts from the next
// request on: control policies are what the package keeps, and package identity
// asks them. Accounts are made and ended by Accounts, for the API and for the
// operator alike; nothing here ever deletes one, so that no number comes twice.
package organizations

import (
	"context"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the Organizations API. Its exported methods are exactly the
// operations that it supports. Fields are set once, before the first call.
type Service struct {
	Directory *identity.Directory // the store, the place, the clock and the keys
	Authz     policy.Authorizer
	PageKey   []byte // seals tokens of paged lists
	Limit     int    // see Accounts
}

// The tables that the operations work on.
var (
	accountTable      store.Table[cloud.Account]
	organizationTable store.Table[cloud.Organization]
	unitTable         store.Table[cloud.OrganizationalUnit]
	controlTable      store.Table[cloud.ControlPolicy]
	requestTable      store.Table[cloud.AccountRequest]
	roleTable         store.Table[cloud.Role]
)

// keys are condition keys of a request.
type keys map[string][]string

// allow is the authorisation of an operation that any account may call: it
// returns the caller if the policies let it do action (e.g. "DescribeOrganization").
func (s *Service) allow(ctx context.Context, action string, k keys, about ...policy.Resource) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return caller, denied()
	}
	return caller, s.Authz.Authorize(ctx, policy.Request{
		Caller: caller, Action: "organizations:" + action, Keys: k, Resources: about,
	})
}

// manage is the authorisation of every other operation: the management account
// alone may call it. ids name the entities that it is about.
func (s *Service) manage(ctx context.Context, action string, k keys, ids ...*string) error {
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return err
	}
	var about []policy.Resource
	for _, id := range ids {
		about = append(about, t.resource(val(id)))
	}
	return s.manageAbout(ctx, t, action, k, about...)
}

// manageAbout is manage about resources.
func (s *Service) manageAbout(ctx context.Context, t tree, action string, k keys, about ...policy.Resource) error {
	caller, err := s.allow(ctx, action, k, about...)
	if err != nil {
		return err
	}
	if caller.Account != t.org.Management {
		return denied()
	}
	return nil
}

// update runs a change of the organization in one transaction.
func (s *Service) update(ctx context.Context, change func(tx *store.Tx, t tree) error) error {
	return s.Directory.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := s.tree(tx)
		if err != nil {
			return err
		}
		return change(tx, t)
	})
}

// accounts makes and ends accounts.
func (s *Service) accounts() *Accounts { return &Accounts{Directory: s.Directory, Limit: s.Limit} }

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
