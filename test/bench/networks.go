package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/app/hostview"
	"github.com/vauban-cloud/vauban/cloud"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	hypervisorfake "github.com/vauban-cloud/vauban/driver/hypervisor/fake"
	networkfake "github.com/vauban-cloud/vauban/driver/network/fake"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/store"
)

var groups store.Table[cloud.SecurityGroup]

// portsEach is how many ports a simulated VPC has.
const portsEach = 10

// networksAtScale changes a rule of one VPC, on a host of few and of very many, and
// waits until the driver, which carries no packets, was given the new plan. What it was
// given of other VPCs must be what it had.
func networksAtScale(b *bench) {
	few := b.ruleChange(10)
	many := b.ruleChange(b.samples(1000, 100))
	b.add(result{
		Measure: "rule change to the driver, many VPCs to few", Value: ms(many) / ms(few), Unit: "times",
		Note: "the medians of the measures above",
	})
}

// ruleChange returns the median of what a change takes on a host with so many VPCs.
func (b *bench) ruleChange(vpcs int) time.Duration {
	h := b.simulateHost(vpcs)
	n := b.samples(50, 10)
	took := make(durations, n)
	for k := range n {
		vpc := number("vpc", k*vpcs/n)
		before := h.applied(vpcs)
		begin := time.Now()
		b.must(h.db.Update(b.ctx, func(tx *store.Tx) error {
			return groups.Modify(tx, groupOf(vpc), func(g *cloud.SecurityGroup) error {
				g.Rules[0].FromPort, g.Rules[0].ToPort = 1000+k, 1000+k
				return nil
			})
		}))
		b.await(func() bool { return h.port(vpc) == 1000+k })
		took[k] = time.Since(begin)
		after := h.applied(vpcs)
		for i := range before {
			if other := number("vpc", i); other != vpc && before[i] != after[i] {
				b.Fatalf("a rule of %s changed, and %s was applied", vpc, other)
			}
		}
	}
	note := fmt.Sprintf("%d changes; a host with %d VPCs of %d ports, whose packets nobody carries", n, vpcs, portsEach)
	name := fmt.Sprintf("rule change to the driver, %d VPCs", vpcs)
	b.add(result{Measure: name + ", p50", Value: ms(took.at(0.5)), Unit: "ms", Note: note})
	b.add(result{Measure: name + ", p99", Value: ms(took.at(0.99)), Unit: "ms", Goal: atMost(1000), Note: note})
	return took.at(0.5)
}

// simulatedHost is an agent at work over engines that do nothing.
type simulatedHost struct {
	db      *store.Store
	network *networkfake.Driver
}

func (b *bench) simulateHost(vpcs int) *simulatedHost {
	const host = "host-0"
	h := &simulatedHost{db: b.open(), network: networkfake.New(networkfake.Config{})}
	for k := range vpcs {
		b.must(h.db.Update(b.ctx, func(tx *store.Tx) error { return putVPC(tx, host, k) }))
	}
	view := hostview.New(h.db, host, cloud.DefaultPlace(), nil)
	disks := blockfake.New(blockfake.Config{})
	guests := hypervisorfake.New(hypervisorfake.Config{})
	agent := node.New(node.Config{
		Host: host, View: view, Hypervisor: guests, Changed: guests.Changed(), Blocks: disks, Images: disks, Network: h.network,
		Services: quiet{}, UIDBase: 1 << 28, Round: time.Hour, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Capacity: func(context.Context) (cloud.Host, error) { return cloud.Host{}, nil },
	})
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan struct{}, 2)
	go func() { agent.Run(ctx); done <- struct{}{} }()
	go func() { hostview.Follow(ctx, h.db, view); done <- struct{}{} }()
	b.Cleanup(func() { cancel(); <-done; <-done })
	b.await(func() bool { return !slices.Contains(h.applied(vpcs), 0) })
	return h
}

// await waits until what must come has come.
func (b *bench) await(come func() bool) {
	for deadline := time.Now().Add(2 * time.Minute); !come(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			b.Fatalf("a simulated host did not get there within two minutes")
		}
	}
}

// applied is how often each VPC was.
func (h *simulatedHost) applied(vpcs int) []int {
	counts := make([]int, vpcs)
	for k := range counts {
		_, counts[k] = h.network.Host().Plan(number("vpc", k))
	}
	return counts
}

// port is the one that the first rule of a VPC's group names, as the driver has it.
func (h *simulatedHost) port(vpc string) int {
	plan, _ := h.network.Host().Plan(vpc)
	for _, g := range plan.Groups {
		return g.Ingress[0].From
	}
	return 0
}

func groupOf(vpc string) string { return "sg" + vpc[3:] }

// putVPC writes a VPC, and the instances in it that the host has.
func putVPC(tx *store.Tx, host string, k int) error {
	const account = "100000000001"
	meta := func(id string) cloud.Meta {
		return cloud.Meta{ID: id, Account: account, Created: time.Now().UTC()}
	}
	vpc, subnet := number("vpc", k), number("subnet", k)
	prefix := netip.MustParsePrefix("10.0.0.0/16")
	group := cloud.SecurityGroup{Meta: meta(groupOf(vpc)), VPC: vpc, Name: "default", Rules: []cloud.Rule{
		{ID: "sgr-1", Protocol: "tcp", FromPort: 1, ToPort: 1, Prefix: netip.MustParsePrefix("0.0.0.0/0")},
	}}
	if err := (store.Table[cloud.VPC]{}).Create(tx, cloud.VPC{Meta: meta(vpc), CIDRs: []cloud.CIDRBlock{{Prefix: prefix}}}); err != nil {
		return err
	}
	if err := (store.Table[cloud.Subnet]{}).Create(tx, cloud.Subnet{Meta: meta(subnet), VPC: vpc, Prefix: prefix}); err != nil {
		return err
	}
	if err := groups.Create(tx, group); err != nil {
		return err
	}
	for n := range portsEach {
		id := k*portsEach + n
		i := cloud.Instance{Meta: meta(number("i", id)), VPC: vpc, Subnet: subnet, Host: host, Slot: id + 1, Want: cloud.PowerStopped, Starts: 1}
		if err := instances.Create(tx, i); err != nil {
			return err
		}
		err := interfaces.Create(tx, cloud.NetworkInterface{
			Meta: meta(number("eni", id)), VPC: vpc, Subnet: subnet, MAC: fmt.Sprintf("02:00:00:%02x:%02x:%02x", id>>16&255, id>>8&255, id&255),
			Groups: []string{group.ID}, SourceDestCheck: true, Addresses: []cloud.PrivateAddress{{Private: address(n)}},
			Attachment: &cloud.InterfaceAttachment{ID: number("eni-attach", id), Instance: i.ID},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// quiet stands for what guests find in their networks.
type quiet struct{}

// Serve does nothing.
func (quiet) Serve(context.Context, string) error { return nil }

// Stop does nothing.
func (quiet) Stop(string) {}
