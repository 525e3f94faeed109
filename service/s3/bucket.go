package s3

import (
	"context"
	"errors"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// CreateBucket makes an empty bucket. Nobody but its owner may do anything with it,
// and no policy can make it public, until the owner says otherwise.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func (s *Service) CreateBucket(ctx context.Context, in *api.CreateBucketRequest) (*api.CreateBucketOutput, error) {
	if err := s.allowCreate(ctx, in); err != nil {
		return nil, err
	}
	tags, err := s.checkCreate(in)
	if err != nil {
		return nil, err
	}
	name := *in.Bucket
	ownership := api.ObjectOwnershipBucketOwnerEnforced
	if in.ObjectOwnership != nil {
		ownership = *in.ObjectOwnership
	}
	b := cloud.Bucket{
		Meta: cloud.Meta{ID: cloud.NewID("b"), Account: cloud.CallerFrom(ctx).Account, Created: s.Now().UTC(), Tags: tags},
		Name: name, Ownership: ownership,
		PublicAccess: &cloud.PublicAccessBlock{BlockACLs: true, IgnoreACLs: true, BlockPolicy: true, RestrictBuckets: true},
	}
	if b.ACL, err = s.firstACL(in, b); err != nil {
		return nil, err
	}
	if err := s.free(s.DB.View(), b); err != nil {
		return nil, err
	}
	b.Sealed = s.Keys.fresh(b)
	// Nobody knows the ID before the name is claimed. If that fails, what was made is
	// an empty bucket without a name.
	if err := s.prepare(ctx, b.ID, val(in.ObjectLockEnabledForBucket)); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := s.free(tx, b); err != nil {
			return err
		}
		if err := tx.Claim(cloud.BucketNames, name, b.ID); err != nil {
			return err
		}
		return bucketTable.Create(tx, b)
	})
	if err != nil && !errors.Is(err, store.ErrUnknown) {
		err = errors.Join(err, s.Objects.DeleteBucket(context.WithoutCancel(ctx), b.ID))
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateBucketOutput{Location: new("/" + name), BucketArn: new(s.arn(name))}, nil
}

