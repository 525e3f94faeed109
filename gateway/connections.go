package gateway

import (
	"container/list"
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
	open    map[net.Conn]*list.Element // guarded by mu; nil while at work
	waiting *list.List                 // guarded by mu; of net.Conn, the longest wait first
}

func newConnections(l net.Listener, limit int) *connections {
	return &connections{Listener: l, max: limit, open: make(map[net.Conn]*list.Element), waiting: list.New()}
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
			victim.Close()
		}
		if ok {
			return conn, nil
		}
		conn.Close()
	}
}

// admit counts conn in, if need be in place of a victim that the caller closes.
func (c *connections) admit(conn net.Conn) (victim net.Conn, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= c.max {
		longest := c.waiting.Front()
		if longest == nil {
			return nil, false
		}
		victim = longest.Value.(net.Conn)
		c.waiting.Remove(longest)
		delete(c.open, victim)
	}
	c.open[conn] = c.waiting.PushBack(conn)
	return victim, true
}

// track follows the states of the server's connections. An answer is whole when its
// connection is idle.
func (c *connections) track(on net.Conn, state http.ConnState) {
	if held, ok := on.(*conn); ok && state == http.StateIdle {
		held.release() //nolint:errcheck // the next read fails as well
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, open := c.open[on]
	if !open {
		return // a victim
	}
	if waiting != nil && state != http.StateNew {
		c.waiting.Remove(waiting)
		c.open[on] = nil
	}
	switch state {
	case http.StateIdle:
		c.open[on] = c.waiting.PushBack(on)
	case http.StateClosed, http.StateHijacked:
		delete(c.open, on)
	default: // new, and counted in by admit; or at work
	}
}
