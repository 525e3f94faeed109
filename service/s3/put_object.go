package s3

import (
	"cmp"
	"context"
	"net/http"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// maxPut is the most bytes of an object, or of a part, that one request puts.
const maxPut = 5 << 30

// PutObject puts an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html.
func (s *Service) PutObject(ctx context.Context, in *api.PutObjectRequest) (*api.PutObjectOutput, error) {
	h := &headers{
		cacheControl: in.CacheControl, contentDisposition: in.ContentDisposition, contentEncoding: in.ContentEncoding,
		contentLanguage: in.ContentLanguage, contentType: in.ContentType, redirect: in.WebsiteRedirectLocation, expires: in.Expires,
		metadata: in.Metadata, tagging: in.Tagging, acl: in.ACL, class: in.StorageClass, sse: in.ServerSideEncryption,
		grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP}, kms: in.SSEKMSKeyId,
		customer: customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
		mode:     in.ObjectLockMode, until: in.ObjectLockRetainUntilDate, hold: in.ObjectLockLegalHoldStatus,
		eventHold: in.ObjectLockEventHold, eventHoldDays: in.ObjectLockEventHoldDurationDays, eventHoldYears: in.ObjectLockEventHoldDurationYears,
	}
	b, err := s.allowWrite(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, h, h.keys().set("s3:if-match", in.IfMatch).set("s3:if-none-match", in.IfNoneMatch))
	if err != nil {
		return nil, err
	}
	put, err := s.newPut(ctx, b, *in.Key, h)
	if err != nil {
		return nil, err
	}
	if put.Conditions, err = conditions(in.IfMatch, in.IfNoneMatch); err != nil {
		return nil, err
	}
	if in.WriteOffsetBytes != nil {
		return nil, notImplemented("appending to objects")
	}
	body := streamOf(in.Body)
	if put.Size, err = size(body); err != nil {
		return nil, err
	}
	g := given{sums: sumsOf(in), md5: in.ContentMD5, algorithm: in.ChecksumAlgorithm}
	if put.Expected, err = g.expected(body); err != nil {
		return nil, err
	}
	if put.Algorithm == checksum.None {
		put.Algorithm = defaultChecksum
	}
	event := api.EventS3ObjectCreatedPut
	if _, ok := in.Body.(*formBody); ok {
		event = api.EventS3ObjectCreatedPost
	}
	put.Notes = s.notes(ctx, b, always(event))
	info, err := s.Objects.Put(ctx, put, body)
	if err != nil {
		return nil, unwritten(err)
	}
	out := &api.PutObjectOutput{ETag: quoted(info.ETag), VersionId: made(info.Version), Expiration: s.expiration(b, info)}
	out.ChecksumType = show(out, info.Checksum, 0)
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = h.customer.sealed()
	return out, nil
}

// allowWrite is the authorisation to make an object of such headers.
func (s *Service) allowWrite(ctx context.Context, bucket, owner, key *string, h *headers, k keys) (cloud.Bucket, error) {
	b, err := s.allowObject(ctx, "PutObject", bucket, owner, *key, k)
	if err != nil {
		return b, err
	}
	for _, action := range h.alsoNeeds() {
		allow := s.allowIn
		if action == "PutObjectAcl" {
			allow = s.allowOwn // the list of a new object is its writer's to make
		}
		if err := allow(ctx, action, b, owner, *key, k); err != nil {
			return b, err
		}
	}
	return b, nil
}

// newPut is what to put, but for the body.
func (s *Service) newPut(ctx context.Context, b cloud.Bucket, key string, h *headers) (object.PutInput, error) {
	put := object.PutInput{Bucket: b.ID, Key: key, Class: cmp.Or(val(h.class), standard)}
	if err := checkKey(key); err != nil {
		return put, err
	}
	var err error
	if put.Attributes, err = h.attributes(s.Now()); err != nil {
		return put, err
	}
	var l *cloud.ACL
	if put.Owner, l, err = s.ownership(cloud.CallerFrom(ctx), b, h); err != nil {
		return put, err
	}
	if err := keepACL(&put.Attributes, l); err != nil {
		return put, err
	}
	if put.Retention.Mode == object.NotRetained {
		put.Retention = bucket.Retention(b, s.Now())
	}
	put.CustomerKey, err = h.customer.open(ctx)
	return put, err
}

// checkKey refuses keys that S3 refuses.
func checkKey(key string) error {
	if len(key) > 1024 {
		return expressed(object.ErrKeyLength)
	}
	if !utf8.ValidString(key) {
		return failure(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	return nil
}

// conditions are those of a write.
func conditions(ifMatch, ifNoneMatch *string) (object.Conditions, error) {
	switch {
	case ifMatch != nil && ifNoneMatch != nil:
		return object.Conditions{}, notImplemented("If-Match and If-None-Match together")
	case ifNoneMatch != nil && *ifNoneMatch != "*":
		return object.Conditions{}, notImplemented("If-None-Match with an ETag; use *.")
	}
	return object.Conditions{IfMatch: val(ifMatch), IfNoneMatch: ifNoneMatch != nil}, nil
}

// size is how many bytes a body has, which S3 wants to know before.
func size(body stream) (int64, error) {
	if _, ok := body.(*formBody); ok {
		return -1, nil // it counts by itself
	}
	switch n := body.Length(); {
	case n < 0:
		return 0, unknownLength()
	case n > maxPut:
		return 0, failure(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size of %d bytes: use an upload in parts.", int64(maxPut))
	default:
		return n, nil
	}
}

// unknownLength is the error for a body in chunks that do not say how long it is.
func unknownLength() error {
	return &cloud.Error{
		Code: "NotImplemented", Message: "A header you provided implies functionality that is not implemented", Status: http.StatusNotImplemented,
		Detail: [][2]string{{"Header", "Transfer-Encoding"}},
	}
}

// quoted is how an ETag is written.
func quoted(etag string) *string { return new(`"` + etag + `"`) }

// made is what answers call a version that was made just now: nothing if it took the
// place of another.
func made(version string) *string {
	if version == object.NullVersion {
		return nil
	}
	return opt(version)
}

// version is what answers call a version: nothing in buckets that never had any.
func (s *Service) version(ctx context.Context, b cloud.Bucket, version string) *string {
	if version == object.NullVersion {
		if info, err := s.Objects.Bucket(ctx, b.ID); err == nil && info.Versioning == object.Unversioned {
			return nil
		}
	}
	return opt(version)
}
