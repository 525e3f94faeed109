package cloud

import "time"

// OperatorAccount owns what the operator publishes to every tenant, such as
// the public images. Nobody signs in as it.
const OperatorAccount = "000000000000"

// Account is a tenant.
type Account struct {
	ID      string // 12 digits
	Name    string
	Created time.Time
	// DefaultVPC is the VPC that was made with the account; control/account
	// writes it once. Empty until then.
	DefaultVPC string `json:",omitempty"`
}

// Table is "account".
func (Account) Table() string { return "account" }

// Key is the account's number.
func (a Account) Key() string { return a.ID }

// Labels is empty: accounts are listed whole.
func (Account) Labels() []string { return nil }

// AccessKey lets a principal sign requests.
type AccessKey struct {
	ID        string // e.g. "AKIA…"
	Secret    string
	Account   string
	Principal string // ARN
	Created   time.Time
	Disabled  bool `json:",omitempty"`
}

// Table is "accesskey".
func (AccessKey) Table() string { return "accesskey" }

// Key is the access key ID.
func (k AccessKey) Key() string { return k.ID }

// Labels finds the keys of an account.
func (k AccessKey) Labels() []string { return []string{AccountLabel(k.Account)} }

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
