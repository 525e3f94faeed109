package peering_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/peering"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

var peerings store.Table[cloud.Peering]

func TestPeeringsEnd(t *testing.T) {
	const id = "pcx-00000000000000001"
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		p     cloud.Peering
		after time.Duration
		state cloud.PeeringState // "" for forgotten
		wait  time.Duration
	}{
		"waiting":              {cloud.Peering{State: cloud.PeeringPending, Expires: began.Add(time.Hour)}, 0, cloud.PeeringPending, time.Hour},
		"nobody answered":      {cloud.Peering{State: cloud.PeeringPending, Expires: began.Add(time.Hour)}, time.Hour, cloud.PeeringExpired, 0},
		"active":               {cloud.Peering{State: cloud.PeeringActive}, 1000 * time.Hour, cloud.PeeringActive, 0},
		"expired":              {cloud.Peering{State: cloud.PeeringExpired, Ended: began}, 47 * time.Hour, cloud.PeeringExpired, time.Hour},
		"expired long ago":     {cloud.Peering{State: cloud.PeeringExpired, Ended: began}, 48 * time.Hour, "", 0},
		"failed":               {cloud.Peering{State: cloud.PeeringFailed, Ended: began}, time.Hour, cloud.PeeringFailed, time.Hour},
		"failed long ago":      {cloud.Peering{State: cloud.PeeringFailed, Ended: began}, 2 * time.Hour, "", 0},
		"deleted by one side":  {cloud.Peering{State: cloud.PeeringDeleted, Ended: began, EndedBy: "a"}, 3 * time.Hour, cloud.PeeringDeleted, 45 * time.Hour},
		"deleted two days ago": {cloud.Peering{State: cloud.PeeringDeleted, Ended: began, EndedBy: "a"}, 48 * time.Hour, "", 0},
	} {
		t.Run(what, func(t *testing.T) {
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			c.p.ID, c.p.Account, c.p.Accepter.Account = id, "a", "b"
			if err := db.Update(t.Context(), func(tx *store.Tx) error { return peerings.Create(tx, c.p) }); err != nil {
				t.Fatal(err)
			}
			r := &peering.Reconciler{DB: db, Now: func() time.Time { return began.Add(c.after) }}
			wait, err := r.Reconcile(t.Context(), id)
			p, _ := peerings.Get(db.View(), id)
			if err != nil || wait != c.wait || p.State != c.state {
				t.Errorf("it is %q and waits %v, %v; want %q and %v", p.State, wait, err, c.state, c.wait)
			}
		})
	}
}
