package gateway

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// conn is a client's connection. It can hold back the beginning of an answer, so that
// the head and the body of a small object leave in one piece: net/http sends them as
// two, which costs a second system call here and a second wake-up there.
type conn struct {
	net.Conn
	mu    sync.Mutex
	held  []byte // guarded by mu; nil: nothing is held back
	place place
	ahead []byte // was read, and is to be read again; the reader's
}

// Read reads on.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// The answers to hold back, by the length of their bodies in bytes: shorter ones are in
// one piece anyhow, and of longer ones the copy costs more than the call.
const minHeld, maxHeld = 2 << 10, 32 << 10

// heldBuffer is as long as a held answer, with its head.
type heldBuffer [maxHeld + 8<<10]byte

var heldBuffers = sync.Pool{New: func() any { return new(heldBuffer) }}

// connKey finds the *conn in the context of its requests, or the *tls.Conn over it, which
// holds nothing back: at its end, TLS lets the time to write run out.
type connKey struct{}

// hold holds back what is written from now on, until release or Close, or until it is
// too much.
func (c *conn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = heldBuffers.Get().(*heldBuffer)[:0]
	}
}

// release sends what is held back.
func (c *conn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.send(nil)
	return err
}

// send writes what is held back, and p. It counts the bytes of p. The kernel is not asked to
// write nothing, which net.Conn would: every answer comes by here once it is whole.
func (c *conn) send(p []byte) (int, error) {
	if c.held == nil {
		if len(p) == 0 {
			return 0, nil
		}
		return c.Conn.Write(p)
	}
	held := c.held
	c.held = nil
	defer heldBuffers.Put((*heldBuffer)(held[:cap(held)]))
	switch {
	case len(held) == 0 && len(p) == 0:
		return 0, nil
	case len(p) == 0:
		_, err := c.Conn.Write(held)
		return 0, err
	}
	pieces := net.Buffers{held, p}
	n, err := pieces.WriteTo(c.Conn)
	return int(max(0, n-int64(len(held)))), err
}

// Write writes, or holds back.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil || len(c.held)+len(p) > cap(c.held) {
		return c.send(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// SetWriteDeadline sends what is held back before it lifts the deadline, as net/http does
// once an answer is written: nobody writes without one.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		if err := c.release(); err != nil {
			return err
		}
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close sends what is held back, unless somebody is writing.
func (c *conn) Close() error {
	if c.mu.TryLock() {
		c.send(nil) //nolint:errcheck // it is the end anyhow
		c.mu.Unlock()
	}
	return c.Conn.Close()
}

// CloseWrite ends the answers: the server reads on for a while, so that the client reads
// the last one.
func (c *conn) CloseWrite() error {
	if err := c.release(); err != nil {
		return err
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// holds reports whether an answer is to be held back until it is whole.
func holds(r *http.Request, answer http.Header) bool {
	length := answer["Content-Length"]
	if r.Method == http.MethodHead || len(length) != 1 {
		return false
	}
	n, err := strconv.Atoi(length[0])
	return err == nil && n > minHeld && n <= maxHeld
}
