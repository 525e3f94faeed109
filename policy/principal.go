package policy

// PrincipalKind says who asks.
type PrincipalKind int

// The kinds of principals.
const (
	Anonymous     PrincipalKind = iota // nobody who signed
	Root                               // an account's root user
	User                               // a user, with or without a session token
	AssumedRole                        // a session of a role
	FederatedUser                      // a session of GetFederationToken
	WebIdentity                        // somebody with a token of an OIDC provider, who is about to assume a role
	SAML                               // somebody with an assertion of a SAML provider, likewise
	Service                            // a service of the cloud
)

// Principal is who asks.
type Principal struct {
	Kind     PrincipalKind
	Account  string // 12 digits; empty for Anonymous, Service, WebIdentity and SAML
	ARN      string // of the user, of root, of the role's session, of the federated user
	Entity   string // the role's ARN of an AssumedRole, may be the user's of a FederatedUser; otherwise equal to ARN
	EntityID string // unique ID of the user or role (AIDA..., AROA...), which a resolved Principal element holds
	Provider string // WebIdentity and SAML: the provider's ARN or name, such as "accounts.google.com"
	Service  string // Service: "ec2.amazonaws.com"
}

// grant says how a statement reached the principal; of more than one, the
// greatest counts. What limits a grant of a resource's policy depends on it:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
type grant int

const (
	noGrant      grant = iota
	accountGrant       // it names the account, which decides by its identity-based policies
	entityGrant        // it names the session's role or user: boundary and session policies limit it
	directGrant        // it names the principal itself, or everybody
)

// principals is a Principal or NotPrincipal element.
type principals struct {
	negated   bool
	everybody bool            // "*"
	everyAWS  bool            // {"AWS": "*"}
	accounts  map[string]bool // 12 digits
	arns      map[string]bool
	ids       map[string]bool
	federated map[string]bool
	services  map[string]bool
}

// grants says how an Allow statement reaches the principal.
func (ps *principals) grants(p *Principal) grant {
	if ps.negated {
		// Whoever is named in any way is left out.
		if ps.names(p) != noGrant {
			return noGrant
		}
		return directGrant
	}
	return ps.names(p)
}

// denies reports whether a Deny statement reaches the principal.
func (ps *principals) denies(p *Principal, bounded bool) bool {
	if !ps.negated {
		return ps.everyAWS || ps.names(p) != noGrant
	}
	// Those with a boundary are always denied, as documented:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
	// All others must be named themselves: neither the account nor the role
	// stands for its users and sessions.
	return bounded || ps.names(p) != directGrant
}

// names says how the element names the principal.
func (ps *principals) names(p *Principal) grant {
	if ps.everybody {
		return directGrant
	}
	switch p.Kind {
	case Service:
		return direct(ps.services[p.Service])
	case WebIdentity, SAML:
		return direct(ps.federated[p.Provider])
	case Anonymous:
		return direct(ps.everyAWS)
	case Root:
		return direct(ps.everyAWS || ps.accounts[p.Account])
	case User, AssumedRole, FederatedUser:
	}
	named := ps.ids[p.EntityID] && p.EntityID != ""
	switch {
	case ps.everyAWS, ps.arns[p.ARN], named && p.Kind == User:
		return directGrant
	case named, ps.arns[p.Entity]:
		return entityGrant
	case ps.accounts[p.Account] && p.Account != "":
		return accountGrant
	}
	return noGrant
}

func direct(named bool) grant {
	if named {
		return directGrant
	}
	return noGrant
}
