package linux_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// busyTables lead everywhere but to ports and NATs: see withTargets.
func busyTables() []network.Table {
	prefix := netip.MustParsePrefix
	return []network.Table{
		{ID: "rtb-out", Routes: []network.Route{
			{To: prefix("0.0.0.0/0"), Via: network.ViaInternet},
			{To: prefix("::/0"), Via: network.ViaEgress},
			{To: prefix("3fff::/20"), Via: network.ViaInternet},
			{To: prefix("172.20.0.0/16"), Via: network.ViaPeer, Target: "pcx-0123456789abcdef0"},
			{To: prefix("2001:db8:0:200::/56"), Via: network.ViaPeer, Target: "pcx-0123456789abcdef0"},
			{To: prefix("192.168.0.0/16")},
			{To: prefix("169.254.169.251/32"), Via: network.ViaService},
		}},
		{ID: "rtb-in", Routes: []network.Route{{To: prefix("198.51.100.0/24"), Via: network.ViaInternet}}},
		{ID: "rtb-unused", Routes: []network.Route{{To: prefix("0.0.0.0/0"), Via: network.ViaInternet}}},
	}
}

// withTargets adds a NAT behind a port of its own, and routes to it and to the first port.
func withTargets(v network.VPC) network.VPC {
	v = v.Clone()
	v.Ports = append(v.Ports, network.Port{
		ID: "eni-0123456789abcffff", Subnet: "subnet-a", MAC: net.HardwareAddr{2, 0, 0, 1, 0, 0},
		Addresses: []network.Address{{Private: netip.MustParseAddr("10.0.7.250"), Public: netip.MustParseAddr("100.64.1.250")}},
	})
	v.NATs = []network.NAT{{ID: "nat-0123456789abcdef0", Port: "eni-0123456789abcffff"}}
	v.Tables[1].Routes = append(v.Tables[1].Routes,
		network.Route{To: netip.MustParsePrefix("0.0.0.0/0"), Via: network.ViaNAT, Target: v.NATs[0].ID},
		network.Route{To: netip.MustParsePrefix("203.0.113.0/24"), Via: network.ViaPort, Target: v.Ports[0].ID},
		network.Route{To: netip.MustParsePrefix("3fff:113::/32"), Via: network.ViaPort, Target: v.Ports[0].ID})
	return v
}

// peerPlan is the plan of a VPC that is the plan's peer, and has no more than that.
func peerPlan(v network.VPC) network.VPC {
	return network.VPC{
		ID: v.Peers[0].VPC, CIDRs: v.Peers[0].CIDRs,
		Peers: []network.Peer{{ID: v.Peers[0].ID, VPC: v.ID, CIDRs: v.CIDRs}},
	}
}

// settle waits until the kernel has done what comes with new IPv6 addresses, and has told
// of it: it does so later, and a router's anycast address of the link comes last.
func settle(t *testing.T, s *space.Space) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		pending := 0
		must(t, s.Do(func() error {
			addrs, err := netlink.AddrList(nil, netlink.FAMILY_V6)
			if err != nil {
				return err
			}
			local := &netlink.Route{Table: unix.RT_TABLE_LOCAL}
			routes, err := netlink.RouteListFiltered(netlink.FAMILY_V6, local, netlink.RT_FILTER_TABLE)
			there := make(map[string]bool)
			for _, r := range routes {
				there[fmt.Sprint(r.LinkIndex, r.Dst.IP)] = true
			}
			for _, a := range addrs {
				ip := a.IP
				if ip.IsLinkLocalUnicast() {
					ip = ip.Mask(a.Mask)
				}
				if !there[fmt.Sprint(a.LinkIndex, ip)] {
					pending++
				}
			}
			return err
		}))
		if pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d addresses have no route", pending)
		}
		time.Sleep(time.Millisecond)
	}
}
