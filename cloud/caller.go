package cloud

import (
	"context"
	"time"
)

// PrincipalType is what kind of principal signed a request, in the words of the
// condition key aws:PrincipalType.
type PrincipalType string

// The kinds of principals that sign requests.
const (
	PrincipalRoot      PrincipalType = "Account"       // the root of an account
	PrincipalUser      PrincipalType = "User"          // an IAM user
	PrincipalRole      PrincipalType = "AssumedRole"   // a session of a role
	PrincipalFederated PrincipalType = "FederatedUser" // a session made by GetFederationToken
)

// Caller is who makes a request, as the gateway has verified it. The zero
// Caller is anonymous; so is one without an account, whose Session says only what
// an identity provider vouches for, while a role is assumed with an assertion.
type Caller struct {
	Account string        // 12 digits
	ARN     string        // e.g. "arn:aws:iam::000000000001:root"
	UserID  string        // aws:userid: the account for its root, "AIDA…", "AROA…:session", "account:name" of a federated user
	Type    PrincipalType // empty for an anonymous request
	// Entity is the ID of the document whose policies apply: the user ("AIDA…"),
	// the role ("AROA…"); for a federated user that of the user who made the
	// session. Empty for a root.
	Entity    string
	Session   *Session // of temporary credentials; nil for long-lived ones
	AccessKey string   // access key ID that signed the request

	RequestID string
	SourceIP  string
	VPC       string // that the request came from, whose addresses SourceIP is of; empty: from outside
	Endpoint  string // "vpce-…" that it came through; empty: none
	UserAgent string
	Referer   string
	Secure    bool   // the request came over TLS
	Host      string // as the client addressed it, with its port
	Region    string // the region of the credential scope
}

// Session is what temporary credentials stand for. It is sealed into their
// session token, and looked up nowhere.
type Session struct {
	AccessKey string // access key ID of the credentials, "ASIA…"
	Secret    string // their secret access key
	Account   string
	Type      PrincipalType
	Entity    string // as in Caller
	Name      string `json:",omitempty"` // of a role's session or a federated user
	Issued    time.Time
	Expires   time.Time

	// Policies are session policies, as documents; PolicyARNs are managed ones.
	// Restricted says that the session was made with some: then only what they
	// allow too is allowed.
	Policies   []string `json:",omitempty"`
	PolicyARNs []string `json:",omitempty"`
	Restricted bool     `json:",omitempty"`

	Tags       map[string]string `json:",omitempty"` // of the session: aws:PrincipalTag
	Transitive []string          `json:",omitempty"` // keys of the tags that pass on to sessions made from this one
	Source     string            `json:",omitempty"` // source identity, which passes on and cannot change
	// MFA is when a second factor proved the caller; zero if none did.
	MFA     time.Time `json:",omitzero"`
	Chained bool      `json:",omitempty"` // made by a session of a role
	// Provider is the ARN of the identity provider that vouched for the caller:
	// aws:FederatedProvider. Claims are condition keys from its assertion, such as
	// "saml:sub".
	Provider string              `json:",omitempty"`
	Claims   map[string][]string `json:",omitempty"`
	// Instance is the EC2 instance that the credentials were handed to.
	Instance string `json:",omitempty"`
}

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller, the zero Caller for an anonymous request.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Credentials are temporary credentials as their holder has them.
type Credentials struct {
	Role      string // ID of the role that they act as
	AccessKey string // "ASIA…"
	Secret    string
	Token     string // session token
	Issued    time.Time
	Expires   time.Time
}
