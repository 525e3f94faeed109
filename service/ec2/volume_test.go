package ec2

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func (r *rig) createVolume(change ...func(*ec2.CreateVolumeRequest)) string {
	r.Helper()
	in := &ec2.CreateVolumeRequest{AvailabilityZone: new("eu-paris-1a"), Size: new(int32(10))}
	for _, c := range change {
		c(in)
	}
	id := *must(r.CreateVolume(r.ctx, in))(r).VolumeId
	r.seeVolume(id, cloud.VolumeSeen{Ready: true})
	return id
}

func (r *rig) volume(id string) cloud.Volume {
	r.Helper()
	v, ok := volumeTable.Get(r.DB.View(), id)
	if !ok {
		r.Fatalf("no volume %s", id)
	}
	return v
}

func (r *rig) attach(volume, instance, device string) error {
	_, err := r.AttachVolume(r.ctx, &ec2.AttachVolumeRequest{VolumeId: &volume, InstanceId: &instance, Device: &device})
	return err
}

func TestVolumeSpec(t *testing.T) {
	n := func(v int32) *int32 { return &v }
	for _, c := range []struct {
		in            volumeRequest
		out           volumeSpec
		code, message string
	}{
		{in: volumeRequest{size: n(1)}, out: volumeSpec{size: 1, kind: "gp2"}},
		{in: volumeRequest{size: n(1), kind: "gp3"}, out: volumeSpec{size: 1, kind: "gp3", iops: 3000, throughput: 125}},
		{in: volumeRequest{size: n(32), kind: "gp3", iops: n(16000), throughput: n(1000)}, out: volumeSpec{size: 32, kind: "gp3", iops: 16000, throughput: 1000}},
		{in: volumeRequest{size: n(1), kind: "gp3", iops: n(3000)}, out: volumeSpec{size: 1, kind: "gp3", iops: 3000, throughput: 125}},
		{in: volumeRequest{size: n(4), kind: "io1", iops: n(200)}, out: volumeSpec{size: 4, kind: "io1", iops: 200}},
		{in: volumeRequest{size: n(65536), kind: "io2", iops: n(256000)}, out: volumeSpec{size: 65536, kind: "io2", iops: 256000}},
		{in: volumeRequest{size: n(125), kind: "st1"}, out: volumeSpec{size: 125, kind: "st1"}},
		{in: volumeRequest{size: n(1024), kind: "standard"}, out: volumeSpec{size: 1024, kind: "standard"}},

		{in: volumeRequest{size: n(1), kind: "gp9"}, code: "UnknownVolumeType", message: "Unsupported volume type 'gp9' for volume creation."},
		{in: volumeRequest{}, code: "MissingParameter", message: "The request must contain the parameter size or snapshotId"},
		{in: volumeRequest{size: n(0)}, code: "InvalidParameterValue", message: "Volume of 0GiB is too small for volume type gp2; minimum is 1GiB."},
		{in: volumeRequest{size: n(-1)}, code: "InvalidParameterValue", message: "Volume of -1GiB is too small for volume type gp2; minimum is 1GiB."},
		{in: volumeRequest{size: n(16385), kind: "gp3"}, code: "InvalidParameterValue", message: "Volume of 16385GiB is too large for volume type gp3; maximum is 16384GiB."},
		{in: volumeRequest{size: n(1025), kind: "standard"}, code: "InvalidParameterValue", message: "Volume of 1025GiB is too large for volume type standard; maximum is 1024GiB."},
		{in: volumeRequest{size: n(3), kind: "io1", iops: n(100)}, code: "InvalidParameterValue", message: "Volume of 3GiB is too small for volume type io1; minimum is 4GiB."},
		{in: volumeRequest{size: n(124), kind: "sc1"}, code: "InvalidParameterValue", message: "Volume of 124GiB is too small for volume type sc1; minimum is 125GiB."},
		{in: volumeRequest{size: n(1), iops: n(100)}, code: "InvalidParameterCombination", message: "The parameter iops is not supported for gp2 volumes."},
		{in: volumeRequest{size: n(1), throughput: n(125)}, code: "InvalidParameterCombination", message: "The parameter throughput is not supported for gp2 volumes."},
		{in: volumeRequest{size: n(10), kind: "io1"}, code: "MissingParameter", message: "The parameter iops must be specified for io1 volumes."},
		{in: volumeRequest{size: n(10), kind: "io2", iops: n(99)}, code: "InvalidParameterValue", message: "Volume iops of 99 is too low; minimum is 100."},
		{in: volumeRequest{size: n(10), kind: "io1", iops: n(64001)}, code: "InvalidParameterValue", message: "Volume iops of 64001 is too high; maximum is 64000."},
		{in: volumeRequest{size: n(10), kind: "io1", iops: n(501)}, code: "InvalidParameterValue", message: "Iops to volume size ratio of 50.100000 is too high; maximum is 50.000000"},
		{in: volumeRequest{size: n(10), kind: "gp3", iops: n(2999)}, code: "InvalidParameterValue", message: "Volume iops of 2999 is too low; minimum is 3000."},
		{in: volumeRequest{size: n(10), kind: "gp3", iops: n(5001)}, code: "InvalidParameterValue", message: "Iops to volume size ratio of 500.100000 is too high; maximum is 500.000000"},
		{in: volumeRequest{size: n(10), kind: "gp3", throughput: n(124)}, code: "InvalidParameterValue", message: "Throughput (MiBps) of 124 is too low; minimum is 125."},
		{in: volumeRequest{size: n(10), kind: "gp3", throughput: n(1001)}, code: "InvalidParameterValue", message: "Throughput (MiBps) of 1001 is too high; maximum is 1000."},
		{in: volumeRequest{size: n(10), kind: "gp3", throughput: n(751)}, code: "InvalidParameterValue", message: "Throughput (MiBps) to iops ratio of 0.250333 is too high; maximum is 0.250000."},
		{in: volumeRequest{size: n(10), encrypted: new(true), key: "k"}, code: "UnsupportedOperation", message: "Volumes and snapshots are encrypted under keys that the cloud makes for each. Leave out KmsKeyId, or give alias/aws/ebs."},
		{in: volumeRequest{size: n(10), key: "k"}, code: "InvalidParameterDependency", message: "The parameter KmsKeyId requires the parameter Encrypted to be set."},
		{in: volumeRequest{snapshot: "snap-00000000000000001"}, code: "InvalidSnapshot.NotFound", message: "The snapshot 'snap-00000000000000001' does not exist."},
		{in: volumeRequest{snapshot: "x"}, code: "InvalidParameterValue", message: "Value (x) for parameter snapshotId is invalid. Expected: 'snap-...'."},
	} {
		out, err := c.in.check()
		if c.code != "" {
			want(t, c.message, err, c.code, c.message)
		} else if err != nil || out != c.out {
			t.Errorf("%+v: got %+v, %v, want %+v", c.in, out, err, c.out)
		}
	}
}

