package oidc_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/oidc"
	"github.com/vauban-cloud/vauban/identity/oidc/oidctest"
)

const client = "client-1"

// rig is a provider that an account trusts, and a verifier.
type rig struct {
	*oidctest.Provider
	*oidc.Verifier
	known cloud.OIDCProvider
	clock atomic.Int64 // Unix seconds
}

// newRig trusts the authority of the provider's certificate, unless edit does not.
func newRig(t *testing.T, edit func(*rig, *oidc.FetcherConfig)) *rig {
	r := &rig{}
	r.clock.Store(1_700_000_000)
	now := func() time.Time { return time.Unix(r.clock.Load(), 0).UTC() }
	r.Provider = oidctest.New(t, now)
	r.known = cloud.OIDCProvider{ARN: "arn:aws:iam::000000000001:oidc-provider/idp.example.org/tenant", URL: "idp.example.org/tenant", Clients: []string{client, "client-2"}}
	config := oidc.FetcherConfig{Hosts: []string{r.Host}, Now: now, Roots: r.Roots, Dial: r.Dial}
	if edit != nil {
		edit(r, &config)
	}
	r.Verifier = oidc.NewVerifier(oidc.NewKeys(oidc.NewFetcher(config), now), now)
	return r
}

func (r *rig) verify(token string) (oidc.Identity, error) {
	return r.Verify(r.Context(), token, func(issuer string) (cloud.OIDCProvider, bool) {
		return r.known, issuer == "https://"+r.known.URL
	})
}

// want fails unless err has the code, "" for none, and its message the words.
func want(t *testing.T, what string, err error, code, words string) {
	t.Helper()
	e, _ := errors.AsType[*cloud.Error](err)
	switch {
	case err == nil && code == "":
	case e == nil || e.Code != code || !strings.Contains(e.Message, words):
		t.Errorf("%s: %v, want %q with %q", what, err, code, words)
	}
}

func TestAlgorithms(t *testing.T) {
	r := newRig(t, nil)
	rsa := oidctest.NewRSA(t, 2048)
	for algorithm, key := range map[jose.SignatureAlgorithm]any{
		jose.RS256: rsa, jose.RS384: rsa, jose.RS512: rsa,
		jose.ES256: oidctest.NewEC(t, elliptic.P256()), jose.ES384: oidctest.NewEC(t, elliptic.P384()), jose.ES512: oidctest.NewEC(t, elliptic.P521()),
	} {
		r.Rotate(key, true)
		r.clock.Add(3600)
		k := jose.JSONWebKey{Key: key}
		token := r.Sign(algorithm, k.Key, "", r.Claims(client, nil))
		id, err := r.verify(token)
		if err != nil || id.Subject != "user-7" || id.Client != client || id.Issuer != r.Issuer {
			t.Errorf("%s: %+v, %v", algorithm, id, err)
		}
	}
	// Strong algorithms that AWS does not take are not taken here.
	r.Rotate(rsa, true)
	r.clock.Add(3600)
	_, err := r.verify(r.Sign(jose.PS256, rsa, "", r.Claims(client, nil)))
	want(t, "PS256", err, "InvalidIdentityToken", "not a valid JWT")
}

