package linux_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// TestUnchangedPlanChangesNothing listens for every change that the kernel tells of.
func TestUnchangedPlanChangesNothing(t *testing.T) {
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	plan := withTargets(busyPlan(20))
	must(t, cloud.Apply(t.Context(), plan))
	must(t, cloud.Apply(t.Context(), peerPlan(plan)))
	for _, p := range plan.Ports[:20] {
		tap, err := cloud.Tap(t.Context(), plan.ID, p.ID)
		must(t, err)
		t.Cleanup(func() { tap.Close() })
	}
	inside, err := space.Find("vb" + id + "-" + plan.ID)
	must(t, err)
	t.Cleanup(inside.Close)
	must(t, cloud.Apply(t.Context(), plan))

	behind, err := space.Find("vb" + id + "-" + plan.ID + "." + plan.NATs[0].ID)
	must(t, err)
	t.Cleanup(behind.Close)
	listeners := slices.Concat(listenForChanges(t, host), listenForChanges(t, inside), listenForChanges(t, behind))
	must(t, cloud.Apply(t.Context(), plan))
	expectNone(t, listeners, "applied again")
	must(t, cloud.Apply(t.Context(), peerPlan(plan)))
	expectNone(t, listeners, "when a peer is applied again")
	must(t, cloud.Reopen().Apply(t.Context(), plan))
	expectNone(t, listeners, "applied by a new process")

	plan.Groups[0].Ingress = plan.Groups[0].Ingress[1:]
	must(t, cloud.Apply(t.Context(), plan))
	if len(changes(t, listeners)) == 0 {
		t.Error("a changed rule changes nothing")
	}
}

// TestReadable: what the driver makes is listed by nft, which people look with.
func TestReadable(t *testing.T) {
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	plan := withTargets(busyPlan(20))
	must(t, cloud.Apply(t.Context(), plan))
	must(t, cloud.Apply(t.Context(), peerPlan(plan)))
	name := "vb" + id + "-" + plan.ID
	inside, err := space.Find(name)
	must(t, err)
	t.Cleanup(inside.Close)
	behind, err := space.Find(name + "." + plan.NATs[0].ID)
	must(t, err)
	t.Cleanup(behind.Close)
	for _, s := range []*space.Space{host, inside, behind} {
		must(t, s.Do(func() error {
			out, err := exec.CommandContext(t.Context(), "nft", "list", "ruleset").CombinedOutput()
			if err == nil && !bytes.Contains(out, []byte("chain ")) {
				err = errors.New("no chains")
			}
			if err != nil {
				err = fmt.Errorf("nft: %w: %s", err, out)
			}
			return err
		}))
	}
}

