package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// Configurations of reports, of metrics and of tiers: no bucket has any, since no
// operation gives it one. The answers are AWS's for a bucket without.

// noneOf fails: the bucket has no such configuration.
func (s *Service) noneOf(ctx context.Context, action string, bucket, owner *string) error {
	if _, err := s.allowBucket(ctx, action, bucket, owner, nil); err != nil {
		return err
	}
	return failure(404, "NoSuchConfiguration", "The specified configuration does not exist.")
}

// GetBucketAnalyticsConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAnalyticsConfiguration.html
func (s *Service) GetBucketAnalyticsConfiguration(ctx context.Context, in *api.GetBucketAnalyticsConfigurationRequest) (*api.GetBucketAnalyticsConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "GetAnalyticsConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// DeleteBucketAnalyticsConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketAnalyticsConfiguration.html
func (s *Service) DeleteBucketAnalyticsConfiguration(ctx context.Context, in *api.DeleteBucketAnalyticsConfigurationRequest) (*api.DeleteBucketAnalyticsConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "PutAnalyticsConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// ListBucketAnalyticsConfigurations lists none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketAnalyticsConfigurations.html
func (s *Service) ListBucketAnalyticsConfigurations(ctx context.Context, in *api.ListBucketAnalyticsConfigurationsRequest) (*api.ListBucketAnalyticsConfigurationsOutput, error) {
	if _, err := s.allowBucket(ctx, "GetAnalyticsConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.ListBucketAnalyticsConfigurationsOutput{IsTruncated: new(false)}, nil
}

// GetBucketIntelligentTieringConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketIntelligentTieringConfiguration.html
func (s *Service) GetBucketIntelligentTieringConfiguration(ctx context.Context, in *api.GetBucketIntelligentTieringConfigurationRequest) (*api.GetBucketIntelligentTieringConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "GetIntelligentTieringConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// DeleteBucketIntelligentTieringConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketIntelligentTieringConfiguration.html
func (s *Service) DeleteBucketIntelligentTieringConfiguration(ctx context.Context, in *api.DeleteBucketIntelligentTieringConfigurationRequest) (*api.DeleteBucketIntelligentTieringConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "PutIntelligentTieringConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// ListBucketIntelligentTieringConfigurations lists none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketIntelligentTieringConfigurations.html
func (s *Service) ListBucketIntelligentTieringConfigurations(ctx context.Context, in *api.ListBucketIntelligentTieringConfigurationsRequest) (*api.ListBucketIntelligentTieringConfigurationsOutput, error) {
	if _, err := s.allowBucket(ctx, "GetIntelligentTieringConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.ListBucketIntelligentTieringConfigurationsOutput{IsTruncated: new(false)}, nil
}

// GetBucketInventoryConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketInventoryConfiguration.html
func (s *Service) GetBucketInventoryConfiguration(ctx context.Context, in *api.GetBucketInventoryConfigurationRequest) (*api.GetBucketInventoryConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "GetInventoryConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// DeleteBucketInventoryConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketInventoryConfiguration.html
func (s *Service) DeleteBucketInventoryConfiguration(ctx context.Context, in *api.DeleteBucketInventoryConfigurationRequest) (*api.DeleteBucketInventoryConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "PutInventoryConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// ListBucketInventoryConfigurations lists none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html
func (s *Service) ListBucketInventoryConfigurations(ctx context.Context, in *api.ListBucketInventoryConfigurationsRequest) (*api.ListBucketInventoryConfigurationsOutput, error) {
	if _, err := s.allowBucket(ctx, "GetInventoryConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.ListBucketInventoryConfigurationsOutput{IsTruncated: new(false)}, nil
}

// GetBucketMetricsConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketMetricsConfiguration.html
func (s *Service) GetBucketMetricsConfiguration(ctx context.Context, in *api.GetBucketMetricsConfigurationRequest) (*api.GetBucketMetricsConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "GetMetricsConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// DeleteBucketMetricsConfiguration finds none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketMetricsConfiguration.html
func (s *Service) DeleteBucketMetricsConfiguration(ctx context.Context, in *api.DeleteBucketMetricsConfigurationRequest) (*api.DeleteBucketMetricsConfigurationOutput, error) {
	return nil, s.noneOf(ctx, "PutMetricsConfiguration", in.Bucket, in.ExpectedBucketOwner)
}

// ListBucketMetricsConfigurations lists none.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketMetricsConfigurations.html
func (s *Service) ListBucketMetricsConfigurations(ctx context.Context, in *api.ListBucketMetricsConfigurationsRequest) (*api.ListBucketMetricsConfigurationsOutput, error) {
	if _, err := s.allowBucket(ctx, "GetMetricsConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.ListBucketMetricsConfigurationsOutput{IsTruncated: new(false)}, nil
}
