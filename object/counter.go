package object

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// counters is a row of numbers that changes are added to.
type counters []int64

func (c counters) encode() []byte {
	var e encoder
	for _, n := range c {
		e.int(n)
	}
	return e
}

// add adds a row to c, which grows as it must.
func (c *counters) add(row []byte) error {
	d := decoder{b: row}
	for k := 0; len(d.b) > 0; k++ {
		if k == len(*c) {
			*c = append(*c, 0)
		}
		(*c)[k] += d.int()
	}
	return d.err
}

// adder merges counters. Addition commutes: order is nothing.
var adder = pebble.Merger{
	Name: "vauban.counters",
	Merge: func(_, value []byte) (pebble.ValueMerger, error) {
		c := &sum{}
		return c, c.add(value)
	},
}

type sum struct{ counters }

func (s *sum) MergeNewer(value []byte) error          { return s.add(value) }
func (s *sum) MergeOlder(value []byte) error          { return s.add(value) }
func (s *sum) Finish(bool) ([]byte, io.Closer, error) { return s.encode(), nil, nil }
func (s *Store) counters(row []byte) (c counters, _ error) {
	v, err := s.get(row)
	if err != nil {
		return nil, err
	}
	return c, c.add(v)
}

// sequence gives out numbers, none twice: it reserves many at a time in the index.
type sequence struct {
	s     *Store
	mu    sync.Mutex
	next  uint64 // guarded by mu
	limit uint64 // guarded by mu
}

const reserve = 1 << 20

func (q *sequence) open(s *Store) error {
	q.s = s
	v, err := s.get([]byte{tableSequence})
	if err != nil {
		return err
	}
	if len(v) == 8 {
		q.next = binary.BigEndian.Uint64(v)
	} else if v != nil {
		return errRow
	}
	q.next = max(q.next, 1)
	q.limit = q.next
	return q.more()
}

// more reserves numbers. If it cannot, the store has failed, and no number counts.
func (q *sequence) more() error {
	b := q.s.db.NewBatch()
	if err := b.Set([]byte{tableSequence}, binary.BigEndian.AppendUint64(nil, q.limit+reserve), nil); err != nil {
		return err
	}
	if err := q.s.commit(b); err != nil {
		return err
	}
	q.limit += reserve
	return nil
}

// take returns a number that was never returned before.
func (q *sequence) take() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == q.limit {
		if err := q.more(); err != nil {
			q.s.fail(err)
		}
	}
	q.next++
	return q.next - 1
}
