package gateway

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the memory of a limiter: a bucket is some 200 bytes.
const maxBuckets = 65536

// limiter has a token bucket for each account whose signature was verified, and
// for each address that anonymous requests come from.
type limiter struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter // guarded by mu; by account or address
}

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{limit: rate.Limit(perSecond), burst: max(1, burst), now: now, buckets: make(map[string]*rate.Limiter)}
}

// allow reports whether the account or address may make another request now.
func (l *limiter) allow(who string) bool {
	l.mu.Lock()
	bucket := l.buckets[who]
	if bucket == nil {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets) // a burst more for everybody
		}
		bucket = rate.NewLimiter(l.limit, l.burst)
		l.buckets[who] = bucket
	}
	l.mu.Unlock()
	return bucket.AllowN(l.now(), 1)
}
