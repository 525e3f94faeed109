package s3

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// The directives of copies.
const (
	directiveCopy    = "COPY"
	directiveReplace = "REPLACE"
)

// CopyObject copies an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html.
func (s *Service) CopyObject(ctx context.Context, in *api.CopyObjectRequest) (*api.CopyObjectOutput, error) {
	h := &headers{
		cacheControl: in.CacheControl, contentDisposition: in.ContentDisposition, contentEncoding: in.ContentEncoding,
		contentLanguage: in.ContentLanguage, contentType: in.ContentType, redirect: in.WebsiteRedirectLocation, expires: in.Expires,
		metadata: in.Metadata, tagging: in.Tagging, acl: in.ACL, class: in.StorageClass, sse: in.ServerSideEncryption,
		grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP}, kms: in.SSEKMSKeyId,
		customer: customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
		mode:     in.ObjectLockMode, until: in.ObjectLockRetainUntilDate, hold: in.ObjectLockLegalHoldStatus,
		eventHold: in.ObjectLockEventHold, eventHoldDays: in.ObjectLockEventHoldDurationDays, eventHoldYears: in.ObjectLockEventHoldDurationYears,
	}
	k := h.keys().set("s3:x-amz-copy-source", in.CopySource).set("s3:x-amz-metadata-directive", in.MetadataDirective).
		set("s3:if-match", in.IfMatch).set("s3:if-none-match", in.IfNoneMatch)
	b, err := s.allowWrite(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, h, k)
	if err != nil {
		return nil, err
	}
	c := &copying{
		s: s, target: b, owner: in.ExpectedSourceBucketOwner, preconditions: preconditions{
			in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince,
		},
	}
	from, err := c.from(ctx, *in.CopySource, customer{in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5})
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
	if put.Algorithm, err = algorithmOf(in.ChecksumAlgorithm); err != nil {
		return nil, err
	}
	put.Notes = s.notes(ctx, b, always(api.EventS3ObjectCreatedCopy))
	directive, tagging, err := directives(in.MetadataDirective, in.TaggingDirective)
	if err != nil {
		return nil, err
	}
	if in.AnnotationDirective != nil {
		return nil, notImplemented("annotations")
	}
	changed := directive == directiveReplace || h.class != nil || h.sse != nil || h.redirect != nil || h.customer.algorithm != nil || in.CopySourceSSECustomerAlgorithm != nil || c.version != nil
	if c.source.ID == b.ID && c.key == *in.Key && !changed {
		return nil, invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	info, source, err := s.Objects.Copy(ctx, from, func(source object.Info) (object.PutInput, error) {
		if err := c.allow(ctx, source); err != nil {
			return put, err
		}
		if source.Size > maxPut {
			return put, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxPut))
		}
		if directive == directiveCopy {
			own := with(source.System, redirect, put.System[redirect])
			put.User, put.System = source.User, with(own, aclName, put.System[aclName])
		}
		if put.Algorithm == checksum.None {
			put.Algorithm = source.Checksum.Algorithm
		}
		if put.Algorithm == checksum.None {
			put.Algorithm = defaultChecksum
		}
		if tagging == directiveCopy && len(source.Tags) > 0 {
			put.Tags = source.Tags
			return put, c.allowTags(ctx, *in.Key)
		}
		return put, nil
	})
	if err != nil {
		return nil, c.failed(ctx, source, err)
	}
	out := &api.CopyObjectOutput{VersionId: made(info.Version), CopySourceVersionId: s.version(ctx, c.source, source.Version), Expiration: s.expiration(b, info)}
	out.CopyObjectResult = &api.CopyObjectResult{ETag: quoted(info.ETag), LastModified: &info.Modified}
	out.CopyObjectResult.ChecksumType = show(out.CopyObjectResult, info.Checksum, 0)
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = h.customer.sealed()
	return out, nil
}

// with is a map with one value set, or removed for "".
func with(m map[string]string, name, value string) map[string]string {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	delete(out, name)
	if value != "" {
		out[name] = value
	}
	return out
}

func directives(metadata, tagging *string) (m, t string, err error) {
	m, t = directiveCopy, directiveCopy
	if metadata != nil {
		m = *metadata
	}
	if tagging != nil {
		t = *tagging
	}
	switch {
	case m != directiveCopy && m != directiveReplace:
		return m, t, invalid("Unknown metadata directive.")
	case t != directiveCopy && t != directiveReplace:
		return m, t, invalid("Unknown tagging directive.")
	}
	return m, t, nil
}

// copying is the source of a copy.
type copying struct {
	s              *Service
	source, target cloud.Bucket
	owner          *string // that the source's bucket must have
	key            string
	version        *string
	preconditions
	asked bool // the authorisation to read it was
}

// from says what to read of x-amz-copy-source, "BUCKET/KEY?versionId=VERSION", encoded
// as values of forms.
func (c *copying) from(ctx context.Context, header string, key customer) (object.GetInput, error) {
	path, query, _ := strings.Cut(header, "?")
	path, err := url.QueryUnescape(strings.TrimPrefix(path, "/")) // "+" is a space, as with AWS
	if err != nil {
		return object.GetInput{}, invalid("Invalid copy source encoding")
	}
	name, source, ok := strings.Cut(path, "/")
	if !ok || name == "" || source == "" {
		return object.GetInput{}, invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	if !validName(name) {
		return object.GetInput{}, invalid("Invalid copy source bucket name")
	}
	c.key = source
	if version, ok := strings.CutPrefix(query, "versionId="); ok {
		c.version = &version
	}
	if err := checkVersion(c.version); err != nil {
		return object.GetInput{}, err
	}
	if c.source, err = find(c.s.DB.View(), &name); err != nil {
		return object.GetInput{}, err
	}
	get := object.GetInput{Bucket: c.source.ID, Key: c.key, Version: val(c.version)}
	get.CustomerKey, err = key.open(ctx)
	return get, err
}

// may is the authorisation to read the source.
func (c *copying) may(ctx context.Context, source object.Info) error {
	c.asked = true
	k := keys{}.set("s3:VersionId", c.version).existingTags(source.Tags)
	return c.s.allowSeen(ctx, versioned("GetObject", c.version), c.source, c.owner, c.key, k, source.Attributes)
}

// allow is may, and whether the preconditions hold.
func (c *copying) allow(ctx context.Context, source object.Info) error {
	if err := c.may(ctx, source); err != nil {
		return err
	}
	if ok, _ := c.hold(source); !ok {
		return expressed(object.ErrPrecondition)
	}
	return nil
}

// allowTags is the authorisation to copy tags.
func (c *copying) allowTags(ctx context.Context, key string) error {
	if err := c.s.allowIn(ctx, versioned("GetObjectTagging", c.version), c.source, c.owner, c.key, keys{}); err != nil {
		return err
	}
	return c.s.allowIn(ctx, "PutObjectTagging", c.target, nil, key, keys{})
}

// failed is the answer to a copy that failed.
func (c *copying) failed(ctx context.Context, source object.Info, err error) error {
	if c.asked {
		return unwritten(err)
	}
	if err := c.may(ctx, source); err != nil {
		return err
	}
	if errors.Is(err, object.ErrMarker) && c.version != nil {
		return invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	return c.s.absent(ctx, c.source, c.key, nil, source, err)
}
