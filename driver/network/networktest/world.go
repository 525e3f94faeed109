package networktest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// world is a cloud on a host, and what is beyond that.
type world struct {
	*testing.T
	Cloud
	bench     Bench
	pool      netip.Prefix
	host      stack // where the driver works
	elsewhere stack // on the host's uplink
}

var (
	hostAddr      = netip.MustParseAddr("192.0.2.2") // RFC 5737
	elsewhereAddr = netip.MustParseAddr("192.0.2.1")
	// pool6 holds the ranges of plans: RFC 3849. elsewhere6 is of RFC 9637, and knows the way.
	pool6             = netip.MustParsePrefix("2001:db8::/32")
	host6, elsewhere6 = netip.MustParseAddr("3fff::2"), netip.MustParseAddr("3fff::1")
)

func newWorld(t *testing.T, b Bench) *world {
	w := &world{T: t, bench: b, pool: randomPool()}
	if b.Simulated {
		w.Cloud = b.New(t, "", w.pool, pool6)
		return w
	}
	w.host, w.elsewhere = newStack(t), newStack(t)
	w.uplink()
	w.Cloud = b.New(t, w.host.space.Path(), w.pool, pool6)
	return w
}

// randomPool is a /24 of the range that RFC 6598 keeps for carriers.
func randomPool() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64 + byte(rand.IntN(64)), byte(rand.IntN(256)), 0}), 24)
}

// public is the n-th address of the pool.
func (w *world) public(n byte) netip.Addr {
	a := w.pool.Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a)
}

// uplink connects the host to elsewhere, where no way leads back into the pool.
func (w *world) uplink() {
	must(w.T, w.elsewhere.space.Do(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "down", TxQLen: -1}, PeerName: "up",
			PeerNamespace: netlink.NsFd(w.host.space.Fd()),
		})
	}))
	w.elsewhere.setUp(w.T, "down", netip.PrefixFrom(elsewhereAddr, 24), netip.Addr{})
	w.host.setUp(w.T, "up", netip.PrefixFrom(hostAddr, 24), elsewhereAddr)
	w.elsewhere.setUp6(w.T, "down", netip.PrefixFrom(elsewhere6, 64), host6)
	w.host.setUp6(w.T, "up", netip.PrefixFrom(host6, 64), elsewhere6)
}

// newStack makes a namespace that lasts as long as the test.
func newStack(t *testing.T) stack {
	s, err := space.New()
	must(t, err)
	t.Cleanup(s.Close)
	must(t, s.Do(func() error {
		return errors.Join(
			netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}}), // lo
			// Addresses are ready when they are there.
			os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0o600))
	}))
	return stack{s}
}

// setUp gives a device an address, and a default route if via is valid.
func (s stack) setUp(t *testing.T, device string, addr netip.Prefix, via netip.Addr) {
	t.Helper()
	must(t, s.space.Do(func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		ipNet := &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), 32)}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet}); err != nil || !via.IsValid() {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Gw: via.AsSlice()})
	}))
}

// setUp6 is setUp for IPv6. The device takes no address by itself, but the link's.
func (s stack) setUp6(t *testing.T, device string, addr netip.Prefix, via netip.Addr) {
	t.Helper()
	must(t, s.space.Do(func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		ipNet := &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), 128)}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet, Flags: unix.IFA_F_NODAD}); err != nil || !via.IsValid() {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{
			Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, Gw: via.AsSlice(), LinkIndex: link.Attrs().Index,
		})
	}))
}

// alias6 gives a device an address that it speaks as only if it was asked there.
func (s stack) alias6(t *testing.T, device string, addr netip.Addr) {
	t.Helper()
	must(t, s.space.Do(func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		ipNet := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(128, 128)}
		return netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet, Flags: unix.IFA_F_NODAD, ValidLft: 1 << 20, PreferedLft: 0})
	}))
}

// apply makes a plan real.
func (w *world) apply(p *plan) {
	w.Helper()
	must(w.T, w.Apply(w.Context(), p.VPC))
}

// plan is a VPC under construction: a subnet "subnet-out" with a way to the
// internet, and "subnet-in" without one.
type plan struct{ network.VPC }

const (
	subnetOut, subnetIn = "subnet-out", "subnet-in"
	tableOut, tableIn   = "rtb-out", "rtb-in"
)

