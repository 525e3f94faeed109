package ec2

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// snapshot takes a snapshot of a volume, which is completed.
func (r *rig) takeSnapshot(volume string, change ...func(*ec2.CreateSnapshotRequest)) string {
	r.Helper()
	in := &ec2.CreateSnapshotRequest{VolumeId: &volume}
	for _, c := range change {
		c(in)
	}
	id := *must(r.CreateSnapshot(r.ctx, in))(r).SnapshotId
	r.complete(id)
	return id
}

func (r *rig) complete(id string) {
	r.Helper()
	r.changeSnapshot(id, func(s *cloud.Snapshot) {
		s.Seen = cloud.SnapshotSeen{Ready: true, Cut: r.Now(), Bytes: 4096, Progress: 100}
	})
}

func (r *rig) changeSnapshot(id string, change func(*cloud.Snapshot)) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return snapshotTable.Modify(tx, id, func(s *cloud.Snapshot) error { change(s); return nil })
	})
}

func TestCreateSnapshot(t *testing.T) {
	r := newGuestRig(t)
	volume := r.createVolume()
	in := &ec2.CreateSnapshotRequest{VolumeId: &volume, Description: new("nightly"), TagSpecifications: tagSpec("snapshot", "Name", "n")}
	out := must(r.CreateSnapshot(r.ctx, in))(t)
	if *out.State != "pending" || *out.Progress != "0%" || *out.VolumeId != volume || *out.VolumeSize != 10 || *out.Encrypted || out.KmsKeyId != nil ||
		*out.Description != "nightly" || *out.OwnerId != alice || len(out.Tags) != 1 {
		t.Errorf("got %+v", out)
	}
	doc, _ := snapshotTable.Get(r.DB.View(), *out.SnapshotId)
	if v := r.volume(volume); doc.Host != v.Host || doc.Group != "" {
		t.Errorf("got %+v, the volume lies on %s", doc, v.Host)
	}
	creating, failed := r.createVolume(), r.createVolume()
	r.seeVolume(creating, cloud.VolumeSeen{})
	r.seeVolume(failed, cloud.VolumeSeen{Error: "Server.InternalError: no"})
	for _, c := range []struct {
		in            ec2.CreateSnapshotRequest
		code, message string
	}{
		{ec2.CreateSnapshotRequest{}, "MissingParameter", "The request must contain the parameter volumeId"},
		{ec2.CreateSnapshotRequest{VolumeId: new("vol-00000000000000009")}, "InvalidVolume.NotFound", "The volume 'vol-00000000000000009' does not exist."},
		{ec2.CreateSnapshotRequest{VolumeId: &creating}, "IncorrectState", "The volume '" + creating + "' is 'creating'. Wait until it is available or in-use."},
		{ec2.CreateSnapshotRequest{VolumeId: &failed}, "IncorrectState", "The volume '" + failed + "' is 'error'. Wait until it is available or in-use."},
		{ec2.CreateSnapshotRequest{VolumeId: &volume, OutpostArn: new("o")}, "UnsupportedOperation", "Outposts are not available."},
		{ec2.CreateSnapshotRequest{VolumeId: &volume, Location: new("local")}, "UnsupportedOperation", "Snapshots lie in the region. Leave out Location, or give regional."},
		{ec2.CreateSnapshotRequest{VolumeId: &volume, TagSpecifications: tagSpec("volume", "k", "v")}, "InvalidParameterValue", "'volume' is not a valid taggable resource type for this operation."},
		{ec2.CreateSnapshotRequest{VolumeId: &volume, Description: new(fmt.Sprintf("%256d", 1))}, "InvalidParameterValue", "The description is longer than 255 characters"},
		{ec2.CreateSnapshotRequest{VolumeId: &volume, DryRun: new(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		_, err := r.CreateSnapshot(r.ctx, &c.in)
		want(t, c.message, err, c.code, c.message)
	}
}

func TestCreateSnapshots(t *testing.T) {
	r := newGuestRig(t)
	id := r.running(func(in *runIn) { in.TagSpecifications = tagSpec("volume", "Name", "disk") })
	root, data := r.volumes(id)[0].ID, r.onHost(r.doc(id).Host)
	if err := r.attach(data, id, "/dev/sdf"); err != nil {
		t.Fatal(err)
	}
	out := must(r.CreateSnapshots(r.ctx, &ec2.CreateSnapshotsRequest{
		InstanceSpecification: &ec2.InstanceSpecification{InstanceId: &id}, CopyTagsFromSource: new("volume"), TagSpecifications: tagSpec("snapshot", "k", "v"),
	}))(t).Snapshots
	if len(out) != 2 || *out[0].VolumeId != root || *out[1].VolumeId != data || len(out[0].Tags) != 2 || len(out[1].Tags) != 1 || *out[0].State != "pending" {
		t.Fatalf("got %+v", out)
	}
	a, _ := snapshotTable.Get(r.DB.View(), *out[0].SnapshotId)
	b, _ := snapshotTable.Get(r.DB.View(), *out[1].SnapshotId)
	if a.Group == "" || a.Group != b.Group {
		t.Errorf("groups %q and %q", a.Group, b.Group)
	}
	for _, c := range []struct {
		in   ec2.InstanceSpecification
		want []string
		code string
	}{
		{in: ec2.InstanceSpecification{InstanceId: &id, ExcludeBootVolume: new(true)}, want: []string{data}},
		{in: ec2.InstanceSpecification{InstanceId: &id, ExcludeDataVolumeIds: []string{data}}, want: []string{root}},
		{in: ec2.InstanceSpecification{InstanceId: &id, ExcludeDataVolumeIds: []string{root}}, code: "InvalidParameterValue"},
		{in: ec2.InstanceSpecification{InstanceId: &id, ExcludeBootVolume: new(true), ExcludeDataVolumeIds: []string{data}}, code: "InvalidParameterCombination"},
		{in: ec2.InstanceSpecification{InstanceId: &id, ExcludeDataVolumeIds: []string{"x"}}, code: "InvalidVolumeID.Malformed"},
		{in: ec2.InstanceSpecification{InstanceId: new("i-00000000000000009")}, code: "InvalidInstanceID.NotFound"},
		{code: "MissingParameter"},
	} {
		out, err := r.CreateSnapshots(r.ctx, &ec2.CreateSnapshotsRequest{InstanceSpecification: &c.in})
		if c.code != "" {
			want(t, c.code, err, c.code)
		} else if got := each(must(out, err)(t).Snapshots, func(s ec2.SnapshotInfo) string { return *s.VolumeId }); !slices.Equal(got, c.want) {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
}

func TestDescribeSnapshots(t *testing.T) {
	r := newGuestRig(t)
	volume := r.createVolume()
	id := r.takeSnapshot(volume, func(in *ec2.CreateSnapshotRequest) {
		in.Description, in.TagSpecifications = new("nightly"), tagSpec("snapshot", "Name", "n")
	})
	when := timeWord(r.Now())
	ids := func(in ec2.DescribeSnapshotsRequest) ([]string, error) {
		out, err := r.DescribeSnapshots(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.Snapshots, func(s ec2.Snapshot) string { return *s.SnapshotId }), nil
	}
	table := filterTable{
		names: names(snapshotFields), id: id,
		ids: func(f []ec2.Filter) ([]string, error) { return ids(ec2.DescribeSnapshotsRequest{Filters: f}) },
		cases: map[string]string{
			"description": "nightly", "encrypted": "false", "owner-alias": absent, "owner-id": alice, "progress": "100%", "snapshot-id": id,
			"start-time": when, "status": "completed", "storage-tier": "standard", "transfer-type": absent, "volume-id": volume, "volume-size": "10",
		},
	}
	table.check(t)
	r.tick(time.Minute)
	copied := *must(r.CopySnapshot(r.ctx, &ec2.CopySnapshotRequest{SourceSnapshotId: &id, SourceRegion: &r.Place.Region, Encrypted: new(true)}))(t).SnapshotId
	r.changeSnapshot(copied, func(s *cloud.Snapshot) { s.SizeGiB = 11 })
	for name, value := range map[string]string{"encrypted": "true", "status": "pending", "transfer-type": "standard", "volume-id": "vol-ffffffff", "volume-size": "11", "progress": "0%"} {
		if got := must(table.ids(filters(name, value)))(t); !slices.Equal(got, []string{copied}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	share := func(in ec2.ModifySnapshotAttributeRequest) {
		in.SnapshotId, in.Attribute = &id, new("createVolumePermission")
		must(r.ModifySnapshotAttribute(r.ctx, &in))(t)
	}
	bobSees := func(want bool, in ec2.DescribeSnapshotsRequest) {
		t.Helper()
		out := must(r.DescribeSnapshots(r.bob, &in))(t).Snapshots
		if (len(out) == 1) != want || want && (*out[0].SnapshotId != id || len(out[0].Tags) != 0) {
			t.Errorf("%+v: bob sees %+v", in, out)
		}
	}
	bobSees(false, ec2.DescribeSnapshotsRequest{})
	_, err := r.DescribeSnapshots(r.bob, &ec2.DescribeSnapshotsRequest{SnapshotIds: []string{id}})
	want(t, "another's", err, "InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
	share(ec2.ModifySnapshotAttributeRequest{OperationType: new("add"), UserIds: []string{bob}})
	bobSees(true, ec2.DescribeSnapshotsRequest{})
	bobSees(true, ec2.DescribeSnapshotsRequest{SnapshotIds: []string{id}})
	bobSees(true, ec2.DescribeSnapshotsRequest{RestorableByUserIds: []string{"self"}})
	bobSees(true, ec2.DescribeSnapshotsRequest{OwnerIds: []string{alice}})
	bobSees(false, ec2.DescribeSnapshotsRequest{OwnerIds: []string{"self"}})
	bobSees(false, ec2.DescribeSnapshotsRequest{RestorableByUserIds: []string{"all"}})
	bobSees(false, ec2.DescribeSnapshotsRequest{Filters: filters("tag:Name", "n")})
	share(ec2.ModifySnapshotAttributeRequest{CreateVolumePermission: &ec2.CreateVolumePermissionModifications{
		Add: []ec2.CreateVolumePermission{{Group: new("all")}}, Remove: []ec2.CreateVolumePermission{{UserId: new(bob)}},
	}})
	bobSees(true, ec2.DescribeSnapshotsRequest{RestorableByUserIds: []string{"all"}})
	bobSees(false, ec2.DescribeSnapshotsRequest{RestorableByUserIds: []string{"self"}})
	must(r.ResetSnapshotAttribute(r.ctx, &ec2.ResetSnapshotAttributeRequest{SnapshotId: &id, Attribute: new("createVolumePermission")}))(t)
	bobSees(false, ec2.DescribeSnapshotsRequest{})

	page := must(r.DescribeSnapshots(r.ctx, &ec2.DescribeSnapshotsRequest{MaxResults: new(int32(5))}))(t)
	if len(page.Snapshots) != 2 || page.NextToken != nil {
		t.Errorf("got %+v", page)
	}
}

func TestDeleteSnapshot(t *testing.T) {
	r := newGuestRig(t)
	volume := r.createVolume()
	id, used := r.takeSnapshot(volume), r.takeSnapshot(volume)
	r.update(func(tx *store.Tx) error {
		return imageTable.Create(tx, cloud.Image{
			Meta: cloud.Meta{ID: "ami-00000000000000009", Account: alice}, Mappings: []cloud.ImageMapping{{Device: "/dev/xvda", Snapshot: used}},
		})
	})
	_, err := r.DeleteSnapshot(r.ctx, &ec2.DeleteSnapshotRequest{SnapshotId: &used})
	want(t, "of an image", err, "InvalidSnapshot.InUse", "The snapshot "+used+" is currently in use by ami-00000000000000009")
	_, err = r.DeleteSnapshot(r.bob, &ec2.DeleteSnapshotRequest{SnapshotId: &id})
	want(t, "another's", err, "InvalidSnapshot.NotFound")
	must(r.DeleteSnapshot(r.ctx, &ec2.DeleteSnapshotRequest{SnapshotId: &id}))(t)
	_, err = r.DeleteSnapshot(r.ctx, &ec2.DeleteSnapshotRequest{SnapshotId: &id})
	want(t, "again", err, "InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
	_, err = r.DescribeSnapshots(r.ctx, &ec2.DescribeSnapshotsRequest{SnapshotIds: []string{id}})
	want(t, "see it", err, "InvalidSnapshot.NotFound")
	_, err = r.CreateTags(r.ctx, &ec2.CreateTagsRequest{Resources: []string{id}, Tags: tags("k", "v")})
	want(t, "tag it", err, "InvalidSnapshot.NotFound")
	if doc, ok := snapshotTable.Get(r.DB.View(), id); !ok || !doc.Delete {
		t.Errorf("got %+v: the host must still remove its bytes", doc)
	}
}

func TestSnapshotRefuses(t *testing.T) {
	r := newGuestRig(t)
	volume := r.createVolume()
	id := r.takeSnapshot(volume)
	sealed := r.takeSnapshot(r.createVolume(func(in *ec2.CreateVolumeRequest) { in.Encrypted = new(true) }))
	pending := *must(r.CreateSnapshot(r.ctx, &ec2.CreateSnapshotRequest{VolumeId: &volume}))(t).SnapshotId
	modify := func(in ec2.ModifySnapshotAttributeRequest) error {
		_, err := r.ModifySnapshotAttribute(r.ctx, &in)
		return err
	}
	duplicate := func(in ec2.CopySnapshotRequest) error {
		if in.SourceRegion == nil {
			in.SourceRegion = &r.Place.Region
		}
		_, err := r.CopySnapshot(r.ctx, &in)
		return err
	}
	create := func(in ec2.CreateVolumeRequest) error {
		in.AvailabilityZone = &r.net.Subnets[0].Zone
		_, err := r.CreateVolume(r.ctx, &in)
		return err
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{modify(ec2.ModifySnapshotAttributeRequest{SnapshotId: &id}), "MissingParameter"},
		{modify(ec2.ModifySnapshotAttributeRequest{SnapshotId: &id, UserIds: []string{bob}}), "InvalidParameterValue"},
		{modify(ec2.ModifySnapshotAttributeRequest{SnapshotId: &id, UserIds: []string{"bob"}, OperationType: new("add")}), "InvalidUserID.Malformed"},
		{modify(ec2.ModifySnapshotAttributeRequest{SnapshotId: &id, GroupNames: []string{"some"}, OperationType: new("add")}), "InvalidParameterValue"},
		{modify(ec2.ModifySnapshotAttributeRequest{SnapshotId: &id, Attribute: new("productCodes")}), "UnsupportedOperation"},
		{modify(ec2.ModifySnapshotAttributeRequest{SnapshotId: &sealed, GroupNames: []string{"all"}, OperationType: new("add")}), "OperationNotPermitted"},
		{duplicate(ec2.CopySnapshotRequest{}), "MissingParameter"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: &id, SourceRegion: new("us-east-1")}), "InvalidParameterValue"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: &pending}), "IncorrectState"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: new("snap-00000000000000009")}), "InvalidSnapshot.NotFound"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: new("x")}), "InvalidSnapshotID.Malformed"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: &id, KmsKeyId: new("alias/aws/ebs")}), "InvalidParameterDependency"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: &id, Encrypted: new(true), KmsKeyId: new("alias/mine")}), "UnsupportedOperation"},
		{duplicate(ec2.CopySnapshotRequest{SourceSnapshotId: &id, CompletionDurationMinutes: new(int32(15))}), "UnsupportedOperation"},
		{create(ec2.CreateVolumeRequest{SnapshotId: &pending}), "IncorrectState"},
		{create(ec2.CreateVolumeRequest{SnapshotId: &id, Size: new(int32(9))}), "InvalidParameterValue"},
		{create(ec2.CreateVolumeRequest{SnapshotId: &sealed, Encrypted: new(false)}), "InvalidParameterCombination"},
		{create(ec2.CreateVolumeRequest{SnapshotId: &id, KmsKeyId: new("alias/aws/ebs")}), "InvalidParameterDependency"},
	} {
		want(t, c.code, c.err, c.code)
	}
	out := must(r.DescribeSnapshotAttribute(r.ctx, &ec2.DescribeSnapshotAttributeRequest{SnapshotId: &id, Attribute: new("createVolumePermission")}))(t)
	if *out.SnapshotId != id || len(out.CreateVolumePermissions) != 0 {
		t.Errorf("got %+v", out)
	}
}

