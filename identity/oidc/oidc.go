// Package oidc verifies ID tokens of OpenID Connect providers that tenants trust:
// https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation.
//
// It guarantees that claims which it returns were signed, with an asymmetric
// algorithm, by a key that the token's issuer publishes over HTTPS now or did
// within the last hour; that the issuer and the audience are those of the
// provider; and that the token is neither expired nor from the future. It connects
// to hosts that the operator has allowed and nowhere else, never to an address of
// a private network unless its host was allowed by name, for a bounded time, and
// reads a bounded answer. It does not remember tokens: one may come again until it
// expires.
//
// Errors are *cloud.Error in the words of
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
package oidc

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vauban-cloud/vauban/cloud"
)

// leeway is how far the clock of a provider may be off.
const leeway = 30 * time.Second

// algorithms are those that a token may be signed with. "none" and those with
// shared secrets are not among them.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	keys *Keys
	now  func() time.Time
}

// NewVerifier returns a verifier with keys to ask; without them, nil, no token is
// valid.
func NewVerifier(keys *Keys, now func() time.Time) *Verifier { return &Verifier{keys, now} }

// Identity is what a token says, verified.
type Identity struct {
	Issuer   string // "https://idp.example.org/path"
	Subject  string
	Client   string // the provider's client that the token is for: azp, or else aud
	Audience []string
	Methods  []string // amr
	// Tags, Transitive and Source are session tags and the source identity that
	// the provider wants the session to have.
	Tags       map[string]string
	Transitive []string
	Source     string
}

// Verify returns what a token says. find returns the provider of an issuer, false
// if nobody who is concerned trusts it; it is asked before anything is believed.
func (v *Verifier) Verify(ctx context.Context, raw string, find func(issuer string) (cloud.OIDCProvider, bool)) (id Identity, err error) {
	token, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return id, invalid("The ID Token provided is not a valid JWT signed with RS256, RS384, RS512, ES256, ES384 or ES512. (You may see this error if you sent an Access Token)")
	}
	// Nothing of it counts before the signature was verified: what is wrong
	// already saves the provider a question.
	c, err := readClaims(token.UnsafePayloadWithoutVerification())
	if err != nil {
		return id, err
	}
	p, ok := find(c.issuer)
	if !ok || "https://"+p.URL != c.issuer {
		return id, invalid("No OpenIDConnect provider found in your account for " + shorten(c.issuer))
	}
	client, err := v.check(c, p)
	if err != nil {
		return id, err
	}
	if err := v.verify(ctx, token, p); err != nil {
		return id, err
	}
	return Identity{
		Issuer: c.issuer, Subject: c.subject, Client: client, Audience: c.audience, Methods: c.methods,
		Tags: c.tags, Transitive: c.transitive, Source: c.source,
	}, nil
}

// check looks at what a token claims, and returns the client that it is for.
func (v *Verifier) check(c claims, p cloud.OIDCProvider) (client string, err error) {
	now := v.now()
	switch {
	case !now.Before(c.expires.Add(leeway)):
		return "", cloud.Errorf("ExpiredTokenException", "Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), c.expires.Unix())
	case c.issued.After(now.Add(leeway)):
		return "", invalid("The token was issued in the future: set the clock of the identity provider right")
	case c.notBefore.After(now.Add(leeway)):
		return "", invalid("The token is not valid yet: use it later, or set the clock of the identity provider right")
	}
	if c.authorized != "" {
		client = c.authorized
	} else if i := slices.IndexFunc(c.audience, func(a string) bool { return slices.Contains(p.Clients, a) }); i >= 0 {
		client = c.audience[i]
	}
	if client == "" || !slices.Contains(p.Clients, client) {
		return "", invalid("Incorrect token audience")
	}
	return client, nil
}

// verify checks the signature with the provider's keys.
func (v *Verifier) verify(ctx context.Context, token *jose.JSONWebSignature, p cloud.OIDCProvider) error {
	header := token.Signatures[0].Header
	keys, err := v.keys.find(ctx, p, header.KeyID)
	if err != nil {
		return err
	}
	tried := false
	for _, k := range keys {
		if header.KeyID != "" && k.KeyID != header.KeyID || k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		tried = true
		if _, err := token.Verify(k.Key); err == nil {
			return nil
		}
	}
	if !tried {
		return invalid("Couldn't retrieve verification key from your identity provider: none of the keys that " + p.URL + " publishes is the one that the token names")
	}
	return invalid("The signature of the token is not valid")
}

func invalid(message string) error {
	return &cloud.Error{Code: "InvalidIdentityToken", Message: message}
}

// shorten repeats no more of a value than one reads.
func shorten(s string) string {
	const most = 128
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
