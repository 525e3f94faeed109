package s3

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/internal/principal"
	"github.com/vauban-cloud/vauban/store"
)

// maxPolicy is how long a bucket's policy may be, in bytes.
const maxPolicy = 20 << 10

// PutBucketPolicy attaches a policy to a bucket, in place of the one that it had. A
// policy that makes the bucket public is refused where that is blocked.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
func (s *Service) PutBucketPolicy(ctx context.Context, in *api.PutBucketPolicyRequest) (*api.PutBucketPolicyOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketPolicy", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	document := val(in.Policy)
	if err := s.checkPolicy(b, document); err != nil {
		return nil, err
	}
	public := isPublic(document)
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		bound, err := principal.Bind(s.directory(), tx, document)
		if unknown, ok := errors.AsType[*principal.Unknown](err); ok {
			return malformedPolicy("%s", unknown.Error())
		}
		if err != nil {
			return err
		}
		b, ok := bucketTable.Get(tx, b.ID)
		if !ok {
			return noBucket()
		}
		if public && blocked(tx, b).BlockPolicy {
			return failure(403, "AccessDenied", "User: %s is not authorized to perform: s3:PutBucketPolicy on resource: %s because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
				cloud.CallerFrom(ctx).ARN, s.arn(b.Name))
		}
		b.Policy = bound
		return bucketTable.Put(tx, b)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutBucketPolicyOutput{}, nil
}

// GetBucketPolicy returns the policy of a bucket, as it was given but for principals
// that are gone.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html
func (s *Service) GetBucketPolicy(ctx context.Context, in *api.GetBucketPolicyRequest) (*api.GetBucketPolicyOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketPolicy", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, noPolicy()
	}
	return &api.GetBucketPolicyOutput{Policy: new(principal.Show(s.directory(), s.DB.View(), b.Policy))}, nil
}

// DeleteBucketPolicy takes the policy from a bucket, if it has one.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html
func (s *Service) DeleteBucketPolicy(ctx context.Context, in *api.DeleteBucketPolicyRequest) (*api.DeleteBucketPolicyOutput, error) {
	b, err := s.allowBucket(ctx, "DeleteBucketPolicy", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Policy = ""; return nil }); err != nil {
		return nil, err
	}
	return &api.DeleteBucketPolicyOutput{}, nil
}

// GetBucketPolicyStatus tells whether the policy of a bucket makes it public.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html
func (s *Service) GetBucketPolicyStatus(ctx context.Context, in *api.GetBucketPolicyStatusRequest) (*api.GetBucketPolicyStatusOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketPolicyStatus", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, noPolicy()
	}
	return &api.GetBucketPolicyStatusOutput{PolicyStatus: &api.PolicyStatus{IsPublic: new(isPublic(b.Policy))}}, nil
}

// directory finds principals.
func (s *Service) directory() *identity.Directory {
	return &identity.Directory{DB: s.DB, Place: s.Place, Now: s.Now}
}

func noPolicy() error {
	return failure(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
}

func malformedPolicy(format string, args ...any) error {
	return failure(400, "MalformedPolicy", format, args...)
}

// checkPolicy refuses what cannot be the policy of a bucket, and statements that
// could have no effect there.
func (s *Service) checkPolicy(b cloud.Bucket, document string) error {
	if !strings.HasPrefix(document, "{") {
		return malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	if len(document) > maxPolicy {
		return malformedPolicy("Policy exceeds the maximum allowed document size of %d bytes", maxPolicy)
	}
	if _, err := policy.Parse(document, policy.ResourcePolicy); err != nil {
		if wrong, ok := errors.AsType[*policy.SyntaxError](err); ok {
			return malformedPolicy("%s", wrong.Error())
		}
		return err
	}
	var d struct {
		Statement some[struct {
			Action, NotAction, Resource, NotResource some[string]
		}]
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return malformedPolicy("This policy contains invalid Json")
	}
	for _, st := range d.Statement {
		for _, action := range append(st.Action, st.NotAction...) {
			if action != "*" && !strings.HasPrefix(strings.ToLower(action), "s3:") {
				return malformedPolicy("Policy has invalid action: %s", action)
			}
		}
		for _, resource := range append(st.Resource, st.NotResource...) {
			if !s.concerns(resource, b) {
				return malformedPolicy("Policy has invalid resource: %s", resource)
			}
		}
	}
	return nil
}

// concerns reports whether a pattern can name the bucket or what is in it.
func (s *Service) concerns(resource string, b cloud.Bucket) bool {
	if resource == "*" {
		return true
	}
	rest, ok := strings.CutPrefix(resource, s.arn(""))
	name, _, _ := strings.Cut(rest, "/")
	fits, err := path.Match(name, b.Name)
	return ok && fits && err == nil
}
