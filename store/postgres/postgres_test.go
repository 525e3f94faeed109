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
