package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// TestSDKKeys puts, lists, reads and deletes keys that paths and documents could mistake.
func TestSDKKeys(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	keys := []string{"../up", "a//b", "/lead", "trail/", ".", "..", "a/./b", "%2F", "a?b=c#d", "\x01\x7f", "\x00", "<&>\"'", "+ +", "😀", strings.Repeat("k", 1024)}
	for _, key := range keys {
		must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: &key, Body: strings.NewReader(key)}))(t)
	}
	for _, key := range keys {
		out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: &key})
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if got := read(t, out.Body); got != key {
			t.Errorf("%q reads as %q", key, got)
		}
	}
	list := must(r.ListObjectsV2(r.ctx, &api.ListObjectsV2Request{Bucket: box}))(t)
	if len(list.Contents) != len(keys) {
		t.Errorf("%d keys are listed", len(list.Contents))
	}
	_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: new(strings.Repeat("k", 1025)), Body: strings.NewReader("x")})
	wantAnswer(t, "a long key", err, "KeyTooLongError 400")
}

// TestSDKHot reads an object often enough for it to stay in memory, whole and in part, over
// connections that are used again.
func TestSDKHot(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box, key := r.client(), t.Context(), new("box"), new("large")
	body := make([]byte, 3_000_001)
	rand.NewChaCha8([32]byte{7}).Read(body) //nolint:errcheck // it does not fail
	must(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: key, Body: bytes.NewReader(body)}))(t)
	for n := range 5 {
		for span, want := range map[string][]byte{"": body, "bytes=1-": body[1:], "bytes=70000-1170000": body[70000:1170001], "bytes=-5": body[len(body)-5:]} {
			out := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key, Range: aws.String(span)}))(t)
			if got := must(io.ReadAll(out.Body))(t); !bytes.Equal(got, want) {
				t.Errorf("reading %d of %q: %d bytes, want %d", n, span, len(got), len(want))
			}
		}
		head := must(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: box, Key: key}))(t)
		if *head.ContentLength != int64(len(body)) {
			t.Errorf("it has %d bytes by its head", *head.ContentLength)
		}
	}
	out := must(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key}))(t)
	out.Body.Close() // which closes the connection in the middle
	must(c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: key}))(t)
	_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: key})
	wantAnswer(t, "a deleted object", err, "NoSuchKey 404")
}

// TestSDKDeleteObjects deletes as many keys as one request may name, as long as they
// may be.
func TestSDKDeleteObjects(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx, box := r.client(), t.Context(), new("box")
	var ids []types.ObjectIdentifier
	for n := range 1000 {
		ids = append(ids, types.ObjectIdentifier{Key: new(fmt.Sprintf("%04d", n) + strings.Repeat("&", 1020))})
	}
	r.write("box", *ids[7].Key, "x")
	out := must(c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: box, Delete: &types.Delete{Objects: ids}}))(t)
	if len(out.Deleted) != 1000 || len(out.Errors) != 0 {
		t.Errorf("%d are deleted, %d are not", len(out.Deleted), len(out.Errors))
	}
	if list := must(c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: box}))(t); *list.KeyCount != 0 {
		t.Errorf("%d are left", *list.KeyCount)
	}
}

