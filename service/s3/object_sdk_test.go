package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/object"
)

// holder gives every access key to one caller.
type holder struct{ cloud.Caller }

func (h holder) Lookup(context.Context, string, string) (gateway.Credential, error) {
	return gateway.Credential{Secret: "secret", Caller: h.Caller}, nil
}

// client is the Go SDK in front of the real gateway, as the root of alice's account.
func (r *rig) client() *sdk.Client {
	r.Helper()
	g, err := gateway.New(gateway.Config{
		Region: r.Place.Region, Endpoints: []gateway.Endpoint{{API: api.API(), Impl: r.Service}},
		Credentials: holder{cloud.CallerFrom(r.ctx)}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx, l) }()
	r.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			r.Error(err)
		}
	})
	return sdk.New(sdk.Options{
		Region: r.Place.Region, BaseEndpoint: new("http://" + l.Addr().String()), UsePathStyle: true, RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDALICE", "secret", ""),
	})
}

// versions lets a bucket keep versions.
func (r *rig) versions(name string, v object.Versioning) {
	r.Helper()
	b, err := find(r.DB.View(), &name)
	if err = errors.Join(err, r.Objects.SetVersioning(r.ctx, b.ID, v)); err != nil {
		r.Fatal(err)
	}
}

// answered are the code and the status of what the SDK was answered.
func answered(err error) string {
	var e smithy.APIError
	var h *smithyhttp.ResponseError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && errors.As(err, &h):
		return fmt.Sprintf("%s %d", e.ErrorCode(), h.HTTPStatusCode())
	}
	return err.Error()
}

func wantAnswer(t *testing.T, what string, err error, wanted string) {
	t.Helper()
	if got := answered(err); got != wanted {
		t.Errorf("%s: answered %q, not %q", what, got, wanted)
	}
}

func etag(b []byte) string {
	sum := md5.Sum(b)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func read(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	return string(must(io.ReadAll(r))(t))
}

// TestSDKObject puts, reads and deletes with what a whole life of an object has.
func TestSDKObject(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	key, body := new("a dir/größe+1%.txt"), []byte("hello, object")

	put := must(c.PutObject(ctx, &sdk.PutObjectInput{
		Bucket: box, Key: key, Body: bytes.NewReader(body), ContentType: new("text/plain"), CacheControl: new("no-store"),
		ContentDisposition: new("attachment"), Metadata: map[string]string{"Color": "blue"}, Tagging: new("team=a&stage=b%20c"),
		Expires: new(time.Unix(2e9, 0)), ServerSideEncryption: types.ServerSideEncryptionAes256, ACL: types.ObjectCannedACLPrivate,
	}))(t)
	if *put.ETag != etag(body) || put.ChecksumCRC32 == nil || put.ChecksumType != types.ChecksumTypeFullObject || put.VersionId != nil || put.ServerSideEncryption != "AES256" {
		t.Errorf("put: %+v", put)
	}
	get := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, ChecksumMode: types.ChecksumModeEnabled}))(t)
	if got := read(t, get.Body); got != string(body) {
		t.Errorf("body: %q", got)
	}
	if *get.ETag != etag(body) || *get.ContentType != "text/plain" || *get.CacheControl != "no-store" || *get.ContentDisposition != "attachment" ||
		get.Metadata["color"] != "blue" || *get.TagCount != 2 || *get.ContentLength != int64(len(body)) || get.LastModified.Unix() != r.Now().Unix() ||
		*get.ChecksumCRC32 != *put.ChecksumCRC32 || *get.AcceptRanges != "bytes" || *get.ExpiresString != "Wed, 18 May 2033 03:33:20 GMT" {
		t.Errorf("get: %+v", get)
	}
	head := must(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: box, Key: key}))(t)
	if *head.ContentLength != int64(len(body)) || *head.ETag != etag(body) || head.Metadata["color"] != "blue" || head.ChecksumCRC32 != nil {
		t.Errorf("head: %+v", head)
	}
	tags := must(c.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: box, Key: key}))(t).TagSet
	if len(tags) != 2 || *tags[0].Key != "stage" || *tags[0].Value != "b c" {
		t.Errorf("tags: %+v", tags)
	}
	over := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, ResponseContentType: new("x/y"), ResponseContentDisposition: new("inline")}))(t)
	over.Body.Close()
	if *over.ContentType != "x/y" || *over.ContentDisposition != "inline" || *over.CacheControl != "no-store" {
		t.Errorf("overridden: %+v", over)
	}
	must(c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: key}))(t)
	_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key})
	wantAnswer(t, "get what is gone", err, "NoSuchKey 404")
	_, err = c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: box, Key: key})
	wantAnswer(t, "head what is gone", err, "NotFound 404")
	must(c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: key}))(t)
}

