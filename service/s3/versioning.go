package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
)

// PutBucketVersioning enables or suspends versioning. What was there before stays as
// it is.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
func (s *Service) PutBucketVersioning(ctx context.Context, in *api.PutBucketVersioningRequest) (*api.PutBucketVersioningOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketVersioning", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	c := in.VersioningConfiguration
	if c == nil || c.Status == nil {
		return nil, failure(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if c.MFADelete != nil && *c.MFADelete != api.MFADeleteDisabled || in.MFA != nil {
		return nil, notImplemented("MFA delete")
	}
	states := map[string]object.Versioning{api.BucketVersioningStatusEnabled: object.Enabled, api.BucketVersioningStatusSuspended: object.Suspended}
	state, ok := states[*c.Status]
	if !ok {
		return nil, malformedXML()
	}
	if err := s.Objects.SetVersioning(ctx, b.ID, state); err != nil {
		return nil, expressed(err)
	}
	return &api.PutBucketVersioningOutput{}, nil
}

// GetBucketVersioning tells whether versioning is enabled or suspended, and nothing
// of a bucket that never had it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
func (s *Service) GetBucketVersioning(ctx context.Context, in *api.GetBucketVersioningRequest) (*api.GetBucketVersioningOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketVersioning", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	kept, err := s.Objects.Bucket(ctx, b.ID)
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.GetBucketVersioningOutput{}
	switch kept.Versioning {
	case object.Enabled:
		out.Status = new(api.BucketVersioningStatusEnabled)
	case object.Suspended:
		out.Status = new(api.BucketVersioningStatusSuspended)
	case object.Unversioned:
	}
	return out, nil
}
