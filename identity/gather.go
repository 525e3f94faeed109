package identity

import (
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// allowAll is what the root of an account may do by itself.
const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// Policies gathers what applies to a caller, but for policies of resources.
func (j *Judge) Policies(r store.Reader, c cloud.Caller) (p policy.Policies, err error) {
	g := gathering{j: j, r: r}
	p.Endpoint = g.endpoint(c)
	switch c.Type {
	case "":
		return p, g.err
	case cloud.PrincipalRole:
		role, ok := roleTable.Get(r, c.Entity)
		if !ok {
			return p, fmt.Errorf("role %s of session %s is gone", c.Entity, c.ARN)
		}
		p.Identity = g.grants(role.Grants, role.Resource())
		p.Boundary = g.boundary(role.Boundary)
		if role.Service == "" {
			p.SCP = g.control(c.Account)
		}
	default:
		p.Identity, p.Boundary = g.owner(c)
		p.SCP = g.control(c.Account)
	}
	if s := c.Session; s != nil {
		p.HasSession = s.Restricted || c.Type == cloud.PrincipalFederated
		for i, document := range s.Policies {
			p.Session = append(p.Session, g.source(policy.SessionPolicy, fmt.Sprintf("session policy %d", i+1), document))
		}
		for _, arn := range s.PolicyARNs {
			p.Session = g.managed(p.Session, policy.SessionPolicy, arn)
		}
	}
	return p, g.err
}

// endpoint returns the policy of the VPC endpoint that a request came through, which
// limits what it may do; nil if the endpoint has none.
func (g *gathering) endpoint(c cloud.Caller) *policy.Source {
	e, ok := endpointTable.Get(g.r, c.Endpoint)
	if c.Endpoint == "" || !ok || e.Policy == "" {
		return nil
	}
	s := g.source(policy.EndpointPolicy, "policy of "+e.ID, e.Policy)
	return &s
}

// gathering reads policies until one cannot be compiled.
type gathering struct {
	j   *Judge
	r   store.Reader
	err error // the first
}

// owner returns the policies of the root or the user that a caller acts as.
func (g *gathering) owner(c cloud.Caller) ([]policy.Source, *policy.Source) {
	if c.Entity == "" {
		return []policy.Source{g.source(policy.IdentityPolicy, "the root of the account", allowAll)}, nil
	}
	u, ok := userTable.Get(g.r, c.Entity)
	if !ok {
		g.fail(fmt.Errorf("user %s of %s is gone", c.Entity, c.ARN))
		return nil, nil
	}
	list := g.grants(u.Grants, u.Resource())
	for _, id := range u.Groups {
		if group, ok := groupTable.Get(g.r, id); ok {
			list = append(list, g.grants(group.Grants, group.Resource())...)
		}
	}
	return list, g.boundary(u.Boundary)
}

// grants returns inline and managed policies; resource names who has them.
func (g *gathering) grants(of cloud.Grants, resource string) []policy.Source {
	list := make([]policy.Source, 0, len(of.Inline)+len(of.Attached))
	for _, name := range sortedKeys(of.Inline) {
		list = append(list, g.source(policy.IdentityPolicy, inlineName(name, resource), of.Inline[name]))
	}
	for _, arn := range of.Attached {
		list = g.managed(list, policy.IdentityPolicy, arn)
	}
	return list
}

// managed adds a managed policy, unless it is gone.
func (g *gathering) managed(list []policy.Source, kind policy.Kind, arn string) []policy.Source {
	document, ok := ManagedDocument(g.r, arn)
	if !ok {
		return list
	}
	return append(list, g.source(kind, arn, document))
}

// boundary returns the permissions boundary, nil if there is none.
func (g *gathering) boundary(arn string) *policy.Source {
	if arn == "" {
		return nil
	}
	document, ok := ManagedDocument(g.r, arn)
	if !ok { // it cannot be deleted while it bounds somebody
		g.fail(fmt.Errorf("permissions boundary %s is gone", arn))
	}
	s := g.source(policy.BoundaryPolicy, arn, document)
	return &s
}

// control returns the control policies of an account, a list for each level of
// the organization from its root down; nil where none apply.
func (g *gathering) control(account string) [][]policy.Source {
	o, ok := organizationTable.Get(g.r, cloud.OrganizationKey)
	if !ok || account == o.Management || !slices.Contains(o.PolicyTypes, cloud.ControlPolicies) {
		return nil
	}
	a, ok := accountTable.Get(g.r, account)
	if !ok {
		return nil
	}
	var levels [][]policy.Source
	for target, above := account, a.Parent; ; {
		level := []policy.Source{} // a level without policies allows nothing
		for p := range controlTable.Select(g.r, cloud.TargetLabel(target)) {
			if p.Type == cloud.ControlPolicies {
				level = append(level, g.source(policy.ServiceControlPolicy, p.ID+" ("+p.Name+") at "+target, p.Document))
			}
		}
		levels = append(levels, level)
		if above == "" {
			break
		}
		target = above
		u, ok := unitTable.Get(g.r, above)
		above = ""
		if ok {
			above = u.Parent
		}
	}
	slices.Reverse(levels)
	return levels
}

// source compiles a policy. What the store holds was checked when it came in.
func (g *gathering) source(kind policy.Kind, name, document string) policy.Source {
	s, err := g.j.compile(kind, name, document)
	g.fail(err)
	return s
}

func (g *gathering) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

func (j *Judge) compile(kind policy.Kind, name, document string) (policy.Source, error) {
	d, err := j.cache.Parse(document, kind)
	if err != nil {
		return policy.Source{}, fmt.Errorf("compile %s: %w", name, err)
	}
	return policy.Source{Kind: kind, Name: name, Doc: d}, nil
}

// ManagedDocument returns the text in force of a managed policy, the tenant's or
// the cloud's own.
func ManagedDocument(r store.Reader, arn string) (string, bool) {
	if p, ok := Catalogue().Find(arn); ok {
		return p.Document, true
	}
	p, ok := Policy(r, arn)
	return p.Document(), ok
}