func TestCreateVolume(t *testing.T) {
	r := newGuestRig(t)
	r.addHost("host-c", 0)
	r.changeHost("host-c", func(h *cloud.Host) { h.DiskFree = 2000 })
	in := &ec2.CreateVolumeRequest{
		AvailabilityZoneId: new("eup1-az1"), Size: new(int32(10)), VolumeType: new("gp3"), ClientToken: new("t"), TagSpecifications: tagSpec("volume", "Name", "data"),
	}
	out := must(r.CreateVolume(r.ctx, in))(t)
	if *out.State != "creating" || *out.AvailabilityZone != "eu-paris-1a" || *out.Size != 10 || *out.Iops != 3000 || *out.Throughput != 125 || *out.Encrypted || len(out.Tags) != 1 {
		t.Errorf("got %+v", out)
	}
	if v := r.volume(*out.VolumeId); v.Host != "host-c" {
		t.Errorf("volume is on %s, want the host with the most disk", v.Host)
	}
	if again := must(r.CreateVolume(r.ctx, in))(t); *again.VolumeId != *out.VolumeId {
		t.Error("the same token made another volume")
	}
	in.Size = new(int32(11))
	_, err := r.CreateVolume(r.ctx, in)
	want(t, "other size", err, "IdempotentParameterMismatch")
	for _, c := range []struct {
		change func(*ec2.CreateVolumeRequest)
		code   string
	}{
		{func(in *ec2.CreateVolumeRequest) { in.AvailabilityZone = nil }, "MissingParameter"},
		{func(in *ec2.CreateVolumeRequest) { in.AvailabilityZone = new("x") }, "InvalidZone.NotFound"},
		{func(in *ec2.CreateVolumeRequest) { in.AvailabilityZoneId = new("eup1-az1") }, "InvalidParameterCombination"},
		{func(in *ec2.CreateVolumeRequest) { in.MultiAttachEnabled = new(true) }, "UnsupportedOperation"},
		{func(in *ec2.CreateVolumeRequest) { in.OutpostArn = new("x") }, "UnsupportedOperation"},
		{func(in *ec2.CreateVolumeRequest) { in.Operator = &ec2.OperatorRequest{} }, "UnsupportedOperation"},
		{func(in *ec2.CreateVolumeRequest) { in.VolumeInitializationRate = new(int32(100)) }, "UnsupportedOperation"},
		{func(in *ec2.CreateVolumeRequest) { in.TagSpecifications = tagSpec("instance", "a", "b") }, "InvalidParameterValue"},
		{func(in *ec2.CreateVolumeRequest) { in.DryRun = new(true) }, "DryRunOperation"},
	} {
		in := &ec2.CreateVolumeRequest{AvailabilityZone: new("eu-paris-1a"), Size: new(int32(10))}
		c.change(in)
		_, err := r.CreateVolume(r.ctx, in)
		want(t, c.code, err, c.code)
	}
	r.changeHost("host-c", func(h *cloud.Host) { h.DiskFree = 1 }) // promised to the volume that is not made yet
	r.changeHost(hostA, func(h *cloud.Host) { h.DiskFree = 0 })
	_, err = r.CreateVolume(r.ctx, &ec2.CreateVolumeRequest{AvailabilityZone: new("eu-paris-1a"), Size: new(int32(10))})
	want(t, "full disks", err, "InsufficientVolumeCapacity")
	r.seeVolume(*out.VolumeId, cloud.VolumeSeen{Ready: true}) // now DiskFree counts it
	if _, err := r.CreateVolume(r.ctx, &ec2.CreateVolumeRequest{AvailabilityZone: new("eu-paris-1a"), Size: new(int32(10))}); err != nil {
		t.Errorf("a GiB is free: %v", err)
	}
}

