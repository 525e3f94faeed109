package e2e_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestSnapshots keeps what a volume holds under a running guest, finds it again in
// another volume once the first has changed, and grows a volume without a pause.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("disk"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	zone := c.Query("Reservations[0].Instances[0].Placement.AvailabilityZone", "ec2", "describe-instances", "--instance-ids", g.ID)
	v := c.Query("VolumeId", "ec2", "create-volume", "--size", "1", "--encrypted", "--volume-type", "gp3", "--availability-zone", zone)
	dev := plugged(c, g, v, "/dev/sdf")
	g.SSH("sudo -n mkfs.ext4 -q /dev/" + dev + " && sudo -n mount -t ext4 /dev/" + dev + " /mnt")
	g.SSH("echo before | sudo -n tee /mnt/f && sync")

	sealed(t, c)

	s := c.Query("SnapshotId", "ec2", "create-snapshot", "--volume-id", v)
	c.AWS("ec2", "wait", "snapshot-completed", "--snapshot-ids", s)
	g.SSH("echo after | sudo -n tee /mnt/f && sync")
	copied := c.Query("SnapshotId", "ec2", "copy-snapshot", "--source-region", "eu-paris-1", "--source-snapshot-id", s)
	c.AWS("ec2", "wait", "snapshot-completed", "--snapshot-ids", copied)
	c.AWS("ec2", "delete-snapshot", "--snapshot-id", s)

	again := c.Query("VolumeId", "ec2", "create-volume", "--snapshot-id", copied, "--volume-type", "gp3", "--availability-zone", zone)
	if got := c.Query("Volumes[0].Encrypted", "ec2", "describe-volumes", "--volume-ids", again); got != "True" {
		t.Errorf("a volume of an encrypted snapshot is encrypted: %s", got)
	}
	other := plugged(c, g, again, "/dev/sdg")
	if got := g.SSH("sudo -n mkdir -p /tmp/again && sudo -n mount -t ext4 /dev/" + other + " /tmp/again && cat /tmp/again/f /mnt/f"); got != "before\nafter" {
		t.Errorf("the volume of the snapshot and the volume hold %q", got)
	}

	c.AWS("ec2", "modify-volume", "--volume-id", v, "--size", "2")
	c.Eventually("the guest sees the new size", time.Minute, func() error {
		got, err := g.TrySSH("cat /sys/block/" + dev + "/size")
		if want := fmt.Sprint(2 << 21); err == nil && strings.TrimSpace(got) != want {
			err = fmt.Errorf("%s sectors", got)
		}
		return err
	})
	c.Eventually("the change is complete", time.Minute, func() error {
		got := c.Query("VolumesModifications[0].ModificationState", "ec2", "describe-volumes-modifications", "--volume-ids", v)
		return contains(got, "completed")
	})
	g.SSH("sudo -n resize2fs /dev/" + dev)
	if got := g.SSH("df -k /mnt | tail -1 | awk '{print $2}'; cat /mnt/f"); len(got) < 7 || !strings.HasSuffix(got, "after") {
		t.Errorf("after it grew the volume has %q", got)
	}

	// The guest has let go of all its layers, and can have it again.
	g.SSH("sudo -n umount /mnt")
	c.AWS("ec2", "detach-volume", "--volume-id", v)
	dev = plugged(c, g, v, "/dev/sdh")
	if got := g.SSH("sudo -n mount -t ext4 /dev/" + dev + " /mnt && cat /mnt/f"); got != "after" {
		t.Errorf("attached again the volume has %q", got)
	}
}

// plugged attaches a volume to a running guest and returns what the guest calls it.
func plugged(c *e2e.Cloud, g *e2e.Guest, volume, device string) (dev string) {
	c.AWS("ec2", "wait", "volume-available", "--volume-ids", volume)
	c.AWS("ec2", "attach-volume", "--volume-id", volume, "--instance-id", g.ID, "--device", device)
	c.Eventually("the guest sees "+volume, time.Minute, func() error {
		out, err := g.TrySSH("grep -l " + strings.ReplaceAll(volume, "-", "") + " /sys/block/*/serial | cut -d/ -f4")
		if dev = strings.TrimSpace(out); err == nil && dev == "" {
			err = errSame
		}
		return err
	})
	return dev
}

// sealed checks that the disks of all volumes are encrypted on the host.
func sealed(t *testing.T, c *e2e.Cloud) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.Data, "disks", "volumes", "vol-*"))
	deeper, err2 := filepath.Glob(filepath.Join(c.Data, "disks", "volumes", "vol-*", "*"))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	files = append(files, deeper...)
	disks := 0
	for _, path := range files {
		if name := filepath.Base(path); name == "keys.json" || name == "base.qcow2" {
			continue // sealed secrets, and the operator's image, which every account may read
		}
		out, err := exec.CommandContext(t.Context(), "qemu-img", "info", "--force-share", path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "file format:") {
			continue // not a disk
		}
		if disks++; !strings.Contains(string(out), "encrypted: yes") {
			t.Errorf("%s is not encrypted:\n%s", path, out)
		}
	}
	if disks < 2 {
		t.Errorf("found %d disks among %v, want the root device and the volume", disks, files)
	}
}
