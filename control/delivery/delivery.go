// Package delivery writes into tenants' buckets what the cloud has for them, such as
// logs.
//
// It guarantees that a bucket's default retention and notifications hold for what the
// cloud writes as they do for what its owner writes.
package delivery

import (
	"context"
	"io"
	"time"

	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// Object is an object to write.
type Object struct {
	Bucket    cloud.Bucket
	Key       string
	Body      io.Reader
	Size      int64  // bytes of Body
	Type      string // of the content, such as "text/plain"
	Principal string // who writes it, as notifications say
}

// Put writes the object; object.ErrNoBucket if its bucket is gone.
func Put(ctx context.Context, objects *object.Store, o Object, now time.Time) error {
	b := o.Bucket
	in := object.PutInput{
		Bucket: b.ID, Key: o.Key, Size: o.Size, Class: "STANDARD", Owner: b.Account,
		Attributes: object.Attributes{System: map[string]string{"Content-Type": o.Type}, Retention: bucket.Retention(b, now)},
	}
	in.Notes = bucket.Notes(b, func(i object.Info) cloud.ObjectEvent {
		return cloud.ObjectEvent{Event: "s3:ObjectCreated:Put", Time: i.Modified, Principal: o.Principal}
	})
	_, err := objects.Put(ctx, in, o.Body)
	return err
}
