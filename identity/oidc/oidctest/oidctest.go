// Package oidctest is an OpenID Connect provider for tests: a server over TLS with
// keys of its own, that can be made to misbehave.
package oidctest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is a provider of tokens. Its server is reached with Dial, whatever the
// address.
type Provider struct {
	testing.TB
	Host       string // "idp.example.org"
	Issuer     string // "https://idp.example.org/tenant"
	Thumbprint string // of the certificate at the top of the chain that it shows
	Roots      *x509.CertPool
	Now        func() time.Time

	server *httptest.Server
	mu     sync.Mutex
	key    any // private; guarded by mu, as all below
	id     string
	number int
	public []jose.JSONWebKey
	asked  int // for keys
	handle func(http.ResponseWriter, *http.Request) bool
}

// New starts a provider, whose certificates are valid around now. Its first key is
// an elliptic one.
func New(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	p := &Provider{TB: t, Host: "idp.example.org", Issuer: "https://idp.example.org/tenant", Now: now, Roots: x509.NewCertPool()}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{p.certificates()}}
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	p.Rotate(NewEC(t, elliptic.P256()), true)
	return p
}

// NewEC returns an elliptic key.
func NewEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// NewRSA returns an RSA key of so many bits.
func NewRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// certificates makes an authority, and a certificate of the host that it signed.
func (p *Provider) certificates() tls.Certificate {
	p.Helper()
	rootKey, key := NewEC(p, elliptic.P256()), NewEC(p, elliptic.P256())
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: p.Now().Add(-time.Hour), NotAfter: p.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{p.Host}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		p.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		p.Fatal(err)
	}
	sum := sha1.Sum(rootDER)
	p.Thumbprint = hex.EncodeToString(sum[:])
	if root, err = x509.ParseCertificate(rootDER); err != nil {
		p.Fatal(err)
	}
	p.Roots.AddCert(root)
	return tls.Certificate{Certificate: [][]byte{leafDER, rootDER}, PrivateKey: key}
}

// Dial connects to the provider.
func (p *Provider) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", p.server.Listener.Addr().String())
}

// Rotate makes a key the one that tokens are signed with; with publish, it is
// among those that the provider publishes, and earlier ones are not.
func (p *Provider) Rotate(key any, publish bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	p.key, p.id = key, "key-"+strconv.Itoa(p.number)
	if publish {
		k := jose.JSONWebKey{Key: key, KeyID: p.id, Use: "sig"}
		p.public = []jose.JSONWebKey{k.Public()}
	}
}

// Handle lets a test answer requests itself; it reports whether it did.
func (p *Provider) Handle(fn func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handle = fn
}

// Asked is how often the keys were asked for.
func (p *Provider) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	handle, set := p.handle, jose.JSONWebKeySet{Keys: p.public}
	if r.URL.Path == "/keys" {
		p.asked++
	}
	p.mu.Unlock()
	if handle != nil && handle(w, r) {
		return
	}
	switch r.URL.Path {
	case "/tenant/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.Issuer, "jwks_uri": "https://" + p.Host + "/keys"})
	case "/keys":
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

// Claims are those of a good token for a client, with changes; a nil value takes
// a claim out.
func (p *Provider) Claims(client string, changes map[string]any) map[string]any {
	now := p.Now()
	c := map[string]any{"iss": p.Issuer, "sub": "user-7", "aud": client, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	maps.Copy(c, changes)
	for name, value := range c {
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

// Token is a token with those claims, signed with the provider's key and the
// algorithm that is usual for it.
func (p *Provider) Token(claims map[string]any) string {
	p.mu.Lock()
	key, id := p.key, p.id
	p.mu.Unlock()
	algorithm := jose.RS256
	if k, ok := key.(*ecdsa.PrivateKey); ok {
		algorithm = map[elliptic.Curve]jose.SignatureAlgorithm{elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384, elliptic.P521(): jose.ES512}[k.Curve]
	}
	return p.Sign(algorithm, key, id, claims)
}

// Sign makes a token of any kind.
func (p *Provider) Sign(algorithm jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	p.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		p.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		p.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		p.Fatal(err)
	}
	return token
}
