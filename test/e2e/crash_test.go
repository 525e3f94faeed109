package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestKilledInTheMiddleOfLaunches kills the control plane while it launches 50 guests, or as
// many as the disk has room for, and while some of them are being terminated, and looks at what
// the next one makes of it.
func TestKilledInTheMiddleOfLaunches(t *testing.T) {
	c := e2e.Start(t, "--memory-overcommit", "4", "--vcpu-overcommit", "100")
	ami, client := c.Tiny(), c.EC2()
	run := func(n int32) (ids []string) {
		out, err := client.RunInstances(t.Context(), &ec2.RunInstancesInput{
			ImageId: &ami, InstanceType: types.InstanceTypeT2Nano, MinCount: &n, MaxCount: &n,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range out.Instances {
			ids = append(ids, *i.InstanceId)
		}
		return ids
	}
	first := run(5)
	c.Eventually("the first five run", time.Minute, func() error { return states(t, client, first, "running") })
	survivors := c.Processes("qemu-system-x86_64")

	ids := append(first, run(min(45, gibFree(t, c.Data)-10))...)
	time.Sleep(300 * time.Millisecond)
	c.Kill()
	for _, pid := range survivors {
		if !slices.Contains(c.Processes("qemu-system-x86_64"), pid) {
			t.Errorf("guest process %d did not survive the control plane", pid)
		}
	}
	c.Up()
	from, to := len(ids)/5, len(ids)*3/5
	if _, err := client.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids[from:to]}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	c.Kill()
	c.Up()
	keep, end := slices.Concat(ids[:from], ids[to:]), ids[from:to]
	c.Eventually("each instance is as it was asked for", 3*time.Minute, func() error {
		if err := states(t, client, keep, "running"); err != nil {
			return err
		}
		return states(t, client, end, "terminated")
	})
	c.Eventually("one process a guest", 30*time.Second, func() error {
		if n := len(c.Processes("qemu-system-x86_64")); n != len(keep) {
			return fmt.Errorf("%d processes for %d guests", n, len(keep))
		}
		return nil
	})
	for _, pid := range survivors {
		if !slices.Contains(c.Processes("qemu-system-x86_64"), pid) {
			t.Errorf("guest process %d was replaced", pid)
		}
	}
	for what, query := range map[string][]string{
		"volumes":    {"Volumes[].VolumeId", "ec2", "describe-volumes"},
		"interfaces": {"NetworkInterfaces[].NetworkInterfaceId", "ec2", "describe-network-interfaces"},
	} {
		c.Eventually("no orphan "+what, 20*time.Second, func() error {
			if n := len(strings.Fields(c.Query(query[0], query[1:]...))); n != len(keep) {
				return fmt.Errorf("%d %s for %d guests", n, what, len(keep))
			}
			return nil
		})
	}
	c.Eventually("one device a guest", 20*time.Second, func() error {
		if n := c.Taps(); n != len(keep) {
			return fmt.Errorf("%d taps for %d guests", n, len(keep))
		}
		if n := c.Disks(); n != len(keep) {
			return fmt.Errorf("%d disks for %d guests", n, len(keep))
		}
		return nil
	})
	if _, err := client.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: keep}); err != nil {
		t.Fatal(err)
	}
	c.Eventually("all end", time.Minute, func() error { return states(t, client, keep, "terminated") })
	c.Eventually("nothing is left", 30*time.Second, func() error {
		if p, taps, d := len(c.Processes("qemu-system-x86_64")), c.Taps(), c.Disks(); p+taps+d > 0 {
			return fmt.Errorf("%d processes, %d taps, %d disks", p, taps, d)
		}
		return nil
	})
}

// gibFree is how many GiB of the disk are free, of which the test's volumes take one each. It
// is at least 15.
func gibFree(t *testing.T, dir string) int32 {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	free := int32(min(1000, fs.Bavail*uint64(fs.Bsize)>>30)) //nolint:gosec // a small number
	if free < 15 {
		t.Fatalf("%d GiB of the disk are free: this test wants 15, and more for more guests", free)
	}
	return free
}

// states is an error unless all the instances are in that state.
func states(t *testing.T, client *ec2.Client, ids []string, state types.InstanceStateName) error {
	out, err := client.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: ids})
	if err != nil {
		return err
	}
	count := map[types.InstanceStateName]int{}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			count[i.State.Name]++
		}
	}
	if count[state] != len(ids) {
		return fmt.Errorf("%v, want %d %s", count, len(ids), state)
	}
	return nil
}

// TestDownAndUp takes a cloud down and up again: what ran runs, what was stopped
// is stopped, addresses and data are the same.
func TestDownAndUp(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("down"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	idle := c.Launch(ami, key, "--security-group-ids", group)
	c.AWS("ec2", "stop-instances", "--instance-ids", idle.ID, "--force")
	idle.Await("stopped")
	g.SSH("echo kept | sudo -n tee /root/kept >/dev/null; sync")
	public := g.Public
	c.Vauban("down")
	if left := c.Leftovers(); len(left) > 0 {
		t.Errorf("after down there are still %v", left)
	}
	if _, err := c.Try("status"); err == nil || !strings.Contains(err.Error(), "vauban up") {
		t.Errorf("status of a cloud that is down: %v", err)
	}
	c.Up()
	g.Await("running")
	if g.Public != public {
		t.Errorf("public address changed from %s to %s", public, g.Public)
	}
	if got := g.SSH("sudo -n cat /root/kept"); got != "kept" {
		t.Errorf("the disk holds %q", got)
	}
	idle.Await("stopped")
}

// TestGuestEndsItself powers guests off from within.
func TestGuestEndsItself(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("off"), c.OpenGroup("ssh")
	stops := c.Launch(ami, key, "--security-group-ids", group)
	ends := c.Launch(ami, key, "--security-group-ids", group, "--instance-initiated-shutdown-behavior", "terminate")
	for _, g := range []*e2e.Guest{stops, ends} {
		g.SSH("true")
		_, _ = g.TrySSH("sudo -n poweroff") // the connection may end first
	}
	stops.Await("stopped")
	ends.Await("terminated")
	if got := c.Query("Reservations[0].Instances[0].StateReason.Code", "ec2", "describe-instances", "--instance-ids", stops.ID); got != "Client.InstanceInitiatedShutdown" {
		t.Errorf("the reason is %q", got)
	}
}

// TestTwoClouds runs two on one machine: neither sees the other.
func TestTwoClouds(t *testing.T) {
	t.Parallel()
	a, b := e2e.Start(t), e2e.Start(t)
	ami := a.Tiny()
	g := a.Launch(ami, a.Key("k"), "--security-group-ids", a.OpenGroup("ssh"))
	if got := b.Query("Reservations[].Instances[].InstanceId", "ec2", "describe-instances"); got != "" {
		t.Errorf("one cloud shows the instance %s of another", got)
	}
	if _, err := b.TryAWS("ec2", "describe-instances", "--instance-ids", g.ID); err == nil || !strings.Contains(err.Error(), "InvalidInstanceID.NotFound") {
		t.Errorf("the other cloud's instance: %v", err)
	}
	b.Kill()
	b.Up()
	b.Vauban("down")
	g.SSH("true") // still there after the other went down
	b.Up()
}
