// Package sim runs a whole cloud in one process over simulated hosts: the real
// store, services, control plane and node agents, with fake drivers below. It is
// for scale and for faults; what guests, packets and bytes do, it cannot tell.
package sim

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/app/hostview"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control"
	"github.com/vauban-cloud/vauban/control/account"
	"github.com/vauban-cloud/vauban/control/image"
	"github.com/vauban-cloud/vauban/control/instance"
	"github.com/vauban-cloud/vauban/control/nat"
	"github.com/vauban-cloud/vauban/control/network"
	"github.com/vauban-cloud/vauban/control/snapshot"
	"github.com/vauban-cloud/vauban/control/volume"
	"github.com/vauban-cloud/vauban/driver/block"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	hypervisorfake "github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	networkfake "github.com/vauban-cloud/vauban/driver/network/fake"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/ec2"
	"github.com/vauban-cloud/vauban/store"
)

// Account is the tenant of every simulated cloud.
const Account = "100000000001"

// Config says what to simulate.
type Config struct {
	DB    *store.Store
	Hosts int
	// Size of each host.
	VCPUs, MemoryMiB int
	Hypervisor       hypervisorfake.Config
	Block            blockfake.Config
	Log              *slog.Logger
	Limits           ec2.Limits
}

// Host is one simulated server. Its engines outlive its agent.
type Host struct {
	ID      string
	Guests  *hypervisorfake.Host
	Driver  *hypervisorfake.Driver // of the newest agent, which hears of its events
	Blocks  *blockfake.Driver
	Network *networkfake.Driver
}

// Cloud is a simulated cloud.
type Cloud struct {
	cfg   Config
	EC2   *ec2.Service
	Hosts []*Host
}

// New returns a cloud whose hosts are there, but whose control plane and agents
// do not run yet. A second Cloud on the same store continues the first.
func New(cfg Config) (*Cloud, error) {
	c := &Cloud{cfg: cfg}
	disk, err := os.CreateTemp("", "sim-*.raw")
	if err != nil {
		return nil, err
	}
	defer os.Remove(disk.Name())
	defer disk.Close()
	if err := disk.Truncate(4 << 10); err != nil {
		return nil, err
	}
	for n := range cfg.Hosts {
		h := &Host{
			ID: fmt.Sprintf("host-%04d", n), Guests: hypervisorfake.NewHost(cfg.Hypervisor), Blocks: blockfake.New(cfg.Block), Network: networkfake.New(networkfake.Config{}),
		}
		h.Driver = h.Guests.Open()
		if err := h.putImage(disk.Name()); err != nil {
			return nil, err
		}
		c.Hosts = append(c.Hosts, h)
	}
	c.EC2 = &ec2.Service{
		DB: cfg.DB, Authz: everybody{}, Place: cloud.DefaultPlace(), Now: time.Now, NewID: cloud.NewID,
		PublicPool: netip.MustParsePrefix("100.64.0.0/10"), Limits: cfg.Limits, PageKey: make([]byte, 32),
	}
	return c, nil
}

// putImage gives the host's block engine the image, whatever faults it is to have.
func (h *Host) putImage(disk string) error {
	var err error
	for range 100 {
		if _, err = h.Blocks.Put(context.Background(), Image, block.Source{Disk: disk}); err == nil {
			return nil
		}
	}
	return err
}

// Caller returns a context for calls of the tenant.
func Caller(ctx context.Context) context.Context {
	return cloud.WithCaller(ctx, cloud.Caller{Account: Account, ARN: "arn:aws:iam::" + Account + ":root", UserID: Account, Region: cloud.DefaultPlace().Region})
}

