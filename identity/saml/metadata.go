package saml

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// Metadata is what is needed of a provider's metadata document:
// https://docs.oasis-open.org/security/saml/v2.0/saml-metadata-2.0-os.pdf
type Metadata struct {
	Entity       string              // ID of the provider
	Certificates []*x509.Certificate // that it signs with
}

const maxCertificates = 20

// ReadMetadata reads a metadata document.
func ReadMetadata(text string) (m Metadata, err error) {
	var in struct {
		XMLName  xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
		EntityID string   `xml:"entityID,attr"`
		Keys     []struct {
			Use          string   `xml:"use,attr"`
			Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor>KeyDescriptor"`
	}
	if err := xml.Unmarshal([]byte(text), &in); err != nil {
		return m, fmt.Errorf("it is no EntityDescriptor of SAML 2.0: %w", err)
	}
	if m.Entity = in.EntityID; m.Entity == "" {
		return m, errors.New("it has no entityID")
	}
	for _, k := range in.Keys {
		if k.Use != "" && k.Use != "signing" {
			continue
		}
		for _, c := range k.Certificates {
			raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c), ""))
			if err != nil {
				return m, fmt.Errorf("read certificate: %w", err)
			}
			cert, err := x509.ParseCertificate(raw)
			if err != nil {
				return m, fmt.Errorf("read certificate: %w", err)
			}
			m.Certificates = append(m.Certificates, cert)
		}
	}
	if n := len(m.Certificates); n == 0 || n > maxCertificates {
		return m, fmt.Errorf("it has %d certificates to sign with, not 1 to %d", n, maxCertificates)
	}
	return m, nil
}
