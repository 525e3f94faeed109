package saml_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/saml"
	"github.com/vauban-cloud/vauban/identity/saml/samltest"
)

// rig is a provider that an account knows, and a verifier.
type rig struct {
	*samltest.Provider
	*saml.Verifier
	known cloud.SAMLProvider
	clock atomic.Int64 // Unix seconds
}

func newRig(t *testing.T) *rig {
	r := &rig{}
	r.clock.Store(1_700_000_000)
	now := func() time.Time { return time.Unix(r.clock.Load(), 0).UTC() }
	r.Provider = samltest.New(t, now)
	r.Verifier = &saml.Verifier{Now: now, Audiences: []string{"urn:amazon:webservices"}, Recipients: []string{"https://signin.aws.amazon.com/saml"}}
	r.known = cloud.SAMLProvider{ARN: "arn:aws:iam::000000000001:saml-provider/idp", Account: "000000000001", Name: "idp", Metadata: r.Metadata()}
	return r
}

var roles = map[string][]string{"Role": {"a", "b"}, "Name": {"carol"}}

func (r *rig) good() samltest.Response { return r.Good(roles) }

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

func TestAccepted(t *testing.T) {
	r := newRig(t)
	for _, sign := range []string{"assertion", "response", "both"} {
		in := r.good()
		in.Sign, in.Ends = sign, r.Provider.Now().Add(time.Hour)
		a, err := r.Verify(r.Encoded(in), r.known)
		if err != nil {
			t.Errorf("%s signed: %v", sign, err)
			continue
		}
		if a.Issuer != r.Entity || a.Subject != "carol" || !strings.HasSuffix(a.Format, ":persistent") || a.Recipient != in.Recipient || !a.Ends.Equal(in.Ends) ||
			len(a.Attributes["Role"]) != 2 || a.Attributes["Name"][0] != "carol" {
			t.Errorf("%s signed: %+v", sign, a)
		}
	}
}

