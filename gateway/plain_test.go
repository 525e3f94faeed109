package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
)

const plainHead = "PUT /b/k?x=%20y HTTP/1.1\r\nHost: localhost:4566\r\nx-amz-date:  20260101T000000Z \r\nContent-Length: 3\r\n\r\n"

// taken reads one request as plain, and says how many bytes of raw it took; nil if it is not plain.
func taken(t testing.TB, raw string) (*http.Request, int) {
	in := bufio.NewReaderSize(strings.NewReader(raw), 4096)
	in.Peek(1)
	before := in.Buffered()
	r := gateway.ReadPlain(in)
	if r == nil && in.Buffered() != before {
		t.Fatalf("%q is not plain, and something of it is gone", raw)
	}
	return r, before - in.Buffered()
}

// sameRequest compares what is taken for plain with what net/http makes of it.
func sameRequest(t testing.TB, raw string) {
	got, took := taken(t, raw)
	if got == nil {
		return
	}
	in := bufio.NewReaderSize(strings.NewReader(raw), 4096)
	want, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%q is plain, and none to net/http: %v", raw, err)
	}
	buffered := min(len(raw), 4096)
	if n := buffered - in.Buffered(); n != took {
		t.Fatalf("%q: the head has %d bytes, %d to net/http", raw, took, n)
	}
	body, err := io.ReadAll(got.Body)
	wantBody, wantErr := io.ReadAll(want.Body)
	if !bytes.Equal(body, wantBody) || !errors.Is(err, wantErr) {
		t.Fatalf("%q has the body %q, %v; %q, %v to net/http", raw, body, err, wantBody, wantErr)
	}
	type visible struct {
		method, uri, proto, host string
		major, minor             int
		url                      string
		header                   http.Header
		length                   int64
		close                    bool
		encoding                 []string
		trailer                  http.Header
	}
	of := func(r *http.Request) visible {
		return visible{r.Method, r.RequestURI, r.Proto, r.Host, r.ProtoMajor, r.ProtoMinor, fmt.Sprintf("%#v", *r.URL), r.Header, r.ContentLength, r.Close, r.TransferEncoding, r.Trailer}
	}
	if a, b := of(got), of(want); !reflect.DeepEqual(a, b) {
		t.Fatalf("%q is\n%+v, to net/http\n%+v", raw, a, b)
	}
}

// TestPlain says which requests are plain, and that those are the same to net/http.
func TestPlain(t *testing.T) {
	const get = "GET /b/k HTTP/1.1\r\nHost: localhost\r\n"
	for raw, plain := range map[string]bool{
		plainHead + "abc":                       true,
		plainHead + "ab":                        true, // the body has yet to come
		plainHead + "abcGET /next":              true,
		get + "\r\n":                            true,
		get + "X-Empty:\r\nX-Tab: a\tb\r\n\r\n": true,
		get + "X-Text: \xc3\xa9\r\n\r\n":        true,
		get + "Content-Length: 0\r\n\r\n":       true,
		get:                                     false, // more is to come
		get + "Content-Length: 3\r\n\r\nabc":    false,
		get + "content-length: 0\r\nContent-Length: 0\r\n\r\n":                                  false,
		get + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                                     false,
		get + "Transfer-Encoding : chunked\r\n\r\n":                                             false,
		get + "X: a\r\n b\r\n\r\n":                                                              false,
		get + "X: a\nY: b\r\n\r\n":                                                              false,
		get + "X: a\rb\r\n\r\n":                                                                 false,
		get + "X: a\x00b\r\n\r\n":                                                               false,
		get + "X Y: a\r\n\r\n":                                                                  false,
		get + ": a\r\n\r\n":                                                                     false,
		get + "X\r\n\r\n":                                                                       false,
		get + "X: a\r\nx: b\r\n\r\n":                                                            false,
		get + "Host: other\r\n\r\n":                                                             false,
		get + "Connection: close\r\n\r\n":                                                       false,
		get + "Upgrade: h2c\r\n\r\n":                                                            false,
		get + "Expect: 100-continue\r\n\r\n":                                                    false,
		get + "Pragma: no-cache\r\n\r\n":                                                        false,
		get + "X-Amz-Copy-Source: /b/k\r\n\r\n":                                                 false,
		"GET /b/k HTTP/1.1\r\n\r\n":                                                             false,
		"GET /b/k HTTP/1.1\r\nHost: a/b\r\n\r\n":                                                false,
		"GET /b/k HTTP/1.0\r\nHost: localhost\r\n\r\n":                                          false,
		"GET http://other/b HTTP/1.1\r\nHost: localhost\r\n\r\n":                                false,
		"GET //other/b HTTP/1.1\r\nHost: localhost\r\n\r\n":                                     false,
		"GET /b k HTTP/1.1\r\nHost: localhost\r\n\r\n":                                          false,
		"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n":                                          false,
		"get /b HTTP/1.1\r\nHost: localhost\r\n\r\n":                                            false,
		"POST /b HTTP/1.1\r\nHost: localhost\r\n\r\n":                                           false,
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n":                                         false,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                      false,
		"PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc":                   false,
		"PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3, 3\r\n\r\nabc":                 false,
		"PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nabc": false,
		"\r\n" + get + "\r\n":                                                                   false,
		get + "X-Long: " + strings.Repeat("x", 4096) + "\r\n\r\n":                               false,
	} {
		if r, _ := taken(t, raw); (r != nil) != plain {
			t.Errorf("%.200q: plain is %v, want %v", raw, r != nil, plain)
		}
		sameRequest(t, raw)
	}
}

