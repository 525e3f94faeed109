package cloud

import "time"

// OperatorAccount owns what the operator publishes to every tenant, such as
// the public images. Nobody signs in as it.
const OperatorAccount = "000000000000"

// AccountState says whether an account may be used.
type AccountState string

// The states of an account. A suspended or closed account refuses every call, and
// its guests are stopped; what it owns stays. There is no way back from closed.
const (
	AccountActive    AccountState = "" // also that of accounts from before there were others
	AccountSuspended AccountState = "SUSPENDED"
	AccountClosed    AccountState = "CLOSED"
)

// Account is a tenant.
type Account struct {
	ID      string // 12 digits
	Name    string
	Email   string `json:",omitempty"`
	Created time.Time
	State   AccountState      `json:",omitempty"` // written by service/organizations and the operator
	Changed time.Time         `json:",omitzero"`  // of the state
	Parent  string            `json:",omitempty"` // root or organizational unit that the account is in
	Tags    map[string]string `json:",omitempty"` // written by service/organizations
	// Alias and Passwords are written by service/iam.
	Alias     string          `json:",omitempty"`
	Passwords *PasswordPolicy `json:",omitempty"` // nil: the default
	// PublicAccess is blocked in all its buckets; written by service/s3. Nil: nothing is.
	PublicAccess *PublicAccessBlock `json:",omitempty"`
	// EncryptDisks has all new volumes and copies of snapshots marked as encrypted;
	// written by service/ec2.
	EncryptDisks bool `json:",omitempty"`
	// DefaultVPC is the VPC that was made with the account; control/account
	// writes it once. Empty until then.
	DefaultVPC string `json:",omitempty"`
}

// PasswordPolicy says what passwords of an account's users must be like:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PasswordPolicy.html
type PasswordPolicy struct {
	MinimumLength                  int
	Symbols, Numbers, Upper, Lower bool
	UsersMayChange                 bool
	MaxAge                         int // days; 0: never expires
	Reuse                          int // earlier passwords that may not come back
	HardExpiry                     bool
}

// Table is "account".
func (Account) Table() string { return "account" }

// Key is the account's number.
func (a Account) Key() string { return a.ID }

// Labels finds the accounts below a root or an organizational unit.
func (a Account) Labels() []string {
	if a.Parent == "" {
		return nil
	}
	return []string{ParentLabel(a.Parent)}
}

// ParentLabel is on what lies directly below a root or an organizational unit.
func ParentLabel(id string) string { return "parent/" + id }

// AccountEmails is the space in which the addresses of accounts are claimed, in
// lower case; AccountAliases that of their aliases.
const (
	AccountEmails  = "account/email"
	AccountAliases = "account/alias"
)

// ClientToken remembers the answer to an idempotent request.
type ClientToken struct {
	Token     string // account/operation/token
	Account   string
	Hash      string   // of the request's parameters: the same token with others is refused
	Resources []string // the IDs that the first request made
	Created   time.Time
}

// Table is "clienttoken".
func (ClientToken) Table() string { return "clienttoken" }

// Key is account, operation and token.
func (t ClientToken) Key() string { return t.Token }

// Labels finds the tokens of an account.
func (t ClientToken) Labels() []string { return []string{AccountLabel(t.Account)} }
