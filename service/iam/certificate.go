package iam

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
)

// How long the parts of a server certificate may be, in characters:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UploadServerCertificate.html
const (
	maxCertificate = 16384 // also the private key
	maxChain       = 2097152
)

// checkCertificate refuses what TLS could not be served with: the certificate must
// be valid now and belong to the key, and each one of the chain must have signed
// the one before. It returns when the certificate expires.
func checkCertificate(body, chain, key string, now time.Time) (expires time.Time, err error) {
	leaf, err := onlyCertificate(body)
	if err != nil {
		return expires, err
	}
	public, err := publicKey(key)
	if err != nil {
		return expires, err
	}
	if !public.Equal(leaf.PublicKey) {
		return expires, cloud.Errorf("KeyPairMismatch", "The private key does not match the public key of the certificate. Upload the key that the certificate was made for.")
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return expires, malformedCertificate("The certificate is valid from %s to %s only.", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return leaf.NotAfter.UTC(), checkChain(leaf, chain)
}

func malformedCertificate(format string, args ...any) error {
	return cloud.Errorf("MalformedCertificate", format, args...)
}

// onlyCertificate reads a PEM text that holds one certificate and nothing else.
func onlyCertificate(text string) (*x509.Certificate, error) {
	list, ok := certificates(text)
	if !ok || len(list) != 1 {
		return nil, malformedCertificate("Unable to parse certificate. Please ensure the certificate is in PEM format, alone, and without the chain.")
	}
	return list[0], nil
}

// certificates reads a PEM text that holds certificates and nothing else.
func certificates(text string) (list []*x509.Certificate, ok bool) {
	for rest := bytes.TrimSpace([]byte(text)); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) {
			return nil, false // text that is no PEM, which the decoder would skip
		}
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, false
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, false
		}
		list = append(list, c)
	}
	return list, true
}

// comparableKey is what the public keys of the standard library can do.
type comparableKey interface{ Equal(crypto.PublicKey) bool }

// publicKey returns the public half of a private key in PEM: RSA of 1024 to 4096
// bits, or one on a NIST curve.
func publicKey(text string) (comparableKey, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil || len(bytes.TrimSpace(rest)) > 0:
		return nil, malformedCertificate("Unable to parse private key. Please ensure the private key is in PEM format, alone.")
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return nil, malformedCertificate("The private key is encrypted. Remove the passphrase and upload it again.")
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, malformedCertificate("Unable to parse private key. Please ensure that it is an RSA or elliptic curve key.")
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < 1024 || bits > 4096 {
			return nil, malformedCertificate("The RSA key has %d bits: it must have 1024 to 4096.", bits)
		}
		return &k.PublicKey, nil
	case *ecdsa.PrivateKey:
		return &k.PublicKey, nil
	}
	return nil, malformedCertificate("The private key is neither an RSA nor an elliptic curve key.")
}

// parseKey reads a key as PKCS #1, SEC 1 or PKCS #8.
func parseKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	default:
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	}
}

// checkChain refuses a chain that does not lead from the certificate upwards.
func checkChain(leaf *x509.Certificate, text string) error {
	chain, ok := certificates(text)
	if !ok {
		return malformedCertificate("Unable to parse certificate chain. Please ensure that it is certificates in PEM format only.")
	}
	below := leaf
	for i, c := range chain {
		if err := below.CheckSignatureFrom(c); err != nil {
			return malformedCertificate("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d", i)
		}
		below = c
	}
	return nil
}
