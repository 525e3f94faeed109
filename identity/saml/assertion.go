package saml

import (
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/identity"
)

const bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // a name of a method, no credential

// document is an assertion, as far as it is read.
type document struct {
	XMLName xml.Name  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
	Version string    `xml:"Version,attr"`
	Issued  time.Time `xml:"IssueInstant,attr"`
	Issuer  string    `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Subject struct {
		Name []struct {
			Format string `xml:"Format,attr"`
			Text   string `xml:",chardata"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
		Confirmations []struct {
			Method string `xml:"Method,attr"`
			Data   struct {
				Recipient string    `xml:"Recipient,attr"`
				Until     time.Time `xml:"NotOnOrAfter,attr"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmationData"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmation"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject"`
	Conditions []struct {
		From      time.Time `xml:"NotBefore,attr"`
		Until     time.Time `xml:"NotOnOrAfter,attr"`
		Audiences []struct {
			List []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Audience"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AudienceRestriction"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Conditions"`
	Authentications []struct {
		Until time.Time `xml:"SessionNotOnOrAfter,attr"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnStatement"`
	Attributes []struct {
		Name   string   `xml:"Name,attr"`
		Values []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeValue"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeStatement>Attribute"`
}

// read reads a verified assertion, and checks that it is for this cloud and for
// now.
func (v *Verifier) read(verified []byte, m identity.SAMLMetadata) (a Assertion, err error) {
	var d document
	if err := xml.Unmarshal(verified, &d); err != nil || d.Version != "2.0" {
		return a, invalid("The assertion cannot be read as one of SAML 2.0")
	}
	if a.Issuer = strings.TrimSpace(d.Issuer); a.Issuer != m.EntityID {
		return a, invalid("Issuer not present in specified provider")
	}
	if err := v.timely(d); err != nil {
		return a, err
	}
	if err := v.addressed(d); err != nil {
		return a, err
	}
	if a.Recipient, err = v.confirmed(d); err != nil {
		return a, err
	}
	if len(d.Subject.Name) != 1 || strings.TrimSpace(d.Subject.Name[0].Text) == "" {
		return a, invalid("The assertion has no subject with one NameID")
	}
	a.Subject, a.Format = strings.TrimSpace(d.Subject.Name[0].Text), d.Subject.Name[0].Format
	for _, s := range d.Authentications {
		if !s.Until.IsZero() && (a.Ends.IsZero() || s.Until.Before(a.Ends)) {
			a.Ends = s.Until
		}
	}
	if !a.Ends.IsZero() && !v.Now().Before(a.Ends) {
		return a, expired("The session at the identity provider has ended: sign in again")
	}
	a.Attributes = map[string][]string{}
	for _, attribute := range d.Attributes {
		for _, value := range attribute.Values {
			a.Attributes[attribute.Name] = append(a.Attributes[attribute.Name], strings.TrimSpace(value))
		}
	}
	return a, nil
}

// timely checks when the assertion was issued, and its conditions' times.
func (v *Verifier) timely(d document) error {
	now := v.Now()
	switch {
	case d.Issued.After(now.Add(leeway)):
		return invalid("The assertion was issued in the future: set the clock of the identity provider right")
	case !now.Before(d.Issued.Add(redeem)):
		return expired("Token must be redeemed within 5 minutes of issuance")
	}
	for _, c := range d.Conditions {
		if c.From.After(now.Add(leeway)) {
			return invalid("The assertion is not valid yet: set the clock of the identity provider right")
		}
		if !c.Until.IsZero() && !now.Before(c.Until.Add(leeway)) {
			return expired("The assertion has expired: sign in again")
		}
	}
	return nil
}

// addressed checks that every restriction to an audience lets this cloud be it,
// and that there is one.
func (v *Verifier) addressed(d document) error {
	n := 0
	for _, c := range d.Conditions {
		for _, r := range c.Audiences {
			n++
			if !slices.ContainsFunc(r.List, func(s string) bool { return slices.Contains(v.Audiences, strings.TrimSpace(s)) }) {
				return invalid("Response does not contain the required audience.")
			}
		}
	}
	if n == 0 {
		return invalid("Response does not contain the required audience.")
	}
	return nil
}

// confirmed returns the recipient of the confirmation that this cloud accepts.
func (v *Verifier) confirmed(d document) (recipient string, err error) {
	late := false
	for _, c := range d.Subject.Confirmations {
		if c.Method != bearer || !slices.Contains(v.Recipients, c.Data.Recipient) || c.Data.Until.IsZero() {
			continue
		}
		if v.Now().Before(c.Data.Until.Add(leeway)) {
			return c.Data.Recipient, nil
		}
		late = true
	}
	if late {
		return "", expired("The assertion has expired: sign in again")
	}
	return "", invalid("The assertion has no bearer confirmation for this cloud: its Recipient must be one of " + strings.Join(v.Recipients, ", ") + ", and NotOnOrAfter must be there")
}
