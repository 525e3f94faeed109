package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// busySnapshot reports whether a snapshot needs a step.
func (w *World) busySnapshot(s *cloud.Snapshot) bool {
	switch {
	case s.Delete:
		return !s.Seen.Gone && !w.startsVolumes(s.ID) && !w.fills(s.ID)
	case s.Seen.Ready, s.Seen.Error != "":
		return false
	case s.From != "", s.Import != "":
		return true
	case s.Volume != "":
		v := w.volumes[s.Volume]
		return v == nil || v.Seen.Ready && !slices.ContainsFunc(w.takenWith(s), w.awaitsReboot)
	case s.Fill != nil:
		return busyFilling(s)
	}
	return false // it is filled otherwise
}

// awaitsReboot reports whether a snapshot is to be taken in the midst of a reboot that the
// guest has still to come to. A guest that ends otherwise has shut down as well.
func (w *World) awaitsReboot(s *cloud.Snapshot) bool {
	v := w.volumes[s.Volume]
	if s.Reboot == 0 || v == nil || v.Attachment == nil {
		return false
	}
	i := w.instances[v.Attachment.Instance]
	return i != nil && w.guests[i.ID].State != hypervisor.Absent && i.Seen.Reboots < s.Reboot
}

// startsVolumes reports whether volumes are about to be made from the snapshot.
func (w *World) startsVolumes(id string) bool {
	return slices.ContainsFunc(w.Volumes, func(v cloud.Volume) bool {
		return v.Snapshot == id && !v.Seen.Ready && v.Seen.Error == "" && !v.Delete
	})
}

// pending reports whether a snapshot is to be taken of the volume.
func (w *World) pending(volume string) bool {
	return slices.ContainsFunc(w.Snapshots, func(s cloud.Snapshot) bool {
		return s.Volume == volume && !s.Delete && !s.Seen.Ready && s.Seen.Error == ""
	})
}

// snapshot takes the next step for a snapshot: the reconciler of the snapshot loop.
func (a *Agent) snapshot(ctx context.Context, w *World, id string) (time.Duration, error) {
	s := w.snapshots[id]
	if s == nil || !w.busySnapshot(s) {
		return 0, nil
	}
	keeper, ok := a.cfg.Blocks.(block.Snapshots)
	if !ok {
		return 0, fmt.Errorf("take %s: the engine of volumes keeps no snapshots", id)
	}
	defer a.again()
	switch {
	case s.Delete:
		return 0, a.deleteSnapshot(ctx, keeper, s)
	case s.From != "":
		return 0, a.copySnapshot(ctx, w, keeper, s)
	case s.Fill != nil:
		return 0, a.fill(ctx, w, keeper, s)
	case s.Import != "":
		return 0, a.adoptSnapshot(ctx, s)
	default:
		return 0, a.takeSnapshots(ctx, w, keeper, w.takenWith(s))
	}
}

// bent reports whether it is to be seen to that volumes of a snapshot are fast.
func bent(s *cloud.Snapshot) bool {
	return s.Seen.Ready && !s.Seen.Flat && s.Seen.Error == "" && !s.Delete
}

