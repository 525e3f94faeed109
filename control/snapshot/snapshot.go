// Package snapshot ends what hosts have undone, and what has had its time: it deletes the
// document of a snapshot whose bytes are gone, wants those gone that the recycle bin has kept
// for long enough, and gives up those that nobody fills any more.
//
// It guarantees that a snapshot's document outlives its bytes.
package snapshot

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/internal/steps"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the snapshot reconciler.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
}

var snapshots store.Table[cloud.Snapshot]

// Name is "snapshot".
func (*Reconciler) Name() string { return "snapshot" }

// Key is the snapshot's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.Snapshot{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile takes the next step in the snapshot's life.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	now := r.Now()
	wait, err := steps.Take(ctx, r.DB, func(view store.Reader) (func(*store.Tx) error, time.Duration) { return next(view, id, now) })
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return wait, err
}

func next(r store.Reader, id string, now time.Time) (step func(*store.Tx) error, after time.Duration) {
	s, ok := snapshots.Get(r, id)
	switch {
	case !ok:
		return nil, 0
	case gone(s):
		return func(tx *store.Tx) error {
			tx.ReleaseAll(id)
			return snapshots.Delete(tx, id)
		}, 0
	case over(s, now):
		s.Delete = true
	case abandoned(s, now):
		f := *s.Fill
		f.Expired = true
		s.Fill = &f
	case lockBegins(s):
		l := *s.Lock
		l.Began = now.UTC()
		if l.Until.IsZero() {
			l.Until = l.Began.AddDate(0, 0, l.Days)
		}
		s.Lock = &l
	default:
		return nil, wait(s, now)
	}
	return func(tx *store.Tx) error { return snapshots.Put(tx, s) }, 0
}

func gone(s cloud.Snapshot) bool { return s.Delete && (s.Seen.Gone || s.Host == "") }

// over reports whether the recycle bin has kept it for as long as it was to.
func over(s cloud.Snapshot, now time.Time) bool {
	return !s.Binned.IsZero() && !s.Delete && !now.Before(s.Expires)
}

// abandoned reports whether nobody fills it any more.
func abandoned(s cloud.Snapshot, now time.Time) bool {
	return s.Fill.Open() && !s.Delete && !s.Seen.Ready && s.Seen.Error == "" && !now.Before(s.Fill.Deadline())
}

// lockBegins reports whether the duration of its lock begins: it is completed now.
func lockBegins(s cloud.Snapshot) bool {
	return s.Lock != nil && s.Lock.Began.IsZero() && s.Seen.Ready && !s.Delete
}

// wait is how long it is until the next of these may be so; 0: a change will tell.
func wait(s cloud.Snapshot, now time.Time) time.Duration {
	switch {
	case s.Delete:
		return 0
	case !s.Binned.IsZero():
		return max(time.Second, s.Expires.Sub(now))
	case s.Fill.Open() && !s.Seen.Ready && s.Seen.Error == "":
		return max(time.Second, s.Fill.Deadline().Sub(now))
	}
	return 0
}
