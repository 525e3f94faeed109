// Package samltest is a SAML identity provider for tests: it signs responses, and
// makes wrong ones on request.
package samltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"html"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Provider is an identity provider.
type Provider struct {
	testing.TB
	Entity string
	Now    func() time.Time
	key    *ecdsa.PrivateKey
	cert   []byte
}

// New returns a provider with a key of its own, whose certificate is valid around
// now.
func New(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	p := &Provider{TB: t, Entity: "https://idp.example.org/saml", Now: now}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now().Add(-time.Hour), NotAfter: now().Add(1000 * time.Hour)}
	if p.cert, err = x509.CreateCertificate(rand.Reader, c, c, p.key.Public(), p.key); err != nil {
		t.Fatal(err)
	}
	return p
}

// Metadata is the provider's metadata document.
func (p *Provider) Metadata() string {
	return `<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="` + p.Entity + `">` +
		`<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` +
		base64.StdEncoding.EncodeToString(p.cert) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.org/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

// Response is what a response says.
type Response struct {
	ID         string // of the assertion
	Issuer     string
	Audience   string // empty: no restriction
	Recipient  string
	Subject    string
	Format     string
	Attributes map[string][]string
	Issued     time.Time
	From       time.Time
	Until      time.Time // of the conditions and the confirmation
	Ends       time.Time // of the session; zero: not said
	Status     string
	Sign       string // "assertion", "response", "both", "none"
}

// Good is a response that a cloud accepts, with a signed assertion.
func (p *Provider) Good(attributes map[string][]string) Response {
	now := p.Now()
	return Response{
		ID: "_a1", Issuer: p.Entity, Audience: "urn:amazon:webservices", Recipient: "https://signin.aws.amazon.com/saml",
		Subject: "carol", Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", Attributes: attributes,
		Issued: now, From: now, Until: now.Add(5 * time.Minute), Status: "urn:oasis:names:tc:SAML:2.0:status:Success", Sign: "assertion",
	}
}

const assertionSpace = ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`

// Assertion is the assertion of a response, unsigned.
func (r Response) Assertion() *etree.Element {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	e := html.EscapeString
	var b strings.Builder
	b.WriteString(`<saml:Assertion` + assertionSpace + ` ID="` + r.ID + `" Version="2.0" IssueInstant="` + stamp(r.Issued) + `"><saml:Issuer>` + e(r.Issuer) + `</saml:Issuer>`)
	b.WriteString(`<saml:Subject><saml:NameID Format="` + r.Format + `">` + e(r.Subject) + `</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">` +
		`<saml:SubjectConfirmationData NotOnOrAfter="` + stamp(r.Until) + `" Recipient="` + e(r.Recipient) + `"/></saml:SubjectConfirmation></saml:Subject>`)
	b.WriteString(`<saml:Conditions NotBefore="` + stamp(r.From) + `" NotOnOrAfter="` + stamp(r.Until) + `">`)
	if r.Audience != "" {
		b.WriteString(`<saml:AudienceRestriction><saml:Audience>` + e(r.Audience) + `</saml:Audience></saml:AudienceRestriction>`)
	}
	b.WriteString(`</saml:Conditions><saml:AuthnStatement AuthnInstant="` + stamp(r.Issued) + `"`)
	if !r.Ends.IsZero() {
		b.WriteString(` SessionNotOnOrAfter="` + stamp(r.Ends) + `"`)
	}
	b.WriteString(`/><saml:AttributeStatement>`)
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		b.WriteString(`<saml:Attribute Name="` + e(name) + `">`)
		for _, value := range r.Attributes[name] {
			b.WriteString(`<saml:AttributeValue>` + e(value) + `</saml:AttributeValue>`)
		}
		b.WriteString(`</saml:Attribute>`)
	}
	b.WriteString(`</saml:AttributeStatement></saml:Assertion>`)
	doc := etree.NewDocument()
	if err := doc.ReadFromString(b.String()); err != nil {
		panic(err)
	}
	return doc.Root()
}

// Sign returns the element with the provider's signature in it.
func (p *Provider) Sign(e *etree.Element) *etree.Element {
	p.Helper()
	context, err := dsig.NewSigningContext(p.key, [][]byte{p.cert})
	if err != nil {
		p.Fatal(err)
	}
	context.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := context.SetSignatureMethod(dsig.ECDSASHA256SignatureMethod); err != nil {
		p.Fatal(err)
	}
	signed, err := context.SignEnveloped(e)
	if err != nil {
		p.Fatal(err)
	}
	return signed
}

// Document makes the response, signed as it says.
func (p *Provider) Document(r Response) *etree.Document {
	p.Helper()
	assertion := r.Assertion()
	if r.Sign == "assertion" || r.Sign == "both" {
		assertion = p.Sign(assertion)
	}
	doc := etree.NewDocument()
	err := doc.ReadFromString(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"` + assertionSpace + ` ID="_r1" Version="2.0"><saml:Issuer>` +
		html.EscapeString(r.Issuer) + `</saml:Issuer><samlp:Status><samlp:StatusCode Value="` + r.Status + `"/></samlp:Status></samlp:Response>`)
	if err != nil {
		p.Fatal(err)
	}
	doc.Root().AddChild(assertion)
	if r.Sign == "response" || r.Sign == "both" {
		doc.SetRoot(p.Sign(doc.Root()))
	}
	// Read anew: who signs does not tell the signature its parent.
	text, err := doc.WriteToBytes()
	if err != nil {
		p.Fatal(err)
	}
	doc = etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		p.Fatal(err)
	}
	return doc
}

// Encode encodes a document as clients send it.
func Encode(doc *etree.Document) string {
	text, err := doc.WriteToBytes()
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// Encoded is the response as clients send it.
func (p *Provider) Encoded(r Response) string {
	p.Helper()
	return Encode(p.Document(r))
}
