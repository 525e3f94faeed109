package snapshotpolicy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// rig is the reconciler on a store, with a clock of the test's.
type rig struct {
	testing.TB
	*Reconciler
	clock time.Time
	made  int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := &rig{TB: t, clock: time.Date(2026, 3, 18, 8, 0, 0, 0, time.UTC)}
	r.Reconciler = &Reconciler{
		DB: db, Now: func() time.Time { return r.clock }, Seal: func(id string) []byte { return []byte("key of " + id) },
		NewID: func(prefix string) string { r.made++; return fmt.Sprintf("%s-%d", prefix, r.made) },
	}
	return r
}

func (r *rig) update(fn func(*store.Tx) error) {
	r.Helper()
	if err := r.DB.Update(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

// at moves the clock, has the policy looked at, and its host take the snapshots.
func (r *rig) at(clock time.Time) {
	r.Helper()
	r.clock = clock
	for range 2 { // again is harmless
		if _, err := r.Reconcile(r.Context(), "policy-1"); err != nil {
			r.Fatal(err)
		}
	}
	r.update(func(tx *store.Tx) error {
		var errs []error
		for s := range snapshots.All(tx) {
			s.Seen.Ready = true
			errs = append(errs, snapshots.Put(tx, s))
		}
		return errors.Join(errs...)
	})
	if _, err := r.Reconcile(r.Context(), "policy-1"); err != nil {
		r.Fatal(err)
	}
}

// kept lists the snapshots that are there, "volume hh:mm", in that order.
func (r *rig) kept() string {
	var out []string
	for s := range snapshots.All(r.DB.View()) {
		if !s.Delete && s.Binned.IsZero() {
			out = append(out, s.Volume+" "+s.Created.Format("02T15:04"))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (r *rig) want(want string) {
	r.Helper()
	if got := r.kept(); got != want {
		r.Errorf("at %v there are %q, want %q", r.clock, got, want)
	}
}

var blue = []cloud.ResourceTag{{Key: "team", Value: new("blue")}}

func volume(id string, tags map[string]string) cloud.Volume {
	return cloud.Volume{Meta: cloud.Meta{ID: id, Account: "1", Tags: tags}, SizeGiB: 2, Host: "host", Encrypted: true, Seen: cloud.VolumeSeen{Ready: true}}
}

func (r *rig) policy(p cloud.LifecyclePolicy) {
	r.Helper()
	p.ID, p.Account, p.Enabled, p.Modified, p.Targets = "policy-1", "1", true, r.clock, blue
	r.update(func(tx *store.Tx) error { return policies.Put(tx, p) })
}

func TestVolumesByCount(t *testing.T) {
	r := newRig(t)
	r.update(func(tx *store.Tx) error {
		return errors.Join(volumes.Create(tx, volume("vol-a", map[string]string{"team": "blue", "x": "y"})), volumes.Create(tx, volume("vol-b", nil)))
	})
	r.policy(cloud.LifecyclePolicy{Resource: "VOLUME", Schedules: []cloud.SnapshotSchedule{{
		Name: "two-hourly", Hours: 2, Start: "09:00", Count: 2, CopyTags: true, Tags: map[string]string{"k": "v"},
	}}})
	day := func(hour, minute int) time.Time { return time.Date(2026, 3, 18, hour, minute, 0, 0, time.UTC) }
	r.at(day(8, 59))
	r.want("")
	r.at(day(9, 1))
	r.want("vol-a 18T09:01")
	for s := range snapshots.All(r.DB.View()) {
		if s.Tags["x"] != "y" || s.Tags["k"] != "v" || s.Tags[cloud.LifecyclePolicyTag] != "policy-1" || s.Tags[cloud.LifecycleScheduleTag] != "two-hourly" ||
			string(s.Sealed) != "key of "+s.ID || !s.Encrypted || s.Host != "host" || s.SizeGiB != 2 {
			t.Errorf("taken: %+v", s)
		}
	}
	r.at(day(10, 59))
	r.want("vol-a 18T09:01")
	r.at(day(11, 0))
	r.at(day(17, 30)) // three times passed: one snapshot
	r.want("vol-a 18T11:00, vol-a 18T17:30")
}

func TestLockedUsedAndBinned(t *testing.T) {
	r := newRig(t)
	r.update(func(tx *store.Tx) error {
		return volumes.Create(tx, volume("vol-a", map[string]string{"team": "blue"}))
	})
	r.policy(cloud.LifecyclePolicy{Resource: "VOLUME", Schedules: []cloud.SnapshotSchedule{{
		Name: "daily", Cron: "cron(30 8 * * ? *)", Keep: cloud.RetentionInterval{Count: 1, Unit: "DAYS"},
	}}})
	day := func(day int) time.Time { return time.Date(2026, 3, day, 8, 30, 0, 0, time.UTC) }
	for d := 18; d <= 20; d++ {
		r.at(day(d))
		r.update(func(tx *store.Tx) error {
			for s := range snapshots.All(tx) {
				if s.Created.Equal(day(18)) {
					s.Lock = &cloud.SnapshotLock{Mode: "governance", Until: day(25)}
					return snapshots.Put(tx, s)
				}
			}
			return nil
		})
	}
	r.want("vol-a 18T08:30, vol-a 20T08:30") // the first is locked, the second has had its day
	r.update(func(tx *store.Tx) error {
		for s := range snapshots.All(tx) {
			if s.Created.Equal(day(20)) {
				image := cloud.Image{Meta: cloud.Meta{ID: "ami-1", Account: "1"}, Mappings: []cloud.ImageMapping{{Snapshot: s.ID}}}
				return errors.Join(images.Create(tx, image), rules.Create(tx, cloud.RecycleRule{Meta: cloud.Meta{ID: "rule", Account: "1"}, Resource: "EBS_SNAPSHOT", Days: 3}))
			}
		}
		return nil
	})
	r.at(day(21))
	r.want("vol-a 18T08:30, vol-a 20T08:30, vol-a 21T08:30") // the image needs one
	r.at(day(25))
	r.want("vol-a 20T08:30, vol-a 25T08:30")
	binned := 0
	for s := range snapshots.All(r.DB.View()) {
		if !s.Binned.IsZero() && !s.Delete && s.Expires.Equal(day(28)) {
			binned++
		}
	}
	if binned != 2 {
		t.Errorf("%d snapshots are in the recycle bin, want those of the 18th and the 21st", binned)
	}
}

func TestInstances(t *testing.T) {
	r := newRig(t)
	r.update(func(tx *store.Tx) error {
		i := cloud.Instance{Meta: cloud.Meta{ID: "i-1", Account: "1", Tags: map[string]string{"team": "blue"}}, RootDevice: "/dev/xvda", Want: cloud.PowerRunning}
		gone := i
		gone.ID, gone.Want = "i-2", cloud.PowerTerminated
		errs := []error{instances.Create(tx, i), instances.Create(tx, gone)}
		for device, tags := range map[string]map[string]string{"xvda": nil, "sdb": nil, "sdc": nil, "sdd": {"skip": "yes"}} {
			v := volume("vol-"+device, tags)
			v.Attachment = &cloud.Attachment{Instance: "i-1", Device: "/dev/" + device}
			errs = append(errs, volumes.Create(tx, v))
		}
		return errors.Join(errs...)
	})
	r.policy(cloud.LifecyclePolicy{
		Resource: "INSTANCE", ExcludeBoot: true, ExcludeData: []cloud.ResourceTag{{Key: "skip", Value: new("yes")}},
		Schedules: []cloud.SnapshotSchedule{{
			Name: "daily", Hours: 24, Start: "09:00", Count: 1, Variables: map[string]string{"of": "$(instance-id)", "when": "$(timestamp)"},
		}},
	})
	r.at(time.Date(2026, 3, 18, 9, 0, 0, 0, time.UTC))
	r.want("vol-sdb 18T09:00, vol-sdc 18T09:00")
	groups := map[string]bool{}
	for s := range snapshots.All(r.DB.View()) {
		groups[s.Group] = true
		if s.Tags["of"] != "i-1" || s.Tags["when"] != "20260318T090000Z" {
			t.Errorf("tags %v", s.Tags)
		}
	}
	if len(groups) != 1 || groups[""] {
		t.Errorf("groups %v, want one", groups)
	}
	r.update(func(tx *store.Tx) error {
		return policies.Modify(tx, "policy-1", func(p *cloud.LifecyclePolicy) error { p.Enabled = false; return nil })
	})
	r.at(time.Date(2026, 3, 19, 9, 0, 0, 0, time.UTC))
	r.want("vol-sdb 18T09:00, vol-sdc 18T09:00") // it is disabled
}

func TestKey(t *testing.T) {
	r := &Reconciler{}
	for want, c := range map[string]store.Change{
		"policy-1": {Table: "lifecyclepolicy", Key: "policy-1"},
		"policy-2": {Table: "snapshot", Key: "snap-1", Labels: cloud.Snapshot{Policy: "policy-2"}.Labels()},
		"":         {Table: "snapshot", Key: "snap-1", Labels: cloud.Snapshot{}.Labels()},
	} {
		if got := r.Key(c); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}
