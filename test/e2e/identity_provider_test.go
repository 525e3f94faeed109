package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238, and thumbprints
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-jose/go-jose/v4"
)

// provider is an OpenID Connect provider with a certificate of its own making. It
// listens on port 443, as URLs of providers have no port, of a loopback address.
type provider struct {
	host, issuer string
	thumbprint   string
	signer       jose.Signer
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	pid := os.Getpid()
	p := &provider{host: fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, 1+pid&127)}
	p.issuer = "https://" + p.host + "/shop"
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "identity provider of a test"}, IPAddresses: []net.IP{net.ParseIP(p.host)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(der) //nolint:gosec // as AWS documents thumbprints
	p.thumbprint = hex.EncodeToString(sum[:])
	signing := newKey(t)
	p.signer = newSigner(t, signing)
	mux := http.NewServeMux()
	serve := func(path string, v any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	serve("/shop/.well-known/openid-configuration", map[string]string{"issuer": p.issuer, "jwks_uri": p.issuer + "/keys"})
	serve("/shop/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &signing.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	l, err := tls.Listen("tcp", p.host+":443", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go s.Serve(l) //nolint:errcheck // ends with Close
	t.Cleanup(func() { s.Close() })
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSigner(t *testing.T, key *ecdsa.PrivateKey) jose.Signer {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// token is a token for a subject, good for so long.
func (p *provider) token(t *testing.T, subject string, good time.Duration) string {
	t.Helper()
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": p.issuer, "aud": "shop", "sub": subject, "iat": now.Unix(), "exp": now.Add(good).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := p.signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// trustProvider registers the provider with the tenant's account, and makes the role
// pipeline that trusts one subject of it.
func (f *identityCloud) trustProvider(t *testing.T) {
	t.Helper()
	arn := *must(f.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &f.idp.issuer, ClientIDList: []string{"shop"}, ThumbprintList: []string{f.idp.thumbprint},
	}))(t).OpenIDConnectProviderArn
	name := strings.TrimPrefix(f.idp.issuer, "https://")
	f.role("pipeline", `{"Federated":"`+arn+`"}`, "sts:AssumeRoleWithWebIdentity",
		`{"StringEquals":{"`+name+`:aud":"shop","`+name+`:sub":"repo:shop/web"}}`, allow("ec2:Describe*"))
}

// tokenFile is a file with a token for a subject.
func (f *identityCloud) tokenFile(t *testing.T, subject string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(f.idp.token(t, subject, 10*time.Minute)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// phone gives a user an MFA device, and returns its serial number and its seed.
func (f *identityCloud) phone(t *testing.T, user, name string) (serial string, seed []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed")
	serial = f.shop.Query("VirtualMFADevice.SerialNumber", "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", name,
		"--outfile", path, "--bootstrap-method", "Base32StringSeed")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if seed, err = base32.StdEncoding.DecodeString(string(text)); err != nil {
		t.Fatal(err)
	}
	step := now30()
	f.shop.AWS("iam", "enable-mfa-device", "--user-name", user, "--serial-number", serial,
		"--authentication-code1", codeAt(seed, step-1), "--authentication-code2", codeAt(seed, step))
	return serial, seed
}

// now30 is the number of the present 30 seconds.
func now30() int { return int(time.Now().Unix() / 30) }

// codeAt is the one-time password of a step: RFC 6238 with SHA-1 and six digits.
func codeAt(seed []byte, step int) string {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step))) //nolint:gosec // after 1970
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&(1<<31-1)%1_000_000)
}
