package s3

import (
	"context"
	"maps"
	"net/http"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	control "github.com/vauban-cloud/vauban/awsapi/s3control"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Control is what this cloud has of the API S3 Control: the tags of buckets by ARN, and
// what the buckets of an account may not have public. Its exported methods are exactly
// the operations that it supports.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html
type Control struct{ s *Service }

// NewControl returns the API S3 Control of the same buckets.
func NewControl(s *Service) *Control { return &Control{s} }

// ListTagsForResource tells the tags of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListTagsForResource.html
func (c *Control) ListTagsForResource(ctx context.Context, in *control.ListTagsForResourceRequest) (*control.ListTagsForResourceResult, error) {
	b, err := c.bucket(ctx, "ListTagsForResource", in.AccountId, *in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	out := &control.ListTagsForResourceResult{Tags: []control.Tag{}}
	for _, t := range shownTags(b.Tags) {
		out.Tags = append(out.Tags, control.Tag(t))
	}
	return out, nil
}

// TagResource adds tags to a bucket, and replaces those of the same keys.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_TagResource.html
func (c *Control) TagResource(ctx context.Context, in *control.TagResourceRequest) (*control.TagResourceResult, error) {
	k, given := keys{}, []api.Tag{}
	for _, t := range in.Tags {
		given = append(given, api.Tag(t))
		k["aws:RequestTag/"+val(t.Key)] = []string{val(t.Value)}
		k["aws:TagKeys"] = append(k["aws:TagKeys"], val(t.Key))
	}
	b, err := c.bucket(ctx, "TagResource", in.AccountId, *in.ResourceArn, k)
	if err != nil {
		return nil, err
	}
	tags, err := checkTags(given, maxBucketTags)
	if err != nil {
		return nil, err
	}
	err = c.s.modify(ctx, b, func(b *cloud.Bucket) error {
		all := maps.Clone(b.Tags)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, tags)
		if len(all) > maxBucketTags {
			return failure(http.StatusBadRequest, "BadRequest", "Bucket tag count cannot be greater than %d", maxBucketTags)
		}
		b.Tags = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &control.TagResourceResult{}, nil
}

// UntagResource takes tags from a bucket, if it has them.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_UntagResource.html
func (c *Control) UntagResource(ctx context.Context, in *control.UntagResourceRequest) (*control.UntagResourceResult, error) {
	b, err := c.bucket(ctx, "UntagResource", in.AccountId, *in.ResourceArn, keys{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	err = c.s.modify(ctx, b, func(b *cloud.Bucket) error {
		b.Tags = maps.Clone(b.Tags)
		for _, key := range in.TagKeys {
			delete(b.Tags, key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &control.UntagResourceResult{}, nil
}

// bucket is the authorisation of an action on the tags of a bucket, named by its ARN.
func (c *Control) bucket(ctx context.Context, action string, account *string, arn string, k keys) (cloud.Bucket, error) {
	name, ok := strings.CutPrefix(arn, c.s.arn(""))
	if !ok || strings.Contains(name, "/") {
		return cloud.Bucket{}, invalidRequest("The tags of %s cannot be reached here: name a bucket, as %s", arn, c.s.arn("BUCKET"))
	}
	b, err := c.s.allowBucket(ctx, action, &name, account, k)
	if err == nil && cloud.CallerFrom(ctx).Account != b.Account {
		return b, denied()
	}
	return b, err
}

// GetPublicAccessBlock tells what no bucket of the account may have public.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html
func (c *Control) GetPublicAccessBlock(ctx context.Context, in *control.GetPublicAccessBlockRequest) (*control.GetPublicAccessBlockOutput, error) {
	account, err := c.allow(ctx, "GetAccountPublicAccessBlock", in.AccountId)
	if err != nil {
		return nil, err
	}
	a, _ := accountTable.Get(c.s.DB.View(), account)
	p := a.PublicAccess
	if p == nil {
		return nil, failure(http.StatusNotFound, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &control.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &control.PublicAccessBlockConfiguration{
		BlockPublicAcls: &p.BlockACLs, IgnorePublicAcls: &p.IgnoreACLs, BlockPublicPolicy: &p.BlockPolicy, RestrictPublicBuckets: &p.RestrictBuckets,
	}}, nil
}

// PutPublicAccessBlock says what no bucket of the account may have public, whatever its
// own setting.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_PutPublicAccessBlock.html
func (c *Control) PutPublicAccessBlock(ctx context.Context, in *control.PutPublicAccessBlockRequest) (*control.PutPublicAccessBlockOutput, error) {
	account, err := c.allow(ctx, "PutAccountPublicAccessBlock", in.AccountId)
	if err != nil {
		return nil, err
	}
	p := in.PublicAccessBlockConfiguration
	block := &cloud.PublicAccessBlock{
		BlockACLs: val(p.BlockPublicAcls), IgnoreACLs: val(p.IgnorePublicAcls),
		BlockPolicy: val(p.BlockPublicPolicy), RestrictBuckets: val(p.RestrictPublicBuckets),
	}
	return &control.PutPublicAccessBlockOutput{}, c.set(ctx, account, block)
}

// DeletePublicAccessBlock leaves it to each bucket of the account what it may have public.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_DeletePublicAccessBlock.html
func (c *Control) DeletePublicAccessBlock(ctx context.Context, in *control.DeletePublicAccessBlockRequest) (*control.DeletePublicAccessBlockOutput, error) {
	account, err := c.allow(ctx, "PutAccountPublicAccessBlock", in.AccountId)
	if err != nil {
		return nil, err
	}
	return &control.DeletePublicAccessBlockOutput{}, c.set(ctx, account, nil)
}

// allow is the authorisation of an action on the caller's account, which must be the
// one that the request names.
func (c *Control) allow(ctx context.Context, action string, account *string) (string, error) {
	caller := cloud.CallerFrom(ctx)
	if account == nil || *account != caller.Account {
		return "", denied()
	}
	return caller.Account, c.s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "s3:" + action})
}

func (c *Control) set(ctx context.Context, account string, block *cloud.PublicAccessBlock) error {
	return c.s.DB.Update(ctx, func(tx *store.Tx) error {
		return accountTable.Modify(tx, account, func(a *cloud.Account) error { a.PublicAccess = block; return nil })
	})
}
