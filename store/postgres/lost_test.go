package postgres_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres"
	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
)

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
		commit func(p *pgtest.Proxy, message []byte, client, server net.Conn)
		runs   int   // of the function
		want   error // of Update
		n      int   // written in the end
	}{
		{"before the server", func(_ *pgtest.Proxy, _ []byte, client, server net.Conn) {
			client.Close()
			server.Close()
		}, 2, nil, 2},
		{"after the server", func(_ *pgtest.Proxy, message []byte, client, server net.Conn) {
			client.Close()
			server.Write(message)
			server.Read(make([]byte, 1)) // its answer
			server.Close()
		}, 1, nil, 2},
		{"on a slow way to the server", func(_ *pgtest.Proxy, message []byte, client, server net.Conn) {
			client.Close()
			time.Sleep(300 * time.Millisecond)
			server.Write(message)
			server.Read(make([]byte, 1))
			server.Close()
		}, 1, nil, 2},
		{"with the server", func(p *pgtest.Proxy, message []byte, client, server net.Conn) {
			p.SetAway(true)
			server.Write(message)
			server.Read(make([]byte, 1))
			server.Close()
		}, 1, store.ErrUnknown, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := context.Background()
			p, dsn := pgtest.NewProxy(t, server.DSN(t))
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
			p.Interfere("COMMIT\x00", func(message []byte, client, server net.Conn) { test.commit(p, message, client, server) })
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
				p.SetAway(false)
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
