// Package fair shares what a host offers its guests, so that one that takes all
// it can get leaves enough for the others. It counts; it neither queues nor waits.
package fair

import (
	"net"
	"net/netip"
	"sync"
)

// Gate lets a bounded number in at once: so many of each address, so many in all.
type Gate struct {
	each, all int

	mu    sync.Mutex
	in    map[netip.Addr]int // guarded by mu; no zero counts
	total int                // guarded by mu
}

// NewGate returns a gate that lets in at most each of one address and all in sum.
func NewGate(each, all int) *Gate {
	return &Gate{each: each, all: all, in: map[netip.Addr]int{}}
}

// Enter reports whether the address may come in. If so, it calls Leave when done.
func (g *Gate) Enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in[a] >= g.each || g.total >= g.all {
		return false
	}
	g.in[a]++
	g.total++
	return true
}

// Leave makes room for the next.
func (g *Gate) Leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.in[a]--; g.in[a] == 0 {
		delete(g.in, a)
	}
}

// Listener returns l without the connections that do not get through the gate:
// those are closed at once. A connection leaves when it is closed.
func (g *Gate) Listener(l net.Listener) net.Listener { return &listener{l, g} }

type listener struct {
	net.Listener
	gate *Gate
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := Address(c.RemoteAddr())
		if l.gate.Enter(from) {
			return &Conn{Conn: c, leave: sync.OnceFunc(func() { l.gate.Leave(from) })}, nil
		}
		c.Close() //nolint:errcheck // nothing was said on it
	}
}

// Conn is a connection that came through a gate.
type Conn struct {
	net.Conn
	leave func()
}

// NetConn returns the connection underneath.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Close closes the connection and makes room for the next.
func (c *Conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Address returns the IP address of a peer, the zero Addr if it has none.
func Address(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
