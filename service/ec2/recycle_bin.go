package ec2

import (
	"context"
	"iter"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// What rules of the recycle bin are for.
const recycledSnapshots = "EBS_SNAPSHOT"

// recycled is how long the recycle bin is to keep a resource of an account: as long as the
// rule that keeps it longest says; 0: there is none for it.
func recycled(tx *store.Tx, account, resource string, tags map[string]string) time.Duration {
	days := 0
	for r := range recycleTable.Select(tx, cloud.AccountLabel(account)) {
		if r.Keeps(resource, tags) {
			days = max(days, r.Days)
		}
	}
	return time.Duration(days) * 24 * time.Hour
}

// binned returns the caller's snapshot of that ID that is in the recycle bin.
func binned(r store.Reader, c cloud.Caller, id string) (cloud.Snapshot, bool) {
	n, ok := snapshotTable.Get(r, id)
	return n, ok && inBin(n) && n.Account == c.Account
}

func inBin(n cloud.Snapshot) bool { return !n.Delete && !n.Binned.IsZero() }

// ListSnapshotsInRecycleBin lists the snapshots that can be restored.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ListSnapshotsInRecycleBin.html
func (s *Service) ListSnapshotsInRecycleBin(ctx context.Context, in *ec2.ListSnapshotsInRecycleBinRequest) (*ec2.ListSnapshotsInRecycleBinResult, error) {
	caller, err := s.allow(ctx, "ListSnapshotsInRecycleBin", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.Snapshot]{
		operation: "ListSnapshotsInRecycleBin", table: snapshotTable, prefix: "snap", ids: in.SnapshotIds, max: in.MaxResults, most: 1000, token: in.NextToken,
		seen: func(n cloud.Snapshot) bool { return inBin(n) && n.Account == caller.Account },
		all: func(r store.Reader) iter.Seq[cloud.Snapshot] {
			return where(snapshotTable.Select(r, cloud.AccountLabel(caller.Account)), inBin)
		},
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.ListSnapshotsInRecycleBinResult{NextToken: next, Snapshots: each(found, func(n cloud.Snapshot) ec2.SnapshotRecycleBinInfo {
		return ec2.SnapshotRecycleBinInfo{
			SnapshotId: &n.ID, VolumeId: new(volumeOf(n)), Description: &n.Description, RecycleBinEnterTime: &n.Binned, RecycleBinExitTime: &n.Expires,
		}
	})}, nil
}

// RestoreSnapshotFromRecycleBin undoes the deletion of a snapshot.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RestoreSnapshotFromRecycleBin.html
func (s *Service) RestoreSnapshotFromRecycleBin(ctx context.Context, in *ec2.RestoreSnapshotFromRecycleBinRequest) (*ec2.RestoreSnapshotFromRecycleBinResult, error) {
	a, id := s.asking(ctx), val(in.SnapshotId)
	about := a.absent("snap", id)
	if n, ok := binned(a.r, a.c, id); ok {
		about = aboutSnapshot.doc(a, n)
	}
	caller, err := s.allow(ctx, "RestoreSnapshotFromRecycleBin", in.DryRun, about)
	if err != nil {
		return nil, err
	}
	if err := checkIDs("snap", id); err != nil {
		return nil, err
	}
	var n cloud.Snapshot
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		var ok bool
		if n, ok = binned(tx, caller, id); !ok {
			return notFound("snap", id)
		}
		n.Binned, n.Expires = time.Time{}, time.Time{}
		return snapshotTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	shown := s.showSnapshot(n, caller)
	return &ec2.RestoreSnapshotFromRecycleBinResult{
		SnapshotId: shown.SnapshotId, Description: shown.Description, Encrypted: shown.Encrypted, OwnerId: shown.OwnerId, Progress: shown.Progress,
		StartTime: shown.StartTime, State: shown.State, VolumeId: shown.VolumeId, VolumeSize: shown.VolumeSize,
	}, nil
}
