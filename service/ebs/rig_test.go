package ebs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/fake"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/store"
)

const (
	alice = identitytest.Alice
	bob   = identitytest.Bob
)

// rig is a Service on a test cloud, with a host whose engine is simulated. ctx acts as the
// root of Alice's account.
type rig struct {
	*Service
	*identitytest.Cloud
	ctx    context.Context
	engine *fake.Driver
}

// simulated is the blocks of a simulated engine.
type simulated struct{ *fake.Driver }

func (d simulated) ChangedBlocks(ctx context.Context, first, second *cloud.Snapshot, from int64, limit int) (out []cloud.BlockChange, err error) {
	was := ""
	if first != nil {
		was = first.ID
	}
	found, err := d.Changed(ctx, block.Keyed{ID: was}, block.Keyed{ID: second.ID}, from, limit)
	for _, c := range found {
		out = append(out, cloud.BlockChange(c))
	}
	return out, err
}

func (d simulated) ReadBlock(ctx context.Context, s *cloud.Snapshot, index int64) ([]byte, error) {
	return d.Driver.ReadBlock(ctx, block.Keyed{ID: s.ID}, index)
}

func (d simulated) WriteBlock(ctx context.Context, s, parent *cloud.Snapshot, index int64, data []byte) error {
	if err := d.begin(ctx, s, parent); err != nil {
		return err
	}
	return d.Driver.WriteBlock(ctx, block.Keyed{ID: s.ID}, index, data)
}

func (d simulated) begin(ctx context.Context, s, parent *cloud.Snapshot) error {
	f := block.Filling{Keyed: block.Keyed{ID: s.ID}, Bytes: int64(s.SizeGiB) << 30}
	if parent != nil {
		f.Parent.ID = parent.ID
	}
	return d.Begin(ctx, f)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	c, d := identitytest.New(t), fake.New(fake.Config{})
	r := &rig{Cloud: c, engine: d, ctx: c.AsRoot(alice), Service: &Service{
		DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, NewID: cloud.NewID, Blocks: simulated{d}, DiskKeys: c.Keys.Disks, Key: []byte("a key of the rig"),
	}}
	c.Update(func(tx *store.Tx) error {
		return hosts.Create(tx, cloud.Host{ID: "host", Zones: c.Place.Zones, DiskFree: 100, Seen: c.Now()})
	})
	return r
}

func (r *rig) start(in api.StartSnapshotRequest) string {
	r.Helper()
	if in.VolumeSize == nil {
		in.VolumeSize = new(int64(1))
	}
	out, err := r.StartSnapshot(r.ctx, &in)
	if err != nil {
		r.Fatal(err)
	}
	return *out.SnapshotId
}

func data(text string) []byte {
	return append([]byte(text), make([]byte, cloud.BlockBytes-len(text))...)
}

// block is a request to put a block that begins with the text.
func putting(id string, index int32, text string) *api.PutSnapshotBlockRequest {
	sum := sha256.Sum256(data(text))
	return &api.PutSnapshotBlockRequest{
		SnapshotId: &id, BlockIndex: &index, BlockData: bytes.NewReader(data(text)), DataLength: new(int32(cloud.BlockBytes)),
		Checksum: new(base64.StdEncoding.EncodeToString(sum[:])), ChecksumAlgorithm: new(api.ChecksumAlgorithmSHA256),
	}
}

func (r *rig) put(id string, index int32, text string) {
	r.Helper()
	if _, err := r.PutSnapshotBlock(r.ctx, putting(id, index, text)); err != nil {
		r.Fatal(err)
	}
}

// complete completes a snapshot, and does what its host does then.
func (r *rig) complete(id string, blocks int32) {
	r.Helper()
	if _, err := r.CompleteSnapshot(r.ctx, &api.CompleteSnapshotRequest{SnapshotId: &id, ChangedBlocksCount: &blocks}); err != nil {
		r.Fatal(err)
	}
	if _, err := r.engine.Finish(r.ctx, block.Keyed{ID: id}, false); err != nil {
		r.Fatal(err)
	}
	r.change(id, func(n *cloud.Snapshot) { n.Seen.Ready = true })
}

func (r *rig) change(id string, edit func(*cloud.Snapshot)) {
	r.Helper()
	r.Update(func(tx *store.Tx) error {
		return snapshots.Modify(tx, id, func(n *cloud.Snapshot) error { edit(n); return nil })
	})
}

func (r *rig) get(id string) cloud.Snapshot {
	n, _ := snapshots.Get(r.Cloud.DB.View(), id)
	return n
}

func (r *rig) list(id string) []api.Block {
	r.Helper()
	out, err := r.ListSnapshotBlocks(r.ctx, &api.ListSnapshotBlocksRequest{SnapshotId: &id})
	if err != nil {
		r.Fatal(err)
	}
	return out.Blocks
}

func (r *rig) read(id string, b api.Block) string {
	r.Helper()
	out, err := r.GetSnapshotBlock(r.ctx, &api.GetSnapshotBlockRequest{SnapshotId: &id, BlockIndex: b.BlockIndex, BlockToken: b.BlockToken})
	if err != nil {
		r.Fatal(err)
	}
	body, err := io.ReadAll(out.BlockData)
	if err != nil || *out.Checksum != checksum(body) || int(*out.DataLength) != len(body) || len(body) != cloud.BlockBytes {
		r.Errorf("block of %d bytes, checksum %s, %v", *out.DataLength, *out.Checksum, err)
	}
	text, _, _ := bytes.Cut(body, []byte{0})
	return string(text)
}

// code is the API's code of an error and its reason, "" for nil.
func code(err error) string {
	e, ok := errors.AsType[*cloud.Error](err)
	switch {
	case err == nil:
		return ""
	case !ok:
		return "InternalError: " + err.Error()
	case e.Reason != "":
		return e.Code + " " + e.Reason
	}
	return e.Code
}

func want(t *testing.T, what string, err error, wanted string) {
	t.Helper()
	if code(err) != wanted {
		t.Errorf("%s: got %q (%v), want %q", what, code(err), err, wanted)
	}
}
