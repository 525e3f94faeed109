package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// PutPublicAccessBlock says what of a bucket may not be made public. A bucket has
// all of it from the start.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html
func (s *Service) PutPublicAccessBlock(ctx context.Context, in *api.PutPublicAccessBlockRequest) (*api.PutPublicAccessBlockOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketPublicAccessBlock", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	c := in.PublicAccessBlockConfiguration
	if c == nil {
		return nil, malformedXML()
	}
	block := &cloud.PublicAccessBlock{
		BlockACLs: val(c.BlockPublicAcls), IgnoreACLs: val(c.IgnorePublicAcls),
		BlockPolicy: val(c.BlockPublicPolicy), RestrictBuckets: val(c.RestrictPublicBuckets),
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.PublicAccess = block; return nil }); err != nil {
		return nil, err
	}
	return &api.PutPublicAccessBlockOutput{}, nil
}

// GetPublicAccessBlock returns what PutPublicAccessBlock said.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html
func (s *Service) GetPublicAccessBlock(ctx context.Context, in *api.GetPublicAccessBlockRequest) (*api.GetPublicAccessBlockOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketPublicAccessBlock", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	p := b.PublicAccess
	if p == nil {
		return nil, failure(404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &api.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{
		BlockPublicAcls: &p.BlockACLs, IgnorePublicAcls: &p.IgnoreACLs, BlockPublicPolicy: &p.BlockPolicy, RestrictPublicBuckets: &p.RestrictBuckets,
	}}, nil
}

// DeletePublicAccessBlock lets a bucket's policy make it public.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html
func (s *Service) DeletePublicAccessBlock(ctx context.Context, in *api.DeletePublicAccessBlockRequest) (*api.DeletePublicAccessBlockOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketPublicAccessBlock", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.PublicAccess = nil; return nil }); err != nil {
		return nil, err
	}
	return &api.DeletePublicAccessBlockOutput{}, nil
}
