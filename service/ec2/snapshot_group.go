package ec2

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateSnapshots has the host of an instance keep what its volumes hold at one
// instant, all but those that are left out.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
func (s *Service) CreateSnapshots(ctx context.Context, in *ec2.CreateSnapshotsRequest) (*ec2.CreateSnapshotsResult, error) {
	a, which := s.asking(ctx), val(in.InstanceSpecification)
	about := []subject{aboutInstance.of(a, val(which.InstanceId))}
	tags := requestTags(in.TagSpecifications, "snapshot")
	if i, ok := aboutInstance.find(a, val(which.InstanceId)); ok {
		for _, v := range chosenVolumes(a.r, i, which) {
			about = append(about, a.newSnapshot(v, v.ID, tags), aboutVolume.doc(a, v))
		}
	}
	if len(about) == 1 {
		about = append(about, a.newSnapshot(cloud.Volume{}, "", tags), a.absent("vol", ""))
	}
	caller, err := s.allow(ctx, "CreateSnapshots", in.DryRun, about...)
	given, refused := snapshotRequest{in.Location, in.OutpostArn, in.Description, in.TagSpecifications}.check()
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	switch {
	case val(which.InstanceId) == "":
		return nil, missing("InstanceSpecification.InstanceId")
	case !slices.Contains([]string{"", ec2.CopyTagsFromSourceVolume}, val(in.CopyTagsFromSource)):
		return nil, invalid("CopyTagsFromSource", *in.CopyTagsFromSource, "Valid values are: volume.")
	}
	var made []cloud.Snapshot
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		made = made[:0]
		i, err := get(tx, caller, instanceTable, "i", *which.InstanceId)
		if err != nil {
			return err
		}
		if err := checkExcluded(tx, i, which); err != nil {
			return err
		}
		group := s.NewID("snapgroup")
		for _, v := range chosenVolumes(tx, i, which) {
			tags := given
			if val(in.CopyTagsFromSource) != "" {
				tags = maps.Clone(v.Tags)
				if tags == nil {
					tags = map[string]string{}
				}
				maps.Copy(tags, given)
			}
			n, err := s.snapshot(tx, v, group, val(in.Description), tags)
			if err != nil {
				return err
			}
			made = append(made, n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSnapshotsResult{Snapshots: each(made, showSnapshotInfo)}, nil
}

// chosenVolumes are the volumes of an instance that are not left out, the root
// device first.
func chosenVolumes(r store.Reader, i cloud.Instance, which ec2.InstanceSpecification) []cloud.Volume {
	all := slices.DeleteFunc(volumesOf(r, i), func(v cloud.Volume) bool {
		return isRoot(v, i) && val(which.ExcludeBootVolume) || slices.Contains(which.ExcludeDataVolumeIds, v.ID)
	})
	slices.SortStableFunc(all, func(a, b cloud.Volume) int {
		switch {
		case isRoot(a, i):
			return -1
		case isRoot(b, i):
			return 1
		}
		return cmp.Compare(a.Attachment.Device, b.Attachment.Device)
	})
	return all
}

func isRoot(v cloud.Volume, i cloud.Instance) bool { return v.Attachment.Device == i.RootDevice }

// checkExcluded refuses to leave out what the instance has not, and everything.
func checkExcluded(r store.Reader, i cloud.Instance, which ec2.InstanceSpecification) error {
	if err := checkIDs("vol", which.ExcludeDataVolumeIds...); err != nil {
		return err
	}
	volumes := volumesOf(r, i)
	for _, id := range which.ExcludeDataVolumeIds {
		if !slices.ContainsFunc(volumes, func(v cloud.Volume) bool { return v.ID == id && !isRoot(v, i) }) {
			return invalid("ExcludeDataVolumeId", id, "It is not a data volume of instance '"+i.ID+"'.")
		}
	}
	if len(chosenVolumes(r, i, which)) == 0 {
		return cloud.Errorf("InvalidParameterCombination", "No volume of instance '%s' is left to take a snapshot of. Leave out fewer.", i.ID)
	}
	return nil
}

func showSnapshotInfo(n cloud.Snapshot) ec2.SnapshotInfo {
	return ec2.SnapshotInfo{
		SnapshotId: &n.ID, VolumeId: &n.Volume, OwnerId: &n.Account, Description: &n.Description, Encrypted: &n.Encrypted,
		VolumeSize: new(int32(n.SizeGiB)), StartTime: &n.Created, State: new(string(n.State())), Progress: new(progress(n)), Tags: tagSet(n.Tags),
	}
}
