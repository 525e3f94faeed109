package e2e_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestSnapshotsOfADatabase takes snapshots under a database that commits without end. Each,
// restored, recovers to a whole database with every transaction that was acknowledged
// before the snapshot was asked for. VAUBAN_SLOW=1 does it 50 times.
func TestSnapshotsOfADatabase(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("VAUBAN_SLOW") != "" {
		rounds = 50
	}
	snapshotsOfADatabase(t, e2e.Start(t), rounds)
}

// snapshotsOfADatabase does so many rounds in a cloud.
func snapshotsOfADatabase(t *testing.T, c *e2e.Cloud, rounds int) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ledger")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "./ledger")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := newDiskLab(t, c)
	l.guest.Put(program, "/tmp/ledger")
	volume := l.volume(&ec2.CreateVolumeInput{Size: new(int32(1))})
	dev := l.attach(volume, "/dev/sdf")
	l.guest.SSH("sudo -n mkfs.ext4 -q /dev/" + dev + " && sudo -n mount -t ext4 /dev/" + dev + " /mnt && mkdir -p /tmp/restored")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, wait := l.guest.Stream(ctx, "sudo -n /tmp/ledger write /mnt/db")
	var acknowledged atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Errorf("the database says %q", lines.Text())
				return
			}
			acknowledged.Store(n)
		}
	}()
	last := int64(0)
	for round := range rounds {
		l.cloud.Eventually("transactions go on", 2*time.Minute, func() error {
			if acknowledged.Load() <= last {
				return errSame
			}
			return nil
		})
		last = acknowledged.Load()
		snapshot := l.snapshot(volume)
		restored := l.volume(&ec2.CreateVolumeInput{SnapshotId: &snapshot})
		recover := recoverOn(l.attach(restored, "/dev/sdg"))
		var got string
		l.cloud.Eventually("the restored database is whole", 3*time.Minute, func() (err error) {
			got, err = l.guest.TrySSH(recover)
			return err
		})
		got = strings.TrimSpace(got)
		if n, err := strconv.ParseInt(got, 10, 64); err != nil || n < last {
			t.Errorf("round %d: the restored database has %q transactions, %d were acknowledged before", round, got, last)
		}
		t.Logf("round %d: %s transactions, %d acknowledged before the snapshot", round, got, last)
		l.detach(restored)
		l.must(l.client.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &restored}))
		l.must(l.client.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &snapshot}))
	}
	cancel()
	<-ended
	_ = wait() // it was interrupted
}

// recoverOn is what a guest does to recover and check the database of a disk. It may be cut off,
// and run again: a busy guest does not always answer in time.
func recoverOn(dev string) string {
	return "grep -q /tmp/restored /proc/mounts || sudo -n mount -t ext4 /dev/" + dev + " /tmp/restored && " +
		"sudo -n /tmp/ledger check /tmp/restored/db && sudo -n umount /tmp/restored"
}
