package policy

// Source is a policy as it applies to somebody.
type Source struct {
	Kind Kind
	Name string // its ARN, or "inline policy NAME of user/alice"
	Doc  *Document
}

// Query is what is asked: may Principal do Action with Resource?
type Query struct {
	Principal Principal
	Action    string // "ec2:RunInstances"
	Resource  string // an ARN, or "*"
	// Owner is the account that owns the resource. Empty is nobody's (the cloud's
	// own, a public image), which counts as the principal's own account.
	Owner string
	Keys  Keys
}

// Policies are all that apply to a query.
type Policies struct {
	Identity []Source
	Boundary *Source // nil: none
	// Session are the session policies. HasSession says that the session was
	// made with some, even if the list is empty.
	Session    []Source
	HasSession bool
	// SCP are one list a level, the root of the organization first, the account
	// last; every level must allow. Nil: SCPs do not apply.
	SCP      [][]Source
	Endpoint *Source // of the VPC endpoint that the request came through; nil: none limits it
	Resource *Source // of the resource; nil: none
	Required bool    // the resource's policy must allow: trust policies, key policies
	DenyOnly bool    // what the resource's policy allows does not count
	// ACL is the access control list of the resource: one more that allows, and never
	// denies; nil: none.
	ACL *Source
}

// Decision is the answer.
type Decision struct {
	Allowed  bool `json:"allowed"`
	Explicit bool `json:"explicit"` // denied by a Deny statement
	// By is the kind of policy that decided: of the statement that allowed or
	// denied, or the kind in which nothing allowed.
	By        Kind   `json:"by"`
	Policy    string `json:"policy,omitempty"` // name of the Source of the deciding statement; empty for an implicit deny
	Statement int    `json:"statement"`        // index in it; -1 for an implicit deny
	Sid       string `json:"sid,omitempty"`
}

// Because is the end of AWS's access denied message, as in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html:
// "because no identity-based policy allows the ec2:RunInstances action". It is
// empty if the action is allowed.
func (d Decision) Because(action string) string {
	switch {
	case d.Allowed:
		return ""
	case d.Explicit && d.By.known():
		return "with an explicit deny in " + kinds[d.By].one
	default:
		return "because no " + d.By.String() + " allows the " + action + " action"
	}
}

// found is a statement of a source; index -1 is none.
type found struct {
	source *Source
	index  int
	grant  grant // of a resource's policy
}

func (f found) any() bool { return f.index >= 0 }

// decision makes a Decision of the statement.
func (f found) decision(allowed bool) (Decision, *Source) {
	return Decision{
		Allowed: allowed, Explicit: !allowed, By: f.source.Kind, Policy: f.source.Name,
		Statement: f.index, Sid: f.source.Doc.statements[f.index].sid,
	}, f.source
}

// implicit is the answer where nothing of the kind allows.
func implicit(by Kind) Decision { return Decision{By: by, Statement: -1} }

// evaluation is a query in the making.
type evaluation struct {
	*Query
	fence   int
	bounded bool // the principal has a permissions boundary
}

func (p *Policies) evaluation(q *Query) evaluation {
	return evaluation{Query: q, fence: fenceOf(q.Resource), bounded: p.Boundary != nil}
}

// Decide answers without explaining. On the way through policies without
// conditions and variables it allocates nothing.
//
// The order is AWS's: an explicit deny anywhere decides; then each level of
// SCPs must allow, and the policy of a VPC endpoint; then what is needed of the resource's policy, identity-based
// policies, boundary and session policies.
func (p *Policies) Decide(q *Query) Decision {
	d, _ := p.decide(q)
	return d
}

// decide is Decide, and returns the source of the deciding statement.
func (p *Policies) decide(q *Query) (Decision, *Source) {
	e := p.evaluation(q)
	scp := -1 // the first level that does not allow
	for level := range p.SCP {
		allow, deny := e.scanAll(p.SCP[level])
		if deny.any() {
			return deny.decision(false)
		}
		if !allow.any() && scp < 0 {
			scp = level
		}
	}
	endpoint, deny := e.scanOne(p.Endpoint)
	if deny.any() {
		return deny.decision(false)
	}
	resource, deny := e.scanResource(p)
	if deny.any() {
		return deny.decision(false)
	}
	identity, deny := e.scanAll(p.Identity)
	if deny.any() {
		return deny.decision(false)
	}
	boundary, deny := e.scanOne(p.Boundary)
	if deny.any() {
		return deny.decision(false)
	}
	session, deny := e.scanAll(p.Session)
	if deny.any() {
		return deny.decision(false)
	}
	if scp >= 0 {
		return implicit(ServiceControlPolicy), nil
	}
	if p.Endpoint != nil && !endpoint.any() {
		return implicit(EndpointPolicy), nil
	}
	return p.weigh(q, resource, identity, boundary.any() || p.Boundary == nil, session.any())
}

