// Package dlm implements data lifecycle policies, which take snapshots by a schedule and give
// them up: https://docs.aws.amazon.com/dlm/latest/APIReference/
//
// The package keeps policies; control/snapshotpolicy carries them out, as the cloud itself: the
// role that a policy names must be one that its maker may pass on, and what that role may do is
// not asked. What a policy would have no effect with here is refused.
package dlm

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the API. Its exported methods are exactly the operations that it supports.
// Fields are set once, before the first call.
type Service struct {
	DB    *store.Store
	Authz policy.Authorizer
	Place cloud.Place
	Now   func() time.Time
	NewID func(prefix string) string
}

var (
	policies store.Table[cloud.LifecyclePolicy]
	roles    store.Table[cloud.Role]
)

type keys = map[string][]string

// allow is the one authorisation of an operation; no resource: all that there are.
func (s *Service) allow(ctx context.Context, action string, about ...policy.Resource) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	return caller, s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "dlm:" + action, Resources: about})
}

// about is the policy of that ID. One that is not the caller's is as one that is not there.
func (s *Service) about(ctx context.Context, id string, k keys) policy.Resource {
	caller := cloud.CallerFrom(ctx)
	r := policy.Resource{ARN: s.arn(caller.Account, id), Keys: k}
	if p, ok := policies.Get(s.DB.View(), id); ok && p.Account == caller.Account {
		r.Tags = p.Tags
	}
	return r
}

func (s *Service) arn(account, id string) string { return s.Place.ARN("dlm", account, "policy/"+id) }

// idOf is the ID of the policy that an ARN names; empty: it is no policy's.
func (s *Service) idOf(ctx context.Context, arn *string) string {
	id, ok := strings.CutPrefix(val(arn), s.arn(cloud.CallerFrom(ctx).Account, ""))
	if !ok {
		return ""
	}
	return id
}

// pass asks whether the caller may have a policy act as the role. Empty: it names none.
func (s *Service) pass(ctx context.Context, arn string) error {
	if arn == "" {
		return nil
	}
	r := policy.Resource{ARN: arn}
	for role := range roles.Select(s.DB.View(), cloud.AccountLabel(cloud.CallerFrom(ctx).Account)) {
		if s.Place.GlobalARN("iam", role.Account, role.Resource()) == arn {
			r.Tags = role.Tags
		}
	}
	return s.Authz.Authorize(ctx, policy.Request{
		Caller: cloud.CallerFrom(ctx), Action: "iam:PassRole", Resources: []policy.Resource{r}, Keys: keys{"iam:PassedToService": {"dlm.amazonaws.com"}},
	})
}

var roleARN = regexp.MustCompile(`^arn:[a-z-]+:iam::([0-9]{12}):role/.+$`)

// own is the caller's policy of that ID.
func own(r store.Reader, c cloud.Caller, id string) (cloud.LifecyclePolicy, error) {
	p, ok := policies.Get(r, id)
	if !ok || p.Account != c.Account {
		return p, &cloud.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: fmt.Sprintf("Policy with id %s does not exist.", id)}
	}
	return p, nil
}

// edit changes a policy of the caller's.
func (s *Service) edit(ctx context.Context, action, id string, k keys, do func(*cloud.LifecyclePolicy) error) error {
	caller, err := s.allow(ctx, action, s.about(ctx, id, k))
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		p, err := own(tx, caller, id)
		if err != nil {
			return err
		}
		if err := do(&p); err != nil {
			return err
		}
		return policies.Put(tx, p)
	})
}

func invalid(format string, args ...any) error {
	return &cloud.Error{Code: "InvalidRequestException", Message: fmt.Sprintf(format, args...)}
}

func absent(what string) error { return invalid("%s are not available here.", what) }

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
