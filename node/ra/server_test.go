package ra_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/node/ra"
)

// A namespace of the test, which ends with it.
type namespace struct{ file *os.File }

func newNamespace(t *testing.T) namespace {
	made := make(chan namespace)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		var n namespace
		if unix.Unshare(unix.CLONE_NEWNET) == nil {
			n.file, _ = os.Open("/proc/thread-self/ns/net")
		}
		made <- n
	}()
	n := <-made
	if n.file == nil {
		t.Fatal("no namespace")
	}
	t.Cleanup(func() { _ = n.file.Close() })
	return n
}

// do runs fn in the namespace.
func (n namespace) do(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		result <- fn()
	}()
	return <-result
}

// link connects a router, at fe80::1, and a guest, and returns the router's device.
func link(router, guest namespace) (index int, err error) {
	err = guest.do(func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "nic0"}, PeerName: "eni0", PeerNamespace: netlink.NsFd(router.file.Fd())})
	})
	if err != nil {
		return 0, err
	}
	err = router.do(func() error {
		l, err := netlink.LinkByName("eni0")
		if err != nil {
			return err
		}
		index = l.Attrs().Index
		ip := &net.IPNet{IP: network.Router6.AsSlice(), Mask: net.CIDRMask(64, 128)}
		return errors.Join(os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0o600),
			netlink.AddrAdd(l, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}), netlink.LinkSetUp(l))
	})
	return index, err
}

// TestGuestsLearnTheRouter lets the kernel of a guest hear the advertisements: asked for
// as its link comes up, and unasked once it has forgotten.
func TestGuestsLearnTheRouter(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces are root's")
	}
	router, guest := newNamespace(t), newNamespace(t)
	index, err := link(router, guest)
	must(t, err)
	var socket net.PacketConn
	must(t, router.do(func() (err error) {
		socket, err = (&net.ListenConfig{}).ListenPacket(t.Context(), "ip6:ipv6-icmp", "::")
		return err
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	server := &ra.Server{Links: func(context.Context) ([]int, error) { return []int{index}, nil }, Every: 300 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	go func() { done <- server.Serve(ctx, socket) }()
	defer func() {
		cancel()
		must(t, <-done)
	}()
	must(t, guest.do(func() error {
		l, err := netlink.LinkByName("nic0")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	}))
	for _, when := range []string{"at first", "when it has forgotten"} {
		var routes []netlink.Route
		var addresses []netlink.Addr
		var mtu []byte
		for deadline := time.Now().Add(10 * time.Second); len(routes) == 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the guest has no default route", when)
			}
			must(t, guest.do(func() (err error) {
				all := &netlink.Route{Protocol: unix.RTPROT_RA}
				routes, err = netlink.RouteListFiltered(netlink.FAMILY_V6, all, netlink.RT_FILTER_PROTOCOL)
				return err
			}))
		}
		must(t, guest.do(func() (err error) {
			if addresses, err = netlink.AddrList(nil, netlink.FAMILY_V6); err != nil {
				return err
			}
			mtu, err = os.ReadFile("/proc/sys/net/ipv6/conf/nic0/mtu")
			return err
		}))
		if len(routes) != 1 || !routes[0].Gw.Equal(network.Router6.AsSlice()) {
			t.Errorf("%s: the guest has the routes %v, want one by %s", when, routes, network.Router6)
		}
		if string(mtu) != "1500\n" {
			t.Errorf("%s: the guest's MTU is %q", when, mtu)
		}
		for _, a := range addresses {
			if a.IP.IsGlobalUnicast() {
				t.Errorf("%s: the guest gave itself %s", when, a.IP)
			}
		}
		must(t, guest.do(func() error { return netlink.RouteDel(&routes[0]) }))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
