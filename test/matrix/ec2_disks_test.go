package matrix

import api "github.com/vauban-cloud/vauban/awsapi/ec2"

// ec2Disks are the operations on snapshots, on what volumes become, and on their keys.
var ec2Disks = table{
	"ec2:EnableEbsEncryptionByDefault":  list(&api.EnableEbsEncryptionByDefaultRequest{}),
	"ec2:DisableEbsEncryptionByDefault": list(&api.DisableEbsEncryptionByDefaultRequest{}),
	"ec2:CreateSnapshot": func(w *world) row {
		v := w.volume()
		return row{
			in: &api.CreateSnapshotRequest{VolumeId: &v, TagSpecifications: tagSpec("snapshot")},
			needs: []need{
				on(w.snapshots("*"), "ec2:ParentVolume", w.arn(v), "ec2:VolumeSize", "2", "aws:RequestTag/team", "blue"),
				on(w.arn(v), blue, "blue", "ec2:VolumeSize", "2"),
				also("ec2:CreateTags", w.snapshots("*"), "ec2:CreateAction", "CreateSnapshot", "aws:RequestTag/team", "blue"),
			},
			other: "InvalidVolume.NotFound",
		}
	},
	"ec2:CreateSnapshots": func(w *world) row {
		v, i := w.attached()
		return row{
			in: &api.CreateSnapshotsRequest{
				InstanceSpecification: &api.InstanceSpecification{InstanceId: &i, ExcludeBootVolume: new(true)}, TagSpecifications: tagSpec("snapshot"),
			},
			needs: []need{
				on(w.arn(i), blue, "blue", "ec2:InstanceType", "t3.nano"),
				on(w.snapshots("*"), "ec2:ParentVolume", w.arn(v), "aws:RequestTag/team", "blue"),
				on(w.arn(v), blue, "blue"),
				also("ec2:CreateTags", w.snapshots("*"), "ec2:CreateAction", "CreateSnapshots", "aws:RequestTag/team", "blue"),
			},
			other: "InvalidInstanceID.NotFound",
		}
	},
	"ec2:CopySnapshot": func(w *world) row {
		s := w.snapshot()
		return row{
			in: &api.CopySnapshotRequest{SourceSnapshotId: &s, SourceRegion: &w.Place.Region, TagSpecifications: tagSpec("snapshot")},
			needs: []need{
				on(w.snapshots("*"), "aws:RequestTag/team", "blue"),
				on(w.arn(s), blue, "blue", "ec2:VolumeSize", "2", "ec2:Owner", Alice),
				also("ec2:CreateTags", w.snapshots("*"), "ec2:CreateAction", "CopySnapshot", "aws:RequestTag/team", "blue"),
			},
			other: "InvalidSnapshot.NotFound",
		}
	},
	"ec2:DeleteSnapshot": onSnapshot(func(id string) any { return &api.DeleteSnapshotRequest{SnapshotId: &id} }),
	"ec2:DescribeSnapshotAttribute": onSnapshot(func(id string) any {
		return &api.DescribeSnapshotAttributeRequest{SnapshotId: &id, Attribute: new("createVolumePermission")}
	}),
	"ec2:ModifySnapshotAttribute": onSnapshot(func(id string) any {
		return &api.ModifySnapshotAttributeRequest{SnapshotId: &id, OperationType: new("add"), UserIds: []string{Management}}
	}, "ec2:Add/userId", Management),
	"ec2:ResetSnapshotAttribute": onSnapshot(func(id string) any {
		return &api.ResetSnapshotAttributeRequest{SnapshotId: &id, Attribute: new("createVolumePermission")}
	}),
	"ec2:LockSnapshot": onSnapshot(func(id string) any {
		return &api.LockSnapshotRequest{SnapshotId: &id, LockMode: new("compliance"), LockDuration: new(int32(7)), CoolOffPeriod: new(int32(24))}
	}, "ec2:SnapshotLockDuration", "7", "ec2:SnapshotCoolOffPeriod", "24"),
	"ec2:UnlockSnapshot": func(w *world) row {
		id := w.snapshot()
		made[*api.LockSnapshotResult](w, Alice, &api.LockSnapshotRequest{SnapshotId: &id, LockMode: new("governance"), LockDuration: new(int32(7))})
		return row{in: &api.UnlockSnapshotRequest{SnapshotId: &id}, needs: []need{on(w.arn(id), blue, "blue")}, other: "InvalidSnapshot.NotFound"}
	},
	"ec2:DescribeLockedSnapshots": func(w *world) row {
		id := w.snapshot()
		made[*api.LockSnapshotResult](w, Alice, &api.LockSnapshotRequest{SnapshotId: &id, LockMode: new("governance"), LockDuration: new(int32(7))})
		return row{in: &api.DescribeLockedSnapshotsRequest{}}
	},
	"ec2:ListSnapshotsInRecycleBin": func(w *world) row {
		w.recycled()
		return row{in: &api.ListSnapshotsInRecycleBinRequest{}}
	},
	"ec2:RestoreSnapshotFromRecycleBin": func(w *world) row {
		id := w.recycled()
		return row{in: &api.RestoreSnapshotFromRecycleBinRequest{SnapshotId: &id}, needs: []need{on(w.arn(id), blue, "blue")}, other: "InvalidSnapshot.NotFound"}
	},
	"ec2:ModifyVolume": onVolume(func(id string) any { return &api.ModifyVolumeRequest{VolumeId: &id, Size: new(int32(3))} }),
	"ec2:DescribeVolumeAttribute": onVolume(func(id string) any {
		return &api.DescribeVolumeAttributeRequest{VolumeId: &id, Attribute: new("autoEnableIO")}
	}),
	"ec2:ModifyVolumeAttribute": onVolume(func(id string) any {
		return &api.ModifyVolumeAttributeRequest{VolumeId: &id, AutoEnableIO: &api.AttributeBooleanValue{Value: new(true)}}
	}),
}

// onSnapshot is the row of an operation on one snapshot.
func onSnapshot(in func(id string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		id := w.snapshot()
		return row{in: in(id), needs: []need{on(w.arn(id), append(pairs, blue, "blue", "ec2:VolumeSize", "2")...)}, other: "InvalidSnapshot.NotFound"}
	}
}

// onVolume is the row of an operation on one volume.
func onVolume(in func(id string) any) func(*world) row {
	return func(w *world) row {
		id := w.volume()
		return row{in: in(id), needs: []need{on(w.arn(id), blue, "blue", "ec2:VolumeSize", "2")}, other: "InvalidVolume.NotFound"}
	}
}
