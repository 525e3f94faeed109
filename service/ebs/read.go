package ebs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
)

// ListSnapshotBlocks tells which blocks a snapshot holds; the others are zeroes.
// https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html
func (s *Service) ListSnapshotBlocks(ctx context.Context, in *api.ListSnapshotBlocksRequest) (*api.ListSnapshotBlocksResponse, error) {
	caller, err := s.allow(ctx, "ListSnapshotBlocks", in.SnapshotId)
	if err != nil {
		return nil, err
	}
	of, err := s.readable(caller, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	p, err := s.page(listing{caller.Account, "ListSnapshotBlocks", of.ID}, in.MaxResults, in.StartingBlockIndex, in.NextToken)
	if err != nil {
		return nil, err
	}
	found, next, err := s.changed(ctx, p, nil, &of)
	if err != nil {
		return nil, err
	}
	expiry := s.Now().Add(tokenLife).UTC()
	out := &api.ListSnapshotBlocksResponse{
		BlockSize: new(int32(cloud.BlockBytes)), VolumeSize: new(int64(of.SizeGiB)), ExpiryTime: &expiry, NextToken: next, Blocks: []api.Block{},
	}
	for _, b := range found {
		out.Blocks = append(out.Blocks, api.Block{BlockIndex: new(int32(b.Index)), BlockToken: s.blockToken(caller, of.ID, b.Index, expiry)}) //nolint:gosec // within a volume
	}
	return out, nil
}

// ListChangedBlocks tells which blocks of two snapshots of one lineage may differ.
// https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListChangedBlocks.html
func (s *Service) ListChangedBlocks(ctx context.Context, in *api.ListChangedBlocksRequest) (*api.ListChangedBlocksResponse, error) {
	named := []*string{in.SecondSnapshotId}
	if val(in.FirstSnapshotId) != "" {
		named = append(named, in.FirstSnapshotId)
	}
	caller, err := s.allow(ctx, "ListChangedBlocks", named...)
	if err != nil {
		return nil, err
	}
	if val(in.FirstSnapshotId) == "" {
		return nil, wrongValue("The parameter firstSnapshotId is missing.")
	}
	first, err := s.readable(caller, in.FirstSnapshotId)
	if err != nil {
		return nil, err
	}
	second, err := s.readable(caller, in.SecondSnapshotId)
	if err != nil {
		return nil, err
	}
	if !s.related(first, second) {
		return nil, invalid(api.ValidationExceptionReasonUNRELATEDSNAPSHOTS, "The snapshots %s and %s are not of one volume, nor one of the other.", first.ID, second.ID)
	}
	p, err := s.page(listing{caller.Account, "ListChangedBlocks", first.ID, second.ID}, in.MaxResults, in.StartingBlockIndex, in.NextToken)
	if err != nil {
		return nil, err
	}
	found, next, err := s.changed(ctx, p, &first, &second)
	if err != nil {
		return nil, err
	}
	expiry := s.Now().Add(tokenLife).UTC()
	out := &api.ListChangedBlocksResponse{
		BlockSize: new(int32(cloud.BlockBytes)), VolumeSize: new(int64(second.SizeGiB)), ExpiryTime: &expiry, NextToken: next, ChangedBlocks: []api.ChangedBlock{},
	}
	for _, b := range found {
		c := api.ChangedBlock{BlockIndex: new(int32(b.Index))} //nolint:gosec // within a volume
		if b.First {
			c.FirstBlockToken = s.blockToken(caller, first.ID, b.Index, expiry)
		}
		if b.Second {
			c.SecondBlockToken = s.blockToken(caller, second.ID, b.Index, expiry)
		}
		out.ChangedBlocks = append(out.ChangedBlocks, c)
	}
	return out, nil
}

// changed is a page of blocks, and the token of the next.
func (s *Service) changed(ctx context.Context, p pager, first, second *cloud.Snapshot) ([]cloud.BlockChange, *string, error) {
	found, err := s.Blocks.ChangedBlocks(ctx, first, second, p.from, p.limit+1)
	if err != nil || len(found) <= p.limit {
		return found, nil, err
	}
	return found[:p.limit], new(p.seal(found[p.limit].Index)), nil
}

// related reports whether one of two snapshots descends from what the other does: a volume,
// or a snapshot.
func (s *Service) related(first, second cloud.Snapshot) bool {
	mine := s.lineage(first)
	return slices.ContainsFunc(s.lineage(second), func(id string) bool { return slices.Contains(mine, id) })
}

// lineage is what a snapshot comes from, as far as it is still known, and itself.
func (s *Service) lineage(n cloud.Snapshot) []string {
	view, all := s.DB.View(), []string{n.ID}
	for next := []string{n.Volume, n.From, parentOf(n)}; len(next) > 0; {
		id := next[0]
		next = next[1:]
		if id == "" || slices.Contains(all, id) {
			continue
		}
		all = append(all, id)
		if v, ok := volumes.Get(view, id); ok {
			next = append(next, v.Snapshot)
		}
		if from, ok := snapshots.Get(view, id); ok {
			next = append(next, from.Volume, from.From, parentOf(from))
		}
	}
	return all
}

func parentOf(n cloud.Snapshot) string {
	if n.Fill == nil {
		return ""
	}
	return n.Fill.Parent
}

// GetSnapshotBlock returns a block, for a token that a list gave.
// https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html
func (s *Service) GetSnapshotBlock(ctx context.Context, in *api.GetSnapshotBlockRequest) (*api.GetSnapshotBlockResponse, error) {
	caller, err := s.allow(ctx, "GetSnapshotBlock", in.SnapshotId)
	if err != nil {
		return nil, err
	}
	of, err := s.readable(caller, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	index := int64(val(in.BlockIndex))
	if err := s.checkBlockToken(caller, of.ID, index, val(in.BlockToken)); err != nil {
		return nil, err
	}
	data, err := s.Blocks.ReadBlock(ctx, &of, index)
	if err != nil {
		return nil, err
	}
	return &api.GetSnapshotBlockResponse{
		BlockData: bytes.NewReader(data), DataLength: new(int32(len(data))), Checksum: new(checksum(data)), ChecksumAlgorithm: new(api.ChecksumAlgorithmSHA256), //nolint:gosec // a block
	}, nil
}

// checksum is a block's SHA-256, in Base64.
func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}
