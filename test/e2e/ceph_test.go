//go:build linux

package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/ceph"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestCeph runs clouds whose volumes are in a Ceph pool.
func TestCeph(t *testing.T) {
	ceph.Wanted(t)
	cluster, end, err := ceph.Start(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	flags := []string{"--volumes", "ceph:" + cluster.User + "@" + cluster.Pool, "--ceph-conf", cluster.Conf, "--ceph-keyring", cluster.Keyring}
	t.Run("Disks", func(t *testing.T) { disksInCeph(t, cluster, e2e.Start(t, flags...)) })
	t.Run("Database", func(t *testing.T) { snapshotsOfADatabase(t, e2e.Start(t, flags...), 3) })
}

// disksInCeph runs a guest: it boots, keeps what it wrote under load in a snapshot, finds it
// again in another volume, grows a volume, and goes on when the cloud and the servers of its
// volumes are killed.
func disksInCeph(t *testing.T, cluster *ceph.Cluster, c *e2e.Cloud) {
	t.Helper()
	if out, err := c.Try("status"); err != nil || !strings.Contains(out, "in the Ceph pool "+cluster.Pool) {
		t.Errorf("status: %v\n%s", err, out)
	}
	ami, key, group := c.Tiny(), c.Key("disk"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	zone := c.Query("Reservations[0].Instances[0].Placement.AvailabilityZone", "ec2", "describe-instances", "--instance-ids", g.ID)
	v := c.Query("VolumeId", "ec2", "create-volume", "--size", "1", "--volume-type", "gp3", "--availability-zone", zone)
	dev := plugged(c, g, v, "/dev/sdf")
	g.SSH("sudo -n mkfs.ext4 -q /dev/" + dev + " && sudo -n mount -t ext4 /dev/" + dev + " /mnt")
	g.SSH("echo before | sudo -n tee /mnt/f && sync")

	// A snapshot under load: the guest writes on all the while.
	g.SSH("sudo -n sh -c 'i=0; while [ ! -e /tmp/enough ]; do i=$((i+1)); echo $i > /mnt/load; sync; done' >/dev/null 2>&1 &")
	s := c.Query("SnapshotId", "ec2", "create-snapshot", "--volume-id", v)
	c.AWS("ec2", "wait", "snapshot-completed", "--snapshot-ids", s)
	g.SSH("touch /tmp/enough; echo after | sudo -n tee /mnt/f && sync")
	again := c.Query("VolumeId", "ec2", "create-volume", "--snapshot-id", s, "--volume-type", "gp3", "--availability-zone", zone)
	c.AWS("ec2", "delete-snapshot", "--snapshot-id", s)
	other := plugged(c, g, again, "/dev/sdg")
	if got := g.SSH("sudo -n mkdir -p /tmp/again && sudo -n mount -t ext4 /dev/" + other + " /tmp/again && cat /tmp/again/f /mnt/f"); got != "before\nafter" {
		t.Errorf("the volume of the snapshot and the volume hold %q", got)
	}

	c.AWS("ec2", "modify-volume", "--volume-id", v, "--size", "2")
	c.Eventually("the guest sees the new size", 2*time.Minute, func() error {
		got, err := g.TrySSH("cat /sys/block/" + dev + "/size")
		if want := fmt.Sprint(2 << 21); err == nil && strings.TrimSpace(got) != want {
			err = fmt.Errorf("%s sectors", got)
		}
		return err
	})
	g.SSH("sudo -n resize2fs /dev/" + dev)

	killed := servers(c)
	if len(killed) != 3 {
		t.Errorf("processes %v serve the volumes, want three", killed)
	}
	c.Kill()
	for _, pid := range killed {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill() //nolint:errcheck // seen below
		}
	}
	c.Up()
	g.SSH("echo survived | sudo -n tee /mnt/g && sync && sudo -n sh -c 'echo 3 > /proc/sys/vm/drop_caches'")
	if got := g.SSH("cat /mnt/f /mnt/g; df -k /mnt | tail -1 | awk '{print ($2 > 1500000)}'"); got != "after\nsurvived\n1" {
		t.Errorf("after the kill the volume holds %q", got)
	}
	for _, id := range []string{again, v} {
		c.AWS("ec2", "detach-volume", "--volume-id", id)
		c.AWS("ec2", "wait", "volume-available", "--volume-ids", id)
		c.AWS("ec2", "delete-volume", "--volume-id", id)
	}
	g.Terminate()
	c.AWS("ec2", "wait", "volume-deleted", "--volume-ids", v, again)
	c.Eventually("no layer of the volumes is left in the pool, the image's aside", 2*time.Minute, func() error {
		out, err := cluster.Run("rbd", "ls", cluster.Pool)
		if n := len(strings.Fields(string(out))); err == nil && n > 3 {
			err = fmt.Errorf("%d images: %s", n, out)
		}
		return err
	})
	c.Eventually("no server of a volume is left", time.Minute, func() error {
		if left := servers(c); len(left) > 0 {
			return fmt.Errorf("processes %v", left)
		}
		return nil
	})
}

// servers are the processes that serve a cloud's volumes.
func servers(c *e2e.Cloud) []int { return c.Processes("qemu-storage-daemon") }