// A volume of a snapshot lies where that lies, is as large at least, and encrypted if
// that is; so is one that a launch makes.
func TestVolumeOfSnapshot(t *testing.T) {
	r := newGuestRig(t)
	id := r.takeSnapshot(r.createVolume(func(in *ec2.CreateVolumeRequest) { in.Encrypted = new(true) }))
	n, _ := snapshotTable.Get(r.DB.View(), id)
	zone := r.net.Subnets[0].Zone
	v := must(r.CreateVolume(r.ctx, &ec2.CreateVolumeRequest{AvailabilityZone: &zone, SnapshotId: &id}))(t)
	if *v.Size != 10 || *v.SnapshotId != id || !*v.Encrypted || *v.KmsKeyId != "arn:aws:kms:"+r.Place.Region+":"+alice+":alias/aws/ebs" {
		t.Errorf("got %+v", v)
	}
	if got := r.volume(*v.VolumeId); got.Host != n.Host {
		t.Errorf("it lies on %s, the snapshot on %s", got.Host, n.Host)
	}
	instance := r.running(func(in *runIn) {
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), Ebs: &ec2.EbsBlockDevice{SnapshotId: &id, VolumeSize: new(int32(12))}}}
	})
	disks := r.volumes(instance)
	i := slices.IndexFunc(disks, func(v cloud.Volume) bool { return v.Attachment.Device == "/dev/sdf" })
	if d := disks[i]; d.Snapshot != id || d.SizeGiB != 12 || d.Host != n.Host || r.doc(instance).Host != n.Host || !d.Encrypted {
		t.Errorf("got %+v", d)
	}
	_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) {
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2.EbsBlockDevice{SnapshotId: &id}}}
	}))
	want(t, "root device", err, "InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device")
	_, err = r.CreateVolume(r.bob, &ec2.CreateVolumeRequest{AvailabilityZone: &zone, SnapshotId: &id})
	want(t, "another's", err, "InvalidSnapshot.NotFound", "The snapshot '"+id+"' does not exist.")
}