// flatten sees to it that volumes of a snapshot are fast: the reconciler of the flattening
// loop. It takes its time, which nobody waits for.
func (a *Agent) flatten(ctx context.Context, w *World, id string) (time.Duration, error) {
	s := w.snapshots[id]
	if s == nil || s.Host != a.cfg.Host || !bent(s) {
		return 0, nil
	}
	seen := s.Seen
	if f, ok := a.cfg.Blocks.(block.Flattener); ok {
		key, err := a.cfg.View.DiskKey(s.ID, s.Sealed)
		if err != nil {
			return 0, err
		}
		seen.Bytes, err = f.Flatten(ctx, id, key)
		if errors.Is(err, block.ErrNoSnapshot) { // it went meanwhile
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
	seen.Flat = true
	defer a.again()
	return 0, a.cfg.View.ReportSnapshot(ctx, id, seen)
}

func (a *Agent) deleteSnapshot(ctx context.Context, keeper block.Snapshots, s *cloud.Snapshot) error {
	if err := keeper.DeleteSnapshot(ctx, s.ID); err != nil {
		return fmt.Errorf("delete %s: %w", s.ID, err)
	}
	seen := s.Seen
	seen.Ready, seen.Gone = false, true
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}

func (a *Agent) copySnapshot(ctx context.Context, w *World, keeper block.Snapshots, s *cloud.Snapshot) error {
	from := w.snapshots[s.From]
	if from == nil {
		return a.failSnapshot(ctx, s, fmt.Errorf("%s: %w", s.From, block.ErrNoSnapshot))
	}
	fromKey, err := a.cfg.View.DiskKey(from.ID, from.Sealed)
	if err != nil {
		return err
	}
	toKey, err := a.cfg.View.DiskKey(s.ID, s.Sealed)
	if err != nil {
		return err
	}
	bytes, err := keeper.CopySnapshot(ctx, s.From, s.ID, fromKey, toKey)
	if err != nil {
		return a.failSnapshot(ctx, s, err)
	}
	seen := s.Seen
	seen.Ready, seen.Bytes, seen.Progress, seen.Cut = true, bytes, 100, from.Seen.Cut
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}

// failSnapshot reports what no other try would mend, and returns what one might.
func (a *Agent) failSnapshot(ctx context.Context, s *cloud.Snapshot, err error) error {
	seen := s.Seen
	switch {
	case errors.Is(err, block.ErrNoSpace):
		seen.Error = "Server.InsufficientVolumeCapacity: " + err.Error()
	case errors.Is(err, block.ErrNoSnapshot), errors.Is(err, block.ErrNoVolume):
		seen.Error = "Server.InternalError: " + err.Error()
	default:
		return err
	}
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}

// takenWith are the snapshots that are to show the same instant, itself among them.
func (w *World) takenWith(s *cloud.Snapshot) []*cloud.Snapshot {
	if s.Group == "" {
		return []*cloud.Snapshot{s}
	}
	var all []*cloud.Snapshot
	for i := range w.Snapshots {
		if o := &w.Snapshots[i]; o.Group == s.Group && !o.Delete && !o.Seen.Ready && o.Seen.Error == "" {
			all = append(all, o)
		}
	}
	return all
}

// takeAtReboot takes the snapshots that waited for the guest to have shut down.
func (a *Agent) takeAtReboot(ctx context.Context, w *World, i *cloud.Instance) error {
	keeper, ok := a.cfg.Blocks.(block.Snapshots)
	if !ok {
		return nil
	}
	taken := map[string]bool{}
	for _, v := range w.disksOf[i.ID] {
		for k := range w.Snapshots {
			s := &w.Snapshots[k]
			if taken[s.ID] || s.Volume != v.ID || s.Delete || s.Seen.Ready || s.Seen.Error != "" || !w.awaitsReboot(s) {
				continue
			}
			all := w.takenWith(s)
			if err := a.takeSnapshots(ctx, w, keeper, all); err != nil {
				return err
			}
			for _, s := range all {
				taken[s.ID] = true
			}
		}
	}
	return nil
}

// takeSnapshots takes snapshots of volumes at one instant.
func (a *Agent) takeSnapshots(ctx context.Context, w *World, keeper block.Snapshots, all []*cloud.Snapshot) error {
	var volumes []string
	for _, s := range all {
		volumes = append(volumes, s.Volume)
	}
	defer a.locks.take(volumes...)()
	for _, s := range all {
		v := w.volumes[s.Volume]
		if v == nil {
			return a.failSnapshot(ctx, s, fmt.Errorf("%s: %w", s.Volume, block.ErrNoVolume))
		}
		key, err := a.cfg.View.DiskKey(v.ID, v.Sealed)
		if err != nil {
			return err
		}
		if err := keeper.Cut(ctx, v.ID, s.ID, key); err != nil {
			return a.failSnapshot(ctx, s, err)
		}
	}
	if err := a.switchDisks(ctx, w, volumes); err != nil {
		return err
	}
	cut := a.cfg.Now().UTC()
	for _, s := range all {
		if err := a.keepSnapshot(ctx, w, keeper, s, cut); err != nil {
			return err
		}
	}
	return nil
}

// switchDisks has the guests that have the volumes, now, go on in their new layers.
func (a *Agent) switchDisks(ctx context.Context, w *World, volumes []string) error {
	guests, err := a.cfg.Hypervisor.List(ctx)
	if err != nil {
		return fmt.Errorf("list guests: %w", err)
	}
	for _, g := range guests {
		if g.State == hypervisor.Absent {
			continue
		}
		var disks []hypervisor.Disk
		for _, id := range volumes {
			if !slices.Contains(g.Disks, id) {
				continue
			}
			i := w.instances[g.ID]
			if i == nil {
				return fmt.Errorf("switch the disks of %s: it is not placed here", g.ID)
			}
			d, err := a.open(ctx, w.volumes[id], a.cfg.UIDBase+i.Slot)
			if err != nil {
				return err
			}
			disks = append(disks, d)
		}
		if len(disks) == 0 {
			continue
		}
		if err := a.cfg.Hypervisor.Switch(ctx, g.ID, disks); err != nil && !errors.Is(err, hypervisor.ErrNoGuest) {
			return err
		}
	}
	return nil
}

func (a *Agent) keepSnapshot(ctx context.Context, w *World, keeper block.Snapshots, s *cloud.Snapshot, cut time.Time) error {
	v := w.volumes[s.Volume]
	volumeKey, err := a.cfg.View.DiskKey(v.ID, v.Sealed)
	if err != nil {
		return err
	}
	key, err := a.cfg.View.DiskKey(s.ID, s.Sealed)
	if err != nil {
		return err
	}
	bytes, err := keeper.Keep(ctx, v.ID, s.ID, volumeKey, key)
	if err != nil {
		return a.failSnapshot(ctx, s, err)
	}
	seen := s.Seen
	seen.Cut, seen.Ready, seen.Bytes, seen.Progress = cut, true, bytes, 100
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}
