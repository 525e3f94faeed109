package object

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// DeleteInput names what to delete.
type DeleteInput struct {
	Key     string
	Version string // "": put a delete marker, or remove the object of an unversioned bucket
	IfMatch string // an ETag that the object must have
	// Generation, if it is not 0, is that which the version must have: ErrPrecondition.
	// A lifecycle removes what it looked at, and nothing that came since.
	Generation uint64
	Bypass     bool // governance
	Notes      Notes
}

// Deleted is what a delete did.
type Deleted struct {
	Version string // of the marker that was put, or of what was removed; "" if unversioned
	Marker  bool   // one was put, or was what was removed
}

// Delete deletes. That there is nothing to delete is no error. It fails with ErrLocked
// if the version is held or retained.
func (s *Store) Delete(_ context.Context, bucket string, in DeleteInput) (Deleted, error) {
	b, err := s.bucket(bucket)
	if err != nil {
		return Deleted{}, err
	}
	if err := checkKey(in.Key); err != nil {
		return Deleted{}, err
	}
	info, done, err := b.use()
	if err != nil {
		return Deleted{}, err
	}
	defer done()
	lock := s.key(bucket, in.Key)
	lock.Lock()
	defer lock.Unlock()
	c, err := s.begin(info, in.Key)
	if err != nil {
		return Deleted{}, err
	}
	defer c.batch.Close()
	d, err := c.doDelete(in)
	if err != nil {
		return Deleted{}, err
	}
	return d, c.commit()
}

func (c *change) doDelete(in DeleteInput) (Deleted, error) {
	r, err := c.s.find(c.bucket.ID, c.key, in.Version, c.current)
	if err != nil {
		return Deleted{}, err
	}
	if in.IfMatch != "" {
		if err := (Conditions{IfMatch: in.IfMatch}).check(r); err != nil {
			return Deleted{}, err
		}
	}
	if in.Generation != 0 && (r == nil || r.Generation != in.Generation) {
		return Deleted{}, refuse(ErrPrecondition, "it is not that object any more")
	}
	if in.Version == "" && c.bucket.Versioning != Unversioned {
		m := &record{Info: Info{Key: c.key, Generation: c.s.numbers.take(), Marker: true, Modified: c.s.now()}}
		c.place(m)
		c.leave(m.Info, in.Notes)
		return Deleted{m.Version, true}, nil
	}
	d := Deleted{Version: in.Version}
	if r == nil {
		return d, nil
	}
	if r.holds(c.s.Now(), in.Bypass) {
		return Deleted{}, ErrLocked
	}
	d.Marker = r.Marker
	c.leave(r.Info, in.Notes)
	return d, c.remove(r)
}

// DeleteResult is what became of one of many.
type DeleteResult struct {
	Deleted
	Err error
}

// deletesAtOnce is how many share their syncs.
const deletesAtOnce = 64

// DeleteMany deletes each as Delete does, and returns what became of each, in order. Two
// of the same key take effect in any order.
func (s *Store) DeleteMany(ctx context.Context, bucket string, in []DeleteInput) []DeleteResult {
	out := make([]DeleteResult, len(in))
	var all errgroup.Group
	all.SetLimit(deletesAtOnce)
	for k := range in {
		all.Go(func() error {
			if out[k].Err = ctx.Err(); out[k].Err == nil {
				out[k].Deleted, out[k].Err = s.Delete(ctx, bucket, in[k])
			}
			return nil
		})
	}
	all.Wait() //nolint:errcheck // each result has its own
	return out
}
