package object

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/vauban-cloud/vauban/object/index"
)

// Note is what a change leaves in a queue for others to learn of it.
type Note struct {
	Queue string // 1 to 255 bytes
	Body  []byte
}

// Notes says what a change leaves behind. It is told the version that was made or
// changed, the marker that was put, or the version that was removed. What it returns
// is in the queues if and only if the change took effect. It runs under the key's
// lock: it must be fast, and not call the Store.
type Notes func(Info) []Note

// Queued is a note in its queue. Numbers ascend; of one key's notes they do so in the
// order of the changes.
type Queued struct {
	Number uint64
	Body   []byte
}

// Queue is one that holds something, or did.
type Queue struct {
	Name   string
	Length int64
}

// leave adds the notes of a change.
func (c *change) leave(about Info, notes Notes) {
	if notes == nil {
		return
	}
	for _, n := range notes(about) {
		if n.Queue == "" || len(n.Queue) > maxBucket {
			c.note(refuse(ErrInput, "queues have names of 1 to %d bytes", maxBucket))
			return
		}
		c.set(noteRow(n.Queue, c.s.numbers.take()), n.Body)
		c.add(bucketRow(tableQueue, n.Queue), index.Counters{1})
		c.left = true
	}
}

func noteRow(queue string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(bucketRow(tableNote, queue), number)
}

// Leave puts notes into queues, without any change of an object.
func (s *Store) Leave(_ context.Context, notes ...Note) error {
	if err := s.ready(); err != nil {
		return err
	}
	c := &change{s: s, batch: s.db.Batch()}
	defer c.batch.Close()
	c.leave(Info{}, func(Info) []Note { return notes })
	return c.commit()
}

// Noted is sent to after notes were left.
func (s *Store) Noted() <-chan struct{} { return s.noted }

// tell says that notes were left; who has not listened since the last is told once.
func (s *Store) tell() {
	select {
	case s.noted <- struct{}{}:
	default:
	}
}

// Queues lists the queues that hold notes.
func (s *Store) Queues(context.Context) ([]Queue, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	var list []Queue
	err := s.each([]byte{tableQueue}, func(row, value []byte) error {
		var c index.Counters
		if err := c.Add(value); err != nil || len(c) != 1 {
			return errors.Join(err, errRow)
		}
		if c[0] > 0 {
			list = append(list, Queue{string(row[2:]), c[0]})
		}
		return nil
	})
	return list, err
}

// Peek returns the oldest notes of a queue, at most most. They stay until Forget.
func (s *Store) Peek(_ context.Context, queue string, most int) ([]Queued, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	it, err := s.rows(bucketRow(tableNote, queue))
	if err != nil {
		return nil, err
	}
	var list []Queued
	for ok := it.SeekGE(nil); ok && len(list) < most; ok = it.Next() {
		row := it.Key()
		list = append(list, Queued{binary.BigEndian.Uint64(row[len(row)-8:]), append([]byte(nil), it.Value()...)})
	}
	return list, it.Close()
}

// Forget removes notes from a queue that Peek has returned, each once. After a crash they
// may be there again.
func (s *Store) Forget(_ context.Context, queue string, notes []Queued) error {
	if err := s.ready(); err != nil || len(notes) == 0 {
		return err
	}
	c := &change{s: s, batch: s.db.Batch()}
	defer c.batch.Close()
	for _, n := range notes {
		c.delete(noteRow(queue, n.Number))
	}
	c.add(bucketRow(tableQueue, queue), index.Counters{-int64(len(notes))})
	return s.apply(c.batch, false)
}
