package iam

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
)

// issued is a certificate with its key, in PEM.
type issued struct {
	cert      *x509.Certificate
	key       crypto.Signer
	body, pem string
}

// issue makes a certificate, signed by another or by itself.
func issue(t testing.TB, name string, by *issued, from, until time.Time, key crypto.Signer) *issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, key, pemText("CERTIFICATE", der), pemText("PRIVATE KEY", secret)}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestServerCertificateLife(t *testing.T) {
	r := newRig(t)
	now := r.Judge.Now()
	from, until := now.Add(-time.Hour), now.Add(24*time.Hour)
	root := issue(t, "root", nil, from, until, ecKey(t))
	middle := issue(t, "middle", root, from, until, ecKey(t))
	leaf := issue(t, "leaf", middle, from, until, ecKey(t))
	chain := middle.body + root.body
	made := must(r.UploadServerCertificate(r.ctx, &api.UploadServerCertificateRequest{
		ServerCertificateName: new("www"), Path: new("/cdn/"), CertificateBody: &leaf.body, CertificateChain: &chain, PrivateKey: &leaf.pem, Tags: tags("team", "web"),
	}))(t).ServerCertificateMetadata
	if *made.Arn != "arn:aws:iam::"+alice+":server-certificate/cdn/www" || !strings.HasPrefix(*made.ServerCertificateId, "ASCA") || !made.Expiration.Equal(until) {
		t.Errorf("made %+v", made)
	}
	kept, _ := serverCertificates.named(r.db().View(), alice, "WWW")
	if bytes.Contains(kept.Sealed, []byte("PRIVATE KEY")) {
		t.Error("the key is not sealed")
	}
	if key, err := r.Judge.Keys.Secrets.Open(kept.ID, kept.Sealed); err != nil || string(key) != leaf.pem {
		t.Errorf("opened %q, %v", key, err)
	}
	got := must(r.GetServerCertificate(r.ctx, &api.GetServerCertificateRequest{ServerCertificateName: new("www")}))(t).ServerCertificate
	if *got.CertificateBody != leaf.body || *got.CertificateChain != chain || *got.Tags[0].Value != "web" {
		t.Errorf("got %+v", got)
	}
	must(r.UpdateServerCertificate(r.ctx, &api.UpdateServerCertificateRequest{ServerCertificateName: new("www"), NewServerCertificateName: new("web"), NewPath: new("/")}))(t)
	must(r.TagServerCertificate(r.ctx, &api.TagServerCertificateRequest{ServerCertificateName: new("web"), Tags: tags("stage", "prod")}))(t)
	must(r.UntagServerCertificate(r.ctx, &api.UntagServerCertificateRequest{ServerCertificateName: new("web"), TagKeys: []string{"team"}}))(t)
	listed := must(r.ListServerCertificateTags(r.ctx, &api.ListServerCertificateTagsRequest{ServerCertificateName: new("web")}))(t)
	if len(listed.Tags) != 1 || *listed.Tags[0].Key != "stage" {
		t.Errorf("tags are %+v", listed.Tags)
	}
	want(t, "the old name", second(r.GetServerCertificate(r.ctx, &api.GetServerCertificateRequest{ServerCertificateName: new("www")})), "NoSuchEntity", "The Server Certificate with name www cannot be found.")
	want(t, "another account's", second(r.GetServerCertificate(r.bob, &api.GetServerCertificateRequest{ServerCertificateName: new("web")})), "NoSuchEntity")
	for prefix, n := range map[string]int{"/": 1, "/cdn/": 0} {
		if list := must(r.ListServerCertificates(r.ctx, &api.ListServerCertificatesRequest{PathPrefix: &prefix}))(t); len(list.ServerCertificateMetadataList) != n {
			t.Errorf("below %s: %+v", prefix, list)
		}
	}
	want(t, "a bad prefix", second(r.ListServerCertificates(r.ctx, &api.ListServerCertificatesRequest{PathPrefix: new("cdn")})), "ValidationError")
	want(t, "a bad new name", second(r.UpdateServerCertificate(r.ctx, &api.UpdateServerCertificateRequest{ServerCertificateName: new("web"), NewServerCertificateName: new("a b")})), "ValidationError")
	must(r.DeleteServerCertificate(r.ctx, &api.DeleteServerCertificateRequest{ServerCertificateName: new("web")}))(t)
	want(t, "deleted", second(r.DeleteServerCertificate(r.ctx, &api.DeleteServerCertificateRequest{ServerCertificateName: new("web")})), "NoSuchEntity")
}