// busyPlan is a VPC with something of everything.
func busyPlan(ports int) network.VPC {
	prefix := netip.MustParsePrefix
	v := network.VPC{
		ID: "vpc-0123456789abcdef0", CIDRs: []netip.Prefix{prefix("10.0.0.0/16"), prefix("10.1.0.0/20"), prefix("2001:db8:0:100::/56")},
		Subnets: []network.Subnet{
			{ID: "subnet-a", Prefix: prefix("10.0.0.0/20"), Prefix6: prefix("2001:db8:0:100::/64"), Router: netip.MustParseAddr("10.0.0.1"), Table: "rtb-out"},
			{ID: "subnet-b", Prefix: prefix("10.1.0.0/24"), Router: netip.MustParseAddr("10.1.0.1"), Table: "rtb-in"},
		},
		Internet: true, Tables: busyTables(),
		Peers: []network.Peer{{ID: "pcx-0123456789abcdef0", VPC: "vpc-0fedcba9876543210", CIDRs: []netip.Prefix{prefix("172.20.0.0/16"), prefix("2001:db8:0:200::/56")}}},
		Groups: []network.Group{
			{ID: "sg-a", Ingress: []network.Rule{
				{Protocol: 6, From: 22, To: 22, Prefix: prefix("0.0.0.0/0")},
				{Protocol: 6, From: 1000, To: 2000, Prefix: prefix("192.0.2.0/25")},
				{Protocol: 17, From: 0, To: 65535, Prefix: prefix("192.0.2.1/32")},
				{Protocol: 1, From: 8, To: 0, Group: "sg-b"},
				{Protocol: 1, From: 8, To: -1, Group: "sg-x"},
				{Protocol: 50, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")},
				{Protocol: -1, From: -1, To: -1, Group: "sg-a"},
				{Protocol: -1, From: -1, To: -1, Prefix: prefix("::/0")},
				{Protocol: 6, From: 443, To: 443, Prefix: prefix("2001:db8:1::/48")},
				{Protocol: 58, From: 128, To: -1, Prefix: prefix("2001:db8::1/128")},
				{Protocol: 6, From: 5432, To: 5432, List: "pl-a"},
				{Protocol: 17, From: 53, To: 53, List: "pl-b"},
			}, Egress: []network.Rule{{Protocol: -1, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")}}},
			{ID: "sg-b", Members: []netip.Addr{netip.MustParseAddr("172.31.0.5"), netip.MustParseAddr("2001:db8::5")}},
		},
		Lists: []network.List{
			{ID: "pl-a", Prefixes: []netip.Prefix{prefix("172.16.0.0/12"), prefix("172.17.0.0/16"), prefix("2001:db8:7::/56"), prefix("172.32.0.0/16")}},
			{ID: "pl-b"},
		},
		ACLs: []network.ACL{
			{ID: "acl-open", Ingress: []network.Entry{{Allow: true, Protocol: -1, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")}}},
			{
				ID: "acl-some",
				Ingress: []network.Entry{
					{Number: 1, Protocol: 6, From: 22, To: 23, Prefix: prefix("192.0.2.0/24")},
					{Number: 2, Allow: true, Protocol: 58, From: 128, To: 0, Prefix: prefix("2001:db8::/32")},
					{Number: 3, Allow: true, Protocol: -1, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")},
				},
				Egress: []network.Entry{{Number: 1, Allow: true, Protocol: -1, From: -1, To: -1, Prefix: prefix("0.0.0.0/0")}},
			},
		},
	}
	v.Subnets[0].ACL, v.Subnets[1].ACL = "acl-some", "acl-open"
	for i := range ports {
		private := netip.AddrFrom4([4]byte{10, 0, byte(i / 200), byte(10 + i%200)})
		p := network.Port{
			ID: fmt.Sprintf("eni-0123456789abc%04x", i), Subnet: "subnet-a", AnySource: i%5 == 0,
			MAC:        net.HardwareAddr{2, 0, 0, 0, byte(i >> 8), byte(i)},
			Addresses:  []network.Address{{Private: private}},
			Addresses6: []netip.Addr{netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 6: 1, 14: byte(i >> 8), 15: byte(i + 16)})}[:1-i%2],
			Groups:     [][]string{{"sg-a"}, {"sg-b", "sg-a"}, nil}[i%3],
			Log:        network.Log{Accepted: i%4 == 0, Rejected: i%4 == 1},
		}
		if i < 200 && i%2 == 0 {
			p.Addresses[0].Public = netip.AddrFrom4([4]byte{100, 64, 1, byte(10 + i)})
		}
		v.Ports = append(v.Ports, p)
	}
	return v
}

// listenForChanges subscribes to the changes in a namespace.
func listenForChanges(t *testing.T, s *space.Space) []*nl.NetlinkSocket {
	settle(t, s)
	var sockets []*nl.NetlinkSocket
	must(t, s.Do(func() error {
		routes, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR,
			unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_IFADDR,
			unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_NETCONF, unix.RTNLGRP_IPV6_RULE)
		if err != nil {
			return err
		}
		rules, err := nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES)
		if err != nil {
			return err
		}
		sockets = append(sockets, routes, rules)
		return nil
	}))
	for _, s := range sockets {
		t.Cleanup(s.Close)
		must(t, s.SetReceiveTimeout(&unix.Timeval{Usec: 2_000}))
	}
	return sockets
}

// changes returns what has been told since the last call.
func changes(t *testing.T, sockets []*nl.NetlinkSocket) (all []syscall.NetlinkMessage) {
	t.Helper()
	for _, s := range sockets {
		for {
			messages, _, err := s.Receive()
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			must(t, err)
			all = append(all, messages...)
		}
	}
	return all
}

func expectNone(t *testing.T, sockets []*nl.NetlinkSocket, when string) {
	t.Helper()
	for _, m := range changes(t, sockets) {
		t.Errorf("%s: a change of type %d: %q", when, m.Header.Type, m.Data[:min(len(m.Data), 80)])
	}
}

// TestOthersChangeRulesToo lets another program change tables of its own all the
// time, in both namespaces: neither loses anything.
func TestOthersChangeRulesToo(t *testing.T) {
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	plan := busyPlan(10)
	must(t, cloud.Apply(t.Context(), plan))
	inside, err := space.Find("vb" + id + "-" + plan.ID)
	must(t, err)
	t.Cleanup(inside.Close)

	var stop atomic.Bool
	var wg sync.WaitGroup
	var writes atomic.Int64
	for _, s := range []*space.Space{host, inside} {
		wg.Go(func() {
			err := s.Do(func() error {
				for n := 0; !stop.Load(); n++ {
					conn, err := nftables.New()
					if err != nil {
						return err
					}
					table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "others"})
					chain := conn.AddChain(&nftables.Chain{Table: table, Name: "c"})
					if n%2 == 0 {
						conn.DelChain(chain)
					}
					if err := conn.Flush(); err != nil {
						return err
					}
					writes.Add(1)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for n := range 15 {
		plan.Groups[0].Ingress[0].To = 100 + n
		plan.Ports[n%10].AnySource = n%2 == 0
		plan.Ports[n%10].Addresses[0].Public = netip.AddrFrom4([4]byte{100, 64, 1, byte(100 + n)})
		must(t, cloud.Apply(t.Context(), plan))
	}
	stop.Store(true)
	wg.Wait()
	must(t, cloud.Apply(t.Context(), plan))
	listeners := append(listenForChanges(t, host), listenForChanges(t, inside)...)
	must(t, cloud.Reopen().Apply(t.Context(), plan))
	expectNone(t, listeners, "after all")
	t.Logf("others wrote %d times", writes.Load())
	for _, s := range []*space.Space{host, inside} {
		must(t, s.Do(func() error {
			conn, err := nftables.New()
			if err != nil {
				return err
			}
			_, err = conn.ListTableOfFamily("others", nftables.TableFamilyINet)
			return err
		}))
	}
}