// FuzzPlain finds what is plain and something else to net/http.
func FuzzPlain(f *testing.F) {
	f.Add(plainHead + "abc")
	f.Add("GET /b/k HTTP/1.1\r\nHost: localhost\r\nX: a\tb\r\n\r\n")
	f.Add("DELETE /b/k?versionId=1 HTTP/1.1\r\nHost: [::1]:80\r\nX-Y:\xff\r\n\r\n")
	f.Fuzz(func(t *testing.T, raw string) { sameRequest(t, raw) })
}

// forms answers in every form that there is, by the key that is asked for.
type forms struct{}

func (forms) GetObject(_ context.Context, in *s3.GetObjectRequest) (*s3.GetObjectOutput, error) {
	out := &s3.GetObjectOutput{ContentType: new("text/plain"), ContentDisposition: in.ResponseContentDisposition}
	body := func(n int) { out.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", n))) }
	switch *in.Key {
	case "absent":
		return nil, &cloud.Error{Code: "NoSuchKey", Message: "gone", Status: 404}
	case "cached":
		return nil, &cloud.Error{Code: "NotModified", Message: "Not Modified", Status: 304, Header: map[string]string{"ETag": `"a"`}}
	case "untyped":
		out.ContentType = nil
		body(100)
	case "short", "medium", "long":
		n := map[string]int{"short": 10, "medium": 20_000, "long": 3 << 20}[*in.Key]
		out.ContentLength = new(int64(n))
		body(n)
	case "unmeasured":
		body(10)
	case "endless":
		body(3 << 20)
	case "overlong":
		out.ContentLength = new(int64(100))
		body(200)
	case "broken":
		out.ContentLength = new(int64(100))
		body(50)
	}
	return out, nil
}

func (forms) HeadObject(context.Context, *s3.HeadObjectRequest) (*s3.HeadObjectOutput, error) {
	return &s3.HeadObjectOutput{ContentLength: new(int64(5)), ETag: new("a")}, nil
}

func (forms) DeleteObject(context.Context, *s3.DeleteObjectRequest) (*s3.DeleteObjectOutput, error) {
	return &s3.DeleteObjectOutput{}, nil
}

func (forms) PutObject(context.Context, *s3.PutObjectRequest) (*s3.PutObjectOutput, error) {
	return nil, &cloud.Error{Code: "AccessDenied", Message: "no", Status: 403} // and the body is not read
}

// TestPlainAnswers asks twice for each answer, as a plain request and as one that is net/http's: the
// answers are the same, and so is what becomes of the connection.
func TestPlainAnswers(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.Endpoints = []gateway.Endpoint{{API: s3.API(), Impl: forms{}}} })
	const inject = "attachment%0D%0ASet-Cookie:%20a"
	calls := []call{
		{method: "GET", path: "/b/short?response-content-disposition=" + inject},
		{method: "GET", path: "/b/short", key: "AKIANOBODY"},
		{method: "HEAD", path: "/b/k"},
		{method: "DELETE", path: "/b/k"},
		{method: "PUT", path: "/b/k", body: "unread"},
		{method: "PUT", path: "/b/k", body: strings.Repeat("x", 300<<10)},
	}
	for _, key := range []string{"absent", "cached", "untyped", "short", "medium", "long", "unmeasured", "endless", "overlong", "broken"} {
		calls = append(calls, call{method: "GET", path: "/b/" + key})
	}
	for _, c := range calls {
		c.service = "s3"
		head := s.head(t, c)
		if r, _ := taken(t, head); r == nil {
			t.Fatalf("it is not plain: %q", head)
		}
		got := s.exchange(t, c.method, head+c.body)
		want := s.exchange(t, c.method, strings.Replace(head, "\r\n", "\r\nConnection: keep-alive\r\n", 1)+c.body)
		if got != want {
			t.Errorf("%s %s: the answer to the plain request is\n%.700s\nthat of net/http\n%.700s", c.method, c.path, got, want)
		}
		if strings.Contains(got, "\nSet-Cookie") {
			t.Errorf("a value became a header: %.700s", got)
		}
	}
}

