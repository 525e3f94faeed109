package pebble_test

import (
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object/index"
	"github.com/vauban-cloud/vauban/object/index/indextest"
	"github.com/vauban-cloud/vauban/object/index/pebble"
)

func TestConformance(t *testing.T) {
	indextest.Run(t, func(t testing.TB) indextest.Place {
		c := pebble.Config{
			Dir: "/index", FS: vfs.NewMem(), Cache: 1 << 20, Log: slog.New(slog.DiscardHandler),
			Failed: func(err error) { t.Errorf("failed: %v", err) },
		}
		return func() (index.Engine, error) { return pebble.Open(c) }
	})
}
