package object

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// Part is a part of an upload, or of an object.
type Part struct {
	Number   int
	Size     int64
	ETag     string
	Modified time.Time
	Checksum checksum.Sum // zero if the upload has none
}

// part is the row of a part.
type part struct {
	Part
	md5 []byte
	id  uint64 // the blob's number under the upload's data key
	ref blob.Ref
}

func (p *part) encode() []byte {
	e := encoder{recordFormat}
	e.int(p.Size)
	e.bytes(p.md5)
	e.time(p.Modified)
	e.sum(p.Checksum)
	e.uint(p.id)
	e.ref(p.ref)
	return e
}

func (p *part) decode(row []byte) error {
	if len(row) == 0 || row[0] != recordFormat {
		return errRow
	}
	d := decoder{b: row[1:]}
	p.Size, p.md5 = d.int(), bytes.Clone(d.bytes())
	p.Modified, p.Checksum = d.time(), d.sum("")
	p.id, p.ref = d.uint(), d.ref()
	p.ETag = etagText(p.md5, 0)
	return d.done()
}

// part returns a part, nil if there is none.
func (s *Store) part(manifest uint64, number int) (*part, error) {
	v, err := s.get(partRow(manifest, number))
	if err != nil || v == nil {
		return nil, err
	}
	p := &part{Part: Part{Number: number}}
	return p, p.decode(v)
}

// eachPart calls fn with the parts behind a number, in order, until it returns false.
func (s *Store) eachPart(manifest uint64, behind int, fn func(*part) (bool, error)) error {
	it, err := s.rows(numberRow(tablePart, manifest))
	if err != nil {
		return err
	}
	for more := it.SeekGE(partRow(manifest, behind+1)); more && err == nil; more = more && it.Next() {
		p := &part{Part: Part{Number: int(binary.BigEndian.Uint16(it.Key()[len(it.Key())-2:]))}}
		if err = p.decode(it.Value()); err == nil {
			more, err = fn(p)
		}
	}
	return errors.Join(err, it.Close())
}

// PartInput is a part to put.
type PartInput struct {
	Bucket, Key, Upload string
	Number              int   // 1 to MaxParts
	Size                int64 // in bytes; -1 if it is unknown
	Expected                  // Algorithm: the upload's, or None to accept it
	CustomerKey         []byte
}

// PutPart reads a part of an upload, in place of one of the same number. As with Put,
// nothing changes until the body ended, and on every error.
func (s *Store) PutPart(ctx context.Context, in PartInput, body io.Reader) (Part, error) {
	if in.Number < 1 || in.Number > MaxParts {
		return Part{}, refuse(ErrInput, "part numbers are from 1 to %d", MaxParts)
	}
	u, err := s.lockedUpload(in.Bucket, in.Key, in.Upload)
	if err != nil {
		return Part{}, err
	}
	if in.Algorithm != checksum.None && in.Algorithm != u.Algorithm {
		return Part{}, refuse(ErrInput, "parts of this upload have checksums %q, not %s", u.Algorithm, in.Algorithm)
	}
	in.Algorithm = u.Algorithm
	dataKey, err := s.unwrap(ctx, in.Bucket, in.Key, u.generation, u.sealed, u.Customer, in.CustomerKey)
	if err != nil {
		return Part{}, err
	}
	p := &part{Part: Part{Number: in.Number}, id: s.numbers.take()}
	crypt, err := s.cryptor(dataKey, p.id)
	if err != nil {
		return Part{}, err
	}
	d, err := newDigest(in.Expected)
	if err != nil {
		return Part{}, err
	}
	got, err := s.ingest(ctx, body, in.Size, crypt, d, true)
	if err != nil {
		return Part{}, err
	}
	defer got.drop()
	if p.ref, err = got.keep(ctx, nil); err != nil {
		return Part{}, err
	}
	p.Size, p.md5, p.ETag = got.size, got.md5, etagText(got.md5, 0)
	if u.Algorithm != checksum.None {
		p.Checksum = checksum.Sum{Algorithm: u.Algorithm, Type: u.Type, Value: got.sum}
	}
	err = s.changeUpload(in.Bucket, in.Key, in.Upload, func(c *change, u *upload) error { return c.placePart(u, p) })
	if err != nil {
		return Part{}, errors.Join(err, s.forget(p.ref))
	}
	return p.Part, nil
}

// placePart makes p a part, in place of one of its number.
func (c *change) placePart(u *upload, p *part) error {
	was, err := c.s.part(u.generation, p.Number)
	if err != nil {
		return fmt.Errorf("part %d: %w", p.Number, err)
	}
	if was != nil {
		c.usage.Pending -= was.Size
		c.drop(was.ref)
	}
	p.Modified = c.s.now()
	c.usage.Pending += p.Size
	c.keep(p.ref)
	c.set(partRow(u.generation, p.Number), p.encode())
	return nil
}

// Parts lists the parts of an upload behind a number, at most max. It reports whether
// there are more.
func (s *Store) Parts(_ context.Context, bucket, key, upload string, behind, most int) (parts []Part, more bool, err error) {
	u, err := s.lockedUpload(bucket, key, upload)
	if err != nil {
		return nil, false, err
	}
	return s.listParts(u.generation, behind, most)
}

// ObjectParts lists the parts of an object in parts, as Parts does; none of others.
func (s *Store) ObjectParts(_ context.Context, bucket, key, version string, behind, most int) (parts []Part, more bool, err error) {
	inside := s.grace.enter()
	defer s.grace.leave(inside)
	r, err := s.lookup(bucket, key, version)
	if err != nil || r.manifest == 0 {
		return nil, false, err
	}
	return s.listParts(r.manifest, behind, most)
}

func (s *Store) listParts(manifest uint64, behind, most int) (parts []Part, more bool, err error) {
	if behind < 0 || most < 0 {
		return nil, false, refuse(ErrInput, "part numbers and counts are not negative")
	}
	if behind >= MaxParts {
		return nil, false, nil
	}
	err = s.eachPart(manifest, behind, func(p *part) (bool, error) {
		if len(parts) == most {
			more = most > 0
			return false, nil
		}
		parts = append(parts, p.Part)
		return true, nil
	})
	return parts, more, err
}
