package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/object/checksum"
	"github.com/vauban-cloud/vauban/seal"
)

// MaxParts is the highest number of a part.
const MaxParts = 10000

// Upload is an upload in parts that is under way.
type Upload struct {
	Key       string
	ID        string // 32 characters
	Initiated time.Time
	Class     string
	Owner     string
	Algorithm checksum.Algorithm // of the parts' checksums
	Type      checksum.Type      // of the object's
	Customer  bool               // parts come with the caller's key
	Attributes
}

// UploadInput begins an upload.
type UploadInput struct {
	Bucket, Key  string
	Algorithm    checksum.Algorithm
	Type         checksum.Type // "": the algorithm's default
	Class, Owner string
	CustomerKey  []byte
	Attributes
}

// upload is the row of an upload.
type upload struct {
	Upload
	generation uint64
	tail       [12]byte
	sealed     []byte
}

func (u *upload) encode() []byte {
	e := encoder{recordFormat}
	e = append(e, u.tail[:]...)
	e.time(u.Initiated)
	e.text(u.Class)
	e.text(u.Owner)
	e.text(string(u.Algorithm))
	e.text(string(u.Type))
	e.flags(u.Customer)
	e.bytes(u.sealed)
	e.attributes(&u.Attributes)
	return e
}

func (u *upload) decode(row []byte) error {
	if len(row) < 1+len(u.tail) || row[0] != recordFormat {
		return errRow
	}
	d := decoder{b: row[1+copy(u.tail[:], row[1:]):]}
	u.Initiated, u.Class, u.Owner = d.time(), d.text(), d.text()
	u.Algorithm, u.Type = known(d.bytes()), checksum.Type(d.text())
	u.Customer = d.uint() != 0
	u.sealed = bytes.Clone(d.bytes())
	d.attributes(&u.Attributes)
	u.ID = ticket(u.generation, u.tail)
	return d.done()
}

// CreateUpload begins an upload.
func (s *Store) CreateUpload(ctx context.Context, in UploadInput) (Upload, error) {
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return Upload{}, err
	}
	info, done, err := b.use()
	if err != nil {
		return Upload{}, err
	}
	defer done()
	if in.Type == "" {
		in.Type = in.Algorithm.Default()
	}
	err = in.Algorithm.Check(in.Type)
	if err != nil {
		err = refuse(ErrInput, "%v", err)
	}
	if err := errors.Join(err, checkKey(in.Key), checkAttributes(info, &in.Attributes), s.room(0)); err != nil {
		return Upload{}, err
	}
	wrapper, err := s.wrapper(ctx, in.Bucket, in.CustomerKey)
	if err != nil {
		return Upload{}, err
	}
	u := upload{generation: s.numbers.take(), tail: newTail(), Upload: Upload{
		Key: in.Key, Initiated: s.now(), Class: in.Class, Owner: in.Owner, Algorithm: in.Algorithm, Type: in.Type,
		Customer: in.CustomerKey != nil, Attributes: in.Attributes,
	}}
	u.ID = ticket(u.generation, u.tail)
	u.sealed = wrapper.Seal(owner(in.Bucket, in.Key, u.generation), seal.NewKey())
	c := &change{s: s, bucket: info, key: in.Key, batch: s.db.Batch(), usage: Usage{Uploads: 1}}
	defer c.batch.Close()
	c.set(uploadRow(in.Bucket, in.Key, u.generation), u.encode())
	return u.Upload, c.commit()
}

// upload returns an upload that is under way, or ErrNoUpload.
func (s *Store) upload(bucket, key, id string) (*upload, error) {
	generation, tail, err := parseTicket(id)
	if err != nil {
		return nil, ErrNoUpload
	}
	v, err := s.get(uploadRow(bucket, key, generation))
	if err != nil {
		return nil, err
	}
	u := &upload{generation: generation, Upload: Upload{Key: key}}
	if v == nil {
		return nil, ErrNoUpload
	}
	if err := u.decode(v); err != nil {
		return nil, fmt.Errorf("upload of %q: %w", key, err)
	}
	if u.tail != tail {
		return nil, ErrNoUpload
	}
	return u, nil
}

// Upload returns an upload that is under way, or ErrNoUpload.
func (s *Store) Upload(_ context.Context, bucket, key, id string) (Upload, error) {
	u, err := s.lockedUpload(bucket, key, id)
	if err != nil {
		return Upload{}, err
	}
	return u.Upload, nil
}

func (s *Store) lockedUpload(bucket, key, id string) (*upload, error) {
	if _, err := s.bucket(bucket); err != nil {
		return nil, err
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	lock := s.key(bucket, key)
	lock.RLock()
	defer lock.RUnlock()
	return s.upload(bucket, key, id)
}

// changeUpload holds an upload, and commits what fn changes.
func (s *Store) changeUpload(bucket, key, id string, fn func(*change, *upload) error) error {
	b, err := s.bucket(bucket)
	if err != nil {
		return err
	}
	info, done, err := b.use()
	if err != nil {
		return err
	}
	defer done()
	lock := s.key(bucket, key)
	lock.Lock()
	defer lock.Unlock()
	u, err := s.upload(bucket, key, id)
	if err != nil {
		return err
	}
	c := &change{s: s, bucket: info, key: key, batch: s.db.Batch()}
	defer c.batch.Close()
	if err := fn(c, u); err != nil {
		return err
	}
	return c.commit()
}

// AbortUpload removes an upload and its parts, or returns ErrNoUpload.
func (s *Store) AbortUpload(_ context.Context, bucket, key, id string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.changeUpload(bucket, key, id, func(c *change, u *upload) error {
		c.usage.Uploads--
		err := s.eachPart(u.generation, 0, func(p *part) (bool, error) {
			c.usage.Pending -= p.Size
			return true, nil
		})
		c.delete(uploadRow(bucket, key, u.generation))
		s.discardManifest(c.batch, u.generation)
		return err
	})
}
