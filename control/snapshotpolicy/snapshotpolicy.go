// Package snapshotpolicy takes the snapshots that lifecycle policies are for, and gives up
// those that have been kept for long enough.
//
// It guarantees that each time of a schedule that passed while it was looking, or since it last
// did, has one snapshot of each volume: of several times that passed, the last counts. Snapshots
// of an instance show one instant. It gives up only what its policy took, and neither what is
// locked nor what an image stands on; by way of the recycle bin, as their owner would.
package snapshotpolicy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the snapshot policy reconciler.
type Reconciler struct {
	DB    *store.Store
	NewID func(prefix string) string
	Seal  func(id string) []byte // makes the sealed data key of a new snapshot; nil: they have none
	Now   func() time.Time
}

var (
	policies  store.Table[cloud.LifecyclePolicy]
	snapshots store.Table[cloud.Snapshot]
	volumes   store.Table[cloud.Volume]
	instances store.Table[cloud.Instance]
	images    store.Table[cloud.Image]
	rules     store.Table[cloud.RecycleRule]
)

// Name is "snapshotpolicy".
func (*Reconciler) Name() string { return "snapshotpolicy" }

// Key is the policy's ID, or that of the policy which took a snapshot.
func (*Reconciler) Key(c store.Change) string {
	switch {
	case c.Deleted:
	case c.Table == (cloud.LifecyclePolicy{}).Table():
		return c.Key
	case c.Table == (cloud.Snapshot{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, "policy/"); ok {
				return id
			}
		}
	}
	return ""
}

// Reconcile runs what is due, and gives up what has been kept for long enough. It is called
// for every policy once a minute.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	now := r.Now().UTC()
	if p, ok := policies.Get(r.DB.View(), id); !ok || !p.Enabled || len(due(p, now)) == 0 && len(over(r.DB.View(), p, now)) == 0 {
		return 0, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		p, ok := policies.Get(tx, id)
		if !ok || !p.Enabled {
			return nil
		}
		if err := r.run(tx, p, now); err != nil {
			return err
		}
		for _, s := range over(tx, p, now) {
			if err := snapshots.Put(tx, s.GiveUp(now, rules.Select(tx, cloud.AccountLabel(s.Account)))); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

// due are the times that schedules have not run for, by their names.
func due(p cloud.LifecyclePolicy, now time.Time) map[string]time.Time {
	all := map[string]time.Time{}
	for _, s := range p.Schedules {
		since := p.Modified
		if last := p.Runs[s.Name]; last.After(since) {
			since = last
		}
		if t, ok := s.Due(since, now); ok {
			all[s.Name] = t
		}
	}
	return all
}

// run takes the snapshots of the schedules that are due.
func (r *Reconciler) run(tx *store.Tx, p cloud.LifecyclePolicy, now time.Time) error {
	times := due(p, now)
	if len(times) == 0 {
		return nil
	}
	for _, s := range p.Schedules {
		if _, ok := times[s.Name]; !ok {
			continue
		}
		for _, t := range targets(tx, p) {
			group := ""
			if t.instance != "" {
				group = r.NewID("snapgroup")
			}
			for _, v := range t.volumes {
				if err := r.take(tx, p, s, v, t.instance, group, now); err != nil {
					return err
				}
			}
		}
	}
	runs := maps.Clone(p.Runs)
	if runs == nil {
		runs = map[string]time.Time{}
	}
	maps.Copy(runs, times)
	maps.DeleteFunc(runs, func(name string, _ time.Time) bool {
		return !slices.ContainsFunc(p.Schedules, func(s cloud.SnapshotSchedule) bool { return s.Name == name })
	})
	p.Runs = runs
	return policies.Put(tx, p)
}

// target is a volume, or those of an instance.
type target struct {
	instance string
	volumes  []cloud.Volume
}

// targets are what the policy is for.
func targets(r store.Reader, p cloud.LifecyclePolicy) (all []target) {
	chosen := func(tags map[string]string, by []cloud.ResourceTag) bool {
		return slices.ContainsFunc(by, func(t cloud.ResourceTag) bool { return t.In(tags) })
	}
	ready := func(v cloud.Volume) bool { return v.Seen.Ready && !v.Delete && v.Seen.Error == "" }
	if p.Resource == "VOLUME" {
		for v := range volumes.Select(r, cloud.AccountLabel(p.Account)) {
			if ready(v) && chosen(v.Tags, p.Targets) {
				all = append(all, target{volumes: []cloud.Volume{v}})
			}
		}
		return all
	}
	for i := range instances.Select(r, cloud.AccountLabel(p.Account)) {
		if i.Want == cloud.PowerTerminated || !chosen(i.Tags, p.Targets) {
			continue
		}
		t := target{instance: i.ID}
		for v := range volumes.Select(r, "instance/"+i.ID) {
			root := v.Attachment.Device == i.RootDevice
			if ready(v) && (!root || !p.ExcludeBoot) && (root || !chosen(v.Tags, p.ExcludeData)) {
				t.volumes = append(t.volumes, v)
			}
		}
		all = append(all, t)
	}
	return all
}

// take makes the document of a snapshot of a volume.
func (r *Reconciler) take(tx *store.Tx, p cloud.LifecyclePolicy, by cloud.SnapshotSchedule, v cloud.Volume, instance, group string, now time.Time) error {
	tags := map[string]string{}
	if by.CopyTags {
		maps.Copy(tags, v.Tags)
	}
	maps.Copy(tags, by.Tags)
	for key, value := range by.Variables {
		tags[key] = strings.NewReplacer("$(instance-id)", instance, "$(timestamp)", now.Format("20060102T150405Z")).Replace(value)
	}
	tags[cloud.LifecyclePolicyTag], tags[cloud.LifecycleScheduleTag], tags[cloud.LifecycleManagedTag] = p.ID, by.Name, "true"
	s := cloud.Snapshot{
		Meta:   cloud.Meta{ID: r.NewID("snap"), Account: p.Account, Created: now, Tags: tags},
		Volume: v.ID, SizeGiB: v.SizeGiB, Host: v.Host, Group: group, Encrypted: v.Encrypted, Policy: p.ID, Schedule: by.Name,
		Description: "Created for policy: " + p.ID + " schedule: " + by.Name,
	}
	if r.Seal != nil {
		s.Sealed = r.Seal(s.ID)
	}
	return snapshots.Create(tx, s)
}

// over are the snapshots of a policy that have been kept for long enough.
func over(r store.Reader, p cloud.LifecyclePolicy, now time.Time) (out []cloud.Snapshot) {
	of := map[string][]cloud.Snapshot{} // by schedule and volume
	for s := range snapshots.Select(r, "policy/"+p.ID) {
		if s.Kept() && s.State() == cloud.SnapshotCompleted {
			of[s.Schedule+"/"+s.Volume] = append(of[s.Schedule+"/"+s.Volume], s)
		}
	}
	for _, by := range p.Schedules {
		for key, all := range of {
			if !strings.HasPrefix(key, by.Name+"/") || all[0].Schedule != by.Name {
				continue
			}
			slices.SortFunc(all, func(a, b cloud.Snapshot) int { return b.Created.Compare(a.Created) })
			for n, s := range all {
				old := by.Count > 0 && n >= by.Count || by.Count == 0 && !now.Before(by.Keep.After(s.Created))
				if old && !s.Lock.Holds(now) && !used(r, s) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// used reports whether an image stands on a snapshot.
func used(r store.Reader, s cloud.Snapshot) bool {
	for i := range images.Select(r, "snapshot/"+s.ID) {
		if !i.Retired {
			return true
		}
	}
	return false
}
