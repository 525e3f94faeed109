package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// PutBucketLifecycleConfiguration replaces the rules by which a bucket's objects end.
// The control plane follows them.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
func (s *Service) PutBucketLifecycleConfiguration(ctx context.Context, in *api.PutBucketLifecycleConfigurationRequest) (*api.PutBucketLifecycleConfigurationOutput, error) {
	b, err := s.allowBucket(ctx, "PutLifecycleConfiguration", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.LifecycleConfiguration == nil {
		return nil, malformedXML()
	}
	least := cmp.Or(val(in.TransitionDefaultMinimumObjectSize), transitionSize)
	if least != transitionSize && least != api.TransitionDefaultMinimumObjectSizeVariesByStorageClass {
		return nil, invalidRequest("Invalid TransitionDefaultMinimumObjectSize found: %s", least)
	}
	rules, err := lifecycle(in.LifecycleConfiguration.Rules)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Lifecycle, b.LeastMoved = rules, least; return nil }); err != nil {
		return nil, err
	}
	return &api.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: &least}, nil
}

// transitionSize is what holds of the size of transitions if the caller does not say.
const transitionSize = api.TransitionDefaultMinimumObjectSizeAllStorageClasses128K

// GetBucketLifecycleConfiguration returns the rules as they were given.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html
func (s *Service) GetBucketLifecycleConfiguration(ctx context.Context, in *api.GetBucketLifecycleConfigurationRequest) (*api.GetBucketLifecycleConfigurationOutput, error) {
	b, err := s.allowBucket(ctx, "GetLifecycleConfiguration", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if len(b.Lifecycle) == 0 {
		return nil, failure(http.StatusNotFound, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	out := &api.GetBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: &b.LeastMoved}
	for _, r := range b.Lifecycle {
		out.Rules = append(out.Rules, shownRule(r))
	}
	return out, nil
}

// DeleteBucketLifecycle removes the rules, if there are any.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html
func (s *Service) DeleteBucketLifecycle(ctx context.Context, in *api.DeleteBucketLifecycleRequest) (*api.DeleteBucketLifecycleOutput, error) {
	b, err := s.allowBucket(ctx, "PutLifecycleConfiguration", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Lifecycle, b.LeastMoved = nil, ""; return nil }); err != nil {
		return nil, err
	}
	return &api.DeleteBucketLifecycleOutput{}, nil
}

// shownRule is a rule as the API shows it.
func shownRule(r cloud.LifecycleRule) api.LifecycleRule {
	out := api.LifecycleRule{ID: &r.ID, Status: new(api.ExpirationStatusEnabled), Prefix: r.Legacy}
	if r.Disabled {
		out.Status = new(api.ExpirationStatusDisabled)
	}
	if r.Legacy == nil {
		out.Filter = shownFilter(r.Filter)
	}
	if e := r.Expiration; e != nil {
		out.Expiration = &api.LifecycleExpiration{Days: opt(int32(e.Days)), ExpiredObjectDeleteMarker: e.Markers} //nolint:gosec // it was one
		if !e.Date.IsZero() {
			out.Expiration.Date = &e.Date
		}
	}
	if n := r.Noncurrent; n != nil {
		out.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(n.Days)), NewerNoncurrentVersions: opt(int32(n.Newer))} //nolint:gosec // as above
	}
	if r.Abort > 0 {
		out.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(r.Abort))} //nolint:gosec // as above
	}
	return out
}

func shownFilter(f cloud.LifecycleFilter) *api.LifecycleRuleFilter {
	tags := shownTags(f.Tags)
	if f.And {
		return &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Prefix: f.Prefix, Tags: tags, ObjectSizeGreaterThan: f.Above, ObjectSizeLessThan: f.Below}}
	}
	out := &api.LifecycleRuleFilter{Prefix: f.Prefix, ObjectSizeGreaterThan: f.Above, ObjectSizeLessThan: f.Below}
	if len(tags) > 0 {
		out.Tag = &tags[0]
	}
	return out
}

// day is how long a day of lifecycles is.
func (s *Service) day() time.Duration {
	if s.LifecycleDay > 0 {
		return s.LifecycleDay
	}
	return 24 * time.Hour
}

// expiration is the header x-amz-expiration: when the lifecycle ends a current
// version, and by which rule. It is a courtesy: whatever is wrong, there is none.
func (s *Service) expiration(b cloud.Bucket, i object.Info) *string {
	if len(b.Lifecycle) == 0 || !i.Latest {
		return nil
	}
	when, rule, err := b.Lifecycle.Expires(cloud.Lived{
		Key: i.Key, Size: i.Size, Modified: i.Modified, Tags: func() (map[string]string, error) { return i.Tags, nil },
	}, s.day())
	if err != nil || when.IsZero() {
		return nil
	}
	return new(fmt.Sprintf(`expiry-date="%s", rule-id="%s"`, when.Format(http.TimeFormat), url.QueryEscape(rule)))
}

// abortion is when the lifecycle ends an upload, and by which rule.
func (s *Service) abortion(b cloud.Bucket, u object.Upload) (when *time.Time, rule *string) {
	at, id := b.Lifecycle.Aborts(u.Key, u.Initiated, s.day())
	if at.IsZero() {
		return nil, nil
	}
	return &at, &id
}
