package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
	"github.com/vauban-cloud/vauban/test/e2e"
	"github.com/vauban-cloud/vauban/test/sim"
)

var instances store.Table[cloud.Instance]

// open opens a new store on the disk.
func (b *bench) open() *store.Store {
	db, err := sqlite.Open(b.ctx, filepath.Join(b.TempDir(), "db"), cloud.Documents()...)
	b.must(err)
	b.Cleanup(func() { db.Close() }) //nolint:errcheck // it is thrown away
	return db
}

// simulated is a cloud whose hosts are simulated, at work.
type simulated struct {
	*sim.Cloud
	db *store.Store
}

// simulate starts a cloud of so many hosts, big enough for what comes.
func (b *bench) simulate(hosts int) simulated {
	db := b.open()
	c, err := sim.New(sim.Config{DB: db, Hosts: hosts, VCPUs: 1 << 20, MemoryMiB: 1 << 30, Log: slog.New(slog.DiscardHandler)})
	b.must(err)
	ctx, cancel := context.WithCancel(b.ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- c.Run(ctx, ready) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && b.ctx.Err() == nil {
			b.Errorf("simulated cloud: %v", err)
		}
	})
	select {
	case <-ready:
	case <-time.After(time.Minute):
		b.Fatalf("a simulated cloud of %d hosts was not ready within a minute", hosts)
	}
	return simulated{c, db}
}

// running counts the instances that run.
func (s simulated) running() (n int) {
	for i := range instances.All(s.db.View()) {
		if i.State() == cloud.InstanceRunning {
			n++
		}
	}
	return n
}

// sustainedLaunches launches guests on simulated hosts until all of them run.
// Latencies of the simulated engines are zero: what is measured is the control
// plane, the agents, and their commits.
func sustainedLaunches(b *bench) {
	for _, hosts := range []int{10, 1000} {
		b.launches(hosts, b.samples(2000, 300))
	}
}

// launches measures n launches, each a call of its own, from 16 callers.
func (b *bench) launches(hosts, n int) {
	s := b.simulate(hosts)
	const callers = 16
	var asked atomic.Int64
	var calls errgroup.Group
	begin, cpu := time.Now(), processorTime()
	for range callers {
		calls.Go(func() error {
			for asked.Add(1) <= int64(n) {
				_, err := s.EC2.RunInstances(sim.Caller(b.ctx), &ec2.RunInstancesRequest{
					ImageId: new(sim.Image), InstanceType: new("t2.nano"), MinCount: new(int32(1)), MaxCount: new(int32(1)),
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.must(calls.Wait())
	accepted := time.Since(begin)
	for deadline := time.Now().Add(2 * time.Minute); s.running() < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			b.Fatalf("%d of %d simulated guests run after %v", s.running(), n, time.Since(begin).Round(time.Second))
		}
	}
	took, cpu := time.Since(begin), processorTime()-cpu
	b.add(result{
		Measure: fmt.Sprintf("sustained launches, %d simulated hosts", hosts), Value: float64(n) / took.Seconds(), Unit: "/s", Goal: atLeast(50),
		Note: fmt.Sprintf("%d launches by %d callers; accepted at %.0f /s; %.1f ms of CPU each", n, callers, float64(n)/accepted.Seconds(), ms(cpu)/float64(n)),
	})
}

// processorTime is what this process has used of all processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it only fails on bad arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// runInstances measures single launches through HTTP by the Go SDK, on a
// simulated cloud: real guests would be too few for a 99th percentile.
func runInstances(b *bench) {
	const hosts, callers = 100, 4
	s := b.simulate(hosts)
	client := b.serve(s)
	n := b.samples(1000, 100)
	took := make(durations, n)
	var next atomic.Int64
	var calls errgroup.Group
	for range callers {
		calls.Go(func() error {
			for k := next.Add(1) - 1; k < int64(n); k = next.Add(1) - 1 {
				begin := time.Now()
				_, err := client.RunInstances(b.ctx, &sdk.RunInstancesInput{
					ImageId: new(sim.Image), InstanceType: types.InstanceTypeT2Nano, MinCount: new(int32(1)), MaxCount: new(int32(1)),
				})
				if err != nil {
					return err
				}
				took[k] = time.Since(begin)
			}
			return nil
		})
	}
	b.must(calls.Wait())
	note := fmt.Sprintf("%d calls of the Go SDK by %d callers, %d simulated hosts at work", n, callers, hosts)
	b.add(result{Measure: "RunInstances by HTTP, p50", Value: ms(took.at(0.5)), Unit: "ms", Note: note})
	b.add(result{Measure: "RunInstances by HTTP, p99", Value: ms(took.at(0.99)), Unit: "ms", Goal: atMost(100), Note: note})
}

// serve puts a gateway before the simulated cloud, and returns a client.
func (b *bench) serve(s simulated) *sdk.Client {
	region := cloud.DefaultPlace().Region
	g, err := gateway.New(gateway.Config{
		Region: region, Credentials: oneKey{}, Log: slog.New(slog.DiscardHandler), Endpoints: []gateway.Endpoint{{API: ec2.API(), Impl: s.EC2}},
	})
	b.must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, l) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Errorf("gateway: %v", err)
		}
	})
	return e2e.NewEC2("http://"+l.Addr().String(), region, keyID, keySecret)
}

const keyID, keySecret = "AKIABENCH00000000000", "no secret"

// oneKey is the gateway's only access key: the tenant's.
type oneKey struct{}

// Lookup finds the key.
func (oneKey) Lookup(ctx context.Context, id, _ string) (gateway.Credential, error) {
	if id != keyID {
		return gateway.Credential{}, gateway.ErrUnknownKey
	}
	return gateway.Credential{Secret: keySecret, Caller: cloud.CallerFrom(sim.Caller(ctx))}, nil
}
