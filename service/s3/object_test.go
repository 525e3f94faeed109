package s3

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
)

// objectActions are those of the operations on objects whose permission has another
// name.
var objectActions = map[string]string{
	"HeadObject": "GetObject", "DeleteObjects": "DeleteObject", "CopyObject": "PutObject",
	"ListObjects": "ListBucket", "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions",
	"CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "UploadPartCopy": "PutObject", "CompleteMultipartUpload": "PutObject",
	"ListParts": "ListMultipartUploadParts", "ListMultipartUploads": "ListBucketMultipartUploads",
}

// write puts an object of alice's, and returns its version.
func (r *rig) write(bucket, key, body string) string {
	r.Helper()
	return val(must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}))(r).VersionId)
}

// get reads an object of alice's.
func (r *rig) get(bucket, key, version string) string {
	r.Helper()
	out := must(r.GetObject(r.ctx, &api.GetObjectRequest{Bucket: &bucket, Key: &key, VersionId: opt(version)}))(r)
	defer out.Body.(io.Closer).Close()
	return string(must(io.ReadAll(out.Body))(r))
}

// lockable makes a bucket of alice's that has object lock.
func (r *rig) lockable(name string) {
	r.Helper()
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: &name, ObjectLockEnabledForBucket: new(true)}))(r)
}

