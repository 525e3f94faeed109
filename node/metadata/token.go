package metadata

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// The life of a token in seconds.
const (
	minTTL = 1
	maxTTL = 21600
)

// A token is, in base64: the second at which it ends, and a seal over that and
// over who may use it. Nothing of it needs to be remembered.
const (
	expirySize = 8
	sealSize   = sha256.Size
)

// seal returns a token that is good for the instance until expiry.
func (s *Server) seal(instance string, expiry time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(expiry.Unix()))
	return base64.URLEncoding.EncodeToString(append(b, s.mac(instance, b)...))
}

// check returns how long the token is still good for the instance, and whether
// it is good at all.
func (s *Server) check(token, instance string) (time.Duration, bool) {
	b, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != expirySize+sealSize {
		return 0, false
	}
	if !hmac.Equal(b[expirySize:], s.mac(instance, b[:expirySize])) {
		return 0, false
	}
	left := time.Unix(int64(binary.BigEndian.Uint64(b)), 0).Sub(s.cfg.Now())
	return left, left > 0
}

// mac seals an expiry for an instance. Instance IDs are unique over all VPCs.
func (s *Server) mac(instance string, expiry []byte) []byte {
	h := hmac.New(sha256.New, s.cfg.Key)
	h.Write([]byte("vauban metadata token\x00" + instance + "\x00"))
	h.Write(expiry)
	return h.Sum(nil)
}
