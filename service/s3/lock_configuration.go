package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// The longest default retentions:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DefaultRetention.html
const (
	maxRetentionDays  = 36500
	maxRetentionYears = 100
)

// PutObjectLockConfiguration lets versions of a bucket be retained and held, for good,
// and says how long new ones are retained. The header with a token of AWS's support
// is not looked at: none is needed.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html
func (s *Service) PutObjectLockConfiguration(ctx context.Context, in *api.PutObjectLockConfigurationRequest) (*api.PutObjectLockConfigurationOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketObjectLockConfiguration", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	c := in.ObjectLockConfiguration
	if c == nil || val(c.ObjectLockEnabled) != api.ObjectLockEnabledEnabled {
		return nil, malformedXML()
	}
	var retention *cloud.DefaultRetention
	if c.Rule != nil {
		if retention, err = defaultRetention(c.Rule.DefaultRetention); err != nil {
			return nil, err
		}
	}
	kept, err := s.Objects.Bucket(ctx, b.ID)
	if err != nil {
		return nil, expressed(err)
	}
	if kept.Versioning != object.Enabled {
		return nil, failure(409, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
	}
	if err := s.Objects.EnableLock(ctx, b.ID); err != nil {
		return nil, expressed(err)
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Retention = retention; return nil }); err != nil {
		return nil, err
	}
	return &api.PutObjectLockConfigurationOutput{}, nil
}

// defaultRetention checks the one of a rule.
func defaultRetention(r *api.DefaultRetention) (*cloud.DefaultRetention, error) {
	switch {
	case r == nil || r.Mode == nil || (r.Days == nil) == (r.Years == nil):
		return nil, malformedXML()
	case r.DefaultEventHold != nil:
		return nil, notImplemented("event holds; use retention or a legal hold")
	case bucket.Modes[*r.Mode] == object.NotRetained:
		return nil, malformedXML()
	case r.Days != nil && *r.Days <= 0, r.Years != nil && *r.Years <= 0:
		return nil, invalid("Default retention period must be a positive integer value.")
	case val(r.Days) > maxRetentionDays || val(r.Years) > maxRetentionYears:
		return nil, invalid("Default retention period too large: %d days or %d years are the most.", maxRetentionDays, maxRetentionYears)
	}
	return &cloud.DefaultRetention{Mode: *r.Mode, Days: int(val(r.Days)), Years: int(val(r.Years))}, nil
}

// GetObjectLockConfiguration tells whether versions may be retained and held, and how
// long new ones are.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html
func (s *Service) GetObjectLockConfiguration(ctx context.Context, in *api.GetObjectLockConfigurationRequest) (*api.GetObjectLockConfigurationOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketObjectLockConfiguration", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	kept, err := s.Objects.Bucket(ctx, b.ID)
	if err != nil {
		return nil, expressed(err)
	}
	if !kept.Lock {
		return nil, failure(404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
	}
	out := &api.ObjectLockConfiguration{ObjectLockEnabled: new(api.ObjectLockEnabledEnabled)}
	if r := b.Retention; r != nil {
		out.Rule = &api.ObjectLockRule{DefaultRetention: &api.DefaultRetention{Mode: &r.Mode, Days: opt(int32(r.Days)), Years: opt(int32(r.Years))}} //nolint:gosec // they were
	}
	return &api.GetObjectLockConfigurationOutput{ObjectLockConfiguration: out}, nil
}
