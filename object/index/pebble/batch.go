package pebble

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/vauban-cloud/vauban/object/index"
)

type batch struct {
	engine  *Engine
	changes *pebble.Batch
	err     error // the first; told by Commit
}

// Batch returns an empty batch.
func (e *Engine) Batch() index.Batch { return &batch{engine: e, changes: e.db.NewBatch()} }

func (b *batch) note(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *batch) Set(row, value []byte)       { b.note(b.changes.Set(row, value, nil)) }
func (b *batch) Delete(row []byte)           { b.note(b.changes.Delete(row, nil)) }
func (b *batch) DeleteRange(from, to []byte) { b.note(b.changes.DeleteRange(from, to, nil)) }

func (b *batch) Add(row []byte, n index.Counters) {
	var room [64]byte
	b.note(b.changes.Merge(row, n.Append(room[:0]), nil))
}

// Commit answers every error of the database with ErrFailed: what it holds in memory
// may not be on the disk then.
func (b *batch) Commit(durable bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", index.ErrFailed, p)
		}
		if errors.Is(err, index.ErrFailed) {
			b.engine.failed.Store(true)
		}
	}()
	how := pebble.NoSync
	if durable {
		how = pebble.Sync
		if b.changes.Empty() { // syncs what came before
			b.note(b.changes.LogData(nil, nil))
		}
	}
	if b.err != nil {
		return b.err
	}
	if err := b.changes.Commit(how); err != nil {
		return fmt.Errorf("%w: %w", index.ErrFailed, err)
	}
	return nil
}

func (b *batch) Close() {
	b.changes.Close() //nolint:errcheck // of a batch without an index it has none
}
