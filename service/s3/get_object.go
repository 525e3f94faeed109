package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// reading is a request for an object, or for its head.
type reading struct {
	bucket, owner, key, version *string

	byteRange *string
	part      *int32
	mode      *string // x-amz-checksum-mode
	customer  customer
	preconditions
	answer overrides
	until  *time.Time // Expires, likewise
}

// found is an object that was found, and how to tell of it.
type found struct {
	b    cloud.Bucket
	info object.Info
	// first and length are the bytes to tell; partial, that they may be fewer than all.
	first, length int64
	partial       bool
	sum           checksum.Sum // to tell; zero for none
	summed        int          // parts whose checksums it is made of
	parts         *int32
}

// GetObject reads an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
func (s *Service) GetObject(ctx context.Context, in *api.GetObjectRequest) (*api.GetObjectOutput, error) {
	q := &reading{
		bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: in.Key, version: in.VersionId, byteRange: in.Range, part: in.PartNumber, mode: in.ChecksumMode,
		customer:      customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
		preconditions: preconditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince},
		answer:        overrides{in.ResponseCacheControl, in.ResponseContentDisposition, in.ResponseContentEncoding, in.ResponseContentLanguage, in.ResponseContentType},
		until:         in.ResponseExpires,
	}
	var r *object.Reader
	f, err := s.read(ctx, q, func(get object.GetInput) (info object.Info, first, length int64, err error) {
		if r, info, err = s.Objects.Get(ctx, get); err == nil {
			first, length = r.First, r.Length
		}
		return info, first, length, err
	})
	if err != nil {
		if r != nil {
			r.Close() //nolint:errcheck // nothing was read
		}
		return nil, err
	}
	out := &api.GetObjectOutput{
		Body: io.ReadCloser(r), AcceptRanges: new("bytes"), ContentLength: &f.length, ContentRange: f.contentRange(), ETag: quoted(f.info.ETag),
		LastModified: &f.info.Modified, Metadata: metadataHeaders(f.info.User), VersionId: s.version(ctx, f.b, f.info.Version), TagCount: opt(int32(len(f.info.Tags))),
		PartsCount:   f.parts,
		CacheControl: q.header(f, cacheControl), ContentDisposition: q.header(f, contentDisposition), ContentEncoding: q.header(f, contentEncoding),
		ContentLanguage: q.header(f, contentLanguage), ContentType: q.header(f, contentType), Expires: q.expires(f),
		WebsiteRedirectLocation: q.header(f, redirect), Expiration: s.expiration(f.b, f.info), StorageClass: shownClass(f.info.Class),
	}
	out.ChecksumType = show(out, f.sum, f.summed)
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = q.customer.sealed()
	out.ObjectLockMode, out.ObjectLockRetainUntilDate, out.ObjectLockLegalHoldStatus = locked(f.info)
	return out, nil
}

// HeadObject tells of an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html.
func (s *Service) HeadObject(ctx context.Context, in *api.HeadObjectRequest) (*api.HeadObjectOutput, error) {
	q := &reading{
		bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: in.Key, version: in.VersionId, byteRange: in.Range, part: in.PartNumber, mode: in.ChecksumMode,
		customer:      customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
		preconditions: preconditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince},
		answer:        overrides{in.ResponseCacheControl, in.ResponseContentDisposition, in.ResponseContentEncoding, in.ResponseContentLanguage, in.ResponseContentType},
		until:         in.ResponseExpires,
	}
	f, err := s.read(ctx, q, func(get object.GetInput) (object.Info, int64, int64, error) { return s.Objects.Span(ctx, get) })
	if err != nil {
		return nil, err
	}
	out := &api.HeadObjectOutput{
		AcceptRanges: new("bytes"), ContentLength: &f.length, ContentRange: f.contentRange(), ETag: quoted(f.info.ETag),
		LastModified: &f.info.Modified, Metadata: metadataHeaders(f.info.User), VersionId: s.version(ctx, f.b, f.info.Version), TagCount: opt(int32(len(f.info.Tags))),
		PartsCount:   f.parts,
		CacheControl: q.header(f, cacheControl), ContentDisposition: q.header(f, contentDisposition), ContentEncoding: q.header(f, contentEncoding),
		ContentLanguage: q.header(f, contentLanguage), ContentType: q.header(f, contentType), Expires: q.expires(f),
		WebsiteRedirectLocation: q.header(f, redirect), Expiration: s.expiration(f.b, f.info), StorageClass: shownClass(f.info.Class),
	}
	out.ChecksumType = show(out, f.sum, f.summed)
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = q.customer.sealed()
	out.ObjectLockMode, out.ObjectLockRetainUntilDate, out.ObjectLockLegalHoldStatus = locked(f.info)
	return out, nil
}

// overrides are the headers that a request wants in place of the object's.
type overrides struct{ cache, disposition, encoding, language, kind *string }

// checkOverrides refuses them from nobody: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html,
// "Overriding response header values through the request".
func (q *reading) checkOverrides(ctx context.Context) error {
	if cloud.CallerFrom(ctx).Account != "" || q.answer == (overrides{}) && q.until == nil {
		return nil
	}
	return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
}

// of is the one of a name, nil if it is as the object's.
func (o *overrides) of(name string) *string {
	switch name {
	case cacheControl:
		return o.cache
	case contentDisposition:
		return o.disposition
	case contentEncoding:
		return o.encoding
	case contentLanguage:
		return o.language
	case contentType:
		return o.kind
	}
	return nil
}

// expires is the header Expires of the answer.
func (q *reading) expires(f *found) *time.Time {
	if q.until != nil {
		return q.until
	}
	text := f.info.System[expires]
	if text == "" {
		return nil
	}
	if t, err := http.ParseTime(text); err == nil {
		return &t
	}
	return nil
}

// header is a header of the answer, nil if the object has none.
func (q *reading) header(f *found, name string) *string {
	if want := q.answer.of(name); want != nil {
		return want
	}
	if name == contentType && f.info.System[name] == "" {
		return new(defaultType)
	}
	return opt(f.info.System[name])
}

func (f *found) contentRange() *string {
	if !f.partial || f.length == 0 {
		return nil
	}
	return new(fmt.Sprintf("bytes %d-%d/%d", f.first, f.first+f.length-1, f.info.Size))
}

// locked are the members that tell of object lock.
func locked(i object.Info) (mode *string, until *time.Time, hold *string) {
	if i.Retention.Mode != object.NotRetained {
		mode, until = new(modeText(i.Retention.Mode)), &i.Retention.Until
	}
	if i.Hold {
		hold = new(holdOn)
	}
	return mode, until, hold
}
