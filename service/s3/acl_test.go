package s3

import (
	"context"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// listed makes a bucket of alice's in which ACLs count, of an ownership, with nothing
// blocked.
func (r *rig) listed(name, ownership string) *string {
	r.Helper()
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: &name, ObjectOwnership: &ownership}))(r)
	must(r.DeletePublicAccessBlock(r.ctx, &api.DeletePublicAccessBlockRequest{Bucket: &name}))(r)
	return &name
}

// offer puts an object as somebody.
func (r *rig) offer(ctx context.Context, bucket *string, key string, acl *string) error {
	return second(r.PutObject(ctx, &api.PutObjectRequest{Bucket: bucket, Key: &key, ACL: acl, Body: strings.NewReader("hello")}))
}

func (r *rig) readBy(ctx context.Context, bucket *string, key string) error {
	out, err := r.GetObject(ctx, &api.GetObjectRequest{Bucket: bucket, Key: &key})
	if err == nil {
		err = out.Body.(interface{ Close() error }).Close()
	}
	return err
}

// grantsOf writes the grants of a list as "alice:FULL_CONTROL AllUsers:READ".
func (r *rig) grantsOf(grants []api.Grant) string {
	names := map[string]string{*r.ownerOf(alice).ID: "alice", *r.ownerOf(bob).ID: "bob"}
	var list []string
	for _, g := range grants {
		who := names[val(g.Grantee.ID)]
		if g.Grantee.URI != nil {
			who = (*g.Grantee.URI)[strings.LastIndexByte(*g.Grantee.URI, '/')+1:]
		}
		list = append(list, who+":"+*g.Permission)
	}
	return strings.Join(list, " ")
}

func TestBucketACL(t *testing.T) {
	r := newRig(t)
	one := r.listed("one", "BucketOwnerPreferred")
	group := func(uri string) *api.Grantee { return &api.Grantee{Type: new("Group"), URI: &uri} }
	body := func(owner string, grants ...api.Grant) *api.AccessControlPolicy {
		return &api.AccessControlPolicy{Owner: r.ownerOf(owner), Grants: grants}
	}
	bobs := &api.Grantee{Type: new("CanonicalUser"), ID: r.ownerOf(bob).ID}
	for name, c := range map[string]struct {
		in   api.PutBucketAclRequest
		code string
		want string
	}{
		"nothing":       {api.PutBucketAclRequest{}, "MissingSecurityHeader", ""},
		"private":       {api.PutBucketAclRequest{ACL: new("private")}, "", "alice:FULL_CONTROL"},
		"read":          {api.PutBucketAclRequest{ACL: new("public-read")}, "", "alice:FULL_CONTROL AllUsers:READ"},
		"write":         {api.PutBucketAclRequest{ACL: new("public-read-write")}, "", "alice:FULL_CONTROL AllUsers:READ AllUsers:WRITE"},
		"signed":        {api.PutBucketAclRequest{ACL: new("authenticated-read")}, "", "alice:FULL_CONTROL AuthenticatedUsers:READ"},
		"logs":          {api.PutBucketAclRequest{ACL: new("log-delivery-write")}, "", "alice:FULL_CONTROL LogDelivery:WRITE LogDelivery:READ_ACP"},
		"unknown":       {api.PutBucketAclRequest{ACL: new("open")}, "InvalidArgument", ""},
		"headers":       {api.PutBucketAclRequest{GrantRead: new(`id="` + *bobs.ID + `", uri=http://acs.amazonaws.com/groups/global/AllUsers`), GrantWrite: new("id=" + *bobs.ID)}, "", "bob:READ AllUsers:READ bob:WRITE"},
		"both":          {api.PutBucketAclRequest{ACL: new("private"), GrantRead: new("id=" + *bobs.ID)}, "InvalidRequest", ""},
		"bad header":    {api.PutBucketAclRequest{GrantRead: new("bob")}, "InvalidArgument", ""},
		"nobody":        {api.PutBucketAclRequest{GrantRead: new(`id="` + strings.Repeat("0", 64) + `"`)}, "InvalidArgument", ""},
		"email":         {api.PutBucketAclRequest{GrantRead: new(`emailAddress="a@example.com"`)}, "MethodNotAllowed", ""},
		"document":      {api.PutBucketAclRequest{AccessControlPolicy: body(alice, api.Grant{Grantee: bobs, Permission: new("READ_ACP")}, api.Grant{Grantee: group(groupPrefix + "s3/LogDelivery"), Permission: new("WRITE")})}, "", "bob:READ_ACP LogDelivery:WRITE"},
		"another owner": {api.PutBucketAclRequest{AccessControlPolicy: body(bob)}, "AccessDenied", ""},
		"no owner":      {api.PutBucketAclRequest{AccessControlPolicy: &api.AccessControlPolicy{}}, "MalformedACLError", ""},
		"bad group":     {api.PutBucketAclRequest{AccessControlPolicy: body(alice, api.Grant{Grantee: group(groupPrefix + "us"), Permission: new("READ")})}, "InvalidArgument", ""},
		"bad right":     {api.PutBucketAclRequest{AccessControlPolicy: body(alice, api.Grant{Grantee: bobs, Permission: new("ALL")})}, "MalformedACLError", ""},
		"body and name": {api.PutBucketAclRequest{ACL: new("private"), AccessControlPolicy: body(alice)}, "UnexpectedContent", ""},
	} {
		must(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, ACL: new("private")}))(t)
		c.in.Bucket = one
		want(t, name, second(r.PutBucketAcl(r.ctx, &c.in)), c.code)
		if c.code != "" {
			continue
		}
		got := must(r.GetBucketAcl(r.ctx, &api.GetBucketAclRequest{Bucket: one}))(t)
		if grants := r.grantsOf(got.Grants); grants != c.want || *got.Owner.ID != *r.ownerOf(alice).ID {
			t.Errorf("%s: the ACL is %s, want %s", name, grants, c.want)
		}
	}
}

