package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// commits measures transactions that change one instance each, in turns with
// what the disk can do: a page appended to a file and synced, again and again.
func commits(b *bench) {
	db := b.open()
	p, err := settle(b.ctx, db, "100000000001")
	b.must(err)
	b.must(p.fill(b.ctx, db, 0, 1000))
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	b.must(err)
	defer f.Close() //nolint:errcheck // it is thrown away
	span := time.Duration(b.samples(1000, 300)) * time.Millisecond
	var disk, one, many []float64
	for range 3 {
		disk = append(disk, b.rate(span, 1, func(context.Context, int64) error { return appendSynced(f) }))
		one = append(one, b.rate(span, 1, change(db)))
		many = append(many, b.rate(span, 64, change(db)))
	}
	note := fmt.Sprintf("%.0f commits/s; %.0f synced 4 KiB writes/s in the same folder", median(one), median(disk))
	b.add(result{Measure: "commits/s by 1 writer / synced writes/s", Value: median(one) / median(disk), Unit: "x", Note: note})
	note = fmt.Sprintf("%.0f commits/s", median(many))
	b.add(result{Measure: "commits/s by 64 writers / synced writes/s", Value: median(many) / median(disk), Unit: "x", Note: note})
}

// change changes the k-th instance.
func change(db *store.Store) func(context.Context, int64) error {
	return func(ctx context.Context, k int64) error {
		return db.Update(ctx, func(tx *store.Tx) error {
			return instances.Modify(tx, number("i", int(k%1000)), func(i *cloud.Instance) error { i.Reboots++; return nil })
		})
	}
}

var page [4096]byte

func appendSynced(f *os.File) error {
	if _, err := f.Write(page[:]); err != nil {
		return err
	}
	return f.Sync()
}

// rate returns how often a second so many workers can do it.
func (b *bench) rate(span time.Duration, workers int, do func(context.Context, int64) error) float64 {
	var n atomic.Int64
	var all errgroup.Group
	begin := time.Now()
	for range workers {
		all.Go(func() error {
			for time.Since(begin) < span {
				if err := do(b.ctx, n.Add(1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.must(all.Wait())
	return float64(n.Load()) / time.Since(begin).Seconds()
}
