package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestVolumes attaches and detaches disks under a running guest, and sees which
// of them outlive it.
func TestVolumes(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("disk"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group, "--block-device-mappings",
		`[{"DeviceName":"/dev/xvda","Ebs":{"VolumeSize":3}},{"DeviceName":"/dev/sdb","Ebs":{"VolumeSize":2,"DeleteOnTermination":false}}]`)
	zone := c.Query("Reservations[0].Instances[0].Placement.AvailabilityZone", "ec2", "describe-instances", "--instance-ids", g.ID)
	other := "eu-paris-1a"
	if zone == other {
		other = "eu-paris-1b"
	}

	if got := g.SSH("cat /sys/block/vda/size /sys/block/vdb/size"); got != fmt.Sprintf("%d\n%d", 3<<21, 2<<21) {
		t.Errorf("disks have sectors %q, want 3 and 2 GiB", got)
	}
	if got := g.SSH("df -k / | tail -1 | awk '{print $2}'"); len(got) < 7 {
		t.Errorf("the root file system did not grow to its disk: %s KiB", got)
	}

	v := c.Query("VolumeId", "ec2", "create-volume", "--size", "1", "--availability-zone", zone)
	c.AWS("ec2", "wait", "volume-available", "--volume-ids", v)
	elsewhere := c.Query("VolumeId", "ec2", "create-volume", "--size", "1", "--availability-zone", other)
	if _, err := c.TryAWS("ec2", "attach-volume", "--volume-id", elsewhere, "--instance-id", g.ID, "--device", "/dev/sdg"); err == nil ||
		!strings.Contains(err.Error(), "InvalidVolume.ZoneMismatch") {
		t.Errorf("a volume of another zone: %v", err)
	}
	c.AWS("ec2", "attach-volume", "--volume-id", v, "--instance-id", g.ID, "--device", "/dev/sdf")
	serial := strings.ReplaceAll(v, "-", "")
	find := "grep -l " + serial + " /sys/block/*/serial | cut -d/ -f4"
	var dev string
	c.Eventually("the guest sees the disk", 30*time.Second, func() error {
		out, err := g.TrySSH(find)
		dev = strings.TrimSpace(out)
		if err == nil && dev == "" {
			err = errSame
		}
		return err
	})
	c.AWS("ec2", "wait", "volume-in-use", "--volume-ids", v)
	g.SSH("echo on the volume | sudo -n dd of=/dev/" + dev + " conv=fsync bs=512 2>/dev/null")
	if _, err := c.TryAWS("ec2", "delete-volume", "--volume-id", v); err == nil || !strings.Contains(err.Error(), "VolumeInUse") {
		t.Errorf("deleting an attached volume: %v", err)
	}
	c.AWS("ec2", "detach-volume", "--volume-id", v)
	c.AWS("ec2", "wait", "volume-available", "--volume-ids", v)
	if out, _ := g.TrySSH(find); strings.TrimSpace(out) != "" {
		t.Errorf("after a detach the guest still sees %s", out)
	}

	// Attached to a stopped instance, it is there at the next start.
	c.AWS("ec2", "stop-instances", "--instance-ids", g.ID)
	g.Await("stopped")
	c.AWS("ec2", "attach-volume", "--volume-id", v, "--instance-id", g.ID, "--device", "/dev/sdf")
	c.AWS("ec2", "start-instances", "--instance-ids", g.ID)
	g.Await("running")
	if got := g.SSH("sudo -n head -c 13 /dev/$(" + find + ")"); got != "on the volume" {
		t.Errorf("the volume holds %q", got)
	}

	kept := c.Query("Volumes[?Attachments[0].Device=='/dev/sdb'].VolumeId", "ec2", "describe-volumes")
	g.Terminate()
	c.Eventually("only what was to be kept is left", 20*time.Second, func() error {
		for id := range strings.FieldsSeq(c.Query("Volumes[].VolumeId", "ec2", "describe-volumes")) {
			if id != v && id != kept && id != elsewhere {
				return fmt.Errorf("volume %s is left", id)
			}
		}
		return contains(c.Query("Volumes[?State=='available'].VolumeId", "ec2", "describe-volumes"), kept)
	})
	for _, id := range []string{v, kept, elsewhere} {
		c.AWS("ec2", "delete-volume", "--volume-id", id)
	}
	c.Eventually("nothing is left", 20*time.Second, func() error {
		if got := c.Query("Volumes[].VolumeId", "ec2", "describe-volumes"); got != "" {
			return fmt.Errorf("volumes %s", got)
		}
		return nil
	})
}
