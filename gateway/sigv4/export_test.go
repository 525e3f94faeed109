package sigv4

import "net/http"

// Canonical shows the goldens the canonical request.
func (c *Claim) Canonical(r *http.Request, payloadHash string) ([]byte, error) {
	return c.canonicalRequest(r, payloadHash)
}