func TestForgeries(t *testing.T) {
	r := newRig(t, nil)
	key := oidctest.NewRSA(t, 2048)
	r.Rotate(key, true)
	good := r.Token(r.Claims(client, nil))
	if _, err := r.verify(good); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	stranger := oidctest.NewRSA(t, 2048)
	embedded, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: stranger}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(r.Claims(client, nil))
	signed, err := embedded.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	withKey, _ := signed.CompactSerialize()
	for name, token := range map[string]string{
		"alg none":                    encode(map[string]string{"alg": "none"}) + "." + parts[1] + ".",
		"alg None":                    encode(map[string]string{"alg": "None"}) + "." + parts[1] + ".",
		"no signature":                parts[0] + "." + parts[1] + ".",
		"no alg":                      encode(map[string]string{"kid": "key-2"}) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key":   r.Sign(jose.HS256, asPEM, "key-2", r.Claims(client, nil)),
		"HS256 with the DER":          r.Sign(jose.HS256, public, "key-2", r.Claims(client, nil)),
		"another's key":               r.Sign(jose.RS256, stranger, "key-2", r.Claims(client, nil)),
		"a key that comes along":      withKey,
		"another payload":             parts[0] + "." + encode(r.Claims(client, map[string]any{"sub": "admin"})) + "." + parts[2],
		"signature of another header": encode(map[string]string{"alg": "RS512", "kid": "key-2"}) + "." + parts[1] + "." + parts[2],
		"unknown critical header":     encode(map[string]any{"alg": "RS256", "kid": "key-2", "crit": []string{"x"}, "x": 1}) + "." + parts[1] + "." + parts[2],
		"two parts":                   parts[0] + "." + parts[1],
		"no token":                    "access-token",
		"JSON":                        `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"empty":                       "",
	} {
		if _, err := r.verify(token); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			want(t, name, err, "InvalidIdentityToken", "")
		}
	}
	for i := range good {
		changed := []byte(good)
		if changed[i] == '.' {
			continue
		}
		changed[i] = 'A' + (changed[i]-'A'+1)%26
		if _, err := r.verify(string(changed)); err == nil {
			// The last character of a part has bits that say nothing.
			if j := i + 1; j < len(good) && good[j] != '.' {
				t.Fatalf("character %d was changed, and the token still accepted", i)
			}
		}
	}
}

func TestClaims(t *testing.T) {
	r := newRig(t, nil)
	now := r.Now().Unix()
	for name, test := range map[string]struct {
		changes     map[string]any
		code, words string
	}{
		"good":                       {nil, "", ""},
		"several audiences":          {map[string]any{"aud": []string{"x", "client-2"}}, "", ""},
		"authorized party":           {map[string]any{"aud": "x", "azp": client}, "", ""},
		"ended half a minute ago":    {map[string]any{"exp": now - 29}, "", ""},
		"not for half a minute":      {map[string]any{"nbf": now + 30, "iat": now + 30}, "", ""},
		"foreign audience":           {map[string]any{"aud": "client-3"}, "InvalidIdentityToken", "Incorrect token audience"},
		"no audience in the list":    {map[string]any{"aud": []string{}}, "InvalidIdentityToken", "Incorrect token audience"},
		"foreign authorized party":   {map[string]any{"azp": "client-3"}, "InvalidIdentityToken", "Incorrect token audience"},
		"audience of another type":   {map[string]any{"aud": 7}, "InvalidIdentityToken", "claim aud"},
		"too many audiences":         {map[string]any{"aud": strings.Split(strings.Repeat(client+" ", 20), " ")}, "InvalidIdentityToken", "claim aud"},
		"expired":                    {map[string]any{"exp": now - 30}, "ExpiredTokenException", fmt.Sprint(now - 30)},
		"issued in the future":       {map[string]any{"iat": now + 31}, "InvalidIdentityToken", "future"},
		"not yet valid":              {map[string]any{"nbf": now + 31}, "InvalidIdentityToken", "not valid yet"},
		"end of another type":        {map[string]any{"exp": "tomorrow"}, "InvalidIdentityToken", "claim exp"},
		"foreign issuer":             {map[string]any{"iss": "https://idp.example.com/tenant"}, "InvalidIdentityToken", "No OpenIDConnect provider found"},
		"issuer with another path":   {map[string]any{"iss": "https://idp.example.org/"}, "InvalidIdentityToken", "No OpenIDConnect provider found"},
		"issuer without encryption":  {map[string]any{"iss": "http://idp.example.org/tenant"}, "InvalidIdentityToken", "no https URL"},
		"issuer with a password":     {map[string]any{"iss": "https://a@idp.example.org/tenant"}, "InvalidIdentityToken", "no https URL"},
		"no issuer":                  {map[string]any{"iss": nil}, "InvalidIdentityToken", "required claim: iss"},
		"no subject":                 {map[string]any{"sub": nil}, "InvalidIdentityToken", "required claim: sub"},
		"empty subject":              {map[string]any{"sub": ""}, "InvalidIdentityToken", "claim sub"},
		"long subject":               {map[string]any{"sub": strings.Repeat("x", 256)}, "InvalidIdentityToken", "claim sub"},
		"no audience":                {map[string]any{"aud": nil}, "InvalidIdentityToken", "required claim: aud"},
		"no end":                     {map[string]any{"exp": nil}, "InvalidIdentityToken", "required claim: exp"},
		"no beginning":               {map[string]any{"iat": nil}, "InvalidIdentityToken", "required claim: iat"},
		"tags of another type":       {map[string]any{"https://aws.amazon.com/tags": 7}, "InvalidIdentityToken", "aws.amazon.com/tags"},
		"a tag with two values":      {map[string]any{"https://aws.amazon.com/tags/principal_tags/a": []string{"1", "2"}}, "InvalidIdentityToken", "principal_tags/a"},
		"transitive of another type": {map[string]any{"https://aws.amazon.com/tags/transitive_tag_keys": 7}, "InvalidIdentityToken", "transitive_tag_keys"},
	} {
		_, err := r.verify(r.Token(r.Claims(client, test.changes)))
		want(t, name, err, test.code, test.words)
	}
}

func TestTags(t *testing.T) {
	r := newRig(t, nil)
	for name, changes := range map[string]map[string]any{
		"nested": {"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"team": []string{"blue"}}, "transitive_tag_keys": []string{"team"}}},
		"flat":   {"https://aws.amazon.com/tags/principal_tags/team": "blue", "https://aws.amazon.com/tags/transitive_tag_keys": []string{"team"}},
	} {
		changes["https://aws.amazon.com/source_identity"] = "carol"
		changes["amr"] = []string{"pwd", "otp"}
		id, err := r.verify(r.Token(r.Claims(client, changes)))
		if err != nil || len(id.Tags) != 1 || id.Tags["team"] != "blue" || len(id.Transitive) != 1 || id.Source != "carol" || len(id.Methods) != 2 {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

func TestRotation(t *testing.T) {
	r := newRig(t, nil)
	old := r.Token(r.Claims(client, nil))
	for range 3 {
		if _, err := r.verify(old); err != nil {
			t.Fatal(err)
		}
	}
	if r.Asked() != 1 {
		t.Errorf("asked %d times for keys that were known", r.Asked())
	}
	r.Rotate(oidctest.NewEC(t, elliptic.P256()), true)
	fresh := r.Token(r.Claims(client, nil))
	_, err := r.verify(fresh)
	want(t, "new key, asked a moment ago", err, "InvalidIdentityToken", "Couldn't retrieve verification key")
	r.clock.Add(10)
	if _, err := r.verify(fresh); err != nil {
		t.Errorf("new key: %v", err)
	}
	_, err = r.verify(old)
	want(t, "key that was taken back", err, "InvalidIdentityToken", "Couldn't retrieve verification key")
	for range 100 {
		r.verify(old)
	}
	if r.Asked() != 2 {
		t.Errorf("asked %d times", r.Asked())
	}
	// A key that is known counts for an hour, and then the provider is asked.
	r.Rotate(oidctest.NewEC(t, elliptic.P256()), true)
	r.clock.Add(3599)
	long := map[string]any{"exp": r.Now().Unix() + 9999}
	if _, err := r.verify(fresh); err == nil {
		t.Error("an expired token was accepted")
	}
	_, err = r.verify(r.Token(r.Claims(client, long)))
	if err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	keys := func(fn http.HandlerFunc) func(*rig, *oidc.FetcherConfig) {
		return func(r *rig, _ *oidc.FetcherConfig) {
			r.Handle(func(w http.ResponseWriter, q *http.Request) bool {
				if q.URL.Path == "/keys" {
					fn(w, q)
				}
				return q.URL.Path == "/keys"
			})
		}
	}
	discovery := func(text string) func(*rig, *oidc.FetcherConfig) {
		return func(r *rig, _ *oidc.FetcherConfig) {
			r.Handle(func(w http.ResponseWriter, q *http.Request) bool {
				if q.URL.Path != "/keys" {
					fmt.Fprint(w, text)
				}
				return q.URL.Path != "/keys"
			})
		}
	}
	const communication = "IDPCommunicationError"
	for name, test := range map[string]struct {
		edit        func(*rig, *oidc.FetcherConfig)
		code, words string
	}{
		"oversized keys": {keys(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat(" ", 600_000)+`{"keys":[]}`)
		}), communication, "more than"},
		"too many keys": {keys(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"keys":[`+strings.Repeat("{},", 200)+`{}]}`)
		}), communication, "201 keys"},
		"no keys":  {keys(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[]}`) }), "InvalidIdentityToken", "Couldn't retrieve"},
		"no JSON":  {keys(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>`) }), communication, "key set"},
		"an error": {keys(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), communication, "500"},
		"redirect to another": {keys(func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "https://evil.example.org/keys", http.StatusFound)
		}), communication, "redirects elsewhere"},
		"redirect in the open": {keys(func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "http://idp.example.org/keys", http.StatusFound)
		}), communication, "redirects elsewhere"},
		"redirects for ever": {keys(func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/keys", http.StatusFound) }), communication, "too often"},
		"never answers": {func(r *rig, c *oidc.FetcherConfig) {
			c.Timeout = 50 * time.Millisecond
			keys(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })(r, c)
		}, communication, "deadline"},
		"never ends": {func(r *rig, c *oidc.FetcherConfig) {
			c.Timeout = 50 * time.Millisecond
			keys(func(w http.ResponseWriter, q *http.Request) {
				fmt.Fprint(w, "{")
				w.(http.Flusher).Flush()
				<-q.Context().Done()
			})(r, c)
		}, communication, "deadline"},
		"another issuer":          {discovery(`{"issuer":"https://idp.example.org/other","jwks_uri":"https://idp.example.org/keys"}`), communication, "another issuer"},
		"keys in the open":        {discovery(`{"issuer":"https://idp.example.org/tenant","jwks_uri":"http://idp.example.org/keys"}`), communication, "no https URL"},
		"keys elsewhere":          {discovery(`{"issuer":"https://idp.example.org/tenant","jwks_uri":"https://evil.example.org/keys"}`), communication, "does not allow connections to evil.example.org"},
		"keys in a file":          {discovery(`{"issuer":"https://idp.example.org/tenant","jwks_uri":"file:///etc/passwd"}`), communication, "no https URL"},
		"keys at the metadata":    {discovery(`{"issuer":"https://idp.example.org/tenant","jwks_uri":"https://169.254.169.254/keys"}`), communication, "does not allow"},
		"host that nobody allows": {func(_ *rig, c *oidc.FetcherConfig) { c.Hosts = []string{"idp.example.com"} }, communication, "does not allow connections to idp.example.org"},
		"no host allowed":         {func(_ *rig, c *oidc.FetcherConfig) { c.Hosts = nil }, communication, "does not allow connections"},
		"short RSA key": {func(r *rig, _ *oidc.FetcherConfig) {
			t.Setenv("GODEBUG", "rsa1024min=0")
			r.Rotate(oidctest.NewRSA(t, 1024), true)
		}, "InvalidIdentityToken", "Couldn't retrieve"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, test.edit)
			_, err := r.verify(r.Token(r.Claims(client, nil)))
			want(t, name, err, test.code, test.words)
			asked := r.Asked()
			_, err = r.verify(r.Token(r.Claims(client, nil)))
			want(t, name+" again", err, test.code, test.words)
			if r.Asked() != asked {
				t.Error("asked again at once")
			}
		})
	}
}

