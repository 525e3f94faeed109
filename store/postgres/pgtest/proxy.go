package pgtest

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between a client and the server, and interferes with what the client sends.
type Proxy struct {
	server string // its socket
	mu     sync.Mutex
	with   []byte                                        // guarded by mu
	do     func(message []byte, client, server net.Conn) // guarded by mu; nil: pass on
	away   bool                                          // guarded by mu: takes no connections
	open   []net.Conn                                    // guarded by mu
}

// NewProxy returns the proxy and the connection string that leads through it.
func NewProxy(t testing.TB, dsn string) (*Proxy, string) {
	t.Helper()
	host := strings.TrimPrefix(strings.Fields(dsn)[0], "host=")
	dir, err := os.MkdirTemp("", "pgproxy-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{server: filepath.Join(host, ".s.PGSQL.5432")}
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		os.RemoveAll(dir)
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p, strings.Replace(dsn, host, dir, 1)
}

// Interfere calls do, once, instead of passing on a message that contains a text.
func (p *Proxy) Interfere(with string, do func(message []byte, client, server net.Conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.with, p.do = []byte(with), do
}

// SetAway ends all connections and takes no others, or takes them again.
func (p *Proxy) SetAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	away := p.away
	p.open = append(p.open, client)
	p.mu.Unlock()
	if away {
		return
	}
	server, err := net.Dial("unix", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		copyUntil(client, server, func([]byte) bool { return false })
	}()
	copyUntil(server, client, func(message []byte) bool {
		p.mu.Lock()
		do := p.do
		if do != nil && bytes.Contains(message, p.with) {
			p.do = nil
		} else {
			do = nil
		}
		p.mu.Unlock()
		if do == nil {
			return false
		}
		do(message, client, server)
		return true
	})
}

func copyUntil(to, from net.Conn, stop func([]byte) bool) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if n > 0 && stop(buf[:n]) || err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
