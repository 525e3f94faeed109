package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Judge is the one decision for every operation of every service. It is safe
// for concurrent use.
type Judge struct {
	*Directory
	cache      policy.Cache
	remembered remembered[cloud.Caller, policy.Policies]
}

// NewJudge returns a judge over the principals of a directory.
func NewJudge(d *Directory) *Judge { return &Judge{Directory: d} }

// Authorize says yes if the policies allow the action on every resource. A no is
// in the words of the action's service, and says which kind of policy decided.
func (j *Judge) Authorize(_ context.Context, r policy.Request) error {
	if err := Limit(r.Caller, r.Action); err != nil {
		return err
	}
	view := j.DB.View()
	policies, err := j.policies(view, r.Caller)
	if err != nil {
		return err
	}
	var q policy.Query
	for _, resource := range about(r) {
		p, err := j.attach(policies, resource)
		if err != nil {
			return err
		}
		q = j.query(view, r, resource)
		if d := p.Decide(&q); !d.Allowed {
			return j.denied(view, r, resource, p, q, d)
		}
	}
	return nil
}

// Explanation is why one resource of a request was allowed or denied.
type Explanation struct {
	Resource string
	policy.Explanation
}

// Explain decides as Authorize does, and tells the way to each decision.
func (j *Judge) Explain(r policy.Request) ([]Explanation, error) {
	view := j.DB.View()
	policies, err := j.Policies(view, r.Caller)
	if err != nil {
		return nil, err
	}
	var all []Explanation
	for _, resource := range about(r) {
		p, err := j.attach(policies, resource)
		if err != nil {
			return nil, err
		}
		q := j.query(view, r, resource)
		all = append(all, Explanation{resource.ARN, p.Explain(&q)})
	}
	return all, nil
}

// everything stands for all resources that an action could be about.
var everything = []policy.Resource{{ARN: "*"}} //nolint:gochecknoglobals // never changed

func about(r policy.Request) []policy.Resource {
	if len(r.Resources) == 0 {
		return everything
	}
	return r.Resources
}

// query puts the question about one resource.
func (j *Judge) query(view store.Reader, r policy.Request, resource policy.Resource) policy.Query {
	return policy.Query{
		Principal: j.principal(view, r.Caller), Action: r.Action, Resource: resource.ARN, Owner: ownerOf(resource),
		Keys: keys{j, view, &r, &resource}.values,
	}
}

// ownerOf is the account that a resource belongs to; empty: nobody's.
func ownerOf(r policy.Resource) string {
	if r.Owner != "" {
		return r.Owner
	}
	parts := strings.SplitN(r.ARN, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	if parts[4] == "aws" {
		return "" // the cloud's own, such as its managed policies
	}
	return parts[4]
}

// principal is the caller to package policy. One without an account whom an
// identity provider vouches for is about to assume a role.
func (j *Judge) principal(view store.Reader, c cloud.Caller) policy.Principal {
	p := policy.Principal{Account: c.Account, ARN: c.ARN, Entity: c.ARN, EntityID: c.Entity}
	switch c.Type {
	case cloud.PrincipalRoot:
		p.Kind = policy.Root
	case cloud.PrincipalUser:
		p.Kind = policy.User
	case cloud.PrincipalFederated:
		p.Kind = policy.FederatedUser
	case cloud.PrincipalRole:
		p.Kind = policy.AssumedRole
		if role, ok := roleTable.Get(view, c.Entity); ok {
			p.Entity = j.Place.GlobalARN("iam", c.Account, role.Resource())
		}
	default:
		p.Kind = policy.Anonymous
		if s := c.Session; s != nil && s.Provider != "" {
			p.Kind, p.Provider = policy.WebIdentity, s.Provider
			if strings.Contains(s.Provider, ":saml-provider/") {
				p.Kind = policy.SAML
			}
		}
	}
	return p
}

// attach adds the policy of a resource, and its access control list.
func (j *Judge) attach(p policy.Policies, r policy.Resource) (policy.Policies, error) {
	p.Required, p.DenyOnly = r.Policy.Required, r.Policy.DenyOnly
	var err error
	for _, a := range []struct {
		from policy.Attached
		to   **policy.Source
	}{{r.Policy, &p.Resource}, {r.ACL, &p.ACL}} {
		if a.from.Document == "" {
			continue
		}
		s, wrong := j.compile(a.from.Kind, a.from.Name, a.from.Document)
		*a.to, err = &s, errors.Join(err, wrong)
	}
	return p, err
}
