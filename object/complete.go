package object

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // it is what ETags are
	"errors"

	"github.com/vauban-cloud/vauban/object/checksum"
)

// CompleteInput makes an object of an upload.
type CompleteInput struct {
	Bucket, Key, Upload string
	Parts               []CompletePart // in ascending order, at least one
	Conditions
	Size     int64  // that the object must have; -1 to accept any
	Checksum []byte // that the object must have; nil to accept any
	// Retention is that of an object whose upload began with none.
	Retention Retention
	Notes     Notes
}

// CompletePart names a part that was uploaded.
type CompletePart struct {
	Number   int
	ETag     string // quotes are not looked at
	Checksum []byte // nil to accept any
}

// CompleteUpload makes an object of some parts of an upload, which ends; parts that are
// not named are removed. Done again, it answers the same, as long as the object
// is the current version.
func (s *Store) CompleteUpload(_ context.Context, in CompleteInput) (Info, error) {
	if err := checkKey(in.Key); err != nil {
		return Info{}, err
	}
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return Info{}, err
	}
	u, err := s.lockedUpload(in.Bucket, in.Key, in.Upload)
	if errors.Is(err, ErrNoUpload) {
		return s.completed(in)
	} else if err != nil {
		return Info{}, err
	}
	r := &record{Info: Info{
		Key: in.Key, Generation: s.numbers.take(), Class: u.Class, Owner: u.Owner, Customer: u.Customer, Attributes: u.Attributes,
	}, sealed: u.sealed, id: u.generation, manifest: u.generation, notes: in.Notes}
	if r.Retention.Mode == NotRetained {
		r.Retention = in.Retention
	}
	err = s.finish(b, r, in.Conditions, func(c *change) error { return c.complete(in, r) })
	if errors.Is(err, ErrNoUpload) {
		return s.completed(in) // by another, just now
	} else if err != nil {
		return Info{}, err
	}
	return r.Info, nil
}

// completed answers for an upload that has ended.
func (s *Store) completed(in CompleteInput) (Info, error) {
	generation, _, err := parseTicket(in.Upload)
	if err != nil {
		return Info{}, ErrNoUpload
	}
	r, err := s.current(in.Bucket, in.Key)
	if err != nil {
		return Info{}, err
	}
	if r == nil || r.manifest != generation || r.Parts != len(in.Parts) {
		return Info{}, ErrNoUpload
	}
	return r.Info, nil
}

// assemble checks the named parts against those that there are, and fills in what
// follows from them.
func (c *change) assemble(in CompleteInput, u *upload, r *record) error {
	if len(in.Parts) == 0 || len(in.Parts) > MaxParts {
		return refuse(ErrInput, "an object has 1 to %d parts", MaxParts)
	}
	for k, p := range in.Parts {
		if k > 0 && p.Number <= in.Parts[k-1].Number {
			return refuse(ErrPartOrder, "%d comes after %d", p.Number, in.Parts[k-1].Number)
		}
	}
	sums, all, next := checksum.NewCombiner(u.Algorithm, u.Type), md5.New(), 0 //nolint:gosec // as above
	err := c.s.eachPart(u.generation, 0, func(p *part) (bool, error) {
		c.usage.Pending -= p.Size
		if next == len(in.Parts) || in.Parts[next].Number != p.Number {
			c.drop(p.ref)
			c.delete(partRow(u.generation, p.Number))
			return true, nil
		}
		want := in.Parts[next]
		next++
		switch {
		case !bytes.Equal(etagSum(want.ETag), p.md5):
			return false, refuse(ErrPart, "part %d has the ETag %q", p.Number, p.ETag)
		case want.Checksum != nil && !bytes.Equal(want.Checksum, p.Checksum.Value):
			return false, refuse(ErrPart, "part %d has the checksum %x", p.Number, p.Checksum.Value)
		case next < len(in.Parts) && p.Size < c.s.MinPart:
			return false, refuse(ErrPartSmall, "part %d has %d bytes, not %d", p.Number, p.Size, c.s.MinPart)
		}
		all.Write(p.md5)
		sums.Add(p.Checksum.Value, p.Size)
		r.add(p)
		return true, nil
	})
	if err == nil && next < len(in.Parts) {
		err = refuse(ErrPart, "part %d was not uploaded", in.Parts[next].Number)
	}
	r.md5, r.Parts, r.Checksum = all.Sum(nil), len(in.Parts), sums.Sum()
	r.ETag = etagText(r.md5, r.Parts)
	return err
}

// add appends a part to the runs.
func (r *record) add(p *part) {
	r.Size += p.Size
	if n := len(r.runs); n > 0 {
		if last := &r.runs[n-1]; last.size == p.Size && last.first+last.count == p.Number {
			last.count++
			return
		}
	}
	r.runs = append(r.runs, run{p.Number, 1, p.Size})
}

// complete ends the upload; it is called before the record is placed.
func (c *change) complete(in CompleteInput, r *record) error {
	u, err := c.s.upload(in.Bucket, in.Key, in.Upload)
	if err != nil {
		return err
	}
	if err := c.assemble(in, u, r); err != nil {
		return err
	}
	switch {
	case in.Size >= 0 && in.Size != r.Size:
		return refuse(ErrSize, "it has %d bytes, not %d", r.Size, in.Size)
	case in.Checksum != nil && !bytes.Equal(in.Checksum, r.Checksum.Value):
		return &DigestError{r.Checksum.Algorithm, r.Checksum.Value, in.Checksum}
	}
	c.usage.Uploads--
	c.delete(uploadRow(in.Bucket, in.Key, u.generation))
	return nil
}