// TestSDKChecksums puts with every checksum, in headers and in trailers, right and wrong.
func TestSDKChecksums(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	body := []byte("123456789")
	for _, a := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		put := must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new(string(a)), Body: bytes.NewReader(body), ChecksumAlgorithm: a}))(t)
		attributes := must(c.GetObjectAttributes(ctx, &sdk.GetObjectAttributesInput{
			Bucket: box, Key: new(string(a)), ObjectAttributes: []types.ObjectAttributes{"Checksum", "ETag", "ObjectSize", "StorageClass", "ObjectParts"},
		}))(t)
		sum := attributes.Checksum
		for name, pair := range map[string][2]*string{
			"CRC32": {put.ChecksumCRC32, sum.ChecksumCRC32}, "CRC32C": {put.ChecksumCRC32C, sum.ChecksumCRC32C},
			"CRC64NVME": {put.ChecksumCRC64NVME, sum.ChecksumCRC64NVME}, "SHA1": {put.ChecksumSHA1, sum.ChecksumSHA1}, "SHA256": {put.ChecksumSHA256, sum.ChecksumSHA256},
		} {
			if (name == string(a)) != (pair[0] != nil) || val(pair[0]) != val(pair[1]) {
				t.Errorf("%s: %s is %v and %v", a, name, pair[0], pair[1])
			}
		}
		if *attributes.ObjectSize != 9 || `"`+*attributes.ETag+`"` != etag(body) || attributes.StorageClass != "STANDARD" || attributes.ObjectParts != nil {
			t.Errorf("attributes: %+v", attributes)
		}
	}
	_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new("bad"), Body: bytes.NewReader(body), ChecksumCRC32: new("AAAAAA==")})
	wantAnswer(t, "wrong CRC32", err, "BadDigest 400")
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new("bad"), Body: bytes.NewReader(body), ChecksumCRC32: new("nonsense")})
	wantAnswer(t, "no CRC32", err, "InvalidRequest 400")
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new("bad"), Body: bytes.NewReader(body), ContentMD5: new(base64.StdEncoding.EncodeToString(make([]byte, 16)))})
	wantAnswer(t, "wrong MD5", err, "BadDigest 400")
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new("bad"), Body: bytes.NewReader(body), ContentMD5: new("AA==")})
	wantAnswer(t, "no MD5", err, "InvalidDigest 400")
	list := must(c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: box, Prefix: new("bad")}))(t)
	if *list.KeyCount != 0 {
		t.Errorf("a refused body was kept: %+v", list.Contents)
	}
}