// weigh decides where nothing is denied explicitly. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
// and https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
func (p *Policies) weigh(q *Query, resource, identity found, boundary, session bool) (Decision, *Source) {
	who := &q.Principal
	if who.Account == "" { // nobody else could allow it
		if !resource.any() {
			return implicit(p.resourceKind()), nil
		}
		return resource.decision(true)
	}
	cross := q.Owner != "" && q.Owner != who.Account
	if p.Required && !resource.any() {
		return implicit(p.resourceKind()), nil
	}
	if !cross && resource.grant == directGrant {
		return resource.decision(true)
	}
	// A grant to the role or the federated user's user is one to the principal,
	// within what limits the principal.
	byResource := !cross && resource.grant == entityGrant
	switch {
	case !identity.any() && !byResource:
		return implicit(IdentityPolicy), nil
	case !boundary:
		return implicit(BoundaryPolicy), nil
	case p.needsSession(who) && !session:
		return implicit(SessionPolicy), nil
	case cross && !resource.any():
		return implicit(p.resourceKind()), nil
	case cross, !identity.any():
		return resource.decision(true)
	}
	return identity.decision(true)
}

// needsSession reports whether session policies must allow. A federated user
// has nothing from the user's policies without them:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getfederationtoken.html
func (p *Policies) needsSession(who *Principal) bool {
	return p.HasSession || len(p.Session) > 0 || who.Kind == FederatedUser
}

func (p *Policies) resourceKind() Kind {
	if p.Resource != nil {
		return p.Resource.Kind
	}
	return ResourcePolicy
}

// scanAll finds the first statement of the sources that allows, and the first
// that denies.
func (e *evaluation) scanAll(sources []Source) (allow, deny found) {
	allow = found{index: -1}
	for i := range sources {
		a, d := e.scan(&sources[i], allow.any())
		if d.any() {
			return allow, d
		}
		if a.any() {
			allow = a
		}
	}
	return allow, found{index: -1}
}

// scanResource finds what allows of the resource's policy and its access control list,
// the greatest grant of both, and what denies.
func (e *evaluation) scanResource(p *Policies) (allow, deny found) {
	allow = found{index: -1}
	if s := p.Resource; s != nil {
		if allow, deny = e.scan(s, p.DenyOnly); deny.any() {
			return allow, deny
		}
	}
	if listed, _ := e.scanOne(p.ACL); listed.any() && (!allow.any() || listed.grant > allow.grant) {
		allow = listed
	}
	return allow, found{index: -1}
}

func (e *evaluation) scanOne(s *Source) (allow, deny found) {
	if s == nil {
		return found{index: -1}, found{index: -1}
	}
	return e.scan(s, false)
}

// scan looks at the statements of one source. Of a resource's policy, the
// statement with the greatest grant allows; deniesOnly leaves out those that
// allow.
func (e *evaluation) scan(s *Source, deniesOnly bool) (allow, deny found) {
	allow, deny = found{index: -1}, found{index: -1}
	if s.Doc == nil {
		return allow, deny
	}
	for i := range s.Doc.statements {
		st := &s.Doc.statements[i]
		if !st.deny && deniesOnly || !st.actionMatches(e.Action) {
			continue
		}
		g := directGrant
		if st.principals != nil {
			if g = e.reach(st); g == noGrant || !st.deny && allow.any() && g <= allow.grant {
				continue
			}
		}
		if !st.resourceMatches(e.Resource, e.fence, e.Keys) || !st.conditionsHold(e.Keys) {
			continue
		}
		f := found{source: s, index: i, grant: g}
		if st.deny {
			return allow, f
		}
		allow = f
		deniesOnly = g == directGrant
	}
	return allow, deny
}

// reach says how a statement with principals reaches the one who asks.
func (e *evaluation) reach(st *statement) grant {
	if st.deny {
		return direct(st.principals.denies(&e.Principal, e.bounded))
	}
	return st.principals.grants(&e.Principal)
}
