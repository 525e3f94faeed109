// Package lifecycle follows the lifecycle rules of buckets: it expires objects and
// old versions, removes delete markers that hide nothing, and aborts uploads.
//
// It guarantees that each bucket is looked at once a day, after midnight UTC, and again
// when its rules change; that a walk goes on where it was when the process ended; that
// its memory and its rate do not depend on how much there is; and that it removes only
// what it has looked at, and nothing that is retained or held. It does not guarantee
// the minute: AWS does not either.
package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// Config says what to follow.
type Config struct {
	DB      *store.Store
	Objects *object.Store
	Now     func() time.Time
	Day     time.Duration // how long a day is: 24 hours; shorter ones are for tests
	Rate    int           // removals a second, of all buckets together: 1,000
	Slice   int           // versions that are looked at before the progress is kept: 10,000
}

// Reconciler is the lifecycle reconciler.
type Reconciler struct {
	Config
	limit *rate.Limiter
	page  int // how many versions or uploads are in memory; two at least
}

// removalsAtOnce share their syncs.
const removalsAtOnce = 64

// New returns a Reconciler.
func New(c Config) *Reconciler {
	if c.Day == 0 {
		c.Day = 24 * time.Hour
	}
	if c.Rate == 0 {
		c.Rate = 1000
	}
	if c.Slice == 0 {
		c.Slice = 10_000
	}
	return &Reconciler{Config: c, limit: rate.NewLimiter(rate.Limit(c.Rate), max(c.Rate, removalsAtOnce)), page: 1000}
}

var (
	buckets store.Table[cloud.Bucket]
	runs    store.Table[cloud.LifecycleRun]
)

// Name is "lifecycle".
func (*Reconciler) Name() string { return "lifecycle" }

// Key is the bucket's ID.
func (*Reconciler) Key(c store.Change) string {
	switch c.Table {
	case cloud.Bucket{}.Table():
		return c.Key
	case cloud.LifecycleRun{}.Table():
		if !c.Deleted {
			return c.Key
		}
	}
	return ""
}

// Reconcile walks on through a bucket, if it is time.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	view, now := r.DB.View(), r.Now()
	b, ok := buckets.Get(view, id)
	run, begun := runs.Get(view, id)
	if !ok || !b.Lifecycle.Live() {
		if !begun {
			return 0, nil
		}
		return 0, r.drop(ctx, id)
	}
	today := now.UnixNano() / int64(r.Day)
	rules, err := digest(b.Lifecycle)
	if err != nil {
		return 0, err
	}
	if !begun || run.Rules != rules || run.Done && run.Day != today {
		run = cloud.LifecycleRun{Bucket: id, Rules: rules, Day: today}
	}
	if run.Done {
		return time.Unix(0, (today+1)*int64(r.Day)).Sub(now), nil
	}
	w := &walk{Reconciler: r, b: b, run: run, now: now}
	err = w.on(ctx)
	if errors.Is(err, object.ErrNoBucket) {
		return 0, nil // it is being deleted
	}
	if kept := r.keep(context.WithoutCancel(ctx), w.run); kept != nil {
		return 0, errors.Join(err, kept)
	}
	if err != nil || w.run.Done {
		return 0, err // when it is kept, its change leads here again
	}
	return time.Millisecond, nil
}

// digest tells rules apart.
func digest(l cloud.Lifecycle) (string, error) {
	text, err := json.Marshal(l)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), err
}

func (r *Reconciler) keep(ctx context.Context, run cloud.LifecycleRun) error {
	return r.DB.Update(ctx, func(tx *store.Tx) error {
		if _, ok := buckets.Get(tx, run.Bucket); !ok {
			return nil
		}
		return runs.Put(tx, run)
	})
}

func (r *Reconciler) drop(ctx context.Context, id string) error {
	return r.DB.Update(ctx, func(tx *store.Tx) error {
		if _, ok := runs.Get(tx, id); !ok {
			return nil
		}
		return runs.Delete(tx, id)
	})
}