func TestRefused(t *testing.T) {
	r := newRig(t)
	now := r.Provider.Now()
	const token, late = "InvalidIdentityToken", "ExpiredTokenException"
	for name, test := range map[string]struct {
		edit        func(*samltest.Response)
		code, words string
	}{
		"not signed":           {func(a *samltest.Response) { a.Sign = "none" }, token, "signature invalid"},
		"foreign issuer":       {func(a *samltest.Response) { a.Issuer = "https://idp.example.com/saml" }, token, "Issuer not present"},
		"foreign audience":     {func(a *samltest.Response) { a.Audience = "urn:example" }, token, "required audience"},
		"no audience":          {func(a *samltest.Response) { a.Audience = "" }, token, "required audience"},
		"foreign recipient":    {func(a *samltest.Response) { a.Recipient = "https://evil.example.org/saml" }, token, "Recipient"},
		"no subject":           {func(a *samltest.Response) { a.Subject = "" }, token, "NameID"},
		"issued 5 minutes ago": {func(a *samltest.Response) { a.Issued = now.Add(-5 * time.Minute) }, late, "5 minutes"},
		"issued in the future": {func(a *samltest.Response) { a.Issued = now.Add(31 * time.Second) }, token, "future"},
		"not valid yet":        {func(a *samltest.Response) { a.From = now.Add(31 * time.Second) }, token, "not valid yet"},
		"ended":                {func(a *samltest.Response) { a.Until = now.Add(-30 * time.Second) }, late, "expired"},
		"session ended":        {func(a *samltest.Response) { a.Ends = now }, late, "has ended"},
		"refused by the issuer": {func(a *samltest.Response) {
			a.Status = "urn:oasis:names:tc:SAML:2.0:status:Responder"
			a.Sign = "response"
		}, "IDPRejectedClaim", "Responder"},
	} {
		in := r.good()
		test.edit(&in)
		_, err := r.Verify(r.Encoded(in), r.known)
		want(t, name, err, test.code, test.words)
	}
	other := samltest.New(t, r.Provider.Now)
	_, err := r.Verify(other.Encoded(other.Good(roles)), r.known)
	want(t, "another provider's key", err, token, "signature invalid")
	for name, text := range map[string]string{
		"no base64": "!!!!", "no XML": "aaaa", "empty": "",
		"no response":   base64.StdEncoding.EncodeToString([]byte(r.Metadata())),
		"document type": base64.StdEncoding.EncodeToString([]byte(`<!DOCTYPE r [<!ENTITY a "b">]>` + plain(t, r.Document(r.good())))),
		"deep":          base64.StdEncoding.EncodeToString([]byte(strings.Replace(plain(t, r.Document(r.good())), "</samlp:Response>", strings.Repeat("<a>", 50)+strings.Repeat("</a>", 50)+"</samlp:Response>", 1))),
	} {
		_, err := r.Verify(text, r.known)
		want(t, name, err, token, "")
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	r.clock.Add(2000 * 3600)
	_, err = r.Verify(r.Encoded(r.good()), r.known)
	want(t, "expired certificate", err, token, "signature invalid")
	r.known.Metadata = "<a/>"
	_, err = r.Verify(r.Encoded(r.good()), r.known)
	want(t, "no metadata", err, token, "metadata document")
}

func plain(t *testing.T, doc *etree.Document) string {
	t.Helper()
	s, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// assertionOf finds the assertion of a response.
func assertionOf(doc *etree.Document) *etree.Element { return doc.FindElement("/Response/Assertion") }

// evil is an unsigned assertion for somebody else.
func (r *rig) evil(id string) *etree.Element {
	a := r.good()
	a.ID, a.Subject = id, "admin"
	return a.Assertion()
}

// TestWrapping tries the attacks of "On Breaking SAML: Be Whoever You Want to Be"
// (USENIX Security 2012), and some more: whatever happens, nobody becomes admin.
func TestWrapping(t *testing.T) {
	r := newRig(t)
	wrap := func(tag string, e *etree.Element) *etree.Element {
		w := etree.NewElement(tag)
		w.AddChild(e)
		return w
	}
	for name, edit := range map[string]func(doc *etree.Document){
		"second assertion before": func(doc *etree.Document) { doc.Root().InsertChildAt(0, r.evil("_evil")) },
		"second assertion behind": func(doc *etree.Document) { doc.Root().AddChild(r.evil("_evil")) },
		"second with the same ID": func(doc *etree.Document) { doc.Root().InsertChildAt(0, r.evil("_a1")) },
		"signed one in extensions": func(doc *etree.Document) {
			a := assertionOf(doc)
			doc.Root().RemoveChild(a)
			doc.Root().AddChild(wrap("samlp:Extensions", a))
			doc.Root().AddChild(r.evil("_evil"))
		},
		"signed one in the evil one": func(doc *etree.Document) {
			a, e := assertionOf(doc), r.evil("_evil")
			doc.Root().RemoveChild(a)
			e.AddChild(a)
			doc.Root().AddChild(e)
		},
		"signed one in an object of its signature": func(doc *etree.Document) {
			a, e := assertionOf(doc), r.evil("_evil")
			doc.Root().RemoveChild(a)
			s := a.FindElement("./Signature")
			a.RemoveChild(s)
			s.AddChild(wrap("ds:Object", a))
			e.AddChild(s)
			doc.Root().AddChild(e)
		},
		"same ID, signed one in an object": func(doc *etree.Document) {
			a, e := assertionOf(doc), r.evil("_a1")
			doc.Root().RemoveChild(a)
			s := a.FindElement("./Signature")
			a.RemoveChild(s)
			s.AddChild(wrap("ds:Object", a))
			e.AddChild(s)
			doc.Root().AddChild(e)
		},
		"signature moved to the evil one": func(doc *etree.Document) {
			a, e := assertionOf(doc), r.evil("_a1")
			s := a.FindElement("./Signature")
			doc.Root().RemoveChild(a)
			e.AddChild(s)
			doc.Root().AddChild(e)
		},
		"response in a response": func(doc *etree.Document) {
			old := doc.Root()
			fresh := etree.NewDocument()
			if err := fresh.ReadFromString(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r2"/>`); err != nil {
				t.Fatal(err)
			}
			fresh.Root().AddChild(r.evil("_evil"))
			fresh.Root().AddChild(old)
			doc.SetRoot(fresh.Root())
		},
		"subject changed": func(doc *etree.Document) { doc.FindElement("//NameID").SetText("admin") },
		"comment in the subject": func(doc *etree.Document) {
			n := doc.FindElement("//NameID")
			n.SetText("admin")
			n.AddChild(etree.NewComment("x"))
			n.AddChild(etree.NewText("carol"))
		},
		"signature taken out": func(doc *etree.Document) {
			a := assertionOf(doc)
			a.RemoveChild(a.FindElement("./Signature"))
			doc.FindElement("//NameID").SetText("admin")
		},
		"two signatures": func(doc *etree.Document) { a := assertionOf(doc); a.AddChild(a.FindElement("./Signature").Copy()) },
		"reference to nothing": func(doc *etree.Document) {
			doc.FindElement("//Reference").CreateAttr("URI", "")
			doc.FindElement("//NameID").SetText("admin")
		},
		"assertion of a stranger": func(doc *etree.Document) {
			doc.Root().RemoveChild(assertionOf(doc))
			other := samltest.New(t, r.Provider.Now)
			doc.Root().AddChild(other.Sign(r.evil("_a1")))
		},
		"encrypted beside": func(doc *etree.Document) { doc.Root().AddChild(etree.NewElement("saml:EncryptedAssertion")) },
		"foreign namespace": func(doc *etree.Document) {
			a := assertionOf(doc)
			doc.Root().RemoveChild(a)
			e := r.evil("_evil")
			e.CreateAttr("xmlns:saml", "urn:example")
			doc.Root().AddChild(a)
			doc.Root().AddChild(e)
		},
	} {
		for _, sign := range []string{"assertion", "both"} {
			in := r.good()
			in.Sign = sign
			doc := r.Document(in)
			edit(doc)
			a, err := r.Verify(samltest.Encode(doc), r.known)
			if err == nil {
				t.Errorf("%s, signed %s: accepted, as %s", name, sign, a.Subject)
			} else {
				want(t, name, err, "InvalidIdentityToken", "")
				if strings.Contains(err.Error(), "well-formed") {
					t.Errorf("%s: the test makes no XML", name)
				}
			}
		}
	}
	// Signed as a response only, an assertion cannot be put in.
	in := r.good()
	in.Sign = "response"
	doc := r.Document(in)
	doc.Root().RemoveChild(assertionOf(doc))
	doc.Root().AddChild(r.evil("_a1"))
	if a, err := r.Verify(samltest.Encode(doc), r.known); err == nil {
		t.Errorf("another assertion in a signed response: accepted, as %s", a.Subject)
	}
	// A comment that canonicalisation leaves out changes nothing.
	doc = r.Document(r.good())
	n := doc.FindElement("//NameID")
	n.SetText("")
	n.AddChild(etree.NewText("car"))
	n.AddChild(etree.NewComment("x"))
	n.AddChild(etree.NewText("ol"))
	if a, err := r.Verify(samltest.Encode(doc), r.known); err == nil && a.Subject != "carol" {
		t.Errorf("a comment cut the subject to %q", a.Subject)
	}
}

// A provider that changes its key has two certificates for a while, and may leave
// out which it signed with.
func TestSeveralCertificates(t *testing.T) {
	r := newRig(t)
	other := samltest.New(t, r.Provider.Now)
	descriptor := func(metadata string) string {
		from := strings.Index(metadata, "<md:KeyDescriptor")
		return metadata[from : strings.Index(metadata, "</md:KeyDescriptor>")+len("</md:KeyDescriptor>")]
	}
	r.known.Metadata = strings.Replace(r.Metadata(), "<md:KeyDescriptor", descriptor(other.Metadata())+"<md:KeyDescriptor", 1)
	for _, p := range []*samltest.Provider{r.Provider, other} {
		doc := p.Document(p.Good(roles))
		if _, err := r.Verify(samltest.Encode(doc), r.known); err != nil {
			t.Error(err)
		}
		info := doc.FindElement("//Signature/KeyInfo")
		info.Parent().RemoveChild(info)
		if _, err := r.Verify(samltest.Encode(doc), r.known); err != nil {
			t.Errorf("without KeyInfo: %v", err)
		}
	}
	stranger := samltest.New(t, r.Provider.Now)
	doc := stranger.Document(stranger.Good(roles))
	info := doc.FindElement("//Signature/KeyInfo")
	info.Parent().RemoveChild(info)
	_, err := r.Verify(samltest.Encode(doc), r.known)
	want(t, "a stranger without KeyInfo", err, "InvalidIdentityToken", "signature invalid")
}

// Metadata ends as it says.
func TestMetadataEnds(t *testing.T) {
	r := newRig(t)
	until := func(at time.Time) {
		r.known.Metadata = strings.Replace(r.Metadata(), "entityID", `validUntil="`+at.Format(time.RFC3339)+`" entityID`, 1)
	}
	until(r.Provider.Now().Add(time.Second))
	if _, err := r.Verify(r.Encoded(r.good()), r.known); err != nil {
		t.Error(err)
	}
	until(r.Provider.Now())
	_, err := r.Verify(r.Encoded(r.good()), r.known)
	want(t, "at its end", err, "InvalidIdentityToken", "valid no more")
}

// SHA-1 is refused wherever it stands, before anything is verified.
func TestWeakHashes(t *testing.T) {
	r := newRig(t)
	for element, algorithm := range map[string]string{
		"//DigestMethod":    "http://www.w3.org/2000/09/xmldsig#sha1",
		"//SignatureMethod": "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
	} {
		doc := r.Document(r.good())
		doc.FindElement(element).CreateAttr("Algorithm", algorithm)
		_, err := r.Verify(samltest.Encode(doc), r.known)
		want(t, element, err, "InvalidIdentityToken", "SHA-1")
	}
}

func FuzzVerify(f *testing.F) {
	p := samltest.New(f, func() time.Time { return time.Unix(1_700_000_000, 0).UTC() })
	v := &saml.Verifier{Now: p.Now, Audiences: []string{"urn:amazon:webservices"}, Recipients: []string{"https://signin.aws.amazon.com/saml"}}
	known := cloud.SAMLProvider{Metadata: p.Metadata()}
	for _, sign := range []string{"assertion", "response", "both"} {
		in := p.Good(roles)
		in.Sign = sign
		text, err := p.Document(in).WriteToBytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := v.Verify(base64.StdEncoding.EncodeToString(text), known)
		if err == nil && (a.Subject != "carol" || a.Attributes["Name"][0] != "carol") {
			t.Errorf("forged: %+v", a)
		}
	})
}
