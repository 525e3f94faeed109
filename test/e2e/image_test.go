package e2e_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestImages makes an image of a running guest of two volumes, and finds in a guest of it what
// the first had written, also when the image is gone again.
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
}

// TestImageOfRebootedGuest makes an image with a reboot: what the guest had not yet written
// out is in it, on a root device that the launch makes larger.
func TestImageOfRebootedGuest(t *testing.T) {
	if os.Getenv("VAUBAN_SLOW") == "" {
		t.Skip("set VAUBAN_SLOW=1: it boots a guest three times")
	}
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("image"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	boot := g.SSH("cat /proc/sys/kernel/random/boot_id")
	g.SSH("sudo -n sh -c 'echo late >/late'")
	id := c.Query("ImageId", "ec2", "create-image", "--instance-id", g.ID, "--name", "as it had shut down")
	c.AWS("ec2", "wait", "image-available", "--image-ids", id)
	c.Eventually("the guest is rebooted", 3*time.Minute, func() error {
		again, err := g.TrySSH("cat /proc/sys/kernel/random/boot_id")
		if err == nil && strings.TrimSpace(again) == boot {
			err = errSame
		}
		return err
	})
	g.Terminate()
	of := c.Launch(id, key, "--security-group-ids", group, "--block-device-mappings", `[{"DeviceName":"/dev/xvda","Ebs":{"VolumeSize":3}}]`)
	if got := of.SSH("cat /late /sys/block/vda/size"); got != "late\n6291456" {
		t.Errorf("a guest of the image holds %q", got)
	}
}