// TestSDKRanges reads parts of an object, and asks for more than there is.
func TestSDKRanges(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box, key := r.client(), t.Context(), new("box"), new("k")
	must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: key, Body: strings.NewReader("0123456789")}))(t)
	for header, wanted := range map[string]struct{ body, contentRange string }{
		"bytes=0-0": {"0", "bytes 0-0/10"}, "bytes=2-4": {"234", "bytes 2-4/10"}, "bytes=8-": {"89", "bytes 8-9/10"}, "bytes=-3": {"789", "bytes 7-9/10"},
		"bytes=-99": {"0123456789", "bytes 0-9/10"}, "bytes=9-99999999999999999999999": {"9", "bytes 9-9/10"},
		"bytes=4-2": {"0123456789", ""}, "bytes=1-2,4-5": {"0123456789", ""}, "lines=1-2": {"0123456789", ""}, "bytes=x-y": {"0123456789", ""},
	} {
		out := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, Range: &header}))(t)
		if got := read(t, out.Body); got != wanted.body || val(out.ContentRange) != wanted.contentRange || *out.ContentLength != int64(len(wanted.body)) {
			t.Errorf("%s: %q, %q, %d", header, got, val(out.ContentRange), *out.ContentLength)
		}
		head := must(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: box, Key: key, Range: &header}))(t)
		if val(head.ContentRange) != wanted.contentRange || *head.ContentLength != int64(len(wanted.body)) {
			t.Errorf("head %s: %q, %d", header, val(head.ContentRange), *head.ContentLength)
		}
	}
	for _, header := range []string{"bytes=10-", "bytes=-0", "bytes=99999999999999999999-"} {
		_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, Range: &header})
		wantAnswer(t, header, err, "InvalidRange 416")
	}
	_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, PartNumber: new(int32(2))})
	wantAnswer(t, "part 2", err, "InvalidPartNumber 416")
	part := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, PartNumber: new(int32(1))}))(t)
	if got := read(t, part.Body); got != "0123456789" || val(part.ContentRange) != "bytes 0-9/10" {
		t.Errorf("part 1: %q, %q", got, val(part.ContentRange))
	}
}

// TestStatus holds the statuses and the headers that SDKs do not show.
func TestStatus(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	r.versions("box", object.Enabled)
	c, ctx, box, key := r.client(), t.Context(), new("box"), new("k")
	must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: key, Body: strings.NewReader("0123456789")}))(t)
	must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new("gone"), Body: strings.NewReader("x")}))(t)
	marker := must(c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: new("gone")}))(t)
	signer := sdk.NewPresignClient(c)
	for what, q := range map[string]struct {
		in     *sdk.GetObjectInput
		add    map[string]string
		status int
		header map[string]string
	}{
		"whole":        {&sdk.GetObjectInput{Bucket: box, Key: key}, nil, 200, map[string]string{"Content-Length": "10", "Content-Type": "application/octet-stream"}},
		"range":        {&sdk.GetObjectInput{Bucket: box, Key: key}, map[string]string{"Range": "bytes=1-2"}, 206, map[string]string{"Content-Range": "bytes 1-2/10"}},
		"not modified": {&sdk.GetObjectInput{Bucket: box, Key: key}, map[string]string{"If-None-Match": etag([]byte("0123456789"))}, 304, map[string]string{"ETag": etag([]byte("0123456789")), "Content-Type": ""}},
		"failed":       {&sdk.GetObjectInput{Bucket: box, Key: key}, map[string]string{"If-Match": `"0"`}, 412, nil},
		"deleted":      {&sdk.GetObjectInput{Bucket: box, Key: new("gone")}, nil, 404, map[string]string{"X-Amz-Delete-Marker": "true", "X-Amz-Version-Id": *marker.VersionId}},
		"marker":       {&sdk.GetObjectInput{Bucket: box, Key: new("gone"), VersionId: marker.VersionId}, nil, 405, map[string]string{"X-Amz-Delete-Marker": "true", "Allow": "DELETE"}},
	} {
		url := must(signer.PresignGetObject(ctx, q.in))(t)
		request := must(http.NewRequestWithContext(ctx, http.MethodGet, url.URL, nil))(t)
		for name, value := range q.add {
			request.Header.Set(name, value)
		}
		answer := must(http.DefaultClient.Do(request))(t)
		answer.Body.Close()
		if answer.StatusCode != q.status {
			t.Errorf("%s: %d, not %d", what, answer.StatusCode, q.status)
		}
		for name, value := range q.header {
			if answer.Header.Get(name) != value {
				t.Errorf("%s: %s is %q, not %q", what, name, answer.Header.Get(name), value)
			}
		}
	}
}

