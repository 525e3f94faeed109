package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// diskLab is a cloud with a guest that disks are tried on.
type diskLab struct {
	*testing.T
	cloud  *e2e.Cloud
	client *ec2.Client
	guest  *e2e.Guest
	zone   string
}

func newDiskLab(t *testing.T, c *e2e.Cloud) *diskLab {
	t.Helper()
	l := &diskLab{T: t, cloud: c, client: c.EC2()}
	l.guest = c.Launch(c.Tiny(), c.Key("disks"), "--security-group-ids", c.OpenGroup("ssh"))
	out, err := l.client.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{l.guest.ID}})
	if err != nil {
		t.Fatal(err)
	}
	l.zone = *out.Reservations[0].Instances[0].Placement.AvailabilityZone
	l.guest.SSH("true") // once it lets one in
	return l
}

// must fails the test if a call failed.
func (l *diskLab) must(_ any, err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// volume makes a volume, and waits until it is there.
func (l *diskLab) volume(in *ec2.CreateVolumeInput) (id string) {
	l.Helper()
	in.AvailabilityZone = &l.zone
	if in.VolumeType == "" {
		in.VolumeType = types.VolumeTypeGp3
	}
	out, err := l.client.CreateVolume(l.Context(), in)
	if err != nil {
		l.Fatal(err)
	}
	l.await(*out.VolumeId, "available")
	return *out.VolumeId
}

// await waits until a volume is in that state; "" is gone.
func (l *diskLab) await(volume, state string) {
	l.Helper()
	l.cloud.Eventually(volume+" is "+state, 2*time.Minute, func() error {
		out, err := l.client.DescribeVolumes(l.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{volume}})
		switch {
		case err != nil && state == "" && strings.Contains(err.Error(), "InvalidVolume.NotFound"):
			return nil
		case err != nil:
			return err
		case string(out.Volumes[0].State) != state:
			return errSame
		}
		return nil
	})
}

// attach attaches a volume to the guest, and returns what the guest calls it.
func (l *diskLab) attach(volume, device string) (dev string) {
	l.Helper()
	l.must(l.client.AttachVolume(l.Context(), &ec2.AttachVolumeInput{VolumeId: &volume, InstanceId: &l.guest.ID, Device: &device}))
	return l.find(volume)
}

// find returns what the guest calls a volume, once it sees it.
func (l *diskLab) find(volume string) (dev string) {
	l.Helper()
	l.cloud.Eventually("the guest sees "+volume, 3*time.Minute, func() error {
		out, err := l.guest.TrySSH("grep -l " + strings.ReplaceAll(volume, "-", "") + " /sys/block/*/serial | cut -d/ -f4")
		if dev = strings.TrimSpace(out); err == nil && dev == "" {
			err = errSame
		}
		return err
	})
	return dev
}

func (l *diskLab) detach(volume string) {
	l.Helper()
	l.must(l.client.DetachVolume(l.Context(), &ec2.DetachVolumeInput{VolumeId: &volume}))
	l.await(volume, "available")
}

// snapshot takes a snapshot, and waits until it is complete.
func (l *diskLab) snapshot(volume string) (id string) {
	l.Helper()
	out, err := l.client.CreateSnapshot(l.Context(), &ec2.CreateSnapshotInput{VolumeId: &volume})
	if err != nil {
		l.Fatal(err)
	}
	l.completed(*out.SnapshotId)
	return *out.SnapshotId
}

func (l *diskLab) completed(snapshot string) {
	l.Helper()
	l.cloud.Eventually(snapshot+" is completed", 2*time.Minute, func() error {
		out, err := l.client.DescribeSnapshots(l.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snapshot}})
		if err == nil && out.Snapshots[0].State != types.SnapshotStateCompleted {
			err = errSame
		}
		return err
	})
}
