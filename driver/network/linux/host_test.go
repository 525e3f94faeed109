package linux_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
	"github.com/vauban-cloud/vauban/driver/network/linux"
)

// attached is a VPC with one guest, on a host that has nothing but the cloud.
type attached struct {
	network.Driver
	plan             network.VPC
	host, vpc, guest *space.Space
	private, public  netip.Addr
	hostEnd          string // of the link
}

func attachOne(t *testing.T) *attached {
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	must(t, host.Do(func() error { return netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}}) }))
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	a := &attached{Driver: cloud.Driver, host: host, plan: busyPlan(1)}
	p := &a.plan.Ports[0]
	a.private, a.public = p.Addresses[0].Private, p.Addresses[0].Public
	a.plan.Groups[0].Ingress = []network.Rule{{Protocol: -1, From: -1, To: -1, Prefix: netip.MustParsePrefix("0.0.0.0/0")}}
	must(t, a.Apply(t.Context(), a.plan))
	a.vpc, err = space.Find("vb" + id + "-" + a.plan.ID)
	must(t, err)
	t.Cleanup(a.vpc.Close)
	a.hostEnd = "vb" + id + a.plan.ID[len(a.plan.ID)-9:]
	a.guest = attach(t, a.vpc, p.ID[len(p.ID)-15:], p.MAC, netip.PrefixFrom(a.private, 20), a.plan.Subnets[0].Router)
	must(t, a.Apply(t.Context(), a.plan))
	return a
}

// How long to wait for what must work, and what must not.
const patience, soon = 10 * time.Second, 200 * time.Millisecond

// peerOf connects from one namespace to a listener in another, and returns who
// the listener sees.
func peerOf(from, to *space.Space, port uint16, addr netip.Addr, wait time.Duration) (seen netip.Addr, err error) {
	var l net.Listener
	if err := to.Do(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(netip.IPv4Unspecified(), port).String())
		return err
	}); err != nil {
		return seen, err
	}
	defer l.Close()
	err = from.Do(func() error {
		c, err := net.DialTimeout("tcp4", netip.AddrPortFrom(addr, port).String(), wait)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		return seen, err
	}
	c, err := l.Accept()
	if err != nil {
		return seen, err
	}
	defer c.Close()
	return c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), nil
}

// TestHostWithoutAddress: a host whose cable is cut still reaches its guests.
func TestHostWithoutAddress(t *testing.T) {
	a := attachOne(t)
	link := netip.MustParseAddr("169.254.0.1")
	if seen, err := peerOf(a.host, a.guest, 80, a.public, patience); err != nil || seen != link {
		t.Errorf("a host without address is seen as %v, %v, want %v", seen, err, link)
	}
	if _, err := peerOf(a.guest, a.host, 80, link, soon); err == nil {
		t.Error("a guest reaches the host's end of the link")
	}
	own := netip.MustParseAddr("192.0.2.7")
	must(t, a.host.Do(func() error {
		lo := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}}
		return netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(32, 32)}})
	}))
	must(t, a.Apply(t.Context(), a.plan))
	if seen, err := peerOf(a.host, a.guest, 80, a.public, patience); err != nil || seen != own {
		t.Errorf("a host with an address is seen as %v, %v, want %v", seen, err, own)
	}
	if _, err := peerOf(a.guest, a.host, 80, own, soon); err == nil {
		t.Error("a guest reaches the host")
	}
}

// TestRouterIsClosedToTheHost: whoever routes to what is the VPC's own does not
// get in.
func TestRouterIsClosedToTheHost(t *testing.T) {
	a := attachOne(t)
	addrs := []netip.Addr{network.Metadata, a.plan.Subnets[0].Router, a.private}
	must(t, a.host.Do(func() error {
		link, err := netlink.LinkByName(a.hostEnd)
		if err != nil {
			return err
		}
		for _, x := range addrs {
			r := &netlink.Route{
				LinkIndex: link.Attrs().Index, Dst: &net.IPNet{IP: x.AsSlice(), Mask: net.CIDRMask(32, 32)},
				Gw: net.IPv4(169, 254, 0, 2), Flags: int(netlink.FLAG_ONLINK),
			}
			if err := netlink.RouteAdd(r); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, x := range addrs[:2] {
		if _, err := peerOf(a.host, a.vpc, 80, x, soon); err == nil {
			t.Errorf("the host reaches %s", x)
		}
	}
	if seen, err := peerOf(a.guest, a.vpc, 80, network.Metadata, patience); err != nil || seen != a.private {
		t.Errorf("the guest is seen as %v, %v", seen, err)
	}
}

// TestKilledAnywhere: a process that is killed while it applies leaves nothing
// that the next one does not put right, or remove.
func TestKilledAnywhere(t *testing.T) {
	if host := os.Getenv("VAUBAN_TEST_APPLY_ON"); host != "" {
		d, err := linux.New(linux.Config{Cloud: os.Getenv("VAUBAN_TEST_CLOUD"), PublicPool: netip.MustParsePrefix("100.64.1.0/24"), PublicPool6: netip.MustParsePrefix("2001:db8::/32"), Host: host})
		must(t, err)
		for n := 0; ; n++ {
			plan := busyPlan(30 + n%2)
			if n%4 > 0 {
				plan = withTargets(plan)
			}
			plan.Internet = n%3 > 0
			must(t, d.Apply(t.Context(), plan))
			must(t, d.Apply(t.Context(), peerPlan(plan)))
			if n%5 == 4 {
				must(t, d.Remove(t.Context(), plan.ID))
			}
		}
	}
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	for range 8 {
		ctx, kill := context.WithCancel(t.Context())
		child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledAnywhere$")
		child.Env = append(os.Environ(), "VAUBAN_TEST_CLOUD="+id, fmt.Sprintf("VAUBAN_TEST_APPLY_ON=/proc/%d/fd/%d", os.Getpid(), host.Fd()))
		must(t, child.Start())
		time.Sleep(time.Duration(20+rand.IntN(80)) * time.Millisecond)
		kill()
		if err := child.Wait(); err == nil || child.ProcessState.Exited() {
			t.Fatalf("the child was not killed: %v", err)
		}
		plan := withTargets(busyPlan(30))
		next := cloud.Reopen()
		must(t, next.Apply(t.Context(), plan))
		must(t, next.Apply(t.Context(), peerPlan(plan)))
		inside, err := space.Find("vb" + id + "-" + plan.ID)
		must(t, err)
		listeners := append(listenForChanges(t, host), listenForChanges(t, inside)...)
		inside.Close()
		must(t, cloud.Reopen().Apply(t.Context(), plan))
		expectNone(t, listeners, "applied again after a kill")
		must(t, cloud.Reopen().Remove(t.Context(), plan.ID))
		must(t, cloud.Reopen().Remove(t.Context(), peerPlan(plan).ID))
		if left, err := cloud.Traces(); err != nil || len(left) > 0 {
			t.Fatalf("left are %v, %v", left, err)
		}
	}
}
