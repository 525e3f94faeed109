package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// notes says what a change of an object leaves for those whom the bucket notifies of
// an event; of tells which one it is.
func (s *Service) notes(ctx context.Context, b cloud.Bucket, of func(object.Info) string) object.Notes {
	caller := cloud.CallerFrom(ctx)
	principal := "Anonymous"
	if caller.UserID != "" {
		principal = "AWS:" + caller.UserID
	}
	return bucket.Notes(b, func(i object.Info) cloud.ObjectEvent {
		return cloud.ObjectEvent{Event: of(i), Time: s.Now().UTC(), Principal: principal, SourceIP: caller.SourceIP, RequestID: caller.RequestID}
	})
}

// always is notes for a change that is always the same event.
func always(event string) func(object.Info) string {
	return func(object.Info) string { return event }
}

// removal is the event of a delete that names a version, or none.
func removal(version *string) func(object.Info) string {
	return func(i object.Info) string {
		if version == nil && i.Marker {
			return api.EventS3ObjectRemovedDeleteMarkerCreated
		}
		return api.EventS3ObjectRemovedDelete
	}
}

// changes are the events of actions that change an object's attributes.
var changes = map[string]string{ //nolint:gochecknoglobals // never changed
	"PutObjectTagging":    api.EventS3ObjectTaggingPut,
	"DeleteObjectTagging": api.EventS3ObjectTaggingDelete,
	"PutObjectRetention":  api.EventS3ObjectRetentionPut,
	"PutObjectAcl":        api.EventS3ObjectAclPut,
}
