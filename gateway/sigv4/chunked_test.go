package sigv4_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/gateway/sigv4"
)

const (
	streamSigned        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamTrailer       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// upload is a chunked PutObject.
type upload struct {
	form   string // x-amz-content-sha256
	length int    // x-amz-decoded-content-length
	body   []byte // encoded
	r      *http.Request
}

// newUpload signs a request and encodes data in the chunks given.
func newUpload(t testing.TB, form string, trailers []string, chunks ...[]byte) upload {
	u := upload{form: form}
	for _, c := range chunks {
		u.length += len(c)
	}
	r, err := http.NewRequest("PUT", "http://bucket.s3.localhost:4566/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", form)
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(u.length))
	for _, trailer := range trailers {
		name, _, _ := strings.Cut(trailer, ":")
		r.Header.Add("X-Amz-Trailer", name)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(context.Background(), credentials, r, form, "s3", "eu-paris-1", signedAt); err != nil {
		t.Fatal(err)
	}
	a := r.Header.Get("Authorization")
	u.r, u.body = r, encode(t, form, a[len(a)-64:], trailers, chunks)
	return u
}

// encode has the SDK's event stream signer for an oracle: with no headers its
// string to sign is that of S3's chunks.
func encode(t testing.TB, form, seed string, trailers []string, chunks [][]byte) []byte {
	var b bytes.Buffer
	previous, err := hex.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	signer := v4.NewStreamSigner(credentials, "s3", "eu-paris-1", previous)
	for _, data := range append(chunks, nil) {
		fmt.Fprintf(&b, "%x", len(data))
		if form != streamTrailer {
			if previous, err = signer.GetSignature(context.Background(), nil, data, signedAt); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, ";chunk-signature=%x", previous)
		}
		b.WriteString("\r\n")
		b.Write(data)
		if len(data) > 0 {
			b.WriteString("\r\n")
		}
	}
	var canonical string
	for _, line := range trailers {
		b.WriteString(line + "\r\n")
		canonical += line + "\n"
	}
	if form == streamSignedTrailer {
		mac := func(key []byte, s string) []byte {
			h := hmac.New(sha256.New, key)
			io.WriteString(h, s)
			return h.Sum(nil)
		}
		key := []byte("AWS4" + secret)
		for _, part := range []string{"20260228", "eu-paris-1", "s3", "aws4_request"} {
			key = mac(key, part)
		}
		sum := sha256.Sum256([]byte(canonical))
		fmt.Fprintf(&b, "x-amz-trailer-signature:%x\r\n", mac(key, fmt.Sprintf(
			"AWS4-HMAC-SHA256-TRAILER\n20260228T235958Z\n20260228/eu-paris-1/s3/aws4_request\n%x\n%x", previous, sum)))
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// read verifies the upload and returns what was decoded.
func (u upload) read(src io.Reader) (data []byte, trailer http.Header, err error) {
	v := sigv4.NewVerifier(func() time.Time { return signedAt })
	r := u.r.Clone(context.Background())
	r.Body = io.NopCloser(src)
	claim, err := sigv4.Parse(r)
	if err != nil {
		return nil, nil, err
	}
	if err := v.Check(r, claim, sigv4.Scope{Service: "s3", Regions: []string{"eu-paris-1"}}); err != nil {
		return nil, nil, err
	}
	body, err := v.Open(r, claim, secret)
	if err != nil {
		return nil, nil, err
	}
	data, err = io.ReadAll(body)
	return data, body.Trailer(), err
}

func drawUpload(t *rapid.T, tb testing.TB) (upload, []byte) {
	form := rapid.SampledFrom([]string{streamSigned, streamSignedTrailer, streamTrailer}).Draw(t, "form")
	var chunks [][]byte
	for range rapid.IntRange(0, 2).Draw(t, "chunks") {
		chunks = append(chunks, bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(8192, 20000).Draw(t, "size")))
	}
	if last := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "last"); len(last) > 0 {
		chunks = append(chunks, last)
	}
	var trailers []string
	if form != streamSigned {
		trailers = []string{"x-amz-checksum-crc32c:sOO8/Q=="}
	}
	return newUpload(tb, form, trailers, chunks...), bytes.Join(chunks, nil)
}

