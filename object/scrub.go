package object

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/vauban-cloud/vauban/object/blob"
)

// Damage is bytes that are not what was put.
type Damage struct {
	Bucket, Key, Version string // "" if the bytes are of a part
	Manifest             uint64 // of the part
	Part                 int
	Where                string
	Err                  error
}

// Scrubbed is what a scrub looked at.
type Scrubbed struct {
	Blobs, Bytes int64
	Damaged      int64
}

// Scrub reads every blob that the index refers to, at most so many bytes a second (0:
// as fast as can be), and checks its blocks, for which it needs no key. It tells of what
// is damaged or missing.
func (s *Store) Scrub(ctx context.Context, bytesPerSecond int, damaged func(Damage)) (Scrubbed, error) {
	c := scrubber{s: s, ctx: ctx, damaged: damaged, limit: rate.NewLimiter(rate.Inf, 0)}
	if bytesPerSecond > 0 {
		c.limit = rate.NewLimiter(rate.Limit(bytesPerSecond), max(bytesPerSecond, blob.BlockSize))
	}
	err := errors.Join(
		s.slowly([]byte{tableCurrent}, c.version), s.slowly([]byte{tableOld}, c.version), s.slowly([]byte{tablePart}, c.part))
	return c.Scrubbed, err
}

func (s *Store) scrubForever(ctx context.Context) {
	for {
		found, err := s.Scrub(ctx, s.ScrubRate, func(d Damage) {
			s.Log.Error("stored bytes are damaged", slog.String("bucket", d.Bucket), slog.String("key", d.Key), slog.String("version", d.Version),
				slog.Int("part", d.Part), slog.String("stored", d.Where), slog.Any("error", d.Err))
		})
		if err != nil && ctx.Err() == nil {
			s.Log.Error("scrub", slog.Any("error", err))
		} else if err == nil {
			s.Log.Info("scrubbed", slog.Int64("blobs", found.Blobs), slog.Int64("bytes", found.Bytes), slog.Int64("damaged", found.Damaged))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.failed:
			return
		case <-time.After(s.ScrubRest):
		}
	}
}

type scrubber struct {
	Scrubbed
	s       *Store
	ctx     context.Context //nolint:containedctx // of one call
	damaged func(Damage)
	limit   *rate.Limiter
}

// version checks the bytes of a version in one piece.
func (c *scrubber) version(row, value []byte) error {
	skip := 2 + int(row[1])
	d := Damage{Bucket: string(row[2:skip])}
	d.Key, _ = splitRow(row, skip)
	var r record
	if err := r.decode(value); err != nil {
		return c.tell(d, fmt.Errorf("%q: %w", d.Key, err))
	}
	d.Version = r.Version
	return c.check(d, r.ref, func() (blob.Ref, error) {
		r, err := c.s.record(row, d.Key)
		if err != nil || r == nil {
			return blob.Ref{}, err
		}
		return r.ref, nil
	})
}

// part checks the bytes of a part.
func (c *scrubber) part(row, value []byte) error {
	number := int(row[9])<<8 | int(row[10])
	d := Damage{Manifest: rowNumber(row[:9]), Part: number}
	var p part
	if err := p.decode(value); err != nil {
		return c.tell(d, err)
	}
	return c.check(d, p.ref, func() (blob.Ref, error) {
		p, err := c.s.part(d.Manifest, number)
		if err != nil || p == nil {
			return blob.Ref{}, err
		}
		return p.ref, nil
	})
}

// scrubLeast is what a small blob counts as, in bytes: finding it takes longer than reading it.
const scrubLeast = 16 << 10

// check checks a blob. What was read of the index may be old: now asks it anew.
func (c *scrubber) check(d Damage, was blob.Ref, now func() (blob.Ref, error)) error {
	if was.Kind == blob.Nothing {
		return c.ctx.Err()
	}
	for left := max(was.Size, scrubLeast); left > 0; left -= int64(c.limit.Burst()) {
		if c.limit.Burst() == 0 {
			break
		}
		if err := c.limit.WaitN(c.ctx, int(min(left, int64(c.limit.Burst())))); err != nil {
			return err
		}
	}
	inside := c.s.grace.enter()
	ref, err := now()
	var b blob.Reader
	if err == nil && ref.Kind != blob.Nothing {
		b, err = c.s.bytes.Open(ref)
	}
	if b == nil || ref.Kind == blob.Alone { // it stays open when it is removed
		c.s.grace.leave(inside)
	} else {
		defer c.s.grace.leave(inside)
	}
	if b == nil && err == nil {
		return c.ctx.Err() // it was removed
	}
	c.Blobs++
	c.Bytes += ref.Size
	d.Where = ref.String()
	if err != nil {
		return c.tell(d, err)
	}
	return errors.Join(c.tell(d, blob.Verify(b, ref.Size)), b.Close(), c.ctx.Err())
}

func (c *scrubber) tell(d Damage, err error) error {
	if err != nil {
		d.Err = err
		c.Damaged++
		c.damaged(d)
	}
	return nil
}
