package postgres_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/postgres"
	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
	"github.com/vauban-cloud/vauban/store/storetest"
)

// server is that of all tests of the package; TestMain sets it.
var server *pgtest.Server

func TestMain(m *testing.M) {
	storetest.Main(place)
	os.Exit(func() int {
		var err error
		if server, err = pgtest.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Stop()
		return m.Run()
	}())
}

func fresh(tb testing.TB) storetest.Place { return place(server.DSN(tb)) }

func place(dsn string) storetest.Place {
	return func(ctx context.Context) (store.Engine, error) { return postgres.New(ctx, dsn) }
}

func TestConformance(t *testing.T) { storetest.Run(t, fresh) }

func TestSeveralStores(t *testing.T) { storetest.RunShared(t, fresh) }

func TestModel(t *testing.T) { storetest.Model(t, fresh, 15) }

func TestFaults(t *testing.T) { storetest.Faults(t, fresh) }

func TestCrashes(t *testing.T) {
	dsn := server.DSN(t)
	storetest.Crashes{Where: dsn, Place: place(dsn), Rounds: 10}.Run(t)
}

// TestServerCrashes: the process outlives its server, and loses nothing.
func TestServerCrashes(t *testing.T) {
	dsn := server.DSN(t)
	storetest.Crashes{Where: dsn, Place: place(dsn), Rounds: 3, Disturb: func() error {
		server.Kill()
		return server.Restart()
	}}.Run(t)
}

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, fresh) }