// TestPutRefuses puts what would have no effect, or cannot be.
func TestPutRefuses(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	soon := r.Now().Add(time.Hour)
	many := make([]string, 11)
	for k := range many {
		many[k] = fmt.Sprintf("k%d=v", k)
	}
	for what, q := range map[string]struct {
		in     api.PutObjectRequest
		wanted string
	}{
		"a public ACL":          {api.PutObjectRequest{ACL: new("public-read")}, "AccessControlListNotSupported"},
		"an unknown ACL":        {api.PutObjectRequest{ACL: new("mine")}, "InvalidArgument"},
		"a grant":               {api.PutObjectRequest{GrantRead: new("id=x")}, "AccessControlListNotSupported"},
		"a storage class":       {api.PutObjectRequest{StorageClass: new("GLACIER")}, "InvalidStorageClass"},
		"KMS":                   {api.PutObjectRequest{ServerSideEncryption: new("aws:kms")}, "NotImplemented"},
		"a KMS key":             {api.PutObjectRequest{ServerSideEncryption: new("aws:kms"), SSEKMSKeyId: new("k")}, "NotImplemented"},
		"a KMS key alone":       {api.PutObjectRequest{SSEKMSKeyId: new("k")}, "InvalidArgument"},
		"a KMS key for AES256":  {api.PutObjectRequest{ServerSideEncryption: new("AES256"), SSEKMSKeyId: new("k")}, "InvalidArgument"},
		"KMS and a key":         {api.PutObjectRequest{ServerSideEncryption: new("aws:kms"), SSECustomerAlgorithm: new("AES256")}, "InvalidArgument"},
		"another encryption":    {api.PutObjectRequest{ServerSideEncryption: new("DES")}, "InvalidArgument"},
		"a key in the open":     {api.PutObjectRequest{SSECustomerAlgorithm: new("AES256")}, "InvalidRequest"},
		"a checksum cut short":  {api.PutObjectRequest{ChecksumXXHASH64: new("AA==")}, "InvalidRequest"},
		"two checksums":         {api.PutObjectRequest{ChecksumCRC32: new("AAAAAA=="), ChecksumCRC32C: new("AAAAAA==")}, "InvalidRequest"},
		"a checksum unsent":     {api.PutObjectRequest{ChecksumAlgorithm: new("SHA256")}, "InvalidRequest"},
		"an unknown checksum":   {api.PutObjectRequest{ChecksumAlgorithm: new("ADLER")}, "InvalidRequest"},
		"an append":             {api.PutObjectRequest{WriteOffsetBytes: new(int64(1))}, "NotImplemented"},
		"eleven tags":           {api.PutObjectRequest{Tagging: new(strings.Join(many, "&"))}, "BadRequest"},
		"a tag twice":           {api.PutObjectRequest{Tagging: new("a=1&a=2")}, "InvalidArgument"},
		"a system tag":          {api.PutObjectRequest{Tagging: new("aws:a=1")}, "InvalidTag"},
		"a long tag":            {api.PutObjectRequest{Tagging: new("a=" + strings.Repeat("x", 257))}, "InvalidTag"},
		"much metadata":         {api.PutObjectRequest{Metadata: map[string]string{"a": strings.Repeat("x", 2048)}}, "MetadataTooLarge"},
		"half a retention":      {api.PutObjectRequest{ObjectLockMode: new("GOVERNANCE")}, "InvalidArgument"},
		"a retention before":    {api.PutObjectRequest{ObjectLockMode: new("GOVERNANCE"), ObjectLockRetainUntilDate: new(r.Now())}, "InvalidArgument"},
		"an unknown retention":  {api.PutObjectRequest{ObjectLockMode: new("SOME"), ObjectLockRetainUntilDate: &soon}, "InvalidArgument"},
		"a retention, no lock":  {api.PutObjectRequest{ObjectLockMode: new("GOVERNANCE"), ObjectLockRetainUntilDate: &soon}, "InvalidRequest"},
		"a hold, no lock":       {api.PutObjectRequest{ObjectLockLegalHoldStatus: new("ON")}, "InvalidRequest"},
		"an event hold":         {api.PutObjectRequest{ObjectLockEventHold: new("ON")}, "NotImplemented"},
		"a long key":            {api.PutObjectRequest{Key: new(strings.Repeat("k", 1025))}, "KeyTooLongError"},
		"a key in Latin-1":      {api.PutObjectRequest{Key: new("\xe9")}, "InvalidURI"},
		"no length":             {api.PutObjectRequest{Body: io.LimitReader(strings.NewReader("x"), 1)}, "NotImplemented"},
		"an owner of no digits": {api.PutObjectRequest{ExpectedBucketOwner: new("alice")}, "InvalidBucketOwnerAWSAccountID"},
		"an owner of 11 digits": {api.PutObjectRequest{ExpectedBucketOwner: new(bob[1:])}, "InvalidBucketOwnerAWSAccountID"},
		"another's bucket":      {api.PutObjectRequest{ExpectedBucketOwner: new(bob)}, "AccessDenied"},
		"no bucket":             {api.PutObjectRequest{Bucket: new("nowhere")}, "NoSuchBucket"},
	} {
		in := q.in
		if in.Bucket == nil {
			in.Bucket = new("box")
		}
		if in.Key == nil {
			in.Key = new("k")
		}
		if in.Body == nil {
			in.Body = strings.NewReader("x")
		}
		want(t, what, second(r.PutObject(r.ctx, &in)), q.wanted)
	}
	if list := must(r.ListObjectsV2(r.ctx, &api.ListObjectsV2Request{Bucket: new("box")}))(t); len(list.Contents) != 0 {
		t.Errorf("something was put: %+v", list.Contents)
	}
}

