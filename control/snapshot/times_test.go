package snapshot

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// TestTimes: what the recycle bin has kept for long enough is wanted gone, what nobody fills is
// given up, and a lock begins when its snapshot is completed; none of it before its time.
func TestTimes(t *testing.T) {
	began := time.Date(2026, 3, 18, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		doc  cloud.Snapshot
		wait time.Duration // until it is time
		done func(cloud.Snapshot) bool
	}{
		"binned":  {cloud.Snapshot{Host: "host", Binned: began, Expires: began.Add(time.Hour)}, time.Hour, func(s cloud.Snapshot) bool { return s.Delete }},
		"filling": {cloud.Snapshot{Host: "host", Fill: &cloud.SnapshotFill{Written: began, Timeout: time.Hour}}, time.Hour, func(s cloud.Snapshot) bool { return s.Fill.Expired }},
		"locked": {
			cloud.Snapshot{Host: "host", Seen: cloud.SnapshotSeen{Ready: true}, Lock: &cloud.SnapshotLock{Mode: "governance", Days: 2}},
			0,
			func(s cloud.Snapshot) bool {
				return s.Lock.Began.Equal(began) && s.Lock.Until.Equal(began.AddDate(0, 0, 2))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close() //nolint:errcheck // the test is over
			c.doc.ID, c.doc.Account = "snap-1", "1"
			if err := db.Update(t.Context(), func(tx *store.Tx) error { return snapshots.Create(tx, c.doc) }); err != nil {
				t.Fatal(err)
			}
			now := began
			r := &Reconciler{DB: db, Now: func() time.Time { return now }}
			look := func() (cloud.Snapshot, time.Duration) {
				wait, err := r.Reconcile(t.Context(), "snap-1")
				if err != nil {
					t.Fatal(err)
				}
				s, _ := snapshots.Get(db.View(), "snap-1")
				return s, wait
			}
			if c.wait > 0 {
				if s, wait := look(); c.done(s) || wait != c.wait {
					t.Errorf("before its time: %+v, look again in %v", s, wait)
				}
			}
			now = now.Add(c.wait)
			if s, _ := look(); !c.done(s) {
				t.Errorf("at its time: %+v", s)
			}
		})
	}
}
