package networktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

const (
	// patience is for what must work, on a busy machine.
	patience = 5 * time.Second
	// soon is for what must not work: what does takes a millisecond or two.
	soon = 60 * time.Millisecond
)

// stack is a namespace's sockets.
type stack struct{ space *space.Space }

// listen serves TCP and UDP on the ports until the test ends: whoever sends
// something is told the address that it came from.
func (s stack) listen(t *testing.T, ports ...uint16) {
	t.Helper()
	for _, port := range ports {
		for _, local := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			s.listenAt(t, at(local, port))
		}
	}
}

// listenAt is listen for one address.
func (s stack) listenAt(t *testing.T, where netip.AddrPort) {
	t.Helper()
	var l net.Listener
	var c net.PacketConn
	must(t, s.space.Do(func() (err error) {
		if l, err = net.Listen("tcp"+version(where.Addr()), where.String()); err == nil {
			c, err = net.ListenPacket("udp"+version(where.Addr()), where.String())
		}
		return err
	}))
	answer(t, l, c)
}

// answer serves both until the test ends.
func answer(t *testing.T, l net.Listener, c net.PacketConn) {
	var wg sync.WaitGroup
	wg.Go(func() { answerTCP(l) })
	wg.Go(func() { answerUDP(c) })
	t.Cleanup(func() {
		_, _ = l.Close(), c.Close()
		wg.Wait()
	})
}

// version is the end of the names of networks: "4" or "6".
func version(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

func answerTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			fmt.Fprintf(c, "%s\n", c.RemoteAddr())
			_, _ = io.Copy(c, c)
		}()
	}
}

func answerUDP(c net.PacketConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(append([]byte(from.String()+"\n"), buf[:n]...), from)
	}
}

// dial connects; the caller closes.
func (s stack) dial(ctx context.Context, network string, to netip.AddrPort) (c net.Conn, err error) {
	err = s.space.Do(func() error {
		var d net.Dialer
		d.SetMultipathTCP(false)
		c, err = d.DialContext(ctx, network, to.String())
		return err
	})
	return c, err
}

// try exchanges one message by "tcp", "udp" or "icmp", and returns the address
// that the other end saw (for ICMP: none).
func (s stack) try(protocol string, to netip.AddrPort, wait time.Duration) (seen netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if protocol == "icmp" {
		return netip.Addr{}, s.ping(ctx, to.Addr())
	}
	c, err := s.dial(ctx, protocol+version(to.Addr()), to)
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return netip.Addr{}, err
	}
	if protocol == "udp" {
		if _, err := c.Write([]byte("hello")); err != nil {
			return netip.Addr{}, err
		}
	}
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	if err != nil {
		return netip.Addr{}, err
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	at, err := netip.ParseAddrPort(line)
	return at.Addr(), err
}

// ping sends an echo request, again each second, as kernels may drop one when they are busy,
// and waits for the reply to it.
func (s stack) ping(ctx context.Context, to netip.Addr) error {
	var c *icmp.PacketConn
	listen, local, number := "ip4:icmp", "0.0.0.0", 1
	var kind, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if to.Is6() {
		listen, local, number, kind, reply = "ip6:ipv6-icmp", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	if err := s.space.Do(func() (err error) {
		c, err = icmp.ListenPacket(listen, local)
		return err
	}); err != nil {
		return err
	}
	defer c.Close()
	id := rand.IntN(1 << 16)
	data := fmt.Append(nil, rand.Int())
	request, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{ID: id, Seq: 1, Data: data}}).Marshal(nil)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	for {
		again := time.Now().Add(time.Second)
		if _, err := c.WriteTo(request, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}); err != nil {
			return err
		}
		if deadline.Before(again) {
			again = deadline
		}
		err := echoed(c, again, number, reply, to, string(data))
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline) {
			return err
		}
	}
}

// echoed waits for a reply to an echo request that carried the data.
func echoed(c *icmp.PacketConn, deadline time.Time, protocol int, reply icmp.Type, to netip.Addr, data string) error {
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil {
			continue
		}
		if e, is := m.Body.(*icmp.Echo); is && m.Type == reply && string(e.Data) == data && from.(*net.IPAddr).IP.Equal(to.AsSlice()) {
			return nil
		}
	}
}

// probe is one attempt to get through, and whether it should.
type probe struct {
	name     string
	from     stack
	protocol string
	to       netip.AddrPort
	want     bool
	as       netip.Addr // what the other end should see; any if not valid
}

// expect makes all attempts at once.
func (w *world) expect(probes ...probe) {
	w.Helper()
	var wg sync.WaitGroup
	for _, p := range probes {
		wg.Go(func() {
			wait := soon
			if p.want {
				wait = patience
			}
			seen, err := p.from.try(p.protocol, p.to, wait)
			switch {
			case p.want && err != nil:
				w.Errorf("%s: %s to %s does not get through: %v", p.name, p.protocol, p.to, err)
			case !p.want && err == nil:
				w.Errorf("%s: %s to %s gets through", p.name, p.protocol, p.to)
			case p.as.IsValid() && seen.IsValid() && seen != p.as:
				w.Errorf("%s: %s to %s comes from %s, want %s", p.name, p.protocol, p.to, seen, p.as)
			}
		})
	}
	wg.Wait()
}

// eventually is for what somebody else will have done soon.
func eventually(what string, try func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s", what), err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
