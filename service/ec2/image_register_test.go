package ec2

import (
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

type registerIn = ec2.RegisterImageRequest

func TestRegisterImage(t *testing.T) {
	r := newGuestRig(t)
	r.changeImageDoc(testImage, func(i *cloud.Image) { i.Direct, i.KernelArgs, i.User = true, "quiet", "admin" })
	instance := r.twoDisks()
	root, loose := r.takeSnapshot(r.volumes(instance)[0].ID), r.takeSnapshot(r.createVolume())
	copied := *must(r.CopySnapshot(r.ctx, &ec2.CopySnapshotRequest{SourceSnapshotId: &root, SourceRegion: &r.Place.Region}))(t).SnapshotId
	r.complete(copied)
	id := r.registerImage(copied, func(in *registerIn) {
		in.Architecture, in.VirtualizationType, in.RootDeviceName, in.BootMode = new("x86_64"), new("hvm"), new("/dev/sda1"), new("uefi-preferred")
		in.EnaSupport, in.SriovNetSupport, in.ImdsSupport = new(true), new("simple"), new("v2.0")
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, device("/dev/sdb", ebs{SnapshotId: &loose, VolumeSize: new(int32(20))}), device("/dev/sdc", ebs{VolumeSize: new(int32(1))}))
		in.TagSpecifications = tagSpec("image", "Name", "i")
	})
	out := r.shown(id)
	if *out.State != "available" || !*out.EnaSupport || *out.SriovNetSupport != "simple" || *out.ImdsSupport != "v2.0" || *out.BootMode != "uefi-preferred" ||
		len(out.BlockDeviceMappings) != 3 || *out.BlockDeviceMappings[1].Ebs.VolumeSize != 20 || out.SourceInstanceId != nil || out.SourceImageId != nil || len(out.Tags) != 1 {
		t.Errorf("got %+v", out)
	}
	// The kernel of the guest that the root device was taken of goes with it.
	if i := r.image(id); !i.Direct || i.Kernel != testImage || i.KernelArgs != "quiet" || i.User != "admin" || i.SizeGiB != 2 {
		t.Errorf("got %+v", i)
	}
	if i := r.image(r.registerImage(loose)); i.Direct || i.Kernel != "" {
		t.Errorf("an image of a blank volume has a kernel: %+v", i)
	}
	_, err := r.DeleteSnapshot(r.ctx, &ec2.DeleteSnapshotRequest{SnapshotId: &copied})
	want(t, "delete its snapshot", err, "InvalidSnapshot.InUse", "The snapshot "+copied+" is currently in use by "+id)
}

func TestRegisterImageRefuses(t *testing.T) {
	r := newGuestRig(t)
	volume := r.createVolume()
	snapshot := r.takeSnapshot(volume)
	sealed := r.takeSnapshot(r.createVolume(func(in *ec2.CreateVolumeRequest) { in.Encrypted = new(true) }))
	pending := *must(r.CreateSnapshot(r.ctx, &ec2.CreateSnapshotRequest{VolumeId: &volume}))(t).SnapshotId
	taken := r.image(r.registerImage(snapshot)).Name
	for _, c := range []struct {
		what   string
		change func(*registerIn)
		code   string
	}{
		{"no name", func(in *registerIn) { in.Name = nil }, "MissingParameter"},
		{"taken name", func(in *registerIn) { in.Name = &taken }, "InvalidAMIName.Duplicate"},
		{"no mappings", func(in *registerIn) { in.BlockDeviceMappings = nil }, "MissingParameter"},
		{"another root", func(in *registerIn) { in.RootDeviceName = new("/dev/xvda") }, "InvalidBlockDeviceMapping"},
		{"odd root", func(in *registerIn) { in.RootDeviceName = new("sda!") }, "InvalidParameterValue"},
		{"blank root", func(in *registerIn) { in.BlockDeviceMappings[0].Ebs = &ebs{VolumeSize: new(int32(1))} }, "InvalidBlockDeviceMapping"},
		{"small root", func(in *registerIn) { in.BlockDeviceMappings[0].Ebs.VolumeSize = new(int32(1)) }, "InvalidParameterValue"},
		{"pending snapshot", func(in *registerIn) { in.BlockDeviceMappings = rootOf(pending) }, "IncorrectState"},
		{"encrypted", func(in *registerIn) { in.BlockDeviceMappings[0].Ebs.Encrypted = new(true) }, "InvalidBlockDeviceMapping"},
		{"decrypted", func(in *registerIn) {
			in.BlockDeviceMappings = rootOf(sealed)
			in.BlockDeviceMappings[0].Ebs.Encrypted = new(false)
		}, "InvalidBlockDeviceMapping"},
		{"arm64", func(in *registerIn) { in.Architecture = new("arm64") }, "UnsupportedOperation"},
		{"i386", func(in *registerIn) { in.Architecture = new("i386") }, "UnsupportedOperation"},
		{"odd architecture", func(in *registerIn) { in.Architecture = new("vax") }, "InvalidParameterValue"},
		{"paravirtual", func(in *registerIn) { in.VirtualizationType = new("paravirtual") }, "UnsupportedOperation"},
		{"UEFI", func(in *registerIn) { in.BootMode = new("uefi") }, "UnsupportedOperation"},
		{"TPM", func(in *registerIn) { in.TpmSupport = new("v2.0") }, "UnsupportedOperation"},
		{"UEFI data", func(in *registerIn) { in.UefiData = new("x") }, "UnsupportedOperation"},
		{"a bucket", func(in *registerIn) { in.ImageLocation = new("bucket/manifest") }, "UnsupportedOperation"},
		{"kernel", func(in *registerIn) { in.KernelId = new("aki-1") }, "UnsupportedOperation"},
		{"products", func(in *registerIn) { in.BillingProducts = []string{"bp-1"} }, "UnsupportedOperation"},
		{"IMDS version 3", func(in *registerIn) { in.ImdsSupport = new("v3.0") }, "InvalidParameterValue"},
	} {
		in := registerIn{Name: new("name"), BlockDeviceMappings: rootOf(snapshot)}
		c.change(&in)
		_, err := r.RegisterImage(r.ctx, &in)
		want(t, c.what, err, c.code)
	}
	_, err := r.RegisterImage(r.bob, &registerIn{Name: new("name"), BlockDeviceMappings: rootOf(snapshot)})
	want(t, "another's snapshot", err, "InvalidSnapshot.NotFound")
}

