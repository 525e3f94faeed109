package ec2

import (
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

// imageCalls are the operations on images.
func imageCalls() map[string]call {
	type S = Service
	const newImage, newSnapshot = "image*+aws:RequestTag/k+aws:TagKeys", "snapshot*+aws:RequestTag/k+aws:TagKeys"
	both := append(tagSpec("image", "k", "v"), tagSpec("snapshot", "k", "v")...)
	return map[string]call{
		"CreateImage": op((*S).CreateImage, func(a *authRig) ec2.CreateImageRequest {
			return ec2.CreateImageRequest{InstanceId: &a.instance, Name: new("new"), TagSpecifications: both}
		}, newImage+" instance "+newSnapshot+"\nec2:CreateTags "+newImage+" "+newSnapshot),
		"CreateImage with a snapshot": op((*S).CreateImage, func(a *authRig) ec2.CreateImageRequest {
			return ec2.CreateImageRequest{InstanceId: &a.instance, Name: new("new"), BlockDeviceMappings: []ec2.BlockDeviceMapping{
				{DeviceName: new("/dev/sdf"), Ebs: &ec2.EbsBlockDevice{SnapshotId: &a.snapshot}},
			}}
		}, "image* instance snapshot* snapshot"),
		"RegisterImage": op((*S).RegisterImage, func(a *authRig) ec2.RegisterImageRequest {
			return ec2.RegisterImageRequest{Name: new("new"), TagSpecifications: tagSpec("image", "k", "v"), BlockDeviceMappings: rootOf(a.snapshot)}
		}, newImage+" snapshot\nec2:CreateTags "+newImage),
		"CopyImage": op((*S).CopyImage, func(a *authRig) ec2.CopyImageRequest {
			return ec2.CopyImageRequest{Name: new("new"), SourceImageId: &a.image, SourceRegion: &a.Place.Region, TagSpecifications: both}
		}, newImage+" image "+newSnapshot+"-ParentVolume-VolumeSize\nec2:CreateTags "+newImage+" "+newSnapshot+"-ParentVolume-VolumeSize"),
		"DeregisterImage": op((*S).DeregisterImage, func(a *authRig) ec2.DeregisterImageRequest { return ec2.DeregisterImageRequest{ImageId: &a.image} }, "image"),
		"EnableImage":     op((*S).EnableImage, func(a *authRig) ec2.EnableImageRequest { return ec2.EnableImageRequest{ImageId: &a.image} }, "image"),
		"DisableImage":    op((*S).DisableImage, func(a *authRig) ec2.DisableImageRequest { return ec2.DisableImageRequest{ImageId: &a.image} }, "image"),
		"EnableImageDeprecation": op((*S).EnableImageDeprecation, func(a *authRig) ec2.EnableImageDeprecationRequest {
			return ec2.EnableImageDeprecationRequest{ImageId: &a.image, DeprecateAt: new(a.Now().Add(time.Hour))}
		}, "image"),
		"DisableImageDeprecation": op((*S).DisableImageDeprecation, func(a *authRig) ec2.DisableImageDeprecationRequest {
			return ec2.DisableImageDeprecationRequest{ImageId: &a.image}
		}, "image"),
		"EnableImageDeregistrationProtection": op((*S).EnableImageDeregistrationProtection, func(a *authRig) ec2.EnableImageDeregistrationProtectionRequest {
			return ec2.EnableImageDeregistrationProtectionRequest{ImageId: &a.image}
		}, "image"),
		"DisableImageDeregistrationProtection": op((*S).DisableImageDeregistrationProtection, func(a *authRig) ec2.DisableImageDeregistrationProtectionRequest {
			return ec2.DisableImageDeregistrationProtectionRequest{ImageId: &a.image}
		}, "image"),
		"DescribeImageAttribute": op((*S).DescribeImageAttribute, func(a *authRig) ec2.DescribeImageAttributeRequest {
			return ec2.DescribeImageAttributeRequest{ImageId: &a.image, Attribute: new("launchPermission")}
		}, "image"),
		"ModifyImageAttribute": op((*S).ModifyImageAttribute, func(a *authRig) ec2.ModifyImageAttributeRequest {
			return ec2.ModifyImageAttributeRequest{ImageId: &a.image, OperationType: new("add"), UserIds: []string{bob}, UserGroups: []string{"all"}}
		}, "image+Add/group+Add/userId+Attribute"),
		"ModifyImageAttribute of the description": op((*S).ModifyImageAttribute, func(a *authRig) ec2.ModifyImageAttributeRequest {
			return ec2.ModifyImageAttributeRequest{ImageId: &a.image, Attribute: new("description"), Value: new("better")}
		}, "image+Attribute+Attribute/Description"),
		"ResetImageAttribute": op((*S).ResetImageAttribute, func(a *authRig) ec2.ResetImageAttributeRequest {
			return ec2.ResetImageAttributeRequest{ImageId: &a.image, Attribute: new("launchPermission")}
		}, "image"),
		"CancelImageLaunchPermission": op((*S).CancelImageLaunchPermission, func(a *authRig) ec2.CancelImageLaunchPermissionRequest {
			return ec2.CancelImageLaunchPermissionRequest{ImageId: &a.image}
		}, "image"),
	}
}
