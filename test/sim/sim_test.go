package sim_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	hypervisorfake "github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	"github.com/vauban-cloud/vauban/service/ec2"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
	"github.com/vauban-cloud/vauban/test/sim"
)

var (
	instances  store.Table[cloud.Instance]
	interfaces store.Table[cloud.NetworkInterface]
	volumes    store.Table[cloud.Volume]
	hosts      store.Table[cloud.Host]
)

// rig is a simulated cloud under test.
type rig struct {
	*sim.Cloud
	t    *testing.T
	db   *store.Store
	ctx  context.Context
	stop func() // as a crash would: nothing is finished
}

func start(t *testing.T, cfg sim.Config) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	cfg.DB, cfg.Log = db, slog.New(slog.DiscardHandler)
	if cfg.VCPUs == 0 {
		cfg.VCPUs, cfg.MemoryMiB = 1<<20, 1<<30
	}
	cfg.Limits = ec2.Limits{VCPUs: 1 << 30}
	c, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Cloud: c, t: t, db: db, ctx: sim.Caller(t.Context())}
	r.run()
	t.Cleanup(func() { r.stop() })
	return r
}

// run starts the control plane and the agents.
func (r *rig) run() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- r.Run(ctx, ready) }()
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				r.t.Errorf("control plane: %v", err)
			}
		}
	}
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the simulated cloud never got ready")
	}
}

// launch asks for n instances at once.
func (r *rig) launch(n int32) []string {
	r.t.Helper()
	out, err := r.EC2.RunInstances(r.ctx, &api.RunInstancesRequest{
		ImageId: new(sim.Image), InstanceType: new("t2.nano"), MinCount: &n, MaxCount: &n,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	var ids []string
	for _, i := range out.Instances {
		ids = append(ids, *i.InstanceId)
	}
	return ids
}

func (r *rig) terminate(ids []string) {
	r.t.Helper()
	for chunk := range slices.Chunk(ids, 100) {
		if _, err := r.EC2.TerminateInstances(r.ctx, &api.TerminateInstancesRequest{InstanceIds: chunk}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) eventually(what string, within time.Duration, ok func() error) {
	r.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %v: %s: %v", within, what, err)
		}
	}
}

// all waits until every one of the instances is in that state.
func (r *rig) all(ids []string, state cloud.InstanceState, within time.Duration) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d instances are %s", len(ids), state), within, func() error {
		v := r.db.View()
		for _, id := range ids {
			if i, ok := instances.Get(v, id); !ok || i.State() != state {
				return fmt.Errorf("%s is %s: %+v", id, i.State(), i.Seen)
			}
		}
		return nil
	})
}