// Every volume and snapshot has a key of its own, which only its ID opens.
func TestDiskKeys(t *testing.T) {
	r := newGuestRig(t)
	r.DiskKeys = must(seal.New(make([]byte, seal.KeySize)))(t)
	volume := r.createVolume()
	id := r.takeSnapshot(volume)
	copied := *must(r.CopySnapshot(r.ctx, &ec2.CopySnapshotRequest{SourceSnapshotId: &id, SourceRegion: &r.Place.Region}))(t).SnapshotId
	root := r.volumes(r.running())[0]
	sealed := map[string][]byte{volume: r.volume(volume).Sealed, root.ID: root.Sealed}
	for _, id := range []string{id, copied} {
		n, _ := snapshotTable.Get(r.DB.View(), id)
		sealed[id] = n.Sealed
	}
	seen := map[string]string{}
	for id, key := range sealed {
		raw := string(must(r.DiskKeys.Open(id, key))(t))
		if other := seen[raw]; other != "" {
			t.Errorf("%s and %s have one key", id, other)
		}
		seen[raw] = id
	}
}

func TestEncryptByDefault(t *testing.T) {
	r := newGuestRig(t)
	plain := r.takeSnapshot(r.createVolume())
	must(r.EnableEbsEncryptionByDefault(r.ctx, &ec2.EnableEbsEncryptionByDefaultRequest{}))(t)
	if out := must(r.GetEbsEncryptionByDefault(r.ctx, &ec2.GetEbsEncryptionByDefaultRequest{}))(t); !*out.EbsEncryptionByDefault || *out.SseType != "sse-kms" {
		t.Errorf("got %+v", out)
	}
	if out := must(r.GetEbsDefaultKmsKeyId(r.ctx, &ec2.GetEbsDefaultKmsKeyIdRequest{}))(t); *out.KmsKeyId != "alias/aws/ebs" {
		t.Errorf("got %s", *out.KmsKeyId)
	}
	copied := *must(r.CopySnapshot(r.ctx, &ec2.CopySnapshotRequest{SourceSnapshotId: &plain, SourceRegion: &r.Place.Region}))(t).SnapshotId
	n, _ := snapshotTable.Get(r.DB.View(), copied)
	if !r.volume(r.createVolume()).Encrypted || !r.volumes(r.running())[0].Encrypted || !n.Encrypted {
		t.Error("something new is not encrypted")
	}
	must(r.DisableEbsEncryptionByDefault(r.ctx, &ec2.DisableEbsEncryptionByDefaultRequest{}))(t)
	if out := must(r.GetEbsEncryptionByDefault(r.ctx, &ec2.GetEbsEncryptionByDefaultRequest{}))(t); *out.EbsEncryptionByDefault || *out.SseType != "none" {
		t.Errorf("got %+v", out)
	}
	if r.volume(r.createVolume()).Encrypted {
		t.Error("a new volume is still encrypted")
	}
}
