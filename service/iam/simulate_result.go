package iam

import (
	"maps"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// show is a decision as the policy simulator answers it. A resource that is named
// has a result of its own beside that of the action, as AWS gives it.
func (sim *simulation) show(x policy.Explanation, about policy.Resource) api.EvaluationResult {
	out := api.EvaluationResult{
		EvalActionName: &x.Action, EvalResourceName: &x.Resource, EvalDecision: new(decisionOf(x.Decision)),
		MatchedStatements: sim.matched(x), MissingContextValues: sim.missing(x),
	}
	if b := sim.policies.Boundary; b != nil {
		out.PermissionsBoundaryDecisionDetail = &api.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: new(allows(x, policy.BoundaryPolicy))}
	}
	if sim.policies.SCP != nil {
		out.OrganizationsDecisionDetail = &api.OrganizationsDecisionDetail{AllowedByOrganizations: new(allows(x, policy.ServiceControlPolicy))}
	}
	if x.Resource == "*" {
		return out
	}
	out.EvalDecisionDetails = map[string]string{}
	if owner := accountOf(about); owner != "" && owner != sim.who.Account {
		out.EvalDecisionDetails = map[string]string{
			policySources[policy.IdentityPolicy]: resultOf(x, policy.IdentityPolicy),
			policySources[policy.ResourcePolicy]: resultOf(x, policy.ResourcePolicy),
		}
	}
	out.ResourceSpecificResults = []api.ResourceSpecificResult{{
		EvalResourceName: &x.Resource, EvalResourceDecision: out.EvalDecision, EvalDecisionDetails: maps.Clone(out.EvalDecisionDetails),
		MatchedStatements: out.MatchedStatements, MissingContextValues: out.MissingContextValues,
		PermissionsBoundaryDecisionDetail: out.PermissionsBoundaryDecisionDetail,
	}}
	return out
}

// accountOf is whose a resource is.
func accountOf(r policy.Resource) string {
	if r.Owner != "" {
		return r.Owner
	}
	return strings.SplitN(r.ARN, ":", 6)[4] // an ARN: pairsOf looked
}

func decisionOf(d policy.Decision) string {
	switch {
	case d.Allowed:
		return api.PolicyEvaluationDecisionTypeAllowed
	case d.Explicit:
		return api.PolicyEvaluationDecisionTypeExplicitDeny
	}
	return api.PolicyEvaluationDecisionTypeImplicitDeny
}

// allows reports whether every stage of that kind allows.
func allows(x policy.Explanation, kind policy.Kind) bool {
	return !slices.ContainsFunc(x.Stages, func(s policy.Stage) bool {
		return s.Kind == kind && s.Result != policy.Allows && s.Result != policy.Skipped
	})
}

// resultOf is what the policies of one kind say by themselves.
func resultOf(x policy.Explanation, kind policy.Kind) string {
	for _, s := range x.Stages {
		switch {
		case s.Kind != kind:
		case s.Result == policy.Allows:
			return api.PolicyEvaluationDecisionTypeAllowed
		case s.Result == policy.Denies:
			return api.PolicyEvaluationDecisionTypeExplicitDeny
		}
	}
	return api.PolicyEvaluationDecisionTypeImplicitDeny
}

// policySources are the words for where a statement stands.
var policySources = map[policy.Kind]string{
	policy.IdentityPolicy:       "IAM Policy",
	policy.ResourcePolicy:       "Resource Policy",
	policy.BoundaryPolicy:       "Permissions Boundary Policy",
	policy.ServiceControlPolicy: "Service Control Policy",
}

// matched lists the statements that determine a decision: those that deny, if one
// does; otherwise those of identity-based and resource-based policies that allow,
// if together they suffice.
func (sim *simulation) matched(x policy.Explanation) []api.Statement {
	out := []api.Statement{}
	if !x.Decision.Allowed && !x.Decision.Explicit {
		return out
	}
	effect := "Allow"
	if x.Decision.Explicit {
		effect = "Deny"
	}
	for _, stage := range x.Stages {
		if effect == "Allow" && stage.Kind != policy.IdentityPolicy && stage.Kind != policy.ResourcePolicy {
			continue
		}
		sources := sim.sources(stage)
		for i, trace := range stage.Policies {
			for _, st := range trace.Statements {
				if st.Matched && st.Effect == effect {
					out = append(out, showStatement(sources[i], st.Index))
				}
			}
		}
	}
	return out
}

// sources are the policies of a stage, in its order.
func (sim *simulation) sources(stage policy.Stage) []policy.Source {
	p := &sim.policies
	switch {
	case stage.Kind == policy.ServiceControlPolicy && stage.Level > 0:
		return p.SCP[stage.Level-1]
	case stage.Kind == policy.ResourcePolicy && p.Resource != nil:
		return []policy.Source{*p.Resource}
	case stage.Kind == policy.BoundaryPolicy && p.Boundary != nil:
		return []policy.Source{*p.Boundary}
	case stage.Kind == policy.IdentityPolicy:
		return p.Identity
	}
	return nil
}

func showStatement(source policy.Source, index int) api.Statement {
	st := source.Doc.Statement(index)
	return api.Statement{
		SourcePolicyId: new(sourceID(source.Name)), SourcePolicyType: new(policySources[source.Kind]),
		StartPosition: &api.Position{Line: new(int32(st.Start.Line)), Column: new(int32(st.Start.Column))},
		EndPosition:   &api.Position{Line: new(int32(st.End.Line)), Column: new(int32(st.End.Column))},
	}
}

// sourceID is how the simulator calls a policy: an inline one "user_alice_NAME", a
// managed one by its name, a control policy by its ID, and one of the request by
// the parameter.
func sourceID(name string) string {
	if policy, kind, owner, ok := identity.InlineName(name); ok {
		return kind + "_" + owner + "_" + policy
	}
	id, _, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], " ")
	return id
}

// missing lists the condition keys that the policies mention and nobody gave, as
// the policies write them.
func (sim *simulation) missing(x policy.Explanation) []string {
	spelled := map[string]string{}
	for _, stage := range x.Stages {
		for _, source := range sim.sources(stage) {
			spell(spelled, source.Doc)
		}
	}
	out := []string{}
	for _, key := range x.Missing {
		out = append(out, asWritten(spelled, key))
	}
	return out
}

// spell notes how the conditions of a document write their keys.
func spell(spelled map[string]string, d *policy.Document) {
	for i := range d.Statements() {
		for _, key := range d.Statement(i).Keys {
			if lower := strings.ToLower(key); spelled[lower] == "" {
				spelled[lower] = key
			}
		}
	}
}

func asWritten(spelled map[string]string, key string) string {
	if as := spelled[key]; as != "" {
		return as
	}
	return key
}