// What the ACL of a bucket grants is what others may do with it.
func TestBucketACLDecides(t *testing.T) {
	r := newRig(t)
	one := r.listed("one", "ObjectWriter")
	anybody := t.Context()
	head := func(ctx context.Context) error {
		return second(r.HeadBucket(ctx, &api.HeadBucketRequest{Bucket: one}))
	}
	set := func(acl string) {
		t.Helper()
		must(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, ACL: &acl}))(t)
	}
	want(t, "nobody, private", head(anybody), "AccessDenied")
	want(t, "bob, private", head(r.bob), "AccessDenied")
	set("public-read")
	want(t, "nobody reads", head(anybody), "")
	want(t, "bob reads", head(r.bob), "")
	want(t, "a user of bob's without permission", head(r.user(bob, "dave", "")), "AccessDenied")
	want(t, "nobody writes", r.offer(anybody, one, "k", nil), "AccessDenied")
	want(t, "nobody reads the ACL", second(r.GetBucketAcl(anybody, &api.GetBucketAclRequest{Bucket: one})), "AccessDenied")
	set("authenticated-read")
	want(t, "nobody reads what who signs may", head(anybody), "AccessDenied")
	want(t, "bob reads what who signs may", head(r.bob), "")
	set("public-read-write")
	want(t, "nobody writes where all may", r.offer(anybody, one, "k", nil), "")
	want(t, "the owner reads what nobody wrote", r.readBy(r.ctx, one, "k"), "")
	want(t, "nobody reads it", r.readBy(anybody, one, "k"), "AccessDenied")

	block := func(c api.PublicAccessBlockConfiguration) {
		t.Helper()
		must(r.PutPublicAccessBlock(r.ctx, &api.PutPublicAccessBlockRequest{Bucket: one, PublicAccessBlockConfiguration: &c}))(t)
	}
	block(api.PublicAccessBlockConfiguration{IgnorePublicAcls: new(true)})
	want(t, "nobody, ignored", head(anybody), "AccessDenied")
	want(t, "bob, ignored", head(r.bob), "AccessDenied")
	block(api.PublicAccessBlockConfiguration{BlockPublicAcls: new(true)})
	want(t, "nobody, as it was", head(anybody), "")
	want(t, "a public ACL, blocked", second(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, ACL: new("public-read")})), "AccessDenied")
	want(t, "a public object, blocked", r.offer(r.ctx, one, "p", new("public-read")), "AccessDenied")
	want(t, "a grant, not blocked", second(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, GrantRead: new("id=" + *r.ownerOf(bob).ID)})), "")
	want(t, "bob by his account", head(r.bob), "")
	want(t, "nobody by bob's", head(anybody), "AccessDenied")
	deny := `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::one"}]}`
	must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: one, Policy: &deny}))(t)
	want(t, "bob, denied by policy", head(r.bob), "AccessDenied")

	own := &api.OwnershipControls{Rules: []api.OwnershipControlsRule{{ObjectOwnership: new("BucketOwnerEnforced")}}}
	put := func() error {
		return second(r.PutBucketOwnershipControls(r.ctx, &api.PutBucketOwnershipControlsRequest{Bucket: one, OwnershipControls: own}))
	}
	want(t, "disable ACLs that grant", put(), "InvalidBucketAclWithObjectOwnership")
	set("private")
	want(t, "disable ACLs", put(), "")
	want(t, "an ACL where they are disabled", second(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, ACL: new("private")})), "AccessControlListNotSupported")
	want(t, "an object's, where they are disabled", second(r.PutObjectAcl(r.ctx, &api.PutObjectAclRequest{Bucket: one, Key: new("k"), ACL: new("private")})), "AccessControlListNotSupported")
	owner := r.ownerOf(alice)
	body := &api.AccessControlPolicy{Owner: owner, Grants: []api.Grant{{Grantee: &api.Grantee{Type: new(api.TypeCanonicalUser), ID: owner.ID}, Permission: new(api.PermissionFULLCONTROL)}}}
	want(t, "the owner's list, where they are disabled", second(r.PutObjectAcl(r.ctx, &api.PutObjectAclRequest{Bucket: one, Key: new("k"), AccessControlPolicy: body})), "")
	want(t, "the owner's list of a bucket", second(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, AccessControlPolicy: body})), "")
	body.Grants[0].Permission = new(api.PermissionREAD)
	want(t, "less than the owner's list", second(r.PutObjectAcl(r.ctx, &api.PutObjectAclRequest{Bucket: one, Key: new("k"), AccessControlPolicy: body})), "AccessControlListNotSupported")
	want(t, "public where they are disabled", r.offer(r.ctx, one, "k", new("public-read")), "AccessControlListNotSupported")
	want(t, "with the owner's where they are disabled", r.offer(r.ctx, one, "k", new("bucket-owner-full-control")), "")
	must(r.DeleteBucketOwnershipControls(r.ctx, &api.DeleteBucketOwnershipControlsRequest{Bucket: one}))(t)
	want(t, "no controls", second(r.GetBucketOwnershipControls(r.ctx, &api.GetBucketOwnershipControlsRequest{Bucket: one})), "OwnershipControlsNotFoundError")
}

