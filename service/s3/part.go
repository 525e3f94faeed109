package s3

import (
	"bytes"
	"context"
	"errors"
	"hash"
	"io"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// UploadPart puts a part of an upload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html.
func (s *Service) UploadPart(ctx context.Context, in *api.UploadPartRequest) (*api.UploadPartOutput, error) {
	b, err := s.allowObject(ctx, "PutObject", in.Bucket, in.ExpectedBucketOwner, *in.Key, nil)
	if err != nil {
		return nil, err
	}
	c := customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}
	put, u, err := s.newPart(ctx, b.ID, *in.Key, *in.UploadId, *in.PartNumber, c)
	if err != nil {
		return nil, err
	}
	body := streamOf(in.Body)
	if put.Size, err = size(body); err != nil {
		return nil, err
	}
	g := given{sums: sumsOf(in), md5: in.ContentMD5, algorithm: in.ChecksumAlgorithm}
	if put.Expected, err = g.expected(body); err != nil {
		return nil, err
	}
	var from io.Reader = body
	var own *other
	if put.Algorithm == checksum.None && mustSum(u) {
		return nil, mismatch(u, checksum.None)
	}
	if a := put.Algorithm; a != checksum.None && a != u.Algorithm {
		if u.System[unasked] == "" {
			return nil, mismatch(u, a)
		}
		own = &other{Reader: body, Algorithm: a, hash: a.New(), want: put.Checksum}
		from, put.Expected = own, object.Expected{MD5: put.MD5}
	}
	part, err := s.Objects.PutPart(ctx, put, from)
	if err != nil {
		return nil, unfitting(err)
	}
	if own != nil {
		part.Checksum = own.sum()
	}
	out := &api.UploadPartOutput{ETag: quoted(part.ETag)}
	show(out, part.Checksum, 0)
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = c.sealed()
	return out, nil
}

// newPart is a part to put, but for its body, and the upload that it is of.
func (s *Service) newPart(ctx context.Context, bucket, key, upload string, number int32, c customer) (object.PartInput, object.Upload, error) {
	put := object.PartInput{Bucket: bucket, Key: key, Upload: upload, Number: int(number)}
	if number < 1 || number > object.MaxParts {
		return put, object.Upload{}, badPartNumber()
	}
	var err error
	if put.CustomerKey, err = c.open(ctx); err != nil {
		return put, object.Upload{}, err
	}
	u, err := s.Objects.Upload(ctx, bucket, key, upload)
	return put, u, expressed(err)
}

func badCopyRange(size int64) error {
	return invalid("Range specified is not valid for source object of size: %d", size)
}

func badPartNumber() error {
	return invalid("Part number must be an integer between 1 and %d, inclusive", object.MaxParts)
}

// other compares a body with a checksum of an algorithm that the engine does not keep
// for its upload.
type other struct {
	io.Reader
	checksum.Algorithm
	hash hash.Hash
	want func() ([]byte, error)
}

// Read fails in place of the end of a body that is another one.
func (o *other) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	o.hash.Write(p[:n])
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	want, wrong := o.want()
	if wrong == nil && !bytes.Equal(want, o.hash.Sum(nil)) {
		wrong = &object.DigestError{Algorithm: o.Algorithm, Got: o.hash.Sum(nil), Want: want}
	}
	if wrong != nil {
		return n, wrong
	}
	return n, err
}

func (o *other) sum() checksum.Sum {
	return checksum.Sum{Algorithm: o.Algorithm, Type: checksum.FullObject, Value: o.hash.Sum(nil)}
}

// UploadPartCopy makes a part of an object: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html.
func (s *Service) UploadPartCopy(ctx context.Context, in *api.UploadPartCopyRequest) (*api.UploadPartCopyOutput, error) {
	b, err := s.allowObject(ctx, "PutObject", in.Bucket, in.ExpectedBucketOwner, *in.Key, keys{}.set("s3:x-amz-copy-source", in.CopySource))
	if err != nil {
		return nil, err
	}
	if n := *in.PartNumber; n < 1 || n > object.MaxParts {
		return nil, badPartNumber()
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
	own := customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}
	put, _, err := s.newPart(ctx, b.ID, *in.Key, *in.UploadId, *in.PartNumber, own)
	if err != nil {
		return nil, err
	}
	if in.CopySourceRange != nil {
		r := parseRange(*in.CopySourceRange)
		if r == nil || r.First < 0 || r.Last < 0 {
			return nil, invalid("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		from.Range = r
	}
	part, source, err := s.Objects.CopyPart(ctx, from, func(source object.Info) (object.PartInput, error) {
		if err := c.allow(ctx, source); err != nil {
			return put, err
		}
		length := source.Size
		if r := from.Range; r != nil {
			if r.Last >= source.Size {
				return put, badCopyRange(source.Size)
			}
			length = r.Last - r.First + 1
		}
		if length > maxPut {
			return put, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxPut))
		}
		return put, nil
	})
	if errors.Is(err, object.ErrRange) {
		err = badCopyRange(source.Size)
	}
	if err != nil {
		return nil, c.failed(ctx, source, err)
	}
	out := &api.UploadPartCopyOutput{CopySourceVersionId: s.version(ctx, c.source, source.Version)}
	out.CopyPartResult = &api.CopyPartResult{ETag: quoted(part.ETag), LastModified: &part.Modified}
	show(out.CopyPartResult, part.Checksum, 0)
	out.ServerSideEncryption, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5 = own.sealed()
	return out, nil
}
