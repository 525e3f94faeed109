package object

import (
	"encoding/binary"
	"sync"

	"github.com/vauban-cloud/vauban/object/index"
)

// counters reads a row of numbers, none if there is no such row.
func (s *Store) counters(row []byte) (c index.Counters, _ error) {
	v, err := s.get(row)
	if err != nil {
		return nil, err
	}
	return c, c.Add(v)
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
	b := q.s.db.Batch()
	defer b.Close()
	b.Set([]byte{tableSequence}, binary.BigEndian.AppendUint64(nil, q.limit+reserve))
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