func TestAttachAndDetach(t *testing.T) {
	r := newGuestRig(t)
	id, volume := r.running(), r.createVolume()
	out := must(r.AttachVolume(r.ctx, &ec2.AttachVolumeRequest{VolumeId: &volume, InstanceId: &id, Device: new("/dev/sdf")}))(t)
	if *out.State != "attaching" || *out.InstanceId != id || *out.Device != "/dev/sdf" || *out.DeleteOnTermination {
		t.Errorf("got %+v", out)
	}
	shown := func() (state, attachment string) {
		v := must(r.DescribeVolumes(r.ctx, &ec2.DescribeVolumesRequest{VolumeIds: []string{volume}}))(t).Volumes[0]
		if len(v.Attachments) > 0 {
			attachment = *v.Attachments[0].State
		}
		return *v.State, attachment
	}
	expect := func(state, attachment string) {
		t.Helper()
		if s, a := shown(); s != state || a != attachment {
			t.Errorf("got %s %s, want %s %s", s, a, state, attachment)
		}
	}
	expect("in-use", "attaching")
	r.seeVolume(volume, cloud.VolumeSeen{Ready: true, Guest: id})
	expect("in-use", "attached")
	if m := r.describe(id).BlockDeviceMappings; len(m) != 2 || *m[1].DeviceName != "/dev/sdf" || *m[1].Ebs.Status != "attached" {
		t.Errorf("got %d mappings", len(m))
	}
	if out := must(r.DetachVolume(r.ctx, &ec2.DetachVolumeRequest{VolumeId: &volume, InstanceId: &id, Device: new("/dev/sdf")}))(t); *out.State != "detaching" {
		t.Errorf("got %s", *out.State)
	}
	expect("in-use", "detaching")
	r.seeVolume(volume, cloud.VolumeSeen{Ready: true, Guest: id, Busy: true})
	expect("in-use", "busy")
	if a := r.volume(volume).Attachment; !a.Detach || a.Force {
		t.Errorf("got %+v", a)
	}
	must(r.DetachVolume(r.ctx, &ec2.DetachVolumeRequest{VolumeId: &volume, Force: new(true)}))(t)
	if a := r.volume(volume).Attachment; !a.Force {
		t.Errorf("got %+v", a)
	}
	r.seeVolume(volume, cloud.VolumeSeen{Ready: true})
	r.update(func(tx *store.Tx) error { // as control does once the guest has let go
		return volumeTable.Modify(tx, volume, func(v *cloud.Volume) error { v.Attachment = nil; return nil })
	})
	expect("available", "")

	// A stopped instance lets go at once, of its root device too.
	stopped := r.stopped()
	if err := r.attach(volume, stopped, "/dev/sdf"); err != nil {
		t.Fatal(err)
	}
	expect("in-use", "attached")
	if out := must(r.DetachVolume(r.ctx, &ec2.DetachVolumeRequest{VolumeId: &volume}))(t); *out.State != "detaching" {
		t.Errorf("got %s", *out.State)
	}
	expect("available", "")
	root := r.volumes(stopped)[0].ID
	must(r.DetachVolume(r.ctx, &ec2.DetachVolumeRequest{VolumeId: &root}))(t)
	if err := r.attach(root, stopped, "/dev/xvda"); err != nil {
		t.Errorf("attach the root device again: %v", err)
	}
	must(r.powerOps()["start"](stopped))(t)
}

