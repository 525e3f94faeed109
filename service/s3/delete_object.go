package s3

import (
	"context"
	"errors"
	"net/http"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// maxDeletes is how many objects one request deletes.
const maxDeletes = 1000

// DeleteObject deletes an object, or a version:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html.
func (s *Service) DeleteObject(ctx context.Context, in *api.DeleteObjectRequest) (*api.DeleteObjectOutput, error) {
	b, err := s.allowObject(ctx, versioned("DeleteObject", in.VersionId), in.Bucket, in.ExpectedBucketOwner, *in.Key,
		keys(nil).set("s3:VersionId", in.VersionId).set("s3:if-match", in.IfMatch))
	if err != nil {
		return nil, err
	}
	if val(in.BypassGovernanceRetention) {
		if err := s.allowIn(ctx, "BypassGovernanceRetention", b, in.ExpectedBucketOwner, *in.Key, keys{}); err != nil {
			return nil, err
		}
	}
	d, err := deletion(*in.Key, in.VersionId, in.IfMatch, in.IfMatchLastModifiedTime, in.IfMatchSize)
	if err != nil {
		return nil, err
	}
	d.Bypass, d.Notes = val(in.BypassGovernanceRetention), s.notes(ctx, b, removal(in.VersionId))
	gone, err := s.Objects.Delete(ctx, b.ID, d)
	if err != nil {
		return nil, expressed(err)
	}
	return &api.DeleteObjectOutput{DeleteMarker: opt(gone.Marker), VersionId: s.version(ctx, b, gone.Version)}, nil
}

// deletion is what to delete.
func deletion(key string, version, ifMatch *string, modified *time.Time, size *int64) (object.DeleteInput, error) {
	d := object.DeleteInput{Key: key, Version: val(version), IfMatch: val(ifMatch)}
	if modified != nil || size != nil {
		return d, notImplemented("conditions on the time and the size of what is deleted; use If-Match")
	}
	if err := checkVersion(version); err != nil {
		return d, err
	}
	return d, checkKey(key)
}

// DeleteObjects deletes many, each by itself:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html.
func (s *Service) DeleteObjects(ctx context.Context, in *api.DeleteObjectsRequest) (*api.DeleteObjectsOutput, error) {
	b, err := find(s.DB.View(), in.Bucket)
	if err != nil {
		return nil, err
	}
	if in.ExpectedBucketOwner != nil && *in.ExpectedBucketOwner != b.Account {
		return nil, denied()
	}
	var wanted []api.ObjectIdentifier
	if in.Delete != nil {
		wanted = in.Delete.Objects
	}
	if len(wanted) == 0 || len(wanted) > maxDeletes {
		if err := s.allowIn(ctx, "DeleteObject", b, nil, "*", keys{}); err != nil {
			return nil, err
		}
		return nil, failure(http.StatusBadRequest, "MalformedXML", "The request names %d objects; name 1 to %d.", len(wanted), maxDeletes)
	}
	failed := make([]error, len(wanted))
	var deletions []object.DeleteInput
	var of []int // which of wanted each is
	for k, o := range wanted {
		d, err := s.mayDelete(ctx, b, o, val(in.BypassGovernanceRetention))
		if failed[k] = err; err == nil {
			deletions, of = append(deletions, d), append(of, k)
		}
	}
	gone := make([]object.Deleted, len(wanted))
	for k, r := range s.Objects.DeleteMany(ctx, b.ID, deletions) {
		gone[of[k]], failed[of[k]] = r.Deleted, expressed(r.Err)
	}
	out := &api.DeleteObjectsOutput{}
	for k, o := range wanted {
		if failed[k] != nil {
			e, err := told(o, failed[k])
			if err != nil {
				return nil, err
			}
			out.Errors = append(out.Errors, e)
		} else if !val(in.Delete.Quiet) {
			out.Deleted = append(out.Deleted, s.deleted(ctx, b, o, gone[k]))
		}
	}
	return out, nil
}

// mayDelete is the authorisation to delete one of many.
func (s *Service) mayDelete(ctx context.Context, b cloud.Bucket, o api.ObjectIdentifier, bypass bool) (object.DeleteInput, error) {
	version := o.VersionId
	if version != nil && *version == "" {
		version = nil // an empty element, as some clients send
	}
	if err := s.allowIn(ctx, versioned("DeleteObject", version), b, nil, *o.Key, keys{}.set("s3:VersionId", version).set("s3:if-match", o.ETag)); err != nil {
		return object.DeleteInput{}, err
	}
	if bypass {
		if err := s.allowIn(ctx, "BypassGovernanceRetention", b, nil, *o.Key, keys{}); err != nil {
			return object.DeleteInput{}, err
		}
	}
	d, err := deletion(*o.Key, version, o.ETag, o.LastModifiedTime, o.Size)
	d.Bypass, d.Notes = bypass, s.notes(ctx, b, removal(version))
	return d, err
}

// deleted tells what became of one of many.
func (s *Service) deleted(ctx context.Context, b cloud.Bucket, o api.ObjectIdentifier, gone object.Deleted) api.DeletedObject {
	d := api.DeletedObject{Key: o.Key, VersionId: opt(val(o.VersionId))}
	if gone.Marker {
		d.DeleteMarker, d.DeleteMarkerVersionId = new(true), s.version(ctx, b, gone.Version)
	}
	return d
}

// told is an error as the answer has it for one of many; what is no caller's business
// fails the request.
func told(o api.ObjectIdentifier, err error) (api.Error, error) {
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		return api.Error{}, err
	}
	return api.Error{Code: &e.Code, Message: &e.Message, Key: o.Key, VersionId: opt(val(o.VersionId))}, nil
}
