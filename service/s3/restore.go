package s3

import (
	"context"
	"net/http"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// RestoreObject finds nothing to restore: no object is in an archive.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
func (s *Service) RestoreObject(ctx context.Context, in *api.RestoreObjectRequest) (*api.RestoreObjectOutput, error) {
	a := &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, plain: true}
	if _, _, err := s.look(ctx, a, "RestoreObject"); err != nil {
		return nil, err
	}
	return nil, &cloud.Error{
		Code: "InvalidObjectState", Message: "Restore is not allowed for the object's current storage class", Status: http.StatusForbidden,
		Detail: [][2]string{{"StorageClass", standard}},
	}
}
