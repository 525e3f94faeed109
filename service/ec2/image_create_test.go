package ec2

import (
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

type (
	createIn = ec2.CreateImageRequest
	ebs      = ec2.EbsBlockDevice
)

func device(name string, of ebs) ec2.BlockDeviceMapping {
	return ec2.BlockDeviceMapping{DeviceName: &name, Ebs: &of}
}

// twoDisks is an instance with a root device of 2 GiB, and an encrypted volume of 10 GiB
// that outlives it.
func (r *rig) twoDisks(change ...func(*runIn)) string {
	r.Helper()
	id := r.running(append(change, func(in *runIn) {
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{
			device("/dev/sdf", ebs{VolumeSize: new(int32(10)), VolumeType: new("io2"), Iops: new(int32(500)), Encrypted: new(true), DeleteOnTermination: new(false)}),
		}
	})...)
	for _, v := range r.volumes(id) {
		r.seeVolume(v.ID, cloud.VolumeSeen{Ready: true, Guest: id})
	}
	return id
}

func TestCreateImage(t *testing.T) {
	r := newGuestRig(t)
	r.update(func(tx *store.Tx) error {
		return imageTable.Modify(tx, testImage, func(i *cloud.Image) error {
			i.Direct, i.KernelArgs, i.User, i.IMDS = true, "quiet", "admin", "v2.0"
			return nil
		})
	})
	instance := r.twoDisks()
	id := r.createImage(instance, func(in *createIn) {
		in.NoReboot, in.Description = new(true), new("d")
		in.TagSpecifications = append(tagSpec("image", "Name", "i"), tagSpec("snapshot", "Name", "s")...)
	})
	i := r.image(id)
	if !i.Direct || i.Kernel != testImage || i.KernelArgs != "quiet" || i.User != "admin" || i.IMDS != "v2.0" || i.From != instance || i.SizeGiB != 2 || r.doc(instance).Reboots != 0 {
		t.Errorf("got %+v", i)
	}
	out := r.shown(id)
	if *out.State != "pending" || *out.RootDeviceName != "/dev/xvda" || *out.SourceInstanceId != instance || *out.Description != "d" || *out.Public || len(out.Tags) != 1 || out.ImageOwnerAlias != nil {
		t.Errorf("got %+v", out)
	}
	root, data := *out.BlockDeviceMappings[0].Ebs, *out.BlockDeviceMappings[1].Ebs
	if *root.VolumeSize != 2 || *root.VolumeType != "gp3" || *root.Encrypted || !*root.DeleteOnTermination || *data.VolumeSize != 10 || *data.VolumeType != "io2" ||
		*data.Iops != 500 || !*data.Encrypted || *data.DeleteOnTermination || *out.BlockDeviceMappings[1].DeviceName != "/dev/sdf" {
		t.Errorf("got %+v and %+v", root, data)
	}
	a, _ := snapshotTable.Get(r.DB.View(), *root.SnapshotId)
	b, _ := snapshotTable.Get(r.DB.View(), *data.SnapshotId)
	if a.Group == "" || a.Group != b.Group || a.Image != id || a.Reboot != 0 || a.Kernel != testImage || b.Kernel != "" || a.Tags["Name"] != "s" || !b.Encrypted ||
		a.Description != "Created by CreateImage("+instance+") for "+id {
		t.Errorf("got %+v and %+v", a, b)
	}
	_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) { in.ImageId = &id }))
	want(t, "launch of a pending one", err, "InvalidAMIID.Unavailable", "The AMI ID '"+id+"' is currently pending and may not be used for this operation")
	_, err = r.CreateImage(r.ctx, &createIn{InstanceId: &instance, Name: &i.Name})
	want(t, "its name again", err, "InvalidAMIName.Duplicate", "AMI name "+i.Name+" is already in use by AMI "+id)
	r.changeImageDoc(id, func(i *cloud.Image) {
		i.Pending, i.Failure = false, "Server.InsufficientVolumeCapacity: no space left for volumes"
	})
	if out := r.shown(id); *out.State != "failed" || *out.StateReason.Code != "Server.InsufficientVolumeCapacity" || *out.StateReason.Message == "" {
		t.Errorf("got %+v", out)
	}
}

// A running guest is rebooted for an image, and a stopped one is not started.
func TestCreateImageReboots(t *testing.T) {
	r := newGuestRig(t)
	instance := r.twoDisks()
	id := r.createImage(instance)
	for _, m := range r.image(id).Mappings {
		if n, _ := snapshotTable.Get(r.DB.View(), m.Snapshot); n.Reboot != 1 {
			t.Errorf("the snapshot is not taken at the reboot: %+v", n)
		}
	}
	if n := r.doc(instance).Reboots; n != 1 {
		t.Errorf("it is rebooted %d times", n)
	}
	stopped := r.stopped()
	id = r.createImage(stopped)
	if n, _ := snapshotTable.Get(r.DB.View(), r.image(id).Mappings[0].Snapshot); n.Reboot != 0 || r.doc(stopped).Reboots != 0 {
		t.Errorf("a stopped instance is rebooted: %+v", n)
	}
}

// The mappings of a request change, leave out and add volumes.
func TestCreateImageMappings(t *testing.T) {
	r := newGuestRig(t)
	snapshot := r.takeSnapshot(r.createVolume())
	instance := r.twoDisks()
	id := r.createImage(instance, func(in *createIn) {
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{
			device("/dev/xvda", ebs{VolumeSize: new(int32(4)), VolumeType: new("gp2"), DeleteOnTermination: new(false)}),
			{DeviceName: new("/dev/sdf"), NoDevice: new("")},
			device("/dev/sdg", ebs{VolumeSize: new(int32(1)), VolumeType: new("gp3"), Encrypted: new(true)}),
			device("/dev/sdh", ebs{SnapshotId: &snapshot}),
			{DeviceName: new("/dev/sdi"), VirtualName: new("ephemeral0")},
		}
	})
	got := r.image(id).Mappings
	want := []cloud.ImageMapping{
		{Device: "/dev/xvda", Snapshot: got[0].Snapshot, SizeGiB: 4, Type: "gp2"},
		{Device: "/dev/sdg", SizeGiB: 1, Type: "gp3", IOPS: 3000, Throughput: 125, Encrypted: true, DeleteOnTermination: true},
		{Device: "/dev/sdh", Snapshot: snapshot, SizeGiB: 10, Type: "gp2", DeleteOnTermination: true},
		{Device: "/dev/sdi", Virtual: "ephemeral0"},
	}
	if !slices.Equal(got, want) || got[0].Snapshot == "" {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestCreateImageRefuses(t *testing.T) {
	r := newGuestRig(t)
	instance, terminated := r.twoDisks(), r.inState(cloud.InstanceTerminated)
	mapped := func(m ec2.BlockDeviceMapping) func(*createIn) {
		return func(in *createIn) { in.BlockDeviceMappings = []ec2.BlockDeviceMapping{m} }
	}
	for _, c := range []struct {
		what   string
		change func(*createIn)
		code   string
	}{
		{"no instance", func(in *createIn) { in.InstanceId = nil }, "MissingParameter"},
		{"unknown instance", func(in *createIn) { in.InstanceId = new("i-00000000000000009") }, "InvalidInstanceID.NotFound"},
		{"terminated instance", func(in *createIn) { in.InstanceId = &terminated }, "IncorrectInstanceState"},
		{"no name", func(in *createIn) { in.Name = nil }, "MissingParameter"},
		{"short name", func(in *createIn) { in.Name = new("ab") }, "InvalidAMIName.Malformed"},
		{"odd name", func(in *createIn) { in.Name = new("a*b*c") }, "InvalidAMIName.Malformed"},
		{"odd tags", func(in *createIn) { in.TagSpecifications = tagSpec("instance", "k", "v") }, "InvalidParameterValue"},
		{"local snapshots", func(in *createIn) { in.SnapshotLocation = new("local") }, "UnsupportedOperation"},
		{"boot mode", func(in *createIn) { in.BootModeOverride = new("uefi") }, "UnsupportedOperation"},
		{"root left out", mapped(ec2.BlockDeviceMapping{DeviceName: new("/dev/xvda"), NoDevice: new("")}), "InvalidBlockDeviceMapping"},
		{"small root", mapped(device("/dev/xvda", ebs{VolumeSize: new(int32(1))})), "InvalidBlockDeviceMapping"},
		{"encrypted root", mapped(device("/dev/xvda", ebs{Encrypted: new(true)})), "InvalidBlockDeviceMapping"},
		{"another snapshot", mapped(device("/dev/xvda", ebs{SnapshotId: new("snap-00000000000000001")})), "InvalidBlockDeviceMapping"},
		{"new without size", mapped(device("/dev/sdg", ebs{})), "InvalidBlockDeviceMapping"},
		{"new of nothing", mapped(ec2.BlockDeviceMapping{DeviceName: new("/dev/sdg")}), "InvalidBlockDeviceMapping"},
		{"unknown snapshot", mapped(device("/dev/sdg", ebs{SnapshotId: new("snap-00000000000000001")})), "InvalidSnapshot.NotFound"},
		{"odd type", mapped(device("/dev/sdg", ebs{VolumeSize: new(int32(1)), VolumeType: new("gp9")})), "UnknownVolumeType"},
	} {
		in := createIn{InstanceId: &instance, Name: new("name")}
		c.change(&in)
		_, err := r.CreateImage(r.ctx, &in)
		want(t, c.what, err, c.code)
	}
	_, err := r.CreateImage(r.bob, &createIn{InstanceId: &instance, Name: new("name")})
	want(t, "another's", err, "InvalidInstanceID.NotFound")
	root := r.volumes(instance)[0]
	r.update(func(tx *store.Tx) error {
		root.Attachment = nil
		return volumeTable.Put(tx, root)
	})
	_, err = r.CreateImage(r.ctx, &createIn{InstanceId: &instance, Name: new("name")})
	want(t, "no root", err, "InvalidParameterValue", "Invalid value '"+instance+"' for instanceId. Instance does not have a volume attached at root (/dev/xvda)")
	if _, taken := store.Owner(r.DB.View(), imageNames(alice), "name"); taken {
		t.Error("a refused request keeps the name")
	}
}

// A launch makes every volume of the image, as the request changes it.
func TestLaunchOfImage(t *testing.T) {
	r := newGuestRig(t)
	source := r.twoDisks()
	id := r.createImage(source, func(in *createIn) {
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{device("/dev/sdg", ebs{VolumeSize: new(int32(1))})}
	})
	r.keepSnapshots(id)
	r.changeImageDoc(id, func(i *cloud.Image) { i.IMDS = "v2.0" })
	of := r.image(id).Mappings
	disks := func(mappings ...ec2.BlockDeviceMapping) map[string]cloud.Volume {
		t.Helper()
		instance := r.launchIDs(func(in *runIn) { in.ImageId, in.BlockDeviceMappings = &id, mappings })[0]
		doc, found := r.doc(instance), map[string]cloud.Volume{}
		if doc.Image != id || doc.Host != r.doc(source).Host || doc.Metadata.Tokens != "required" || doc.Metadata.HopLimit != 2 {
			t.Errorf("got %+v", doc)
		}
		for _, v := range r.volumes(instance) {
			found[v.Attachment.Device] = v
		}
		return found
	}
	all := disks()
	root, data, blank := all["/dev/xvda"], all["/dev/sdf"], all["/dev/sdg"]
	if len(all) != 3 || root.Snapshot != of[0].Snapshot || root.Image != id || root.SizeGiB != 2 || !root.Attachment.DeleteOnTermination || root.Encrypted {
		t.Errorf("the root device is %+v of %d", root, len(all))
	}
	if data.Snapshot != of[1].Snapshot || data.Image != "" || data.SizeGiB != 10 || data.Type != "io2" || data.IOPS != 500 || !data.Encrypted || data.Attachment.DeleteOnTermination {
		t.Errorf("the second volume is %+v", data)
	}
	if blank.Snapshot != "" || blank.SizeGiB != 1 || blank.Type != "gp2" {
		t.Errorf("the blank volume is %+v", blank)
	}
	other := r.takeSnapshot(data.ID, func(*ec2.CreateSnapshotRequest) { r.seeVolume(data.ID, cloud.VolumeSeen{Ready: true}) })
	all = disks(
		device("/dev/xvda", ebs{VolumeSize: new(int32(5)), Encrypted: new(true), DeleteOnTermination: new(false)}),
		device("/dev/sdf", ebs{SnapshotId: &other, VolumeType: new("gp3")}),
		ec2.BlockDeviceMapping{DeviceName: new("/dev/sdg"), NoDevice: new("")},
		device("/dev/sdh", ebs{VolumeSize: new(int32(7))}),
	)
	root, data = all["/dev/xvda"], all["/dev/sdf"]
	if len(all) != 3 || root.SizeGiB != 5 || !root.Encrypted || root.Attachment.DeleteOnTermination || data.Snapshot != other || data.Type != "gp3" || all["/dev/sdh"].SizeGiB != 7 {
		t.Errorf("got %+v", all)
	}
	for _, c := range []struct {
		what string
		m    ec2.BlockDeviceMapping
		code string
		says string
	}{
		{"small root", device("/dev/xvda", ebs{VolumeSize: new(int32(1))}), "InvalidBlockDeviceMapping", "Volume of size 1GB is smaller than snapshot '" + of[0].Snapshot + "', expect size >= 2GB"},
		{"root's snapshot", device("/dev/xvda", ebs{SnapshotId: &other}), "InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device"},
		{"decrypted", device("/dev/sdf", ebs{Encrypted: new(false)}), "InvalidParameterCombination", "A volume of the encrypted snapshot '" + of[1].Snapshot + "' is encrypted. Leave out Encrypted."},
	} {
		_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) { in.ImageId, in.BlockDeviceMappings = &id, []ec2.BlockDeviceMapping{c.m} }))
		want(t, c.what, err, c.code, c.says)
	}
	if tokens := r.doc(r.launchIDs(func(in *runIn) {
		in.ImageId, in.MetadataOptions = &id, &ec2.InstanceMetadataOptionsRequest{HttpTokens: new("optional")}
	})[0]).Metadata.Tokens; tokens != "optional" {
		t.Errorf("the request's own wish is not obeyed: %s", tokens)
	}
}

