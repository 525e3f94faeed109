package ec2

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the fingerprint of imported RSA keys is defined so
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the fingerprint of created RSA keys is defined so
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The types of key pair.
const (
	keyRSA     = "rsa"
	keyED25519 = "ed25519"
)

// maxKeyMaterial bounds what is parsed: an RSA key of 4096 bits takes 0.8 KiB.
const maxKeyMaterial = 16 << 10

var errKeyMaterial = errors.New("not a public key that guests understand")

// publicKey is a key that guests can let in: its type, and what SSH calls it.
type publicKey struct {
	kind string
	key  ssh.PublicKey
}

// authorized returns the line of an authorized_keys file, with the name as comment.
func (k publicKey) authorized(name string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.key))) + " " + name
}

// fingerprint of an imported key: of RSA the MD5 of the public key's DER form,
// of ED25519 the SHA-256 that OpenSSH shows, with its padding.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html
func (k publicKey) fingerprint() (string, error) {
	if k.kind == keyED25519 {
		sum := sha256.Sum256(k.key.Marshal())
		return base64.StdEncoding.EncodeToString(sum[:]), nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.key.(ssh.CryptoPublicKey).CryptoPublicKey())
	if err != nil {
		return "", fmt.Errorf("marshal public key: %w", err)
	}
	sum := md5.Sum(der) //nolint:gosec // as above
	return colons(sum[:]), nil
}

// privateFingerprint is the fingerprint of an RSA key that was created here: the
// SHA-1 of the private key's PKCS#8 DER form.
func privateFingerprint(key *rsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("marshal private key: %w", err)
	}
	sum := sha1.Sum(der) //nolint:gosec // as above
	return colons(sum[:]), nil
}

// colons writes bytes as "1f:51:…".
func colons(b []byte) string {
	pairs := make([]string, len(b))
	for i := range b {
		pairs[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(pairs, ":")
}

// parsePublicKey reads an RSA key of 1024, 2048, 3072 or 4096 bits or an ED25519 key
// in any of the forms that ImportKeyPair takes: a line of authorized_keys, an
// RFC 4716 file, PEM (PKIX or PKCS#1), DER, or DER in base64.
func parsePublicKey(material []byte) (publicKey, error) {
	if len(material) > maxKeyMaterial {
		return publicKey{}, errKeyMaterial
	}
	material = bytes.TrimSpace(material)
	for _, parse := range []func([]byte) (ssh.PublicKey, error){parseAuthorized, parseRFC4716, parsePEM, parseDER, parseBase64} {
		if key, err := parse(material); err == nil {
			return checkPublicKey(key)
		}
	}
	return publicKey{}, errKeyMaterial
}

func checkPublicKey(key ssh.PublicKey) (publicKey, error) {
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		return publicKey{keyED25519, key}, nil
	case ssh.KeyAlgoRSA:
		size := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey).N.BitLen()
		if slices.Contains([]int{1024, 2048, 3072, 4096}, size) {
			return publicKey{keyRSA, key}, nil
		}
	}
	return publicKey{}, errKeyMaterial
}

// parseAuthorized takes one line; a line with options would give the guest's
// owner something else than a key, and is refused.
func parseAuthorized(b []byte) (ssh.PublicKey, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey(b)
	if err == nil && (len(options) > 0 || len(bytes.TrimSpace(rest)) > 0) {
		err = errKeyMaterial
	}
	return key, err
}

// parseRFC4716 reads the "SSH Public Key File Format", https://www.rfc-editor.org/rfc/rfc4716.
func parseRFC4716(b []byte) (ssh.PublicKey, error) {
	const begin, end = "---- BEGIN SSH2 PUBLIC KEY ----", "---- END SSH2 PUBLIC KEY ----"
	body, found := strings.CutPrefix(string(b), begin)
	body, closed := strings.CutSuffix(body, end)
	if !found || !closed {
		return nil, errKeyMaterial
	}
	var encoded strings.Builder
	header := false // inside a header that goes on
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if header || strings.Contains(line, ":") {
			header = strings.HasSuffix(line, `\`)
			continue
		}
		encoded.WriteString(line)
	}
	blob, err := base64.StdEncoding.DecodeString(encoded.String())
	if err != nil {
		return nil, fmt.Errorf("decode RFC 4716 body: %w", err)
	}
	return ssh.ParsePublicKey(blob)
}

func parsePEM(b []byte) (ssh.PublicKey, error) {
	block, rest := pem.Decode(b)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || !strings.HasSuffix(block.Type, "PUBLIC KEY") {
		return nil, errKeyMaterial
	}
	return parseDER(block.Bytes)
}

func parseDER(b []byte) (ssh.PublicKey, error) {
	if key, err := x509.ParsePKIXPublicKey(b); err == nil {
		return ssh.NewPublicKey(key)
	}
	key, err := x509.ParsePKCS1PublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("parse DER: %w", err)
	}
	return ssh.NewPublicKey(key)
}

func parseBase64(b []byte) (ssh.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	if err != nil {
		return nil, fmt.Errorf("decode base64: %w", err)
	}
	return parseDER(der)
}
