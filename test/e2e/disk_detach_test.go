package e2e_test

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestDetach detaches a volume that a guest writes to, and finds all in it that was
// acknowledged; then from a guest that does not answer any more, where the volume is busy until
// it is taken by force.
func TestDetach(t *testing.T) {
	t.Parallel()
	l := newDiskLab(t, e2e.Start(t))
	first, second := l.volume(&ec2.CreateVolumeInput{Size: new(int32(1))}), l.volume(&ec2.CreateVolumeInput{Size: new(int32(1))})
	dev := l.attach(first, "/dev/sdf")
	l.attach(second, "/dev/sdg")
	l.guest.SSH("sudo -n mkfs.ext4 -q /dev/" + dev + " && sudo -n mount -t ext4 /dev/" + dev + " /mnt")
	out, wait := l.guest.Stream(t.Context(), `sudo -n sh -c 'n=0; while echo $n | dd of=/mnt/f oflag=append conv=notrunc,fsync 2>/dev/null; do echo $n; n=$((n+1)); done'`)
	lines := bufio.NewScanner(out)
	acknowledged := -1
	for ; acknowledged < 20 && lines.Scan(); acknowledged++ {
		if got, want := lines.Text(), fmt.Sprint(acknowledged+1); got != want {
			t.Fatalf("the guest says %q, want %s", got, want)
		}
	}
	l.must(l.client.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: &first}))
	for lines.Scan() { // until its write fails
		acknowledged++
	}
	_ = wait()
	l.await(first, "available")
	l.guest.SSH("sudo -n umount -l /mnt")
	dev = l.attach(first, "/dev/sdf")
	got := strings.Fields(l.guest.SSH("sudo -n mount -t ext4 /dev/" + dev + " /mnt && cat /mnt/f && sudo -n umount /mnt"))
	for n := range acknowledged + 1 {
		if n >= len(got) || got[n] != fmt.Sprint(n) {
			t.Fatalf("of %d lines that were acknowledged, the volume has %d: %v", acknowledged+1, len(got), got)
		}
	}

	// What outlives the instance can be changed while it runs.
	l.must(l.client.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &l.guest.ID, BlockDeviceMappings: []types.InstanceBlockDeviceMappingSpecification{
		{DeviceName: new("/dev/sdf"), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: new(true)}},
	}}))

	_, _ = l.guest.TrySSH("sudo -n sh -c 'echo 0 >/proc/sys/kernel/panic; (sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &'")
	l.cloud.Eventually("the guest's kernel has stopped", time.Minute, func() error {
		out, err := l.cloud.TryAWS("ec2", "get-console-output", "--latest", "--instance-id", l.guest.ID, "--query", "Output", "--output", "text")
		if err != nil {
			return err
		}
		return contains(out, "Kernel panic")
	})
	l.must(l.client.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: &second}))
	l.cloud.Eventually("the volume is busy", 2*time.Minute, func() error {
		out, err := l.client.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{second}})
		if err == nil && out.Volumes[0].Attachments[0].State != types.VolumeAttachmentStateBusy {
			err = fmt.Errorf("it is %s", out.Volumes[0].Attachments[0].State)
		}
		return err
	})
	l.must(l.client.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: &second, Force: new(true)}))
	l.await(second, "available")
	l.must(l.client.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &second}))
	l.await(second, "")
	l.guest.Terminate()
	l.await(first, "")
}
