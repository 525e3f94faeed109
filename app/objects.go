package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	s3service "github.com/vauban-cloud/vauban/service/s3"
	"github.com/vauban-cloud/vauban/store"
)

var buckets store.Table[cloud.Bucket]

// objectsCache is how many MiB objects get that are read often, if the operator does not say.
func objectsCache() int {
	total, err := memTotalMiB()
	if err != nil {
		return 0
	}
	return min(total/64, 512)
}

// openObjects opens the store of objects. The key of each bucket is sealed by one of
// the cloud's data keys.
func (r *running) openObjects() (err error) {
	r.bucketKeys = &s3service.Keys{DB: r.db, Seal: r.directory.Keys.Objects}
	c := object.Config{Dir: r.cfg.objectsDir(), Keys: r.bucketKeys, Log: r.log.With("room", "objects"), Now: time.Now, Hot: int64(r.cfg.ObjectsCache) << 20}
	if c.Index, err = r.cfg.objectsIndex(c.Log); err != nil {
		return err
	}
	if r.objects, err = object.Open(c); err != nil {
		return fmt.Errorf("open the objects in %s: %w", r.cfg.objectsDir(), err)
	}
	if err := r.sweepBuckets(context.Background()); err != nil {
		r.closeObjects()
		return err
	}
	return nil
}

// sweepBuckets removes the empty buckets that a crash has left without a document. It
// runs before any request does. Those that hold something stay: they may be newer than
// a database that was restored.
func (r *running) sweepBuckets(ctx context.Context) error {
	view := r.db.View()
	for _, id := range r.objects.Buckets() {
		if _, ok := buckets.Get(view, id); ok {
			continue
		}
		u, err := r.objects.Usage(ctx, id)
		if err != nil {
			return err
		}
		if u != (object.Usage{}) {
			r.log.Warn("objects lie in a bucket that the database does not know", "bucket", id, "versions", u.Versions, "bytes", u.Bytes)
			continue
		}
		if err := r.objects.DeleteBucket(ctx, id); err != nil {
			return fmt.Errorf("remove the empty bucket %s, which nobody knows: %w", id, err)
		}
	}
	return nil
}

// closeObjects closes what openObjects has opened.
func (r *running) closeObjects() {
	if err := r.objects.Close(); err != nil {
		r.log.Warn("close the objects", "err", err)
	}
}

// objectsStatus tells how much the buckets hold.
func (r *running) objectsStatus(ctx context.Context) Part {
	const name = "objects"
	if _, err := r.objects.Bucket(ctx, ""); !errors.Is(err, object.ErrNoBucket) {
		return Part{Name: name, Detail: fmt.Sprint(err)}
	}
	var all object.Usage
	n := 0
	for b := range buckets.All(r.db.View()) {
		u, err := r.objects.Usage(ctx, b.ID)
		if errors.Is(err, object.ErrNoBucket) {
			continue // it is about to be deleted
		}
		if err != nil {
			return Part{Name: name, Detail: fmt.Sprintf("bucket %s: %v", b.Name, err)}
		}
		n, all.Versions, all.Bytes = n+1, all.Versions+u.Versions, all.Bytes+u.Bytes
	}
	where := ""
	if r.cfg.ObjectsIndex != localIndex {
		where = ", index in PostgreSQL"
	}
	return Part{Name: name, OK: true, Detail: fmt.Sprintf("%d versions of objects in %d buckets, %d MiB%s", all.Versions, n, all.Bytes>>20, where)}
}
