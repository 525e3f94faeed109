package ec2

import (
	"cmp"
	"context"
	"iter"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of a lock: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
const (
	maxLockDays     = 36500
	maxCoolOffHours = 72
)

// LockSnapshot keeps a snapshot from deletion for a time, or changes such a lock as far as its
// mode lets it.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
func (s *Service) LockSnapshot(ctx context.Context, in *ec2.LockSnapshotRequest) (*ec2.LockSnapshotResult, error) {
	wanted, refused := s.lockOf(in)
	caller, err := s.allow(ctx, "LockSnapshot", in.DryRun, aboutSnapshot.of(s.asking(ctx), val(in.SnapshotId)).with(lockFacts(in)))
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	var n cloud.Snapshot
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if n, err = ownSnapshot(tx, caller, in.SnapshotId); err != nil {
			return err
		}
		l := wanted
		if n.State() == cloud.SnapshotError {
			return notCompleted(n)
		}
		if !n.Seen.Ready && in.ExpirationDate == nil {
			l.Began, l.Until = time.Time{}, time.Time{} // it lasts from when the snapshot is completed
		}
		if was := n.Lock; was.Holds(l.Created) {
			if was.State(l.Created) == ec2.LockStateCompliance {
				if l.Mode != was.Mode || in.CoolOffPeriod != nil || l.Until.Before(was.Until) || was.Until.IsZero() && l.Days < was.Days {
					return cloud.Errorf("OperationNotPermitted", "The snapshot %s is locked in compliance mode: its lock can only be made longer.", n.ID)
				}
				l.CoolOff = was.CoolOff
			}
			l.Created = was.Created
		}
		n.Lock = &l
		return snapshotTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	i := s.showLock(n)
	return &ec2.LockSnapshotResult{
		SnapshotId: &n.ID, LockState: i.LockState, LockDuration: i.LockDuration, CoolOffPeriod: i.CoolOffPeriod, CoolOffPeriodExpiresOn: i.CoolOffPeriodExpiresOn,
		LockCreatedOn: i.LockCreatedOn, LockDurationStartTime: i.LockDurationStartTime, LockExpiresOn: i.LockExpiresOn,
	}, nil
}

// lockOf reads the lock that a request wants, to begin now.
func (s *Service) lockOf(in *ec2.LockSnapshotRequest) (l cloud.SnapshotLock, err error) {
	now, until := s.Now().UTC(), val(in.ExpirationDate)
	switch mode, days, hours := val(in.LockMode), val(in.LockDuration), val(in.CoolOffPeriod); {
	case mode == "":
		return l, missing("lockMode")
	case mode != ec2.LockModeGovernance && mode != ec2.LockModeCompliance:
		return l, invalid("lockMode", mode, "Valid values are: compliance, governance.")
	case (in.LockDuration == nil) == (in.ExpirationDate == nil):
		return l, cloud.Errorf("InvalidParameterCombination", "Specify either the LockDuration or the ExpirationDate parameter")
	case in.LockDuration != nil && (days < 1 || days > maxLockDays):
		return l, invalid("lockDuration", number(int(days)), "A lock lasts 1 to 36500 days.")
	case in.ExpirationDate != nil && until.Before(now.Add(24*time.Hour)):
		return l, invalid("expirationDate", timeWord(until), "A lock lasts at least one day.")
	case in.CoolOffPeriod != nil && mode != ec2.LockModeCompliance:
		return l, cloud.Errorf("InvalidParameterCombination", "The parameter CoolOffPeriod can be used with the lock mode compliance only")
	case in.CoolOffPeriod != nil && (hours < 1 || hours > maxCoolOffHours):
		return l, invalid("coolOffPeriod", number(int(hours)), "A cooling-off period lasts 1 to 72 hours.")
	}
	l = cloud.SnapshotLock{Mode: *in.LockMode, Created: now, Began: now, Days: int(val(in.LockDuration)), Until: now.AddDate(0, 0, int(val(in.LockDuration)))}
	if in.ExpirationDate != nil {
		l.Until = until.UTC()
		l.Days = int(l.Until.Sub(now) / (24 * time.Hour))
	}
	if in.CoolOffPeriod != nil {
		l.CoolOff = now.Add(time.Duration(*in.CoolOffPeriod) * time.Hour)
	}
	return l, nil
}

// lockFacts are the condition keys of a request for a lock.
func lockFacts(in *ec2.LockSnapshotRequest) facts {
	return facts{"SnapshotLockDuration": number(int(val(in.LockDuration))), "SnapshotCoolOffPeriod": number(int(val(in.CoolOffPeriod)))}
}

// UnlockSnapshot ends a lock, but one in compliance mode that has cooled off.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnlockSnapshot.html
func (s *Service) UnlockSnapshot(ctx context.Context, in *ec2.UnlockSnapshotRequest) (*ec2.UnlockSnapshotResult, error) {
	caller, err := s.allow(ctx, "UnlockSnapshot", in.DryRun, aboutSnapshot.of(s.asking(ctx), val(in.SnapshotId)))
	if err != nil {
		return nil, err
	}
	now := s.Now()
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := ownSnapshot(tx, caller, in.SnapshotId)
		switch {
		case err != nil:
			return err
		case !n.Lock.Holds(now):
			return cloud.Errorf("IncorrectState", "The snapshot %s is not locked.", n.ID)
		case n.Lock.State(now) == ec2.LockStateCompliance:
			return cloud.Errorf("OperationNotPermitted", "The snapshot %s is locked in compliance mode: it cannot be unlocked.", n.ID)
		}
		n.Lock = nil
		return snapshotTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.UnlockSnapshotResult{SnapshotId: in.SnapshotId}, nil
}

// DescribeLockedSnapshots lists the locks of the caller's snapshots, also those that have ended.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLockedSnapshots.html
func (s *Service) DescribeLockedSnapshots(ctx context.Context, in *ec2.DescribeLockedSnapshotsRequest) (*ec2.DescribeLockedSnapshotsResult, error) {
	caller, err := s.allow(ctx, "DescribeLockedSnapshots", in.DryRun)
	if err != nil {
		return nil, err
	}
	locked := func(n cloud.Snapshot) bool { return n.Kept() && n.Lock != nil && n.Account == caller.Account }
	found, next, err := listing[cloud.Snapshot]{
		operation: "DescribeLockedSnapshots", table: snapshotTable, prefix: "snap", ids: in.SnapshotIds, filters: in.Filters, fields: s.lockFields(),
		max: in.MaxResults, most: 1000, token: in.NextToken, seen: locked,
		all: func(r store.Reader) iter.Seq[cloud.Snapshot] {
			return where(snapshotTable.Select(r, cloud.AccountLabel(caller.Account)), locked)
		},
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeLockedSnapshotsResult{Snapshots: each(found, s.showLock), NextToken: next}, nil
}

// lockFields are the filters of DescribeLockedSnapshots.
func (s *Service) lockFields() fields[cloud.Snapshot] {
	return fields[cloud.Snapshot]{"lock-state": one(func(n cloud.Snapshot) string { return n.Lock.State(s.Now()) })}
}

func (s *Service) showLock(n cloud.Snapshot) ec2.LockedSnapshotsInfo {
	l := n.Lock
	return ec2.LockedSnapshotsInfo{
		SnapshotId: &n.ID, OwnerId: &n.Account, LockState: new(l.State(s.Now())), LockDuration: new(int32(l.Days)), //nolint:gosec // maxLockDays at most
		LockCreatedOn: &l.Created, LockDurationStartTime: opt(l.Began), LockExpiresOn: opt(l.Until),
		CoolOffPeriod: opt(int32(coolOffHours(l))), CoolOffPeriodExpiresOn: opt(l.CoolOff), //nolint:gosec // maxCoolOffHours at most
	}
}

func coolOffHours(l *cloud.SnapshotLock) int {
	if l.CoolOff.IsZero() {
		return 0
	}
	return int(l.CoolOff.Sub(l.Created).Round(time.Hour) / time.Hour)
}
