package pebble

import (
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/vauban-cloud/vauban/object/index"
)

// adder merges counters. Addition commutes: order is nothing. The name is on the disk.
var adder = pebble.Merger{
	Name: "vauban.counters",
	Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		s := &sum{}
		return s, s.Add(value)
	},
}

type sum struct{ index.Counters }

func (s *sum) MergeNewer(value []byte) error          { return s.Add(value) }
func (s *sum) MergeOlder(value []byte) error          { return s.Add(value) }
func (s *sum) Finish(bool) ([]byte, io.Closer, error) { return s.Append(nil), nil, nil }
