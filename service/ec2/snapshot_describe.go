package ec2

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeSnapshots lists the snapshots that the caller may make volumes of: its own,
// those shared with it, and the public ones.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
func (s *Service) DescribeSnapshots(ctx context.Context, in *ec2.DescribeSnapshotsRequest) (*ec2.DescribeSnapshotsResult, error) {
	caller, err := s.allow(ctx, "DescribeSnapshots", in.DryRun)
	if err != nil {
		return nil, err
	}
	chosen := func(n cloud.Snapshot) bool {
		return ownedBy(n.Account, caller, in.OwnerIds) && restorableBy(n, caller, in.RestorableByUserIds)
	}
	all := func(r store.Reader) iter.Seq[cloud.Snapshot] { return where(visibleSnapshots(r, caller), chosen) }
	found, next, err := listing[cloud.Snapshot]{
		operation: "DescribeSnapshots", table: snapshotTable, prefix: "snap", ids: in.SnapshotIds,
		filters: in.Filters, fields: snapshotFields, max: in.MaxResults, most: 1000, token: in.NextToken,
		all: all, seen: func(n cloud.Snapshot) bool { return seesSnapshot(caller, n) },
		tags: func(n cloud.Snapshot) map[string]string { return snapshotTags(n, caller) },
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(n cloud.Snapshot) bool { return !chosen(n) }) // of those named by their IDs
	show := func(n cloud.Snapshot) ec2.Snapshot { return s.showSnapshot(n, caller) }
	return &ec2.DescribeSnapshotsResult{Snapshots: each(found, show), NextToken: next}, nil
}

// visibleSnapshots yields what the caller may make volumes of, by ID.
func visibleSnapshots(r store.Reader, c cloud.Caller) iter.Seq[cloud.Snapshot] {
	var found []cloud.Snapshot
	for _, label := range []string{cloud.AccountLabel(c.Account), "public", "shared/" + c.Account} {
		found = slices.AppendSeq(found, where(snapshotTable.Select(r, label), cloud.Snapshot.Kept))
	}
	slices.SortFunc(found, func(a, b cloud.Snapshot) int { return strings.Compare(a.ID, b.ID) })
	return slices.Values(slices.CompactFunc(found, func(a, b cloud.Snapshot) bool { return a.ID == b.ID }))
}

// snapshotTags are a snapshot's tags as the caller sees them: those of others are theirs.
func snapshotTags(n cloud.Snapshot, c cloud.Caller) map[string]string {
	if n.Account != c.Account {
		return nil
	}
	return n.Tags
}

// restorableBy applies the users of a request: "all" are the public snapshots; "self"
// and account IDs, those that they own, or that were shared with them by name.
func restorableBy(n cloud.Snapshot, c cloud.Caller, users []string) bool {
	return len(users) == 0 || slices.ContainsFunc(users, func(user string) bool {
		if user == "all" {
			return n.Public
		}
		if user == "self" {
			user = c.Account
		}
		return n.Account == user || slices.Contains(n.Shared, user)
	})
}

// copiedVolume is what the API calls the volume of a snapshot that was taken of none
// of the account's: a copy.
const copiedVolume = "vol-ffffffff"

func volumeOf(n cloud.Snapshot) string {
	if n.Volume == "" {
		return copiedVolume
	}
	return n.Volume
}

func progress(n cloud.Snapshot) string {
	percent := n.Seen.Progress
	if n.Fill != nil && !n.Seen.Ready {
		percent = n.Fill.Progress
	}
	return strconv.Itoa(percent) + "%"
}

func (s *Service) showSnapshot(n cloud.Snapshot, c cloud.Caller) ec2.Snapshot {
	out := ec2.Snapshot{
		SnapshotId: &n.ID, VolumeId: new(volumeOf(n)), OwnerId: &n.Account, Description: &n.Description,
		Encrypted: &n.Encrypted, KmsKeyId: s.shownDiskKey(n.Account, n.Encrypted), VolumeSize: new(int32(n.SizeGiB)),
		StartTime: &n.Created, State: new(string(n.State())), StateMessage: opt(n.Seen.Error), Progress: new(progress(n)),
		StorageTier: new(ec2.StorageTierStandard), FullSnapshotSizeInBytes: opt(n.Seen.Bytes), Tags: tagSet(snapshotTags(n, c)),
	}
	if n.From != "" {
		out.TransferType = new(ec2.TransferTypeStandard)
	}
	if n.Account == cloud.OperatorAccount {
		out.OwnerAlias = new(operatorAlias)
	}
	return out
}

// snapshotFields are the filters of DescribeSnapshots.
var snapshotFields = fields[cloud.Snapshot]{
	"description": one(func(n cloud.Snapshot) string { return n.Description }),
	"encrypted":   flag(func(n cloud.Snapshot) bool { return n.Encrypted }),
	"owner-alias": func(n cloud.Snapshot, is func(string) bool) bool {
		return n.Account == cloud.OperatorAccount && (is(operatorAlias) || is("amazon"))
	},
	"owner-id":     one(func(n cloud.Snapshot) string { return n.Account }),
	"progress":     one(progress),
	"snapshot-id":  one(cloud.Snapshot.Key),
	"start-time":   one(func(n cloud.Snapshot) string { return timeWord(n.Created) }),
	"status":       one(func(n cloud.Snapshot) string { return string(n.State()) }),
	"storage-tier": one(fixed[cloud.Snapshot](ec2.StorageTierStandard)),
	"transfer-type": func(n cloud.Snapshot, is func(string) bool) bool {
		return n.From != "" && is(ec2.TransferTypeStandard)
	},
	"volume-id":   one(volumeOf),
	"volume-size": one(func(n cloud.Snapshot) string { return strconv.Itoa(n.SizeGiB) }),
}
