package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

type diskStep int

const (
	diskNothing diskStep = iota
	diskCreate
	diskDelete
	diskPlug
	diskUnplug
	diskModify
)

// seenVolume is what is to be reported of where a volume is plugged in. That
// its bytes were made or removed is reported by the step that did it.
func (w *World) seenVolume(v *cloud.Volume, now time.Time) cloud.VolumeSeen {
	s := v.Seen
	s.Guest = w.pluggedIn[v.ID]
	switch {
	case !w.full[v.ID]:
		s.Full = time.Time{}
	case s.Full.IsZero():
		s.Full = now.UTC()
	}
	if s.Guest == "" || v.Attachment == nil || !v.Attachment.Detach {
		s.Busy = false
	}
	return s
}

// diskStep decides what a volume needs.
func (w *World) diskStep(v *cloud.Volume) diskStep {
	in := w.pluggedIn[v.ID]
	switch a := v.Attachment; {
	case in != "" && (a == nil || a.Detach || a.Instance != in || v.Delete):
		return diskUnplug
	case v.Delete && !v.Seen.Gone && a == nil && !w.pending(v.ID):
		return diskDelete
	case !v.Seen.Ready && v.Seen.Error == "" && !v.Delete:
		return diskCreate
	case a != nil && !a.Detach && in == "" && v.Seen.Ready && w.running(a.Instance):
		return diskPlug
	}
	if v.Seen.Ready && !v.Delete && v.Modified() {
		return diskModify
	}
	return diskNothing
}

// running reports whether the guest of the instance's present start runs and is
// meant to go on.
func (w *World) running(instance string) bool {
	i, g := w.instances[instance], w.guests[instance]
	return i != nil && i.Host == w.Host && i.Want == cloud.PowerRunning && g.State == hypervisor.Running && g.Starts == i.Starts
}

// disk takes the next step for a volume: the reconciler of the disk loop.
func (a *Agent) disk(ctx context.Context, w *World, id string) (time.Duration, error) {
	v := w.volumes[id]
	if v == nil {
		return 0, nil
	}
	step := w.diskStep(v)
	if step == diskNothing {
		return 0, nil
	}
	defer a.again()
	defer a.locks.take(id)()
	switch step {
	case diskCreate:
		return 0, a.createDisk(ctx, w, v)
	case diskDelete:
		if err := a.cfg.Blocks.Delete(ctx, id); err != nil {
			return 0, fmt.Errorf("delete %s: %w", id, err)
		}
		s := v.Seen
		s.Ready, s.Gone = false, true
		return 0, a.cfg.View.ReportVolume(ctx, id, s)
	case diskPlug:
		return 0, a.plug(ctx, w, v)
	case diskModify:
		return 0, a.modify(ctx, w, v)
	default:
		return 0, a.unplug(ctx, w, v)
	}
}

const gib = 1 << 30

func (a *Agent) createDisk(ctx context.Context, w *World, v *cloud.Volume) error {
	made := block.Volume{ID: v.ID, Bytes: int64(v.SizeGiB) * gib, Image: v.Image, Snapshot: v.Snapshot}
	if v.Snapshot != "" {
		made.Image = "" // of which the snapshot was taken
	}
	var err error
	if made.Key, err = a.cfg.View.DiskKey(v.ID, v.Sealed); err != nil {
		return fmt.Errorf("create %s: %w", v.ID, err)
	}
	if from := w.snapshots[v.Snapshot]; from != nil {
		if made.SnapshotKey, err = a.cfg.View.DiskKey(from.ID, from.Sealed); err != nil {
			return fmt.Errorf("create %s: %w", v.ID, err)
		}
	}
	err = a.cfg.Blocks.Create(ctx, made)
	s := v.Seen
	switch {
	case errors.Is(err, block.ErrNoSpace):
		s.Error = "Server.InsufficientVolumeCapacity: " + err.Error()
	case errors.Is(err, block.ErrNoImage), errors.Is(err, block.ErrNoSnapshot):
		s.Error = "Server.InternalError: " + err.Error()
	case err != nil:
		return fmt.Errorf("create %s: %w", v.ID, err)
	default:
		s.Ready, s.Type, s.SizeGiB, s.IOPS, s.Throughput = true, v.Type, v.SizeGiB, v.IOPS, v.Throughput
	}
	return a.cfg.View.ReportVolume(ctx, v.ID, s)
}

// modify makes a volume's size and limits hold, for the guest that has it too.
func (a *Agent) modify(ctx context.Context, w *World, v *cloud.Volume) error {
	key, err := a.cfg.View.DiskKey(v.ID, v.Sealed)
	if err != nil {
		return fmt.Errorf("modify %s: %w", v.ID, err)
	}
	bytes := int64(v.SizeGiB) * gib
	if guest := w.pluggedIn[v.ID]; guest != "" {
		err = a.cfg.Hypervisor.Grow(ctx, guest, v.ID, bytes)
		if i := w.instances[guest]; err == nil && i != nil {
			var d hypervisor.Disk
			if d, err = a.open(ctx, v, a.cfg.UIDBase+i.Slot); err == nil {
				err = a.cfg.Hypervisor.Plug(ctx, guest, d)
			}
		}
	} else {
		err = a.cfg.Blocks.Grow(ctx, v.ID, bytes, key)
	}
	if err != nil {
		return fmt.Errorf("modify %s: %w", v.ID, err)
	}
	s := v.Seen
	s.Type, s.SizeGiB, s.IOPS, s.Throughput = v.Type, v.SizeGiB, v.IOPS, v.Throughput
	return a.cfg.View.ReportVolume(ctx, v.ID, s)
}