// Run runs the control plane and an agent on every host until ctx ends. ready is
// closed once the hosts have reported and the tenant has its network.
func (c *Cloud) Run(ctx context.Context, ready chan<- struct{}) error {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.tenant(ctx); err != nil {
		return err
	}
	var views []*hostview.View
	for _, h := range c.Hosts {
		v := hostview.New(c.cfg.DB, h.ID, cloud.DefaultPlace(), nil)
		views = append(views, v)
		agent := c.agent(h, v)
		work.Go(func() { agent.Run(ctx) })
	}
	work.Go(func() { hostview.Follow(ctx, c.cfg.DB, views...) })
	plane := control.New(control.Config{
		DB: c.cfg.DB, Holder: cloud.NewID("sim"), Now: time.Now, Log: c.cfg.Log,
		Reconcilers: []control.Reconciler{
			&account.Reconciler{DB: c.cfg.DB, Place: cloud.DefaultPlace(), NewID: cloud.NewID, Now: time.Now},
			&instance.Reconciler{DB: c.cfg.DB, Now: time.Now},
			&network.Reconciler{DB: c.cfg.DB, Place: cloud.DefaultPlace(), NewID: cloud.NewID, Now: time.Now},
			&nat.Reconciler{DB: c.cfg.DB, Now: time.Now},
			&volume.Reconciler{DB: c.cfg.DB, Now: time.Now},
			&snapshot.Reconciler{DB: c.cfg.DB, Now: time.Now},
			&image.Reconciler{DB: c.cfg.DB, Now: time.Now},
		},
	})
	work.Go(func() {
		if c.await(ctx) == nil {
			close(ready)
		}
	})
	return plane.Run(ctx)
}

func (c *Cloud) agent(h *Host, v *hostview.View) *node.Agent {
	h.Driver = h.Guests.Open()
	return node.New(node.Config{
		Host: h.ID, View: v, Hypervisor: h.Driver, Changed: h.Driver.Changed(), Blocks: h.Blocks, Images: h.Blocks,
		Network: h.Network, Services: noServices{}, UIDBase: 1 << 28, Log: c.cfg.Log, Now: time.Now,
		Capacity: func(context.Context) (cloud.Host, error) {
			return cloud.Host{
				Zones: cloud.DefaultPlace().Zones, VCPUs: c.cfg.VCPUs, MemoryMiB: c.cfg.MemoryMiB, DiskGiB: 1 << 20, DiskFree: 1 << 20, Accel: "fake",
			}, nil
		},
	})
}

// noServices stands for DHCP, DNS and metadata, which simulated guests do not ask.
type noServices struct{}

func (noServices) Serve(context.Context, string) error { return nil }
func (noServices) Stop(string)                         {}

// tenant makes the account and an image, unless they are there.
func (c *Cloud) tenant(ctx context.Context) error {
	return c.cfg.DB.Update(ctx, func(tx *store.Tx) error {
		if _, ok := (store.Table[cloud.Account]{}).Get(tx, Account); ok {
			return nil
		}
		err := (store.Table[cloud.Image]{}).Create(tx, cloud.Image{
			Meta: cloud.Meta{ID: Image, Account: cloud.OperatorAccount, Created: time.Now().UTC()},
			Name: "sim", Architecture: "x86_64", Public: true, SizeGiB: 1, RootDevice: "/dev/xvda",
		})
		if err != nil {
			return err
		}
		return (store.Table[cloud.Account]{}).Create(tx, cloud.Account{ID: Account, Name: "sim", Created: time.Now().UTC()})
	})
}

// Image is the image that guests start from.
const Image = "ami-00000000000000001"

// await waits until the hosts have reported and the tenant has its network.
func (c *Cloud) await(ctx context.Context) error {
	for {
		v := c.cfg.DB.View()
		a, _ := (store.Table[cloud.Account]{}).Get(v, Account)
		if a.DefaultVPC != "" && (store.Table[cloud.Host]{}).Count(v, "") >= len(c.Hosts) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// everybody lets everybody do everything: these tests are about something else.
type everybody struct{}

// Authorize says yes.
func (everybody) Authorize(context.Context, policy.Request) error { return nil }
