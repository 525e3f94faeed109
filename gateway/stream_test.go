package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	s3client "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/gateway"
)

// drain counts what is put, and tells what it knew before and after.
type drain struct{ seen chan seen }

type seen struct {
	length  int64
	read    int64
	trailer http.Header
	err     error
}

func (d drain) PutObject(_ context.Context, in *s3.PutObjectRequest) (*s3.PutObjectOutput, error) {
	body := in.Body.(*gateway.Stream)
	s := seen{length: body.Length()}
	s.read, s.err = io.Copy(io.Discard, struct{ io.Reader }{in.Body})
	s.trailer = body.Trailer()
	d.seen <- s
	return &s3.PutObjectOutput{}, s.err
}

// GetObject answers 64 MiB.
func (drain) GetObject(context.Context, *s3.GetObjectRequest) (*s3.GetObjectOutput, error) {
	return &s3.GetObjectOutput{Body: io.LimitReader(zeros{}, 64<<20), ContentLength: new(int64(64 << 20))}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func startDrain(t *testing.T, edit ...func(*gateway.Config)) (*server, drain) {
	d := drain{make(chan seen, 10)}
	return start(t, append(edit, func(c *gateway.Config) {
		c.Endpoints = []gateway.Endpoint{{API: s3.API(), Impl: d}}
	})...), d
}

// TestStream puts far more than a buffered body may have.
func TestStream(t *testing.T) {
	s, d := startDrain(t)
	client := s3client.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &s.url, RetryMaxAttempts: 1, Credentials: static(keyID, secret)},
		func(o *s3client.Options) { o.UsePathStyle = true })
	const size = 20 << 20
	_, err := client.PutObject(t.Context(), &s3client.PutObjectInput{
		Bucket: new("bucket"), Key: new("key"), Body: bytes.NewReader(make([]byte, size)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-d.seen; got.length != size || got.read != size || got.err != nil || len(got.trailer) != 0 {
		t.Errorf("%+v", got)
	}
	out, err := client.GetObject(t.Context(), &s3client.GetObjectInput{Bucket: new("bucket"), Key: new("key")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if n, err := io.Copy(io.Discard, out.Body); err != nil || n != 64<<20 {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// TestTrailer puts a body whose checksum comes after it.
func TestTrailer(t *testing.T) {
	s, d := startDrain(t)
	response, body := s.do(t, call{
		method: "PUT", path: "/b/k", service: "s3", body: "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
		header: map[string]string{
			"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Trailer": "x-amz-checksum-crc32",
			"X-Amz-Decoded-Content-Length": "5", "Content-Encoding": "aws-chunked",
		},
	})
	if response.StatusCode != 200 {
		t.Fatalf("status %d: %s", response.StatusCode, body)
	}
	if got := <-d.seen; got.length != 5 || got.read != 5 || got.trailer.Get("X-Amz-Checksum-Crc32") != "NhCmhg==" {
		t.Errorf("%+v", got)
	}
}

// TestBrokenStreams end before their time, or stop to come.
func TestBrokenStreams(t *testing.T) {
	s, d := startDrain(t, func(c *gateway.Config) { c.BodyTimeout = 200 * time.Millisecond })
	body := make([]byte, 3<<20)
	for i := range body {
		body[i] = byte(rand.N(256))
	}
	for name, test := range map[string]struct {
		send  int
		close bool
		code  string
	}{
		"ends at once":  {0, true, "IncompleteBody"},
		"ends":          {2 << 20, true, "IncompleteBody"},
		"stops at once": {0, false, "RequestTimeout"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dial(t)
			io.WriteString(conn, s.head(t, call{method: "PUT", path: "/b/k", service: "s3", body: string(body)}))
			conn.Write(body[:test.send])
			if test.close {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := <-d.seen; got.err == nil || errors.Is(got.err, io.EOF) || got.read != int64(test.send) {
				t.Errorf("the service read %d bytes, %v", got.read, got.err)
			}
			if response.StatusCode != 400 || !strings.Contains(string(answer), "<Code>"+test.code+"</Code>") {
				t.Errorf("status %d: %s", response.StatusCode, answer)
			}
		})
	}
}

// TestExchange reads of the audit record what access logs and meters want to know.
func TestExchange(t *testing.T) {
	s, d := startDrain(t)
	client := s3client.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &s.url, RetryMaxAttempts: 1, Credentials: static(keyID, secret)},
		func(o *s3client.Options) { o.UsePathStyle = true })
	_, err := client.PutObject(t.Context(), &s3client.PutObjectInput{Bucket: new("bucket"), Key: new("a b/c"), Body: strings.NewReader("hello")})
	if err != nil {
		t.Fatal(err)
	}
	<-d.seen
	put := s.last(t, 1).HTTP
	if put.Method != "PUT" || put.Path != "/bucket/a b/c" || !strings.HasPrefix(put.URI, "/bucket/a%20b/c") || put.Proto != "HTTP/1.1" || put.Auth != "AuthHeader" ||
		put.Received != 5 || put.Size != 5 || put.HostID == "" || put.Host == "" || put.TLS != "" {
		t.Errorf("a put is %+v", put)
	}
	signed, err := s3client.NewPresignClient(client).PresignGetObject(t.Context(), &s3client.GetObjectInput{Bucket: new("bucket"), Key: new("k"), VersionId: new("v")})
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Referer", "http://example.org/")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.Body.Close() != nil {
		t.Fatal(err)
	}
	get := s.last(t, 2).HTTP
	if get.Auth != "QueryString" || get.Query.Get("versionId") != "v" || get.Sent != 64<<20 || get.Size != 64<<20 || get.Received != 0 || get.Referer != "http://example.org/" {
		t.Errorf("a get is %+v", get)
	}
}
