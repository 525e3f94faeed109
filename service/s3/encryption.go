package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// GetBucketEncryption tells that objects are encrypted with the bucket's key, as all
// are.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketEncryption.html
func (s *Service) GetBucketEncryption(ctx context.Context, in *api.GetBucketEncryptionRequest) (*api.GetBucketEncryptionOutput, error) {
	if _, err := s.allowBucket(ctx, "GetEncryptionConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	rule := api.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &api.ServerSideEncryptionByDefault{SSEAlgorithm: new(api.ServerSideEncryptionAES256)},
		BucketKeyEnabled:                   new(false),
	}
	return &api.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &api.ServerSideEncryptionConfiguration{Rules: []api.ServerSideEncryptionRule{rule}}}, nil
}

// PutBucketEncryption accepts what is so already, and refuses keys of KMS.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html
func (s *Service) PutBucketEncryption(ctx context.Context, in *api.PutBucketEncryptionRequest) (*api.PutBucketEncryptionOutput, error) {
	if _, err := s.allowBucket(ctx, "PutEncryptionConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	c := in.ServerSideEncryptionConfiguration
	if c == nil || len(c.Rules) != 1 {
		return nil, malformedXML()
	}
	rule := c.Rules[0]
	if rule.BlockedEncryptionTypes != nil {
		return nil, notImplemented("blocked encryption types")
	}
	if val(rule.BucketKeyEnabled) {
		return nil, notImplemented("S3 Bucket Keys, which are for aws:kms")
	}
	byDefault := rule.ApplyServerSideEncryptionByDefault
	if byDefault == nil {
		return nil, malformedXML()
	}
	switch val(byDefault.SSEAlgorithm) {
	case api.ServerSideEncryptionAES256:
		if byDefault.KMSMasterKeyID != nil {
			return nil, invalid("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
		}
	case api.ServerSideEncryptionAwsKms, api.ServerSideEncryptionAwsKmsDsse:
		return nil, notImplemented("encryption with keys of KMS: use AES256")
	default:
		return nil, malformedXML()
	}
	return &api.PutBucketEncryptionOutput{}, nil
}

// DeleteBucketEncryption resets the encryption to AES256, which it is.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketEncryption.html
func (s *Service) DeleteBucketEncryption(ctx context.Context, in *api.DeleteBucketEncryptionRequest) (*api.DeleteBucketEncryptionOutput, error) {
	if _, err := s.allowBucket(ctx, "PutEncryptionConfiguration", in.Bucket, in.ExpectedBucketOwner, nil); err != nil {
		return nil, err
	}
	return &api.DeleteBucketEncryptionOutput{}, nil
}
