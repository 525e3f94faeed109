package ebs

import (
	"bytes"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// TestFillAndRead: what was put is read again, and differs from what it was put over.
func TestFillAndRead(t *testing.T) {
	r := newRig(t)
	first := r.start(api.StartSnapshotRequest{Description: new("disk"), Tags: []api.Tag{{Key: new("a"), Value: new("b")}}})
	n := r.get(first)
	if n.State() != cloud.SnapshotPending || n.SizeGiB != 1 || n.Host != "host" || n.Tags["a"] != "b" || n.Description != "disk" || n.Sealed == nil || n.Encrypted {
		t.Errorf("started: %+v", n)
	}
	r.put(first, 0, "zero")
	r.put(first, 5, "five")
	r.complete(first, 2)
	second := r.start(api.StartSnapshotRequest{ParentSnapshotId: &first, VolumeSize: new(int64(2))})
	r.put(second, 5, "other")
	r.put(second, 4000, "far")
	r.complete(second, 2)
	blocks := r.list(second)
	got := ""
	for _, b := range blocks {
		got += r.read(second, b) + " "
	}
	if got != "zero other far " {
		t.Errorf("blocks %q", got)
	}
	diff, err := r.ListChangedBlocks(r.ctx, &api.ListChangedBlocksRequest{FirstSnapshotId: &first, SecondSnapshotId: &second})
	if err != nil || len(diff.ChangedBlocks) != 2 || *diff.BlockSize != cloud.BlockBytes || *diff.VolumeSize != 2 {
		t.Fatalf("%+v, %v", diff, err)
	}
	five, far := diff.ChangedBlocks[0], diff.ChangedBlocks[1]
	if *five.BlockIndex != 5 || five.FirstBlockToken == nil || five.SecondBlockToken == nil || *far.BlockIndex != 4000 || far.FirstBlockToken != nil {
		t.Errorf("changes %+v", diff.ChangedBlocks)
	}
	if got := r.read(first, api.Block{BlockIndex: five.BlockIndex, BlockToken: five.FirstBlockToken}); got != "five" {
		t.Errorf("the first has %q", got)
	}
	for what, b := range map[string]api.Block{
		"another block's": {BlockIndex: new(int32(0)), BlockToken: blocks[1].BlockToken}, "none": {BlockIndex: new(int32(0)), BlockToken: new("")},
		"another snapshot's": {BlockIndex: five.BlockIndex, BlockToken: five.FirstBlockToken},
	} {
		_, err := r.GetSnapshotBlock(r.ctx, &api.GetSnapshotBlockRequest{SnapshotId: &second, BlockIndex: b.BlockIndex, BlockToken: b.BlockToken})
		want(t, what+" token", err, "ValidationException INVALID_BLOCK_TOKEN")
	}
	r.Seconds.Add(int64(tokenLife / time.Second))
	_, err = r.GetSnapshotBlock(r.ctx, &api.GetSnapshotBlockRequest{SnapshotId: &second, BlockIndex: blocks[0].BlockIndex, BlockToken: blocks[0].BlockToken})
	want(t, "an old token", err, "ValidationException INVALID_BLOCK_TOKEN")
}

func TestPages(t *testing.T) {
	r := newRig(t)
	id := r.start(api.StartSnapshotRequest{})
	for i := range int32(250) {
		r.put(id, i*3, "x")
	}
	r.complete(id, 250)
	in, pages, seen := &api.ListSnapshotBlocksRequest{SnapshotId: &id, MaxResults: new(int32(100))}, 0, 0
	for {
		out, err := r.ListSnapshotBlocks(r.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, b := range out.Blocks {
			if *b.BlockIndex != int32(seen*3) {
				t.Errorf("block %d, want %d", *b.BlockIndex, seen*3)
			}
			seen++
		}
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	if pages != 3 || seen != 250 {
		t.Errorf("%d blocks on %d pages", seen, pages)
	}
	out, err := r.ListSnapshotBlocks(r.ctx, &api.ListSnapshotBlocksRequest{SnapshotId: &id, StartingBlockIndex: new(int32(700))})
	if err != nil || len(out.Blocks) != 16 || *out.Blocks[0].BlockIndex != 702 {
		t.Errorf("from 700 on: %d blocks, %v", len(out.Blocks), err)
	}
	for what, c := range map[string]struct {
		in   api.ListSnapshotBlocksRequest
		want string
	}{
		"small page":      {api.ListSnapshotBlocksRequest{MaxResults: new(int32(99))}, "INVALID_PARAMETER_VALUE"},
		"large page":      {api.ListSnapshotBlocksRequest{MaxResults: new(int32(10001))}, "INVALID_PARAMETER_VALUE"},
		"negative start":  {api.ListSnapshotBlocksRequest{StartingBlockIndex: new(int32(-1))}, "INVALID_PARAMETER_VALUE"},
		"token of nobody": {api.ListSnapshotBlocksRequest{NextToken: new("x")}, "INVALID_PAGE_TOKEN"},
	} {
		c.in.SnapshotId = &id
		_, err := r.ListSnapshotBlocks(r.ctx, &c.in)
		want(t, what, err, "ValidationException "+c.want)
	}
	r.Seconds.Add(int64(pageLife / time.Second))
	_, err = r.ListSnapshotBlocks(r.ctx, in)
	want(t, "an old page token", err, "ValidationException INVALID_PAGE_TOKEN")
}

func TestStartRefusals(t *testing.T) {
	r := newRig(t)
	parent := r.start(api.StartSnapshotRequest{VolumeSize: new(int64(3))})
	three := new(int64(3))
	for what, c := range map[string]struct {
		in   api.StartSnapshotRequest
		want string
	}{
		"no size":              {api.StartSnapshotRequest{VolumeSize: new(int64(0))}, "ValidationException INVALID_VOLUME_SIZE"},
		"too large":            {api.StartSnapshotRequest{VolumeSize: new(int64(70000))}, "ValidationException INVALID_VOLUME_SIZE"},
		"short timeout":        {api.StartSnapshotRequest{VolumeSize: three, Timeout: new(int32(9))}, "ValidationException INVALID_PARAMETER_VALUE"},
		"long timeout":         {api.StartSnapshotRequest{VolumeSize: three, Timeout: new(int32(4321))}, "ValidationException INVALID_PARAMETER_VALUE"},
		"description":          {api.StartSnapshotRequest{VolumeSize: three, Description: new(strings.Repeat("x", 256))}, "ValidationException INVALID_PARAMETER_VALUE"},
		"parent and encrypted": {api.StartSnapshotRequest{VolumeSize: three, ParentSnapshotId: &parent, Encrypted: new(true)}, "ValidationException INVALID_DEPENDENCY_REQUEST"},
		"key alone":            {api.StartSnapshotRequest{VolumeSize: three, KmsKeyArn: new("alias/aws/ebs")}, "ValidationException INVALID_DEPENDENCY_REQUEST"},
		"another key":          {api.StartSnapshotRequest{VolumeSize: three, Encrypted: new(true), KmsKeyArn: new("arn:aws:kms:x:y:key/z")}, "ValidationException INVALID_CUSTOMER_KEY"},
		"no parent":            {api.StartSnapshotRequest{VolumeSize: three, ParentSnapshotId: new("snap-0")}, "ResourceNotFoundException SNAPSHOT_NOT_FOUND"},
		"parent not completed": {api.StartSnapshotRequest{VolumeSize: three, ParentSnapshotId: &parent}, "ValidationException INVALID_SNAPSHOT_ID"},
		"reserved tag":         {api.StartSnapshotRequest{VolumeSize: three, Tags: []api.Tag{{Key: new("aws:x"), Value: new("")}}}, "ValidationException INVALID_TAG"},
		"tag twice":            {api.StartSnapshotRequest{VolumeSize: three, Tags: []api.Tag{{Key: new("x")}, {Key: new("x")}}}, "ValidationException INVALID_TAG"},
	} {
		_, err := r.StartSnapshot(r.ctx, &c.in)
		want(t, what, err, c.want)
	}
	r.put(parent, 0, "x")
	r.complete(parent, 1)
	_, err := r.StartSnapshot(r.ctx, &api.StartSnapshotRequest{VolumeSize: new(int64(2)), ParentSnapshotId: &parent})
	want(t, "smaller than its parent", err, "ValidationException INVALID_VOLUME_SIZE")
	_, err = r.StartSnapshot(r.AsRoot(bob), &api.StartSnapshotRequest{VolumeSize: three, ParentSnapshotId: &parent})
	want(t, "another's parent", err, "ResourceNotFoundException SNAPSHOT_NOT_FOUND")
}

func TestStartAgain(t *testing.T) {
	r := newRig(t)
	token := new("a token")
	*token = "a-token"
	first := r.start(api.StartSnapshotRequest{ClientToken: token})
	if again := r.start(api.StartSnapshotRequest{ClientToken: token}); again != first {
		t.Errorf("the same request made %s and %s", first, again)
	}
	_, err := r.StartSnapshot(r.ctx, &api.StartSnapshotRequest{ClientToken: token, VolumeSize: new(int64(2))})
	want(t, "another request", err, "ConflictException")
}

func TestEncryption(t *testing.T) {
	r := newRig(t)
	id := r.start(api.StartSnapshotRequest{Encrypted: new(true), KmsKeyArn: new(r.Cloud.Place.ARN("kms", alice, "alias/aws/ebs"))})
	r.put(id, 0, "x")
	r.complete(id, 1)
	out, err := r.StartSnapshot(r.ctx, &api.StartSnapshotRequest{VolumeSize: new(int64(1)), ParentSnapshotId: &id})
	if err != nil || *out.SseType != api.SSETypeSseKms || out.KmsKeyArn == nil || !r.get(*out.SnapshotId).Encrypted {
		t.Errorf("of an encrypted parent: %+v, %v", out, err)
	}
	r.Update(func(tx *store.Tx) error {
		return accounts.Modify(tx, alice, func(a *cloud.Account) error { a.EncryptDisks = true; return nil })
	})
	if id := r.start(api.StartSnapshotRequest{}); !r.get(id).Encrypted {
		t.Error("the account wants new snapshots encrypted")
	}
}

func TestPutRefusals(t *testing.T) {
	r := newRig(t)
	id := r.start(api.StartSnapshotRequest{})
	for what, c := range map[string]struct {
		edit func(*api.PutSnapshotBlockRequest)
		want string
	}{
		"checksum":     {func(in *api.PutSnapshotBlockRequest) { in.Checksum = new(checksum([]byte("y"))) }, "INVALID_BLOCK"},
		"algorithm":    {func(in *api.PutSnapshotBlockRequest) { in.ChecksumAlgorithm = new("MD5") }, "INVALID_PARAMETER_VALUE"},
		"length":       {func(in *api.PutSnapshotBlockRequest) { in.DataLength = new(int32(512)) }, "INVALID_BLOCK"},
		"short body":   {func(in *api.PutSnapshotBlockRequest) { in.BlockData = bytes.NewReader(make([]byte, 512)) }, "INVALID_BLOCK"},
		"index":        {func(in *api.PutSnapshotBlockRequest) { in.BlockIndex = new(int32(2048)) }, "INVALID_BLOCK"},
		"negative":     {func(in *api.PutSnapshotBlockRequest) { in.BlockIndex = new(int32(-1)) }, "INVALID_BLOCK"},
		"the progress": {func(in *api.PutSnapshotBlockRequest) { in.Progress = new(int32(101)) }, "INVALID_PARAMETER_VALUE"},
	} {
		in := putting(id, 0, "x")
		c.edit(in)
		_, err := r.PutSnapshotBlock(r.ctx, in)
		want(t, what, err, "ValidationException "+c.want)
	}
	_, err := r.PutSnapshotBlock(r.AsRoot(bob), putting(id, 0, "x"))
	want(t, "another's", err, "ResourceNotFoundException SNAPSHOT_NOT_FOUND")
	_, err = r.ListSnapshotBlocks(r.ctx, &api.ListSnapshotBlocksRequest{SnapshotId: &id})
	want(t, "list what is not completed", err, "ValidationException INVALID_SNAPSHOT_ID")
	r.put(id, 0, "x")
	r.complete(id, 1)
	_, err = r.PutSnapshotBlock(r.ctx, putting(id, 0, "x"))
	want(t, "into what is completed", err, "ValidationException INVALID_SNAPSHOT_ID")
	r.change(id, func(n *cloud.Snapshot) { n.Fill = nil })
	_, err = r.PutSnapshotBlock(r.ctx, putting(id, 0, "x"))
	want(t, "into a snapshot of a volume", err, "ValidationException INVALID_SNAPSHOT_ID")
}

// TestTimes: a block and a progress move the deadline, and none comes after it.
func TestTimes(t *testing.T) {
	r := newRig(t)
	id := r.start(api.StartSnapshotRequest{Timeout: new(int32(10))})
	began := r.get(id).Fill.Deadline()
	r.Seconds.Add(300)
	r.put(id, 0, "x")
	if moved := r.get(id).Fill.Deadline().Sub(began); moved != 300*time.Second {
		t.Errorf("the deadline moved by %v", moved)
	}
	in := putting(id, 1, "x")
	in.Progress = new(int32(40))
	if _, err := r.PutSnapshotBlock(r.ctx, in); err != nil || r.get(id).Fill.Progress != 40 {
		t.Errorf("progress %d, %v", r.get(id).Fill.Progress, err)
	}
	r.change(id, func(n *cloud.Snapshot) { f := *n.Fill; f.Expired = true; n.Fill = &f })
	_, err := r.PutSnapshotBlock(r.ctx, putting(id, 0, "x"))
	want(t, "put when it is too late", err, "ValidationException WRITE_REQUEST_TIMEOUT")
	_, err = r.CompleteSnapshot(r.ctx, &api.CompleteSnapshotRequest{SnapshotId: &id, ChangedBlocksCount: new(int32(2))})
	want(t, "complete when it is too late", err, "ValidationException WRITE_REQUEST_TIMEOUT")
}

func TestComplete(t *testing.T) {
	r := newRig(t)
	id := r.start(api.StartSnapshotRequest{})
	sum := new(checksum(nil))
	good := api.CompleteSnapshotRequest{
		SnapshotId: &id, ChangedBlocksCount: new(int32(1)), Checksum: sum, ChecksumAlgorithm: new("SHA256"), ChecksumAggregationMethod: new("LINEAR"),
	}
	for what, edit := range map[string]func(*api.CompleteSnapshotRequest){
		"negative":   func(in *api.CompleteSnapshotRequest) { in.ChangedBlocksCount = new(int32(-1)) },
		"no sum":     func(in *api.CompleteSnapshotRequest) { in.Checksum = new("YQ==") },
		"no Base64":  func(in *api.CompleteSnapshotRequest) { in.Checksum = new("?") },
		"algorithm":  func(in *api.CompleteSnapshotRequest) { in.ChecksumAlgorithm = nil },
		"the method": func(in *api.CompleteSnapshotRequest) { in.ChecksumAggregationMethod = new("TREE") },
	} {
		in := good
		edit(&in)
		_, err := r.CompleteSnapshot(r.ctx, &in)
		want(t, what, err, "ValidationException INVALID_PARAMETER_VALUE")
	}
	for range 2 {
		out, err := r.CompleteSnapshot(r.ctx, &good)
		if err != nil || *out.Status != api.StatusPending {
			t.Errorf("completed: %+v, %v", out, err)
		}
	}
	other := good
	other.ChangedBlocksCount = new(int32(2))
	_, err := r.CompleteSnapshot(r.ctx, &other)
	want(t, "with other values", err, "ValidationException INVALID_SNAPSHOT_ID")
	if f := r.get(id).Fill; !f.Complete || f.Blocks != 1 || len(f.Sum) != 32 {
		t.Errorf("%+v", f)
	}
}

// TestOthers: snapshots shared by name are read, public ones are not, and those of strangers
// are not there.
func TestOthers(t *testing.T) {
	r := newRig(t)
	id := r.start(api.StartSnapshotRequest{})
	r.put(id, 0, "x")
	r.complete(id, 1)
	list := func() error {
		_, err := r.ListSnapshotBlocks(r.AsRoot(bob), &api.ListSnapshotBlocksRequest{SnapshotId: &id})
		return err
	}
	want(t, "a stranger's", list(), "ResourceNotFoundException SNAPSHOT_NOT_FOUND")
	r.change(id, func(n *cloud.Snapshot) { n.Public = true })
	want(t, "public", list(), "ResourceNotFoundException SNAPSHOT_NOT_FOUND")
	r.change(id, func(n *cloud.Snapshot) { n.Shared = []string{bob} })
	want(t, "shared", list(), "")
	block := r.list(id)[0]
	_, err := r.GetSnapshotBlock(r.AsRoot(bob), &api.GetSnapshotBlockRequest{SnapshotId: &id, BlockIndex: block.BlockIndex, BlockToken: block.BlockToken})
	want(t, "with the owner's token", err, "ValidationException INVALID_BLOCK_TOKEN")
	r.change(id, func(n *cloud.Snapshot) { n.Delete = true })
	want(t, "deleted", list(), "ResourceNotFoundException SNAPSHOT_NOT_FOUND")

	one, two := r.start(api.StartSnapshotRequest{}), r.start(api.StartSnapshotRequest{})
	for _, id := range []string{one, two} {
		r.put(id, 0, "x")
		r.complete(id, 1)
	}
	_, err = r.ListChangedBlocks(r.ctx, &api.ListChangedBlocksRequest{FirstSnapshotId: &one, SecondSnapshotId: &two})
	want(t, "unrelated", err, "ValidationException UNRELATED_SNAPSHOTS")
	_, err = r.ListChangedBlocks(r.ctx, &api.ListChangedBlocksRequest{SecondSnapshotId: &two})
	want(t, "one of two", err, "ValidationException INVALID_PARAMETER_VALUE")
}
