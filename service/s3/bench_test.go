package s3

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sys/unix"
)

// deaf is a client that reads nothing.
type deaf struct {
	header http.Header
	status int
}

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) WriteHeader(status int)      { d.status = status }
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkServe is what requests for small objects cost between the socket and the disk:
// from the bytes of a request's head to those of the answer.
func BenchmarkServe(b *testing.B) {
	r := newRig(b)
	r.bucket("box")
	const keys = 1000
	content := bytes.Repeat([]byte("0123456789abcdef"), 256)
	for n := range keys {
		r.write("box", fmt.Sprint(n), string(content))
	}
	g := r.gateway()
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		b.Run(method, func(b *testing.B) {
			var raw [keys][]byte
			for n := range raw {
				key := fmt.Sprint(n)
				if method == "DELETE" {
					key = "none" + key
				}
				raw[n] = r.signed(b, method, key, content)
			}
			in := bufio.NewReaderSize(nil, 8<<10)
			n := 0
			b.ReportAllocs()
			used := processorTime(b)
			for b.Loop() {
				in.Reset(bytes.NewReader(raw[n%keys]))
				n++
				q, err := http.ReadRequest(in)
				if err != nil {
					b.Fatal(err)
				}
				q.RemoteAddr = "127.0.0.1:1"
				w := &deaf{header: http.Header{}}
				if g.ServeHTTP(w, q); w.status > 204 {
					b.Fatalf("status %d", w.status)
				}
			}
			// A busy machine leaves this alone.
			b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what the process has used of all processors.
func processorTime(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// signed is a request for an object in the box as it is sent.
func (r *rig) signed(t testing.TB, method, key string, content []byte) []byte {
	var body bytes.Buffer
	if method == http.MethodPut {
		body.Write(content)
	}
	q := must(http.NewRequestWithContext(context.Background(), method, "http://localhost/box/"+key, &body))(t)
	const hash = "UNSIGNED-PAYLOAD"
	q.Header.Set("X-Amz-Content-Sha256", hash)
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, q, hash, "s3", r.Place.Region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if err := q.Write(&raw); err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}