// Objects belong to who puts them, where the bucket says so.
func TestObjectOwnership(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		ownership  string
		acl        *string
		owner      string
		alice, bob string // who may read
	}{
		{"ObjectWriter", nil, bob, "AccessDenied", ""},
		{"ObjectWriter", new("bucket-owner-read"), bob, "", ""},
		{"ObjectWriter", new("bucket-owner-full-control"), bob, "", ""},
		{"BucketOwnerPreferred", nil, bob, "AccessDenied", ""},
		{"BucketOwnerPreferred", new("bucket-owner-full-control"), alice, "", "AccessDenied"},
		{"BucketOwnerEnforced", new("bucket-owner-full-control"), alice, "", "AccessDenied"},
		{"BucketOwnerEnforced", nil, alice, "", "AccessDenied"},
	} {
		name := strings.ToLower(c.ownership + "-" + val(c.acl))
		name = strings.Trim(name, "-")
		bucket := r.listed(name, c.ownership)
		document := `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"` + bob + `"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::` + name + `/*"},` +
			`{"Effect":"Allow","Principal":{"AWS":"` + alice + `"},"Action":"s3:*","Resource":"arn:aws:s3:::` + name + `/*"}]}`
		must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: bucket, Policy: &document}))(t)
		want(t, name+": put", r.offer(r.bob, bucket, "k", c.acl), "")
		want(t, name+": alice reads", r.readBy(r.ctx, bucket, "k"), c.alice)
		want(t, name+": bob reads", r.readBy(r.bob, bucket, "k"), c.bob)
		list := must(r.ListObjectsV2(r.ctx, &api.ListObjectsV2Request{Bucket: bucket, FetchOwner: new(true)}))(t)
		if got := *list.Contents[0].Owner.ID; got != *r.ownerOf(c.owner).ID {
			t.Errorf("%s: the owner is not %s", name, c.owner)
		}
		_, err := r.DeleteObject(r.ctx, &api.DeleteObjectRequest{Bucket: bucket, Key: new("k")})
		want(t, name+": the bucket's owner deletes", err, "")
	}
}

