package object

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// Sample is what a bucket held at a moment, and what went in and out of it before.
type Sample struct {
	Bucket string // ID
	Name   string // as the caller named it then
	Owner  string // likewise
	Usage
	Traffic
}

// Traffic is what was asked of a bucket, and the bytes of bodies.
type Traffic struct {
	Reads, Writes int64 // requests
	In, Out       int64 // bytes
}

// Add adds t to what there was.
func (t *Traffic) Add(more Traffic) {
	t.Reads, t.Writes, t.In, t.Out = t.Reads+more.Reads, t.Writes+more.Writes, t.In+more.In, t.Out+more.Out
}

// sampleRow sorts by time.
func sampleRow(at time.Time, bucket string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{tableSample}, uint64(at.Unix())), bucket...) //nolint:gosec // not before 1970
}

func (m *Sample) encode() []byte {
	e := encoder{recordFormat}
	e.text(m.Name)
	e.text(m.Owner)
	for _, n := range append(m.counters(), m.Reads, m.Writes, m.In, m.Out) {
		e.int(n)
	}
	return e
}

func (m *Sample) decode(row []byte) error {
	if len(row) == 0 || row[0] != recordFormat {
		return errRow
	}
	d := decoder{b: row[1:]}
	m.Name, m.Owner = d.text(), d.text()
	m.Usage = Usage{d.int(), d.int(), d.int(), d.int(), d.int(), d.int()}
	m.Traffic = Traffic{d.int(), d.int(), d.int(), d.int()}
	return d.done()
}

// Keep keeps samples of a moment, to the second. Another of the same bucket and moment
// takes its place. They outlive the bucket.
func (s *Store) Keep(_ context.Context, at time.Time, samples []Sample) error {
	if err := s.ready(); err != nil {
		return err
	}
	b := s.db.Batch()
	defer b.Close()
	for _, m := range samples {
		b.Set(sampleRow(at, m.Bucket), m.encode())
	}
	return s.commit(b)
}

// Samples calls fn with what was kept from one moment until before another, by time.
func (s *Store) Samples(ctx context.Context, from, until time.Time, fn func(time.Time, Sample) error) error {
	if err := s.ready(); err != nil {
		return err
	}
	it, err := s.db.Walk(sampleRow(from, ""), sampleRow(until, ""))
	if err != nil {
		return err
	}
	for ok := it.SeekGE(nil); ok && err == nil; ok = it.Next() {
		row := it.Key()
		m := Sample{Bucket: string(row[9:])}
		if err = m.decode(it.Value()); err == nil {
			err = fn(time.Unix(int64(binary.BigEndian.Uint64(row[1:])), 0).UTC(), m) //nolint:gosec // as above
		}
		err = errors.Join(err, ctx.Err())
	}
	return errors.Join(err, it.Close())
}

// DropSamples forgets what was kept before a moment.
func (s *Store) DropSamples(_ context.Context, before time.Time) error {
	b := s.db.Batch()
	defer b.Close()
	b.DeleteRange([]byte{tableSample}, sampleRow(before, ""))
	return s.apply(b, false)
}
