// Package rbin implements the rules of the recycle bin, which say what of an account is kept
// for a while after its deletion: https://docs.aws.amazon.com/recyclebin/latest/APIReference/
//
// A rule counts for what is deleted from its creation to its deletion, and never for what is
// in the bin already. A locked rule cannot be changed, by anybody. The package keeps rules;
// deleting and restoring are operations of EC2, and control/snapshot ends what was kept.
package rbin

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/internal/page"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the API. Its exported methods are exactly the operations that it supports.
// Fields are set once, before the first call.
type Service struct {
	DB      *store.Store
	Authz   policy.Authorizer
	Place   cloud.Place
	Now     func() time.Time
	NewID   func() string // of rules: 11 letters and digits; nil: random
	PageKey []byte        // seals tokens of paged lists
}

var rules store.Table[cloud.RecycleRule]

type keys = map[string][]string

// allow is the one authorisation of an operation: on a rule, or on those to be made.
func (s *Service) allow(ctx context.Context, action string, about policy.Resource, k keys) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	return caller, s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "rbin:" + action, Resources: []policy.Resource{about}, Keys: k})
}

// about is the rule of that ID to policy. One that is not the caller's is as one that is not there.
func (s *Service) about(ctx context.Context, id string) policy.Resource {
	caller := cloud.CallerFrom(ctx)
	r := policy.Resource{ARN: s.arn(caller.Account, id)}
	if rule, ok := rules.Get(s.DB.View(), id); ok && rule.Account == caller.Account {
		r.Tags, r.Keys = rule.Tags, keys{"rbin:Attribute/ResourceType": {rule.Resource}}
	}
	return r
}

func (s *Service) arn(account, id string) string { return s.Place.ARN("rbin", account, "rule/"+id) }

// idOf is the ID of the rule that an ARN names; empty: it is no rule's.
func (s *Service) idOf(ctx context.Context, arn *string) string {
	id, ok := strings.CutPrefix(val(arn), s.arn(cloud.CallerFrom(ctx).Account, ""))
	if !ok {
		return ""
	}
	return id
}

// own is the caller's rule of that ID.
func own(r store.Reader, c cloud.Caller, id string) (cloud.RecycleRule, error) {
	rule, ok := rules.Get(r, id)
	if !ok || rule.Account != c.Account {
		return rule, &cloud.Error{
			Code: "ResourceNotFoundException", Status: http.StatusNotFound, Reason: api.ResourceNotFoundExceptionReasonRULENOTFOUND,
			Message: fmt.Sprintf("Rule %s not found.", id),
		}
	}
	return rule, nil
}

// lockState is how far a rule is locked: no lock state is told of one that never was.
func lockState(r cloud.RecycleRule, now time.Time) string {
	switch {
	case r.Locked:
		return api.LockStateLocked
	case now.Before(r.Unlocks):
		return api.LockStatePendingUnlock
	}
	return api.LockStateUnlocked
}

func invalid(format string, args ...any) error {
	return &cloud.Error{Code: "ValidationException", Reason: api.ValidationExceptionReasonINVALIDPARAMETERVALUE, Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &cloud.Error{Code: "ConflictException", Status: http.StatusConflict, Reason: api.ConflictExceptionReasonINVALIDRULESTATE, Message: fmt.Sprintf(format, args...)}
}

const (
	maxPage  = 1000
	pageSize = 100
)

// cut is a page of rules, in the order of their IDs, and the token of the next.
func (s *Service) cut(c cloud.Caller, seq iter.Seq[cloud.RecycleRule], max *int32, token *string) (out []cloud.RecycleRule, next *string, err error) {
	scope, limit, after := page.Scope{"rbin", c.Account, "ListRules"}, pageSize, ""
	if max != nil {
		if *max < 1 || *max > maxPage {
			return nil, nil, invalid("MaxResults is 1 to %d.", maxPage)
		}
		limit = int(*max)
	}
	if val(token) != "" {
		var ok bool
		if after, ok = page.Open(s.PageKey, scope, *token); !ok {
			return nil, nil, &cloud.Error{Code: "ValidationException", Reason: api.ValidationExceptionReasonINVALIDPAGETOKEN, Message: "The NextToken is not one of this list."}
		}
	}
	for r := range seq {
		switch {
		case r.ID <= after:
		case len(out) == limit:
			return out, new(page.Seal(s.PageKey, scope, out[limit-1].ID)), nil
		default:
			out = append(out, r)
		}
	}
	return out, nil, nil
}

func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
