package networktest

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// headerBytes is the virtio-net header before every frame of a tap.
const headerBytes = 10

// offloads are those that a virtio guest asks for.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN

// guest is a namespace whose only card is at the other end of a port's tap.
type guest struct {
	stack
	world *world
	vpc   string
	port  network.Port
	addr  netip.Addr // the primary one
	addr6 netip.Addr // the first of IPv6, if there is one
	tap   *os.File   // the driver's
	card  *os.File   // the guest's
	wg    sync.WaitGroup

	mu   sync.Mutex
	seen [][]byte      // guarded by mu: the last frames that came for the guest
	more chan struct{} // guarded by mu: closed when seen grows
}

// newGuest boots a guest that is configured as DHCP would do it.
func newGuest(w *world, vpcID string, p network.Port, s network.Subnet) *guest {
	w.Helper()
	g := &guest{stack: newStack(w.T), world: w, vpc: vpcID, port: p, addr: p.Addresses[0].Private, more: make(chan struct{})}
	var err error
	g.tap, err = w.Tap(w.Context(), vpcID, p.ID)
	must(w.T, err)
	must(w.T, setOffloads(g.tap))
	must(w.T, g.space.Do(func() error {
		if g.card, err = openCard("nic0"); err != nil {
			return err
		}
		link, err := netlink.LinkByName("nic0")
		if err != nil {
			return err
		}
		return netlink.LinkSetHardwareAddr(link, p.MAC)
	}))
	g.setUp(w.T, "nic0", netip.PrefixFrom(g.addr, s.Prefix.Bits()), s.Router)
	if len(p.Addresses6) > 0 {
		g.addr6 = p.Addresses6[0]
		g.setUp6(w.T, "nic0", netip.PrefixFrom(g.addr6, 128), network.Router6)
	}
	g.wg.Go(func() { g.pump(g.card, g.tap, nil) })
	g.wg.Go(func() { g.pump(g.tap, g.card, g.see) })
	w.Cleanup(g.halt)
	return g
}

// halt takes the guest's power.
func (g *guest) halt() {
	g.tap.Close()
	g.card.Close()
	g.wg.Wait()
}

func openCard(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), name)
	return f, setOffloads(f)
}

func setOffloads(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, offloads) })
	return errors.Join(err, failed)
}

// pump carries frames until an end is closed, or gone.
func (g *guest) pump(from, to *os.File, see func([]byte)) {
	buf := make([]byte, 1<<17)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if see != nil {
			see(buf[headerBytes:n])
		}
		// A card that is down refuses frames, as a real one would.
		if _, err := to.Write(buf[:n]); err != nil && !errors.Is(err, unix.EIO) {
			return
		}
	}
}

// see remembers a frame.
func (g *guest) see(frame []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seen) == 4096 {
		g.seen = append(g.seen[:0], g.seen[2048:]...)
	}
	g.seen = append(g.seen, bytes.Clone(frame[:min(len(frame), 2048)]))
	close(g.more)
	g.more = make(chan struct{})
}

// saw reports whether a frame has come that matches.
func (g *guest) saw(match func([]byte) bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.seen, match)
}

// sees waits for a frame that matches.
func (g *guest) sees(match func([]byte) bool) bool {
	deadline := time.After(patience)
	for {
		g.mu.Lock()
		more := g.more
		g.mu.Unlock()
		if g.saw(match) {
			return true
		}
		select {
		case <-more:
		case <-deadline:
			return false
		}
	}
}

// send puts a frame on the wire, whatever it is.
func (g *guest) send(frame []byte) {
	g.world.Helper()
	_, err := g.tap.Write(append(make([]byte, headerBytes), frame...))
	must(g.world.T, err)
}

// router is the MAC that the guest knows its router by.
func (g *guest) router(s network.Subnet) net.HardwareAddr {
	g.world.Helper()
	g.send(arp(arpRequest, g.port.MAC, g.addr, nil, s.Router))
	var mac net.HardwareAddr
	if !g.sees(func(f []byte) bool {
		a, ok := parseARP(f)
		if ok && a.op == arpReply && a.sender == s.Router {
			mac = a.mac
		}
		return ok && a.op == arpReply && a.sender == s.Router
	}) {
		g.world.Fatal("the router answers no ARP")
	}
	return mac
}
