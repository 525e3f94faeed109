package identity

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what RFC 6238 and the authenticators that people have use
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"
)

// SeedSize is the size of the seed of a virtual MFA device in bytes; AWS's have
// 64 letters in base32.
const SeedSize = 40

// period is how long a code is the current one.
const period = 30 * time.Second

// NewSeed returns the seed of a new virtual MFA device.
func NewSeed() []byte { return random(SeedSize) }

// TOTP returns the code of a seed for a counter, the number of periods of 30
// seconds since 1970: six digits (RFC 6238, with SHA-1).
func TOTP(seed []byte, counter int64) string {
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, counter) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// TOTPCounter is the counter of a moment.
func TOTPCounter(t time.Time) int64 { return t.Unix() / int64(period/time.Second) }

// findCode returns the counter after last, and at most window away from now,
// that code belongs to. How long it takes does not depend on the code.
func findCode(seed []byte, code string, now, window, last int64) (counter int64, ok bool) {
	for c := now - window; c <= now+window; c++ {
		same := subtle.ConstantTimeCompare([]byte(TOTP(seed, c)), []byte(code)) == 1
		if same && !ok && c > last {
			counter, ok = c, true
		}
	}
	return counter, ok
}