// newPlan plans a VPC with the second octet of its range, 10.n.0.0/16.
func newPlan(id string, n byte) *plan {
	p := &plan{network.VPC{
		ID: id, CIDRs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n}), 16)}, Internet: true,
		Tables: []network.Table{{ID: tableOut, Routes: []network.Route{{To: anywhere, Via: network.ViaInternet}}}, {ID: tableIn}},
	}}
	for i, id := range []string{subnetOut, subnetIn} {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n, byte(i + 1), 0}), 24)
		p.Subnets = append(p.Subnets, network.Subnet{ID: id, Prefix: prefix, Router: prefix.Addr().Next(), Table: []string{tableOut, tableIn}[i]})
	}
	return p
}

// withIPv6 gives the plan ranges of IPv6, 2001:db8:n::/56, with the same ways outside;
// ports that are added later get an address with the same last octet as their other.
func (p *plan) withIPv6() *plan {
	n := p.CIDRs[0].Addr().As4()[1]
	p.CIDRs = append(p.CIDRs, netip.PrefixFrom(address6(n, 0, 0), 56))
	for i := range p.Subnets {
		p.Subnets[i].Prefix6 = netip.PrefixFrom(address6(n, byte(i+1), 0), 64)
	}
	p.Tables[0].Routes = append(p.Tables[0].Routes, network.Route{To: anywhere6, Via: network.ViaInternet})
	return p
}

// address6 is 2001:db8:vpc:subnet::host.
func address6(vpc, subnet, host byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 5: vpc, 7: subnet, 15: host})
}

// port adds a port with the n-th address of subnet-out.
func (p *plan) port(id string, n byte, groups ...string) *network.Port {
	return p.portIn(p.Subnets[0], id, n, groups...)
}

func (p *plan) portIn(s network.Subnet, id string, n byte, groups ...string) *network.Port {
	addr := s.Prefix.Addr().As4()
	addr[3] = n
	sum := sha256.Sum256([]byte(p.ID + id))
	p.Ports = append(p.Ports, network.Port{
		ID: id, Subnet: s.ID, Groups: groups, MAC: append(net.HardwareAddr{0x02}, sum[:5]...),
		Addresses: []network.Address{{Private: netip.AddrFrom4(addr)}},
	})
	if s.Prefix6.IsValid() {
		six := s.Prefix6.Addr().As16()
		six[15] = n
		p.Ports[len(p.Ports)-1].Addresses6 = []netip.Addr{netip.AddrFrom16(six)}
	}
	return &p.Ports[len(p.Ports)-1]
}

// group adds a group that lets everything out.
func (p *plan) group(id string, ingress ...network.Rule) *network.Group {
	p.Groups = append(p.Groups, network.Group{ID: id, Ingress: ingress, Egress: []network.Rule{all(anywhere), all(anywhere6)}})
	return &p.Groups[len(p.Groups)-1]
}

var (
	anywhere  = netip.MustParsePrefix("0.0.0.0/0")
	anywhere6 = netip.MustParsePrefix("::/0")
)

func all(from netip.Prefix) network.Rule {
	return network.Rule{Protocol: -1, From: -1, To: -1, Prefix: from}
}

func tcp(from netip.Prefix, ports ...int) network.Rule { return layer4(unix.IPPROTO_TCP, from, ports) }

func udp(from netip.Prefix, ports ...int) network.Rule { return layer4(unix.IPPROTO_UDP, from, ports) }

func layer4(protocol int, from netip.Prefix, ports []int) network.Rule {
	return network.Rule{Protocol: protocol, From: ports[0], To: ports[len(ports)-1], Prefix: from}
}

func echo(from netip.Prefix) network.Rule {
	if from.Addr().Is6() {
		return network.Rule{Protocol: unix.IPPROTO_ICMPV6, From: 128, To: -1, Prefix: from}
	}
	return network.Rule{Protocol: unix.IPPROTO_ICMP, From: 8, To: -1, Prefix: from}
}

// members lets everything in from a group's members.
func members(group string) network.Rule {
	return network.Rule{Protocol: -1, From: -1, To: -1, Group: group}
}

// boot starts a guest on each of the plan's ports named.
func (w *world) boot(p *plan, portIDs ...string) []*guest {
	w.Helper()
	var guests []*guest
	for _, id := range portIDs {
		guests = append(guests, w.bootOne(p, id))
	}
	return guests
}

func (w *world) bootOne(p *plan, portID string) *guest {
	w.Helper()
	for _, port := range p.Ports {
		if port.ID != portID {
			continue
		}
		for _, s := range p.Subnets {
			if s.ID == port.Subnet {
				return newGuest(w, p.ID, port, s)
			}
		}
	}
	w.Fatal(fmt.Errorf("no port %s", portID))
	return nil
}
