package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	hypervisorfake "github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	"github.com/vauban-cloud/vauban/driver/network/linux"
	"github.com/vauban-cloud/vauban/driver/network/plan"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/node/services"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// port is the way into the network of a guest that is started by hand.
type port struct {
	instance, id, mac string
	address           netip.Addr
}

// handNetwork is a VPC with one port, made by the cloud's own parts: an agent
// with the real network driver and the real services, and a document that says
// of its only guest that it is stopped, so that whoever likes may start it.
type handNetwork struct {
	*bench
	public netip.Addr
	port   port
	vpc    string
	driver *linux.Driver
	close  func() // takes all of it away; again is harmless
}

// handNetwork makes the network and returns when it is served.
func (b *bench) handNetwork(p port) *handNetwork {
	pool := e2e.FreePool(b)
	h := &handNetwork{bench: b, port: p, public: pool.Addr().Next().Next()}
	id := fmt.Sprintf("z%03x", rand.IntN(1<<12)) // clouds of their own have hexadecimal ones
	var err error
	h.driver, err = linux.New(linux.Config{Cloud: id, PublicPool: pool})
	b.must(err)
	view := h.view(p)
	fakes := hypervisorfake.NewHost(hypervisorfake.Config{}).Open()
	blocks := blockfake.New(blockfake.Config{})
	quiet := slog.New(slog.DiscardHandler)
	var agent *node.Agent
	served := &servedOnce{ready: make(chan struct{}), Services: services.New(services.Config{
		Network: h.driver, Place: cloud.DefaultPlace(), Key: make([]byte, 32), Now: time.Now, Log: quiet,
		World: func() *node.World { return agent.World() },
	})}
	agent = node.New(node.Config{
		Host: handHost, View: view, Hypervisor: fakes, Changed: fakes.Changed(), Blocks: blocks, Images: blocks,
		Network: h.driver, Services: served, Log: quiet, Now: time.Now,
		Capacity: func(context.Context) (cloud.Host, error) { return cloud.Host{}, nil },
	})
	ctx, cancel := context.WithCancel(b.ctx)
	var running sync.WaitGroup
	running.Go(func() { agent.Run(ctx) })
	h.close = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		served.Close()
		if err := h.driver.Remove(context.WithoutCancel(ctx), h.vpc); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(h.close)
	select {
	case <-served.ready:
	case <-time.After(30 * time.Second):
		b.Fatalf("the network for the guest that is started by hand was not served within 30 s: %v", agent.Failing())
	}
	return h
}

// tap opens the port.
func (h *handNetwork) tap() *os.File {
	f, err := h.driver.Tap(h.ctx, h.vpc, h.port.id)
	h.must(err)
	return f
}

// servedOnce tells when the first VPC is served.
type servedOnce struct {
	*services.Services
	once  sync.Once
	ready chan struct{}
}

func (s *servedOnce) Serve(ctx context.Context, id string) error {
	err := s.Services.Serve(ctx, id)
	if err == nil {
		s.once.Do(func() { close(s.ready) })
	}
	return err
}

const handHost = "by-hand"

// view makes the documents of the network: an account's default VPC, open to
// SSH, with the port in it.
func (h *handNetwork) view(p port) still {
	const account = "100000000001"
	place, now := cloud.DefaultPlace(), time.Now()
	n := cloud.DefaultNetwork(account, place, cloud.NewID, now)
	n.Group.Rules = append(n.Group.Rules, cloud.Rule{
		ID: cloud.NewID("sgr"), Protocol: "tcp", FromPort: 22, ToPort: 22, Prefix: netip.MustParsePrefix("0.0.0.0/0"),
	})
	subnet := n.Subnets[0]
	for _, s := range n.Subnets {
		if s.Prefix.Contains(p.address) {
			subnet = s
		}
	}
	h.vpc = n.VPC.ID
	meta := func(id string) cloud.Meta { return cloud.Meta{ID: id, Account: account, Created: now} }
	return still{
		Place: place,
		Instances: []cloud.Instance{{
			Meta: meta(p.instance), Type: "t2.nano", KeyName: "bench", Zone: subnet.Zone, VPC: n.VPC.ID, Subnet: subnet.ID, RootDevice: "/dev/xvda", Launched: now,
			Metadata: cloud.MetadataOptions{Tokens: "optional", HopLimit: 1, Endpoint: "enabled", Tags: "disabled"},
			Want:     cloud.PowerStopped, Starts: 1, Host: handHost,
		}},
		Here: []string{n.VPC.ID},
		Documents: plan.Documents{
			Interfaces: []cloud.NetworkInterface{{
				Meta: meta(p.id), VPC: n.VPC.ID, Subnet: subnet.ID, Zone: subnet.Zone, MAC: p.mac, Groups: []string{n.Group.ID}, SourceDestCheck: true,
				Addresses:  []cloud.PrivateAddress{{Private: p.address, Public: &cloud.PublicAddress{Address: h.public}}},
				Attachment: &cloud.InterfaceAttachment{ID: cloud.NewID("eni-attach"), Instance: p.instance, Attached: now},
			}}, VPCs: []cloud.VPC{n.VPC}, Subnets: n.Subnets, Routes: []cloud.RouteTable{n.Routes},
			Gateways: []cloud.InternetGateway{n.Gateway}, Groups: []cloud.SecurityGroup{n.Group},
		},
		Keys: map[string]cloud.KeyPair{account + "/bench": {Meta: meta(cloud.NewID("key")), Name: "bench", Type: "ed25519", PublicKey: publicKey}},
	}
}

// publicKey is of the form and length of the one that the cloud's guest gets.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA bench"

// still is a node.View in which nothing ever changes.
type still node.Assignment

// Assigned is all there is.
func (s still) Assigned(context.Context) (*node.Assignment, error) {
	a := node.Assignment(s)
	return &a, nil
}

// Changed never yields.
func (still) Changed() <-chan struct{} { return nil }

// What is reported changes nothing.

func (still) ReportHost(context.Context, cloud.Host) error                     { return nil }
func (still) ReportInstance(context.Context, string, cloud.InstanceSeen) error { return nil }

// ReportSnapshot does nothing.
func (still) ReportSnapshot(context.Context, string, cloud.SnapshotSeen) error { return nil }
func (still) ReportImport(context.Context, string, cloud.ImportSeen) error     { return nil }
func (still) ReportExport(context.Context, string, cloud.ExportSeen) error     { return nil }
func (still) ReadObject(context.Context, cloud.ObjectVersion) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

func (still) WriteObject(context.Context, cloud.ExportTask, int64, io.Reader) error {
	return errors.ErrUnsupported
}
func (still) ReportFlows(context.Context, cloud.FlowBatch) error { return nil }

// DiskKey opens none.
func (still) DiskKey(string, []byte) (*seal.Key, error) { return nil, nil } //nolint:nilnil // there are none

func (still) ReportVolume(context.Context, string, cloud.VolumeSeen) error { return nil }
func (still) Credentials(context.Context, string, string) (cloud.Credentials, error) {
	return cloud.Credentials{}, errors.New("nobody has a role here")
}
