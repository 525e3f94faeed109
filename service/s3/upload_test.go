package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
)

const fiveMiB = 5 << 20

// TestSDKUpload makes objects of parts, with the checksums of all algorithms and types.
func TestSDKUpload(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	one, two := bytes.Repeat([]byte("0123456789abcdef"), fiveMiB/16), []byte("the end")
	sumOne, sumTwo := md5.Sum(one), md5.Sum(two)
	all := md5.Sum(append(sumOne[:], sumTwo[:]...))
	wantedTag := `"` + hex.EncodeToString(all[:]) + `-2"`
	for _, q := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
	}{{"", ""}, {"CRC32", "COMPOSITE"}, {"CRC32C", "FULL_OBJECT"}, {"CRC64NVME", "FULL_OBJECT"}, {"SHA256", "COMPOSITE"}} {
		key := new("k" + string(q.algorithm))
		up := must(c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{
			Bucket: box, Key: key, ChecksumAlgorithm: q.algorithm, ChecksumType: q.kind, ContentType: new("text/plain"), Metadata: map[string]string{"a": "b"},
		}))(t)
		var parts []types.CompletedPart
		for k, body := range [][]byte{one, two} {
			p := must(c.UploadPart(ctx, &sdk.UploadPartInput{
				Bucket: box, Key: key, UploadId: up.UploadId, PartNumber: new(int32(k + 1)), Body: bytes.NewReader(body), ChecksumAlgorithm: q.algorithm,
			}))(t)
			parts = append(parts, types.CompletedPart{
				PartNumber: new(int32(k + 1)), ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32, ChecksumCRC32C: p.ChecksumCRC32C,
				ChecksumCRC64NVME: p.ChecksumCRC64NVME, ChecksumSHA256: p.ChecksumSHA256,
			})
		}
		listed := must(c.ListParts(ctx, &sdk.ListPartsInput{Bucket: box, Key: key, UploadId: up.UploadId, MaxParts: new(int32(1))}))(t)
		if len(listed.Parts) != 1 || *listed.Parts[0].Size != fiveMiB || !*listed.IsTruncated || *listed.NextPartNumberMarker != "1" || listed.ChecksumAlgorithm != q.algorithm {
			t.Errorf("%s: parts %+v", q.algorithm, listed)
		}
		listed = must(c.ListParts(ctx, &sdk.ListPartsInput{Bucket: box, Key: key, UploadId: up.UploadId}))(t)
		if len(listed.Parts) != 2 || *listed.IsTruncated || *listed.NextPartNumberMarker != "2" {
			t.Errorf("%s: all parts %+v", q.algorithm, listed)
		}
		done := must(c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{
			Bucket: box, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}, MpuObjectSize: new(int64(fiveMiB + 7)),
		}))(t)
		if *done.ETag != wantedTag || q.kind != "" && done.ChecksumType != q.kind {
			t.Errorf("%s: completed %+v", q.algorithm, done)
		}
		if q.kind == "COMPOSITE" && !strings.HasSuffix(val(done.ChecksumCRC32)+val(done.ChecksumSHA256), "-2") {
			t.Errorf("%s: completed %+v", q.algorithm, done)
		}
		head := must(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: box, Key: key, PartNumber: new(int32(2))}))(t)
		if *head.ContentLength != 7 || *head.PartsCount != 2 || *head.ContentRange != fmt.Sprintf("bytes %d-%d/%d", fiveMiB, fiveMiB+6, fiveMiB+7) || *head.ContentType != "text/plain" || head.Metadata["a"] != "b" {
			t.Errorf("%s: head of part 2 %+v", q.algorithm, head)
		}
		part := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, PartNumber: new(int32(2)), ChecksumMode: types.ChecksumModeEnabled}))(t)
		if got := read(t, part.Body); got != string(two) {
			t.Errorf("%s: part 2 is %q", q.algorithm, got)
		}
		// That of a part is told where the object's is made of those.
		sum, wanted := val(part.ChecksumCRC32)+val(part.ChecksumCRC32C)+val(part.ChecksumCRC64NVME)+val(part.ChecksumSHA256), ""
		if q.kind == "COMPOSITE" {
			wanted = val(parts[1].ChecksumCRC32) + val(parts[1].ChecksumSHA256)
		}
		if sum != wanted || wanted != "" && part.ChecksumType != q.kind {
			t.Errorf("%s: the checksum of part 2 is %q of type %s, not %q", q.algorithm, sum, part.ChecksumType, wanted)
		}
		attributes := must(c.GetObjectAttributes(ctx, &sdk.GetObjectAttributesInput{Bucket: box, Key: key, MaxParts: new(int32(1)), ObjectAttributes: []types.ObjectAttributes{"ObjectParts", "Checksum"}}))(t)
		if sum := val(attributes.Checksum.ChecksumCRC32) + val(attributes.Checksum.ChecksumSHA256); sum != strings.TrimSuffix(val(done.ChecksumCRC32)+val(done.ChecksumSHA256), "-2") {
			t.Errorf("%s: the checksum among the attributes is %q", q.algorithm, sum)
		}
		if p := attributes.ObjectParts; *p.TotalPartsCount != 2 || len(p.Parts) != 1 || *p.Parts[0].Size != fiveMiB || *p.NextPartNumberMarker != "1" {
			t.Errorf("%s: attributes %+v", q.algorithm, p)
		}
		// A retry of the completion answers the same.
		again := must(c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{
			Bucket: box, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		}))(t)
		if *again.ETag != wantedTag {
			t.Errorf("%s: completed again %+v", q.algorithm, again)
		}
	}
	whole := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: new("k")}))(t)
	if got := read(t, whole.Body); got != string(one)+string(two) {
		t.Errorf("it has %d other bytes", len(got))
	}
}

