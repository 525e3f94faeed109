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

// openObjects opens the store of objects. The key of each bucket is sealed by one of
// the cloud's data keys.
func (r *running) openObjects() (err error) {
	r.bucketKeys = &s3service.Keys{DB: r.db, Seal: r.directory.Keys.Objects}
	r.objects, err = object.Open(object.Config{Dir: r.cfg.objectsDir(), Keys: r.bucketKeys, Log: r.log.With("room", "objects"), Now: time.Now})
	if err != nil {
		return fmt.Errorf("open the objects in %s: %w", r.cfg.objectsDir(), err)
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
	return Part{Name: name, OK: true, Detail: fmt.Sprintf("%d versions of objects in %d buckets, %d MiB", all.Versions, n, all.Bytes>>20)}
}