func TestCopyImage(t *testing.T) {
	r := newGuestRig(t)
	source := r.createImage(r.twoDisks(), func(in *createIn) { in.TagSpecifications = tagSpec("image", "Name", "i", "team", "a") })
	in := ec2.CopyImageRequest{Name: new("copy"), SourceImageId: &source, SourceRegion: &r.Place.Region, ClientToken: new("t")}
	_, err := r.CopyImage(r.ctx, &in)
	want(t, "a pending one", err, "InvalidAMIID.Unavailable")
	r.keepSnapshots(source)
	in.Encrypted, in.CopyImageTags = new(true), new(true)
	in.TagSpecifications = append(tagSpec("image", "team", "b"), tagSpec("snapshot", "Name", "s")...)
	id := *must(r.CopyImage(r.ctx, &in))(t).ImageId
	if again := *must(r.CopyImage(r.ctx, &in))(t).ImageId; again != id {
		t.Errorf("the same call again makes %s", again)
	}
	out := r.shown(id)
	if *out.State != "pending" || *out.SourceImageId != source || *out.SourceImageRegion != r.Place.Region || *out.Description == "" || len(out.BlockDeviceMappings) != 2 {
		t.Errorf("got %+v", out)
	}
	if tags := r.image(id).Tags; tags["Name"] != "i" || tags["team"] != "b" {
		t.Errorf("it has the tags %v", tags)
	}
	for k, m := range r.image(id).Mappings {
		n, _ := snapshotTable.Get(r.DB.View(), m.Snapshot)
		if was := r.image(source).Mappings[k]; n.From != was.Snapshot || n.Image != id || !n.Encrypted || !m.Encrypted || m.Device != was.Device || n.Tags["Name"] != "s" {
			t.Errorf("got %+v of %+v", n, m)
		}
	}
	for _, c := range []struct {
		what   string
		change func(*ec2.CopyImageRequest)
		code   string
	}{
		{"no name", func(in *ec2.CopyImageRequest) { in.Name = nil }, "MissingParameter"},
		{"taken name", func(in *ec2.CopyImageRequest) { in.Name = new("copy") }, "InvalidAMIName.Duplicate"},
		{"no source", func(in *ec2.CopyImageRequest) { in.SourceImageId = nil }, "MissingParameter"},
		{"no region", func(in *ec2.CopyImageRequest) { in.SourceRegion = nil }, "MissingParameter"},
		{"another region", func(in *ec2.CopyImageRequest) { in.SourceRegion = new("us-east-1") }, "InvalidParameterValue"},
		{"unknown source", func(in *ec2.CopyImageRequest) { in.SourceImageId = new("ami-00000000000000009") }, "InvalidAMIID.NotFound"},
		{"odd source", func(in *ec2.CopyImageRequest) { in.SourceImageId = new("x") }, "InvalidAMIID.Malformed"},
		{"of the catalogue", func(in *ec2.CopyImageRequest) { in.SourceImageId = new(testImage) }, "UnsupportedOperation"},
		{"key without encryption", func(in *ec2.CopyImageRequest) { in.KmsKeyId = new("alias/aws/ebs") }, "InvalidParameterDependency"},
		{"outpost", func(in *ec2.CopyImageRequest) { in.DestinationOutpostArn = new("arn") }, "UnsupportedOperation"},
		{"in time", func(in *ec2.CopyImageRequest) { in.SnapshotCopyCompletionDurationMinutes = new(int64(15)) }, "UnsupportedOperation"},
	} {
		in := ec2.CopyImageRequest{Name: new("other"), SourceImageId: &source, SourceRegion: &r.Place.Region}
		c.change(&in)
		_, err := r.CopyImage(r.ctx, &in)
		want(t, c.what, err, c.code)
	}
}
