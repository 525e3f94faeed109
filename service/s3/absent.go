package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// Configurations that no bucket has, since no operation gives it one: the answers
// are AWS's for a bucket without. Clients ask for them before they change others.

// GetBucketLocation tells the cloud's region.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
func (s *Service) GetBucketLocation(ctx context.Context, in *api.GetBucketLocationRequest) (*api.GetBucketLocationOutput, error) {
	if _, err := s.allowBucket(ctx, "GetBucketLocation", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	if s.Place.Region == "us-east-1" { // whose name clients take from its absence
		return &api.GetBucketLocationOutput{}, nil
	}
	return &api.GetBucketLocationOutput{LocationConstraint: &s.Place.Region}, nil
}

// GetBucketReplication finds no rules.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketReplication.html
func (s *Service) GetBucketReplication(ctx context.Context, in *api.GetBucketReplicationRequest) (*api.GetBucketReplicationOutput, error) {
	if _, err := s.allowBucket(ctx, "GetReplicationConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return nil, failure(404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")
}

// GetBucketAccelerateConfiguration tells that nothing was ever accelerated.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAccelerateConfiguration.html
func (s *Service) GetBucketAccelerateConfiguration(ctx context.Context, in *api.GetBucketAccelerateConfigurationRequest) (*api.GetBucketAccelerateConfigurationOutput, error) {
	if _, err := s.allowBucket(ctx, "GetAccelerateConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.GetBucketAccelerateConfigurationOutput{}, nil
}

// GetBucketRequestPayment tells that the owner pays.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html
func (s *Service) GetBucketRequestPayment(ctx context.Context, in *api.GetBucketRequestPaymentRequest) (*api.GetBucketRequestPaymentOutput, error) {
	if _, err := s.allowBucket(ctx, "GetBucketRequestPayment", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.GetBucketRequestPaymentOutput{Payer: new(api.PayerBucketOwner)}, nil
}

// PutBucketRequestPayment accepts what is so already: that the owner pays.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketRequestPayment.html
func (s *Service) PutBucketRequestPayment(ctx context.Context, in *api.PutBucketRequestPaymentRequest) (*api.PutBucketRequestPaymentOutput, error) {
	if _, err := s.allowBucket(ctx, "PutBucketRequestPayment", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	switch c := in.RequestPaymentConfiguration; {
	case c == nil || c.Payer == nil:
		return nil, malformedXML()
	case *c.Payer == api.PayerRequester:
		return nil, notImplemented("buckets whose requesters pay")
	case *c.Payer != api.PayerBucketOwner:
		return nil, malformedXML()
	}
	return &api.PutBucketRequestPaymentOutput{}, nil
}

// DeleteBucketReplication leaves a bucket without rules, as it is.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketReplication.html
func (s *Service) DeleteBucketReplication(ctx context.Context, in *api.DeleteBucketReplicationRequest) (*api.DeleteBucketReplicationOutput, error) {
	if _, err := s.allowBucket(ctx, "PutReplicationConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.DeleteBucketReplicationOutput{}, nil
}

// GetBucketAbac tells that the tags of a bucket do not decide.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAbac.html
func (s *Service) GetBucketAbac(ctx context.Context, in *api.GetBucketAbacRequest) (*api.GetBucketAbacOutput, error) {
	if _, err := s.allowBucket(ctx, "GetBucketAbac", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.GetBucketAbacOutput{AbacStatus: &api.AbacStatus{Status: new(api.BucketAbacStatusDisabled)}}, nil
}
