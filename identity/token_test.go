package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/seal"
)

// No bit of a token can be changed, and none left out.
func TestTokenIsWhole(t *testing.T) {
	r := newRig(t)
	_, token := r.session(nil)
	if len(token) > 700 {
		t.Errorf("an ordinary token has %d characters", len(token))
	}
	if _, err := r.Keys.Open(token); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, i int, token string) {
		t.Helper()
		if s, err := r.Keys.Open(token); !errors.Is(err, seal.ErrSealed) || s.AccessKey != "" {
			t.Fatalf("%s %d: %v", what, i, err)
		}
	}
	for i := range len(raw) * 8 {
		raw[i/8] ^= 1 << (i % 8)
		refused("bit", i, base64.StdEncoding.EncodeToString(raw))
		raw[i/8] ^= 1 << (i % 8)
	}
	for i := range len(token) * 8 {
		changed := []byte(token)
		changed[i/8] ^= 1 << (i % 8)
		refused("bit of the text", i, string(changed))
	}
	for i := range raw {
		refused("cut to", i, base64.StdEncoding.EncodeToString(raw[:i]))
		refused("cut from", i, base64.StdEncoding.EncodeToString(raw[i+1:]))
	}
	for i := range token {
		refused("text cut to", i, token[:i])
	}
	for i, more := range []string{"A", "AAAA", "=", "\n", "\r\n", " ", "\x00"} {
		refused("text with more", i, token+more)
		refused("text with more before", i, more+token)
	}
	refused("bytes with more", 0, base64.StdEncoding.EncodeToString(append(raw, 0)))
	// What else the cloud's keys seal is no session.
	for i, k := range []*seal.Key{r.Keys.Secrets, r.Keys.Messages} {
		refused("sealed by another key", i, base64.StdEncoding.EncodeToString(append([]byte{1}, k.Seal("session", []byte("{}"))...)))
	}
	refused("sealed for another purpose", 0, base64.StdEncoding.EncodeToString(append([]byte{1}, r.Keys.Tokens.Seal("message", []byte("{}"))...)))
}

func TestSessionAccount(t *testing.T) {
	r := newRig(t)
	for _, account := range []string{"000000000001", "100000000001", "999999999999", "000000000000", "123456789012"} {
		s, _, err := r.Keys.Mint(cloud.Session{Account: account})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := identity.SessionAccount(s.AccessKey); !ok || got != account || len(s.AccessKey) != 20 {
			t.Errorf("%s is of account %s, %v, want %s", s.AccessKey, got, ok, account)
		}
	}
	for _, id := range []string{"", "ASIA", "AKIA" + strings.Repeat("A", 16), "ASIA" + strings.Repeat("A", 17), "ASIA11111111AAAAAAAA", "ASIA77777777AAAAAAAA"} {
		if got, ok := identity.SessionAccount(id); ok {
			t.Errorf("%s is of account %s", id, got)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		s, _, err := r.Keys.Mint(cloud.Session{Account: alice})
		if err != nil || seen[s.AccessKey] || seen[s.Secret] {
			t.Fatalf("%s twice, %v", s.AccessKey, err)
		}
		seen[s.AccessKey], seen[s.Secret] = true, true
	}
}

// What a token carries comes back whole.
func TestTokenCarriesAll(t *testing.T) {
	r := newRig(t)
	in, token := r.session(func(s *cloud.Session) {
		s.Policies, s.PolicyARNs, s.Restricted = []string{trustRoot}, []string{"arn:aws:iam::aws:policy/AdministratorAccess"}, true
		s.Tags, s.Transitive, s.Source = map[string]string{"Team": "blau"}, []string{"Team"}, "carol"
		s.MFA, s.Chained, s.Provider, s.Instance = r.Now(), true, "arn", "i-1"
		s.Claims = map[string][]string{"saml:sub": {"carol"}}
	})
	out, err := r.Keys.Open(token)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(t, out), describe(t, in); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	a, err := identity.PackedSize([]string{trustRoot}, nil, nil)
	b, err2 := identity.PackedSize([]string{trustRoot}, nil, map[string]string{"Team": "blau"})
	if errors.Join(err, err2) != nil || a <= 0 || b <= a {
		t.Errorf("packed sizes %d, %d, %v, %v", a, b, err, err2)
	}
}

func describe(t *testing.T, s cloud.Session) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
