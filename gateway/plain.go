package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// plain answers requests of the plainest form on the goroutine of their connection, for
// half of what they cost in net/http; docs/adr/0023-plain-requests.md says why. It refuses nothing:
// a connection whose next request is of any other form, or does not come in one piece, is
// net/http's from there on. What it takes means the same to both, which a test holds it to.
type plain struct {
	*Gateway
	from *connections
	rest *handover
	ctx  context.Context //nolint:containedctx // the base of its requests'

	all    sync.WaitGroup
	mu     sync.Mutex
	ending bool           // guarded by mu
	open   map[*conn]bool // guarded by mu; true: between requests
}

// maxPlain is the longest head that is plain, in bytes.
const maxPlain = 4 << 10

// accept takes connections until the listener is closed.
func (p *plain) accept() error {
	for {
		accepted, err := p.from.Accept()
		if passing, ok := errors.AsType[net.Error](err); ok && passing.Temporary() { //nolint:staticcheck // such as too many open files: net/http asks the same
			p.cfg.Log.Warn("accept a connection", "err", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		c := accepted.(*conn) //nolint:forcetypeassert // Accept returns no other
		p.mu.Lock()
		p.open[c] = false
		p.mu.Unlock()
		p.all.Go(func() { p.serve(c) })
	}
}

// serve answers the requests of a connection.
func (p *plain) serve(c *conn) {
	in := bufio.NewReaderSize(c.Conn, min(maxPlain, p.cfg.MaxHeader))
	defer func() {
		p.mu.Lock()
		delete(p.open, c)
		p.mu.Unlock()
	}()
	address := c.RemoteAddr().String()
	for timeout := p.cfg.HeaderTimeout; p.await(c, in, timeout); timeout = p.cfg.IdleTimeout {
		r := readPlain(in)
		if r == nil {
			p.handOver(c, in)
			return
		}
		r.RemoteAddr = address
		p.from.track(c, http.StateActive)
		if !p.answer(c, r.WithContext(p.ctx)) {
			break
		}
		p.from.track(c, http.StateIdle)
	}
	p.from.track(c, http.StateClosed)
	c.Close() //nolint:errcheck // nothing is under way
}

// await waits for the next request, and reports whether something came.
func (p *plain) await(c *conn, in *bufio.Reader, timeout time.Duration) bool {
	p.mu.Lock()
	ending := p.ending
	if !ending {
		p.open[c] = true
		c.SetReadDeadline(time.Now().Add(timeout)) //nolint:errcheck // the read fails as well
	}
	p.mu.Unlock()
	if ending {
		return false
	}
	_, err := in.Peek(1)
	p.mu.Lock()
	p.open[c] = false
	p.mu.Unlock()
	return err == nil
}

// handOver lets net/http have a connection, and what was read of it.
func (p *plain) handOver(c *conn, in *bufio.Reader) {
	read, _ := in.Peek(in.Buffered())
	c.ahead = bytes.Clone(read)
	c.SetDeadline(time.Time{}) //nolint:errcheck // net/http sets its own
	if !p.rest.give(c) {
		p.from.track(c, http.StateClosed)
		c.Close() //nolint:errcheck // nothing is under way
	}
}

// answer has one request answered, and reports whether the connection is good for another.
func (p *plain) answer(c *conn, r *http.Request) (again bool) {
	body, _ := r.Body.(*plainBody)
	w := newPlainWriter(c, r.Method == http.MethodHead, body)
	defer w.free()
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		again = false
		if v != http.ErrAbortHandler { //nolint:errorlint // it is what was panicked with
			p.cfg.Log.Error("panic", slog.Any("error", v), slog.String("stack", string(debug.Stack())))
		}
	}()
	p.ServeHTTP(w, r)
	if w.finish() {
		return true
	}
	linger(c)
	return false
}

// linger ends the answers, and gives the client some time to read the last one: what it still
// sends would have the kernel throw that away.
func linger(c *conn) {
	if c.CloseWrite() == nil {
		time.Sleep(500 * time.Millisecond) // as net/http does
	}
}

// end lets requests under way finish until ctx ends, and cuts off the others.
func (p *plain) end(ctx context.Context) error {
	p.mu.Lock()
	p.ending = true
	for c, waits := range p.open {
		if waits {
			c.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // it is closed then
		}
	}
	p.mu.Unlock()
	over := make(chan struct{})
	go func() {
		p.all.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close() //nolint:errcheck // it is cut off
	}
	return fmt.Errorf("%d connections: %w", len(p.open), ctx.Err())
}

// handover is the listener of connections that net/http gets from plain.
type handover struct {
	net.Listener // whose address it has
	conns        chan net.Conn
	done         chan struct{}
	once         sync.Once
}

func newHandover(l net.Listener) *handover {
	return &handover{Listener: l, conns: make(chan net.Conn), done: make(chan struct{})}
}

// give waits until the connection is taken, and reports whether it was.
func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

// Accept returns the next connection.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, and not the listener below.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}