func TestUploadServerCertificateRefuses(t *testing.T) {
	r := newRig(t)
	now := r.Judge.Now()
	from, until := now.Add(-time.Hour), now.Add(24*time.Hour)
	root := issue(t, "root", nil, from, until, ecKey(t))
	leaf := issue(t, "leaf", root, from, until, ecKey(t))
	expired := issue(t, "leaf", root, from, now.Add(-time.Minute), ecKey(t))
	early := issue(t, "leaf", root, now.Add(time.Minute), until, ecKey(t))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := issue(t, "leaf", root, from, until, edKey)
	for _, c := range []struct {
		what, name, body, chain, key, want string
	}{
		{"no name", "", leaf.body, "", leaf.pem, "ValidationError"},
		{"no certificate", "www", "", "", leaf.pem, "ValidationError"},
		{"no PEM", "www", "certificate", "", leaf.pem, "MalformedCertificate"},
		{"text around it", "www", "hello\n" + leaf.body, "", leaf.pem, "MalformedCertificate"},
		{"two certificates", "www", leaf.body + root.body, "", leaf.pem, "MalformedCertificate"},
		{"a key for a certificate", "www", leaf.pem, "", leaf.pem, "MalformedCertificate"},
		{"nonsense in PEM", "www", pemText("CERTIFICATE", []byte("x")), "", leaf.pem, "MalformedCertificate"},
		{"expired", "www", expired.body, "", expired.pem, "MalformedCertificate"},
		{"too early", "www", early.body, "", early.pem, "MalformedCertificate"},
		{"another's key", "www", leaf.body, "", root.pem, "KeyPairMismatch"},
		{"no key", "www", leaf.body, "", "", "ValidationError"},
		{"a key that is none", "www", leaf.body, "", "key", "MalformedCertificate"},
		{"an encrypted key", "www", leaf.body, "", pemText("ENCRYPTED PRIVATE KEY", []byte("x")), "MalformedCertificate"},
		{"a key of another kind", "www", ed.body, "", ed.pem, "MalformedCertificate"},
		{"a chain of others", "www", leaf.body, leaf.body, leaf.pem, "MalformedCertificate"},
		{"a chain that is none", "www", leaf.body, "chain", leaf.pem, "MalformedCertificate"},
		{"a long chain", "www", leaf.body, strings.Repeat("x", maxChain+1), leaf.pem, "ValidationError"},
		{"right", "www", leaf.body, root.body, leaf.pem, ""},
		{"the same name", "WWW", leaf.body, root.body, leaf.pem, "EntityAlreadyExists"},
	} {
		in := &api.UploadServerCertificateRequest{ServerCertificateName: &c.name, CertificateBody: &c.body, PrivateKey: &c.key}
		if c.chain != "" {
			in.CertificateChain = &c.chain
		}
		err := second(r.UploadServerCertificate(r.ctx, in))
		want(t, c.what, err, c.want)
		if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: the error tells the key", c.what)
		}
	}
	for i := range serverCertificates.most {
		wanted := ""
		if i == serverCertificates.most-1 {
			wanted = "LimitExceeded"
		}
		want(t, cloud.NewID("quota"), second(r.UploadServerCertificate(r.ctx, &api.UploadServerCertificateRequest{ServerCertificateName: new(fmt.Sprint(i)), CertificateBody: &leaf.body, PrivateKey: &leaf.pem})), wanted)
	}
}

func FuzzCheckCertificate(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	leaf := issue(f, "leaf", nil, now.Add(-time.Hour), now.Add(time.Hour), ecKey(f))
	f.Add(leaf.body, leaf.body, leaf.pem)
	f.Fuzz(func(t *testing.T, body, chain, key string) {
		if expires, err := checkCertificate(body, chain, key, now); err == nil && expires.Before(now) {
			t.Errorf("took a certificate that expired at %v", expires)
		}
	})
}
