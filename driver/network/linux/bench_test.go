package linux_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// BenchmarkThroughput sends a TCP stream between two ports of a VPC, by private
// and by public address, and in turns with that between two veth pairs through a
// namespace that routes and does nothing else. "ratio" is private to bare, the
// median of all turns: what else the machine does weighs on some.
func BenchmarkThroughput(b *testing.B) {
	host, err := space.New()
	must(b, err)
	b.Cleanup(host.Close)
	id, cloud := newCloud(b, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	plan := busyPlan(2)
	plan.Groups[0].Ingress = append(plan.Groups[0].Ingress, network.Rule{Protocol: 6, From: 1, To: 65535, Prefix: netip.MustParsePrefix("0.0.0.0/0")})
	for i := range plan.Subnets {
		plan.Subnets[i].ACL = ""
	}
	for i := range plan.Ports {
		plan.Ports[i].Groups, plan.Ports[i].Log = []string{"sg-a"}, network.Log{}
		plan.Ports[i].Addresses[0].Public = netip.AddrFrom4([4]byte{100, 64, 1, byte(100 + i)})
	}
	must(b, cloud.Apply(b.Context(), plan))
	vpc, err := space.Find("vb" + id + "-" + plan.ID)
	must(b, err)
	b.Cleanup(vpc.Close)
	var guests [2]*space.Space
	for i, p := range plan.Ports {
		guests[i] = attach(b, vpc, p.ID[len(p.ID)-15:], p.MAC, netip.PrefixFrom(p.Addresses[0].Private, 20), plan.Subnets[0].Router)
	}
	must(b, cloud.Apply(b.Context(), plan)) // takes the devices over
	ends, far := bareRouter(b)

	to := plan.Ports[1].Addresses[0]
	var private, public, bare, ratios []float64
	for b.Loop() {
		p := gigabits(b, guests[0], guests[1], to.Private)
		r := gigabits(b, ends[0], ends[1], far) + gigabits(b, ends[0], ends[1], far)
		p += gigabits(b, guests[0], guests[1], to.Private)
		private, bare, ratios = append(private, p/2), append(bare, r/2), append(ratios, p/r)
		public = append(public, gigabits(b, guests[0], guests[1], to.Public))
	}
	b.ReportMetric(median(private), "Gbit/s-private")
	b.ReportMetric(median(public), "Gbit/s-public")
	b.ReportMetric(median(bare), "Gbit/s-bare")
	b.ReportMetric(median(ratios), "ratio")
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkVPC makes a VPC with a way outside, and removes it.
func BenchmarkVPC(b *testing.B) {
	_, cloud := benchCloud(b)
	plan := busyPlan(0)
	var removing time.Duration
	for b.Loop() {
		must(b, cloud.Apply(b.Context(), plan))
		start := time.Now()
		must(b, cloud.Remove(b.Context(), plan.ID))
		removing += time.Since(start)
	}
	b.ReportMetric(float64(removing.Milliseconds())/float64(b.N), "ms-removing")
}

// BenchmarkPort adds a port with a public address to a VPC of a hundred, and
// opens its tap.
func BenchmarkPort(b *testing.B) {
	_, cloud := benchCloud(b)
	plan := busyPlan(101)
	last := plan.Ports[100]
	for b.Loop() {
		plan.Ports = plan.Ports[:100]
		b.StopTimer()
		must(b, cloud.Apply(b.Context(), plan))
		b.StartTimer()
		plan.Ports = append(plan.Ports, last)
		must(b, cloud.Apply(b.Context(), plan))
		tap, err := cloud.Tap(b.Context(), plan.ID, last.ID)
		must(b, err)
		b.StopTimer()
		must(b, tap.Close())
		b.StartTimer()
	}
}

// BenchmarkRule changes a rule of a group that most of 1,000 ports of a VPC have, among others of
// each, and what a list holds: until a packet that the new rule lets through is there.
func BenchmarkRule(b *testing.B) {
	id, cloud := benchCloud(b)
	plan := busyPlan(1000)
	for i := range 500 { // the ports' own groups
		own := fmt.Sprintf("sg-own-%03d", i)
		plan.Groups = append(plan.Groups, network.Group{ID: own, Ingress: slices.Clone(plan.Groups[0].Ingress)})
		plan.Ports[i].Groups = append(slices.Clip(plan.Ports[i].Groups), own)
	}
	plan.Groups = append(plan.Groups, network.Group{ID: "sg-out", Egress: slices.Clone(plan.Groups[0].Egress)})
	plan.Ports[1].Groups = []string{"sg-out"}
	must(b, cloud.Apply(b.Context(), plan))
	vpc, err := space.Find("vb" + id + "-" + plan.ID)
	must(b, err)
	b.Cleanup(vpc.Close)
	var guests [2]*space.Space
	for i, p := range plan.Ports[:2] {
		guests[i] = attach(b, vpc, p.ID[len(p.ID)-15:], p.MAC, netip.PrefixFrom(p.Addresses[0].Private, 20), plan.Subnets[0].Router)
	}
	must(b, cloud.Apply(b.Context(), plan)) // takes the devices over

	rule, n := &plan.Groups[0].Ingress[0], 0
	rule.Protocol = 17
	var took []float64
	for b.Loop() {
		n++
		to := netip.AddrPortFrom(plan.Ports[0].Addresses[0].Private, uint16(1000+n%1000))
		rule.From, rule.To = int(to.Port()), int(to.Port())
		plan.Lists[1].Prefixes = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(n >> 8), byte(n)}), 32)}
		b.StopTimer()
		arrives := knock(b, guests[1], guests[0], to)
		b.StartTimer()
		begin := time.Now()
		must(b, cloud.Apply(b.Context(), plan))
		arrives()
		took = append(took, float64(time.Since(begin).Microseconds())/1000)
	}
	slices.Sort(took)
	b.ReportMetric(median(took), "ms-p50")
	b.ReportMetric(took[(len(took)-1)*99/100], "ms-p99")
}