// guests counts the guests on all hosts whose processor runs.
func (r *rig) guests() (running, known int) {
	for _, h := range r.Hosts {
		list, err := h.Driver.List(r.ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, g := range list {
			known++
			if g.State == hypervisor.Running {
				running++
			}
		}
	}
	return running, known
}

// nothingLeft waits until no host has anything of any instance.
func (r *rig) nothingLeft(within time.Duration) {
	r.t.Helper()
	r.eventually("nothing is left", within, func() error {
		v := r.db.View()
		if n := volumes.Count(v, ""); n > 0 {
			return fmt.Errorf("%d volumes", n)
		}
		if n := interfaces.Count(v, ""); n > 0 {
			return fmt.Errorf("%d interfaces", n)
		}
		for h := range hosts.All(v) {
			if h.Used != (cloud.Usage{}) {
				return fmt.Errorf("%s promises %+v", h.ID, h.Used)
			}
		}
		for _, h := range r.Hosts {
			if ids, err := h.Blocks.List(r.ctx); err != nil || len(ids) > 0 {
				return fmt.Errorf("%s has volumes %v (%w)", h.ID, ids, err)
			}
			if ids, err := h.Network.List(r.ctx); err != nil || len(ids) > 0 {
				return fmt.Errorf("%s has networks %v (%w)", h.ID, ids, err)
			}
		}
		return nil
	})
	if running, known := r.guests(); running+known > 0 {
		r.t.Errorf("%d guests run and %d are known after all were terminated", running, known)
	}
}

func TestLife(t *testing.T) {
	r := start(t, sim.Config{Hosts: 3, Hypervisor: hypervisorfake.Config{Latency: hypervisorfake.Latency{Start: 20 * time.Millisecond, Shutdown: 20 * time.Millisecond}}})
	ids := r.launch(6)
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	if _, err := r.EC2.StopInstances(r.ctx, &api.StopInstancesRequest{InstanceIds: ids[:2]}); err != nil {
		t.Fatal(err)
	}
	r.all(ids[:2], cloud.InstanceStopped, 10*time.Second)
	r.all(ids[2:], cloud.InstanceRunning, time.Second)
	if running, _ := r.guests(); running != 4 {
		t.Errorf("%d guests run, want 4", running)
	}
	if _, err := r.EC2.StartInstances(r.ctx, &api.StartInstancesRequest{InstanceIds: ids[:2]}); err != nil {
		t.Fatal(err)
	}
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	if _, err := r.EC2.RebootInstances(r.ctx, &api.RebootInstancesRequest{InstanceIds: ids}); err != nil {
		t.Fatal(err)
	}
	r.eventually("rebooted", 10*time.Second, func() error {
		for _, id := range ids {
			if i, _ := instances.Get(r.db.View(), id); i.Seen.Reboots != i.Reboots || i.State() != cloud.InstanceRunning {
				return fmt.Errorf("%s: %+v", id, i.Seen)
			}
		}
		return nil
	})
	r.terminate(ids)
	r.all(ids, cloud.InstanceTerminated, 10*time.Second)
	r.nothingLeft(10 * time.Second)
}

func TestGuestEndsByItself(t *testing.T) {
	r := start(t, sim.Config{Hosts: 1})
	ids := r.launch(3)
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	_, err := r.EC2.ModifyInstanceAttribute(r.ctx, &api.ModifyInstanceAttributeRequest{
		InstanceId: &ids[1], InstanceInitiatedShutdownBehavior: &api.AttributeValue{Value: new("terminate")},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := r.Hosts[0].Guests
	if err := errors.Join(h.Halt(ids[0]), h.Halt(ids[1]), h.Die(ids[2])); err != nil {
		t.Fatal(err)
	}
	r.all(ids[:1], cloud.InstanceStopped, 10*time.Second)
	r.all(ids[1:2], cloud.InstanceTerminated, 10*time.Second)
	r.all(ids[2:], cloud.InstanceStopped, 10*time.Second)
	if i, _ := instances.Get(r.db.View(), ids[2]); i.Reason.Code != "Server.InternalError" {
		t.Errorf("the reason for a dead guest is %+v", i.Reason)
	}
}

// The guests of a suspended account stop, also those that are on their way, and
// keep their disks; they start again when their owner may and wants.
func TestSuspendedAccount(t *testing.T) {
	r := start(t, sim.Config{Hosts: 2, Hypervisor: hypervisorfake.Config{Latency: hypervisorfake.Latency{Start: 20 * time.Millisecond, Shutdown: 20 * time.Millisecond}}})
	ids := r.launch(3)
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	ids = append(ids, r.launch(3)...)
	set := func(state cloud.AccountState) {
		t.Helper()
		err := r.db.Update(r.ctx, func(tx *store.Tx) error {
			return store.Table[cloud.Account]{}.Modify(tx, sim.Account, func(a *cloud.Account) error { a.State = state; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set(cloud.AccountSuspended)
	r.all(ids, cloud.InstanceStopped, 10*time.Second)
	if running, _ := r.guests(); running != 0 {
		t.Errorf("%d guests run", running)
	}
	if n := volumes.Count(r.db.View(), ""); n != len(ids) {
		t.Errorf("%d volumes are left of %d", n, len(ids))
	}
	set(cloud.AccountActive)
	if _, err := r.EC2.StartInstances(r.ctx, &api.StartInstancesRequest{InstanceIds: ids}); err != nil {
		t.Fatal(err)
	}
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	r.terminate(ids)
	r.nothingLeft(10 * time.Second)
}

func TestHostRebootStartsWhatRan(t *testing.T) {
	r := start(t, sim.Config{Hosts: 1})
	ids := r.launch(4)
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	r.stop()
	r.Hosts[0].Guests.Reboot()
	if running, _ := r.guests(); running != 0 {
		t.Fatalf("%d guests survived the power cut", running)
	}
	r.run()
	r.eventually("guests run again", 10*time.Second, func() error {
		if running, _ := r.guests(); running != 4 {
			return fmt.Errorf("%d run", running)
		}
		return nil
	})
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
}

func TestHaltWhileTheAgentIsAway(t *testing.T) {
	r := start(t, sim.Config{Hosts: 1})
	ids := r.launch(2)
	r.all(ids, cloud.InstanceRunning, 10*time.Second)
	r.stop()
	if err := r.Hosts[0].Guests.Halt(ids[0]); err != nil {
		t.Fatal(err)
	}
	r.run()
	r.all(ids[:1], cloud.InstanceStopped, 10*time.Second)
	r.all(ids[1:], cloud.InstanceRunning, 10*time.Second)
}

func TestNoRoom(t *testing.T) {
	r := start(t, sim.Config{Hosts: 1, VCPUs: 100, MemoryMiB: 4 * 512})
	r.all(r.launch(4), cloud.InstanceRunning, 10*time.Second)
	one := int32(1)
	_, err := r.EC2.RunInstances(r.ctx, &api.RunInstancesRequest{ImageId: new(sim.Image), InstanceType: new("t2.nano"), MinCount: &one, MaxCount: &one})
	var refused *cloud.Error
	if !errors.As(err, &refused) || refused.Code != "InsufficientInstanceCapacity" {
		t.Errorf("a fifth guest on a host for four: %v", err)
	}
	if n := instances.Count(r.db.View(), ""); n != 4 {
		t.Errorf("%d instances after a refusal", n)
	}
}

// TestHostRunsOut is a host that promised more than it has.
func TestHostRunsOut(t *testing.T) {
	r := start(t, sim.Config{Hosts: 1, Hypervisor: hypervisorfake.Config{MemoryMiB: 2 * 512}})
	ids := r.launch(3)
	r.eventually("one launch fails", 10*time.Second, func() error {
		count := map[cloud.InstanceState]int{}
		for _, id := range ids {
			i, _ := instances.Get(r.db.View(), id)
			count[i.State()]++
			if i.State() == cloud.InstanceTerminated && i.Reason.Code != "Server.InsufficientInstanceCapacity" {
				return fmt.Errorf("reason %+v", i.Reason)
			}
		}
		if count[cloud.InstanceRunning] != 2 || count[cloud.InstanceTerminated] != 1 {
			return fmt.Errorf("states %v", count)
		}
		return nil
	})
	r.terminate(ids)
	r.nothingLeft(10 * time.Second)
}

func TestThousandHosts(t *testing.T) {
	const n = 1000
	r := start(t, sim.Config{Hosts: n, VCPUs: 4, MemoryMiB: 4096})
	var ids []string
	begin := time.Now()
	for range n / 50 {
		ids = append(ids, r.launch(50)...)
	}
	r.all(ids, cloud.InstanceRunning, 3*time.Minute)
	t.Logf("%d guests on %d hosts run after %v", len(ids), n, time.Since(begin).Round(time.Millisecond))
	used := 0
	for h := range hosts.All(r.db.View()) {
		if h.Used.Guests > 0 {
			used++
		}
	}
	if used < n/2 {
		t.Errorf("%d guests were placed on %d of %d equal hosts", len(ids), used, n)
	}
	r.terminate(ids)
	r.all(ids, cloud.InstanceTerminated, 3*time.Minute)
	r.nothingLeft(time.Minute)
}

// TestFaultsAndCrashes has every engine fail at random, before and after it did
// what it was asked, and the whole process die again and again in the middle of
// launches and terminations. In the end everything is as it was asked for.
func TestFaultsAndCrashes(t *testing.T) {
	var faulty atomic.Bool
	faulty.Store(true)
	fault := func(op, id string) error {
		if op != "list" && faulty.Load() && rand.IntN(5) == 0 {
			return fmt.Errorf("injected fault in %s %s", op, id)
		}
		return nil
	}
	r := start(t, sim.Config{
		Hosts:      4,
		Hypervisor: hypervisorfake.Config{Before: fault, After: fault, Latency: hypervisorfake.Latency{Start: time.Millisecond, Shutdown: time.Millisecond}},
		Block:      blockfake.Config{Before: fault, After: fault},
	})
	var keep, end []string
	for range 8 {
		ids := r.launch(12)
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond) // the crash may come anywhere
		r.stop()
		r.run()
		r.terminate(ids[:6])
		end, keep = append(end, ids[:6]...), append(keep, ids[6:]...)
	}
	faulty.Store(false)
	r.all(keep, cloud.InstanceRunning, time.Minute)
	r.all(end, cloud.InstanceTerminated, time.Minute)
	r.eventually("no orphan", 30*time.Second, func() error {
		running, known := r.guests()
		if running != len(keep) || known != len(keep) {
			return fmt.Errorf("%d guests run and %d are known, want %d", running, known, len(keep))
		}
		disks := 0
		for _, h := range r.Hosts {
			ids, err := h.Blocks.List(r.ctx)
			if err != nil {
				return err
			}
			disks += len(ids)
		}
		if disks != len(keep) {
			return fmt.Errorf("%d disks for %d guests", disks, len(keep))
		}
		return nil
	})
	r.terminate(keep)
	r.nothingLeft(time.Minute)
}
