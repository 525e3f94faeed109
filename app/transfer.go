package app

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/delivery"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/object"
	s3service "github.com/vauban-cloud/vauban/service/s3"
	"github.com/vauban-cloud/vauban/store"
)

// depot is the buckets of the cloud as disks are imported from them and images exported
// to them: who may do so is decided by the S3 API, at the request.
type depot struct {
	r  *running
	s3 *s3service.Service
}

// Source returns the newest version of an object that the caller may read.
func (d depot) Source(ctx context.Context, bucket, key string) (cloud.ObjectVersion, error) {
	out, err := d.s3.HeadObject(ctx, &s3.HeadObjectRequest{Bucket: &bucket, Key: &key})
	if err != nil {
		return cloud.ObjectVersion{}, err
	}
	view := d.r.db.View()
	id, _ := store.Owner(view, cloud.BucketNames, bucket)
	b, ok := buckets.Get(view, id)
	if !ok {
		return cloud.ObjectVersion{}, cloud.Errorf("NoSuchBucket", "The bucket %s was deleted.", bucket)
	}
	o := cloud.ObjectVersion{Bucket: b.ID, Name: bucket, Key: key, ETag: strings.Trim(*out.ETag, `"`), Size: *out.ContentLength}
	if out.VersionId != nil {
		o.Version = *out.VersionId
	}
	return o, nil
}

// Target returns the bucket that the caller may put an object into.
func (d depot) Target(ctx context.Context, bucket, key string) (cloud.Bucket, error) {
	return s3service.Target(ctx, d.s3, bucket, key)
}

// Assume returns the service that moves disks as a session of a role.
func (d depot) Assume(role cloud.Role, session string) (cloud.Caller, error) {
	return d.r.judge.ActAs(d.r.db.View(), role, identity.VMIE, session, map[string][]string{"sts:ExternalId": {"vmimport"}})
}

// Read reads a version of an object.
func (d depot) Read(ctx context.Context, o cloud.ObjectVersion) (io.ReadCloser, error) {
	r, info, err := d.r.objects.Get(ctx, object.GetInput{Bucket: o.Bucket, Key: o.Key, Version: o.Version})
	switch {
	case errors.Is(err, object.ErrNoBucket), errors.Is(err, object.ErrNoKey), errors.Is(err, object.ErrNoVersion), errors.Is(err, object.ErrMarker):
		return nil, cloud.Errorf("NoSuchKey", "The object %s/%s was deleted.", o.Name, o.Key)
	case err != nil:
		return nil, err
	case info.ETag != o.ETag || info.Size != o.Size:
		return nil, errors.Join(cloud.Errorf("PreconditionFailed", "The object %s/%s was replaced by another.", o.Name, o.Key), r.Close())
	}
	return r, nil
}

// Write writes the object of an export.
func (d depot) Write(ctx context.Context, t cloud.ExportTask, size int64, content io.Reader) error {
	b, ok := buckets.Get(d.r.db.View(), t.Bucket)
	if !ok {
		return cloud.Errorf("NoSuchBucket", "The bucket %s was deleted.", t.Name)
	}
	err := delivery.Put(ctx, d.r.objects, delivery.Object{
		Bucket: b, Key: t.ObjectKey(), Body: content, Size: size, Type: "application/octet-stream", Principal: identity.VMIE,
	}, d.r.now())
	if errors.Is(err, object.ErrNoBucket) {
		return cloud.Errorf("NoSuchBucket", "The bucket %s was deleted.", t.Name)
	}
	return err
}