// TestUploadRefuses completes, and puts parts of, what cannot be.
func TestUploadRefuses(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	box, key := new("box"), new("k")
	begin := func(in api.CreateMultipartUploadRequest) *string {
		in.Bucket, in.Key = box, key
		return must(r.CreateMultipartUpload(r.ctx, &in))(t).UploadId
	}
	want(t, "a type alone", second(r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadRequest{Bucket: box, Key: key, ChecksumType: new("COMPOSITE")})), "InvalidRequest")
	want(t, "SHA256 of the whole", second(r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadRequest{
		Bucket: box, Key: key, ChecksumAlgorithm: new("SHA256"), ChecksumType: new("FULL_OBJECT"),
	})), "InvalidRequest")
	composite := begin(api.CreateMultipartUploadRequest{ChecksumAlgorithm: new("SHA256")})
	up := composite
	part := func(number int32, body string, in api.UploadPartRequest) (*string, error) {
		in.Bucket, in.Key, in.UploadId, in.PartNumber, in.Body = box, key, up, &number, strings.NewReader(body)
		out, err := r.UploadPart(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return out.ETag, nil
	}
	want(t, "part 0", second(part(0, "x", api.UploadPartRequest{})), "InvalidArgument")
	want(t, "part 10001", second(part(10001, "x", api.UploadPartRequest{})), "InvalidArgument")
	want(t, "another algorithm", second(part(1, "x", api.UploadPartRequest{ChecksumCRC32: new("AAAAAA==")})), "InvalidRequest")
	want(t, "a composite's part without a checksum", second(part(1, "x", api.UploadPartRequest{})), "InvalidRequest")
	summed := must(part(1, "hello", api.UploadPartRequest{ChecksumSHA256: new("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")}))(t)
	up = begin(api.CreateMultipartUploadRequest{ChecksumAlgorithm: new("CRC32"), ChecksumType: new("FULL_OBJECT")})
	one, two := must(part(1, "small", api.UploadPartRequest{}))(t), must(part(2, "small", api.UploadPartRequest{}))(t)
	complete := func(in api.CompleteMultipartUploadRequest, parts ...api.CompletedPart) error {
		in.Bucket, in.Key, in.UploadId, in.MultipartUpload = box, key, up, &api.CompletedMultipartUpload{Parts: parts}
		return second(r.CompleteMultipartUpload(r.ctx, &in))
	}
	p := func(number int32, etag *string) api.CompletedPart {
		return api.CompletedPart{PartNumber: &number, ETag: etag}
	}
	none := api.CompleteMultipartUploadRequest{}
	want(t, "no parts", complete(none), "MalformedXML")
	want(t, "a part without an ETag", complete(none, p(1, nil)), "MalformedXML")
	want(t, "small parts", complete(none, p(1, one), p(2, two)), "EntityTooSmall")
	want(t, "out of order", complete(none, p(2, two), p(1, one)), "InvalidPartOrder")
	want(t, "one that is not", complete(none, p(1, one), p(3, two)), "EntityTooSmall")
	want(t, "only one that is not", complete(none, p(3, two)), "InvalidPart")
	want(t, "another ETag", complete(none, p(1, new(`"00"`))), "InvalidPart")
	want(t, "another size", complete(api.CompleteMultipartUploadRequest{MpuObjectSize: new(int64(4))}, p(1, one)), "InvalidRequest")
	want(t, "another type", complete(api.CompleteMultipartUploadRequest{ChecksumType: new("COMPOSITE")}, p(1, one)), "InvalidRequest")
	want(t, "a wrong sum of a part", complete(none, api.CompletedPart{PartNumber: new(int32(1)), ETag: one, ChecksumCRC32: new("AAAAAA==")}), "InvalidPart")
	want(t, "what must not be there", complete(api.CompleteMultipartUploadRequest{IfMatch: one}, p(1, one)), "NoSuchKey")
	want(t, "done", complete(none, p(1, one)), "")
	if r.get("box", "k", "") != "small" {
		t.Error("another object")
	}
	want(t, "abort what is done", second(r.AbortMultipartUpload(r.ctx, &api.AbortMultipartUploadRequest{Bucket: box, Key: key, UploadId: up})), "NoSuchUpload")
	want(t, "parts of what is done", second(r.ListParts(r.ctx, &api.ListPartsRequest{Bucket: box, Key: key, UploadId: up})), "NoSuchUpload")

	up = composite
	want(t, "a composite without its parts' checksums", complete(none, p(1, summed)), "InvalidRequest")

	// An upload that named no algorithm takes parts with checksums of any, and compares.
	up = begin(api.CreateMultipartUploadRequest{})
	want(t, "a wrong sum of any algorithm", second(part(1, "x", api.UploadPartRequest{ChecksumCRC32: new("AAAAAA==")})), "BadDigest")
	one = must(part(1, "123456789", api.UploadPartRequest{ChecksumCRC32: new("y/Q5Jg==")}))(t)
	want(t, "done with it", complete(none, api.CompletedPart{PartNumber: new(int32(1)), ETag: one, ChecksumCRC32: new("y/Q5Jg==")}), "")
	up = begin(api.CreateMultipartUploadRequest{})
	want(t, "abort", second(r.AbortMultipartUpload(r.ctx, &api.AbortMultipartUploadRequest{Bucket: box, Key: key, UploadId: up})), "")
	want(t, "a part of what is gone", second(part(1, "x", api.UploadPartRequest{})), "NoSuchUpload")
}

