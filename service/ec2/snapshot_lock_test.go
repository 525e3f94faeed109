package ec2

import (
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// lock asks for a lock.
func (r *rig) lock(id, mode string, days, coolOff int32) (*ec2.LockSnapshotResult, error) {
	return r.LockSnapshot(r.ctx, &ec2.LockSnapshotRequest{SnapshotId: &id, LockMode: &mode, LockDuration: opt(days), CoolOffPeriod: opt(coolOff)})
}

func (r *rig) unlock(id string) error {
	_, err := r.UnlockSnapshot(r.ctx, &ec2.UnlockSnapshotRequest{SnapshotId: &id})
	return err
}

func (r *rig) deleteSnapshot(id string) error {
	_, err := r.DeleteSnapshot(r.ctx, &ec2.DeleteSnapshotRequest{SnapshotId: &id})
	return err
}

func TestGovernanceLock(t *testing.T) {
	r := newGuestRig(t)
	id := r.takeSnapshot(r.createVolume())
	out := must(r.lock(id, "governance", 2, 0))(t)
	if *out.LockState != "governance" || *out.LockDuration != 2 || !out.LockExpiresOn.Equal(r.Now().AddDate(0, 0, 2)) || out.CoolOffPeriod != nil {
		t.Errorf("locked: %+v", out)
	}
	want(t, "delete", r.deleteSnapshot(id), "SnapshotLocked")
	must(r.lock(id, "governance", 1, 0))(t) // shorter
	want(t, "unlock", r.unlock(id), "")
	want(t, "unlock again", r.unlock(id), "IncorrectState")
	must(r.lock(id, "governance", 1, 0))(t)
	r.tick(24 * time.Hour)
	list := must(r.DescribeLockedSnapshots(r.ctx, &ec2.DescribeLockedSnapshotsRequest{Filters: filters("lock-state", "expired")}))(t)
	if len(list.Snapshots) != 1 || *list.Snapshots[0].SnapshotId != id || *list.Snapshots[0].LockState != "expired" {
		t.Errorf("expired: %+v", list.Snapshots)
	}
	want(t, "delete after the end", r.deleteSnapshot(id), "")
}

func TestComplianceLock(t *testing.T) {
	r := newGuestRig(t)
	id := r.takeSnapshot(r.createVolume())
	out := must(r.lock(id, "compliance", 10, 3))(t)
	if *out.LockState != "compliance-cooloff" || *out.CoolOffPeriod != 3 || !out.CoolOffPeriodExpiresOn.Equal(r.Now().Add(3*time.Hour)) {
		t.Errorf("locked: %+v", out)
	}
	want(t, "delete", r.deleteSnapshot(id), "SnapshotLocked")
	want(t, "unlock while it cools off", r.unlock(id), "")
	must(r.lock(id, "compliance", 10, 3))(t)
	r.tick(3 * time.Hour)
	want(t, "unlock", r.unlock(id), "OperationNotPermitted")
	_, err := r.lock(id, "compliance", 9, 0)
	want(t, "shorter", err, "OperationNotPermitted")
	_, err = r.lock(id, "governance", 20, 0)
	want(t, "another mode", err, "OperationNotPermitted")
	_, err = r.lock(id, "compliance", 20, 1)
	want(t, "cool off again", err, "OperationNotPermitted")
	if out := must(r.lock(id, "compliance", 20, 0))(t); *out.LockState != "compliance" || *out.LockDuration != 20 {
		t.Errorf("longer: %+v", out)
	}
}

func TestLockRefusals(t *testing.T) {
	r := newGuestRig(t)
	id := r.takeSnapshot(r.createVolume())
	for what, c := range map[string]struct {
		in   ec2.LockSnapshotRequest
		want string
	}{
		"no mode":         {ec2.LockSnapshotRequest{LockDuration: new(int32(1))}, "MissingParameter"},
		"another mode":    {ec2.LockSnapshotRequest{LockMode: new("x"), LockDuration: new(int32(1))}, "InvalidParameterValue"},
		"no duration":     {ec2.LockSnapshotRequest{LockMode: new("governance")}, "InvalidParameterCombination"},
		"two durations":   {ec2.LockSnapshotRequest{LockMode: new("governance"), LockDuration: new(int32(1)), ExpirationDate: new(r.Now().AddDate(1, 0, 0))}, "InvalidParameterCombination"},
		"no day":          {ec2.LockSnapshotRequest{LockMode: new("governance"), LockDuration: new(int32(0))}, "InvalidParameterValue"},
		"a hundred years": {ec2.LockSnapshotRequest{LockMode: new("governance"), LockDuration: new(int32(36501))}, "InvalidParameterValue"},
		"the past":        {ec2.LockSnapshotRequest{LockMode: new("governance"), ExpirationDate: new(r.Now())}, "InvalidParameterValue"},
		"cool governance": {ec2.LockSnapshotRequest{LockMode: new("governance"), LockDuration: new(int32(1)), CoolOffPeriod: new(int32(1))}, "InvalidParameterCombination"},
		"cool too long":   {ec2.LockSnapshotRequest{LockMode: new("compliance"), LockDuration: new(int32(1)), CoolOffPeriod: new(int32(73))}, "InvalidParameterValue"},
	} {
		c.in.SnapshotId = &id
		_, err := r.LockSnapshot(r.ctx, &c.in)
		want(t, what, err, c.want)
	}
}

// TestRecycleBin: what a rule is for is kept, hidden and restored; the rest is gone.
func TestRecycleBin(t *testing.T) {
	r := newGuestRig(t)
	volume := r.createVolume()
	kept := r.takeSnapshot(volume, func(in *ec2.CreateSnapshotRequest) { in.TagSpecifications = tagSpec("snapshot", "keep", "yes") })
	other := r.takeSnapshot(volume)
	rule := func(id string, days int, tags ...cloud.ResourceTag) {
		r.update(func(tx *store.Tx) error {
			return recycleTable.Create(tx, cloud.RecycleRule{Meta: cloud.Meta{ID: id, Account: alice}, Resource: "EBS_SNAPSHOT", Days: days, Match: tags})
		})
	}
	rule("short", 2, cloud.ResourceTag{Key: "keep"})
	rule("long", 5, cloud.ResourceTag{Key: "keep", Value: new("yes")})
	rule("another", 9, cloud.ResourceTag{Key: "keep", Value: new("no")})
	want(t, "delete", r.deleteSnapshot(other), "")
	want(t, "delete", r.deleteSnapshot(kept), "")
	if n, _ := snapshotTable.Get(r.DB.View(), other); !n.Delete {
		t.Error("what no rule is for is in the bin")
	}
	list := must(r.ListSnapshotsInRecycleBin(r.ctx, &ec2.ListSnapshotsInRecycleBinRequest{}))(t).Snapshots
	if len(list) != 1 || *list[0].SnapshotId != kept || list[0].RecycleBinExitTime.Sub(*list[0].RecycleBinEnterTime) != 5*24*time.Hour {
		t.Errorf("in the bin: %+v", list)
	}
	_, err := r.DescribeSnapshots(r.ctx, &ec2.DescribeSnapshotsRequest{SnapshotIds: []string{kept}})
	want(t, "describe", err, "InvalidSnapshot.NotFound")
	want(t, "delete again", r.deleteSnapshot(kept), "InvalidSnapshot.NotFound")
	in := &ec2.RestoreSnapshotFromRecycleBinRequest{SnapshotId: &kept}
	_, err = r.RestoreSnapshotFromRecycleBin(r.bob, in)
	want(t, "restore another's", err, "InvalidSnapshot.NotFound")
	if out := must(r.RestoreSnapshotFromRecycleBin(r.ctx, in))(t); *out.State != "completed" || *out.VolumeId != volume {
		t.Errorf("restored: %+v", out)
	}
	_, err = r.RestoreSnapshotFromRecycleBin(r.ctx, in)
	want(t, "restore again", err, "InvalidSnapshot.NotFound")
}
