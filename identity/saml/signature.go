package saml

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/beevik/etree"
	roundtrip "github.com/mattermost/xml-roundtrip-validator"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/vauban-cloud/vauban/identity"
)

// The namespaces.
const (
	protocolSpace  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionSpace = "urn:oasis:names:tc:SAML:2.0:assertion"
)

const success = "urn:oasis:names:tc:SAML:2.0:status:Success"

// The bounds of a response's shape.
const (
	maxDepth      = 32 // of elements in elements
	maxAttributes = 32 // XML attributes of an element
)

// open verifies a response and returns its status, which need not be signed, and
// the bytes of the signed assertion.
func (v *Verifier) open(raw []byte, m identity.SAMLMetadata) (status string, assertion []byte, err error) {
	// What encoding/xml reads and writes differently could be signed as one and
	// read as the other.
	if err := roundtrip.Validate(bytes.NewReader(raw)); err != nil {
		return "", nil, invalid("The SAML response is not well-formed XML")
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil || doc.Root() == nil {
		return "", nil, invalid("The SAML response is not well-formed XML")
	}
	for _, t := range doc.Child {
		if _, ok := t.(*etree.Directive); ok {
			return "", nil, invalid("The SAML response has a document type: leave it out")
		}
	}
	root := doc.Root()
	if root.Tag != "Response" || root.NamespaceURI() != protocolSpace {
		return "", nil, invalid("The document is no SAML 2.0 response")
	}
	inner, err := shape(root)
	if err != nil {
		return "", nil, err
	}
	verified, err := v.signed(root, inner, m)
	if err != nil {
		return "", nil, err
	}
	assertion, err = text(verified)
	if code := root.FindElement("./Status/StatusCode"); code != nil {
		status = code.SelectAttrValue("Value", "")
	}
	return status, assertion, err
}

// shape refuses whatever could make one part of the document be verified and
// another be read, and returns the one assertion.
func shape(root *etree.Element) (assertion *etree.Element, err error) {
	ids := map[string]bool{}
	for _, child := range root.ChildElements() {
		if child.Tag == "Assertion" && child.NamespaceURI() == assertionSpace {
			assertion = child // that there is no other is seen below
		}
	}
	if root.FindElement("//EncryptedAssertion") != nil {
		return nil, invalid("The SAML response has an encrypted assertion: send it signed only")
	}
	if assertion == nil {
		return nil, invalid("The SAML response has no assertion")
	}
	var walk func(e *etree.Element, depth int) error
	walk = func(e *etree.Element, depth int) error {
		parent := e.Parent()
		switch {
		case depth > maxDepth, len(e.Attr) > maxAttributes:
			return invalid("The SAML response has too many elements within one another, or XML attributes of one")
		case e.Tag == "Assertion" && e != assertion, e.Tag == "Response" && e != root:
			return invalid("The SAML response has more than one " + e.Tag)
		case (e.Tag == "SignatureMethod" || e.Tag == "DigestMethod") && strings.HasSuffix(e.SelectAttrValue("Algorithm", ""), "sha1"):
			return invalid("Response signature invalid: SHA-1 is too weak, sign with SHA-256")
		case e.Tag == "Signature" && parent != root && parent != assertion:
			return invalid("The SAML response has a signature that is neither the response's nor the assertion's")
		}
		for _, a := range e.Attr {
			if !strings.EqualFold(a.Key, "id") {
				continue
			}
			if ids[a.Value] {
				return invalid("The SAML response has an ID twice")
			}
			ids[a.Value] = true
		}
		for _, child := range e.ChildElements() {
			if err := walk(child, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return assertion, walk(root, 1)
}

// signed verifies the signatures of the response and of the assertion, of which
// there must be one at least, and returns the assertion as it was signed.
func (v *Verifier) signed(root, assertion *etree.Element, m identity.SAMLMetadata) (verified *etree.Element, err error) {
	if has, err := hasSignature(root); err != nil {
		return nil, err
	} else if has {
		response, err := v.validate(root, m)
		if err != nil {
			return nil, err
		}
		for _, child := range response.ChildElements() {
			if child.Tag == "Assertion" {
				verified = child
			}
		}
	}
	if has, err := hasSignature(assertion); err != nil {
		return nil, err
	} else if has {
		if verified, err = v.validate(assertion, m); err != nil {
			return nil, err
		}
	}
	if verified == nil {
		return nil, invalid("Response signature invalid: neither the response nor its assertion is signed")
	}
	return verified, nil
}

// hasSignature reports whether an element has a signature of its own.
func hasSignature(e *etree.Element) (bool, error) {
	n := 0
	for _, child := range e.ChildElements() {
		if child.Tag == "Signature" {
			n++
		}
	}
	if n > 1 || n == 1 && e.SelectAttrValue("ID", "") == "" {
		return false, invalid("Response signature invalid: there is more than one in one place, or it signs nothing that has an ID")
	}
	return n == 1, nil
}

// validate verifies the signature of an element with the certificates of the
// provider, and returns what was signed, read from the bytes that were.
func (v *Verifier) validate(e *etree.Element, m identity.SAMLMetadata) (*etree.Element, error) {
	context, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		return nil, invalid("Response signature invalid")
	}
	detached, err := etreeutils.NSDetatch(context, e)
	if err != nil {
		return nil, invalid("Response signature invalid")
	}
	for _, roots := range candidates(e, m.Certificates) {
		check := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: roots})
		check.Clock = dsig.NewFakeClockAt(v.Now())
		verified, err := check.Validate(detached)
		if err == nil && verified.Tag == e.Tag && verified.SelectAttrValue("ID", "") == e.SelectAttrValue("ID", "") {
			return verified, nil
		}
	}
	return nil, invalid("Response signature invalid")
}

// candidates are the certificates to try, in turns: all at once where the signature
// says which it is, so that strangers cannot make the work many times as much.
func candidates(e *etree.Element, all []*x509.Certificate) [][]*x509.Certificate {
	if e.FindElement("./Signature/KeyInfo") != nil {
		return [][]*x509.Certificate{all}
	}
	return slices.Collect(slices.Chunk(all, 1))
}

// text writes an element as a document of its own.
func text(e *etree.Element) ([]byte, error) {
	context, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		return nil, invalid("Response signature invalid")
	}
	detached, err := etreeutils.NSDetatch(context, e)
	if err != nil {
		return nil, invalid("Response signature invalid")
	}
	doc := etree.NewDocument()
	doc.SetRoot(detached)
	return doc.WriteToBytes()
}
