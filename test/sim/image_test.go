package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	hypervisorfake "github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/test/sim"
)

var (
	images    store.Table[cloud.Image]
	snapshots store.Table[cloud.Snapshot]
)

// journal is what the engines of a host did, in order.
type journal struct {
	mu     sync.Mutex
	lines  []string
	faults int // calls that have yet to fail
}

// fault has a call that touches snapshots fail, if there are faults left.
func (j *journal) fault(op, _ string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.faults > 0 && slices.Contains([]string{"cut", "keep", "switch"}, op) {
		j.faults--
		return errors.New("a fault")
	}
	return nil
}

func (j *journal) note(op, _ string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if slices.Contains([]string{"power", "switch", "keep"}, op) {
		j.lines = append(j.lines, op)
	}
	return nil
}

func (j *journal) read() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, " ")
}

// An image with a reboot is taken of all volumes between the guest's shutdown and its restart,
// whatever fails meanwhile; the instance is shown running throughout, and runs afterwards.
func TestImageInTheMidstOfAReboot(t *testing.T) {
	for _, faults := range []int{0, 3} {
		t.Run(fmt.Sprint(faults, " faults"), func(t *testing.T) {
			j := &journal{faults: faults}
			r := start(t, sim.Config{
				Hosts: 1, Hypervisor: hypervisorfake.Config{Before: j.fault, After: j.note, Latency: hypervisorfake.Latency{Shutdown: 50 * time.Millisecond}},
				Block: blockfake.Config{Before: j.fault, After: j.note},
			})
			out, err := r.EC2.RunInstances(r.ctx, &api.RunInstancesRequest{
				ImageId: new(sim.Image), InstanceType: new("t2.nano"), MinCount: new(int32(1)), MaxCount: new(int32(1)),
				BlockDeviceMappings: []api.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), Ebs: &api.EbsBlockDevice{VolumeSize: new(int32(1))}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			id := *out.Instances[0].InstanceId
			r.all([]string{id}, cloud.InstanceRunning, time.Minute)
			made, err := r.EC2.CreateImage(r.ctx, &api.CreateImageRequest{InstanceId: &id, Name: new("image")})
			if err != nil {
				t.Fatal(err)
			}
			r.eventually("the image is available", time.Minute, func() error {
				v := r.db.View()
				if i, _ := instances.Get(v, id); i.State() != cloud.InstanceRunning {
					t.Fatalf("the instance is shown as %s", i.State())
				}
				if i, _ := images.Get(v, *made.ImageId); !i.Available() {
					return fmt.Errorf("it is %+v", i)
				}
				return nil
			})
			r.eventually("the guest runs again", time.Minute, func() error {
				if i, _ := instances.Get(r.db.View(), id); i.Seen.Reboots != 1 {
					return fmt.Errorf("it is %+v", i.Seen)
				}
				return nil
			})
			if running, _ := r.guests(); running != 1 {
				t.Errorf("%d guests run", running)
			}
			// The button may be pressed again, and what failed is done again: the last thing is the restart.
			got := j.read()
			first, last := strings.Index(got, "keep"), strings.LastIndex(got, "keep")
			if first < 0 || !strings.Contains(got[:first], "power") || !strings.Contains(got[:first], "switch") || got[last:] != "keep power" {
				t.Errorf("the host did %q", got)
			}
			r.launchOf(*made.ImageId)
		})
	}
}

// launchOf launches an instance of an image of two volumes, and ends it.
func (r *rig) launchOf(image string) {
	r.t.Helper()
	out, err := r.EC2.RunInstances(r.ctx, &api.RunInstancesRequest{ImageId: &image, InstanceType: new("t2.nano"), MinCount: new(int32(1)), MaxCount: new(int32(1))})
	if err != nil {
		r.t.Fatal(err)
	}
	id := *out.Instances[0].InstanceId
	r.all([]string{id}, cloud.InstanceRunning, time.Minute)
	n := 0
	for v := range volumes.Select(r.db.View(), "instance/"+id) {
		if s, ok := snapshots.Get(r.db.View(), v.Snapshot); !ok || s.Image != image {
			r.t.Errorf("volume %+v is of no snapshot of the image", v)
		}
		n++
	}
	if n != 2 {
		r.t.Errorf("the instance has %d volumes", n)
	}
	// A deregistered image is remembered until the last instance of it is forgotten.
	if _, err := r.EC2.DeregisterImage(r.ctx, &api.DeregisterImageRequest{ImageId: &image}); err != nil {
		r.t.Fatal(err)
	}
	if i, ok := images.Get(r.db.View(), image); !ok || !i.Retired {
		r.t.Errorf("the image is %+v, %v", i, ok)
	}
}

// An image fails when a host cannot keep a snapshot of it, and says why.
func TestImageThatCannotBeKept(t *testing.T) {
	full := false
	var mu sync.Mutex
	r := start(t, sim.Config{Hosts: 1, Block: blockfake.Config{Before: func(op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if full && op == "cut" {
			return fmt.Errorf("cut: %w", block.ErrNoSpace)
		}
		return nil
	}}})
	ids := r.launch(1)
	r.all(ids, cloud.InstanceRunning, time.Minute)
	mu.Lock()
	full = true
	mu.Unlock()
	made, err := r.EC2.CreateImage(r.ctx, &api.CreateImageRequest{InstanceId: &ids[0], Name: new("image"), NoReboot: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	r.eventually("the image has failed", time.Minute, func() error {
		if i, _ := images.Get(r.db.View(), *made.ImageId); i.Pending || !strings.HasPrefix(i.Failure, "Server.InsufficientVolumeCapacity: ") {
			return fmt.Errorf("it is %+v", i)
		}
		return nil
	})
}
