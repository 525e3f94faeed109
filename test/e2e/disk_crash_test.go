package e2e_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

const (
	fewKills   = 4
	lastChecks = 5 * time.Minute // what a round and the end may take
)

// TestKilledAmongDisks kills vauban, or a guest's QEMU, at random moments after a volume is
// attached, detached, snapshotted, restored, copied, grown or deleted. What was asked for comes to be, what
// the guest had written is there, and in the end no file is left. The seed is in the log, and
// VAUBAN_SEED asks for one again; VAUBAN_SLOW=1 makes two hundred kills,
// or as many as there is time for.
func TestKilledAmongDisks(t *testing.T) {
	t.Parallel()
	kills := fewKills
	if os.Getenv("VAUBAN_SLOW") != "" {
		kills = 200
	}
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("VAUBAN_SEED"), fmt.Sprint(time.Now().UnixNano())), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d", seed)
	c := &diskCrasher{diskLab: newDiskLab(t, e2e.Start(t)), rng: rand.New(rand.NewPCG(seed, 0))}
	c.volume = c.diskLab.volume(&ec2.CreateVolumeInput{Size: new(int32(1))})
	c.attach(c.volume, "/dev/sdf")
	c.attached = true
	c.snapshots = []takenSnapshot{{c.snapshot(c.volume), 0}}
	deadline, limited := t.Deadline()
	for n := range kills {
		if limited && n >= fewKills && time.Until(deadline) < lastChecks {
			t.Logf("there is time for %d kills of %d", n, kills)
			break
		}
		c.round(n, n == kills-1 || c.rng.IntN(4) == 0) // some guests live through many rounds
		if t.Failed() {
			return
		}
	}
	c.end()
}

type diskCrasher struct {
	*diskLab
	rng       *rand.Rand
	volume    string // of the guest, with a number a round in a sector of its own
	attached  bool
	written   int // sectors
	snapshots []takenSnapshot
	extra     []string // volumes made of snapshots
}

// takenSnapshot has so many sectors at least.
type takenSnapshot struct {
	id      string
	written int
}

// round writes, asks for something, kills, and waits until all is as asked.
func (c *diskCrasher) round(n int, guest bool) {
	c.Helper()
	if c.attached {
		c.guest.SSH(fmt.Sprintf("printf %%-512d %d | sudo -n dd of=/dev/%s bs=512 seek=%d conv=fsync,notrunc 2>/dev/null", c.written, c.find(c.volume), c.written))
		c.written++
	}
	name, settled := c.ask()
	wait := time.Duration(c.rng.IntN(300)) * time.Millisecond
	time.Sleep(wait) // the moment is what is tried
	if guest {
		c.killGuest()
	} else {
		c.cloud.Kill()
		c.cloud.Up()
	}
	c.Logf("round %d: %s, %v later kill %s", n, name, wait, map[bool]string{true: "QEMU", false: "vauban"}[guest])
	c.cloud.Eventually("after a kill, all is as asked: "+name, 3*time.Minute, func() error { return settled() })
	if guest {
		c.must(c.client.StartInstances(c.Context(), &ec2.StartInstancesInput{InstanceIds: []string{c.guest.ID}}))
		c.guest.Await("running")
		c.guest.SSH("true")
	}
	if c.attached {
		c.check(c.find(c.volume), c.written)
	}
}

// killGuest kills the guest's process, and waits until that is seen.
func (c *diskCrasher) killGuest() {
	c.Helper()
	for _, pid := range c.cloud.Processes("qemu-system-x86_64") {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			c.Fatal(err)
		}
	}
	c.guest.Await("stopped")
}

// check looks for the sectors on a disk of the guest.
func (c *diskCrasher) check(dev string, written int) {
	c.Helper()
	got := strings.Fields(c.guest.SSH(fmt.Sprintf("sudo -n dd if=/dev/%s bs=512 count=%d 2>/dev/null | tr '\\0' '?'", dev, max(written, 1))))
	for n := range written {
		if n >= len(got) || got[n] != fmt.Sprint(n) {
			c.Fatalf("of %d sectors that were acknowledged, the disk has %v", written, got)
		}
	}
}

