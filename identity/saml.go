package identity

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// SAMLMetadata is what the cloud takes from the metadata of a SAML 2.0 identity
// provider: https://docs.oasis-open.org/security/saml/v2.0/saml-metadata-2.0-os.pdf
type SAMLMetadata struct {
	EntityID     string              // the Issuer of its assertions
	Certificates []*x509.Certificate // that it signs with, one at least
	ValidUntil   time.Time           // zero: the document sets no end
}

// maxSAMLDepth bounds the nesting of a metadata document.
const maxSAMLDepth = 64

// samlDescriptor is an EntityDescriptor.
type samlDescriptor struct {
	XMLName    xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID   string   `xml:"entityID,attr"`
	ValidUntil string   `xml:"validUntil,attr"`
	Roles      []struct {
		Protocols string `xml:"protocolSupportEnumeration,attr"`
		Keys      []struct {
			Use          string   `xml:"use,attr"`
			Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
		SignOn []struct {
			Location string `xml:"Location,attr"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata SingleSignOnService"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
}

// ParseSAMLMetadata reads the metadata document of an identity provider: an
// EntityDescriptor with an IDPSSODescriptor that names where to sign on, and an
// X.509 certificate to check assertions with.
func ParseSAMLMetadata(document string) (m SAMLMetadata, err error) {
	if err := checkXML(document); err != nil {
		return m, err
	}
	var d samlDescriptor
	if err := xml.Unmarshal([]byte(document), &d); err != nil {
		return m, fmt.Errorf("no EntityDescriptor of SAML 2.0 metadata: %w", err)
	}
	if m.EntityID = d.EntityID; m.EntityID == "" {
		return m, errors.New("EntityDescriptor has no entityID")
	}
	if d.ValidUntil != "" {
		if m.ValidUntil, err = time.Parse(time.RFC3339, d.ValidUntil); err != nil {
			return m, fmt.Errorf("validUntil of EntityDescriptor is no dateTime: %q", d.ValidUntil)
		}
	}
	if len(d.Roles) == 0 {
		return m, errors.New("no IDPSSODescriptor: this is not the metadata of an identity provider")
	}
	signOn := 0
	for _, role := range d.Roles {
		signOn += len(role.SignOn)
		for _, key := range role.Keys {
			if key.Use != "" && key.Use != "signing" {
				continue
			}
			for _, text := range key.Certificates {
				c, err := parseDER(text)
				if err != nil {
					return m, err
				}
				m.Certificates = append(m.Certificates, c)
			}
		}
	}
	if signOn == 0 {
		return m, errors.New("IDPSSODescriptor has no SingleSignOnService")
	}
	if len(m.Certificates) == 0 {
		return m, errors.New("IDPSSODescriptor has no KeyDescriptor for signing with an X509Certificate")
	}
	return m, nil
}

// checkXML refuses what is no XML, or nested too deep, or has a document type:
// metadata needs none, and entities are how XML attacks its readers.
func checkXML(document string) error {
	d := xml.NewDecoder(strings.NewReader(document))
	for depth := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("no well-formed XML: %w", err)
		}
		switch token.(type) {
		case xml.Directive:
			return errors.New("document types are not allowed in metadata")
		case xml.StartElement:
			if depth++; depth > maxSAMLDepth {
				return errors.New("elements are nested too deep")
			}
		case xml.EndElement:
			depth--
		}
	}
}

// parseDER reads a certificate in base64, with white space anywhere.
func parseDER(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("X509Certificate is not base64")
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("X509Certificate is no certificate: %w", err)
	}
	return c, nil
}