// TestPresigned puts by a URL, without anything of the SDK.
func TestPresigned(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx := r.client(), t.Context()
	url := must(sdk.NewPresignClient(c).PresignPutObject(ctx, &sdk.PutObjectInput{Bucket: new("box"), Key: new("k")}))(t).URL
	do := func(body io.Reader, header ...string) (int, string) {
		q := must(http.NewRequestWithContext(ctx, http.MethodPut, url, body))(t)
		for k := 0; k < len(header); k += 2 {
			q.Header.Set(header[k], header[k+1])
		}
		answer := must(http.DefaultClient.Do(q))(t)
		defer answer.Body.Close()
		return answer.StatusCode, string(must(io.ReadAll(answer.Body))(t))
	}
	sum := md5.Sum([]byte("hello"))
	if status, body := do(strings.NewReader("hello"), "Content-MD5", base64.StdEncoding.EncodeToString(sum[:]), "Content-Type", "text/x"); status != 200 || body != "" {
		t.Errorf("put: %d %s", status, body)
	}
	if status, body := do(strings.NewReader("another"), "Content-MD5", base64.StdEncoding.EncodeToString(sum[:])); status != 400 || !strings.Contains(body, "<Code>BadDigest</Code>") ||
		!strings.Contains(body, "<ExpectedDigest>XUFAKrxLKna5cZ2REBfFkg==</ExpectedDigest><CalculatedDigest>") {
		t.Errorf("put another: %d %s", status, body)
	}
	if status, body := do(io.MultiReader(strings.NewReader("of unknown length"))); status != 501 || !strings.Contains(body, "<Code>NotImplemented</Code>") || !strings.Contains(body, "<Header>Transfer-Encoding</Header>") {
		t.Errorf("put of unknown length: %d %s", status, body)
	}
	if status, _ := do(nil); status != 200 || r.get("box", "k", "") != "" {
		t.Errorf("put of nothing: %d", status)
	}
	head := must(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: new("box"), Key: new("k")}))(t)
	if *head.ContentLength != 0 || *head.ContentType != defaultType {
		t.Errorf("head of nothing: %+v", head)
	}
	_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: new("box"), Key: new("k"), Range: new("bytes=0-")})
	wantAnswer(t, "a range of nothing", err, "InvalidRange 416")
}

