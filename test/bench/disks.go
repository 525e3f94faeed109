package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// diskMiB is how much of a disk is read and written.
const diskMiB = 256

// diskLoad is one kind of load.
type diskLoad struct {
	name string
	args string // of diskload
	goal *goal
	ops  bool // operations tell, not bytes
}

func (l diskLoad) unit() string {
	if l.ops {
		return "/s"
	}
	return "MB/s"
}

// diskLoads are what a guest's disk is compared in with a file of the host.
var diskLoads = []diskLoad{
	{"sequential reads", "-kib 1024", atLeast(0.9), false},
	{"sequential writes", "-kib 1024 -write", atLeast(0.9), false},
	{"random reads of 4 KiB, depth 8", "-kib 4 -depth 8 -random", atLeast(0.7), true},
	{"random writes of 4 KiB, depth 8", "-kib 4 -depth 8 -random -write", atLeast(0.7), true},
}

// disks measures guests' disks against files of the host, in turns, and snapshots.
func disks(b *bench) {
	d := newDiskBench(b, b.diskload())
	for _, load := range diskLoads {
		var ratios, host, guest []float64
		for range b.samples(3, 1) {
			args := fmt.Sprintf("%s -mib %d -time %v", load.args, diskMiB, time.Duration(b.samples(4, 2))*time.Second)
			onHost, inGuest := d.onHost(args), d.inGuest(args)
			host, guest = append(host, onHost.value(load.ops)), append(guest, inGuest.value(load.ops))
			ratios = append(ratios, inGuest.value(load.ops)/onHost.value(load.ops))
		}
		note := fmt.Sprintf("guest %.0f %s, host file %.0f, both past the cache", median(guest), load.unit(), median(host))
		b.add(result{Measure: load.name + ", guest / host", Value: median(ratios), Unit: "x", Goal: load.goal, Note: note})
	}
	d.snapshots()
}

// diskload builds the program that loads disks, and returns its path.
func (b *bench) diskload() string {
	program := filepath.Join(b.TempDir(), "diskload")
	build := exec.CommandContext(b.ctx, "go", "build", "-ldflags=-s -w", "-o", program, "./test/bench/diskload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build diskload: %v\n%s", err, out)
	}
	return program
}

// diskBench is a guest with a large empty volume without limits that would tell.
type diskBench struct {
	*bench
	program string
	file    string // of the host
	guest   *e2e.Guest
	volume  string
	device  string
	client  *ec2.Client
}

func newDiskBench(b *bench, program string) *diskBench {
	c := e2e.Start(b)
	d := &diskBench{bench: b, program: program, client: c.EC2()}
	d.guest = c.Launch(c.Tiny(), c.Key("disks"), "--security-group-ids", c.OpenGroup("ssh"))
	d.guest.SSH("true")
	d.guest.Put(program, "/tmp/diskload")
	zone := c.Query("Reservations[0].Instances[0].Placement.AvailabilityZone", "ec2", "describe-instances", "--instance-ids", d.guest.ID)
	out, err := d.client.CreateVolume(b.ctx, &ec2.CreateVolumeInput{
		Size: new(int32(100)), VolumeType: types.VolumeTypeIo2, Iops: new(int32(100_000)), AvailabilityZone: &zone,
	})
	b.must(err)
	d.volume = *out.VolumeId
	c.AWS("ec2", "wait", "volume-available", "--volume-ids", d.volume)
	c.AWS("ec2", "attach-volume", "--volume-id", d.volume, "--instance-id", d.guest.ID, "--device", "/dev/sdf")
	c.Eventually("the guest sees the disk", 2*time.Minute, func() error {
		_, err := d.guest.TrySSH("test -b /dev/vdb")
		return err
	})
	d.device = "/dev/vdb"
	d.file = filepath.Join(c.Data, "host.raw")
	b.must(os.WriteFile(d.file, make([]byte, diskMiB<<20), 0o600))
	fill := fmt.Sprintf("-kib 1024 -write -time 0 -mib %d", diskMiB)
	d.onHost(fill)
	d.inGuest(fill)
	return d
}

// loaded is what diskload says.
type loaded struct{ bytes, operations, longest float64 } // a second; milliseconds

func (l loaded) value(operations bool) float64 {
	if operations {
		return l.operations
	}
	return l.bytes / 1e6
}

func (b *bench) parse(out string) (l loaded) {
	_, err := fmt.Sscan(out, &l.bytes, &l.operations, &l.longest)
	b.must(err)
	return l
}

func (d *diskBench) onHost(args string) loaded {
	cmd := exec.CommandContext(d.ctx, "sh", "-c", d.program+" -path "+d.file+" "+args) //nolint:gosec // of this program's making
	out, err := cmd.Output()
	d.must(err)
	return d.parse(string(out))
}

func (d *diskBench) inGuest(args string) loaded {
	return d.parse(d.guest.SSH("sudo -n /tmp/diskload -path " + d.device + " " + args))
}

// snapshots measures how long snapshots of the volume take, and the longest write of the
// guest while they are taken.
func (d *diskBench) snapshots() {
	const args = "-kib 4 -write -random -mib 64 -time 10s"
	calm := d.inGuest(args)
	done := make(chan loaded, 1)
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	go func() {
		defer cancel()
		out, err := d.guest.TrySSH("sudo -n /tmp/diskload -path " + d.device + " " + args)
		if err == nil {
			done <- d.parse(out)
		}
		close(done)
	}()
	var took durations
	for ctx.Err() == nil && len(took) < d.samples(10, 3) {
		begin := time.Now()
		out, err := d.client.CreateSnapshot(d.ctx, &ec2.CreateSnapshotInput{VolumeId: &d.volume})
		d.must(err)
		for state := types.SnapshotStatePending; state == types.SnapshotStatePending; time.Sleep(5 * time.Millisecond) {
			seen, err := d.client.DescribeSnapshots(d.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*out.SnapshotId}})
			d.must(err)
			state = seen.Snapshots[0].State
		}
		took = append(took, time.Since(begin))
	}
	busy, ok := <-done
	if !ok {
		d.Fatal("the guest's writes failed")
	}
	note := fmt.Sprintf("asked for to completed, 100 GiB, %d MiB of them written, under a guest that writes; %d times", diskMiB, len(took))
	d.add(result{Measure: "snapshot, p50", Value: took.at(0.5).Seconds(), Unit: "s", Note: note})
	d.add(result{Measure: "snapshot, slowest", Value: took.at(1).Seconds(), Unit: "s", Goal: atMost(1), Note: note})
	note = fmt.Sprintf("longest of a guest's 4 KiB writes; without snapshots %.0f ms", calm.longest)
	d.add(result{Measure: "pause by snapshots", Value: busy.longest, Unit: "ms", Goal: atMost(100), Note: note})
}