// ask asks for something at random, and returns what to see once it is done.
func (c *diskCrasher) ask() (name string, settled func() error) {
	c.Helper()
	ctx := c.Context()
	for {
		switch c.rng.IntN(6) {
		case 0:
			return c.plugOrNot(ctx)
		case 1:
			out, err := c.client.CreateSnapshot(ctx, &ec2.CreateSnapshotInput{VolumeId: &c.volume})
			c.must(out, err)
			c.snapshots = append(c.snapshots, takenSnapshot{*out.SnapshotId, c.written})
			return "snapshot", func() error { return c.snapshotIs(*out.SnapshotId, types.SnapshotStateCompleted) }
		case 2:
			if len(c.snapshots) == 0 {
				continue
			}
			from := c.snapshots[c.rng.IntN(len(c.snapshots))]
			out, err := c.client.CopySnapshot(ctx, &ec2.CopySnapshotInput{SourceSnapshotId: &from.id, SourceRegion: new("eu-paris-1"), Encrypted: new(c.rng.IntN(2) == 0)})
			c.must(out, err)
			c.snapshots = append(c.snapshots, takenSnapshot{*out.SnapshotId, from.written})
			return "copy", func() error { return c.snapshotIs(*out.SnapshotId, types.SnapshotStateCompleted) }
		case 3:
			if len(c.snapshots) == 0 {
				continue
			}
			out, err := c.client.CreateVolume(ctx, &ec2.CreateVolumeInput{SnapshotId: &c.snapshots[c.rng.IntN(len(c.snapshots))].id, AvailabilityZone: &c.zone, VolumeType: types.VolumeTypeGp3})
			c.must(out, err)
			c.extra = append(c.extra, *out.VolumeId)
			return "restore", func() error { return c.volumeIs(*out.VolumeId, "available", 1) }
		case 4:
			if len(c.extra) == 0 {
				continue
			}
			id := c.extra[len(c.extra)-1]
			out, err := c.client.ModifyVolume(ctx, &ec2.ModifyVolumeInput{VolumeId: &id, Size: new(int32(2))})
			if err != nil {
				continue // it is as large already
			}
			return "grow", func() error {
				return errors.Join(c.volumeIs(id, "available", *out.VolumeModification.TargetSize), c.modified(id))
			}
		case 5:
			if len(c.extra) == 0 {
				continue
			}
			id := c.extra[0]
			c.extra = c.extra[1:]
			c.must(c.client.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &id}))
			return "delete", func() error { return c.volumeIs(id, "", 0) }
		}
	}
}

// plugOrNot attaches the volume if it is not, or detaches it.
func (c *diskCrasher) plugOrNot(ctx context.Context) (name string, settled func() error) {
	c.attached = !c.attached
	if c.attached {
		c.must(c.client.AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: &c.volume, InstanceId: &c.guest.ID, Device: new("/dev/sdf")}))
		return "attach", func() error { return c.volumeIs(c.volume, "in-use", 1) }
	}
	c.must(c.client.DetachVolume(ctx, &ec2.DetachVolumeInput{VolumeId: &c.volume}))
	return "detach", func() error { return c.volumeIs(c.volume, "available", 1) }
}

// volumeIs is an error unless the volume is in that state and of that size; "" is gone.
func (c *diskCrasher) volumeIs(id, state string, size int32) error {
	out, err := c.client.DescribeVolumes(c.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	switch {
	case state == "" && err != nil && strings.Contains(err.Error(), "InvalidVolume.NotFound"):
		return absent(filepath.Join(c.cloud.Data, "disks", "volumes", id))
	case err != nil:
		return err
	case string(out.Volumes[0].State) != state || *out.Volumes[0].Size != size:
		return fmt.Errorf("%s is %s, of %d GiB, not %s of %d", id, out.Volumes[0].State, *out.Volumes[0].Size, state, size)
	}
	return nil
}

func (c *diskCrasher) modified(id string) error {
	out, err := c.client.DescribeVolumesModifications(c.Context(), &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}})
	if err == nil && out.VolumesModifications[0].ModificationState != types.VolumeModificationStateCompleted {
		err = errSame
	}
	return err
}

func (c *diskCrasher) snapshotIs(id string, state types.SnapshotState) error {
	out, err := c.client.DescribeSnapshots(c.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
	if err == nil && out.Snapshots[0].State != state {
		err = fmt.Errorf("%s is %s: %v", id, out.Snapshots[0].State, out.Snapshots[0].StateMessage)
	}
	return err
}

// end reads some snapshots back, deletes everything, and looks for files.
func (c *diskCrasher) end() {
	c.Helper()
	for _, s := range c.snapshots[max(0, len(c.snapshots)-2):] {
		restored := c.diskLab.volume(&ec2.CreateVolumeInput{SnapshotId: &s.id})
		c.check(c.attach(restored, "/dev/sdg"), s.written)
		c.detach(restored)
		c.extra = append(c.extra, restored)
	}
	if c.attached {
		c.detach(c.volume)
	}
	for _, s := range c.snapshots {
		c.must(c.client.DeleteSnapshot(c.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &s.id}))
	}
	for _, id := range append(c.extra, c.volume) {
		c.must(c.client.DeleteVolume(c.Context(), &ec2.DeleteVolumeInput{VolumeId: &id}))
	}
	c.guest.Terminate()
	disks := filepath.Join(c.cloud.Data, "disks")
	c.cloud.Eventually("no file is left", 2*time.Minute, func() error {
		left := slices.DeleteFunc(kept(c.T, disks), func(name string) bool {
			return strings.Count(name, "/") < 2 || strings.HasPrefix(name, "/images/") // folders, the lock, the image
		})
		if len(left) > 0 {
			return fmt.Errorf("left %v", left)
		}
		return nil
	})
}