// TestVersions puts, deletes and reads where versions are kept, and where no more.
func TestVersions(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	box, key := new("box"), new("k")
	if v := r.write("box", "k", "null"); v != "" {
		t.Errorf("an unversioned bucket answers version %q", v)
	}
	r.versions("box", object.Enabled)
	first, latest := r.write("box", "k", "first"), r.write("box", "k", "second")
	if r.get("box", "k", first) != "first" || r.get("box", "k", "") != "second" || r.get("box", "k", "null") != "null" {
		t.Error("versions are mixed up")
	}
	marker := must(r.DeleteObject(r.ctx, &api.DeleteObjectRequest{Bucket: box, Key: key}))(t)
	if !val(marker.DeleteMarker) || val(marker.VersionId) == "" {
		t.Errorf("delete: %+v", marker)
	}
	want(t, "get what is deleted", second(r.GetObject(r.ctx, &api.GetObjectRequest{Bucket: box, Key: key})), "NoSuchKey")
	for version, wanted := range map[string]string{*marker.VersionId: "MethodNotAllowed", "": "InvalidArgument", "x": "InvalidArgument", strings.Repeat("0", 32): "NoSuchVersion"} {
		want(t, "get version "+version, second(r.GetObject(r.ctx, &api.GetObjectRequest{Bucket: box, Key: key, VersionId: &version})), wanted)
		want(t, "head version "+version, second(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: box, Key: key, VersionId: &version})), wanted)
		want(t, "tags of version "+version, second(r.GetObjectTagging(r.ctx, &api.GetObjectTaggingRequest{Bucket: box, Key: key, VersionId: &version})), wanted)
		want(t, "tag version "+version, second(r.PutObjectTagging(r.ctx, &api.PutObjectTaggingRequest{Bucket: box, Key: key, VersionId: &version, Tagging: &api.Tagging{}})), wanted)
	}
	var seen []string
	in := &api.ListObjectVersionsRequest{Bucket: box, MaxKeys: new(int32(1))}
	for {
		l := must(r.ListObjectVersions(r.ctx, in))(t)
		for _, v := range l.Versions {
			seen = append(seen, *v.VersionId)
		}
		for _, m := range l.DeleteMarkers {
			seen = append(seen, *m.VersionId)
		}
		if !*l.IsTruncated {
			break
		}
		in.KeyMarker, in.VersionIdMarker = l.NextKeyMarker, l.NextVersionIdMarker
	}
	if got, wanted := strings.Join(seen, " "), strings.Join([]string{*marker.VersionId, latest, first, "null"}, " "); got != wanted {
		t.Errorf("listed %s, not %s", got, wanted)
	}
	want(t, "a marker of a version alone", second(r.ListObjectVersions(r.ctx, &api.ListObjectVersionsRequest{Bucket: box, VersionIdMarker: &first})), "InvalidArgument")
	gone := must(r.DeleteObject(r.ctx, &api.DeleteObjectRequest{Bucket: box, Key: key, VersionId: marker.VersionId}))(t)
	if !val(gone.DeleteMarker) || *gone.VersionId != *marker.VersionId || r.get("box", "k", "") != "second" {
		t.Errorf("delete the marker: %+v", gone)
	}
	r.versions("box", object.Suspended)
	if v := r.write("box", "k", "again"); v != "" || r.get("box", "k", "null") != "again" {
		t.Errorf("put where versioning is suspended: version %q", v)
	}
}

