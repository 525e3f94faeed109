package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/object/index/indextest"
	"github.com/vauban-cloud/vauban/object/index/postgres"
	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
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

// config is of an index that must not fail.
func config(t testing.TB, dsn string) postgres.Config {
	return postgres.Config{
		Database: dsn, Log: slog.New(slog.DiscardHandler), Failed: func(err error) { t.Errorf("failed: %v", err) },
	}
}

func TestConformance(t *testing.T) {
	indextest.Run(t, func(t testing.TB) indextest.Place {
		c := config(t, server.DSN(t))
		return func() (index.Engine, error) { return postgres.OpenWithin(context.Background(), c, time.Second) }
	})
}
