package s3

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// PutBucketLogging says where the accesses to a bucket are logged: in a bucket of the
// same account, which the cloud may then write to without asking its policy.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html
func (s *Service) PutBucketLogging(ctx context.Context, in *api.PutBucketLoggingRequest) (*api.PutBucketLoggingOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketLogging", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.BucketLoggingStatus == nil {
		return nil, malformedXML()
	}
	wanted := in.BucketLoggingStatus.LoggingEnabled
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		b, ok := bucketTable.Get(tx, b.ID)
		if !ok {
			return noBucket()
		}
		if b.Logging = nil; wanted != nil {
			if b.Logging, err = logging(tx, b, *wanted); err != nil {
				return err
			}
		}
		return bucketTable.Put(tx, b)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutBucketLoggingOutput{}, nil
}

// logging checks what a caller wants.
func logging(r store.Reader, b cloud.Bucket, l api.LoggingEnabled) (*cloud.BucketLogging, error) {
	if l.TargetBucket == nil || l.TargetPrefix == nil {
		return nil, malformedXML()
	}
	if len(l.TargetGrants) > 0 {
		return nil, failure(400, "AccessControlListNotSupported", "The bucket does not allow ACLs: leave TargetGrants out, and give others access by the policy of the target bucket.")
	}
	target, err := find(r, l.TargetBucket)
	if err != nil {
		return nil, badTarget("The target bucket for logging does not exist")
	}
	if target.Account != b.Account {
		return nil, badTarget("The owner for the bucket to be logged and the target bucket must be the same.")
	}
	if len(*l.TargetPrefix) > 512 {
		return nil, invalid("The prefix of log objects has at most 512 bytes")
	}
	out := &cloud.BucketLogging{Bucket: target.ID, Name: target.Name, Prefix: *l.TargetPrefix}
	if f := l.TargetObjectKeyFormat; f != nil {
		if (f.SimplePrefix == nil) == (f.PartitionedPrefix == nil) {
			return nil, malformedXML()
		}
		if out.Simple = f.SimplePrefix != nil; !out.Simple {
			switch out.Partition = val(f.PartitionedPrefix.PartitionDateSource); out.Partition {
			case "":
				out.Partition = api.PartitionDateSourceEventTime
			case api.PartitionDateSourceEventTime, api.PartitionDateSourceDeliveryTime:
			default:
				return nil, malformedXML()
			}
		}
	}
	return out, nil
}

func badTarget(message string) error {
	return failure(400, "InvalidTargetBucketForLogging", "%s", message)
}

// GetBucketLogging tells where the accesses to a bucket are logged.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html
func (s *Service) GetBucketLogging(ctx context.Context, in *api.GetBucketLoggingRequest) (*api.GetBucketLoggingOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketLogging", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil || b.Logging == nil {
		return &api.GetBucketLoggingOutput{}, err
	}
	l := b.Logging
	out := &api.LoggingEnabled{TargetBucket: &l.Name, TargetPrefix: &l.Prefix}
	switch {
	case l.Partition != "":
		out.TargetObjectKeyFormat = &api.TargetObjectKeyFormat{PartitionedPrefix: &api.PartitionedPrefix{PartitionDateSource: &l.Partition}}
	case l.Simple:
		out.TargetObjectKeyFormat = &api.TargetObjectKeyFormat{SimplePrefix: &api.SimplePrefix{}}
	}
	return &api.GetBucketLoggingOutput{LoggingEnabled: out}, nil
}
