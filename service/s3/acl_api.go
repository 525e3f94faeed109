package s3

import (
	"context"
	"net/http"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// GetBucketAcl tells the access control list of a bucket; where ACLs are disabled, that
// the owner may do everything.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html
func (s *Service) GetBucketAcl(ctx context.Context, in *api.GetBucketAclRequest) (*api.GetBucketAclOutput, error) { //nolint:revive // named by the API
	b, err := s.allowBucket(ctx, "GetBucketAcl", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	l := bucketACL(b)
	return &api.GetBucketAclOutput{Owner: s.ownerOf(l.Owner), Grants: s.shownGrants(l)}, nil
}

// PutBucketAcl replaces the access control list of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
func (s *Service) PutBucketAcl(ctx context.Context, in *api.PutBucketAclRequest) (*api.PutBucketAclOutput, error) { //nolint:revive // named by the API
	asked := grantees{
		canned: in.ACL, body: in.AccessControlPolicy, bucket: true,
		grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP, in.GrantWrite},
	}
	b, err := s.allowBucket(ctx, "PutBucketAcl", in.Bucket, in.ExpectedBucketOwner, asked.keys())
	if err != nil {
		return nil, err
	}
	l, err := s.replaced(asked, b.Account, b)
	if err != nil {
		return nil, err
	}
	err = s.modify(ctx, b, func(b *cloud.Bucket) error {
		if enforced(*b) && !isOwners(l, b.Account) {
			return aclNotSupported()
		}
		b.ACL = &l
		return s.refusePublic(cloud.CallerFrom(ctx), *b, l, "PutBucketAcl")
	})
	if err != nil {
		return nil, err
	}
	return &api.PutBucketAclOutput{}, nil
}

// GetObjectAcl tells the access control list of an object; where ACLs are disabled, that
// the bucket's owner may do everything.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html
func (s *Service) GetObjectAcl(ctx context.Context, in *api.GetObjectAclRequest) (*api.GetObjectAclOutput, error) { //nolint:revive // named by the API
	b, info, err := s.look(ctx, &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId}, "GetObjectAcl")
	if err != nil {
		return nil, err
	}
	l := objectACL(b, info.Attributes)
	return &api.GetObjectAclOutput{Owner: s.ownerOf(l.Owner), Grants: s.shownGrants(l)}, nil
}

// PutObjectAcl replaces the access control list of an object.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html
func (s *Service) PutObjectAcl(ctx context.Context, in *api.PutObjectAclRequest) (*api.PutObjectAclOutput, error) { //nolint:revive // named by the API
	asked := grantees{
		canned: in.ACL, body: in.AccessControlPolicy,
		grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP, in.GrantWrite},
	}
	a := &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, keys: asked.keys()}
	_, _, err := s.change(ctx, a, "PutObjectAcl", func(b cloud.Bucket, to *object.Attributes) error {
		l, err := s.replaced(asked, objectACL(b, *to).Owner, b)
		if err == nil {
			err = s.refusePublic(cloud.CallerFrom(ctx), b, l, "PutObjectAcl")
		}
		if err != nil {
			return err
		}
		return keepACL(to, &l)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutObjectAclOutput{}, nil
}

// replaced is the list that a request to replace one asks for.
func (s *Service) replaced(asked grantees, owner string, b cloud.Bucket) (cloud.ACL, error) {
	switch {
	case enforced(b) && asked.body == nil:
		return cloud.ACL{}, aclNotSupported()
	case asked.canned == nil && asked.body == nil && !asked.byHeader():
		return cloud.ACL{}, failure(http.StatusBadRequest, "MissingSecurityHeader", "Your request was missing a required header")
	}
	l, err := s.list(asked, owner, b)
	if err == nil && enforced(b) && !isOwners(l, b.Account) {
		err = aclNotSupported()
	}
	return l, err
}

// isOwners reports whether a list lets the account do everything, and nobody else
// anything: that may be asked for where ACLs are disabled, since it is so.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
func isOwners(l cloud.ACL, account string) bool {
	return l.Owner == account && slices.Equal(l.Grants, ownersAlone(account).Grants)
}

// keys are the condition keys of a request for a list.
func (g grantees) keys() keys {
	k := keys{}.set("s3:x-amz-acl", g.canned)
	for i, header := range g.grants {
		k.set(grantKeys[i], header)
	}
	return k
}

// grantKeys are the keys of the headers for grants.
var grantKeys = []string{ //nolint:gochecknoglobals // never changed
	"s3:x-amz-grant-full-control", "s3:x-amz-grant-read", "s3:x-amz-grant-read-acp", "s3:x-amz-grant-write-acp", "s3:x-amz-grant-write",
}

// GetBucketOwnershipControls tells whose the objects in a bucket are.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html
func (s *Service) GetBucketOwnershipControls(ctx context.Context, in *api.GetBucketOwnershipControlsRequest) (*api.GetBucketOwnershipControlsOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketOwnershipControls", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if b.Ownership == "" {
		return nil, failure(http.StatusNotFound, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: &b.Ownership}}}}, nil
}

// PutBucketOwnershipControls says whose the objects in a bucket are, and whether ACLs
// count. It is refused to disable ACLs while the bucket's grants anything to others.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html
func (s *Service) PutBucketOwnershipControls(ctx context.Context, in *api.PutBucketOwnershipControlsRequest) (*api.PutBucketOwnershipControlsOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketOwnershipControls", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.OwnershipControls == nil || len(in.OwnershipControls.Rules) != 1 {
		return nil, malformedXML()
	}
	ownership := val(in.OwnershipControls.Rules[0].ObjectOwnership)
	if checkOwnership(ownership) != nil {
		return nil, malformedXML()
	}
	err = s.modify(ctx, b, func(b *cloud.Bucket) error {
		for _, g := range bucketACL(*b).Grants {
			if g.Account != b.Account && ownership == api.ObjectOwnershipBucketOwnerEnforced {
				return aclWithOwnership()
			}
		}
		b.Ownership = ownership
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutBucketOwnershipControlsOutput{}, nil
}

// DeleteBucketOwnershipControls makes objects belong to who puts them, and ACLs count.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html
func (s *Service) DeleteBucketOwnershipControls(ctx context.Context, in *api.DeleteBucketOwnershipControlsRequest) (*api.DeleteBucketOwnershipControlsOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketOwnershipControls", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Ownership = ""; return nil }); err != nil {
		return nil, err
	}
	return &api.DeleteBucketOwnershipControlsOutput{}, nil
}

func checkOwnership(ownership string) error {
	switch ownership {
	case api.ObjectOwnershipBucketOwnerEnforced, api.ObjectOwnershipBucketOwnerPreferred, api.ObjectOwnershipObjectWriter:
		return nil
	}
	return invalid("Invalid object ownership: %s", ownership)
}

func aclWithOwnership() error {
	return failure(http.StatusBadRequest, "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
}

// block is what may not be made public of a bucket, by its own setting or by that of
// its owner's account.
func (s *Service) block(b cloud.Bucket) cloud.PublicAccessBlock { return blocked(s.DB.View(), b) }

func blocked(r store.Reader, b cloud.Bucket) cloud.PublicAccessBlock {
	account, _ := accountTable.Get(r, b.Account)
	return b.PublicAccess.And(account.PublicAccess)
}
