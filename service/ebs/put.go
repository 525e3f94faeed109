package ebs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"slices"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// noteEvery is how exactly it is known when a block was put last.
const noteEvery = time.Minute

// PutSnapshotBlock puts a block into a snapshot that was started, over what is there.
// https://docs.aws.amazon.com/ebs/latest/APIReference/API_PutSnapshotBlock.html
func (s *Service) PutSnapshotBlock(ctx context.Context, in *api.PutSnapshotBlockRequest) (*api.PutSnapshotBlockResponse, error) {
	caller, err := s.allow(ctx, "PutSnapshotBlock", in.SnapshotId)
	if err != nil {
		return nil, err
	}
	n, err := own(s.DB.View(), caller, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	data, err := readBlock(in, n)
	if err != nil {
		return nil, err
	}
	var parent *cloud.Snapshot
	if p, ok := snapshots.Get(s.DB.View(), n.Fill.Parent); ok {
		parent = &p
	}
	if err := s.Blocks.WriteBlock(ctx, &n, parent, int64(*in.BlockIndex), data); err != nil {
		return nil, err
	}
	if err := s.note(ctx, n, in.Progress); err != nil {
		return nil, err
	}
	return &api.PutSnapshotBlockResponse{Checksum: in.Checksum, ChecksumAlgorithm: in.ChecksumAlgorithm}, nil
}

// readBlock reads the body, which is one block.
func readBlock(in *api.PutSnapshotBlockRequest, n cloud.Snapshot) ([]byte, error) {
	index, most := val(in.BlockIndex), int64(n.SizeGiB)<<30/cloud.BlockBytes
	switch {
	case n.Fill.Expired || n.Seen.Error != "":
		return nil, invalid(api.ValidationExceptionReasonWRITEREQUESTTIMEOUT, "The snapshot %s was given up: %s", n.ID, cmp.Or(n.Seen.Error, "it was not completed in time."))
	case !n.Fill.Open():
		return nil, invalid(api.ValidationExceptionReasonINVALIDSNAPSHOTID, "The snapshot %s is complete: it takes no more blocks.", n.ID)
	case val(in.ChecksumAlgorithm) != api.ChecksumAlgorithmSHA256:
		return nil, wrongValue("The checksum algorithm %q is not SHA256.", val(in.ChecksumAlgorithm))
	case val(in.DataLength) != cloud.BlockBytes:
		return nil, invalid(api.ValidationExceptionReasonINVALIDBLOCK, "The data length of %d bytes is not %d.", val(in.DataLength), cloud.BlockBytes)
	case index < 0 || int64(index) >= most:
		return nil, invalid(api.ValidationExceptionReasonINVALIDBLOCK, "The block index %d is not 0 to %d.", index, most-1)
	case in.Progress != nil && (*in.Progress < 0 || *in.Progress > 100):
		return nil, wrongValue("The progress of %d percent is not 0 to 100.", *in.Progress)
	}
	data, err := io.ReadAll(io.LimitReader(in.BlockData, cloud.BlockBytes+1))
	if err != nil {
		return nil, err
	}
	switch {
	case len(data) != cloud.BlockBytes:
		return nil, invalid(api.ValidationExceptionReasonINVALIDBLOCK, "The block does not have the %d bytes that it was announced with.", cloud.BlockBytes)
	case checksum(data) != val(in.Checksum):
		return nil, invalid(api.ValidationExceptionReasonINVALIDBLOCK, "The checksum is not that of the block.")
	}
	return data, nil
}

// note records that a block came, now and then, and what the owner says of its progress.
func (s *Service) note(ctx context.Context, n cloud.Snapshot, progress *int32) error {
	now := s.Now().UTC()
	if now.Sub(n.Fill.Written) < noteEvery && (progress == nil || int(*progress) == n.Fill.Progress) {
		return nil
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		n, ok := snapshots.Get(tx, n.ID)
		if !ok || !n.Fill.Open() {
			return nil
		}
		f := *n.Fill
		f.Written = now
		if progress != nil {
			f.Progress = int(*progress)
		}
		n.Fill = &f
		return snapshots.Put(tx, n)
	})
}

// CompleteSnapshot says that all blocks were put, how many, and perhaps their checksum. Its
// host then compares, and the snapshot is completed, or an error.
// https://docs.aws.amazon.com/ebs/latest/APIReference/API_CompleteSnapshot.html
func (s *Service) CompleteSnapshot(ctx context.Context, in *api.CompleteSnapshotRequest) (*api.CompleteSnapshotResponse, error) {
	caller, err := s.allow(ctx, "CompleteSnapshot", in.SnapshotId)
	if err != nil {
		return nil, err
	}
	sum, err := sumOf(in)
	if err != nil {
		return nil, err
	}
	var done cloud.Snapshot
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if done, err = own(tx, caller, in.SnapshotId); err != nil {
			return err
		}
		f := *done.Fill
		switch same := f.Blocks == int(*in.ChangedBlocksCount) && slices.Equal(f.Sum, sum); {
		case f.Expired:
			return invalid(api.ValidationExceptionReasonWRITEREQUESTTIMEOUT, "The snapshot %s was not completed in time.", done.ID)
		case f.Complete && same:
			return nil // the request comes again
		case f.Complete:
			return invalid(api.ValidationExceptionReasonINVALIDSNAPSHOTID, "The snapshot %s was completed with other values.", done.ID)
		}
		f.Complete, f.Blocks, f.Sum = true, int(*in.ChangedBlocksCount), sum
		done.Fill = &f
		return snapshots.Put(tx, done)
	})
	if err != nil {
		return nil, err
	}
	return &api.CompleteSnapshotResponse{Status: new(string(done.State()))}, nil
}

// sumOf is the checksum of all blocks, nil if the request has none.
func sumOf(in *api.CompleteSnapshotRequest) ([]byte, error) {
	if val(in.ChangedBlocksCount) < 0 {
		return nil, wrongValue("The number of blocks, %d, is negative.", *in.ChangedBlocksCount)
	}
	if in.Checksum == nil {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(*in.Checksum)
	switch {
	case err != nil || len(sum) != sha256.Size:
		return nil, wrongValue("The checksum is not a SHA-256 in Base64.")
	case val(in.ChecksumAlgorithm) != api.ChecksumAlgorithmSHA256:
		return nil, wrongValue("The checksum algorithm %q is not SHA256.", val(in.ChecksumAlgorithm))
	case val(in.ChecksumAggregationMethod) != api.ChecksumAggregationMethodLINEAR:
		return nil, wrongValue("The aggregation method %q is not LINEAR.", val(in.ChecksumAggregationMethod))
	}
	return sum, nil
}

func sorted(tags map[string]string) []string { return slices.Sorted(maps.Keys(tags)) }
