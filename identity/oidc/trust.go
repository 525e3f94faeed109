package oidc

import (
	"crypto/sha1" //nolint:gosec // thumbprints are SHA-1
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

var errThumbprint = errors.New("its certificate is none that the system trusts, and has none of the provider's thumbprints")

// trust accepts a server whose certificate the system trusts, or is signed by the
// one at the top of the chain that it shows, if that has one of the thumbprints:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
// Name and time must be right in both cases.
func (f *Fetcher) trust(s tls.ConnectionState, host string, thumbprints []string) error {
	leaf, rest := s.PeerCertificates[0], s.PeerCertificates[1:] // a TLS server always shows one
	o := x509.VerifyOptions{DNSName: host, Roots: f.roots, CurrentTime: f.now(), Intermediates: x509.NewCertPool()}
	for _, c := range rest {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err == nil {
		return nil
	}
	top := s.PeerCertificates[len(s.PeerCertificates)-1]
	sum := sha1.Sum(top.Raw) //nolint:gosec // see above
	if !slices.ContainsFunc(thumbprints, func(t string) bool { return strings.EqualFold(t, hex.EncodeToString(sum[:])) }) {
		return errThumbprint
	}
	o.Roots = x509.NewCertPool()
	o.Roots.AddCert(top)
	_, err := leaf.Verify(o)
	return err
}
