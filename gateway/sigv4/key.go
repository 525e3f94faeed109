package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"sync"
)

// maxKeys bounds the cache: a key and its name are some 500 bytes.
const maxKeys = 4096

type keyID struct{ secret, date, region, service string }

// keyCache keeps the derived signing keys, which change once a day. Only scopes
// that passed Check, with secrets that exist, get in.
type keyCache struct {
	mu   sync.Mutex
	keys map[keyID]*signingKey // guarded by mu
}

// signingKey is a derived key. It is safe for concurrent use.
type signingKey struct {
	bytes []byte    // never written again
	macs  sync.Pool // of hash.Hash: HMACs under the key, which have it set up already
}

func newSigningKey(id keyID) *signingKey {
	k := &signingKey{bytes: deriveKey(id)}
	k.macs.New = func() any { return hmac.New(sha256.New, k.bytes) }
	return k
}

// signed reports whether a signature, in lower-case hexadecimal, is the text's.
func (k *signingKey) signed(text []byte, signature string) bool {
	h := k.macs.Get().(hash.Hash) //nolint:forcetypeassert // nothing else is in it
	defer k.macs.Put(h)
	h.Reset()
	h.Write(text)
	var sum [sha256.Size]byte
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], h.Sum(sum[:0]))
	return len(signature) == len(want) && subtle.ConstantTimeCompare(want[:], []byte(signature)) == 1
}

func (c *keyCache) get(id keyID) *signingKey {
	c.mu.Lock()
	key, ok := c.keys[id]
	c.mu.Unlock()
	if ok {
		return key
	}
	key = newSigningKey(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxKeys {
		// Starting afresh costs four HMACs a key, and needs no bookkeeping.
		c.keys = make(map[keyID]*signingKey)
	}
	c.keys[id] = key
	return key
}

// deriveKey is the chain of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#derive-signing-key
func deriveKey(id keyID) []byte {
	key := []byte("AWS4" + id.secret)
	for _, part := range []string{id.date, id.region, id.service, terminator} {
		key = mac(key, part)
	}
	return key
}
