package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation is a decision and the whole way to it. It can be written as JSON.
type Explanation struct {
	Principal string   `json:"principal"`
	Action    string   `json:"action"`
	Resource  string   `json:"resource"`
	Decision  Decision `json:"decision"`
	Stages    []Stage  `json:"stages"`
	// Missing are condition keys that the policies mention and the request does
	// not have: in lower case, sorted.
	Missing []string `json:"missing,omitempty"`
}

// Stage is the part of policies of one kind (of service control policies: of one
// level) in the decision.
type Stage struct {
	Kind     Kind          `json:"kind"`
	Level    int           `json:"level,omitempty"` // of service control policies, from 1, the root of the organization
	Result   Result        `json:"result"`
	Note     string        `json:"note,omitempty"` // what the stage means for the decision, where that is not plain
	Policies []SourceTrace `json:"policies,omitempty"`
}

// Result is what a stage says.
type Result string

// What stages say.
const (
	Denies  Result = "denies"
	Allows  Result = "allows"
	Silent  Result = "does not allow"
	Skipped Result = "does not apply"
)

// SourceTrace is one policy in a stage.
type SourceTrace struct {
	Name       string           `json:"name"`
	Statements []StatementTrace `json:"statements,omitempty"`
}

// StatementTrace is one statement: either it matched, or Mismatches say why
// not.
type StatementTrace struct {
	Index      int        `json:"index"`
	Sid        string     `json:"sid,omitempty"`
	Effect     string     `json:"effect"` // "Allow" or "Deny"
	Line       int        `json:"line"`
	Matched    bool       `json:"matched"`
	Decided    bool       `json:"decided,omitempty"` // it is the statement that decided
	Reach      string     `json:"reach,omitempty"`   // what its Principal names: "the principal", "its role or user", "its account"
	Mismatches []Mismatch `json:"mismatches,omitempty"`
}

// Mismatch is an element that does not match: the first of Action, Principal
// and Resource, or else each condition that is not true.
type Mismatch struct {
	Element  string   `json:"element"`            // "Action", "NotAction", ..., "Condition"
	Operator string   `json:"operator,omitempty"` // of a condition, as written
	Key      string   `json:"key,omitempty"`      // of a condition, as written
	Wanted   []string `json:"wanted"`             // by the policy, as written
	Resolved []string `json:"resolved,omitempty"` // Wanted with the values of its variables, those without are left out
	Actual   []string `json:"actual,omitempty"`   // of the request
	Absent   bool     `json:"absent,omitempty"`   // the request does not have the key
}

// Explain decides, and tells the whole way: each stage, policy and statement.
// Its decision is that of Decide.
func (p *Policies) Explain(q *Query) Explanation {
	d, by := p.decide(q)
	x := Explanation{Principal: q.Principal.name(), Action: q.Action, Resource: q.Resource, Decision: d, Missing: p.missing(q.Keys)}
	t := tracer{evaluation: p.evaluation(q), decision: d, by: by}
	if p.SCP == nil {
		x.Stages = append(x.Stages, Stage{Kind: ServiceControlPolicy, Result: Skipped, Note: "none apply to the account"})
	}
	for level, sources := range p.SCP {
		s := t.stage(ServiceControlPolicy, sources)
		s.Level = level + 1
		if s.Result == Silent {
			s.Note = "every level of the organization must allow"
		}
		x.Stages = append(x.Stages, s)
	}
	if p.Endpoint != nil {
		x.Stages = append(x.Stages, t.stage(EndpointPolicy, []Source{*p.Endpoint}))
	}
	x.Stages = append(x.Stages,
		p.resourceStage(&t))
	if p.ACL != nil {
		x.Stages = append(x.Stages, p.listStage(&t))
	}
	x.Stages = append(x.Stages, p.identityStage(&t), p.boundaryStage(&t), p.sessionStage(&t))
	return x
}

