package s3

import (
	"context"

	"github.com/vauban-cloud/vauban/cloud"
)

// Target returns the bucket of that name if the caller of the context may put an object
// of that key into it.
func Target(ctx context.Context, s *Service, bucket, key string) (cloud.Bucket, error) {
	return s.allowObject(ctx, "PutObject", &bucket, nil, key, nil)
}
