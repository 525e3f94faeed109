package identity

import (
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// PoliciesOf gathers the policies of a user, a role or a group as they would apply
// to it, and returns it as a caller; a group calls as nobody in particular of its
// account. It is false if there is no such entity.
func (j *Judge) PoliciesOf(r store.Reader, arn string) (c cloud.Caller, p policy.Policies, ok bool, err error) {
	account, resource, ok := splitARN(arn)
	if !ok {
		return c, p, false, nil
	}
	kind, rest, _ := strings.Cut(resource, "/")
	switch kind {
	case "user", "role":
		if c, ok = j.Find(r, arn); !ok {
			return c, p, false, nil
		}
		p, err = j.Policies(r, c)
		return c, p, true, err
	case "group":
		group, ok := Group(r, account, rest[strings.LastIndexByte(rest, '/')+1:])
		if !ok || group.Resource() != resource {
			return c, p, false, nil
		}
		g := gathering{j: j, r: r}
		p.Identity, p.SCP = g.grants(group.Grants, resource), g.control(account)
		return cloud.Caller{Account: account, Type: cloud.PrincipalUser}, p, true, g.err
	}
	return c, p, false, nil
}

// Simulate decides what would become of a request about one resource, if these
// policies applied. Condition keys that say how a request came (such as
// aws:SourceIp, aws:CurrentTime and aws:MultiFactorAuthPresent) are those of the
// request's Keys only: nothing came. Those that say who asks and whose the
// resource is are known, unless the request's Keys say otherwise; but not where an
// account stands in the organization, which is not everybody's to find out.
func (j *Judge) Simulate(r store.Reader, p policy.Policies, q policy.Request, about policy.Resource) policy.Explanation {
	query := j.query(r, q, about)
	known := query.Keys
	query.Keys = func(name string) ([]string, bool) {
		if v, ok := fold(q.Keys, name); ok {
			return v, true
		}
		if !standing(name) {
			return nil, false
		}
		return known(name)
	}
	return p.Explain(&query)
}

// standing reports whether a condition key is true of a principal or a resource at
// any time.
func standing(name string) bool {
	rest, ok := strings.CutPrefix(name, "aws:")
	return ok && (strings.HasPrefix(rest, "principaltag/") || slices.Contains([]string{
		"username", "userid", "principalarn", "principaltype", "principalaccount", "principalorgid", "resourceaccount", "resourceorgid",
	}, rest))
}

// inlineName is how a decision calls an inline policy; resource is whose it is:
// "user/staff/alice".
func inlineName(policy, resource string) string { return "inline policy " + policy + " of " + resource }

// InlineName takes such a name apart: kind is "user", "group" or "role".
func InlineName(name string) (policy, kind, owner string, ok bool) {
	rest, ok := strings.CutPrefix(name, "inline policy ")
	if !ok {
		return "", "", "", false
	}
	policy, resource, ok := strings.Cut(rest, " of ")
	kind, _, _ = strings.Cut(resource, "/")
	return policy, kind, resource[strings.LastIndexByte(resource, '/')+1:], ok
}