// An upload is its initiator's to look at and to abort, in another account's bucket too; a
// bucket that everybody may list tells of keys that are not there.
func TestGuestsOfABucket(t *testing.T) {
	r := newRig(t)
	one := r.listed("one", "ObjectWriter")
	must(r.DeletePublicAccessBlock(r.ctx, &api.DeletePublicAccessBlockRequest{Bucket: one}))(t)
	must(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, ACL: new("public-read-write")}))(t)
	begin := func(ctx context.Context) *string {
		return must(r.CreateMultipartUpload(ctx, &api.CreateMultipartUploadRequest{Bucket: one, Key: new("k")}))(t).UploadId
	}
	parts := func(ctx context.Context, id *string) error {
		return second(r.ListParts(ctx, &api.ListPartsRequest{Bucket: one, Key: new("k"), UploadId: id}))
	}
	abort := func(ctx context.Context, id *string) error {
		return second(r.AbortMultipartUpload(ctx, &api.AbortMultipartUploadRequest{Bucket: one, Key: new("k"), UploadId: id}))
	}
	bobs, alices := begin(r.bob), begin(r.ctx)
	list := must(r.ListMultipartUploads(r.bob, &api.ListMultipartUploadsRequest{Bucket: one}))(t)
	for _, u := range list.Uploads {
		whose := alice
		if *u.UploadId == *bobs {
			whose = bob
		}
		if *u.Owner.ID != *r.ownerOf(whose).ID || *u.Initiator.ID != *u.Owner.ID {
			t.Errorf("the upload of %s is %s's", whose, *u.Owner.ID)
		}
	}
	want(t, "the parts of one's own", parts(r.bob, bobs), "")
	want(t, "the parts of another's", parts(r.bob, alices), "AccessDenied")
	want(t, "the parts of a guest's", parts(r.ctx, bobs), "")
	want(t, "abort another's", abort(r.bob, alices), "AccessDenied")
	want(t, "abort one's own", abort(r.bob, bobs), "")
	want(t, "abort it again", abort(r.bob, bobs), "AccessDenied")
	want(t, "a key that is not there", r.readBy(t.Context(), one, "none"), "NoSuchKey")
	want(t, "nobody puts for everybody", r.offer(t.Context(), one, "open", new("public-read")), "")
	want(t, "everybody reads it", r.readBy(r.bob, one, "open"), "")
	must(r.PutBucketAcl(r.ctx, &api.PutBucketAclRequest{Bucket: one, ACL: new("private")}))(t)
	want(t, "where nobody may list", r.readBy(t.Context(), one, "none"), "AccessDenied")
	want(t, "where nobody may write", r.offer(t.Context(), one, "open", new("public-read")), "AccessDenied")
}