// TestSDKUploads lists uploads, page by page.
func TestSDKUploads(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	for _, key := range []string{"a", "a", "b/1", "b/2", "c"} {
		must(c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: box, Key: &key}))(t)
	}
	var got []string
	pages := sdk.NewListMultipartUploadsPaginator(c, &sdk.ListMultipartUploadsInput{Bucket: box, Delimiter: new("/"), MaxUploads: new(int32(1))})
	for pages.HasMorePages() {
		page := must(pages.NextPage(ctx))(t)
		for _, u := range page.Uploads {
			got = append(got, *u.Key)
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
	}
	if fmt.Sprint(got) != "[a a b/ c]" {
		t.Errorf("uploads of %v", got)
	}
}

// TestSDKCopy copies objects, between buckets, onto themselves, and in parts.
func TestSDKCopy(t *testing.T) {
	r := newRig(t)
	r.bucket("from")
	r.bucket("into")
	r.versions("from", object.Enabled)
	c, ctx, from, to := r.client(), t.Context(), new("from"), new("into")
	key, source := new("ä b+c"), new("from/%C3%A4%20b%2Bc")
	put := must(c.PutObject(ctx, &sdk.PutObjectInput{
		Bucket: from, Key: key, Body: strings.NewReader("hello"), ContentType: new("text/x"), Metadata: map[string]string{"a": "1"}, Tagging: new("t=1"), ChecksumAlgorithm: "SHA1",
	}))(t)
	head := func(bucket, key *string) *sdk.HeadObjectOutput {
		return must(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled}))(t)
	}
	copied := must(c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: to, Key: new("k"), CopySource: source}))(t)
	if *copied.CopyObjectResult.ETag != *put.ETag || *copied.CopySourceVersionId != *put.VersionId || copied.VersionId != nil || val(copied.CopyObjectResult.ChecksumSHA1) != *put.ChecksumSHA1 {
		t.Errorf("copied: %+v, %+v", copied, copied.CopyObjectResult)
	}
	if h := head(to, new("k")); *h.ContentType != "text/x" || h.Metadata["a"] != "1" || *h.TagCount != 1 || val(h.ChecksumSHA1) != *put.ChecksumSHA1 {
		t.Errorf("the copy: %+v", h)
	}
	must(c.CopyObject(ctx, &sdk.CopyObjectInput{
		Bucket: to, Key: new("k"), CopySource: source, MetadataDirective: "REPLACE", TaggingDirective: "REPLACE", Metadata: map[string]string{"b": "2"}, ChecksumAlgorithm: "CRC32C",
	}))(t)
	if h := head(to, new("k")); *h.ContentType != defaultType || h.Metadata["a"] != "" || h.Metadata["b"] != "2" || h.TagCount != nil || h.ChecksumCRC32C == nil {
		t.Errorf("the copy with other metadata: %+v", h)
	}
	for what, q := range map[string]struct {
		in     sdk.CopyObjectInput
		wanted string
	}{
		"onto itself":              {sdk.CopyObjectInput{Bucket: to, Key: new("k"), CopySource: new("into/k")}, "InvalidRequest 400"},
		"onto itself, changed":     {sdk.CopyObjectInput{Bucket: to, Key: new("k"), CopySource: new("/into/k"), MetadataDirective: "REPLACE"}, ""},
		"an old version onto it":   {sdk.CopyObjectInput{Bucket: from, Key: key, CopySource: new(*source + "?versionId=" + *put.VersionId)}, ""},
		"no key":                   {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("into")}, "InvalidArgument 400"},
		"what is not there":        {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("into/none")}, "NoSuchKey 404"},
		"from no bucket":           {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("nowhere/none")}, "NoSuchBucket 404"},
		"an unknown directive":     {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("into/k"), MetadataDirective: "SOME"}, "InvalidArgument 400"},
		"if it is another":         {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("into/k"), CopySourceIfMatch: new(`"0"`)}, "PreconditionFailed 412"},
		"if it is not it":          {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("into/k"), CopySourceIfNoneMatch: put.ETag}, "PreconditionFailed 412"},
		"if it changed since":      {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: new("into/k"), CopySourceIfModifiedSince: aws.Time(r.Now())}, "PreconditionFailed 412"},
		"where there must be none": {sdk.CopyObjectInput{Bucket: to, Key: new("k"), CopySource: source, IfNoneMatch: new("*")}, "PreconditionFailed 412"},
		"from another's bucket":    {sdk.CopyObjectInput{Bucket: to, Key: new("x"), CopySource: source, ExpectedSourceBucketOwner: new(bob)}, "AccessDenied 403"},
	} {
		wantAnswer(t, what, second(c.CopyObject(ctx, &q.in)), q.wanted)
	}
	up := must(c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: to, Key: new("parts")}))(t).UploadId
	in := sdk.UploadPartCopyInput{Bucket: to, Key: new("parts"), UploadId: up, PartNumber: new(int32(1)), CopySource: source}
	for header, wanted := range map[string]string{"bytes=1-9": "InvalidArgument 400", "bytes=-2": "InvalidArgument 400", "bytes=9-10": "InvalidArgument 400", "bytes=1-3": ""} {
		in.CopySourceRange = &header
		out, err := c.UploadPartCopy(ctx, &in)
		wantAnswer(t, header, err, wanted)
		if err == nil {
			must(c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: to, Key: new("parts"), UploadId: up, MultipartUpload: &types.CompletedMultipartUpload{
				Parts: []types.CompletedPart{{PartNumber: new(int32(1)), ETag: out.CopyPartResult.ETag}},
			}}))(t)
			up = must(c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: to, Key: new("parts")}))(t).UploadId
			in.UploadId = up
		}
	}
	out := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: to, Key: new("parts")}))(t)
	if got := read(t, out.Body); got != "ell" {
		t.Errorf("copied in parts: %q", got)
	}
}

