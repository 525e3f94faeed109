package object

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/checksum"
	"github.com/vauban-cloud/vauban/seal"
)

// Conditions are what must hold of the current version when a write takes effect.
// A delete marker counts as no object.
type Conditions struct {
	IfMatch     string // an ETag that the object must have; ErrNoKey if there is none
	IfNoneMatch bool   // there must be no object
}

func (c Conditions) check(current *record) error {
	exists := current != nil && !current.Marker
	switch {
	case c.IfNoneMatch && exists:
		return refuse(ErrPrecondition, "the object exists")
	case c.IfMatch == "" || c.IfMatch == "*" && exists:
		return nil
	case !exists:
		return ErrNoKey
	case trimETag(c.IfMatch) != current.ETag:
		return refuse(ErrPrecondition, "the object's ETag is %q", current.ETag)
	}
	return nil
}

func trimETag(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// PutInput is an object to put.
type PutInput struct {
	Bucket, Key string
	Size        int64 // in bytes; -1 if it is unknown
	Expected
	Conditions
	Attributes
	Class, Owner string
	CustomerKey  []byte // 32 bytes, or nil for the bucket's key
	Notes        Notes
}

// Put reads a body, and makes it the current version of a key. It takes effect as a
// whole after the body ended; until then, and on every error, also one of the body's
// reader, nothing changes.
func (s *Store) Put(ctx context.Context, in PutInput, body io.Reader) (Info, error) {
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return Info{}, err
	}
	if err := s.checkPut(b, &in); err != nil {
		return Info{}, err
	}
	d, err := newDigest(in.Expected)
	if err != nil {
		return Info{}, err
	}
	r := &record{Info: Info{Key: in.Key, Generation: s.numbers.take(), Class: in.Class, Owner: in.Owner, Attributes: in.Attributes}}
	r.id, r.Customer, r.notes = r.Generation, in.CustomerKey != nil, in.Notes
	wrapper, err := s.wrapper(ctx, in.Bucket, in.CustomerKey)
	if err != nil {
		return Info{}, err
	}
	dataKey := seal.NewKey()
	r.sealed = wrapper.Seal(owner(in.Bucket, in.Key, r.id), dataKey)
	c, err := s.cryptor(dataKey, r.id)
	if err != nil {
		return Info{}, err
	}
	got, err := s.ingest(ctx, body, in.Size, c, d, false)
	if err != nil {
		return Info{}, err
	}
	defer got.drop()
	inside := s.grace.enter() // the segment must not go while nothing refers to it
	defer s.grace.leave(inside)
	if r.ref, err = got.keep(ctx, blobOwner(in.Bucket, in.Key, r.Generation)); err != nil {
		return Info{}, err
	}
	r.Size, r.md5, r.ETag = got.size, got.md5, etagText(got.md5, 0)
	if in.Algorithm != checksum.None {
		r.Checksum = checksum.Sum{Algorithm: in.Algorithm, Type: checksum.FullObject, Value: got.sum}
	}
	if err := s.finish(b, r, in.Conditions, nil); err != nil {
		return Info{}, errors.Join(err, s.forget(r.ref))
	}
	return r.Info, nil
}

// checkPut refuses early what would be refused at the end, before the body is sent.
func (s *Store) checkPut(b *bucket, in *PutInput) error {
	info, done, err := b.use()
	if err != nil {
		return err
	}
	done()
	if err := checkKey(in.Key); err != nil {
		return err
	}
	if err := checkAttributes(info, &in.Attributes); err != nil {
		return err
	}
	if in.Conditions == (Conditions{}) {
		return nil
	}
	current, err := s.current(in.Bucket, in.Key)
	if err != nil {
		return err
	}
	return in.check(current)
}

func checkKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return ErrKeyLength
	}
	return nil
}

func checkAttributes(b Bucket, a *Attributes) error {
	if !b.Lock && (a.Hold || a.Retention.Mode != NotRetained) {
		return ErrNoLock
	}
	if a.Retention.Mode > Compliance || (a.Retention.Mode == NotRetained) != a.Retention.Until.IsZero() {
		return refuse(ErrInput, "a retention has a mode and an end")
	}
	return nil
}

// finish makes a record whose bytes are kept the current version. before, if there
// is any, comes first: it may add to the change, and to the record.
func (s *Store) finish(b *bucket, r *record, cond Conditions, before func(*change) error) error {
	info, done, err := b.use()
	if err != nil {
		return err
	}
	defer done()
	if err := checkAttributes(info, &r.Attributes); err != nil {
		return err
	}
	lock := s.key(info.ID, r.Key)
	lock.Lock()
	defer lock.Unlock()
	c, err := s.begin(info, r.Key)
	if err != nil {
		return err
	}
	defer c.batch.Close()
	if err := cond.check(c.current); err != nil {
		return err
	}
	if before != nil {
		if err := before(c); err != nil {
			return err
		}
	}
	r.Modified = s.now()
	c.place(r)
	c.leave(r.Info, r.notes)
	return c.commit()
}

// now is to the millisecond, as everything that S3 tells.
func (s *Store) now() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// blobOwner is by which a compaction finds the record of a packed blob. Its size does
// not depend on the generation.
func blobOwner(bucket, key string, generation uint64) []byte {
	e := make(encoder, 0, 16+len(bucket)+len(key))
	e.text(bucket)
	e.text(key)
	return binary.BigEndian.AppendUint64(e, generation)
}

// packedSize is how many bytes of its segment a packed blob takes.
func packedSize(bucket, key string, r blob.Ref) int64 {
	return r.Size + blob.HeadSize + int64(len(blobOwner(bucket, key, 0)))
}