// exchange sends a request, and tells all of its answer that does not change from one to the next, and
// whether the connection is good for another.
func (s *server) exchange(t *testing.T, method, raw string) string {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	go io.WriteString(conn, raw)
	in := bufio.NewReader(conn)
	a, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return err.Error()
	}
	body, err := io.ReadAll(a.Body)
	for _, name := range []string{"X-Amz-Request-Id", "X-Amz-Id-2"} {
		for _, id := range a.Header[name] {
			body = bytes.ReplaceAll(body, []byte(id), nil)
		}
		if a.Header.Get(name) != "" {
			a.Header.Set(name, "some")
		}
	}
	if _, dated := http.ParseTime(a.Header.Get("Date")); dated != nil {
		t.Errorf("date %q", a.Header.Get("Date"))
	}
	a.Header.Del("Date")
	again := "no"
	go io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if next, err := http.ReadResponse(in, nil); err == nil {
		again = next.Status
	}
	return fmt.Sprintf("%s %q length %d, encoding %v, close %v, again %s, %v, %d bytes: %.300q", a.Status, a.Header, a.ContentLength, a.TransferEncoding, a.Close, again, err, len(body), body)
}

// TestPlainPipeline sends many requests at once, of both kinds, and in pieces.
func TestPlainPipeline(t *testing.T) {
	s := start(t)
	one := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	other := "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
	for name, pieces := range map[string][]string{
		"at once":      {strings.Repeat(one, 200)},
		"both kinds":   {strings.Repeat(one, 3) + strings.Repeat(other+one, 10)},
		"in pieces":    {one + one[:10], one[10:30], one[30:] + one},
		"head in two":  {one[:len(one)-1], one[len(one)-1:]},
		"other in two": {one + other[:20], other[20:] + one},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.dial(t)
			go func() {
				for _, piece := range pieces {
					io.WriteString(conn, piece)
					time.Sleep(10 * time.Millisecond)
				}
			}()
			in := bufio.NewReader(conn)
			for n := range strings.Count(strings.Join(pieces, ""), "HTTP/1.1") {
				a, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("answer %d: %v", n, err)
				}
				if text, err := io.ReadAll(a.Body); err != nil || string(text) != "ok\n" {
					t.Fatalf("answer %d: %q, %v", n, text, err)
				}
			}
		})
	}
}

// TestPlainShutdown closes connections that wait, of both kinds.
func TestPlainShutdown(t *testing.T) {
	s := start(t)
	var conns []net.Conn
	for _, more := range []string{"", "Connection: keep-alive\r\n"} {
		conn := s.dial(t)
		io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"+more+"\r\n")
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	conns = append(conns, s.dial(t))
	s.stop()
	if err := <-s.stopped; err != nil {
		t.Error(err)
	}
	for k, conn := range conns {
		if !closed(conn) {
			t.Errorf("connection %d stays open", k)
		}
	}
}
