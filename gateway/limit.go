package gateway

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter has a token bucket an account. Only accounts whose signature was
// verified get one, so there are as many as tenants.
type limiter struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter // guarded by mu; by account
}

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{limit: rate.Limit(perSecond), burst: max(1, burst), now: now, buckets: make(map[string]*rate.Limiter)}
}

// allow reports whether the account may make another request now.
func (l *limiter) allow(account string) bool {
	l.mu.Lock()
	bucket := l.buckets[account]
	if bucket == nil {
		bucket = rate.NewLimiter(l.limit, l.burst)
		l.buckets[account] = bucket
	}
	l.mu.Unlock()
	return bucket.AllowN(l.now(), 1)
}
