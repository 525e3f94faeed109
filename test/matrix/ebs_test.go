package matrix

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
)

// zeroes is the blocks of snapshots that all hold the first, of zeroes.
type zeroes struct{}

func (zeroes) ChangedBlocks(context.Context, *cloud.Snapshot, *cloud.Snapshot, int64, int) ([]cloud.BlockChange, error) {
	return []cloud.BlockChange{{Second: true}}, nil
}

func (zeroes) ReadBlock(context.Context, *cloud.Snapshot, int64) ([]byte, error) {
	return make([]byte, cloud.BlockBytes), nil
}

func (zeroes) WriteBlock(context.Context, *cloud.Snapshot, *cloud.Snapshot, int64, []byte) error {
	return nil
}

// ebsRows are the operations on blocks of snapshots.
var ebsRows = table{
	"ebs:StartSnapshot": func(w *world) row {
		return row{
			in: &api.StartSnapshotRequest{VolumeSize: new(int64(2)), Description: new("disk"), Tags: []api.Tag{{Key: new("team"), Value: new("blue")}}},
			needs: []need{
				on(w.snapshots("*"), "ebs:Description", "disk", "ebs:VolumeSize", "2", "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.snapshots("*"), "ec2:CreateAction", "StartSnapshot", "aws:RequestTag/team", "blue"),
			},
		}
	},
	"ebs:PutSnapshotBlock": onFilling(func(id string) any {
		block := make([]byte, cloud.BlockBytes)
		sum := sha256.Sum256(block)
		return &api.PutSnapshotBlockRequest{
			SnapshotId: &id, BlockIndex: new(int32(0)), BlockData: bytes.NewReader(block), DataLength: new(int32(len(block))),
			Checksum: new(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: new(api.ChecksumAlgorithmSHA256),
		}
	}),
	"ebs:CompleteSnapshot": onFilling(func(id string) any {
		return &api.CompleteSnapshotRequest{SnapshotId: &id, ChangedBlocksCount: new(int32(0))}
	}),
	"ebs:ListSnapshotBlocks": func(w *world) row {
		id := w.snapshot()
		return row{
			in: &api.ListSnapshotBlocksRequest{SnapshotId: &id}, needs: []need{on(w.arn(id), blue, "blue", "ebs:VolumeSize", "2")}, other: "ResourceNotFoundException",
		}
	},
	"ebs:ListChangedBlocks": func(w *world) row {
		first, second := w.snapshot(), w.snapshot()
		return row{
			in:    &api.ListChangedBlocksRequest{FirstSnapshotId: &first, SecondSnapshotId: &second},
			needs: []need{on(w.arn(first), blue, "blue"), on(w.arn(second), blue, "blue")}, other: "ResourceNotFoundException", ends: "ValidationException", // they are of two volumes
		}
	},
	"ebs:GetSnapshotBlock": func(w *world) row {
		id := w.snapshot()
		list := made[*api.ListSnapshotBlocksResponse](w, Alice, &api.ListSnapshotBlocksRequest{SnapshotId: &id})
		return row{
			in:    &api.GetSnapshotBlockRequest{SnapshotId: &id, BlockIndex: new(int32(0)), BlockToken: list.Blocks[0].BlockToken},
			needs: []need{on(w.arn(id), blue, "blue", "ebs:VolumeSize", "2")}, other: "ResourceNotFoundException",
		}
	},
}

// onFilling is the row of an operation on a snapshot that is being made block by block.
func onFilling(in func(id string) any) func(*world) row {
	return func(w *world) row {
		id := *made[*api.StartSnapshotResponse](w, Alice, &api.StartSnapshotRequest{
			VolumeSize: new(int64(2)), Description: new("disk"), Tags: []api.Tag{{Key: new("team"), Value: new("blue")}},
		}).SnapshotId
		return row{in: in(id), needs: []need{on(w.arn(id), blue, "blue", "ebs:Description", "disk", "ebs:VolumeSize", "2")}, other: "ResourceNotFoundException"}
	}
}
