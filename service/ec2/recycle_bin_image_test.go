package ec2

import (
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// TestImageRecycleBin: an image that a rule is for is kept, hidden and restored, if its name
// is free and its snapshots are there.
func TestImageRecycleBin(t *testing.T) {
	r := newGuestRig(t)
	snapshot := r.takeSnapshot(r.createVolume())
	kept := r.registerImage(snapshot, func(in *registerIn) { in.TagSpecifications = tagSpec("image", "keep", "yes") })
	other := r.registerImage(snapshot, func(in *registerIn) { in.Name = new("other") })
	name := r.image(kept).Name
	r.update(func(tx *store.Tx) error {
		for resource, days := range map[string]int{"EC2_IMAGE": 3, "EBS_SNAPSHOT": 9} {
			rule := cloud.RecycleRule{Meta: cloud.Meta{ID: resource, Account: alice}, Resource: resource, Days: days, Match: []cloud.ResourceTag{{Key: "keep"}}}
			if err := recycleTable.Create(tx, rule); err != nil {
				return err
			}
		}
		return nil
	})
	for _, id := range []string{kept, other} {
		must(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &id}))(t)
	}
	list := must(r.ListImagesInRecycleBin(r.ctx, &ec2.ListImagesInRecycleBinRequest{}))(t).Images
	if len(list) != 1 || *list[0].ImageId != kept || *list[0].Name != name || list[0].RecycleBinExitTime.Sub(*list[0].RecycleBinEnterTime) != 3*24*time.Hour {
		t.Errorf("in the bin: %+v", list)
	}
	if got := r.seen(r.ctx, ec2.DescribeImagesRequest{}); len(got) != 0 {
		t.Errorf("alice has %v", got)
	}
	restore := func() error {
		return errorOf(r.RestoreImageFromRecycleBin(r.ctx, &ec2.RestoreImageFromRecycleBinRequest{ImageId: &kept}))
	}
	want(t, "restore another's", errorOf(r.RestoreImageFromRecycleBin(r.bob, &ec2.RestoreImageFromRecycleBinRequest{ImageId: &kept})), "InvalidAMIID.NotFound")
	want(t, "restore what is not kept", errorOf(r.RestoreImageFromRecycleBin(r.ctx, &ec2.RestoreImageFromRecycleBinRequest{ImageId: &other})), "InvalidAMIID.NotFound")
	heir := r.registerImage(snapshot, func(in *registerIn) { in.Name = &name })
	want(t, "its name is taken", restore(), "InvalidAMIName.Duplicate")
	must(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &heir}))(t)
	want(t, "delete its snapshot", r.deleteSnapshot(snapshot), "")
	want(t, "its snapshot is gone", restore(), "InvalidSnapshot.NotFound")
	r.update(func(tx *store.Tx) error {
		n, _ := snapshotTable.Get(tx, snapshot)
		n.Delete = false
		return snapshotTable.Put(tx, n)
	})
	want(t, "restore", restore(), "")
	if i := r.image(kept); i.Retired || !i.Available() || i.Name != name {
		t.Errorf("restored: %+v", i)
	}
	want(t, "restore again", restore(), "InvalidAMIID.NotFound")
}