// TestCustomerKeys puts and reads what only the caller has the key of.
func TestCustomerKeys(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	caller := cloud.CallerFrom(r.ctx)
	caller.Secure = true
	ctx, box, key := cloud.WithCaller(t.Context(), caller), new("box"), new("k")
	own := func(fill byte) (algorithm, secret, sum *string) {
		raw := bytes.Repeat([]byte{fill}, 32)
		digest := md5.Sum(raw)
		return new("AES256"), new(base64.StdEncoding.EncodeToString(raw)), new(base64.StdEncoding.EncodeToString(digest[:]))
	}
	a, k, m := own(1)
	_, k2, m2 := own(2)
	put := must(r.PutObject(ctx, &api.PutObjectRequest{Bucket: box, Key: key, Body: strings.NewReader("hello"), SSECustomerAlgorithm: a, SSECustomerKey: k, SSECustomerKeyMD5: m}))(t)
	if put.ServerSideEncryption != nil || *put.SSECustomerAlgorithm != "AES256" || *put.SSECustomerKeyMD5 != *m {
		t.Errorf("put: %+v", put)
	}
	get := func(a, k, m *string) error {
		out, err := r.GetObject(ctx, &api.GetObjectRequest{Bucket: box, Key: key, SSECustomerAlgorithm: a, SSECustomerKey: k, SSECustomerKeyMD5: m})
		if err == nil {
			out.Body.(io.Closer).Close()
		}
		return err
	}
	want(t, "with the key", get(a, k, m), "")
	want(t, "without", get(nil, nil, nil), "InvalidRequest")
	want(t, "with another", get(a, k2, m2), "AccessDenied")
	want(t, "with another's MD5", get(a, k, m2), "InvalidArgument")
	want(t, "with half a key", get(a, new("AAAA"), m), "InvalidArgument")
	want(t, "without a key", get(a, nil, m), "InvalidArgument")
	want(t, "without an MD5", get(a, k, nil), "InvalidArgument")
	want(t, "without an algorithm", get(nil, k, m), "InvalidArgument")
	want(t, "another algorithm", get(new("DES"), k, m), "InvalidEncryptionAlgorithmError")
	want(t, "head without", second(r.HeadObject(ctx, &api.HeadObjectRequest{Bucket: box, Key: key})), "InvalidRequest")
	want(t, "attributes without", second(r.GetObjectAttributes(ctx, &api.GetObjectAttributesRequest{Bucket: box, Key: key, ObjectAttributes: []string{"ETag"}})), "InvalidRequest")
	want(t, "tags without", second(r.GetObjectTagging(ctx, &api.GetObjectTaggingRequest{Bucket: box, Key: key})), "")
	want(t, "copy without", second(r.CopyObject(ctx, &api.CopyObjectRequest{Bucket: box, Key: new("c"), CopySource: new("box/k")})), "InvalidRequest")
	want(t, "copy with", second(r.CopyObject(ctx, &api.CopyObjectRequest{
		Bucket: box, Key: new("c"), CopySource: new("box/k"), CopySourceSSECustomerAlgorithm: a, CopySourceSSECustomerKey: k, CopySourceSSECustomerKeyMD5: m,
	})), "")
	if r.get("box", "c", "") != "hello" {
		t.Error("the copy is another")
	}
	want(t, "onto itself, with no key from now on", second(r.CopyObject(ctx, &api.CopyObjectRequest{
		Bucket: box, Key: key, CopySource: new("box/k"), CopySourceSSECustomerAlgorithm: a, CopySourceSSECustomerKey: k, CopySourceSSECustomerKeyMD5: m,
	})), "")
	want(t, "without a key", get(nil, nil, nil), "")
	_, err := r.GetObject(ctx, &api.GetObjectRequest{Bucket: box, Key: new("c"), SSECustomerAlgorithm: a, SSECustomerKey: k, SSECustomerKeyMD5: m})
	words(t, "a key for what has none", err, "InvalidRequest: The encryption parameters are not applicable to this object.")

	part := func(upload, a, k, m *string) error {
		return second(r.UploadPart(ctx, &api.UploadPartRequest{
			Bucket: box, Key: key, UploadId: upload, PartNumber: new(int32(1)), Body: strings.NewReader("x"), SSECustomerAlgorithm: a, SSECustomerKey: k, SSECustomerKeyMD5: m,
		}))
	}
	sealed := must(r.CreateMultipartUpload(ctx, &api.CreateMultipartUploadRequest{Bucket: box, Key: key, SSECustomerAlgorithm: a, SSECustomerKey: k, SSECustomerKeyMD5: m}))(t).UploadId
	plain := must(r.CreateMultipartUpload(ctx, &api.CreateMultipartUploadRequest{Bucket: box, Key: key}))(t).UploadId
	want(t, "a part with the key", part(sealed, a, k, m), "")
	words(t, "a part without", part(sealed, nil, nil, nil), "InvalidRequest: The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	words(t, "a part with another", part(sealed, a, k2, m2), "InvalidRequest: The provided encryption parameters did not match the ones used originally.")
	words(t, "a part of another upload", part(plain, a, k, m), "InvalidRequest: The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.")
}

// words fails unless an error has that code and message.
func words(t *testing.T, what string, err error, wanted string) {
	t.Helper()
	if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Code+": "+e.Message != wanted {
		t.Errorf("%s: got error %v, want %s", what, err, wanted)
	}
}

// A caller's key must not be read on its way.
func TestCustomerKeysStayPrivate(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	key := bytes.Repeat([]byte{1}, 32)
	sum := md5.Sum(key)
	for name, c := range map[string]struct {
		ip, vpc string
		secure  bool
		code    string
	}{
		"TLS":              {"192.0.2.1", "", true, ""},
		"this machine":     {"127.0.0.1", "", false, ""},
		"this machine, v6": {"::1", "", false, ""},
		"another machine":  {"192.0.2.1", "", false, "InvalidRequest"},
		"a guest":          {"127.0.0.1", "vpc-1", false, "InvalidRequest"},
		"nowhere":          {"", "", false, "InvalidRequest"},
	} {
		caller := cloud.CallerFrom(r.ctx)
		caller.SourceIP, caller.VPC, caller.Secure = c.ip, c.vpc, c.secure
		want(t, name, second(r.PutObject(cloud.WithCaller(t.Context(), caller), &api.PutObjectRequest{
			Bucket: new("box"), Key: new("k"), Body: strings.NewReader("x"), SSECustomerAlgorithm: new("AES256"),
			SSECustomerKey: new(base64.StdEncoding.EncodeToString(key)), SSECustomerKeyMD5: new(base64.StdEncoding.EncodeToString(sum[:])),
		})), c.code)
	}
}

// TestTogether lets many write one key only if there is none: one does.
func TestTogether(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	var group sync.WaitGroup
	codes := make([]string, 16)
	for n := range codes {
		group.Go(func() {
			codes[n] = code(second(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("box"), Key: new("k"), Body: strings.NewReader(fmt.Sprint(n)), IfNoneMatch: new("*")})))
		})
	}
	group.Wait()
	won := -1
	for n, code := range codes {
		switch {
		case code == "" && won < 0:
			won = n
		case code != "PreconditionFailed":
			t.Errorf("%d: %q, and %d won", n, code, won)
		}
	}
	if r.get("box", "k", "") != fmt.Sprint(won) {
		t.Errorf("%d won, not %s", won, r.get("box", "k", ""))
	}
}

