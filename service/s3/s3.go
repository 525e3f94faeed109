// Package s3 implements the S3 API: https://docs.aws.amazon.com/AmazonS3/latest/API/.
//
// A bucket is a document of the store: its name, its owner, its configurations,
// its sealed key. What lies in it is kept by package object, under the bucket's ID,
// which is never used again; so are versioning and object lock. The two are changed
// one after the other, in an order that leaves nothing worse than an empty bucket
// without a name if the process ends in between.
//
// Every operation asks the one policy engine, with the bucket's policy, its access
// control list or the object's, and their owner; so do callers who did not sign. A
// bucket that does not exist is no secret, as with AWS; a key is one to who may
// not list the bucket. What is not implemented is refused, never ignored.
package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the S3 API. Its exported methods are exactly the operations that it
// supports. Fields are set once, before the first call.
type Service struct {
	DB      *store.Store
	Objects *object.Store // opened with Keys
	Keys    *Keys
	Authz   policy.Authorizer
	Place   cloud.Place
	Now     func() time.Time
	PageKey []byte // seals tokens of paged lists

	Destinations Destinations  // of notifications; nil: there are none
	LifecycleDay time.Duration // how long a day of lifecycles is; 0: 24 hours
}

// The tables that the operations work on.
var bucketTable store.Table[cloud.Bucket]

// keys are condition keys of a request.
type keys map[string][]string

// set adds a key whose value is a header or a parameter that the request has. k may be
// nil: most requests have none.
func (k keys) set(name string, value *string) keys {
	if value == nil {
		return k
	}
	if k == nil {
		k = keys{}
	}
	k[name] = []string{*value}
	return k
}

// find returns a bucket by its name.
func find(r store.Reader, name *string) (cloud.Bucket, error) {
	id, ok := store.Owner(r, cloud.BucketNames, val(name))
	if ok {
		if b, ok := bucketTable.Get(r, id); ok {
			return b, nil
		}
	}
	return cloud.Bucket{}, noBucket()
}

// allowBucket is the authorisation of an operation on a bucket: it returns the
// bucket if it exists, its owner is the expected one, and the policies let the caller
// do action (e.g. "ListBucket").
func (s *Service) allowBucket(ctx context.Context, action string, name, owner *string, k keys) (cloud.Bucket, error) {
	return s.allowObject(ctx, action, name, owner, "", k)
}

// allowObject is allowBucket for an operation on an object, whose key is not empty.
func (s *Service) allowObject(ctx context.Context, action string, name, owner *string, key string, k keys) (cloud.Bucket, error) {
	b, err := find(s.DB.View(), name)
	if err != nil {
		return b, err
	}
	return b, s.allowIn(ctx, action, b, owner, key, k)
}

// allowIn is allowObject, or for an empty key allowBucket, in a bucket that was found.
func (s *Service) allowIn(ctx context.Context, action string, b cloud.Bucket, owner *string, key string, k keys) error {
	return s.allowSeen(ctx, action, b, owner, key, k, object.Attributes{})
}

// allowSeen is allowIn for an object whose attributes were seen, with its access
// control list. Who did not sign learns of no policy.
func (s *Service) allowSeen(ctx context.Context, action string, b cloud.Bucket, owner *string, key string, k keys, a object.Attributes) error {
	return s.ask(ctx, action, b, owner, k, s.resource(cloud.CallerFrom(ctx), action, b, key, a))
}

// allowOwn is allowIn for what is the caller's own in a bucket, whoever owns that: the
// bucket's policy can only deny it. Who did not sign has what the bucket's list lets
// them write.
func (s *Service) allowOwn(ctx context.Context, action string, b cloud.Bucket, owner *string, key string, k keys) error {
	caller, block := cloud.CallerFrom(ctx), s.block(b)
	r := s.resource(caller, action, b, key, object.Attributes{})
	switch {
	case caller.Account != "":
		r.Owner = caller.Account
		r.Policy.DenyOnly = r.Policy.Document != "" && r.Owner != b.Account
	case !enforced(b) && !restricted(caller, b, block):
		write := map[string][]string{api.PermissionWRITE: {"s3:" + action}, api.PermissionFULLCONTROL: {"s3:" + action}}
		r.ACL = attachedACL(caller, "ACL of bucket "+b.Name, bucketACL(b), write, block.IgnoreACLs)
	}
	return s.ask(ctx, action, b, owner, k, r)
}

