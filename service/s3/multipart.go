package s3

import (
	"context"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// unasked marks, among what the engine keeps of an upload, that the client did not
// name the algorithm of its checksum: parts may then come with checksums of others.
const unasked = "checksum-unasked"

// CreateMultipartUpload begins an upload in parts:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html.
func (s *Service) CreateMultipartUpload(ctx context.Context, in *api.CreateMultipartUploadRequest) (*api.CreateMultipartUploadOutput, error) {
	h := &headers{
		cacheControl: in.CacheControl, contentDisposition: in.ContentDisposition, contentEncoding: in.ContentEncoding,
		contentLanguage: in.ContentLanguage, contentType: in.ContentType, redirect: in.WebsiteRedirectLocation, expires: in.Expires,
		metadata: in.Metadata, tagging: in.Tagging, acl: in.ACL, class: in.StorageClass, sse: in.ServerSideEncryption,
		grants: []*string{in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP}, kms: in.SSEKMSKeyId,
		customer: customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5},
		mode:     in.ObjectLockMode, until: in.ObjectLockRetainUntilDate, hold: in.ObjectLockLegalHoldStatus,
		eventHold: in.ObjectLockEventHold, eventHoldDays: in.ObjectLockEventHoldDurationDays, eventHoldYears: in.ObjectLockEventHoldDurationYears,
	}
	b, err := s.allowWrite(ctx, in.Bucket, in.ExpectedBucketOwner, in.Key, h, h.keys())
	if err != nil {
		return nil, err
	}
	put, err := s.newPut(ctx, b, *in.Key, h)
	if err != nil {
		return nil, err
	}
	begin := object.UploadInput{
		Bucket: b.ID, Key: *in.Key, Class: put.Class, Owner: put.Owner, CustomerKey: put.CustomerKey, Attributes: put.Attributes,
		Type: checksum.Type(strings.ToUpper(val(in.ChecksumType))),
	}
	if h.mode == nil {
		begin.Retention = object.Retention{} // the default one counts from the end
	}
	if begin.Algorithm, err = algorithmOf(in.ChecksumAlgorithm); err != nil {
		return nil, err
	}
	if begin.Type != "" && begin.Type != checksum.FullObject && begin.Type != checksum.Composite {
		return nil, invalidRequest("Value for x-amz-checksum-type header is invalid.")
	}
	if begin.Algorithm == checksum.None {
		if in.ChecksumType != nil {
			return nil, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		begin.Algorithm, begin.System[unasked] = defaultChecksum, "true"
	}
	if begin.Type != "" && begin.Algorithm.Check(begin.Type) != nil {
		return nil, invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", begin.Type, strings.ToLower(string(begin.Algorithm)))
	}
	u, err := s.Objects.CreateUpload(ctx, begin)
	if err != nil {
		return nil, unwritten(err)
	}
	out := &api.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: &u.ID}
	out.AbortDate, out.AbortRuleId = s.abortion(b, u)
	if _, ok := u.System[unasked]; !ok {
		out.ChecksumAlgorithm, out.ChecksumType = new(string(u.Algorithm)), new(string(u.Type))
	}
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = h.customer.sealed()
	return out, nil
}

// CompleteMultipartUpload makes an object of the parts:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html.
func (s *Service) CompleteMultipartUpload(ctx context.Context, in *api.CompleteMultipartUploadRequest) (*api.CompleteMultipartUploadOutput, error) {
	b, err := s.allowObject(ctx, "PutObject", in.Bucket, in.ExpectedBucketOwner, *in.Key, keys{}.set("s3:if-match", in.IfMatch).set("s3:if-none-match", in.IfNoneMatch))
	if err != nil {
		return nil, err
	}
	done := object.CompleteInput{Bucket: b.ID, Key: *in.Key, Upload: *in.UploadId, Size: -1, Retention: bucket.Retention(b, s.Now()), Notes: s.notes(ctx, b, always(api.EventS3ObjectCreatedCompleteMultipartUpload))}
	if done.Conditions, err = conditions(in.IfMatch, in.IfNoneMatch); err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, malformedXML()
	}
	if in.MpuObjectSize != nil {
		if *in.MpuObjectSize < 0 {
			return nil, invalidRequest("Value for x-amz-mp-object-size header is less than zero: '%d'", *in.MpuObjectSize)
		}
		done.Size = *in.MpuObjectSize
	}
	u, err := s.Objects.Upload(ctx, b.ID, *in.Key, *in.UploadId)
	ended := err != nil // an upload that was completed answers again
	if !ended {
		if err := completing(&done, in, u); err != nil {
			return nil, err
		}
	}
	for _, p := range in.MultipartUpload.Parts {
		if p.PartNumber == nil || p.ETag == nil {
			return nil, malformedXML()
		}
		if *p.PartNumber < 1 {
			return nil, badPartNumber()
		}
		part := object.CompletePart{Number: int(*p.PartNumber), ETag: *p.ETag}
		if !ended {
			if part.Checksum, err = partSum(sumsOf(&p), u, part.Number); err != nil {
				return nil, err
			}
		}
		done.Parts = append(done.Parts, part)
	}
	info, err := s.Objects.CompleteUpload(ctx, done)
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.CompleteMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, ETag: quoted(info.ETag), VersionId: made(info.Version), Location: new(location(ctx, b.Name, *in.Key)),
		Expiration: s.expiration(b, info),
	}
	out.ChecksumType = show(out, info.Checksum, info.Parts)
	if !info.Customer {
		out.ServerSideEncryption = new(aes256)
	}
	return out, nil
}

