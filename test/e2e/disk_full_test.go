package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestFullDisk fills the host's disk under a guest that writes: the guest waits, also
// while vauban is killed, the API says why, what needs space fails and leaves nothing, and all goes
// on by itself once there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disks, err := os.MkdirTemp("", "vauban-full-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // once the cloud is down
		if err := errors.Join(syscall.Unmount(disks, 0), os.Remove(disks)); err != nil {
			t.Error(err)
		}
	})
	resize(t, disks, "size=4g,mode=0711", 0)
	c := e2e.StartIn(t, func(data string) {
		if err := os.Symlink(disks, filepath.Join(data, "disks")); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { resize(t, disks, "size=4g", syscall.MS_REMOUNT) }) // so that the cloud can go down
	ami, key, group := c.Tiny(), c.Key("full"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	zone := c.Query("Reservations[0].Instances[0].Placement.AvailabilityZone", "ec2", "describe-instances", "--instance-ids", g.ID)
	create := []string{"ec2", "create-volume", "--size", "1", "--volume-type", "gp3", "--availability-zone", zone}
	v := c.Query("VolumeId", create...)
	dev := plugged(c, g, v, "/dev/sdf")
	idle := c.Query("VolumeId", create...)
	c.AWS("ec2", "wait", "volume-available", "--volume-ids", idle)
	g.SSH("sync")

	resize(t, disks, fmt.Sprintf("size=%d", used(t, disks)+8<<20), syscall.MS_REMOUNT)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, wait := g.Stream(ctx, "yes vauban | head -c 50331648 | sudo -n dd of=/dev/"+dev+" bs=64k conv=fsync 2>/dev/null && echo written")
	status := func(want string) error {
		got, err := c.TryAWS("ec2", "describe-volume-status", "--volume-ids", v, "--query", "VolumeStatuses[0].[VolumeStatus.Status,Events[0].EventType]", "--output", "text")
		if err != nil {
			return err
		}
		return contains(got, want)
	}
	impaired := func() error { return status("impaired\tio-performance:stalled") }
	c.Eventually("the API says that the volume waits", 2*time.Minute, impaired)

	before := kept(t, disks)
	if _, err := c.TryAWS(create...); err == nil || !strings.Contains(err.Error(), "InsufficientVolumeCapacity") {
		t.Errorf("a new volume: %v", err)
	}
	for _, of := range []string{v, idle} {
		s := c.Query("SnapshotId", "ec2", "create-snapshot", "--volume-id", of)
		c.Eventually("a snapshot of "+of+" fails", time.Minute, func() error {
			return contains(c.Query("Snapshots[0].State", "ec2", "describe-snapshots", "--snapshot-ids", s), "error")
		})
		c.AWS("ec2", "delete-snapshot", "--snapshot-id", s)
	}
	c.Eventually("what failed leaves nothing", time.Minute, func() error {
		if after := kept(t, disks); !slices.Equal(after, before) {
			return fmt.Errorf("%v, before %v", after, before)
		}
		return nil
	})
	c.AWS("ec2", "delete-volume", "--volume-id", idle) // for which nothing is free
	c.Eventually("a volume goes from a full disk", time.Minute, func() error {
		return absent(filepath.Join(disks, "volumes", idle))
	})
	c.Kill()
	c.Exec()
	c.Eventually("the next vauban says it, too", time.Minute, impaired)

	resize(t, disks, "size=4g", syscall.MS_REMOUNT)
	text, err := io.ReadAll(out)
	if waited := wait(); err != nil || waited != nil || !strings.Contains(string(text), "written") {
		t.Fatalf("the guest's write: %q, %v, %v", text, err, waited)
	}
	c.Eventually("the volume is well", time.Minute, func() error { return status("ok\tNone") })
	if got := g.SSH("sudo -n head -c 50331648 /dev/" + dev + " | uniq -c"); strings.Join(strings.Fields(got), " ") != "7190235 vauban 1 vau" {
		t.Errorf("the volume holds %q", got)
	}
	s := c.Query("SnapshotId", "ec2", "create-snapshot", "--volume-id", v)
	c.AWS("ec2", "wait", "snapshot-completed", "--snapshot-ids", s)
}

// resize mounts or remounts a small file system.
func resize(t *testing.T, path, options string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("vauban-test", path, "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
}

func used(t *testing.T, path string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize //nolint:gosec // a small file system
}

// kept are the files and folders of a cloud's disks.
func kept(t *testing.T, disks string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(disks, func(path string, _ os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // it is on its way
		}
		names = append(names, strings.TrimPrefix(path, disks))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func absent(path string) error {
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		return fmt.Errorf("%s is there (%v)", path, err)
	}
	return nil
}
