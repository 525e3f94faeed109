package node

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	"github.com/vauban-cloud/vauban/seal"
)

// reports is a View that keeps what is reported of one snapshot.
type reports struct {
	View
	seen cloud.SnapshotSeen
}

func (r *reports) ReportSnapshot(_ context.Context, _ string, seen cloud.SnapshotSeen) error {
	r.seen = seen
	return nil
}

func (r *reports) DiskKey(string, []byte) (*seal.Key, error) { return nil, nil } //nolint:nilnil // it has none

// TestFilling takes snapshots that are made block by block through their lives: completed, and
// given up for each reason.
func TestFilling(t *testing.T) {
	data := make([]byte, cloud.BlockBytes)
	one := sha256.Sum256(data)
	sum := sha256.Sum256(one[:])
	for name, c := range map[string]struct {
		fill cloud.SnapshotFill
		want string // what the error says; empty: it is completed
	}{
		"complete":        {cloud.SnapshotFill{Complete: true, Blocks: 1}, ""},
		"with a checksum": {cloud.SnapshotFill{Complete: true, Blocks: 1, Sum: sum[:]}, ""},
		"wrong count":     {cloud.SnapshotFill{Complete: true, Blocks: 2}, "1 blocks were written, not 2"},
		"wrong checksum":  {cloud.SnapshotFill{Complete: true, Blocks: 1, Sum: one[:]}, "the checksum is not that of the blocks"},
		"too late":        {cloud.SnapshotFill{Expired: true}, "not completed in time"},
	} {
		t.Run(name, func(t *testing.T) {
			disks, view := blockfake.New(blockfake.Config{}), &reports{}
			a := New(Config{View: view, Blocks: disks, Log: slog.New(slog.DiscardHandler), Now: time.Now})
			s := cloud.Snapshot{Meta: cloud.Meta{ID: "snap-1"}, SizeGiB: 1, Fill: &cloud.SnapshotFill{}}
			step := func() {
				t.Helper()
				s.Seen = view.seen
				w := NewWorld("host", &Assignment{Snapshots: []cloud.Snapshot{s}}, nil)
				if _, err := a.snapshot(t.Context(), w, s.ID); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.WriteBlock(t.Context(), &s, nil, 3, data); err != nil { // before the agent has looked
				t.Fatal(err)
			}
			step()
			if !view.seen.Begun || view.seen.Ready {
				t.Fatalf("after the first step: %+v", view.seen)
			}
			step()
			s.Fill = &c.fill
			step()
			ids, err := disks.ListSnapshots(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if !view.seen.Ready || view.seen.Progress != 100 || len(ids) != 1 {
					t.Errorf("%+v, snapshots %v", view.seen, ids)
				}
				s.Seen = view.seen
				if got, err := a.ChangedBlocks(t.Context(), nil, &s, 0, 10); err != nil || len(got) != 1 || got[0] != (cloud.BlockChange{Index: 3, Second: true}) {
					t.Errorf("blocks %v, %v", got, err)
				}
				return
			}
			if !strings.Contains(view.seen.Error, c.want) || view.seen.Ready || len(ids) != 0 {
				t.Errorf("%+v, snapshots %v, want %q", view.seen, ids, c.want)
			}
			if err := disks.WriteBlock(t.Context(), block.Keyed{ID: "snap-1"}, 0, data); err == nil {
				t.Error("what was put is still there")
			}
		})
	}
}

// TestParentStays: a snapshot is not deleted while another is about to begin with its bytes.
func TestParentStays(t *testing.T) {
	parent := cloud.Snapshot{Meta: cloud.Meta{ID: "snap-0"}, Delete: true, Seen: cloud.SnapshotSeen{Ready: true}}
	child := cloud.Snapshot{Meta: cloud.Meta{ID: "snap-1"}, Fill: &cloud.SnapshotFill{Parent: "snap-0"}}
	for _, begun := range []bool{false, true} {
		child.Seen.Begun = begun
		w := NewWorld("host", &Assignment{Snapshots: []cloud.Snapshot{parent, child}}, nil)
		if got := w.busySnapshot(w.snapshots["snap-0"]); got != begun {
			t.Errorf("the parent is to be deleted: %v; the child has begun: %v", got, begun)
		}
	}
}