// TestTrailers puts bodies in chunks, whose checksums come behind them.
func TestTrailers(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	c, ctx := r.client(), t.Context()
	base := *c.Options().BaseEndpoint
	put := func(announced, trailer string, header ...string) string {
		body := "5\r\nhello\r\n0\r\n" + trailer + "\r\n"
		q := must(http.NewRequestWithContext(ctx, http.MethodPut, base+"/box/k", strings.NewReader(body)))(t)
		q.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		q.Header.Set("X-Amz-Decoded-Content-Length", "5")
		q.Header.Set("Content-Encoding", "aws-chunked, gzip")
		if announced != "" {
			q.Header.Set("X-Amz-Trailer", announced)
		}
		for k := 0; k < len(header); k += 2 {
			q.Header.Set(header[k], header[k+1])
		}
		key := aws.Credentials{AccessKeyID: "AKIDALICE", SecretAccessKey: "secret"}
		if err := v4.NewSigner().SignHTTP(ctx, key, q, q.Header.Get("X-Amz-Content-Sha256"), "s3", r.Place.Region, time.Now()); err != nil {
			t.Fatal(err)
		}
		answer := must(http.DefaultClient.Do(q))(t)
		defer answer.Body.Close()
		text := string(must(io.ReadAll(answer.Body))(t))
		if answer.StatusCode == http.StatusOK {
			return answer.Header.Get("X-Amz-Checksum-Crc32")
		}
		_, text, _ = strings.Cut(text, "<Code>")
		text, _, _ = strings.Cut(text, "</Code>")
		return text
	}
	const right, wrong = "x-amz-checksum-crc32:NhCmhg==\r\n", "x-amz-checksum-crc32:AAAAAA==\r\n"
	for what, test := range map[string]struct{ got, wanted string }{
		"right":                {put("x-amz-checksum-crc32", right), "NhCmhg=="},
		"right and named":      {put("x-amz-checksum-crc32", right, "X-Amz-Sdk-Checksum-Algorithm", "CRC32"), "NhCmhg=="},
		"wrong":                {put("x-amz-checksum-crc32", wrong), "BadDigest"},
		"another is named":     {put("x-amz-checksum-crc32", right, "X-Amz-Sdk-Checksum-Algorithm", "SHA1"), "InvalidRequest"},
		"none of ours":         {put("x-amz-checksum-md4", "x-amz-checksum-md4:AAAA\r\n"), "InvalidRequest"},
		"no checksum":          {put("x-amz-checksum-crc32", "x-amz-checksum-crc32:AAAA\r\n"), "InvalidRequest"},
		"one more in the head": {put("x-amz-checksum-crc32", right, "X-Amz-Checksum-Crc32", "NhCmhg=="), "InvalidRequest"},
	} {
		if test.got != test.wanted {
			t.Errorf("%s: %q, not %q", what, test.got, test.wanted)
		}
	}
	if out := must(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: new("box"), Key: new("k")}))(t); *out.ContentEncoding != "gzip" || *out.ContentLength != 5 {
		t.Errorf("%+v", out)
	}
}

// TestDocumentMD5 compares documents with their Content-MD5 before anything is done.
func TestDocumentMD5(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	r.write("box", "k", "x")
	c, ctx := r.client(), t.Context()
	in := &sdk.DeleteObjectsInput{Bucket: new("box"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: new("k")}}}}
	for header, wanted := range map[string]string{"AA==": "InvalidDigest 400", base64.StdEncoding.EncodeToString(make([]byte, 16)): "BadDigest 400"} {
		_, err := c.DeleteObjects(ctx, in, sdk.WithAPIOptions(smithyhttp.SetHeaderValue("Content-Md5", header)))
		wantAnswer(t, header, err, wanted)
	}
	if r.get("box", "k", "") != "x" {
		t.Error("it is gone")
	}
}