// ask has the policies decide, if the bucket's owner is the expected one.
func (s *Service) ask(ctx context.Context, action string, b cloud.Bucket, owner *string, k keys, r policy.Resource) error {
	caller := cloud.CallerFrom(ctx)
	if err := checkOwner(owner, b.Account); err != nil {
		return err
	}
	err := s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "s3:" + action, Keys: k, Resources: []policy.Resource{r}})
	if refused, ok := errors.AsType[*cloud.Error](err); ok && caller.Account == "" && refused.Status == http.StatusForbidden {
		return denied()
	}
	return err
}

// checkOwner refuses a bucket whose owner is another account than the expected one.
func checkOwner(expected *string, account string) error {
	if expected == nil || *expected == account {
		return nil
	}
	if _, digits := number(*expected); !digits || len(*expected) != len(account) {
		return failure(http.StatusBadRequest, "InvalidBucketOwnerAWSAccountID", "The value of the expected bucket owner parameter must be an AWS Account ID... [%s]", *expected)
	}
	return denied()
}

// resource is a bucket, or an object in it, as policies see it. Some actions on an
// object are its own owner's to allow; the bucket's can still deny them.
func (s *Service) resource(caller cloud.Caller, action string, b cloud.Bucket, key string, a object.Attributes) policy.Resource {
	r := policy.Resource{ARN: s.arn(b.Name), Owner: b.Account}
	if key != "" {
		r.ARN += "/" + key
	}
	if enforced(b) && b.Policy == "" { // most: its owner's alone
		return r
	}
	l, name, actions := bucketACL(b), "ACL of bucket "+b.Name, granted.bucket
	if slices.Contains(ofObject, "s3:"+action) {
		l, name, actions = objectACL(b, a), "ACL of object "+b.Name+"/"+key, granted.object
		r.Owner = l.Owner
	}
	block := s.block(b)
	if b.Policy != "" && !outruled(caller, action, b, block) {
		r.Policy = policy.Attached{Name: "policy of bucket " + b.Name, Document: b.Policy, Kind: policy.ResourcePolicy, DenyOnly: r.Owner != b.Account}
	}
	if !enforced(b) && !restricted(caller, b, block) {
		r.ACL = attachedACL(caller, name, l, actions, block.IgnoreACLs)
	}
	return r
}

// restricted reports whether a bucket is closed to all other accounts, and to callers
// of none, because its policy is public and that is not to count.
func restricted(caller cloud.Caller, b cloud.Bucket, block cloud.PublicAccessBlock) bool {
	return caller.Account != b.Account && block.RestrictBuckets && isPublic(b.Policy)
}

// outruled reports whether a bucket's policy says nothing to a caller: a public one
// that is restricted says nothing to other accounts; and no policy keeps the root of
// the bucket's account from the policy itself, or nobody could ever mend it.
func outruled(caller cloud.Caller, action string, b cloud.Bucket, block cloud.PublicAccessBlock) bool {
	if caller.Account != b.Account {
		return restricted(caller, b, block)
	}
	switch action {
	case "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy":
		return caller.Type == cloud.PrincipalRoot
	}
	return false
}

// noKey is the error for a key that is not there: only who may list the bucket
// learns that it is not.
func (s *Service) noKey(ctx context.Context, b cloud.Bucket, key string) error {
	if !s.mayList(ctx, b, nil, key) {
		return denied()
	}
	return noKey()
}

// mayList reports whether the caller may list a key of a bucket.
func (s *Service) mayList(ctx context.Context, b cloud.Bucket, owner *string, key string) bool {
	return s.allowIn(ctx, "ListBucket", b, owner, "", keys{"s3:prefix": {key}}) == nil
}

// arn is the name of a bucket, or of an object as BUCKET/KEY.
func (s *Service) arn(resource string) string { return s.Place.GlobalARN("s3", "", resource) }

// modify changes the document of a bucket that was found, unless it is gone by now.
func (s *Service) modify(ctx context.Context, b cloud.Bucket, change func(*cloud.Bucket) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, ok := bucketTable.Get(tx, b.ID); !ok {
			return noBucket()
		}
		return bucketTable.Modify(tx, b.ID, change)
	})
}

// val returns what p points to, the zero value for nil: an absent parameter.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// opt returns a pointer to v, nil for the zero value: an absent member.
func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return new(v)
}
