package fake

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Listen implements network.Driver. Who listens is reached by Host.Dial.
func (d *Driver) Listen(ctx context.Context, vpcID, _, address string) (l net.Listener, err error) {
	err = d.call(ctx, "listen", vpcID, func() error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		v := d.host.vpcs[vpcID]
		if v == nil {
			return network.ErrNoVPC
		}
		if v.listeners[address] != nil {
			return fmt.Errorf("address %s is in use", address)
		}
		n := &listener{at: at, conns: make(chan net.Conn), closed: make(chan struct{})}
		n.leave = func() {
			d.host.mu.Lock()
			defer d.host.mu.Unlock()
			delete(v.listeners, address)
		}
		v.listeners[address] = n
		l = n
		return nil
	})
	return l, err
}

// ListenPacket implements network.Driver. The connection is one on the machine's
// own loopback device, at a port of the kernel's choice.
func (d *Driver) ListenPacket(ctx context.Context, vpcID, _, address string) (c net.PacketConn, err error) {
	err = d.call(ctx, "listen", vpcID, func() error {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return err
		}
		if d.host.vpcs[vpcID] == nil {
			return network.ErrNoVPC
		}
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return err
	})
	return c, err
}

// Dial connects a guest of the VPC, by its address, to who listens at an address
// such as "169.254.169.254:80". The connection is in memory: in a synctest
// bubble, waiting for it lets time pass.
func (h *Host) Dial(ctx context.Context, vpcID string, from netip.Addr, address string) (net.Conn, error) {
	h.mu.Lock()
	var l *listener
	if v := h.vpcs[vpcID]; v != nil {
		l = v.listeners[address]
	}
	h.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s in %s: connection refused", address, vpcID)
	}
	client, server := net.Pipe()
	guest := net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 49152))
	select {
	case l.conns <- conn{server, l.Addr(), guest}:
		return conn{client, guest, l.Addr()}, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s in %s: connection refused", address, vpcID)
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s in %s: %w", address, vpcID, ctx.Err())
	}
}

// listener is a net.Listener in memory.
type listener struct {
	at     netip.AddrPort
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
	leave  func()
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.leave()
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// conn is a net.Pipe's end with addresses.
type conn struct {
	net.Conn
	local, remote net.Addr
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }
