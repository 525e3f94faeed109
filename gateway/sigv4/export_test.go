package sigv4

import "net/http"

// Canonical shows the goldens the canonical request.
func (c *Claim) Canonical(r *http.Request, payloadHash string) ([]byte, error) {
	return c.appendCanonical(nil, r, payloadHash)
}

// MaxKeys is the bound of the cache of signing keys.
const MaxKeys = maxKeys

// Keys counts the signing keys in the cache.
func (v *Verifier) Keys() int {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	return len(v.keys.keys)
}
