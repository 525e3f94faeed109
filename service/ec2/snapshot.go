package ec2

import (
	"cmp"
	"context"
	"slices"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxDescription is the length of a snapshot's description, in characters.
const maxDescription = 255

// visibleSnapshot returns the snapshot of that ID if the caller may make volumes of it.
func visibleSnapshot(r store.Reader, c cloud.Caller, id string) (cloud.Snapshot, bool) {
	s, ok := snapshotTable.Get(r, id)
	return s, ok && seesSnapshot(c, s)
}

func seesSnapshot(c cloud.Caller, s cloud.Snapshot) bool {
	return s.Kept() && (s.Account == c.Account || s.Public || slices.Contains(s.Shared, c.Account))
}

func seenSnapshot(a asking, id string) (cloud.Snapshot, bool) { return visibleSnapshot(a.r, a.c, id) }

// source is the snapshot that a new volume is to start with, nil if there is none.
func (a asking) source(id *string) *cloud.Snapshot {
	if s, ok := visibleSnapshot(a.r, a.c, val(id)); ok {
		return &s
	}
	return nil
}

// ownSnapshot returns the caller's snapshot of that ID.
func ownSnapshot(r store.Reader, c cloud.Caller, id *string) (cloud.Snapshot, error) {
	if val(id) == "" {
		return cloud.Snapshot{}, missing("snapshotId")
	}
	s, err := get(r, c, snapshotTable, "snap", *id)
	if err == nil && !s.Kept() {
		err = notFound("snap", *id)
	}
	return s, err
}

func notCompleted(s cloud.Snapshot) error {
	return cloud.Errorf("IncorrectState", "Snapshot '%s' is in invalid state - %s. Wait until it is completed.", s.ID, s.State())
}

// snapshotRequest is what CreateSnapshot and CreateSnapshots have in common.
type snapshotRequest struct {
	location, outpost, description *string
	specs                          []ec2.TagSpecification
}

// check returns the tags that were asked for, or why the request cannot be obeyed.
func (q snapshotRequest) check() (map[string]string, error) {
	switch {
	case val(q.outpost) != "":
		return nil, unsupported("Outposts are not available.")
	case !slices.Contains([]string{"", ec2.SnapshotLocationEnumRegional}, val(q.location)):
		return nil, unsupported("Snapshots lie in the region. Leave out Location, or give regional.")
	}
	if err := checkSnapshotDescription(q.description); err != nil {
		return nil, err
	}
	return tagsFromSpec(q.specs, "snapshot")
}

func checkSnapshotDescription(text *string) error {
	if utf8.RuneCountInString(val(text)) > maxDescription {
		return cloud.Errorf("InvalidParameterValue", "The description is longer than %d characters", maxDescription)
	}
	return nil
}

// CreateSnapshot has the host of a volume keep what it holds. The guest goes on.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html
func (s *Service) CreateSnapshot(ctx context.Context, in *ec2.CreateSnapshotRequest) (*ec2.Snapshot, error) {
	a := s.asking(ctx)
	of, _ := aboutVolume.find(a, val(in.VolumeId))
	caller, err := s.allow(ctx, "CreateSnapshot", in.DryRun,
		a.newSnapshot(of, val(in.VolumeId), requestTags(in.TagSpecifications, "snapshot")), aboutVolume.of(a, val(in.VolumeId)))
	tags, refused := snapshotRequest{in.Location, in.OutpostArn, in.Description, in.TagSpecifications}.check()
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	if val(in.VolumeId) == "" {
		return nil, missing("volumeId")
	}
	var made cloud.Snapshot
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		v, err := get(tx, caller, volumeTable, "vol", *in.VolumeId)
		if err == nil {
			made, err = s.snapshot(tx, v, "", val(in.Description), tags)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := s.showSnapshot(made, caller)
	return &out, nil
}

// newSnapshot is the subject of a snapshot that is to be made of a volume.
func (a asking) newSnapshot(of cloud.Volume, volume string, tags map[string]string) subject {
	like := cloud.Snapshot{Meta: cloud.Meta{Account: a.c.Account}, Volume: volume, SizeGiB: of.SizeGiB, Encrypted: of.Encrypted}
	return aboutSnapshot.made(a, like, tags)
}

// snapshot makes the document of a snapshot of a volume.
func (s *Service) snapshot(tx *store.Tx, v cloud.Volume, group, description string, tags map[string]string) (cloud.Snapshot, error) {
	if state := v.State(); state != cloud.VolumeAvailable && state != cloud.VolumeInUse || !v.Seen.Ready {
		return cloud.Snapshot{}, cloud.Errorf("IncorrectState", "The volume '%s' is '%s'. Wait until it is available or in-use.", v.ID, state)
	}
	made := cloud.Snapshot{
		Meta:   cloud.Meta{ID: s.NewID("snap"), Account: v.Account, Created: s.Now().UTC(), Tags: tags},
		Volume: v.ID, SizeGiB: v.SizeGiB, Description: description, Host: v.Host, Group: group, Encrypted: v.Encrypted,
		Kernel: bootImage(tx, v),
	}
	made.Sealed = s.newDiskKey(made.ID)
	return made, snapshotTable.Create(tx, made)
}

// bootImage is the image beside whose bytes the kernel of a volume's guest lies, "" if it
// boots by itself.
func bootImage(r store.Reader, v cloud.Volume) string {
	if i, ok := imageTable.Get(r, v.Image); ok {
		return i.BootImage()
	}
	n, _ := snapshotTable.Get(r, v.Snapshot)
	return n.Kernel
}

// DeleteSnapshot gives up a snapshot; its host then removes the bytes, unless the recycle bin
// is to keep it. What was made of it stays.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html
func (s *Service) DeleteSnapshot(ctx context.Context, in *ec2.DeleteSnapshotRequest) (*ec2.DeleteSnapshotOutput, error) {
	caller, err := s.allow(ctx, "DeleteSnapshot", in.DryRun, aboutSnapshot.of(s.asking(ctx), val(in.SnapshotId)))
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := ownSnapshot(tx, caller, in.SnapshotId)
		if err != nil {
			return err
		}
		return s.deleteSnapshot(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteSnapshotOutput{}, nil
}

// deleteSnapshot has a snapshot removed, or kept in the recycle bin, unless an image needs it or
// it is locked.
func (s *Service) deleteSnapshot(tx *store.Tx, n cloud.Snapshot) error {
	if image := imageOf(tx, n.ID); image != "" {
		return cloud.Errorf("InvalidSnapshot.InUse", "The snapshot %s is currently in use by %s", n.ID, image)
	}
	now := s.Now().UTC()
	if n.Lock.Holds(now) {
		return cloud.Errorf("SnapshotLocked", "The snapshot %s is locked, and cannot be deleted", n.ID)
	}
	return snapshotTable.Put(tx, n.GiveUp(now, recycleTable.Select(tx, cloud.AccountLabel(n.Account))))
}

// imageOf is an image that stands on the snapshot, "" if there is none.
func imageOf(r store.Reader, snapshot string) string {
	for i := range imageTable.Select(r, "snapshot/"+snapshot) {
		if !i.Retired {
			return i.ID
		}
	}
	return ""
}
