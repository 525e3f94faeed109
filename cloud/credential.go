package cloud

import "time"

// AccessKey lets a principal sign requests.
type AccessKey struct {
	ID      string // "AKIA…"
	Sealed  []byte // the secret access key, under the cloud's keys; bound to the ID
	Account string
	User    string `json:",omitempty"` // ID of the user; empty for the root of the account
	Created time.Time
	// Disabled: the key is Inactive.
	Disabled bool `json:",omitempty"`

	// Secret and Principal are how clouds before sealing kept the secret and the
	// owner; bootstrap seals and clears them.
	Secret    string `json:",omitempty"`
	Principal string `json:",omitempty"`
}

// Table is "accesskey".
func (AccessKey) Table() string { return "accesskey" }

// Key is the access key ID.
func (k AccessKey) Key() string { return k.ID }

// Labels finds the keys of an account and of a user.
func (k AccessKey) Labels() []string {
	l := []string{AccountLabel(k.Account)}
	if k.User != "" {
		l = append(l, UserLabel(k.User))
	}
	return l
}

// UserLabel is on what belongs to a user.
func UserLabel(id string) string { return "user/" + id }

// LastUse is when an access key, a role or a password was last used. Package
// identity writes it some seconds late, at most once a minute for each.
type LastUse struct {
	ID      string // access key ID, role ID, user ID (of its password)
	Account string
	When    time.Time
	Service string `json:",omitempty"` // e.g. "ec2"
	Region  string `json:",omitempty"`
}

// Table is "lastuse".
func (LastUse) Table() string { return "lastuse" }

// Key is the ID of what was used.
func (l LastUse) Key() string { return l.ID }

// Labels is empty: a use is looked up by what was used.
func (LastUse) Labels() []string { return nil }

// LoginProfile is a user's password.
type LoginProfile struct {
	User      string // ID
	Account   string
	Hash      string   // argon2id, in the PHC string format
	Earlier   []string `json:",omitempty"` // hashes of earlier passwords, newest first
	Created   time.Time
	Changed   time.Time
	MustReset bool `json:",omitempty"`
}

// Table is "loginprofile".
func (LoginProfile) Table() string { return "loginprofile" }

// Key is the user's ID.
func (p LoginProfile) Key() string { return p.User }

// Labels finds the passwords of an account.
func (p LoginProfile) Labels() []string { return []string{AccountLabel(p.Account)} }

// maxEarlier is how many earlier passwords are kept: as many as a policy may
// keep from coming back, with the present one.
const maxEarlier = 23

// Replace puts the hash of a new password in the place of the present one.
func (p *LoginProfile) Replace(hash string, now time.Time) {
	if hash == p.Hash {
		return
	}
	earlier := append([]string{p.Hash}, p.Earlier...)
	p.Earlier, p.Hash, p.Changed = earlier[:min(len(earlier), maxEarlier)], hash, now
}

// MFADevice is a virtual device that makes time-based one-time passwords
// (RFC 6238: SHA-1, 6 digits, 30 seconds).
type MFADevice struct {
	Serial  string // ARN, "arn:aws:iam::…:mfa/alice"
	Account string
	Name    string
	Path    string
	Sealed  []byte            // the seed, bound to the serial number
	User    string            `json:",omitempty"` // ID of the user it is enabled for; "root" for the account's root; empty: unassigned
	Created time.Time         // when it was made
	Enabled time.Time         `json:",omitzero"`
	Last    int64             `json:",omitempty"` // counter of the last code that was accepted: none is accepted twice
	Drift   int64             `json:",omitempty"` // how many periods its clock was ahead when it was last synchronised
	Wrong   int               `json:",omitempty"` // wrong codes since the last right one
	Locked  time.Time         `json:",omitzero"`  // until then no code is accepted
	Tags    map[string]string `json:",omitempty"`
}

// Table is "mfadevice".
func (MFADevice) Table() string { return "mfadevice" }

// Key is the serial number.
func (d MFADevice) Key() string { return d.Serial }

// Labels finds the devices of an account and of a user.
func (d MFADevice) Labels() []string {
	l := []string{AccountLabel(d.Account)}
	if d.User != "" {
		l = append(l, UserLabel(d.User))
	}
	return l
}

// OIDCProvider is an OpenID Connect identity provider that an account trusts.
type OIDCProvider struct {
	ARN         string // "arn:aws:iam::…:oidc-provider/idp.example.org/path"
	Account     string
	URL         string            // without "https://", as in the ARN
	Clients     []string          `json:",omitempty"`
	Thumbprints []string          `json:",omitempty"` // SHA-1 of the top certificate, hexadecimal
	Created     time.Time         // UTC
	Tags        map[string]string `json:",omitempty"`
}

// Table is "oidcprovider".
func (OIDCProvider) Table() string { return "oidcprovider" }

// Key is the ARN.
func (p OIDCProvider) Key() string { return p.ARN }

// Labels finds the providers of an account.
func (p OIDCProvider) Labels() []string { return []string{AccountLabel(p.Account)} }

// SAMLProvider is a SAML 2.0 identity provider that an account trusts.
type SAMLProvider struct {
	ARN      string // "arn:aws:iam::…:saml-provider/NAME"
	Account  string
	Name     string
	Metadata string            // the provider's metadata document
	Created  time.Time         // UTC
	Tags     map[string]string `json:",omitempty"`
}

// Table is "samlprovider".
func (SAMLProvider) Table() string { return "samlprovider" }

// Key is the ARN.
func (p SAMLProvider) Key() string { return p.ARN }

// Labels finds the providers of an account.
func (p SAMLProvider) Labels() []string { return []string{AccountLabel(p.Account)} }

// ServerCertificate is a certificate for TLS with its private key, which no
// operation ever shows.
type ServerCertificate struct {
	Meta    // ID is "ASCA…"
	Name    string
	Path    string
	Body    string // PEM: the certificate
	Chain   string `json:",omitempty"` // PEM: who signed it, the nearest first
	Sealed  []byte // PEM: the private key, bound to the ID
	Expires time.Time
}

// Table is "servercertificate".
func (ServerCertificate) Table() string { return "servercertificate" }

// Labels finds the certificates of an account.
func (c ServerCertificate) Labels() []string { return []string{AccountLabel(c.Account)} }

// Resource is the last part of the certificate's ARN.
func (c ServerCertificate) Resource() string { return "server-certificate" + c.Path + c.Name }

// CredentialReport is the last report that an account asked for.
type CredentialReport struct {
	Account   string
	Generated time.Time
	Content   []byte // CSV
}

// Table is "credentialreport".
func (CredentialReport) Table() string { return "credentialreport" }

// Key is the account.
func (r CredentialReport) Key() string { return r.Account }

// Labels is empty.
func (CredentialReport) Labels() []string { return nil }

// SealedKey is a key of the cloud's own, wrapped by the root key.
type SealedKey struct {
	Name    string // what it is for: "secrets", "tokens"
	Root    string // names the root key that wraps it
	Wrapped []byte
	Created time.Time
}

// Table is "sealedkey".
func (SealedKey) Table() string { return "sealedkey" }

// Key is the name.
func (k SealedKey) Key() string { return k.Name }

// Labels is empty: there are a handful.
func (SealedKey) Labels() []string { return nil }
