package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Question asks why a principal may do something, or may not.
type Question struct {
	Principal string              `json:"principal"`           // ARN of a root, a user, a role or an assumed role
	Action    string              `json:"action"`              // "ec2:RunInstances"
	Resources []string            `json:"resources,omitempty"` // ARNs; none: all
	Context   map[string][]string `json:"context,omitempty"`   // condition keys, those of resources too
}

func (q Question) args() map[string]string {
	args := map[string]string{"principal": q.Principal, "action": q.Action, "resources": strings.Join(q.Resources, " ")}
	for _, k := range slices.Sorted(maps.Keys(q.Context)) {
		args["context "+k] = strings.Join(q.Context[k], " ")
	}
	return args
}

// Answer is the decision for each resource; all must be allowed.
type Answer struct {
	Allowed   bool       `json:"allowed"`
	Decisions []Decision `json:"decisions"`
}

// Decision is why one resource was allowed or denied.
type Decision struct {
	Resource    string             `json:"resource"`
	Explanation policy.Explanation `json:"explanation"`
}

// why decides as a service would have it decided, and tells the whole way there.
func (r *running) why(_ context.Context, q Question) (Answer, error) {
	service, name, ok := strings.Cut(q.Action, ":")
	if !ok || service == "" || name == "" {
		return Answer{}, fmt.Errorf("%q is no action: give a service and an operation, such as ec2:RunInstances", q.Action)
	}
	v := r.db.View()
	caller, ok := r.directory.Find(v, q.Principal)
	if !ok {
		return Answer{}, fmt.Errorf("there is no principal %q: give the ARN of an account's root, a user or a role, such as arn:aws:iam::%s:root", q.Principal, firstAccount)
	}
	caller.Region = r.cfg.Place.Region
	req := policy.Request{Caller: caller, Action: q.Action, Keys: q.Context}
	for _, arn := range q.Resources {
		req.Resources = append(req.Resources, r.resource(v, q.Action, arn))
	}
	all, err := r.judge.Explain(req)
	out := Answer{Allowed: err == nil}
	for _, e := range all {
		out.Allowed = out.Allowed && e.Decision.Allowed
		out.Decisions = append(out.Decisions, Decision{Resource: e.Resource, Explanation: e.Explanation})
	}
	return out, err
}

// resource is what a service would say of a resource: a role that is assumed has
// its trust policy.
func (r *running) resource(v store.Reader, action, arn string) policy.Resource {
	out := policy.Resource{ARN: arn}
	if !strings.HasPrefix(strings.ToLower(action), "sts:assumerole") {
		return out
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return out
	}
	role, ok := identity.Role(v, parts[4], parts[5][strings.LastIndexByte(parts[5], '/')+1:])
	if ok && role.Resource() == parts[5] {
		out.Tags = role.Tags
		out.Policy = policy.Attached{Name: "trust policy of " + role.Resource(), Document: role.Trust, Kind: policy.TrustPolicy, Required: true}
	}
	return out
}