// TestChunks reads what was encoded, however it arrives.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u, want := drawUpload(rt, t)
		arrive := rapid.SampledFrom([]func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.HalfReader, iotest.OneByteReader, iotest.DataErrReader,
		}).Draw(rt, "arrival")
		if rapid.Bool().Draw(rt, "trailer in its canonical form") {
			u.body = bytes.Replace(u.body, []byte("sOO8/Q==\r\n"), []byte("sOO8/Q==\n\r\n"), 1)
		}
		got, trailer, err := u.read(arrive(bytes.NewReader(u.body)))
		if err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("read %d bytes of %d: %v", len(got), len(want), err)
		}
		if u.form != streamSigned && trailer.Get("X-Amz-Checksum-Crc32c") != "sOO8/Q==" {
			rt.Fatalf("trailer %v", trailer)
		}
	})
}

// TestAlteredChunks changes, cuts or adds bytes: no other data may be accepted.
func TestAlteredChunks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		u, want := drawUpload(rt, t)
		body := bytes.Clone(u.body)
		at := rapid.IntRange(0, len(body)-1).Draw(rt, "at")
		how := rapid.SampledFrom([]string{"flip", "cut", "insert", "append"}).Draw(rt, "how")
		switch how {
		case "flip":
			body[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "xor"))
		case "cut":
			body = body[:at]
		case "insert":
			body = append(body[:at:at], append([]byte{rapid.Byte().Draw(rt, "byte")}, body[at:]...)...)
		default:
			body = append(body, rapid.Byte().Draw(rt, "byte"))
		}
		got, trailer, err := u.read(bytes.NewReader(body))
		if u.form == streamTrailer {
			// Nothing signs the data: only its frame must hold.
			if err == nil && (len(got) != len(want) || len(trailer) != 1 || how == "cut" || how == "append") {
				rt.Fatalf("accepted %d bytes of %d after %s at %d", len(got), len(want), how, at)
			}
			return
		}
		if err == nil && (!bytes.Equal(got, want) || u.form == streamSignedTrailer && trailer.Get("X-Amz-Checksum-Crc32c") != "sOO8/Q==") {
			rt.Fatalf("accepted other data after %s at %d", how, at)
		}
		var f *sigv4.Failure
		if err != nil && !errors.As(err, &f) {
			rt.Fatalf("%v is not a *Failure", err)
		}
	})
}

