// Package tlstest makes certificates for tests. They are good for a day, and nobody
// trusts their authority but who is told to.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate makes an authority and a certificate of that name and of 127.0.0.1, and
// returns the paths of three files of PEM: the certificate, its key, and the authority's.
func Certificate(t testing.TB, name string) (certificate, key, authority string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key, authority = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	var secrets [2]*ecdsa.PrivateKey
	for i := range secrets {
		var err error
		if secrets[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of " + name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	write := func(path, kind string, content []byte, err error) {
		if err == nil {
			err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, secrets[0].Public(), secrets[0])
	write(authority, "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, secrets[1].Public(), secrets[0])
	write(certificate, "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(secrets[1])
	write(key, "PRIVATE KEY", der, err)
	return certificate, key, authority
}
