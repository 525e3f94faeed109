package object

import (
	"context"
	"errors"
	"maps"
)

// Update changes the attributes of a version, of the current one for "", at once. An
// error of fn is returned, and nothing changes. A retention may be lengthened; only
// governance may be shortened or lifted, and only with bypass: ErrLocked. Errors
// are those of Head besides.
func (s *Store) Update(_ context.Context, bucket, key, version string, bypass bool, fn func(*Attributes) error) (Info, error) {
	b, err := s.bucket(bucket)
	if err != nil {
		return Info{}, err
	}
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	info, done, err := b.use()
	if err != nil {
		return Info{}, err
	}
	defer done()
	lock := s.key(bucket, key)
	lock.Lock()
	defer lock.Unlock()
	c, err := s.begin(info, key)
	if err != nil {
		return Info{}, err
	}
	r, err := c.update(version, bypass, fn)
	if err != nil {
		return infoOf(r), errors.Join(err, c.batch.Close())
	}
	return r.Info, c.commit()
}

func (c *change) update(version string, bypass bool, fn func(*Attributes) error) (*record, error) {
	r, err := c.s.find(c.bucket.ID, c.key, version, c.current)
	switch {
	case err != nil:
		return nil, err
	case r == nil && version == "":
		return nil, ErrNoKey
	case r == nil:
		return nil, ErrNoVersion
	case r.Marker:
		return r, ErrMarker
	}
	a := r.Attributes
	a.User, a.System, a.Tags = maps.Clone(a.User), maps.Clone(a.System), maps.Clone(a.Tags)
	if err := fn(&a); err != nil {
		return r, err
	}
	if err := checkAttributes(c.bucket, &a); err != nil {
		return r, err
	}
	before := r.Retention
	retained := Attributes{Retention: before}
	if a.Retention.loosened(before) && retained.holds(c.s.Now(), bypass) {
		return r, refuse(ErrLocked, "its retention may only be lengthened, in the mode that it has")
	}
	r.Attributes = a
	row := keyRow(tableCurrent, c.bucket.ID, c.key)
	if !r.Latest {
		row = oldRow(c.bucket.ID, c.key, r.Generation)
	}
	c.set(row, r.encode())
	return r, nil
}
