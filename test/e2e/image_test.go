package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestImages makes images of a running guest of two volumes, without and with a reboot, and
// finds in guests of these what it had written, also when the images are gone again.
func TestImages(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("image"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group, "--block-device-mappings", `[{"DeviceName":"/dev/sdb","Ebs":{"VolumeSize":1}}]`)
	const sums = "sudo -n sh -c 'md5sum /pattern; dd if=/dev/vdb bs=1M count=8 2>/dev/null | md5sum'"
	g.SSH("sudo -n sh -c 'dd if=/dev/urandom of=/pattern bs=1M count=4 && dd if=/dev/urandom of=/dev/vdb bs=1M count=8 && sync' 2>&1")
	want, boot := g.SSH(sums), g.SSH("cat /proc/sys/kernel/random/boot_id")

	live := c.Query("ImageId", "ec2", "create-image", "--instance-id", g.ID, "--name", "as it runs", "--no-reboot")
	c.AWS("ec2", "wait", "image-available", "--image-ids", live)
	if again := g.SSH("cat /proc/sys/kernel/random/boot_id"); again != boot {
		t.Error("the guest was rebooted for an image without a reboot")
	}

	// What the guest has not yet written out is in the image of a rebooted one.
	g.SSH("sudo -n sh -c 'echo late >/late'")
	still := c.Query("ImageId", "ec2", "create-image", "--instance-id", g.ID, "--name", "as it had shut down")
	c.AWS("ec2", "wait", "image-available", "--image-ids", still)
	c.Eventually("the guest is rebooted", time.Minute, func() error {
		again, err := g.TrySSH("cat /proc/sys/kernel/random/boot_id")
		if err == nil && strings.TrimSpace(again) == boot {
			err = errSame
		}
		return err
	})
	snapshots := strings.Fields(c.Query("Images[0].BlockDeviceMappings[].Ebs.SnapshotId", "ec2", "describe-images", "--image-ids", live))
	if len(snapshots) != 2 {
		t.Fatalf("the image has the snapshots %v, want 2", snapshots)
	}
	_, err := c.TryAWS("ec2", "delete-snapshot", "--snapshot-id", snapshots[0])
	if err == nil || !strings.Contains(err.Error(), "InvalidSnapshot.InUse") {
		t.Errorf("deleting the snapshot of an image: %v", err)
	}
	g.Terminate()

	first := c.Launch(live, key, "--security-group-ids", group)
	if got := first.SSH(sums); got != want {
		t.Errorf("a guest of the image holds\n%s\nwant\n%s", got, want)
	}
	if _, err := first.TrySSH("test ! -e /late"); err != nil {
		t.Errorf("the image has what was written after it was made: %v", err)
	}
	c.AWS("ec2", "deregister-image", "--image-id", live)
	for _, s := range snapshots {
		c.AWS("ec2", "delete-snapshot", "--snapshot-id", s)
	}
	if _, err := c.TryAWS("ec2", "run-instances", "--image-id", live, "--instance-type", "t3.nano"); err == nil || !strings.Contains(err.Error(), "InvalidAMIID.NotFound") {
		t.Errorf("a launch of a deregistered image: %v", err)
	}
	c.AWS("ec2", "stop-instances", "--instance-ids", first.ID)
	first.Await("stopped")
	c.AWS("ec2", "start-instances", "--instance-ids", first.ID)
	first.Await("running")
	if got := first.SSH(sums); got != want {
		t.Errorf("without its image, the guest holds\n%s\nwant\n%s", got, want)
	}
	first.Terminate()

	second := c.Launch(still, key, "--security-group-ids", group, "--block-device-mappings", `[{"DeviceName":"/dev/xvda","Ebs":{"VolumeSize":3}}]`)
	if got := second.SSH(sums + "; cat /late /sys/block/vda/size"); got != want+"\nlate\n6291456" {
		t.Errorf("a guest of the image of a rebooted one holds\n%s\nwant\n%s\nlate\n6291456", got, want)
	}
}
