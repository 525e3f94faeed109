package dhcp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/node/dhcp"
)

// within runs f with the thread in a network namespace; sockets made there stay there.
func within(t *testing.T, ns netns.NsHandle, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// namespace makes a nameless namespace that is gone with the test.
func namespace(t *testing.T) netns.NsHandle {
	t.Helper()
	type result struct {
		ns  netns.NsHandle
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.New()
		done <- result{ns, err}
	}()
	r := <-done
	if errors.Is(r.err, os.ErrPermission) {
		t.Skip("needs root: network namespaces")
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.ns.Close() })
	return r.ns
}

// veth joins two namespaces and returns the first end's index.
func veth(t *testing.T, a netns.NsHandle, nameA string, b netns.NsHandle, nameB string, macB net.HardwareAddr) int {
	t.Helper()
	ha, err := netlink.NewHandleAt(a)
	if err != nil {
		t.Fatal(err)
	}
	defer ha.Close()
	link := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: nameA}, PeerName: nameB,
		PeerNamespace: netlink.NsFd(b), PeerHardwareAddr: macB,
	}
	if err := ha.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	up := func(ns netns.NsHandle, name string) int {
		h, err := netlink.NewHandleAt(ns)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		l, err := h.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
		return l.Attrs().Index
	}
	up(b, nameB)
	index := up(a, nameA)
	carries(t, b, nameB)
	carries(t, a, nameA)
	return index
}

// carries waits until the kernel has noticed that a link is connected: until
// then it drops what is sent.
func carries(t *testing.T, ns netns.NsHandle, name string) {
	t.Helper()
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 1000 {
		l, err := h.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s is still down", name)
}

// guestSocket is a socket as a DHCP client without an address has it.
func guestSocket(t *testing.T, ns netns.NsHandle, ifname string) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	within(t, ns, func() error {
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			var bound error
			err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), ifname) })
			return errors.Join(err, bound)
		}}
		c, err := lc.ListenPacket(context.Background(), "udp4", "0.0.0.0:68")
		if err == nil {
			conn = c.(*net.UDPConn)
		}
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

// awaitServer asks, as clients do, until the server answers (it knows the port of
// a message only once it has told its socket to say so), and reads what is late.
func awaitServer(t *testing.T, c *net.UDPConn, discover []byte) {
	t.Helper()
	buf := make([]byte, 1500)
	answered := false
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if !answered {
			if _, err := c.WriteTo(discover, &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
				t.Fatal(err)
			}
		}
		c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, _, err := c.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			answered = true
		case answered:
			return
		}
	}
	t.Fatal("the server never answers")
}

// TestServe has two ports on one server, and no address or route on either: the
// port that a message comes in on decides.
func TestServe(t *testing.T) {
	router, one, two := namespace(t), namespace(t), namespace(t)
	first, second := lease(), lease()
	second.MAC, second.Address = net.HardwareAddr{2, 0, 0, 0, 0, 2}, netip.MustParseAddr("10.0.1.6")
	ports := map[int]string{
		veth(t, router, "port1", one, "guest", first.MAC):  "eni-1",
		veth(t, router, "port2", two, "guest", second.MAC): "eni-2",
	}
	leases := map[string]dhcp.Lease{"eni-1": first, "eni-2": second}

	var conn *net.UDPConn
	within(t, router, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		address := &netlink.Addr{IPNet: &net.IPNet{IP: first.Router.AsSlice(), Mask: net.CIDRMask(32, 32)}}
		if err := errors.Join(netlink.LinkSetUp(lo), netlink.AddrAdd(lo, address)); err != nil {
			return err
		}
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 67})
		return err
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := &dhcp.Server{
		Port:  func(i int) (string, bool) { p, ok := ports[i]; return p, ok },
		Lease: func(p string) (dhcp.Lease, bool) { l, ok := leases[p]; return l, ok },
	}
	go func() { done <- s.Serve(ctx, conn) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()

	guest1, guest2 := guestSocket(t, one, "guest"), guestSocket(t, two, "guest")
	send := func(c *net.UDPConn, packet []byte) {
		t.Helper()
		if _, err := c.WriteTo(packet, &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(c *net.UDPConn) *dhcpv4.DHCPv4 {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 1500)
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		if from != netip.AddrPortFrom(first.Router, 67) {
			t.Errorf("answer from %s", from)
		}
		m, err := dhcpv4.FromBytes(buf[:n])
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	awaitServer(t, guest1, message(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithHwAddr(first.MAC)).ToBytes())

	// Nothing of these is answered: the next answer that a guest gets must be the
	// one to what it sends after.
	noise := make([]byte, 300)
	rand.Read(noise)
	send(guest1, noise)
	send(guest1, []byte(strings.Repeat("\x01", 1400)))
	send(guest1, message(t, dhcpv4.MessageTypeDiscover, dhcpv4.WithHwAddr(second.MAC)).ToBytes())

	for _, g := range []struct {
		conn *net.UDPConn
		dhcp.Lease
	}{{guest1, first}, {guest2, second}} {
		own := dhcpv4.WithHwAddr(g.MAC)
		discover := message(t, dhcpv4.MessageTypeDiscover, own)
		send(g.conn, discover.ToBytes())
		offer := receive(g.conn)
		if offer.MessageType() != dhcpv4.MessageTypeOffer || offer.TransactionID != discover.TransactionID ||
			!offer.YourIPAddr.Equal(g.Address.AsSlice()) {
			t.Fatalf("offer to %s: %s", g.MAC, offer.Summary())
		}
		send(g.conn, message(t, dhcpv4.MessageTypeRequest, own, requested(offer.YourIPAddr.String()), server("10.0.1.1")).ToBytes())
		if ack := receive(g.conn); ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.Equal(g.Address.AsSlice()) {
			t.Fatalf("answer to the request of %s: %s", g.MAC, ack.Summary())
		}
		send(g.conn, message(t, dhcpv4.MessageTypeRequest, own, requested("10.0.1.77")).ToBytes())
		if nak := receive(g.conn); nak.MessageType() != dhcpv4.MessageTypeNak {
			t.Fatalf("answer to a wrong request of %s: %s", g.MAC, nak.Summary())
		}
	}

	// A guest that has its address renews by unicast.
	h, err := netlink.NewHandleAt(one)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	link, err := h.LinkByName("guest")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: first.Address.AsSlice(), Mask: net.CIDRMask(24, 32)}}); err != nil {
		t.Fatal(err)
	}
	send(guest1, message(t, dhcpv4.MessageTypeRequest, client("10.0.1.5")).ToBytes())
	if ack := receive(guest1); ack.MessageType() != dhcpv4.MessageTypeAck || !ack.ClientIPAddr.Equal(net.IPv4(10, 0, 1, 5)) {
		t.Errorf("renewal: %s", ack.Summary())
	}
}