func TestAttachRefuses(t *testing.T) {
	r := newGuestRig(t)
	r.addHost("host-c", 0)
	r.changeHost("host-c", func(h *cloud.Host) { h.MemoryMiB, h.DiskFree = 0, 500 }) // keeps volumes, not guests
	id, gone := r.running(), r.inState(cloud.InstanceTerminated)
	volume, used := r.createVolume(), r.createVolume()
	r.changeHost("host-c", func(h *cloud.Host) { h.DiskFree = 2000 })
	elsewhere := r.createVolume()
	inB := r.createVolume(func(in *ec2.CreateVolumeRequest) { in.AvailabilityZone = new("eu-paris-1b") })
	creating := r.createVolume()
	r.seeVolume(creating, cloud.VolumeSeen{})
	if err := r.attach(used, id, "/dev/sdf"); err != nil {
		t.Fatal(err)
	}
	bobs := *must(r.CreateVolume(r.bob, &ec2.CreateVolumeRequest{AvailabilityZone: new("eu-paris-1a"), Size: new(int32(1))}))(t).VolumeId
	for _, c := range []struct{ volume, instance, device, code, message string }{
		{volume, id, "/dev/sdf", "InvalidParameterValue", "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use"},
		{volume, id, "/dev/xvda", "InvalidParameterValue", "Invalid value '/dev/xvda' for unixDevice. Attachment point /dev/xvda is already in use"},
		{volume, id, "Disk_D", "InvalidParameterValue", "Value (Disk_D) for parameter device is invalid. Disk_D is not a valid EBS device name."},
		{used, id, "/dev/sdg", "VolumeInUse", used + " is already attached to an instance"},
		{creating, id, "/dev/sdg", "IncorrectState", creating + " is not 'available'."},
		{volume, gone, "/dev/sdg", "IncorrectState", "Instance '" + gone + "' is not 'running'."},
		{inB, id, "/dev/sdg", "InvalidVolume.ZoneMismatch", "The volume '" + inB + "' is not in the same availability zone as instance '" + id + "'"},
		{elsewhere, id, "/dev/sdg", "UnsupportedOperation", "The volume '" + elsewhere + "' is kept by another host than the instance '" + id + "', and volumes do not move between hosts. Create one in a launch of the instance."},
		{"vol-00000000000000009", id, "/dev/sdg", "InvalidVolume.NotFound", "The volume 'vol-00000000000000009' does not exist."},
		{bobs, id, "/dev/sdg", "InvalidVolume.NotFound", "The volume '" + bobs + "' does not exist."},
		{"vol", id, "/dev/sdg", "InvalidVolumeID.Malformed", `Invalid id: "vol" (expecting "vol-...")`},
		{volume, "i-00000000000000009", "/dev/sdg", "InvalidInstanceID.NotFound", "The instance ID 'i-00000000000000009' does not exist"},
		{"", id, "/dev/sdg", "MissingParameter", "The request must contain the parameter volumeId"},
		{volume, "", "/dev/sdg", "MissingParameter", "The request must contain the parameter instanceId"},
		{volume, id, "", "MissingParameter", "The request must contain the parameter device"},
	} {
		want(t, c.message, r.attach(c.volume, c.instance, c.device), c.code, c.message)
	}
	for n := range 9 {
		if err := r.attach(r.onHost(hostA), id, fmt.Sprintf("/dev/xvd%c", 'g'+n)); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "an eleventh volume", r.attach(r.onHost(hostA), id, "/dev/sdz"), "AttachmentLimitExceeded",
		"An instance of type t3.micro has room for 10 volumes and network interfaces beside its root device and primary interface.")
}

// onHost makes an available volume on a host.
func (r *rig) onHost(host string) string {
	r.Helper()
	id := r.createVolume()
	r.update(func(tx *store.Tx) error {
		return volumeTable.Modify(tx, id, func(v *cloud.Volume) error { v.Host = host; return nil })
	})
	return id
}

