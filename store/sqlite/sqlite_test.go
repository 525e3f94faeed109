package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
	"github.com/vauban-cloud/vauban/store/storetest"
)

func fresh(tb testing.TB) storetest.Place { return place(filepath.Join(tb.TempDir(), "state.db")) }

func place(path string) storetest.Place {
	return func(ctx context.Context) (store.Engine, error) { return sqlite.New(ctx, path) }
}

func TestConformance(t *testing.T) { storetest.Run(t, fresh) }

func TestModel(t *testing.T) { storetest.Model(t, fresh, 25) }

func TestFaults(t *testing.T) { storetest.Faults(t, fresh) }

func TestMain(m *testing.M) {
	storetest.Main(place)
	os.Exit(m.Run())
}

func TestCrashes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	storetest.Crashes{Where: path, Place: place(path), Rounds: 15}.Run(t)
}

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, fresh) }
