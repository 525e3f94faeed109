package node

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	"github.com/vauban-cloud/vauban/seal"
)

// slowDisks take an hour to put a snapshot together.
type slowDisks struct{ *blockfake.Driver }

func (slowDisks) Flatten(ctx context.Context, _ string, _ *seal.Key) (int64, error) {
	select {
	case <-time.After(time.Hour):
		return 7, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestFlatteningOfALargeSnapshot: a step that moves all bytes of a disk has the time for it.
func TestFlatteningOfALargeSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		view := &reports{}
		a := New(Config{Host: "host", View: view, Blocks: slowDisks{blockfake.New(blockfake.Config{})}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		a.world.Store(NewWorld("host", &Assignment{Snapshots: []cloud.Snapshot{{
			Meta: cloud.Meta{ID: "snap-1"}, Host: "host", SizeGiB: 1000, Seen: cloud.SnapshotSeen{Ready: true},
		}}}, nil))
		ctx, stop := context.WithCancel(t.Context())
		go a.flattenings.Run(ctx)
		a.flattenings.Add("snap-1")
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if !view.seen.Flat || view.seen.Bytes != 7 {
			t.Errorf("after 90 minutes the snapshot is %+v, want it put together: %v", view.seen, a.Failing())
		}
		stop()
	})
}