func (p *Policies) resourceStage(t *tracer) Stage {
	cross := t.Owner != "" && t.Owner != t.Principal.Account
	var s Stage
	if p.Resource == nil {
		s = Stage{Kind: ResourcePolicy, Result: Skipped, Note: "the resource has none"}
		if cross || p.Required || t.Principal.Account == "" {
			s.Result = Silent
		}
	} else {
		s = t.stage(p.Resource.Kind, []Source{*p.Resource})
	}
	switch {
	case p.DenyOnly && s.Result != Denies:
		s.Result, s.Note = Silent, "only what it denies counts: the resource is not of who wrote it"
	case t.Principal.Account == "":
		s.Note = "it alone can allow, since the principal belongs to no account"
	case cross:
		s.Note = fmt.Sprintf("the resource belongs to account %s: it must allow, and the principal's account, too", t.Owner)
	case p.Required:
		s.Note = "it must allow: this kind of resource gives nothing to identity-based policies alone"
	}
	if s.Result == Allows && t.Principal.Account != "" && !cross {
		s.limits()
	}
	return s
}

// listStage is the resource's access control list, which allows as its policy does.
func (p *Policies) listStage(t *tracer) Stage {
	s := t.stage(AccessControlList, []Source{*p.ACL})
	switch {
	case s.Result != Allows || t.Principal.Account == "":
	case t.Owner != "" && t.Owner != t.Principal.Account:
		s.Note = "the principal's account must allow, too"
	default:
		s.limits()
	}
	return s
}

// limits notes what a grant of a resource's policy does not override.
func (s *Stage) limits() {
	reach := noGrant
	for _, st := range s.Policies[0].Statements {
		if st.Matched && st.Effect == "Allow" {
			reach = max(reach, grant(slices.Index(reaches[:], st.Reach)))
		}
	}
	switch reach {
	case accountGrant:
		s.Note = "it names the account only: identity-based policies must allow, too"
	case entityGrant:
		s.Note = "it names the session's role or user: permissions boundary and session policies limit it"
	case directGrant, noGrant:
	}
}

func (p *Policies) identityStage(t *tracer) Stage {
	s := t.stage(IdentityPolicy, p.Identity)
	switch {
	case t.Principal.Account == "" && s.Result != Denies:
		s.Result, s.Note = Skipped, "the principal belongs to no account"
	case len(p.Identity) == 0:
		s.Note = "the principal has none"
	}
	return s
}

func (p *Policies) boundaryStage(t *tracer) Stage {
	if p.Boundary == nil {
		return Stage{Kind: BoundaryPolicy, Result: Skipped, Note: "the principal has none"}
	}
	return t.stage(BoundaryPolicy, []Source{*p.Boundary})
}

func (p *Policies) sessionStage(t *tracer) Stage {
	if !p.needsSession(&t.Principal) {
		return Stage{Kind: SessionPolicy, Result: Skipped, Note: "the session was made without any"}
	}
	s := t.stage(SessionPolicy, p.Session)
	if len(p.Session) == 0 && t.Principal.Kind == FederatedUser {
		s.Note = "without any, a federated user has nothing of the user's identity-based policies"
	}
	return s
}

// tracer writes stages.
type tracer struct {
	evaluation
	decision Decision
	by       *Source // nil if no statement decided
}

func (t *tracer) stage(kind Kind, sources []Source) Stage {
	s := Stage{Kind: kind, Result: Silent}
	for i := range sources {
		src := &sources[i]
		trace := SourceTrace{Name: src.Name}
		if src.Doc != nil {
			for j := range src.Doc.statements {
				st := t.statement(src, j)
				trace.Statements = append(trace.Statements, st)
				switch {
				case !st.Matched:
				case st.Effect == "Deny":
					s.Result = Denies
				case s.Result == Silent:
					s.Result = Allows
				}
			}
		}
		s.Policies = append(s.Policies, trace)
	}
	return s
}