// location is the URL of an object, as the client addresses the bucket.
func location(ctx context.Context, bucket, key string) string {
	caller := cloud.CallerFrom(ctx)
	url := "http://" + caller.Host
	if caller.Secure {
		url = "https://" + caller.Host
	}
	if !strings.HasPrefix(caller.Host, bucket+".") {
		url += "/" + bucket
	}
	return url + "/" + encoded(key)
}

// completing checks what a completion says of the whole object.
func completing(done *object.CompleteInput, in *api.CompleteMultipartUploadRequest, u object.Upload) error {
	if in.ChecksumType != nil && *in.ChecksumType != string(u.Type) {
		return invalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", u.Type)
	}
	whole := sumsOf(in)
	for a, text := range whole {
		whole[a] = strings.TrimSuffix(text, "-"+itoa(len(in.MultipartUpload.Parts)))
	}
	algorithm, value, err := whole.one()
	if err != nil {
		return err
	}
	if algorithm != checksum.None && algorithm != u.Algorithm {
		return mismatch(u, algorithm)
	}
	done.Checksum = value
	return nil
}

// partSum is the checksum that a completion says a part has. Of uploads that named no
// algorithm only those are compared that were kept.
func partSum(sum sums, u object.Upload, number int) ([]byte, error) {
	algorithm, value, err := sum.one()
	switch {
	case err != nil:
		return nil, err
	case algorithm == checksum.None && mustSum(u):
		return nil, invalidRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
			strings.ToLower(string(u.Algorithm)), number)
	case algorithm == u.Algorithm || algorithm == checksum.None:
		return value, nil
	case u.System[unasked] != "":
		return nil, nil
	}
	return nil, mismatch(u, algorithm)
}

// mustSum reports whether each part of an upload has to come with a checksum: those
// of the parts make that of the object.
func mustSum(u object.Upload) bool { return u.System[unasked] == "" && u.Type == checksum.Composite }

// mismatch is the error for a checksum of another algorithm than the upload's.
func mismatch(u object.Upload, algorithm checksum.Algorithm) error {
	actual := "null"
	if algorithm != checksum.None {
		actual = strings.ToLower(string(algorithm))
	}
	return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(string(u.Algorithm)), actual)
}

// AbortMultipartUpload ends an upload, and removes its parts:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html.
func (s *Service) AbortMultipartUpload(ctx context.Context, in *api.AbortMultipartUploadRequest) (*api.AbortMultipartUploadOutput, error) {
	b, err := s.allowUpload(ctx, "AbortMultipartUpload", in.Bucket, in.ExpectedBucketOwner, *in.Key, *in.UploadId)
	if err != nil {
		return nil, err
	}
	if in.IfMatchInitiatedTime != nil {
		return nil, notImplemented("x-amz-if-match-initiated-time")
	}
	if err := s.Objects.AbortUpload(ctx, b.ID, *in.Key, *in.UploadId); err != nil {
		return nil, expressed(err)
	}
	return &api.AbortMultipartUploadOutput{}, nil
}

// allowUpload is the authorisation of an operation on an upload, which is also its
// initiator's to do:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
func (s *Service) allowUpload(ctx context.Context, action string, name, owner *string, key, id string) (cloud.Bucket, error) {
	b, err := find(s.DB.View(), name)
	if err != nil {
		return b, err
	}
	caller := cloud.CallerFrom(ctx)
	if u, err := s.Objects.Upload(ctx, b.ID, key, id); err == nil && !enforced(b) && caller.Account != "" && u.Owner == caller.Account {
		return b, s.allowOwn(ctx, action, b, owner, key, nil)
	}
	return b, s.allowIn(ctx, action, b, owner, key, nil)
}

// upload is an upload that is under way.
func (s *Service) upload(ctx context.Context, b cloud.Bucket, key, id string) (object.Upload, error) {
	u, err := s.Objects.Upload(ctx, b.ID, key, id)
	return u, expressed(err)
}
