// Package ra advertises the router of a VPC to its guests: RFC 4861, section 6.2.
//
// It guarantees that guests on links with IPv6 learn the router and the MTU when they
// ask, and from time to time, and that they are to get addresses by DHCPv6. It offers no
// prefix: guests give themselves no address, and send all packets by the router.
package ra

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/net/ipv6"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	interval = 5 * time.Minute    // between advertisements that nobody asked for
	lifetime = 9000 * time.Second // the longest there is: guests go on while this process does not
	hops     = 255                // of all neighbour discovery: it came over no router
)

var (
	allNodes = net.ParseIP("ff02::1")
	router   = net.IP(network.Router6.AsSlice())
)

// Server advertises on the links of one VPC.
type Server struct {
	// Links returns the indexes of the devices whose guests have IPv6.
	Links func(ctx context.Context) ([]int, error)
	// Every is the time between advertisements that nobody asked for; zero: five minutes.
	Every time.Duration
	Log   *slog.Logger
}

// Serve answers solicitations on a raw ICMPv6 socket of the VPC, and advertises unasked,
// until ctx ends. It closes the socket.
func (s *Server) Serve(ctx context.Context, socket net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
	defer stop()
	defer socket.Close()
	c := ipv6.NewPacketConn(socket)
	var asked ipv6.ICMPFilter
	asked.SetAll(true)
	asked.Accept(ipv6.ICMPTypeRouterSolicitation)
	if err := c.SetICMPFilter(&asked); err != nil {
		return fmt.Errorf("hear router solicitations: %w", err)
	}
	if err := c.SetControlMessage(ipv6.FlagInterface|ipv6.FlagHopLimit, true); err != nil {
		return fmt.Errorf("hear router solicitations: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.remind(ctx, c)
	}()
	err := s.answer(ctx, c)
	<-done
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was asked to end
	}
	return err
}

// answer advertises to who asks.
func (s *Server) answer(ctx context.Context, c *ipv6.PacketConn) error {
	buf := make([]byte, network.MTU)
	for {
		_, about, _, err := c.ReadFrom(buf)
		if err != nil {
			return fmt.Errorf("read router solicitation: %w", err)
		}
		if about == nil || about.HopLimit != hops {
			continue
		}
		links, err := s.Links(ctx)
		if err != nil {
			s.Log.Warn("links of a network are not known", "err", err)
		}
		for _, l := range links {
			if l == about.IfIndex {
				s.advertise(c, l)
			}
		}
	}
}

// remind advertises on all links, until ctx ends.
func (s *Server) remind(ctx context.Context, c *ipv6.PacketConn) {
	every := s.Every
	if every == 0 {
		every = interval
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		links, err := s.Links(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("links of a network are not known", "err", err)
		}
		for _, l := range links {
			s.advertise(c, l)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// advertise sends an advertisement to all on a link, which may be gone by now.
func (s *Server) advertise(c *ipv6.PacketConn, link int) {
	from := &ipv6.ControlMessage{IfIndex: link, Src: router, HopLimit: hops}
	if _, err := c.WriteTo(advertisement(), from, &net.IPAddr{IP: allNodes}); err != nil {
		s.Log.Debug("router advertisement not sent", "device", link, "err", err)
	}
}

// advertisement is that of RFC 4861, section 4.2, with the MTU; the kernel adds the checksum.
func advertisement() []byte {
	const managed, other = 1 << 7, 1 << 6 // addresses, and the rest, are told by DHCPv6
	m := []byte{byte(ipv6.ICMPTypeRouterAdvertisement), 0, 0, 0, 64, managed | other}
	m = binary.BigEndian.AppendUint16(m, uint16(lifetime/time.Second))
	m = append(m, make([]byte, 8)...) // reachable and retransmission times: the guest's own
	m = append(m, 5, 1, 0, 0)         // MTU option
	return binary.BigEndian.AppendUint32(m, network.MTU)
}