// open gives the guest's user the volume.
func (a *Agent) open(ctx context.Context, v *cloud.Volume, uid int) (hypervisor.Disk, error) {
	key, err := a.cfg.View.DiskKey(v.ID, v.Sealed)
	if err != nil {
		return hypervisor.Disk{}, fmt.Errorf("open %s: %w", v.ID, err)
	}
	layers, err := a.cfg.Blocks.Open(ctx, v.ID, uid, key)
	if err != nil {
		return hypervisor.Disk{}, fmt.Errorf("open %s: %w", v.ID, err)
	}
	top := layers[0]
	d := hypervisor.Disk{ID: v.ID, Path: top.Path, Export: top.Export, Format: top.Format, Secret: top.Secret, Limits: limits(v)}
	for _, l := range layers[1:] {
		d.Below = append(d.Below, hypervisor.Layer{Path: l.Path, Export: l.Export, Format: l.Format, Secret: l.Secret})
	}
	return d, nil
}

// limits are the volume's, as the hypervisor takes them.
func limits(v *cloud.Volume) hypervisor.Limits {
	l := v.Limits()
	out := hypervisor.Limits{IOPS: l.IOPS, MiBps: l.MiBps, BurstIOPS: l.BurstIOPS, BurstMiBps: l.BurstMiBps, IOSize: l.IOSizeKiB << 10}
	if burst := max(l.BurstIOPS, l.BurstMiBps); burst > 0 {
		out.Burst = time.Duration(l.Credit/burst) * time.Second
	}
	return out
}

func (a *Agent) plug(ctx context.Context, w *World, v *cloud.Volume) error {
	i := w.instances[v.Attachment.Instance]
	d, err := a.open(ctx, v, a.cfg.UIDBase+i.Slot)
	if err != nil {
		return err
	}
	if err := a.cfg.Hypervisor.Plug(ctx, i.ID, d); err != nil {
		return fmt.Errorf("plug %s into %s: %w", v.ID, i.ID, err)
	}
	return nil
}

// How long a guest may take to let go of a disk before it is asked again, or the disk is
// taken from it by force.
const (
	unplugPatience = 20 * time.Second
	forcePatience  = 5 * time.Second
)

// unplug waits for the guest's consent, but not for ever: the back-off of the
// loop asks again. By force, it takes the disk without.
func (a *Agent) unplug(ctx context.Context, w *World, v *cloud.Volume) error {
	guest, force, patience := w.pluggedIn[v.ID], v.Attachment != nil && v.Attachment.Force, unplugPatience
	if force {
		patience = forcePatience
	}
	asked, cancel := context.WithTimeout(ctx, patience)
	err := a.cfg.Hypervisor.Unplug(asked, guest, v.ID)
	late := asked.Err() != nil && ctx.Err() == nil
	cancel()
	switch {
	case err == nil || errors.Is(err, hypervisor.ErrNoGuest):
		return a.takeBack(ctx, []*cloud.Volume{v})
	case late && force:
		a.cfg.Log.Warn("volume is taken from a guest by force", "volume", v.ID, "instance", guest)
		if err = a.cfg.Hypervisor.Pull(ctx, guest, v.ID); err == nil {
			return a.takeBack(ctx, []*cloud.Volume{v})
		}
	case late && !v.Seen.Busy:
		s := v.Seen
		s.Busy = true
		err = errors.Join(err, a.cfg.View.ReportVolume(ctx, v.ID, s))
	}
	return fmt.Errorf("unplug %s from %s: %w", v.ID, guest, err)
}

// takeBack takes volumes from the users of the guests that had them.
func (a *Agent) takeBack(ctx context.Context, volumes []*cloud.Volume) error {
	for _, v := range volumes {
		if _, err := a.cfg.Blocks.Open(ctx, v.ID, 0, nil); err != nil && !errors.Is(err, block.ErrNoVolume) {
			return fmt.Errorf("take back %s: %w", v.ID, err)
		}
	}
	return nil
}

// takeBackAll takes back all volumes, once no guest has any.
func (a *Agent) takeBackAll(ctx context.Context) error {
	ids, err := a.cfg.Blocks.List(ctx)
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	for _, id := range ids {
		if err := a.takeBack(ctx, []*cloud.Volume{{Meta: cloud.Meta{ID: id}}}); err != nil {
			return err
		}
	}
	return nil
}

// takeBackLoose takes back the volumes that no guest has: an agent that was
// killed between ending a guest and taking back its disks left some.
func (a *Agent) takeBackLoose(ctx context.Context, w *World) error {
	for id, v := range w.volumes {
		if w.pluggedIn[id] == "" {
			if err := a.takeBack(ctx, []*cloud.Volume{v}); err != nil {
				return err
			}
		}
	}
	return nil
}
