package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/object/index/postgres"
	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
)

// holder is an index, and what it tells when it fails.
type holder struct {
	*postgres.Engine
	testing.TB
	failed chan error
}

func hold(t testing.TB, dsn string) *holder {
	t.Helper()
	h := &holder{TB: t, failed: make(chan error, 1)}
	e, err := postgres.Open(context.Background(), postgres.Config{
		Database: dsn, Log: slog.New(slog.DiscardHandler), Failed: func(err error) { h.failed <- err },
	})
	h.must(err)
	h.Engine = e
	t.Cleanup(func() { h.must(e.Close()) })
	return h
}

func (h *holder) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// fails waits until the index tells that it failed, and says so.
func (h *holder) fails(want string) {
	h.Helper()
	select {
	case err := <-h.failed:
		if !errors.Is(err, index.ErrFailed) || !strings.Contains(err.Error(), want) {
			h.Errorf("it failed: %v, want %s", err, want)
		}
	case <-time.After(time.Minute):
		h.Fatal("it does not fail")
	}
	if err := h.set("late"); !errors.Is(err, index.ErrFailed) {
		h.Errorf("a batch after the failure: %v", err)
	}
}

func (h *holder) set(row string) error {
	return h.commit(func(b index.Batch) { b.Set([]byte(row), []byte("1")) })
}

func (h *holder) commit(fill func(index.Batch)) error {
	b := h.Batch()
	defer b.Close()
	fill(b)
	return b.Commit(true)
}

func (h *holder) has(row string) bool {
	h.Helper()
	_, _, err := h.Get([]byte(row))
	if !errors.Is(err, index.ErrNotFound) {
		h.must(err)
	}
	return err == nil
}

// sum is the number of the row "n".
func (h *holder) sum() int64 {
	h.Helper()
	v, _, err := h.Get([]byte("n"))
	h.must(err)
	var c index.Counters
	h.must(c.Add(v))
	return c[0]
}

// killSessions ends all sessions of indexes.
func killSessions(t testing.TB) {
	server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vauban-objects'")
}

// schemaOf is the schema of a connection string.
func schemaOf(dsn string) string { return dsn[strings.LastIndex(dsn, "=")+1:] }

func TestSecondOwner(t *testing.T) {
	dsn := server.DSN(t)
	first := hold(t, dsn)
	first.must(first.set("a"))
	_, err := postgres.OpenWithin(context.Background(), postgres.Config{Database: dsn}, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "another process has it: ") || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("a second owner: %v", err)
	}
	first.must(first.set("b"))
	hold(t, server.DSN(t)) // another index in the same database
}

// TestDeposed: an owner that was cut off, and that another has followed, changes nothing any
// more.
func TestDeposed(t *testing.T) {
	dsn := server.DSN(t)
	proxy, through := pgtest.NewProxy(t, dsn)
	old := hold(t, through)
	old.must(old.set("a"))
	proxy.SetAway(true)
	newer := hold(t, dsn)
	newer.must(newer.set("b"))
	proxy.SetAway(false)
	if err := old.set("c"); !errors.Is(err, index.ErrFailed) {
		t.Errorf("a batch of a deposed owner: %v", err)
	}
	old.fails("another process has taken it")
	newer.must(newer.set("d"))
	if !newer.has("a") || !newer.has("b") || newer.has("c") || !newer.has("d") {
		t.Error("what the owners have written is not there, or more")
	}
}

// TestFence: the transaction itself finds that there is a newer epoch.
func TestFence(t *testing.T) {
	dsn := server.DSN(t)
	old := hold(t, dsn)
	old.must(old.set("a"))
	server.Exec(t, "UPDATE "+schemaOf(dsn)+".vauban_index_owner SET epoch = epoch + 1, writer = epoch + 1")
	if err := old.set("b"); !errors.Is(err, index.ErrFailed) {
		t.Errorf("a batch of a deposed owner: %v", err)
	}
	old.fails("another process has taken it")
	if old.has("b") {
		t.Error("a deposed owner has written")
	}
}

