package cloud

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
)

// Organization is the one organization of a cloud: the operator's management
// account and, below its root, every other account.
type Organization struct {
	ID         string // "o-" and 10 lower-case letters and digits
	Root       string // "r-" and 4
	Management string // account
	Created    time.Time
	// PolicyTypes are those that are enabled in the root, e.g. ControlPolicies.
	PolicyTypes []string          `json:",omitempty"`
	RootTags    map[string]string `json:",omitempty"`
}

// OrganizationKey is the key of the only document.
const OrganizationKey = "organization"

// Table is "organization".
func (Organization) Table() string { return "organization" }

// Key is OrganizationKey.
func (Organization) Key() string { return OrganizationKey }

// Labels is empty.
func (Organization) Labels() []string { return nil }

// OrganizationalUnit is a folder of accounts and other units.
type OrganizationalUnit struct {
	ID      string // "ou-", the root's four, "-" and 8
	Name    string
	Parent  string // root or unit
	Created time.Time
	Tags    map[string]string `json:",omitempty"`
}

// Table is "organizationalunit".
func (OrganizationalUnit) Table() string { return "organizationalunit" }

// Key is the ID.
func (u OrganizationalUnit) Key() string { return u.ID }

// Labels finds the units below a parent.
func (u OrganizationalUnit) Labels() []string { return []string{ParentLabel(u.Parent)} }

// ControlPolicy is a policy of the organization that bounds what its accounts
// may do. FullAccess exists from the start.
type ControlPolicy struct {
	ID          string // "p-" and 8
	Name        string
	Description string `json:",omitempty"`
	Type        string // ControlPolicies
	Document    string
	// Targets are the roots, units and accounts that it is attached to.
	Targets []string          `json:",omitempty"`
	Created time.Time         // UTC
	Tags    map[string]string `json:",omitempty"`
	Fixed   bool              `json:",omitempty"` // made by the cloud: may not be changed or deleted
}

// ControlPolicies is the type of the policies that bound what accounts may do.
const ControlPolicies = "SERVICE_CONTROL_POLICY"

// FullAccess is the ID of the control policy that allows everything.
const FullAccess = "p-FullAWSAccess"

// Table is "controlpolicy".
func (ControlPolicy) Table() string { return "controlpolicy" }

// Key is the ID.
func (p ControlPolicy) Key() string { return p.ID }

// Labels finds the policies of a target.
func (p ControlPolicy) Labels() []string {
	l := make([]string, len(p.Targets))
	for i, t := range p.Targets {
		l[i] = TargetLabel(t)
	}
	return l
}

// TargetLabel is on the control policies attached to a root, unit or account.
func TargetLabel(id string) string { return "target/" + id }

// AccountRequest is what became of a wish for an account. It succeeds once the
// account has its default network: control/account writes Completed then.
type AccountRequest struct {
	ID        string // "car-" and 32 hexadecimal digits
	Name      string
	Account   string `json:",omitempty"` // empty if it failed
	Failure   string `json:",omitempty"` // e.g. "EMAIL_ALREADY_EXISTS"
	Requested time.Time
	Completed time.Time `json:",omitzero"`
}

// Table is "accountrequest".
func (AccountRequest) Table() string { return "accountrequest" }

// Key is the ID.
func (r AccountRequest) Key() string { return r.ID }

// Labels finds the request that made an account.
func (r AccountRequest) Labels() []string {
	if r.Account == "" {
		return nil
	}
	return []string{AccountLabel(r.Account)}
}

// Operator is somebody who runs the cloud. Operators are no tenants: they act
// through the local socket, and prove themselves by a token.
type Operator struct {
	Name    string
	Token   []byte // SHA-256 of the token, which has 256 random bits
	Created time.Time
	By      string    // the operator who added this one
	Seen    time.Time `json:",omitzero"` // last command, to the minute
}

// Table is "operator".
func (Operator) Table() string { return "operator" }

// Key is the name.
func (o Operator) Key() string { return o.Name }

// Labels is empty.
func (Operator) Labels() []string { return nil }

// OperatorRecord is one command of an operator: written when it begins, with
// Outcome added when it ends.
type OperatorRecord struct {
	ID       string // sorts by time
	Operator string
	Time     time.Time
	Command  string            // e.g. "account suspend"
	Args     map[string]string `json:",omitempty"` // without secrets
	Outcome  string            `json:",omitempty"` // "ok", or the error; empty: the cloud ended in the middle
	UID      int               // Unix user at the other end of the socket
}

// Table is "operatorrecord".
func (OperatorRecord) Table() string { return "operatorrecord" }

// Key is the ID.
func (r OperatorRecord) Key() string { return r.ID }

// Labels finds the records of an operator.
func (r OperatorRecord) Labels() []string { return []string{"operator/" + r.Operator} }

// NewOrganization returns the organization of a new cloud, and the control policy
// that allows everything, attached to its root.
func NewOrganization(management string, now time.Time) (Organization, ControlPolicy) {
	o := Organization{
		ID: "o-" + LowerID(10), Root: "r-" + LowerID(4), Management: management, Created: now,
		PolicyTypes: []string{ControlPolicies},
	}
	full := ControlPolicy{
		ID: FullAccess, Name: "FullAWSAccess", Description: "Allows access to every operation", Type: ControlPolicies,
		Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
		Targets:  []string{o.Root}, Created: now, Fixed: true,
	}
	return o, full
}

// LowerID returns n random lower-case letters and digits, as organizations' IDs have.
func LowerID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))[:n]
}
