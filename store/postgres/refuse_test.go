package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres"
	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
)

// TestRefused: what cannot work is refused at once, with the remedy.
func TestRefused(t *testing.T) {
	dsn := server.DSN(t)
	name := dsn[strings.LastIndex(dsn, "=")+1:]
	for _, test := range []struct {
		name, dsn, want string
		before          string // SQL
	}{
		{name: "no such database", dsn: strings.Replace(dsn, "dbname=postgres", "dbname=none", 1), want: `database "none" does not exist`},
		{name: "no such user", dsn: strings.Replace(dsn, "user=vauban", "user=none", 1), want: `role "none" does not exist`},
		{name: "bad connection string", dsn: "port=x", want: "invalid port"},
		{
			name: "SQL_ASCII", dsn: strings.Replace(dsn, "dbname=postgres", "dbname=ascii", 1), want: "create it with ENCODING 'UTF8'",
			before: "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0",
		},
		{
			name: "newer format", dsn: dsn, want: "written by a newer Vauban (format 99, this one knows 1): run that version",
			before: "UPDATE " + name + ".vauban_position SET format = 99",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if strings.HasPrefix(test.before, "UPDATE") {
				s, err := postgres.Open(context.Background(), dsn)
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
			}
			if test.before != "" {
				server.Exec(t, test.before)
			}
			before := time.Now()
			s, err := postgres.Open(context.Background(), test.dsn)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if took := time.Since(before); took > 5*time.Second {
				t.Errorf("refused after %v", took)
			}
		})
	}
}

func TestFsyncOff(t *testing.T) {
	careless, err := pgtest.Start("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer careless.Stop()
	_, err = postgres.Open(context.Background(), careless.DSN(t))
	if err == nil || !strings.Contains(err.Error(), "set fsync = on") {
		t.Errorf("error %v", err)
	}
}

// TestAway: while the server is away, callers leave when they want to, and go on
// when it is back.
func TestAway(t *testing.T) {
	p, dsn := pgtest.NewProxy(t, server.DSN(t))
	s, err := postgres.Open(context.Background(), dsn, tally{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.SetAway(true)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Update(ctx, add); err == nil || ctx.Err() == nil {
		t.Errorf("update: %v", err)
	}
	result := make(chan error)
	go func() { result <- s.Update(context.Background(), add) }()
	time.AfterFunc(200*time.Millisecond, func() { p.SetAway(false) })
	if err := <-result; err != nil {
		t.Error(err)
	}
	if v, _ := tallies.Get(s.View(), "x"); v.N != 1 {
		t.Errorf("%d written, want 1", v.N)
	}
}

// TestMissedNotification: what was written while nobody could be notified is heard
// of when the server is back.
func TestMissedNotification(t *testing.T) {
	dsn := server.DSN(t)
	p, through := pgtest.NewProxy(t, dsn)
	there, err := postgres.Open(context.Background(), dsn, tally{})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := postgres.Open(context.Background(), through, tally{})
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	p.SetAway(true)
	if err := there.Update(context.Background(), add); err != nil {
		t.Fatal(err)
	}
	p.SetAway(false)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, next, err := here.Changes(ctx, 0); err != nil || next != 1 {
		t.Errorf("changes up to %d: %v", next, err)
	}
}

// TestHungWriter: a process that stops in the middle of a batch loses its right to
// write, so that the others go on; when it wakes, it runs its batch again.
func TestHungWriter(t *testing.T) {
	dsn := server.DSN(t) + " idle_in_transaction_session_timeout=200"
	hung, err := postgres.Open(context.Background(), dsn, tally{})
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	other, err := postgres.Open(context.Background(), dsn, tally{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	runs := 0
	err = hung.Update(context.Background(), func(tx *store.Tx) error {
		if runs++; runs == 1 {
			if err := other.Update(context.Background(), add); err != nil {
				t.Error(err)
			}
		}
		return add(tx)
	})
	if err != nil || runs != 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if v, _ := tallies.Get(hung.View(), "x"); v.N != 2 {
		t.Errorf("%d written, want 2", v.N)
	}
}