// TestDeleteObjects deletes many at once, of which some may not be.
func TestDeleteObjects(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	box := new("box")
	for _, key := range []string{"a", "b", "secret/c"} {
		r.write("box", key, "x")
	}
	may := r.user(alice, "carol", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::box/secret/*"}]}`)
	ids := func(keys ...string) (list []api.ObjectIdentifier) {
		for _, k := range keys {
			list = append(list, api.ObjectIdentifier{Key: new(k)})
		}
		return list
	}
	out := must(r.DeleteObjects(may, &api.DeleteObjectsRequest{Bucket: box, Delete: &api.Delete{Objects: ids("a", "secret/c", "none")}}))(t)
	if len(out.Deleted) != 2 || *out.Deleted[0].Key != "a" || *out.Deleted[1].Key != "none" || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" || *out.Errors[0].Key != "secret/c" {
		t.Errorf("%+v", out)
	}
	out = must(r.DeleteObjects(may, &api.DeleteObjectsRequest{Bucket: box, Delete: &api.Delete{Quiet: new(true), Objects: append(ids("b"), api.ObjectIdentifier{Key: new("x"), VersionId: new("x")})}}))(t)
	if len(out.Deleted) != 0 || len(out.Errors) != 1 || *out.Errors[0].Code != "InvalidArgument" {
		t.Errorf("quiet: %+v", out)
	}
	if list := must(r.ListObjectsV2(r.ctx, &api.ListObjectsV2Request{Bucket: box}))(t); len(list.Contents) != 1 || *list.Contents[0].Key != "secret/c" {
		t.Errorf("left: %+v", list.Contents)
	}
	want(t, "none", second(r.DeleteObjects(may, &api.DeleteObjectsRequest{Bucket: box, Delete: &api.Delete{}})), "MalformedXML")
	want(t, "1001", second(r.DeleteObjects(may, &api.DeleteObjectsRequest{Bucket: box, Delete: &api.Delete{Objects: make([]api.ObjectIdentifier, 1001)}})), "MalformedXML")
}

// TestMissing tells who may list a bucket that a key is not there, and nobody else.
func TestMissing(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	r.write("box", "k", "x")
	allow := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + actions + `],"Resource":"*"}]}`
	}
	reader, lister := r.user(alice, "reader", allow(`"s3:GetObject*","s3:PutObject*"`)), r.user(alice, "lister", allow(`"s3:GetObject*","s3:PutObject*","s3:ListBucket"`))
	box, none := new("box"), new("none")
	for _, key := range []*string{new("k"), none} {
		want(t, "a stranger's get of "+*key, second(r.GetObject(r.bob, &api.GetObjectRequest{Bucket: box, Key: key})), "AccessDenied")
		want(t, "a stranger's head of "+*key, second(r.HeadObject(r.bob, &api.HeadObjectRequest{Bucket: box, Key: key})), "AccessDenied")
	}
	want(t, "a reader's get", second(r.GetObject(reader, &api.GetObjectRequest{Bucket: box, Key: none})), "AccessDenied")
	want(t, "a lister's get", second(r.GetObject(lister, &api.GetObjectRequest{Bucket: box, Key: none})), "NoSuchKey")
	want(t, "a reader's tags", second(r.GetObjectTagging(reader, &api.GetObjectTaggingRequest{Bucket: box, Key: none})), "AccessDenied")
	want(t, "a lister's tags", second(r.GetObjectTagging(lister, &api.GetObjectTaggingRequest{Bucket: box, Key: none})), "NoSuchKey")
	want(t, "a lister's tagging", second(r.PutObjectTagging(lister, &api.PutObjectTaggingRequest{Bucket: box, Key: none, Tagging: &api.Tagging{}})), "NoSuchKey")
	want(t, "a reader's copy", second(r.CopyObject(reader, &api.CopyObjectRequest{Bucket: box, Key: new("x"), CopySource: new("box/none")})), "AccessDenied")
	want(t, "a lister's copy", second(r.CopyObject(lister, &api.CopyObjectRequest{Bucket: box, Key: new("x"), CopySource: new("box/none")})), "NoSuchKey")
	want(t, "a get in no bucket", second(r.GetObject(r.bob, &api.GetObjectRequest{Bucket: none, Key: none})), "NoSuchBucket")
}

// Reduced redundancy is told as it was asked for, and a copy has the usual class again.
func TestStorageClass(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	box := new("box")
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: box, Key: new("k"), Body: strings.NewReader("x"), StorageClass: new("REDUCED_REDUNDANCY")}))(t)
	must(r.CopyObject(r.ctx, &api.CopyObjectRequest{Bucket: box, Key: new("copy"), CopySource: new("box/k")}))(t)
	for key, class := range map[string]string{"k": "REDUCED_REDUNDANCY", "copy": ""} {
		if got := must(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: box, Key: &key}))(t); val(got.StorageClass) != class {
			t.Errorf("%s is %q", key, val(got.StorageClass))
		}
	}
	list := must(r.ListObjectsV2(r.ctx, &api.ListObjectsV2Request{Bucket: box}))(t)
	if a, b := *list.Contents[0].StorageClass, *list.Contents[1].StorageClass; a != "STANDARD" || b != "REDUCED_REDUNDANCY" {
		t.Errorf("the list tells %s and %s", a, b)
	}
}

// Nothing is in an archive, so nothing is restored.
func TestRestore(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	r.put("box", "k")
	restore := func(key string) error {
		return second(r.RestoreObject(r.ctx, &api.RestoreObjectRequest{Bucket: new("box"), Key: &key, RestoreRequest: &api.RestoreRequest{Days: new(int32(1))}}))
	}
	want(t, "what is not archived", restore("k"), "InvalidObjectState")
	want(t, "what is not there", restore("none"), "NoSuchKey")
}

// TestExistingTags lets read by the tags that an object carries.
func TestExistingTags(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	box := new("box")
	r.write("box", "plain", "x")
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: box, Key: new("open"), Body: strings.NewReader("x"), Tagging: new("class=open")}))(t)
	guest := r.user(alice, "guest", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:DeleteObjectTagging"],"Resource":"*",
		"Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"open"}}},
		{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"*","Condition":{"StringEquals":{"s3:RequestObjectTag/class":"mine"}}}]}`)
	want(t, "get without the tag", second(r.GetObject(guest, &api.GetObjectRequest{Bucket: box, Key: new("plain")})), "AccessDenied")
	out := must(r.GetObject(guest, &api.GetObjectRequest{Bucket: box, Key: new("open")}))(t)
	out.Body.(io.Closer).Close()
	want(t, "untag without the tag", second(r.DeleteObjectTagging(guest, &api.DeleteObjectTaggingRequest{Bucket: box, Key: new("plain")})), "AccessDenied")
	want(t, "untag with the tag", second(r.DeleteObjectTagging(guest, &api.DeleteObjectTaggingRequest{Bucket: box, Key: new("open")})), "")
	want(t, "get after it went", second(r.GetObject(guest, &api.GetObjectRequest{Bucket: box, Key: new("open")})), "AccessDenied")
	want(t, "put without a tag", second(r.PutObject(guest, &api.PutObjectRequest{Bucket: box, Key: new("n"), Body: strings.NewReader("x")})), "AccessDenied")
	want(t, "put with a tag", second(r.PutObject(guest, &api.PutObjectRequest{Bucket: box, Key: new("n"), Body: strings.NewReader("x"), Tagging: new("class=mine")})), "")
}

// TestLock retains and holds versions, which then stay.
func TestLock(t *testing.T) {
	r := newRig(t)
	r.lockable("vault")
	box, key := new("vault"), new("k")
	until := r.Now().Add(24 * time.Hour)
	version := new(val(must(r.PutObject(r.ctx, &api.PutObjectRequest{
		Bucket: box, Key: key, Body: strings.NewReader("x"), ObjectLockMode: new(governance), ObjectLockRetainUntilDate: &until,
	}))(t).VersionId))
	got := must(r.GetObjectRetention(r.ctx, &api.GetObjectRetentionRequest{Bucket: box, Key: key}))(t).Retention
	if *got.Mode != governance || !got.RetainUntilDate.Equal(until) {
		t.Errorf("retention: %+v", got)
	}
	head := must(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: box, Key: key}))(t)
	if val(head.ObjectLockMode) != governance || !head.ObjectLockRetainUntilDate.Equal(until) || head.ObjectLockLegalHoldStatus != nil {
		t.Errorf("head: %+v", head)
	}
	remove := func(bypass *bool) error {
		return second(r.DeleteObject(r.ctx, &api.DeleteObjectRequest{Bucket: box, Key: key, VersionId: version, BypassGovernanceRetention: bypass}))
	}
	retain := func(mode string, until time.Time, bypass *bool) error {
		return second(r.PutObjectRetention(r.ctx, &api.PutObjectRetentionRequest{
			Bucket: box, Key: key, VersionId: version, BypassGovernanceRetention: bypass, Retention: &api.ObjectLockRetention{Mode: &mode, RetainUntilDate: &until},
		}))
	}
	hold := func(status string) error {
		return second(r.PutObjectLegalHold(r.ctx, &api.PutObjectLegalHoldRequest{Bucket: box, Key: key, VersionId: version, LegalHold: &api.ObjectLockLegalHold{Status: &status}}))
	}
	want(t, "delete what is retained", remove(nil), "AccessDenied")
	want(t, "shorten it", retain(governance, until.Add(-time.Hour), nil), "AccessDenied")
	want(t, "lengthen it", retain(governance, until.Add(time.Hour), nil), "")
	want(t, "shorten it with the right to", retain(governance, until, new(true)), "")
	want(t, "an unknown mode", retain("SOME", until, nil), "MalformedXML")
	want(t, "an unknown hold", hold("MAYBE"), "MalformedXML")
	want(t, "hold", hold(holdOn), "")
	want(t, "delete what is held", remove(new(true)), "AccessDenied")
	if s := must(r.GetObjectLegalHold(r.ctx, &api.GetObjectLegalHoldRequest{Bucket: box, Key: key}))(t).LegalHold.Status; *s != holdOn {
		t.Errorf("hold is %s", *s)
	}
	want(t, "let go", hold(holdOff), "")
	want(t, "retain for good, without the right to", retain(compliance, until, nil), "AccessDenied")
	want(t, "retain for good", retain(compliance, until, new(true)), "")
	want(t, "delete what is retained for good", remove(new(true)), "AccessDenied")
	want(t, "back to governance", retain(governance, until, new(true)), "AccessDenied")

	plain := val(must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: box, Key: new("plain"), Body: strings.NewReader("x")}))(t).VersionId)
	want(t, "retention of none", second(r.GetObjectRetention(r.ctx, &api.GetObjectRetentionRequest{Bucket: box, Key: new("plain"), VersionId: &plain})), "NoSuchObjectLockConfiguration")
	r.bucket("box")
	r.write("box", "k", "x")
	want(t, "retention where there is no lock", second(r.GetObjectRetention(r.ctx, &api.GetObjectRetentionRequest{Bucket: new("box"), Key: key})), "InvalidRequest")
	want(t, "hold where there is no lock", second(r.PutObjectLegalHold(r.ctx, &api.PutObjectLegalHoldRequest{Bucket: new("box"), Key: key, LegalHold: &api.ObjectLockLegalHold{Status: new(holdOn)}})), "InvalidRequest")
	clerk := r.user(alice, "clerk", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"s3:BypassGovernanceRetention","Resource":"*"}]}`)
	want(t, "bypass without the right to", second(r.DeleteObject(clerk, &api.DeleteObjectRequest{Bucket: box, Key: key, VersionId: version, BypassGovernanceRetention: new(true)})), "AccessDenied")
}

// TestPolicyOfBucket lets another account do what the bucket's policy says, and no more.
func TestPolicyOfBucket(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	r.write("box", "open/k", "x")
	r.write("box", "k", "x")
	document := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + bob + `"},"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::box/open/*"},
		{"Effect":"Allow","Principal":{"AWS":"` + bob + `"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::box","Condition":{"StringLike":{"s3:prefix":"open/*"}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}]}`
	must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: new("box"), Policy: &document}))(t)
	get := func(key string) error {
		out, err := r.GetObject(r.bob, &api.GetObjectRequest{Bucket: new("box"), Key: &key})
		if err == nil {
			out.Body.(io.Closer).Close()
		}
		return err
	}
	list := func(prefix string) error {
		return second(r.ListObjectsV2(r.bob, &api.ListObjectsV2Request{Bucket: new("box"), Prefix: &prefix}))
	}
	put := func(sse *string) error {
		return second(r.PutObject(r.bob, &api.PutObjectRequest{Bucket: new("box"), Key: new("open/new"), Body: strings.NewReader("x"), ServerSideEncryption: sse}))
	}
	want(t, "get what is open", get("open/k"), "")
	want(t, "get what is not there", get("open/none"), "NoSuchKey")
	want(t, "get another", get("k"), "AccessDenied")
	want(t, "get another that is not there", get("none"), "AccessDenied")
	want(t, "list what is open", list("open/"), "")
	want(t, "list more", list(""), "AccessDenied")
	want(t, "put without saying how to encrypt", put(nil), "AccessDenied")
	want(t, "put", put(new("AES256")), "")
	want(t, "delete", second(r.DeleteObject(r.bob, &api.DeleteObjectRequest{Bucket: new("box"), Key: new("open/k")})), "AccessDenied")
	owner := must(r.ListObjectsV2(r.ctx, &api.ListObjectsV2Request{Bucket: new("box"), Prefix: new("open/new"), FetchOwner: new(true)}))(t).Contents
	if len(owner) != 1 || *owner[0].Owner.ID != *r.ownerOf(alice).ID {
		t.Errorf("it belongs to %+v", owner)
	}
}
