// Package saml verifies SAML 2.0 authentication responses of identity providers
// that tenants trust, as far as signing in to a cloud needs:
// https://docs.oasis-open.org/security/saml/v2.0/saml-core-2.0-os.pdf and
// https://docs.oasis-open.org/security/saml/v2.0/saml-profiles-2.0-os.pdf (4.1.4).
//
// It guarantees that everything it tells of an assertion was signed with a key of
// the provider's metadata: it reads the bytes whose signature was verified, and no
// others. A response with more than one assertion, with a signature elsewhere than
// in the response and the assertion, or with an ID that is there twice is refused
// unread, and so are document types. The assertion was issued within the last five
// minutes, for this cloud, and has not ended. It does not remember assertions: one
// may come again within its five minutes. Encrypted assertions are refused.
//
// Errors are *cloud.Error in the words of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_saml.html
package saml

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
)

const (
	leeway = 30 * time.Second // how far the clock of a provider may be off
	redeem = 5 * time.Minute  // after which an assertion is too old, whatever it says
)

// Verifier verifies responses. Fields are set once, before the first use.
type Verifier struct {
	Now func() time.Time
	// Audiences and Recipients are the names by which providers know the cloud:
	// one of each must stand in an assertion.
	Audiences, Recipients []string
}

// Assertion is what a provider asserts.
type Assertion struct {
	Issuer    string // the provider's entity ID
	Subject   string // NameID
	Format    string // of the NameID, a URN; empty if the provider does not say
	Recipient string
	Ends      time.Time // SessionNotOnOrAfter; zero if the provider does not say
	// Attributes are the values of attributes by their name.
	Attributes map[string][]string
}

// Verify returns what an encoded response (base64) of a provider asserts.
func (v *Verifier) Verify(encoded string, p cloud.SAMLProvider) (a Assertion, err error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return a, invalid("Invalid base64 SAMLResponse")
	}
	m, err := identity.ParseSAMLMetadata(p.Metadata)
	if err != nil {
		return a, invalid("The metadata document of " + p.ARN + " cannot be used: " + err.Error())
	}
	if !m.ValidUntil.IsZero() && !v.Now().Before(m.ValidUntil) {
		return a, invalid("The metadata document of " + p.ARN + " is valid no more: update the provider with a new one")
	}
	status, assertion, err := v.open(raw, m)
	if err != nil {
		return a, err
	}
	if status != "" && status != success {
		return a, &cloud.Error{Code: "IDPRejectedClaim", Status: 403, Message: "The identity provider answered with the status " + shorten(status)}
	}
	return v.read(assertion, m)
}

func invalid(message string) error {
	return &cloud.Error{Code: "InvalidIdentityToken", Message: message}
}

func expired(message string) error {
	return &cloud.Error{Code: "ExpiredTokenException", Message: message}
}

// shorten repeats no more of a value than one reads.
func shorten(s string) string {
	const most = 128
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
