package ec2

import (
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// diskCalls are the operations on snapshots, on what volumes become, and on their keys.
func diskCalls() map[string]call {
	type S = Service
	return map[string]call{
		"DescribeSnapshots":             list((*S).DescribeSnapshots),
		"DescribeVolumesModifications":  list((*S).DescribeVolumesModifications),
		"EnableEbsEncryptionByDefault":  list((*S).EnableEbsEncryptionByDefault),
		"DisableEbsEncryptionByDefault": list((*S).DisableEbsEncryptionByDefault),
		"GetEbsEncryptionByDefault":     list((*S).GetEbsEncryptionByDefault),
		"GetEbsDefaultKmsKeyId":         list((*S).GetEbsDefaultKmsKeyId),

		"CreateVolume of a snapshot": op((*S).CreateVolume, func(a *authRig) ec2.CreateVolumeRequest {
			return ec2.CreateVolumeRequest{AvailabilityZone: &a.net.Subnets[0].Zone, SnapshotId: &a.snapshot, VolumeType: new("gp3")}
		}, "volume*+ParentSnapshot snapshot"),
		"ModifyVolume": op((*S).ModifyVolume, func(a *authRig) ec2.ModifyVolumeRequest {
			return ec2.ModifyVolumeRequest{VolumeId: &a.loose, Size: new(int32(2))}
		}, "volume"),
		"DescribeVolumeAttribute": op((*S).DescribeVolumeAttribute, func(a *authRig) ec2.DescribeVolumeAttributeRequest {
			return ec2.DescribeVolumeAttributeRequest{VolumeId: &a.loose, Attribute: new("autoEnableIO")}
		}, "volume"),
		"ModifyVolumeAttribute": op((*S).ModifyVolumeAttribute, func(a *authRig) ec2.ModifyVolumeAttributeRequest {
			return ec2.ModifyVolumeAttributeRequest{VolumeId: &a.loose, AutoEnableIO: &ec2.AttributeBooleanValue{Value: new(true)}}
		}, "volume"),

		"CreateSnapshot": op((*S).CreateSnapshot, func(a *authRig) ec2.CreateSnapshotRequest {
			return ec2.CreateSnapshotRequest{VolumeId: &a.loose, TagSpecifications: tagSpec("snapshot", "k", "v")}
		}, "snapshot*+aws:RequestTag/k+aws:TagKeys volume\nec2:CreateTags snapshot*+aws:RequestTag/k+aws:TagKeys"),
		"CreateSnapshots": op((*S).CreateSnapshots, func(a *authRig) ec2.CreateSnapshotsRequest {
			return ec2.CreateSnapshotsRequest{InstanceSpecification: &ec2.InstanceSpecification{InstanceId: &a.instance}, TagSpecifications: tagSpec("snapshot", "k", "v")}
		}, "instance snapshot*+aws:RequestTag/k+aws:TagKeys volume\nec2:CreateTags snapshot*+aws:RequestTag/k+aws:TagKeys"),
		"CopySnapshot": op((*S).CopySnapshot, func(a *authRig) ec2.CopySnapshotRequest {
			return ec2.CopySnapshotRequest{SourceSnapshotId: &a.snapshot, SourceRegion: &a.Place.Region, TagSpecifications: tagSpec("snapshot", "k", "v")}
		}, "snapshot*+aws:RequestTag/k+aws:TagKeys-ParentVolume snapshot\nec2:CreateTags snapshot*+aws:RequestTag/k+aws:TagKeys-ParentVolume"),
		"DeleteSnapshot": op((*S).DeleteSnapshot, func(a *authRig) ec2.DeleteSnapshotRequest { return ec2.DeleteSnapshotRequest{SnapshotId: &a.snapshot} }, "snapshot"),
		"DescribeSnapshotAttribute": op((*S).DescribeSnapshotAttribute, func(a *authRig) ec2.DescribeSnapshotAttributeRequest {
			return ec2.DescribeSnapshotAttributeRequest{SnapshotId: &a.snapshot, Attribute: new("createVolumePermission")}
		}, "snapshot"),
		"ModifySnapshotAttribute": op((*S).ModifySnapshotAttribute, func(a *authRig) ec2.ModifySnapshotAttributeRequest {
			return ec2.ModifySnapshotAttributeRequest{SnapshotId: &a.snapshot, OperationType: new("add"), UserIds: []string{bob}, GroupNames: []string{"all"}}
		}, "snapshot+Add/group+Add/userId"),
		"ResetSnapshotAttribute": op((*S).ResetSnapshotAttribute, func(a *authRig) ec2.ResetSnapshotAttributeRequest {
			return ec2.ResetSnapshotAttributeRequest{SnapshotId: &a.snapshot, Attribute: new("createVolumePermission")}
		}, "snapshot"),
		"DescribeLockedSnapshots":   list((*S).DescribeLockedSnapshots),
		"ListSnapshotsInRecycleBin": list((*S).ListSnapshotsInRecycleBin),
		"ListImagesInRecycleBin":    list((*S).ListImagesInRecycleBin),
		"RestoreImageFromRecycleBin": op((*S).RestoreImageFromRecycleBin, func(a *authRig) ec2.RestoreImageFromRecycleBinRequest {
			i, _ := imageTable.Get(a.DB.View(), a.image)
			i.ID, i.Name, i.Retired, i.Expires = cloud.NewID("ami"), "binned", true, a.Now().Add(time.Hour)
			a.update(func(tx *store.Tx) error { return imageTable.Create(tx, i) })
			return ec2.RestoreImageFromRecycleBinRequest{ImageId: &i.ID}
		}, "image"),
		"LockSnapshot": op((*S).LockSnapshot, func(a *authRig) ec2.LockSnapshotRequest {
			return ec2.LockSnapshotRequest{SnapshotId: &a.snapshot, LockMode: new("compliance"), LockDuration: new(int32(1)), CoolOffPeriod: new(int32(1))}
		}, "snapshot+SnapshotCoolOffPeriod+SnapshotLockDuration"),
		"UnlockSnapshot": op((*S).UnlockSnapshot, func(a *authRig) ec2.UnlockSnapshotRequest {
			return ec2.UnlockSnapshotRequest{SnapshotId: &a.snapshot}
		}, "snapshot"),
		"RestoreSnapshotFromRecycleBin": op((*S).RestoreSnapshotFromRecycleBin, func(a *authRig) ec2.RestoreSnapshotFromRecycleBinRequest {
			n, _ := snapshotTable.Get(a.DB.View(), a.snapshot)
			n.ID, n.Binned = cloud.NewID("snap"), a.Now()
			a.update(func(tx *store.Tx) error { return snapshotTable.Create(tx, n) })
			return ec2.RestoreSnapshotFromRecycleBinRequest{SnapshotId: &n.ID}
		}, "snapshot"),
	}
}