// TestSDKList lists with prefixes, delimiters and encodings, page by page, in both ways.
func TestSDKList(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	for _, key := range []string{"a", "b/1", "b/2", "b/c/3", "b+ ü&<>", "d", "\x01"} {
		r.write("box", key, "x")
	}
	for what, q := range map[string]struct {
		in     sdk.ListObjectsV2Input
		wanted string
	}{
		"all":              {sdk.ListObjectsV2Input{EncodingType: "url"}, "[%01 a b%2B%20%C3%BC%26%3C%3E b/1 b/2 b/c/3 d]"},
		"in the open":      {sdk.ListObjectsV2Input{Prefix: new("b")}, "[b+ ü&<> b/1 b/2 b/c/3]"},
		"by a delimiter":   {sdk.ListObjectsV2Input{Delimiter: new("/"), Prefix: new("b")}, "[b+ ü&<> b/]"},
		"in a folder":      {sdk.ListObjectsV2Input{Delimiter: new("/"), Prefix: new("b/")}, "[b/1 b/2 b/c/]"},
		"behind a key":     {sdk.ListObjectsV2Input{StartAfter: new("b/1")}, "[b/2 b/c/3 d]"},
		"none":             {sdk.ListObjectsV2Input{Prefix: new("x")}, "[]"},
		"none are allowed": {sdk.ListObjectsV2Input{MaxKeys: new(int32(0))}, "[]"},
	} {
		for _, size := range []*int32{nil, new(int32(1)), new(int32(2))} {
			if q.in.MaxKeys != nil && size != nil {
				continue
			}
			in := q.in
			in.Bucket = box
			if size != nil {
				in.MaxKeys = size
			}
			got := []string{}
			for {
				page := must(c.ListObjectsV2(ctx, &in))(t)
				for _, o := range page.Contents {
					got = append(got, *o.Key)
				}
				for _, p := range page.CommonPrefixes {
					got = append(got, *p.Prefix)
				}
				if *page.KeyCount != int32(len(page.Contents)+len(page.CommonPrefixes)) {
					t.Errorf("%s: it counts %d", what, *page.KeyCount)
				}
				if !*page.IsTruncated {
					break
				}
				in.ContinuationToken = page.NextContinuationToken
			}
			if fmt.Sprint(got) != q.wanted {
				t.Errorf("%s: listed %v, not %s", what, got, q.wanted)
			}
		}
	}
	old := &sdk.ListObjectsInput{Bucket: box, Delimiter: new("/"), Prefix: new("b"), MaxKeys: new(int32(1))}
	page := must(c.ListObjects(ctx, old))(t)
	if len(page.Contents) != 1 || *page.NextMarker != "b+ ü&<>" || page.Contents[0].Owner == nil {
		t.Errorf("the old way: %+v", page)
	}
	old.Marker = page.NextMarker
	if page = must(c.ListObjects(ctx, old))(t); len(page.CommonPrefixes) != 1 || *page.CommonPrefixes[0].Prefix != "b/" || *page.IsTruncated {
		t.Errorf("the old way, on: %+v", page)
	}
	wantAnswer(t, "another token", second(c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: box, ContinuationToken: new("x")})), "InvalidArgument 400")
	wantAnswer(t, "another encoding", second(c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: box, EncodingType: "x"})), "InvalidArgument 400")
	wantAnswer(t, "fewer than none", second(c.ListObjects(ctx, &sdk.ListObjectsInput{Bucket: box, MaxKeys: new(int32(-1))})), "InvalidArgument 400")
}