func TestChunkErrors(t *testing.T) {
	data := bytes.Repeat([]byte("a"), 10000)
	crc := []string{"x-amz-checksum-crc32c:sOO8/Q=="}
	replace := func(old, new string) func(*upload) {
		return func(u *upload) {
			if !bytes.Contains(u.body, []byte(old)) {
				panic("nothing to replace")
			}
			u.body = bytes.Replace(u.body, []byte(old), []byte(new), 1)
		}
	}
	tests := map[string]struct {
		u    upload
		edit func(*upload)
		code string
	}{
		"chunk signature":     {newUpload(t, streamSigned, nil, data), replace(";chunk-signature=", ";chunk-signature=0"), "SignatureDoesNotMatch"},
		"no chunk signature":  {newUpload(t, streamSigned, nil, data), func(u *upload) { u.body = []byte("2710\r\n" + string(data) + "\r\n0\r\n\r\n") }, "IncompleteBody"},
		"signature unasked":   {newUpload(t, streamTrailer, crc, data), replace("2710\r\n", "2710;chunk-signature=00\r\n"), "IncompleteBody"},
		"small chunk":         {newUpload(t, streamSigned, nil, data[:8191], data[:1]), nil, "InvalidChunkSizeError"},
		"more than promised":  {newUpload(t, streamTrailer, crc, data), replace("2710\r\n", "2711\r\n"), "IncompleteBody"},
		"less than promised":  {newUpload(t, streamTrailer, crc, data), func(u *upload) { u.body = []byte("0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n") }, "IncompleteBody"},
		"negative size":       {newUpload(t, streamTrailer, crc, data), replace("2710\r\n", "-1\r\n"), "IncompleteBody"},
		"huge size":           {newUpload(t, streamTrailer, crc, data), replace("2710\r\n", "fffffffffffffffff\r\n"), "IncompleteBody"},
		"endless head":        {newUpload(t, streamTrailer, crc, data), replace("2710\r\n", strings.Repeat("0", 9000)), "IncompleteBody"},
		"missing trailer":     {newUpload(t, streamTrailer, crc, data), replace("x-amz-checksum-crc32c:sOO8/Q==\r\n", ""), "MalformedTrailerError"},
		"trailer cut":         {newUpload(t, streamTrailer, crc, data), replace("sOO8/Q==\r\n\r\n", "sOO8/Q==\n\r\n"), "IncompleteBody"},
		"a line feed alone":   {newUpload(t, streamTrailer, crc, data), replace("sOO8/Q==\r\n", "sOO8/Q==\r\n\n"), "MalformedTrailerError"},
		"trailer of none":     {newUpload(t, streamTrailer, crc, data), replace("crc32c", "sha1"), "MalformedTrailerError"},
		"trailer twice":       {newUpload(t, streamTrailer, crc, data), replace("\r\nx-amz", "\r\nx-amz-checksum-crc32c:x\r\nx-amz"), "MalformedTrailerError"},
		"altered trailer":     {newUpload(t, streamSignedTrailer, crc, data), replace("sOO8", "sOO9"), "SignatureDoesNotMatch"},
		"trailer's signature": {newUpload(t, streamSignedTrailer, crc, data), replace("trailer-signature:", "trailer-signature:0"), "SignatureDoesNotMatch"},
		"unsigned trailer": {newUpload(t, streamSignedTrailer, crc, data), func(u *upload) {
			u.body = append(u.body[:bytes.Index(u.body, []byte("x-amz-trailer-signature"))], "\r\n"...)
		}, "SignatureDoesNotMatch"},
		"bytes after the end": {newUpload(t, streamSigned, nil, data), func(u *upload) { u.body = append(u.body, 'x') }, "IncompleteBody"},
		"trailer unasked":     {newUpload(t, streamSigned, crc, data), nil, "MalformedTrailerError"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.edit != nil {
				test.edit(&test.u)
			}
			_, _, err := test.u.read(bytes.NewReader(test.u.body))
			var f *sigv4.Failure
			if !errors.As(err, &f) || f.Answer(sigv4.S3).Code != test.code {
				t.Fatalf("%v, want %s", err, test.code)
			}
		})
	}
}

