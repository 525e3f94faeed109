package ec2

import (
	"cmp"
	"context"
	"fmt"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CopySnapshot makes a snapshot of the caller's own of one that it sees, under a key of
// its own, on the same host. PresignedUrl, which proves to another region who asks, is
// not needed in the one that there is.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html
func (s *Service) CopySnapshot(ctx context.Context, in *ec2.CopySnapshotRequest) (*ec2.CopySnapshotResult, error) {
	a := s.asking(ctx)
	from, _ := aboutSnapshot.find(a, val(in.SourceSnapshotId))
	encrypted := from.Encrypted || val(in.Encrypted) || a.encrypts()
	like := cloud.Snapshot{Meta: cloud.Meta{Account: a.c.Account}, SizeGiB: from.SizeGiB, Encrypted: encrypted}
	caller, err := s.allow(ctx, "CopySnapshot", in.DryRun,
		aboutSnapshot.made(a, like, requestTags(in.TagSpecifications, "snapshot")), aboutSnapshot.of(a, val(in.SourceSnapshotId)))
	if err := cmp.Or(err, s.checkCopy(in, encrypted)); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "snapshot")
	if err != nil {
		return nil, err
	}
	id := s.NewID("snap")
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		from, ok := visibleSnapshot(tx, caller, *in.SourceSnapshotId)
		switch {
		case !ok:
			return notFound("snap", *in.SourceSnapshotId)
		case from.State() != cloud.SnapshotCompleted:
			return notCompleted(from)
		}
		made := s.copyOf(from, id, caller, encrypted)
		made.Tags = tags
		made.Description = cmp.Or(val(in.Description), fmt.Sprintf("[Copied %s from %s]", from.ID, s.Place.Region))
		return snapshotTable.Create(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CopySnapshotResult{SnapshotId: &id, Tags: tagSet(tags)}, nil
}

// copyOf is a snapshot of the caller's own of the same bytes, which the host has to copy.
func (s *Service) copyOf(from cloud.Snapshot, id string, c cloud.Caller, encrypted bool) cloud.Snapshot {
	return cloud.Snapshot{
		Meta: cloud.Meta{ID: id, Account: c.Account, Created: s.Now().UTC()},
		From: from.ID, SizeGiB: from.SizeGiB, Host: from.Host, Encrypted: encrypted || from.Encrypted, Sealed: s.newDiskKey(id), Kernel: from.Kernel,
	}
}

// checkCopy refuses what a copy cannot be.
func (s *Service) checkCopy(in *ec2.CopySnapshotRequest, encrypted bool) error {
	region := s.Place.Region
	switch {
	case val(in.SourceSnapshotId) == "":
		return missing("sourceSnapshotId")
	case val(in.SourceRegion) == "":
		return missing("sourceRegion")
	case *in.SourceRegion != region:
		return invalid("sourceRegion", *in.SourceRegion, "This cloud has one region, "+region+".")
	case val(in.DestinationRegion) != "" && *in.DestinationRegion != region:
		return invalid("destinationRegion", *in.DestinationRegion, "This cloud has one region, "+region+".")
	case val(in.DestinationOutpostArn) != "":
		return unsupported("Outposts are not available.")
	case val(in.DestinationAvailabilityZone) != "":
		return unsupported("Snapshots lie in the region. Leave out DestinationAvailabilityZone.")
	case in.CompletionDurationMinutes != nil:
		return unsupported("A copy takes as long as it needs. Leave out CompletionDurationMinutes.")
	}
	if err := checkIDs("snap", *in.SourceSnapshotId); err != nil {
		return err
	}
	if err := checkSnapshotDescription(in.Description); err != nil {
		return err
	}
	return checkDiskKey(val(in.KmsKeyId), encrypted)
}