// However many tokens come at once, a provider is asked once; and a caller that
// goes away does not spoil the answer for the others.
func TestAskedOnce(t *testing.T) {
	r := newRig(t, nil)
	token := r.Token(r.Claims(client, nil))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	find := func(string) (cloud.OIDCProvider, bool) { return r.known, true }
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = gone
			}
			if _, err := r.Verify(ctx, token, find); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r.Asked() != 1 {
		t.Errorf("asked %d times", r.Asked())
	}
}

// A provider that failed is asked again after a while.
func TestRecovery(t *testing.T) {
	r := newRig(t, nil)
	r.Handle(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
	_, err := r.verify(r.Token(r.Claims(client, nil)))
	want(t, "down", err, "IDPCommunicationError", "503")
	r.Handle(nil)
	r.clock.Add(10)
	if _, err := r.verify(r.Token(r.Claims(client, nil))); err != nil {
		t.Errorf("up again: %v", err)
	}
	// What it said before does not outlive its hour.
	r.Handle(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
	r.clock.Add(3600)
	_, err = r.verify(r.Token(r.Claims(client, nil)))
	want(t, "down for long", err, "IDPCommunicationError", "503")
}

func TestCertificates(t *testing.T) {
	untrusted := func(_ *rig, c *oidc.FetcherConfig) { c.Roots = x509.NewCertPool() }
	for name, test := range map[string]struct {
		edit        func(*rig, *oidc.FetcherConfig)
		code, words string
	}{
		"trusted by the system": {nil, "", ""},
		"by thumbprint": {func(r *rig, c *oidc.FetcherConfig) {
			untrusted(r, c)
			r.known.Thumbprints = []string{"00", strings.ToUpper(r.Thumbprint)}
		}, "", ""},
		"by neither": {func(r *rig, c *oidc.FetcherConfig) {
			untrusted(r, c)
			r.known.Thumbprints = []string{strings.Repeat("0", 40)}
		}, "InvalidIdentityToken", "thumbprint"},
		"expired": {func(r *rig, c *oidc.FetcherConfig) {
			untrusted(r, c)
			r.known.Thumbprints = []string{r.Thumbprint}
			c.Now = func() time.Time { return r.Now().Add(2000 * time.Hour) }
		}, "IDPCommunicationError", "expired"},
		"of another host": {func(r *rig, c *oidc.FetcherConfig) {
			untrusted(r, c)
			r.known.Thumbprints, r.known.URL, r.Issuer = []string{r.Thumbprint}, "other.example.org/tenant", "https://other.example.org/tenant"
			c.Hosts = []string{"*"}
		}, "IDPCommunicationError", "other.example.org"},
	} {
		r := newRig(t, test.edit)
		_, err := r.verify(r.Token(r.Claims(client, nil)))
		want(t, name, err, test.code, test.words)
	}
}

// Thumbprints are a part of what was asked: without the one that let the answer
// in, it does not count.
func TestThumbprintTakenBack(t *testing.T) {
	r := newRig(t, func(r *rig, c *oidc.FetcherConfig) {
		c.Roots = x509.NewCertPool()
		r.known.Thumbprints = []string{r.Thumbprint}
	})
	token := r.Token(r.Claims(client, nil))
	if _, err := r.verify(token); err != nil {
		t.Fatal(err)
	}
	r.known.Thumbprints = nil
	_, err := r.verify(token)
	want(t, "thumbprint taken back", err, "InvalidIdentityToken", "thumbprint")
}

func TestNothingMayBeFetched(t *testing.T) {
	r := newRig(t, nil)
	r.Verifier = oidc.NewVerifier(nil, r.Now)
	_, err := r.verify(r.Token(r.Claims(client, nil)))
	want(t, "no keys", err, "IDPCommunicationError", "--identity-providers")
	_, err = r.verify(r.Token(r.Claims("client-3", nil)))
	want(t, "no keys, wrong audience", err, "InvalidIdentityToken", "audience")
	if r.Asked() != 0 {
		t.Error("keys were fetched")
	}
}
