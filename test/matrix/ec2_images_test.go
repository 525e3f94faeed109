package matrix

import (
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ec2Images are the operations that make and change images.
var ec2Images = table{
	"ec2:CreateImage": func(w *world) row {
		_, i := w.attached()
		return row{
			in: &api.CreateImageRequest{InstanceId: &i, Name: new("new image"), TagSpecifications: append(tagSpec("image"), tagSpec("snapshot")...)},
			needs: []need{
				on(w.images("*"), "ec2:Owner", Alice, "aws:RequestTag/team", "blue"),
				on(w.arn(i), blue, "blue", "ec2:InstanceType", "t3.nano"),
				on(w.snapshots("*"), "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.images("*"), "ec2:CreateAction", "CreateImage", "aws:RequestTag/team", "blue"),
				also("ec2:CreateTags", w.snapshots("*"), "ec2:CreateAction", "CreateImage", "aws:RequestTag/team", "blue"),
			},
			other: "InvalidInstanceID.NotFound",
		}
	},
	"ec2:RegisterImage": func(w *world) row {
		s := w.snapshot()
		return row{
			in: &api.RegisterImageRequest{Name: new("new image"), BlockDeviceMappings: rootOf(s), TagSpecifications: tagSpec("image")},
			needs: []need{
				on(w.images("*"), "ec2:Owner", Alice, "aws:RequestTag/team", "blue"),
				on(w.arn(s), blue, "blue", "ec2:VolumeSize", "2"),
				also("ec2:CreateTags", w.images("*"), "ec2:CreateAction", "RegisterImage", "aws:RequestTag/team", "blue"),
			},
			other: "InvalidSnapshot.NotFound",
		}
	},
	"ec2:CopyImage": func(w *world) row {
		i := w.image()
		return row{
			in: &api.CopyImageRequest{Name: new("new image"), SourceImageId: &i, SourceRegion: &w.Place.Region, TagSpecifications: tagSpec("image")},
			needs: []need{
				on(w.images("*"), "aws:RequestTag/team", "blue"),
				on(w.arn(i), blue, "blue", "ec2:Owner", Alice),
				also("ec2:CreateTags", w.images("*"), "ec2:CreateAction", "CopyImage", "aws:RequestTag/team", "blue"),
			},
			other: "InvalidAMIID.NotFound",
		}
	},
	"ec2:ListImagesInRecycleBin": func(w *world) row {
		w.recycledImage()
		return row{in: &api.ListImagesInRecycleBinRequest{}}
	},
	"ec2:RestoreImageFromRecycleBin": func(w *world) row {
		id := w.recycledImage()
		return row{in: &api.RestoreImageFromRecycleBinRequest{ImageId: &id}, needs: []need{on(w.arn(id), blue, "blue", "ec2:Owner", Alice)}, other: "InvalidAMIID.NotFound"}
	},
	"ec2:DeregisterImage": onImage(func(id string) any { return &api.DeregisterImageRequest{ImageId: &id} }),
	"ec2:DisableImage":    onImage(func(id string) any { return &api.DisableImageRequest{ImageId: &id} }),
	"ec2:EnableImage":     onImage(func(id string) any { return &api.EnableImageRequest{ImageId: &id} }),
	"ec2:EnableImageDeprecation": func(w *world) row {
		return onImage(func(id string) any {
			return &api.EnableImageDeprecationRequest{ImageId: &id, DeprecateAt: new(w.Now().Add(time.Hour))}
		})(w)
	},
	"ec2:DisableImageDeprecation": onImage(func(id string) any { return &api.DisableImageDeprecationRequest{ImageId: &id} }),
	"ec2:EnableImageDeregistrationProtection": onImage(func(id string) any {
		return &api.EnableImageDeregistrationProtectionRequest{ImageId: &id}
	}),
	"ec2:DisableImageDeregistrationProtection": onImage(func(id string) any {
		return &api.DisableImageDeregistrationProtectionRequest{ImageId: &id}
	}),
	"ec2:DescribeImageAttribute": onImage(func(id string) any {
		return &api.DescribeImageAttributeRequest{ImageId: &id, Attribute: new("launchPermission")}
	}),
	"ec2:ModifyImageAttribute": onImage(func(id string) any {
		return &api.ModifyImageAttributeRequest{ImageId: &id, OperationType: new("add"), UserIds: []string{Management}}
	}, "ec2:Add/userId", Management, "ec2:Attribute", "LaunchPermission"),
	"ec2:ResetImageAttribute": onImage(func(id string) any {
		return &api.ResetImageAttributeRequest{ImageId: &id, Attribute: new("launchPermission")}
	}),
	"ec2:CancelImageLaunchPermission": func(w *world) row {
		lent := cloud.Image{Meta: cloud.Meta{ID: cloud.NewID("ami"), Account: Management}, Name: "lent", Shared: []string{Alice}}
		w.Update(func(tx *store.Tx) error { return images.Create(tx, lent) })
		return row{
			in:    &api.CancelImageLaunchPermissionRequest{ImageId: &lent.ID},
			needs: []need{on(w.arn(lent.ID), "ec2:Owner", Management)},
			other: "InvalidAMIID.NotFound",
		}
	},
}

// onImage is the row of an operation on one image.
func onImage(in func(id string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		id := w.image()
		return row{in: in(id), needs: []need{on(w.arn(id), append(pairs, blue, "blue", "ec2:Owner", Alice)...)}, other: "InvalidAMIID.NotFound"}
	}
}
