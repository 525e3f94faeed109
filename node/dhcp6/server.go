// Package dhcp6 tells the guests of one VPC their IPv6 addresses (DHCPv6, RFC 8415).
//
// As in package dhcp, every port has exactly one lease, which the control plane
// decided, and the port is known by the interface that a message came in on. Guests ask
// a group address, so the server hears only links that it has joined.
package dhcp6

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Server answers the ports of one VPC. Create it with New.
type Server struct {
	cfg  Config
	conn *ipv6.PacketConn
	udp  *net.UDPConn
}

// Config is what a server needs. Both functions are called for every message.
type Config struct {
	// Port returns the ID of the port behind an interface of the VPC's namespace.
	Port func(ifindex int) (id string, ok bool)
	// Lease returns what a port is to be told; false for ports without IPv6.
	Lease func(port string) (Lease, bool)
	Log   *slog.Logger // nil for slog.Default()
}

// New returns a server on the socket, which is bound to [::]:547 in the VPC and is the
// server's from now on.
func New(conn *net.UDPConn, cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg, conn: ipv6.NewPacketConn(conn), udp: conn}
	if err := s.conn.SetControlMessage(ipv6.FlagInterface, true); err != nil {
		return nil, errors.Join(fmt.Errorf("ask for the interface of DHCPv6 messages: %w", err), conn.Close())
	}
	return s, nil
}

// Close closes the socket of a server that does not serve.
func (s *Server) Close() error { return s.udp.Close() }

// Join has the server hear what guests ask on links, by index. Again is harmless; a
// link that goes is left by itself.
func (s *Server) Join(links []int) {
	servers := &net.UDPAddr{IP: dhcpv6.AllDHCPRelayAgentsAndServers}
	for _, index := range links {
		err := s.conn.JoinGroup(&net.Interface{Index: index}, servers)
		if err != nil && !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, net.ErrClosed) {
			s.cfg.Log.Warn("hear DHCPv6 messages of a port", "device", index, "err", err)
		}
	}
}

// Serve answers until ctx ends; then it returns nil. It closes the socket.
func (s *Server) Serve(ctx context.Context) error {
	defer s.udp.Close()                                      //nolint:errcheck // it holds nothing
	stop := context.AfterFunc(ctx, func() { s.udp.Close() }) //nolint:errcheck // it holds nothing
	defer stop()
	buf := make([]byte, 1500)
	for {
		n, about, from, err := s.conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("read DHCPv6 message: %w", err)
		case err != nil || about == nil:
			continue // of one message only
		}
		s.handle(about.IfIndex, from, buf[:n])
	}
}

// handle answers one message.
func (s *Server) handle(ifindex int, from net.Addr, packet []byte) {
	port, ok := s.cfg.Port(ifindex)
	if !ok {
		return
	}
	lease, ok := s.cfg.Lease(port)
	if !ok {
		return
	}
	m, err := dhcpv6.MessageFromBytes(packet)
	if err != nil {
		return
	}
	r := lease.Answer(m)
	if r == nil {
		return
	}
	// The answer leaves by the port that asked, from the router's address there.
	about := &ipv6.ControlMessage{IfIndex: ifindex, Src: network.Router6.AsSlice()}
	if _, err := s.conn.WriteTo(r.ToBytes(), about, from); err != nil {
		s.cfg.Log.Warn("answer DHCPv6 message", "port", port, "kind", r.MessageType.String(), "err", err)
		return
	}
	s.cfg.Log.Debug("answered DHCPv6 message", "port", port, "kind", r.MessageType.String(), "addresses", lease.Addresses)
}