func TestDetachRefuses(t *testing.T) {
	r := newGuestRig(t)
	id, volume := r.running(), r.createVolume()
	root := r.volumes(id)[0].ID
	attached := r.createVolume()
	if err := r.attach(attached, id, "/dev/sdf"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in            ec2.DetachVolumeRequest
		code, message string
	}{
		{ec2.DetachVolumeRequest{VolumeId: &volume}, "IncorrectState", "Volume '" + volume + "' is in the 'available' state."},
		{ec2.DetachVolumeRequest{VolumeId: &root}, "OperationNotPermitted", "Unable to detach root volume '" + root + "' from instance '" + id + "'"},
		{
			ec2.DetachVolumeRequest{VolumeId: &attached, InstanceId: new("i-00000000000000009"), Device: new("/dev/sdf")},
			"InvalidAttachment.NotFound",
			"The volume '" + attached + "' is not attached to instance 'i-00000000000000009' as device '/dev/sdf'",
		},
		{
			ec2.DetachVolumeRequest{VolumeId: &attached, InstanceId: &id, Device: new("/dev/sdg")},
			"InvalidAttachment.NotFound",
			"The volume '" + attached + "' is not attached to instance '" + id + "' as device '/dev/sdg'",
		},
		{ec2.DetachVolumeRequest{VolumeId: &attached, InstanceId: new("i")}, "InvalidInstanceID.Malformed", `Invalid id: "i" (expecting "i-...")`},
		{ec2.DetachVolumeRequest{}, "MissingParameter", "The request must contain the parameter volumeId"},
		{ec2.DetachVolumeRequest{VolumeId: new("vol-00000000000000009")}, "InvalidVolume.NotFound", "The volume 'vol-00000000000000009' does not exist."},
		{ec2.DetachVolumeRequest{VolumeId: &attached, DryRun: new(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		_, err := r.DetachVolume(r.ctx, &c.in)
		want(t, c.message, err, c.code, c.message)
	}
}

func TestDeleteVolume(t *testing.T) {
	r := newGuestRig(t)
	id, volume := r.running(), r.createVolume()
	root := r.volumes(id)[0].ID
	_, err := r.DeleteVolume(r.ctx, &ec2.DeleteVolumeRequest{VolumeId: &root})
	want(t, "in use", err, "VolumeInUse", "Volume "+root+" is currently attached to "+id)
	for range 2 { // again is fine
		must(r.DeleteVolume(r.ctx, &ec2.DeleteVolumeRequest{VolumeId: &volume}))(t)
		if v := r.volume(volume); v.State() != cloud.VolumeDeleting {
			t.Errorf("got state %s", v.State())
		}
	}
	want(t, "attach one that goes", r.attach(volume, id, "/dev/sdf"), "IncorrectState", volume+" is not 'available'.")
	_, err = r.DeleteVolume(r.bob, &ec2.DeleteVolumeRequest{VolumeId: &root})
	want(t, "another's", err, "InvalidVolume.NotFound")
}

func TestDescribeVolumes(t *testing.T) {
	r := newGuestRig(t)
	id := r.running(func(in *runIn) { in.TagSpecifications = tagSpec("volume", "Name", "root") })
	root := r.volumes(id)[0]
	r.tick(time.Minute)
	plain := r.createVolume(func(in *ec2.CreateVolumeRequest) { in.AvailabilityZone = new("eu-paris-1b") })
	when := timeWord(root.Created)
	ids := func(in ec2.DescribeVolumesRequest) ([]string, error) {
		out, err := r.DescribeVolumes(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.Volumes, func(v ec2.Volume) string { return *v.VolumeId }), nil
	}
	table := filterTable{
		names: names(r.volumeFields(r.DB.View())), id: root.ID,
		ids: func(f []ec2.Filter) ([]string, error) { return ids(ec2.DescribeVolumesRequest{Filters: f}) },
		cases: map[string]string{
			"attachment.attach-time": when, "attachment.delete-on-termination": "true", "attachment.device": "/dev/xvda", "attachment.instance-id": id, "attachment.status": "attached",
			"availability-zone": "eu-paris-1a", "availability-zone-id": "eup1-az1", "create-time": when, "encrypted": "false", "fast-restored": "false", "multi-attach-enabled": "false",
			"operator.managed": "false", "operator.principal": absent, "size": "2", "snapshot-id": absent, "source-volume-id": absent, "status": "in-use",
			"volume-id": root.ID, "volume-type": "gp3",
		},
	}
	table.check(t)
	for name, value := range map[string]string{"availability-zone": "eu-paris-1b", "size": "10", "status": "available", "volume-type": "gp2"} {
		if got := must(table.ids(filters(name, value)))(t); !slices.Equal(got, []string{plain}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	if got := must(table.ids(filters("tag:Name", "root")))(t); !slices.Equal(got, []string{root.ID}) {
		t.Errorf("got %v by tag", got)
	}
	out := must(r.DescribeVolumes(r.ctx, &ec2.DescribeVolumesRequest{VolumeIds: []string{plain}}))(t).Volumes[0]
	if *out.Iops != 100 || out.Throughput != nil || *out.SnapshotId != "" || *out.OwnerId != alice || *out.VolumeArn != "arn:aws:ec2:eu-paris-1:"+alice+":volume/"+plain {
		t.Errorf("got %+v", out)
	}
	_, err := ids(ec2.DescribeVolumesRequest{VolumeIds: []string{plain}, MaxResults: new(int32(5))})
	want(t, "IDs and page", err, "InvalidParameterCombination")
	_, err = ids(ec2.DescribeVolumesRequest{VolumeIds: []string{"vol-00000000000000009"}})
	want(t, "unknown", err, "InvalidVolume.NotFound", "The volume 'vol-00000000000000009' does not exist.")
	for range 7 {
		r.createVolume()
	}
	first := must(r.DescribeVolumes(r.ctx, &ec2.DescribeVolumesRequest{MaxResults: new(int32(5))}))(t)
	second := must(r.DescribeVolumes(r.ctx, &ec2.DescribeVolumesRequest{MaxResults: new(int32(5)), NextToken: first.NextToken}))(t)
	if len(first.Volumes) != 5 || len(second.Volumes) != 4 || second.NextToken != nil {
		t.Errorf("got pages of %d and %d", len(first.Volumes), len(second.Volumes))
	}
}

func TestDescribeVolumeStatus(t *testing.T) {
	r := newGuestRig(t)
	good, making, bad := r.createVolume(), r.createVolume(), r.createVolume()
	r.seeVolume(making, cloud.VolumeSeen{})
	r.seeVolume(bad, cloud.VolumeSeen{Error: "no space left for volumes"})
	out := must(r.DescribeVolumeStatus(r.ctx, &ec2.DescribeVolumeStatusRequest{}))(t)
	got := map[string]string{}
	for _, v := range out.VolumeStatuses {
		got[*v.VolumeId] = *v.VolumeStatus.Status
	}
	for id, status := range map[string]string{good: "ok", making: "insufficient-data", bad: "impaired"} {
		if got[id] != status {
			t.Errorf("got %s, want %s", got[id], status)
		}
	}
	if v := r.volume(bad); v.State() != cloud.VolumeFailed {
		t.Errorf("got state %s", v.State())
	}
	filterTable{
		names: names(r.volumeStatusFields()), id: good,
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeVolumeStatus(r.ctx, &ec2.DescribeVolumeStatusRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.VolumeStatuses, func(v ec2.VolumeStatusItem) string { return *v.VolumeId }), nil
		},
		cases: map[string]string{
			"action.code": absent, "action.description": absent, "action.event-id": absent, "availability-zone": "eu-paris-1a", "availability-zone-id": "eup1-az1",
			"event.description": absent, "event.event-id": absent, "event.event-type": absent, "event.not-after": absent, "event.not-before": absent,
			"operator.managed": "false", "operator.principal": absent,
			"volume-status.details-name": "io-enabled", "volume-status.details-status": "passed", "volume-status.status": "ok",
		},
	}.check(t)
	full, since := r.createVolume(), r.Now().UTC()
	r.seeVolume(full, cloud.VolumeSeen{Ready: true, Guest: "i-1", Full: since})
	waits := must(r.DescribeVolumeStatus(r.ctx, &ec2.DescribeVolumeStatusRequest{Filters: filters("event.event-type", "io-performance:stalled")}))(t).VolumeStatuses
	if len(waits) != 1 || *waits[0].VolumeId != full || *waits[0].VolumeStatus.Status != "impaired" || *waits[0].VolumeStatus.Details[1].Status != "stalled" ||
		len(waits[0].Events) != 1 || *waits[0].Events[0].InstanceId != "i-1" || *waits[0].Events[0].NotBefore != since {
		t.Errorf("on a full disk: got %+v", waits)
	}
}