// allowCreate is the authorisation of CreateBucket, which also asks for the
// permissions of what it does besides.
func (s *Service) allowCreate(ctx context.Context, in *api.CreateBucketRequest) error {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return denied()
	}
	acl := wantedACL(in)
	k := acl.keys().set("s3:x-amz-object-ownership", in.ObjectOwnership)
	actions := []string{"CreateBucket"}
	if c := in.CreateBucketConfiguration; c != nil {
		k.set("s3:LocationConstraint", c.LocationConstraint)
		for _, t := range c.Tags {
			k["aws:RequestTag/"+val(t.Key)] = []string{val(t.Value)}
			k["aws:TagKeys"] = append(k["aws:TagKeys"], val(t.Key))
		}
		if len(c.Tags) > 0 {
			actions = append(actions, "TagResource")
		}
	}
	if val(in.ACL) != "" && *in.ACL != api.BucketCannedACLPrivate || acl.byHeader() {
		actions = append(actions, "PutBucketAcl")
	}
	if in.ObjectOwnership != nil {
		actions = append(actions, "PutBucketOwnershipControls")
	}
	if val(in.ObjectLockEnabledForBucket) {
		actions = append(actions, "PutBucketVersioning", "PutBucketObjectLockConfiguration")
	}
	for _, action := range actions {
		err := s.Authz.Authorize(ctx, policy.Request{
			Caller: caller, Action: "s3:" + action, Keys: k,
			Resources: []policy.Resource{{ARN: s.arn(val(in.Bucket)), Owner: caller.Account}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkCreate refuses what cannot be made, and returns the tags.
func (s *Service) checkCreate(in *api.CreateBucketRequest) (map[string]string, error) {
	if !validName(val(in.Bucket)) {
		return nil, badName()
	}
	if in.ObjectOwnership != nil {
		if err := checkOwnership(*in.ObjectOwnership); err != nil {
			return nil, err
		}
	}
	if in.BucketNamespace != nil && *in.BucketNamespace != api.BucketNamespaceGlobal {
		return nil, notImplemented("a bucket namespace of an account")
	}
	c := in.CreateBucketConfiguration
	if c == nil {
		return nil, nil
	}
	switch {
	case c.Bucket != nil || c.Location != nil:
		return nil, notImplemented("directory buckets")
	case val(c.LocationConstraint) != "" && *c.LocationConstraint != s.Place.Region:
		return nil, failure(400, "InvalidLocationConstraint", "The specified location-constraint is not valid: this cloud's region is %s", s.Place.Region)
	}
	return checkTags(c.Tags, maxBucketTags)
}

// wantedACL is the access control list that a new bucket is to have.
func wantedACL(in *api.CreateBucketRequest) grantees {
	return grantees{canned: in.ACL, bucket: true, grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP, in.GrantWrite}}
}

// firstACL is the access control list of a new bucket, nil for the owner's alone. It
// cannot be public, because that is blocked from the start.
func (s *Service) firstACL(in *api.CreateBucketRequest, b cloud.Bucket) (*cloud.ACL, error) {
	wanted := wantedACL(in)
	if wanted.canned == nil && !wanted.byHeader() {
		return nil, nil
	}
	if enforced(b) {
		if wanted.byHeader() || val(wanted.canned) != api.BucketCannedACLPrivate {
			return nil, aclWithOwnership()
		}
		return nil, nil
	}
	l, err := s.list(wanted, b.Account, b)
	switch {
	case err != nil:
		return nil, err
	case isPublicACL(l):
		return nil, failure(400, "InvalidBucketAclWithBlockPublicAccessError", "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
	}
	return &l, nil
}

// free refuses a name that is taken.
func (s *Service) free(r store.Reader, b cloud.Bucket) error {
	other, err := find(r, &b.Name)
	switch {
	case err != nil:
		return nil //nolint:nilerr // there is none
	case other.Account == b.Account:
		return failure(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
	}
	return failure(409, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
}

// prepare makes the bucket of package object.
func (s *Service) prepare(ctx context.Context, id string, lock bool) error {
	err := s.Objects.CreateBucket(ctx, id)
	if err != nil || !lock {
		return err
	}
	if err = s.Objects.SetVersioning(ctx, id, object.Enabled); err == nil {
		err = s.Objects.EnableLock(ctx, id)
	}
	if err != nil {
		err = errors.Join(err, s.Objects.DeleteBucket(context.WithoutCancel(ctx), id))
	}
	return err
}

// HeadBucket tells whether a bucket is there, and the caller may list it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
func (s *Service) HeadBucket(ctx context.Context, in *api.HeadBucketRequest) (*api.HeadBucketOutput, error) {
	b, err := s.allowBucket(ctx, "ListBucket", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	return &api.HeadBucketOutput{BucketArn: new(s.arn(b.Name)), BucketRegion: &s.Place.Region, AccessPointAlias: new(false)}, nil
}

// DeleteBucket removes an empty bucket, and its key. Its name is free at once.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
func (s *Service) DeleteBucket(ctx context.Context, in *api.DeleteBucketRequest) (*api.DeleteBucketOutput, error) {
	b, err := s.allowBucket(ctx, "DeleteBucket", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	// If the process ended between the two, the bucket is gone for every operation
	// but this one.
	err = s.Objects.DeleteBucket(ctx, b.ID)
	if info, _ := s.Objects.Bucket(ctx, b.ID); errors.Is(err, object.ErrNotEmpty) && info.Versioning != object.Unversioned { // gone: unversioned
		return nil, failure(409, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
	}
	if err != nil && !errors.Is(err, object.ErrNoBucket) {
		return nil, expressed(err)
	}
	err = s.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if _, ok := bucketTable.Get(tx, b.ID); !ok {
			return noBucket()
		}
		tx.ReleaseAll(b.ID)
		return bucketTable.Delete(tx, b.ID)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteBucketOutput{}, nil
}
