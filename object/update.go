package object

import (
	"context"
	"maps"
)

// UpdateInput names the version whose attributes to change.
type UpdateInput struct {
	Bucket, Key string
	Version     string // "": the current one
	Bypass      bool   // governance
	Notes       Notes
}

// Update is UpdateWith without notes.
func (s *Store) Update(ctx context.Context, bucket, key, version string, bypass bool, fn func(*Attributes) error) (Info, error) {
	return s.UpdateWith(ctx, UpdateInput{Bucket: bucket, Key: key, Version: version, Bypass: bypass}, fn)
}

// UpdateWith changes the attributes of a version, of the current one for "", at once. An
// error of fn is returned, and nothing changes. A retention may be lengthened; only
// governance may be shortened or lifted, and only with bypass: ErrLocked. Errors
// are those of Head besides.
func (s *Store) UpdateWith(_ context.Context, in UpdateInput, fn func(*Attributes) error) (Info, error) {
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return Info{}, err
	}
	if err := checkKey(in.Key); err != nil {
		return Info{}, err
	}
	info, done, err := b.use()
	if err != nil {
		return Info{}, err
	}
	defer done()
	lock := s.key(in.Bucket, in.Key)
	lock.Lock()
	defer lock.Unlock()
	c, err := s.begin(info, in.Key)
	if err != nil {
		return Info{}, err
	}
	defer c.batch.Close()
	r, err := c.update(in.Version, in.Bypass, fn)
	if err != nil {
		return infoOf(r), err
	}
	c.leave(r.Info, in.Notes)
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