// statement explains one statement.
func (t *tracer) statement(src *Source, index int) StatementTrace {
	st := &src.Doc.statements[index]
	out := StatementTrace{Index: index, Sid: st.sid, Effect: "Allow", Line: st.start.Line}
	if st.deny {
		out.Effect = "Deny"
	}
	reach := directGrant
	if st.principals != nil {
		reach = t.reach(st)
		out.Reach = reaches[reach]
	}
	switch {
	case !st.actionMatches(t.Action):
		out.Mismatches = []Mismatch{{Element: not(st.notAction, "Action"), Wanted: st.source.actions, Actual: []string{t.Action}}}
	case reach == noGrant:
		out.Mismatches = []Mismatch{{Element: not(st.principals.negated, "Principal"), Wanted: st.source.principals, Actual: []string{t.Principal.name()}}}
	case !st.resourceMatches(t.Resource, t.fence, t.Keys):
		m := Mismatch{Element: not(st.notResource, "Resource"), Wanted: st.source.resources, Actual: []string{t.Resource}}
		for i := range st.resources {
			m.resolve(st.resources[i].template, t.Keys)
		}
		out.Mismatches = []Mismatch{m}
	default:
		for i := range st.conditions {
			if c := &st.conditions[i]; !c.holds(t.Keys) {
				out.Mismatches = append(out.Mismatches, c.mismatch(t.Keys))
			}
		}
	}
	out.Matched = out.Mismatches == nil
	out.Decided = out.Matched && t.by != nil && t.by.Doc == src.Doc && t.by.Name == src.Name && t.by.Kind == src.Kind && t.decision.Statement == index
	return out
}

// reaches are the words for what a Principal element names.
var reaches = [...]string{noGrant: "", accountGrant: "its account", entityGrant: "its role or user", directGrant: "the principal"}

func not(negated bool, element string) string {
	if negated {
		return "Not" + element
	}
	return element
}

func (c *condition) mismatch(keys Keys) Mismatch {
	m := Mismatch{Element: "Condition", Operator: c.name, Key: c.spelled, Absent: true, Wanted: []string{}}
	for i := range c.values {
		m.Wanted = append(m.Wanted, c.values[i].raw)
		m.resolve(c.values[i].template, keys)
	}
	if keys != nil {
		values, present := keys(c.key)
		m.Actual, m.Absent = slices.Clone(values), !present
	}
	return m
}

// resolve notes what a value with variables is in this request.
func (m *Mismatch) resolve(t template, keys Keys) {
	if t == nil {
		return
	}
	if text, ok := t.expand(keys); ok {
		m.Resolved = append(m.Resolved, asWritten.Replace(text))
	}
}

// asWritten is the opposite of wildcards.
var asWritten = strings.NewReplacer("\xff", "*", "\xfe", "?")

// name is how a principal is called.
func (p *Principal) name() string {
	switch p.Kind {
	case Anonymous:
		return "anonymous"
	case WebIdentity, SAML:
		return p.Provider
	case Service:
		return p.Service
	default:
		return p.ARN
	}
}

// missing lists the keys that the policies mention and the request does not
// have.
func (p *Policies) missing(keys Keys) (absent []string) {
	p.each(func(s *Source) {
		for _, k := range s.Doc.keys {
			if keys != nil {
				if _, present := keys(k); present {
					continue
				}
			}
			absent = append(absent, k)
		}
	})
	slices.Sort(absent)
	return slices.Compact(absent)
}

// each calls do for every policy.
func (p *Policies) each(do func(*Source)) {
	all := func(sources []Source) {
		for i := range sources {
			if sources[i].Doc != nil {
				do(&sources[i])
			}
		}
	}
	for _, level := range p.SCP {
		all(level)
	}
	all(p.Identity)
	all(p.Session)
	for _, s := range []*Source{p.Endpoint, p.Resource, p.ACL, p.Boundary} {
		if s != nil && s.Doc != nil {
			do(s)
		}
	}
}
