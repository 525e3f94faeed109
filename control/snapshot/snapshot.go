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
	if s, ok := snapshots.Get(r.DB.View(), id); !ok || !gone(s) && !over(s, now) && !abandoned(s, now) && !lockBegins(s) {
		return wait(s, now), nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		s, ok := snapshots.Get(tx, id)
		switch {
		case ok && gone(s):
			tx.ReleaseAll(id)
			return snapshots.Delete(tx, id)
		case ok && over(s, now):
			s.Delete = true
			return snapshots.Put(tx, s)
		case ok && abandoned(s, now):
			f := *s.Fill
			f.Expired = true
			s.Fill = &f
			return snapshots.Put(tx, s)
		case ok && lockBegins(s):
			l := *s.Lock
			l.Began = now.UTC()
			if l.Until.IsZero() {
				l.Until = l.Began.AddDate(0, 0, l.Days)
			}
			s.Lock = &l
			return snapshots.Put(tx, s)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
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
