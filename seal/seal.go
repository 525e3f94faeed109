// Package seal keeps the cloud's secrets: envelope encryption under one root key.
//
// A root key wraps data keys, one for each purpose; data keys seal secrets with
// AES-256-GCM, each bound to what it belongs to, so that a sealed value cannot
// be moved to another owner. It guarantees that what was sealed can neither be
// read nor changed unnoticed by who has the database but not the root key. It does
// not hide how long a secret is, and it does not protect from who can read the
// memory of the process.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// Root is a root key. The key in a file is one; a hardware module, which never
// shows its key, will be another.
type Root interface {
	// ID names the key, and tells nothing of it.
	ID() string
	// Wrap encrypts a data key, bound to name; Unwrap decrypts what Wrap made for
	// the same name, or fails with ErrSealed. Both may be retried.
	Wrap(ctx context.Context, name string, key []byte) ([]byte, error)
	Unwrap(ctx context.Context, name string, wrapped []byte) ([]byte, error)
}

// ErrSealed says that something was sealed under another key, for another
// owner, or was changed since.
var ErrSealed = errors.New("does not open with this key")

// KeySize is the size of every key, in bytes; Overhead is by how many bytes what
// is sealed is longer than the secret.
const (
	KeySize  = 32
	Overhead = 28
)

// NewKey returns a fresh key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key)
	return key
}

// Key seals with one data key. It is safe for concurrent use.
type Key struct{ aead cipher.AEAD }

// New returns a Key of KeySize bytes.
func New(key []byte) (*Key, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a key has %d bytes, not %d", KeySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Key{aead}, nil
}

// Seal encrypts a secret that belongs to owner, such as an access key ID. The
// result is Overhead bytes longer than the secret. With random nonces of 96 bits a key
// is good for some four billion secrets (NIST SP 800-38D, 8.3).
func (k *Key) Seal(owner string, secret []byte) []byte {
	return k.aead.Seal(nil, nil, secret, []byte(owner)) //nolint:gosec // the mode makes a nonce of its own
}

// Open returns the secret that was sealed for owner, or ErrSealed.
func (k *Key) Open(owner string, sealed []byte) ([]byte, error) {
	secret, err := k.aead.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}
