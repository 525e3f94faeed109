package sqlite_test

import (
	"context"
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
