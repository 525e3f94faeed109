package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// BenchmarkRunInstances launches one instance a call on 1,000 hosts, from 16
// callers at once, and reports launches a second and latencies.
func BenchmarkRunInstances(b *testing.B) {
	r := newGuestRig(b)
	r.PublicPool = netip.MustParsePrefix("100.64.0.0/10")
	r.update(func(tx *store.Tx) error { // room for any number
		return subnetTable.Modify(tx, r.net.Subnets[0].ID, func(n *cloud.Subnet) error { n.Prefix = netip.MustParsePrefix("10.0.0.0/8"); return nil })
	})
	for n := range 1000 {
		r.addHost(fmt.Sprintf("host-%04d", n), 0)
	}
	var mu sync.Mutex
	var took []time.Duration // guarded by mu
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var mine []time.Duration
		for pb.Next() {
			start := time.Now()
			if _, err := r.RunInstances(r.ctx, r.request()); err != nil {
				b.Error(err)
				break
			}
			mine = append(mine, time.Since(start))
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, mine...)
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "launches/s")
	reportPercentiles(b, took)
}

func reportPercentiles(b *testing.B, took []time.Duration) {
	if len(took) == 0 {
		return // it has failed
	}
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}

// BenchmarkDescribeInstances lists 10,000 and 100,000 instances by filters of
// each kind, and a page of 1,000 of them.
func BenchmarkDescribeInstances(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		r := newGuestRig(b)
		r.fillWhole(n)
		last := strconv.Itoa(n - 1)
		address := r.nics(fmt.Sprintf("i-%017x", n))[0].Primary().String()
		for _, c := range []struct {
			name string
			in   ec2.DescribeInstancesRequest
			want int
		}{
			{"tag", ec2.DescribeInstancesRequest{Filters: filters("tag:n", last)}, 1},
			{"tag wildcard", ec2.DescribeInstancesRequest{Filters: filters("tag:n", "*"+last)}, 1},
			{"state and type", ec2.DescribeInstancesRequest{Filters: filters("instance-state-name", "stopped", "instance-type", "t3.micro")}, 0},
			{"address", ec2.DescribeInstancesRequest{Filters: filters("private-ip-address", address)}, 1},
			{"volume", ec2.DescribeInstancesRequest{Filters: filters("block-device-mapping.volume-id", fmt.Sprintf("vol-%017x", n))}, 1},
			{"group", ec2.DescribeInstancesRequest{Filters: filters("instance.group-id", "sg-00000000000000009")}, 0},
			{"page", ec2.DescribeInstancesRequest{MaxResults: new(int32(1000))}, 1000},
			{"page of filtered", ec2.DescribeInstancesRequest{MaxResults: new(int32(1000)), Filters: filters("instance-state-name", "running", "vpc-id", r.net.VPC.ID)}, 1000},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				var took []time.Duration
				for b.Loop() {
					start := time.Now()
					ids, err := r.instanceIDs(c.in)
					if err != nil || len(ids) != c.want {
						b.Fatalf("got %d instances, %v", len(ids), err)
					}
					took = append(took, time.Since(start))
				}
				reportPercentiles(b, took)
			})
		}
	}
}

// fillWhole makes n running instances with an interface and a root device each.
func (r *rig) fillWhole(n int) {
	r.Helper()
	r.fill(n, nil)
	first := netip.MustParseAddr("10.0.0.1")
	r.update(func(tx *store.Tx) error {
		for k := range n {
			id := fmt.Sprintf("i-%017x", k+1)
			err := interfaceTable.Create(tx, cloud.NetworkInterface{
				Meta: cloud.Meta{ID: fmt.Sprintf("eni-%017x", k+1), Account: alice, Created: r.Now()},
				VPC:  r.net.VPC.ID, Subnet: r.net.Subnets[0].ID, Zone: r.Place.Zones[0], MAC: fmt.Sprintf("02:00:00:%02x:%02x:%02x", k>>16, k>>8&255, k&255),
				Addresses: []cloud.PrivateAddress{{Private: shift(first, k)}}, Groups: []string{r.net.Group.ID},
				Attachment: &cloud.InterfaceAttachment{ID: fmt.Sprintf("eni-attach-%017x", k+1), Instance: id, Attached: r.Now(), DeleteOnTermination: true},
			})
			if err != nil {
				return err
			}
			err = volumeTable.Create(tx, cloud.Volume{
				Meta: cloud.Meta{ID: fmt.Sprintf("vol-%017x", k+1), Account: alice, Created: r.Now()},
				Zone: r.Place.Zones[0], SizeGiB: 8, Type: "gp3", Host: hostA, Seen: cloud.VolumeSeen{Ready: true, Guest: id},
				Attachment: &cloud.Attachment{Instance: id, Device: "/dev/xvda", DeleteOnTermination: true, Attached: r.Now()},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
