package object

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vauban-cloud/vauban/object/blob"
)

// Run tends the store until ctx ends: it removes garbage, compacts segments and scrubs. It
// returns ErrFailed after a fatal error: the process should end then.
func (s *Store) Run(ctx context.Context) error {
	scrubbed, tended := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer func() { cancel(); <-scrubbed }()
	go func() {
		defer close(scrubbed)
		// A crash may have left rows of garbage whose files are gone: the first round
		// removes them, or they would pass for damage.
		select {
		case <-tended:
			s.scrubForever(ctx)
		case <-ctx.Done():
		case <-s.failed:
		}
	}()
	tick := time.NewTicker(s.Tend)
	defer tick.Stop()
	for round := 1; ; round++ {
		if err := s.Maintain(ctx); err != nil && ctx.Err() == nil && s.ready() == nil {
			s.Log.Error("tend the object store", slog.Any("error", err))
		}
		if round == 1 {
			close(tended)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.failed:
			return s.failure
		case <-tick.C:
		}
	}
}

// hotFor is how long plain bytes are kept that nobody reads.
const hotFor = 10 * time.Minute

// Maintain does once what Run does again and again, but for scrubbing: it removes
// what nobody needs from the disk, and compacts segments of which less than half is in
// use. It may be interrupted anywhere, and does nothing twice that matters.
func (s *Store) Maintain(ctx context.Context) error {
	s.hot.Expire(time.Now().Add(-hotFor))
	s.tending.Lock()
	defer s.tending.Unlock()
	return errors.Join(s.sweepOrphans(ctx), s.collect(ctx), s.tendSegments(ctx))
}

// collectAtOnce bounds how much garbage is in memory.
const collectAtOnce = 4096

// collect removes files to which the index refers no more.
func (s *Store) collect(ctx context.Context) error {
	behind := uint64(0)
	for {
		type item struct {
			row uint64
			garbage
		}
		var items []item
		it, err := s.db.Walk(numberRow(tableGarbage, behind), after([]byte{tableGarbage}))
		if err != nil {
			return err
		}
		for ok := it.SeekGE(nil); ok && len(items) < collectAtOnce; ok = it.Next() {
			d := decoder{b: it.Value()}
			items = append(items, item{rowNumber(it.Key()), garbage{d.uint(), d.uint()}})
		}
		if err := it.Close(); err != nil || len(items) == 0 {
			return err
		}
		s.grace.wait() // for who found them in the index, and has not opened them yet
		for _, g := range items {
			if err := errors.Join(ctx.Err(), s.ready()); err != nil {
				return err
			}
			if g.manifest != 0 && s.pins.pinned(g.manifest) {
				continue
			}
			if err := s.burn(g.row, g.garbage); err != nil {
				return err
			}
		}
		behind = items[len(items)-1].row + 1
	}
}

// burn removes files, and then what the index says of them.
func (s *Store) burn(row uint64, g garbage) error {
	b := s.db.Batch()
	defer b.Close()
	file := func(unit uint64) error {
		b.Delete(numberRow(tableFile, unit))
		return s.removeAlone(unit)
	}
	if g.file != 0 {
		if err := file(g.file); err != nil {
			return err
		}
	}
	if g.manifest != 0 {
		err := s.eachPart(g.manifest, 0, func(p *part) (bool, error) {
			if p.ref.Kind != blob.Alone {
				return true, nil
			}
			return true, file(p.ref.Unit)
		})
		parts := numberRow(tablePart, g.manifest)
		if err != nil {
			return err
		}
		b.DeleteRange(parts, after(parts))
	}
	b.Delete(numberRow(tableGarbage, row))
	return s.apply(b, false)
}

// sweepOrphans removes, once in a run, the files of earlier runs that came into no
// index.
func (s *Store) sweepOrphans(ctx context.Context) error {
	if s.swept {
		return nil
	}
	units, err := s.bytes.Units(blob.Alone)
	if err != nil {
		return err
	}
	for _, u := range units {
		if err := ctx.Err(); err != nil {
			return err
		}
		if u.Number >= s.born {
			continue
		}
		if used, err := s.get(numberRow(tableFile, u.Number)); err != nil {
			return err
		} else if used != nil {
			continue
		}
		if err := s.removeAlone(u.Number); err != nil {
			return err
		}
	}
	s.swept = true
	return nil
}

// tendSegments removes segments that are not in use, and compacts those of which
// little is.
func (s *Store) tendSegments(ctx context.Context) error {
	units, err := s.bytes.Units(blob.Packed)
	if err != nil {
		return err
	}
	s.grace.wait() // for who appended to them, and is not in the index yet
	var errs []error
	for _, u := range units {
		if u.Open {
			continue
		}
		used, err := s.usedBytes(u.Number)
		if err == nil && 2*used < u.Size {
			err = s.compact(ctx, u.Number, used)
		}
		if err := errors.Join(ctx.Err(), s.ready()); err != nil {
			return err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("segment %016x: %w", u.Number, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) usedBytes(segment uint64) (int64, error) {
	c, err := s.counters(numberRow(tableSegment, segment))
	if err != nil || len(c) == 0 {
		return 0, err
	}
	return c[0], nil
}