// TestChunksOfAWS has the examples of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html.
func TestChunksOfAWS(t *testing.T) {
	for _, example := range []struct {
		form, signedHeaders, signature string
		chunks                         [3]string
		trailer                        string
	}{
		{
			streamSigned, "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
			"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
			[3]string{"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
			"",
		},
		{
			streamSignedTrailer, "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
			"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
			[3]string{"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
			"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
		},
	} {
		a := strings.Repeat("a", 66560)
		body := fmt.Sprintf("10000;chunk-signature=%s\r\n%s\r\n400;chunk-signature=%s\r\n%s\r\n0;chunk-signature=%s\r\n%s\r\n",
			example.chunks[0], a[:65536], example.chunks[1], a[:1024], example.chunks[2], example.trailer)
		r, err := http.NewRequest("PUT", "http://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256": example.form,
			"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "66560",
			"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" + example.signedHeaders + ",Signature=" + example.signature,
		} {
			r.Header.Set(name, value)
		}
		if example.trailer != "" {
			r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
		} else {
			r.Header.Set("Content-Length", "66824")
		}
		now, err := time.Parse("20060102", "20130524")
		if err != nil {
			t.Fatal(err)
		}
		v := sigv4.NewVerifier(func() time.Time { return now })
		claim, err := sigv4.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Check(r, claim, sigv4.Scope{Service: "s3", Regions: []string{"us-east-1"}}); err != nil {
			t.Fatal(err)
		}
		opened, err := v.Open(r, claim, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(opened)
		if err != nil || string(got) != a {
			t.Fatalf("read %d bytes: %v", len(got), err)
		}
	}
}

// FuzzChunks feeds any body to the reader: it must end, within the promised
// length, and never accept unsigned data.
func FuzzChunks(f *testing.F) {
	data := bytes.Repeat([]byte("a"), 8192)
	crc := []string{"x-amz-checksum-crc32c:sOO8/Q=="}
	forms := []string{streamSigned, streamSignedTrailer, streamTrailer}
	for i, form := range forms {
		f.Add(uint8(i), newUpload(f, form, crc[:min(i, 1)], data, []byte("tail")).body)
	}
	f.Add(uint8(2), []byte("0\r\n\r\n"))
	f.Add(uint8(2), []byte("4\r\ntail\r\n0\r\nx-amz-checksum-crc32c: \r\n\r\n"))
	f.Fuzz(func(t *testing.T, form uint8, body []byte) {
		i := int(form) % len(forms)
		u := newUpload(t, forms[i], crc[:min(i, 1)], data, []byte("tail"))
		got, _, err := u.read(bytes.NewReader(body))
		if len(got) > u.length {
			t.Fatalf("read %d bytes, more than the %d promised", len(got), u.length)
		}
		if err == nil && (len(got) != u.length || i < 2 && !bytes.Equal(got, append(bytes.Clone(data), "tail"...))) {
			t.Fatal("accepted other data")
		}
	})
}

// FuzzParse feeds anything to the parsers, and through all checks: nothing is
// ever accepted, and every refusal has an answer in each dialect.
func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260228/eu-paris-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20260228T235958Z", "Action=GetCallerIdentity")
	f.Add("AWS a:b", "Sat, 28 Feb 2026 23:59:58 GMT", "a=%zz")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20260228%2Feu-paris-1%2Fsts%2Faws4_request&X-Amz-Date=20260228T235958Z&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=0")
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r, err := http.NewRequest("GET", "http://localhost:4566/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = http.NoBody
		r.URL.RawQuery = query
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		for _, service := range []string{"sts", "s3"} {
			_, err = accept(signed{service: service, region: "eu-paris-1"}, r, signedAt)
			var failure *sigv4.Failure
			if !errors.As(err, &failure) {
				t.Fatalf("%v is not a *Failure", err)
			}
			for _, d := range []sigv4.Dialect{sigv4.Query, sigv4.JSON, sigv4.EC2, sigv4.S3} {
				if a := failure.Answer(d); a.Code == "" || a.Message == "" || a.Status < 400 {
					t.Fatalf("answer %+v", a)
				}
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := []byte("Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=instance-state-name&Filter.1.Value.1=running")
	r, err := http.NewRequest("POST", "http://localhost:4566/", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "ec2", "eu-paris-1", signedAt); err != nil {
		b.Fatal(err)
	}
	v := sigv4.NewVerifier(func() time.Time { return signedAt })
	scope := sigv4.Scope{Service: "ec2", Regions: []string{"eu-paris-1"}}
	b.ReportAllocs()
	for b.Loop() {
		claim, err := sigv4.Parse(r)
		if err == nil {
			err = v.Check(r, claim, scope)
		}
		if err == nil {
			err = v.Verify(r, claim, secret, body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