// TestSDKConditions reads and writes under preconditions.
func TestSDKConditions(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box, key := r.client(), t.Context(), new("box"), new("k")
	must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: key, Body: strings.NewReader("a"), IfNoneMatch: new("*")}))(t)
	tag, other := etag([]byte("a")), `"ffffffffffffffffffffffffffffffff"`
	now := r.Now()
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	for what, q := range map[string]struct {
		in     sdk.GetObjectInput
		wanted string
	}{
		"its ETag":                          {sdk.GetObjectInput{IfMatch: &tag}, ""},
		"any ETag":                          {sdk.GetObjectInput{IfMatch: new("*")}, ""},
		"another ETag":                      {sdk.GetObjectInput{IfMatch: &other}, "PreconditionFailed 412"},
		"one of two":                        {sdk.GetObjectInput{IfMatch: new(other + ", " + tag)}, ""},
		"not its ETag":                      {sdk.GetObjectInput{IfNoneMatch: &tag}, "NotModified 304"},
		"not another ETag":                  {sdk.GetObjectInput{IfNoneMatch: &other}, ""},
		"modified since":                    {sdk.GetObjectInput{IfModifiedSince: &before}, ""},
		"not modified since":                {sdk.GetObjectInput{IfModifiedSince: &now}, "NotModified 304"},
		"unmodified since":                  {sdk.GetObjectInput{IfUnmodifiedSince: &after}, ""},
		"not unmodified since":              {sdk.GetObjectInput{IfUnmodifiedSince: &before}, "PreconditionFailed 412"},
		"an ETag counts more than a time":   {sdk.GetObjectInput{IfMatch: &tag, IfUnmodifiedSince: &before}, ""},
		"and no ETag more than another one": {sdk.GetObjectInput{IfNoneMatch: &other, IfModifiedSince: &after}, ""},
	} {
		q.in.Bucket, q.in.Key = box, key
		out, err := c.GetObject(ctx, &q.in)
		if err == nil {
			out.Body.Close()
		}
		wantAnswer(t, what, err, q.wanted)
		_, err = c.HeadObject(ctx, &sdk.HeadObjectInput{
			Bucket: box, Key: key, IfMatch: q.in.IfMatch, IfNoneMatch: q.in.IfNoneMatch, IfModifiedSince: q.in.IfModifiedSince, IfUnmodifiedSince: q.in.IfUnmodifiedSince,
		})
		if (err == nil) != (q.wanted == "") {
			t.Errorf("head of %s: %v", what, err)
		}
	}
	put := func(in *sdk.PutObjectInput) error {
		in.Bucket, in.Body = box, strings.NewReader("b")
		return second(c.PutObject(ctx, in))
	}
	wantAnswer(t, "put where there must be none", put(&sdk.PutObjectInput{Key: key, IfNoneMatch: new("*")}), "PreconditionFailed 412")
	wantAnswer(t, "put over another", put(&sdk.PutObjectInput{Key: key, IfMatch: &other}), "PreconditionFailed 412")
	wantAnswer(t, "put over nothing", put(&sdk.PutObjectInput{Key: new("none"), IfMatch: &tag}), "NoSuchKey 404")
	wantAnswer(t, "put unless it is one", put(&sdk.PutObjectInput{Key: key, IfNoneMatch: &other}), "NotImplemented 501")
	wantAnswer(t, "put over it", put(&sdk.PutObjectInput{Key: key, IfMatch: &tag}), "")
	_, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: key, IfMatch: &tag})
	wantAnswer(t, "delete what it was", err, "PreconditionFailed 412")
	_, err = c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: key, IfMatch: new(etag([]byte("b")))})
	wantAnswer(t, "delete what it is", err, "")
}
