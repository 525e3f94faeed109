package s3

import (
	"context"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/internal/page"
)

// maxBuckets is how many buckets a page has at most.
const maxBuckets = 10_000

// ListBuckets lists the buckets of the caller's account, by name.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
func (s *Service) ListBuckets(ctx context.Context, in *api.ListBucketsRequest) (*api.ListBucketsOutput, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return nil, denied()
	}
	if err := s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "s3:ListAllMyBuckets"}); err != nil {
		return nil, err
	}
	limit := maxBuckets
	if in.MaxBuckets != nil {
		if limit = int(*in.MaxBuckets); limit < 1 || limit > maxBuckets {
			return nil, invalid("Argument max-buckets must be an integer between 1 and %d", maxBuckets)
		}
	}
	scope, after := page.Scope{"s3", "ListBuckets", caller.Account, val(in.Prefix)}, ""
	if in.ContinuationToken != nil {
		var ok bool
		if after, ok = page.Open(s.PageKey, scope, *in.ContinuationToken); !ok {
			return nil, invalid("The continuation token provided is incorrect")
		}
	}
	var found []cloud.Bucket
	for b := range bucketTable.Select(s.DB.View(), cloud.AccountLabel(caller.Account)) {
		if strings.HasPrefix(b.Name, val(in.Prefix)) && b.Name > after && (in.BucketRegion == nil || *in.BucketRegion == s.Place.Region) {
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(a, b cloud.Bucket) int { return strings.Compare(a.Name, b.Name) })
	out := &api.ListBucketsOutput{Owner: s.ownerOf(caller.Account), Prefix: in.Prefix, Buckets: []api.Bucket{}}
	if len(found) > limit {
		found = found[:limit]
		out.ContinuationToken = new(page.Seal(s.PageKey, scope, found[limit-1].Name))
	}
	for _, b := range found {
		out.Buckets = append(out.Buckets, api.Bucket{Name: &b.Name, BucketArn: new(s.arn(b.Name)), BucketRegion: &s.Place.Region, CreationDate: &b.Created})
	}
	return out, nil
}
