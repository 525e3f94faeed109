package gateway

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections is a listener that bounds how many connections are open. When
// there is no room for another, it closes the one that has waited longest
// between requests or for its first: keeping a connection open without using
// it shuts nobody out. If all are at work, the new one is refused.
type connections struct {
	net.Listener
	max int

	mu      sync.Mutex
	open    int       // guarded by mu
	waiting list.List // guarded by mu; of *conn, the longest wait first
}

// place is what connections know of a conn. Guarded by connections.mu.
type place struct {
	open    bool
	waiting *list.Element // nil while at work
}

func newConnections(l net.Listener, limit int) *connections {
	return &connections{Listener: l, max: limit}
}

// Accept returns the next connection for which there is room.
func (c *connections) Accept() (net.Conn, error) {
	for {
		accepted, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn := &conn{Conn: accepted}
		victim, ok := c.admit(conn)
		if victim != nil {
			victim.Close() //nolint:errcheck // it has waited longest
		}
		if ok {
			return conn, nil
		}
		conn.Close() //nolint:errcheck // it is refused
	}
}

// admit counts a connection in, if need be in place of a victim that the caller closes.
func (c *connections) admit(one *conn) (victim *conn, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.max {
		longest := c.waiting.Front()
		if longest == nil {
			return nil, false
		}
		victim = longest.Value.(*conn) //nolint:forcetypeassert // nothing else is in it
		c.remove(victim)
	}
	c.open++
	one.place = place{true, c.waiting.PushBack(one)}
	return victim, true
}

// remove counts a connection out. The caller holds mu.
func (c *connections) remove(one *conn) {
	if one.place.waiting != nil {
		c.waiting.Remove(one.place.waiting)
	}
	one.place = place{}
	c.open--
}

// track follows the states of the server's connections. An answer is whole when its
// connection is idle.
func (c *connections) track(on net.Conn, state http.ConnState) {
	if sealed, ok := on.(*tls.Conn); ok {
		on = sealed.NetConn()
	}
	one := on.(*conn) //nolint:forcetypeassert // Accept returns no other
	if state == http.StateIdle {
		one.release() //nolint:errcheck // the next read fails as well
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !one.place.open {
		return // a victim
	}
	if one.place.waiting != nil && state != http.StateNew {
		c.waiting.Remove(one.place.waiting)
		one.place.waiting = nil
	}
	switch state {
	case http.StateIdle:
		one.place.waiting = c.waiting.PushBack(one)
	case http.StateClosed, http.StateHijacked:
		c.remove(one)
	default: // new, and counted in by admit; or at work
	}
}
