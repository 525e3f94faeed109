package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/identity"
)

// certificate is a fresh self-signed one, in base64.
func certificate(t testing.TB) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

const metadata = `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="https://idp.example.org" validUntil="2030-01-02T03:04:05Z">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
      CERTIFICATE
    </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:KeyDescriptor use="encryption"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>CERTIFICATE</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.org/sso"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>`

func TestParseSAMLMetadata(t *testing.T) {
	text := strings.ReplaceAll(metadata, "CERTIFICATE", certificate(t))
	m, err := identity.ParseSAMLMetadata(text)
	if err != nil {
		t.Fatal(err)
	}
	if m.EntityID != "https://idp.example.org" || len(m.Certificates) != 1 || !m.ValidUntil.Equal(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("got %+v", m)
	}
	for what, edit := range map[string][2]string{
		"another root":         {"EntityDescriptor", "EntitiesDescriptor"},
		"another namespace":    {"SAML:2.0:metadata", "SAML:1.0:metadata"},
		"no entity ID":         {`entityID="https://idp.example.org"`, ""},
		"no identity provider": {"IDPSSODescriptor", "SPSSODescriptor"},
		"no sign-on":           {"SingleSignOnService", "SingleLogoutService"},
		"no key for signing":   {`use="signing"`, `use="encryption"`},
		"no certificate":       {"ds:X509Certificate", "ds:X509SKI"},
		"no base64":            {"<ds:X509Certificate>\n", "<ds:X509Certificate>!"},
		"no time":              {"2030-01-02T", "tomorrow"},
		"cut short":            {"</md:EntityDescriptor>", ""},
		"a document type":      {`<?xml version="1.0"?>`, `<!DOCTYPE x [<!ENTITY a "b">]>`},
		"too deep":             {"<md:IDPSSODescriptor", strings.Repeat("<a>", 70) + strings.Repeat("</a>", 70) + "<md:IDPSSODescriptor"},
	} {
		if !strings.Contains(text, edit[0]) {
			t.Errorf("%s: %q is not there", what, edit[0])
		}
		if m, err := identity.ParseSAMLMetadata(strings.ReplaceAll(text, edit[0], edit[1])); err == nil {
			t.Errorf("%s: got %+v", what, m)
		}
	}
	if _, err := identity.ParseSAMLMetadata(strings.ReplaceAll(metadata, "CERTIFICATE", "aGVsbG8=")); err == nil {
		t.Error("what is no certificate was taken for one")
	}
}

func FuzzParseSAMLMetadata(f *testing.F) {
	f.Add(strings.ReplaceAll(metadata, "CERTIFICATE", certificate(f)))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := identity.ParseSAMLMetadata(text)
		if err == nil && (m.EntityID == "" || len(m.Certificates) == 0) {
			t.Errorf("took %+v", m)
		}
	})
}