// Filters find an image by what only images of tenants have.
func TestImageFilters(t *testing.T) {
	r := newGuestRig(t)
	instance := r.twoDisks()
	id := r.createImage(instance)
	const failure = "Server.InternalError: no such volume"
	r.changeImageDoc(id, func(i *cloud.Image) { i.Pending, i.Failure, i.SRIOV, i.ENA = false, failure, "simple", true })
	snapshot := r.image(id).Mappings[1].Snapshot
	find := func(f []ec2.Filter) []string { return r.seen(r.ctx, ec2.DescribeImagesRequest{Filters: f}) }
	for name, value := range map[string]string{
		"source-instance-id": instance, "state": "failed", "state-reason-code": "Server.InternalError", "state-reason-message": failure,
		"sriov-net-support": "simple", "ena-support": "true", "block-device-mapping.snapshot-id": snapshot, "block-device-mapping.encrypted": "true",
		"block-device-mapping.volume-type": "io2", "block-device-mapping.volume-size": "10", "block-device-mapping.device-name": "/dev/sdf",
		"block-device-mapping.delete-on-termination": "false",
	} {
		if got := find(filters(name, value)); !slices.Equal(got, []string{id}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	r.changeImageDoc(id, func(i *cloud.Image) { i.Failure, i.From = "", testImage })
	for name, value := range map[string]string{"source-image-id": testImage, "source-image-region": r.Place.Region} {
		if got := find(filters(name, value)); !slices.Equal(got, []string{id}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	if got := find(filters("source-instance-id", "*")); len(got) != 0 {
		t.Errorf("an image of an image is of an instance: %v", got)
	}
}

// TestImageOfSnapshotsOfTwoHosts: it is registered, since its snapshots are there; a launch says
// that no host has both, unless it leaves one out.
func TestImageOfSnapshotsOfTwoHosts(t *testing.T) {
	r := newGuestRig(t)
	first, second := r.createImage(r.twoDisks()), r.createImage(r.twoDisks())
	var ids []string
	for n, image := range []string{first, second} {
		mapping := r.image(image).Mappings[n]
		ids = append(ids, mapping.Snapshot)
		r.update(func(tx *store.Tx) error {
			return snapshotTable.Modify(tx, mapping.Snapshot, func(s *cloud.Snapshot) error {
				s.Seen.Ready, s.Host = true, []string{hostA, hostB}[n]
				return nil
			})
		})
	}
	made := must(r.RegisterImage(r.ctx, &ec2.RegisterImageRequest{
		Name: new("two hosts"), RootDeviceName: new("/dev/xvda"), VirtualizationType: new("hvm"), Architecture: new("x86_64"),
		BlockDeviceMappings: []ec2.BlockDeviceMapping{device("/dev/xvda", ebs{SnapshotId: &ids[0]}), device("/dev/sdf", ebs{SnapshotId: &ids[1]})},
	}))(t)
	r.update(func(tx *store.Tx) error {
		return imageTable.Modify(tx, *made.ImageId, func(i *cloud.Image) error { i.Pending = false; return nil })
	})
	_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) { in.ImageId = made.ImageId }))
	want(t, "a launch", err, "UnsupportedOperation", "The snapshots of the block device mappings are kept by different hosts, and do not move between them. Launch with those of one host.")
	must(r.RunInstances(r.ctx, r.request(func(in *runIn) {
		in.ImageId = made.ImageId
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), NoDevice: new("")}}
	})))(t)
}
