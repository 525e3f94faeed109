package sigv4

import "sync"

// maxKeys bounds the cache: a key and its name are some 200 bytes.
const maxKeys = 4096

type keyID struct{ secret, date, region, service string }

// keyCache keeps the derived signing keys, which change once a day. Only scopes
// that passed Check, with secrets that exist, get in.
type keyCache struct {
	mu   sync.Mutex
	keys map[keyID][]byte // guarded by mu; the values are never written again
}

func (c *keyCache) get(id keyID) []byte {
	c.mu.Lock()
	key, ok := c.keys[id]
	c.mu.Unlock()
	if ok {
		return key
	}
	key = deriveKey(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxKeys {
		// Starting afresh costs four HMACs a key, and needs no bookkeeping.
		c.keys = make(map[keyID][]byte)
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
