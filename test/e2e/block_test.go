package e2e_test

import (
	"os"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestBlocks finds, block by block, what a guest changed between two snapshots, makes a third
// snapshot of the blocks of the second, and has the guest compare the disks; and it locks
// snapshots and takes them back from the recycle bin.
func TestBlocks(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("disk"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	zone := c.Query("Reservations[0].Instances[0].Placement.AvailabilityZone", "ec2", "describe-instances", "--instance-ids", g.ID)
	v := c.Query("VolumeId", "ec2", "create-volume", "--size", "1", "--volume-type", "gp3", "--availability-zone", zone)
	dev := plugged(c, g, v, "/dev/sdf")
	snapshot := func() string {
		s := c.Query("SnapshotId", "ec2", "create-snapshot", "--volume-id", v)
		c.AWS("ec2", "wait", "snapshot-completed", "--snapshot-ids", s)
		return s
	}
	write := func(seek string) string {
		return "sudo -n dd if=/dev/urandom of=/dev/" + dev + " bs=64k count=8 seek=" + seek + " conv=notrunc,fsync 2>/dev/null"
	}
	g.SSH(write("0") + " && " + write("800")) // blocks 0 and 100
	first := snapshot()
	g.SSH(write("800") + " && " + write("1600")) // blocks 100 and 200
	second := snapshot()

	script, err := os.ReadFile("testdata/blocks.py")
	if err != nil {
		t.Fatal(err)
	}
	out := c.Python(string(script), "http://"+c.Addr, first, second)
	copied := ""
	for word := range strings.FieldsSeq(out) {
		if strings.HasPrefix(word, "snap-") {
			copied = word
		}
	}
	again := c.Query("VolumeId", "ec2", "create-volume", "--snapshot-id", copied, "--volume-type", "gp3", "--availability-zone", zone)
	other := plugged(c, g, again, "/dev/sdg")
	sum := func(dev string) string { // of the blocks that were written, and of one that was not
		return "for k in 0 400 800 1600; do sudo -n dd bs=64k count=8 skip=$k if=/dev/" + dev + " 2>/dev/null; done | sha256sum"
	}
	if got := strings.Fields(g.SSH(sum(dev) + "; " + sum(other))); len(got) != 4 || got[0] != got[2] {
		t.Errorf("the disk and the copy of its blocks have sums %q", got)
	}
}
