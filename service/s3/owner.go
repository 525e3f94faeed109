package s3

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// ownerOf is an account as the API names owners: by a canonical user ID, which does
// not tell the account's number.
func (s *Service) ownerOf(account string) *api.Owner {
	return &api.Owner{ID: new(CanonicalID(s.PageKey, account))}
}

// CanonicalID is the canonical user ID of an account where the services have that key.
func CanonicalID(pageKey []byte, account string) string {
	mac := hmac.New(sha256.New, pageKey)
	mac.Write([]byte("canonical user/" + account))
	return hex.EncodeToString(mac.Sum(nil))
}

// GetBucketAcl tells that the owner may do everything: ACLs are disabled.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html
func (s *Service) GetBucketAcl(ctx context.Context, in *api.GetBucketAclRequest) (*api.GetBucketAclOutput, error) { //nolint:revive // named by the API
	b, err := s.allowBucket(ctx, "GetBucketAcl", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	o := s.ownerOf(b.Account)
	return &api.GetBucketAclOutput{Owner: o, Grants: fullControl(o)}, nil
}

// fullControl are the grants of what belongs to an owner.
func fullControl(o *api.Owner) []api.Grant {
	return []api.Grant{{Grantee: &api.Grantee{Type: new(api.TypeCanonicalUser), ID: o.ID}, Permission: new(api.PermissionFULLCONTROL)}}
}

// GetBucketOwnershipControls tells that objects belong to the bucket's owner.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html
func (s *Service) GetBucketOwnershipControls(ctx context.Context, in *api.GetBucketOwnershipControlsRequest) (*api.GetBucketOwnershipControlsOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketOwnershipControls", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	return &api.GetBucketOwnershipControlsOutput{OwnershipControls: &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: &b.Ownership}}}}, nil
}

// PutBucketOwnershipControls keeps ACLs disabled. Other ownership is refused: the
// cloud has no ACLs.
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
	if err := checkOwnership(ownership); err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Ownership = ownership; return nil }); err != nil {
		return nil, err
	}
	return &api.PutBucketOwnershipControlsOutput{}, nil
}

// checkOwnership refuses what a bucket's objects cannot be: of anybody but its owner.
func checkOwnership(ownership string) error {
	switch ownership {
	case api.ObjectOwnershipBucketOwnerEnforced:
		return nil
	case api.ObjectOwnershipBucketOwnerPreferred, api.ObjectOwnershipObjectWriter:
		return notImplemented("object ownership other than BucketOwnerEnforced")
	}
	return invalid("Invalid object ownership: %s", ownership)
}