// knock sends to a port by UDP, over and over. The function that it returns waits until something
// arrives, and ends it.
func knock(b *testing.B, from, to *space.Space, at netip.AddrPort) (arrives func()) {
	b.Helper()
	var l net.PacketConn
	must(b, to.Do(func() (err error) {
		l, err = net.ListenPacket("udp4", at.String())
		return err
	}))
	var c net.Conn
	must(b, from.Do(func() (err error) {
		c, err = net.Dial("udp4", at.String())
		return err
	}))
	ctx, enough := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = c.Write([]byte("knock")) // what does not arrive is sent again
			time.Sleep(200 * time.Microsecond)
		}
	}()
	return func() {
		defer func() { enough(); <-done; _, _ = l.Close(), c.Close() }()
		must(b, l.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, _, err := l.ReadFrom(make([]byte, 16))
		must(b, err)
	}
}

func benchCloud(b *testing.B) (string, network.Driver) {
	host, err := space.New()
	must(b, err)
	b.Cleanup(host.Close)
	id, cloud := newCloud(b, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	return id, cloud.Driver
}

// attach makes a namespace with one card, whose other end is the router's device.
func attach(b testing.TB, router *space.Space, device string, mac net.HardwareAddr, addr netip.Prefix, gateway netip.Addr) *space.Space {
	s, err := space.New()
	must(b, err)
	b.Cleanup(s.Close)
	must(b, s.Do(func() error {
		card := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "nic0", HardwareAddr: mac, TxQLen: -1}, PeerName: device, PeerNamespace: netlink.NsFd(router.Fd())}
		if err := netlink.LinkAdd(card); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(card); err != nil {
			return err
		}
		ipNet := &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), 32)}
		if err := netlink.AddrAdd(card, &netlink.Addr{IPNet: ipNet}); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Gw: gateway.AsSlice()})
	}))
	return s
}

// bareRouter is what throughput is compared with: two namespaces on a router.
func bareRouter(b *testing.B) (ends [2]*space.Space, far netip.Addr) {
	router, err := space.New()
	must(b, err)
	b.Cleanup(router.Close)
	for i, device := range []string{"left", "right"} {
		gateway := netip.AddrFrom4([4]byte{10, 0, byte(i), 1})
		far = gateway.Next()
		ends[i] = attach(b, router, device, net.HardwareAddr{2, 0, 0, 0, 1, byte(i)}, netip.PrefixFrom(far, 24), gateway)
		must(b, router.Do(func() error {
			link, err := netlink.LinkByName(device)
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: gateway.AsSlice(), Mask: net.CIDRMask(24, 32)}}); err != nil {
				return err
			}
			return netlink.LinkSetUp(link)
		}))
	}
	must(b, router.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600) }))
	return ends, far
}

// gigabits sends for a fifth of a second, and returns how many a second arrived.
func gigabits(b *testing.B, from, to *space.Space, addr netip.Addr) float64 {
	b.Helper()
	var l net.Listener
	must(b, to.Do(func() (err error) {
		l, err = net.Listen("tcp4", "0.0.0.0:5201")
		return err
	}))
	defer l.Close()
	var received atomic.Int64
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 1<<20)
		for {
			n, err := c.Read(buf)
			received.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	var c net.Conn
	must(b, from.Do(func() (err error) {
		c, err = net.DialTimeout("tcp4", netip.AddrPortFrom(addr, 5201).String(), 5*time.Second)
		return err
	}))
	defer c.Close()
	start := time.Now()
	must(b, c.SetDeadline(start.Add(200*time.Millisecond)))
	for buf := make([]byte, 1<<20); ; {
		if _, err := c.Write(buf); err != nil {
			break
		}
	}
	return float64(received.Load()) * 8 / 1e9 / time.Since(start).Seconds()
}