func TestObjectACL(t *testing.T) {
	r := newRig(t)
	one := r.listed("one", "ObjectWriter")
	must(r.PutBucketVersioning(r.ctx, &api.PutBucketVersioningRequest{Bucket: one, VersioningConfiguration: &api.VersioningConfiguration{Status: new("Enabled")}}))(t)
	anybody := t.Context()
	first := must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: one, Key: new("k"), Body: strings.NewReader("first"), ACL: new("public-read")}))(t).VersionId
	want(t, "nobody reads", r.readBy(anybody, one, "k"), "")
	want(t, "private", r.offer(r.ctx, one, "k", nil), "")
	want(t, "nobody reads a new version", r.readBy(anybody, one, "k"), "AccessDenied")
	_, err := r.GetObject(anybody, &api.GetObjectRequest{Bucket: one, Key: new("k"), VersionId: first})
	want(t, "nobody reads the old one", err, "")
	want(t, "a key that is not there", r.readBy(anybody, one, "none"), "AccessDenied")
	bobs := new("id=" + *r.ownerOf(bob).ID)
	must(r.PutObjectAcl(r.ctx, &api.PutObjectAclRequest{Bucket: one, Key: new("k"), GrantFullControl: bobs}))(t)
	want(t, "bob reads", r.readBy(r.bob, one, "k"), "")
	got := must(r.GetObjectAcl(r.bob, &api.GetObjectAclRequest{Bucket: one, Key: new("k")}))(t)
	if grants := r.grantsOf(got.Grants); grants != "bob:FULL_CONTROL" {
		t.Errorf("grants are %s", grants)
	}
	must(r.PutObjectAcl(r.ctx, &api.PutObjectAclRequest{Bucket: one, Key: new("k"), VersionId: first, ACL: new("private")}))(t)
	_, err = r.GetObject(anybody, &api.GetObjectRequest{Bucket: one, Key: new("k"), VersionId: first})
	want(t, "nobody reads the old one any more", err, "AccessDenied")
	must(r.CopyObject(r.ctx, &api.CopyObjectRequest{Bucket: one, Key: new("copy"), CopySource: new("one/k")}))(t)
	got = must(r.GetObjectAcl(r.ctx, &api.GetObjectAclRequest{Bucket: one, Key: new("copy")}))(t)
	if grants := r.grantsOf(got.Grants); grants != "alice:FULL_CONTROL" {
		t.Errorf("a copy's grants are %s", grants)
	}
	want(t, "set nothing", second(r.PutObjectAcl(r.ctx, &api.PutObjectAclRequest{Bucket: one, Key: new("k")})), "MissingSecurityHeader")
}

// A policy opens a bucket to callers who did not sign, and blocks close it.
func TestAnonymousByPolicy(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	r.put("one", "k")
	one, anybody := new("one"), t.Context()
	want(t, "without a policy", r.readBy(anybody, one, "k"), "AccessDenied")
	must(r.DeletePublicAccessBlock(r.ctx, &api.DeletePublicAccessBlockRequest{Bucket: one}))(t)
	document := statementOf(toAll)
	must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: one, Policy: &document}))(t)
	want(t, "with one", r.readBy(anybody, one, "k"), "")
	want(t, "an action that it does not name", r.offer(anybody, one, "k", nil), "AccessDenied")
	want(t, "list of buckets", second(r.ListBuckets(anybody, &api.ListBucketsRequest{})), "AccessDenied")
	want(t, "a bucket of nobody's", second(r.CreateBucket(anybody, &api.CreateBucketRequest{Bucket: new("two")})), "AccessDenied")
	must(r.PutPublicAccessBlock(r.ctx, &api.PutPublicAccessBlockRequest{
		Bucket: one, PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{RestrictPublicBuckets: new(true)},
	}))(t)
	want(t, "restricted", r.readBy(anybody, one, "k"), "AccessDenied")
}