// TestLostCommits: a database that has less than it had acknowledged is not gone on with.
func TestLostCommits(t *testing.T) {
	dsn := server.DSN(t)
	h := hold(t, dsn)
	h.must(h.set("a"))
	h.must(h.set("b"))
	server.Exec(t, "UPDATE "+schemaOf(dsn)+".vauban_index_owner SET batch = batch - 1")
	killSessions(t)
	h.fails("has lost what it had committed")
}

// busy adds from many goroutines while something is done to the server, and holds that each
// answered batch took effect, once.
func busy(t *testing.T, disturb func()) {
	h := hold(t, server.DSN(t))
	const workers, each = 8, 40
	var all errgroup.Group
	over := make(chan struct{})
	for w := range workers {
		all.Go(func() error {
			for k := range each {
				if err := h.commit(func(b index.Batch) {
					b.Add([]byte("n"), index.Counters{1})
					b.Set(fmt.Appendf(nil, "%d-%d", w, k), nil)
				}); err != nil {
					return err
				}
				if !h.has(fmt.Sprintf("%d-%d", w, k)) {
					return fmt.Errorf("%d-%d is not there", w, k)
				}
			}
			return nil
		})
	}
	go func() {
		defer close(over)
		for range 5 {
			disturb()
		}
	}()
	h.must(all.Wait())
	<-over
	if n := h.sum(); n != workers*each {
		t.Errorf("%d were added, want %d", n, workers*each)
	}
	select {
	case err := <-h.failed:
		t.Errorf("it failed: %v", err)
	default:
	}
}

func TestKilledSessions(t *testing.T) {
	busy(t, func() { killSessions(t) })
}

func TestServerCrashes(t *testing.T) {
	busy(t, func() {
		server.Kill()
		if err := server.Restart(); err != nil {
			t.Error(err)
		}
	})
}

// TestNoAnswer: a batch whose COMMIT was not answered is looked up.
func TestNoAnswer(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(message []byte, client, server net.Conn)
	}{
		{"before the server", func(_ []byte, client, server net.Conn) {
			client.Close()
			server.Close()
		}},
		{"after the server", func(message []byte, client, server net.Conn) {
			client.Close()
			server.Write(message)
			server.Read(make([]byte, 1)) // its answer
			server.Close()
		}},
		{"the server does not notice", func(message []byte, client, server net.Conn) {
			client.Close()
			server.Write(message)
			t.Cleanup(func() { server.Close() })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy, dsn := pgtest.NewProxy(t, server.DSN(t))
			h := hold(t, dsn)
			add := func(b index.Batch) {
				b.Set([]byte("marked"), nil)
				b.Add([]byte("n"), index.Counters{1})
			}
			h.must(h.commit(add))
			for n := int64(2); n < 5; n++ {
				proxy.Interfere("marked", test.do)
				h.must(h.commit(add))
				if got := h.sum(); got != n {
					t.Fatalf("%d were added, want %d", got, n)
				}
			}
		})
	}
}

// TestRefusedBatch: what the server refuses of one batch is no matter of the others.
func TestRefusedBatch(t *testing.T) {
	h := hold(t, server.DSN(t))
	key := make([]byte, 8000) // more than an index of PostgreSQL takes
	rand.Read(key)
	var all errgroup.Group
	for w := range 16 {
		all.Go(func() error {
			for k := range 10 {
				err := h.commit(func(b index.Batch) {
					b.Add([]byte("n"), index.Counters{1})
					if w == 3 {
						b.Set(key, nil)
					}
				})
				if (err != nil) != (w == 3) || errors.Is(err, index.ErrFailed) {
					return fmt.Errorf("batch %d of %d: %w", k, w, err)
				}
			}
			return nil
		})
	}
	h.must(all.Wait())
	if n := h.sum(); n != 150 {
		t.Errorf("%d were added, want 150", n)
	}
}
