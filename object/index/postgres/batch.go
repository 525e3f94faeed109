package postgres

import (
	"fmt"
	"strings"

	"github.com/vauban-cloud/vauban/object/index"
)

// batch gathers changes in memory.
type batch struct {
	engine  *Engine
	changes []change
	size    int // in bytes, about
}

// change is one of a row, or of all rows from key to the last.
type change struct {
	kind       kind
	key, value []byte // the last, exclusive, of a range
	numbers    index.Counters
}

type kind uint8

const (
	set kind = iota
	remove
	removeRange
	add
)

// Batch returns an empty batch.
func (e *Engine) Batch() index.Batch { return &batch{engine: e} }

func (b *batch) change(c change) {
	b.changes = append(b.changes, c)
	b.size += len(c.key) + len(c.value) + 8*len(c.numbers)
}

func (b *batch) Set(row, value []byte) {
	if value == nil {
		value = []byte{} // not NULL
	}
	b.change(change{kind: set, key: row, value: value})
}
func (b *batch) Delete(row []byte) { b.change(change{kind: remove, key: row}) }
func (b *batch) DeleteRange(from, to []byte) {
	b.change(change{kind: removeRange, key: from, value: to})
}

func (b *batch) Add(row []byte, n index.Counters) { b.change(change{kind: add, key: row, numbers: n}) }
func (b *batch) Close()                           {}

// Commit waits for the transaction that the batch is part of.
func (b *batch) Commit(durable bool) error {
	r := &request{batch: b, durable: durable, answer: make(chan error, 1)}
	select {
	case b.engine.requests <- r:
		return <-r.answer
	case <-b.engine.ended:
		if b.engine.failure != nil {
			return b.engine.failure
		}
		return errClosed
	}
}

// request is a batch that is to be committed.
type request struct {
	*batch
	durable bool
	answer  chan error // takes one
}

// fold is what some batches together do: first the ranges go, then to each row its own.
type fold struct {
	ranges [][2][]byte
	rows   map[string]*outcome
}

// outcome is what becomes of a row: it goes, or is set, and then is added to.
type outcome struct {
	remove  bool
	value   []byte // nil: it is not set
	numbers index.Counters
}

func newFold(requests []*request) *fold {
	f := &fold{rows: map[string]*outcome{}}
	for _, r := range requests {
		for _, c := range r.changes {
			f.change(c)
		}
	}
	return f
}

func (f *fold) change(c change) {
	if c.kind == removeRange {
		for key := range f.rows {
			if key >= string(c.key) && key < string(c.value) {
				delete(f.rows, key)
			}
		}
		f.ranges = append(f.ranges, [2][]byte{c.key, c.value})
		return
	}
	o := f.rows[string(c.key)]
	if o == nil {
		o = &outcome{}
		f.rows[string(c.key)] = o
	}
	switch c.kind {
	case set:
		*o = outcome{value: c.value}
	case remove:
		*o = outcome{remove: true}
	case add:
		for len(o.numbers) < len(c.numbers) {
			o.numbers = append(o.numbers, 0)
		}
		for k, n := range c.numbers {
			o.numbers[k] += n
		}
	case removeRange: // above
	}
}

// array is the text of an array of bigint.
func array(n index.Counters) string {
	return "{" + strings.Trim(strings.ReplaceAll(fmt.Sprint([]int64(n)), " ", ","), "[]") + "}"
}
