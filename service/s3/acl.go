package s3

import (
	"encoding/json"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/policy"
)

// aclName is where the engine keeps the access control list of an object, as JSON;
// without one, the object is its bucket's owner's alone.
const aclName = "acl"

// granted are the actions that permissions of ACLs stand for:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping
var granted = struct{ bucket, object map[string][]string }{ //nolint:gochecknoglobals // never changed
	bucket: map[string][]string{
		api.PermissionREAD:     {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"},
		api.PermissionWRITE:    {"s3:PutObject"},
		api.PermissionREADACP:  {"s3:GetBucketAcl"},
		api.PermissionWRITEACP: {"s3:PutBucketAcl"},
		api.PermissionFULLCONTROL: {
			"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:PutObject", "s3:GetBucketAcl", "s3:PutBucketAcl",
		},
	},
	object: map[string][]string{
		api.PermissionREAD:     {"s3:GetObject", "s3:GetObjectVersion"},
		api.PermissionREADACP:  {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
		api.PermissionWRITEACP: {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
		api.PermissionFULLCONTROL: {
			"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:GetObjectVersionAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl",
		},
	},
}

// ofObject are the actions on an object that are its owner's to allow, and not the
// bucket's.
var ofObject = granted.object[api.PermissionFULLCONTROL] //nolint:gochecknoglobals // never changed

// enforced reports whether ACLs are disabled in a bucket.
func enforced(b cloud.Bucket) bool { return b.Ownership == api.ObjectOwnershipBucketOwnerEnforced }

// bucketACL is the access control list of a bucket.
func bucketACL(b cloud.Bucket) cloud.ACL {
	if b.ACL == nil || enforced(b) {
		return ownersAlone(b.Account)
	}
	return *b.ACL
}

// objectACL is the access control list of an object in a bucket.
func objectACL(b cloud.Bucket, a object.Attributes) cloud.ACL {
	var l cloud.ACL
	if text := a.System[aclName]; text == "" || enforced(b) || json.Unmarshal([]byte(text), &l) != nil {
		return ownersAlone(b.Account)
	}
	return l
}

// ownersAlone is the list of what only its owner may use.
func ownersAlone(account string) cloud.ACL {
	return cloud.ACL{Owner: account, Grants: []cloud.ACLGrant{{Account: account, Permission: api.PermissionFULLCONTROL}}}
}

// isPublicACL reports whether a list grants anything to everybody.
func isPublicACL(l cloud.ACL) bool { return slices.ContainsFunc(l.Grants, cloud.ACLGrant.Public) }

// attachedACL is what a list grants, as a policy. It leaves out what the owner has
// anyway; grants to everybody where they are ignored; and to all who sign, if nobody
// did.
func attachedACL(caller cloud.Caller, name string, l cloud.ACL, actions map[string][]string, ignorePublic bool) policy.Attached {
	var statements []string
	for _, g := range l.Grants {
		var who string
		switch {
		case g.Public() && ignorePublic, g.Account == l.Owner && g.Group == "":
			continue
		case g.Group == cloud.GroupAllUsers:
			who = `"*"`
		case g.Group == cloud.GroupAuthenticated && caller.Account != "":
			who = `{"AWS":"*"}`
		case g.Account != "":
			who = `{"AWS":"` + g.Account + `"}`
		}
		if may := actions[g.Permission]; who != "" && len(may) > 0 {
			statements = append(statements, `{"Effect":"Allow","Principal":`+who+`,"Action":["`+strings.Join(may, `","`)+`"],"Resource":"*"}`)
		}
	}
	if statements == nil {
		return policy.Attached{}
	}
	return policy.Attached{
		Name: name, Kind: policy.AccessControlList,
		Document: `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`,
	}
}

// ownership is whom a new object belongs to, and its list; nil where ACLs are disabled.
// An object that nobody signed for is the bucket's owner's.
func (s *Service) ownership(caller cloud.Caller, b cloud.Bucket, h *headers) (string, *cloud.ACL, error) {
	asked := grantees{canned: h.acl, grants: h.grants}
	if enforced(b) {
		return b.Account, nil, asked.refuseDisabled()
	}
	owner := caller.Account
	full := val(h.acl) == api.ObjectCannedACLBucketOwnerFullControl
	if owner == "" || full && b.Ownership == api.ObjectOwnershipBucketOwnerPreferred {
		owner = b.Account
	}
	l, err := s.list(asked, owner, b)
	if err != nil {
		return "", nil, err
	}
	return owner, &l, s.refusePublic(caller, b, l, "PutObject")
}

// refusePublic refuses a list that is public where that is blocked.
func (s *Service) refusePublic(caller cloud.Caller, b cloud.Bucket, l cloud.ACL, action string) error {
	if !isPublicACL(l) || !s.block(b).BlockACLs {
		return nil
	}
	who := caller.ARN
	if who == "" {
		who = "anonymous"
	}
	return failure(403, "AccessDenied", "User: %s is not authorized to perform: s3:%s on resource: %s because public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
		who, action, s.arn(b.Name))
}

// keep puts a list among what the engine keeps of an object.
func keepACL(a *object.Attributes, l *cloud.ACL) error {
	if l == nil {
		return nil
	}
	text, err := json.Marshal(l)
	a.System = with(a.System, aclName, string(text))
	return err
}

// ownerOfObject is whom an object belongs to that has an owner in the engine.
func ownerOfObject(b cloud.Bucket, owner string) string {
	if owner == "" || enforced(b) {
		return b.Account
	}
	return owner
}
