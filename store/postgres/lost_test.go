package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres"
)

// proxy stands between an engine and the server, and interferes with the next COMMIT.
type proxy struct {
	server string // its socket
	mu     sync.Mutex
	commit func(message []byte, client, server net.Conn) // guarded by mu; nil: pass on
	away   bool                                          // guarded by mu: takes no connections
	open   []net.Conn                                    // guarded by mu
}

// newProxy returns the proxy and the connection string that leads through it.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	host := strings.TrimPrefix(strings.Fields(dsn)[0], "host=")
	dir, err := os.MkdirTemp("", "pgproxy-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: filepath.Join(host, ".s.PGSQL.5432")}
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

func (p *proxy) interfere(commit func(message []byte, client, server net.Conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit = commit
}

// setAway ends all connections and takes no others, or takes them again.
func (p *proxy) setAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func (p *proxy) serve(client net.Conn) {
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
		if !bytes.Contains(message, []byte("COMMIT\x00")) {
			return false
		}
		p.mu.Lock()
		commit := p.commit
		p.commit = nil
		p.mu.Unlock()
		if commit == nil {
			return false
		}
		commit(message, client, server)
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

// tally is a document that counts.
type tally struct{ N int }

func (tally) Table() string    { return "tally" }
func (tally) Key() string      { return "x" }
func (tally) Labels() []string { return nil }

var tallies store.Table[tally]

func add(tx *store.Tx) error {
	v, _ := tallies.Get(tx, "x")
	return tallies.Put(tx, tally{v.N + 1})
}

// TestLostCommit: a COMMIT without an answer is looked up.
func TestLostCommit(t *testing.T) {
	for _, test := range []struct {
		name   string
		commit func(p *proxy, message []byte, client, server net.Conn)
		runs   int   // of the function
		want   error // of Update
		n      int   // written in the end
	}{
		{"before the server", func(_ *proxy, _ []byte, client, server net.Conn) {
			client.Close()
			server.Close()
		}, 2, nil, 2},
		{"after the server", func(_ *proxy, message []byte, client, server net.Conn) {
			client.Close()
			server.Write(message)
			server.Read(make([]byte, 1)) // its answer
			server.Close()
		}, 1, nil, 2},
		{"on a slow way to the server", func(_ *proxy, message []byte, client, server net.Conn) {
			client.Close()
			time.Sleep(300 * time.Millisecond)
			server.Write(message)
			server.Read(make([]byte, 1))
			server.Close()
		}, 1, nil, 2},
		{"with the server", func(p *proxy, message []byte, client, server net.Conn) {
			p.setAway(true)
			server.Write(message)
			server.Read(make([]byte, 1))
			server.Close()
		}, 1, store.ErrUnknown, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := context.Background()
			p, dsn := newProxy(t, server.DSN(t))
			e, err := postgres.New(ctx, dsn)
			if err != nil {
				t.Fatal(err)
			}
			e.SetPatience(time.Second)
			s, err := store.New(ctx, e, tally{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Update(ctx, add); err != nil {
				t.Fatal(err)
			}
			p.interfere(func(message []byte, client, server net.Conn) { test.commit(p, message, client, server) })
			runs := 0
			err = s.Update(ctx, func(tx *store.Tx) error { runs++; return add(tx) })
			if !errors.Is(err, test.want) || runs != test.runs {
				t.Errorf("after %d runs: %v; want %d runs and %v", runs, err, test.runs, test.want)
			}
			if errors.Is(err, store.ErrUnknown) {
				err := s.Update(ctx, add) // the server is away
				if err == nil || errors.Is(err, store.ErrUnknown) {
					t.Errorf("without a server: %v", err)
				}
				p.setAway(false)
			}
			if err := s.Update(ctx, func(*store.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if v, _ := tallies.Get(s.View(), "x"); v.N != test.n {
				t.Errorf("%d written, want %d", v.N, test.n)
			}
		})
	}
}
