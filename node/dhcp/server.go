// Package dhcp tells the guests of one VPC their addresses (DHCPv4, RFC 2131).
//
// Every port has exactly one lease, which the control plane decided: a port is
// never told another one's address, and nothing is remembered. The port is known
// by the interface that a message came in on, so a guest cannot ask for another.
// Malformed messages, and those of a MAC that is not the port's, get no answer.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// clientPort is where guests listen.
const clientPort = 68

// Server answers the ports of one VPC. Both functions are called for every message.
type Server struct {
	// Port returns the ID of the port behind an interface of the VPC's namespace.
	Port func(ifindex int) (id string, ok bool)
	// Lease returns what a port is to be told.
	Lease func(port string) (Lease, bool)
	Log   *slog.Logger // nil for slog.Default()
}

// Serve answers on the socket, which is bound to 0.0.0.0:67 in the VPC and which
// it closes, until ctx ends; then it returns nil.
func (s *Server) Serve(ctx context.Context, conn *net.UDPConn) error {
	defer conn.Close()                                      //nolint:errcheck // it holds nothing
	stop := context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // it holds nothing
	defer stop()
	p := ipv4.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv4.FlagInterface, true); err != nil {
		return fmt.Errorf("ask for the interface of DHCP messages: %w", err)
	}
	buf := make([]byte, 1500)
	for {
		n, cm, _, err := p.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("read DHCP message: %w", err)
		case err != nil || cm == nil:
			continue // of one message only
		}
		s.handle(p, cm.IfIndex, buf[:n])
	}
}

// handle answers one message.
func (s *Server) handle(p *ipv4.PacketConn, ifindex int, packet []byte) {
	port, ok := s.Port(ifindex)
	if !ok {
		return
	}
	lease, ok := s.Lease(port)
	if !ok {
		return
	}
	m, err := dhcpv4.FromBytes(packet)
	if err != nil {
		return
	}
	r := lease.Answer(m)
	if r == nil {
		return
	}
	// The answer leaves by the port that asked, whatever the routes say, from the
	// address that the guest knows its server by.
	cm := &ipv4.ControlMessage{IfIndex: ifindex, Src: lease.Router.AsSlice()}
	to := &net.UDPAddr{IP: destination(r, lease.Address), Port: clientPort}
	if _, err := p.WriteTo(r.ToBytes(), cm, to); err != nil {
		s.log().Warn("answer DHCP message", "port", port, "kind", r.MessageType().String(), "err", err)
		return
	}
	s.log().Debug("answered DHCP message", "port", port, "kind", r.MessageType().String(), "address", lease.Address)
}

// destination is the guest's own address if it says that it uses it already,
// and else everybody on the port, who is the guest alone (RFC 2131, section 4.1).
func destination(r *dhcpv4.DHCPv4, address netip.Addr) net.IP {
	if r.ClientIPAddr.Equal(address.AsSlice()) && !r.IsBroadcast() && r.MessageType() == dhcpv4.MessageTypeAck {
		return r.ClientIPAddr
	}
	return net.IPv4bcast
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}
