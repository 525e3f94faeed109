package ec2

import (
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// rootOf is the mapping of a root device to a snapshot.
func rootOf(snapshot string) []ec2.BlockDeviceMapping {
	return []ec2.BlockDeviceMapping{{DeviceName: new("/dev/sda1"), Ebs: &ec2.EbsBlockDevice{SnapshotId: &snapshot, VolumeType: new("gp3")}}}
}

// registerImage makes an image of a snapshot, named like it unless changed.
func (r *rig) registerImage(snapshot string, change ...func(*ec2.RegisterImageRequest)) string {
	r.Helper()
	in := ec2.RegisterImageRequest{Name: new("of " + snapshot), Description: new("d"), BlockDeviceMappings: rootOf(snapshot)}
	for _, c := range change {
		c(&in)
	}
	return *must(r.RegisterImage(r.ctx, &in))(r).ImageId
}

// createImage makes an image of an instance, whose snapshots are still to be taken.
func (r *rig) createImage(instance string, change ...func(*ec2.CreateImageRequest)) string {
	r.Helper()
	in := ec2.CreateImageRequest{InstanceId: &instance, Name: new("image of " + instance)}
	for _, c := range change {
		c(&in)
	}
	return *must(r.CreateImage(r.ctx, &in))(r).ImageId
}

func (r *rig) image(id string) cloud.Image {
	i, _ := imageTable.Get(r.DB.View(), id)
	return i
}

func (r *rig) changeImageDoc(id string, change func(*cloud.Image)) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return imageTable.Modify(tx, id, func(i *cloud.Image) error { change(i); return nil })
	})
}

// keepSnapshots completes the snapshots of an image, and the image, as its host and the
// control plane do.
func (r *rig) keepSnapshots(id string) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		for _, m := range r.image(id).Mappings {
			if m.Snapshot == "" {
				continue
			}
			err := snapshotTable.Modify(tx, m.Snapshot, func(s *cloud.Snapshot) error {
				s.Seen.Ready, s.Seen.Progress = true, 100
				return nil
			})
			if err != nil {
				return err
			}
		}
		return imageTable.Modify(tx, id, func(i *cloud.Image) error { i.Pending = false; return nil })
	})
}

// shown is the image as alice sees it.
func (r *rig) shown(id string) ec2.Image {
	r.Helper()
	return must(r.DescribeImages(r.ctx, &ec2.DescribeImagesRequest{ImageIds: []string{id}}))(r).Images[0]
}
