package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
)

// busyFilling reports whether a snapshot that is made block by block needs a step.
func busyFilling(s *cloud.Snapshot) bool {
	return !s.Seen.Begun || !s.Fill.Open()
}

// fills reports whether a snapshot is about to begin with the bytes of this one.
func (w *World) fills(id string) bool {
	return slices.ContainsFunc(w.Snapshots, func(s cloud.Snapshot) bool {
		return s.Fill != nil && s.Fill.Parent == id && !s.Seen.Begun && !s.Seen.Ready && s.Seen.Error == "" && !s.Delete
	})
}

// fill takes the next step for a snapshot that is made block by block.
func (a *Agent) fill(ctx context.Context, w *World, keeper block.Snapshots, s *cloud.Snapshot) error {
	d, err := a.direct()
	switch {
	case err != nil:
		return a.dropFilling(ctx, keeper, s, "Server.Unsupported: "+err.Error())
	case s.Fill.Expired:
		return a.dropFilling(ctx, keeper, s, "Client.WriteRequestTimeout: it was not completed in time")
	case !s.Seen.Begun:
		if err := a.beginFilling(ctx, d, s, w.snapshots[s.Fill.Parent]); err != nil {
			return a.failSnapshot(ctx, s, err)
		}
		seen := s.Seen
		seen.Begun = true
		return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
	}
	return a.finishFilling(ctx, d, keeper, s)
}

// finishFilling keeps a snapshot that is complete, if what was put is what its owner says.
func (a *Agent) finishFilling(ctx context.Context, d block.Direct, keeper block.Snapshots, s *cloud.Snapshot) error {
	key, err := a.cfg.View.DiskKey(s.ID, s.Sealed)
	if err != nil {
		return err
	}
	done, err := d.Finish(ctx, block.Keyed{ID: s.ID, Key: key}, s.Fill.Sum != nil)
	switch {
	case err != nil:
		return a.failSnapshot(ctx, s, err)
	case done.Blocks != s.Fill.Blocks:
		return a.dropFilling(ctx, keeper, s, fmt.Sprintf("Client.InvalidBlock: %d blocks were written, not %d", done.Blocks, s.Fill.Blocks))
	case s.Fill.Sum != nil && !slices.Equal(done.Sum[:], s.Fill.Sum):
		return a.dropFilling(ctx, keeper, s, "Client.InvalidBlock: the checksum is not that of the blocks")
	}
	seen := s.Seen
	seen.Ready, seen.Bytes, seen.Progress, seen.Cut = true, done.Bytes, 100, s.Created
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}

// dropFilling removes what was put, and says why.
func (a *Agent) dropFilling(ctx context.Context, keeper block.Snapshots, s *cloud.Snapshot, why string) error {
	if err := keeper.DeleteSnapshot(ctx, s.ID); err != nil {
		return fmt.Errorf("give up %s: %w", s.ID, err)
	}
	seen := s.Seen
	seen.Error = why
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}

// beginFilling makes the snapshot that is to be filled, once.
func (a *Agent) beginFilling(ctx context.Context, d block.Direct, s, parent *cloud.Snapshot) (err error) {
	f := block.Filling{Keyed: block.Keyed{ID: s.ID}, Bytes: int64(s.SizeGiB) * gib}
	if f.Key, err = a.cfg.View.DiskKey(s.ID, s.Sealed); err != nil {
		return err
	}
	if s.Fill.Parent != "" {
		if parent == nil {
			return fmt.Errorf("%s: %w", s.Fill.Parent, block.ErrNoSnapshot)
		}
		if f.Parent, err = a.keyed(parent); err != nil {
			return err
		}
	}
	return d.Begin(ctx, f)
}

func (a *Agent) keyed(s *cloud.Snapshot) (k block.Keyed, err error) {
	if s == nil {
		return k, nil
	}
	k.ID = s.ID
	k.Key, err = a.cfg.View.DiskKey(s.ID, s.Sealed)
	return k, err
}

func (a *Agent) direct() (block.Direct, error) {
	d, ok := a.cfg.Blocks.(block.Direct)
	if !ok {
		return nil, fmt.Errorf("the engine of volumes has no blocks of snapshots")
	}
	return d, nil
}
