package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/gateway"
)

// noop is the operation that costs nothing.
const noop = "Action=DescribeRegions&Version=2016-11-15"

// nowhere is like io.Discard, but a log that goes there is still written.
type nowhere struct{ io.Writer }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// quiet logs to nowhere.
func quiet(c *gateway.Config) {
	c.Audit, c.Log, c.Rate = nil, slog.New(slog.NewJSONHandler(nowhere{}, nil)), 1e9
}

// BenchmarkLoopback sends signed no-op requests over as many keep-alive
// connections as there are processors; the client shares them, and does little.
func BenchmarkLoopback(b *testing.B) {
	s := start(b, quiet)
	raw := []byte(s.head(b, query("ec2", noop)) + noop)
	b.Run("signed", func(b *testing.B) { loopback(b, s.address, raw) })

	// What net/http makes of the same bytes, for comparison.
	answer := strings.Repeat("x", 400)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		io.WriteString(w, answer)
	}))
	defer bare.Close()
	b.Run("bare", func(b *testing.B) { loopback(b, strings.TrimPrefix(bare.URL, "http://"), raw) })
}

func loopback(b *testing.B, address string, raw []byte) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for pb.Next() {
			conn.Write(raw)
			if err := skipAnswer(in); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// skipAnswer reads a 200 with a Content-Length.
func skipAnswer(in *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			return io.ErrUnexpectedEOF
		case len(line) == 2:
			_, err = in.Discard(length)
			return err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			for _, digit := range bytes.TrimSpace(value) {
				length = length*10 + int(digit-'0')
			}
		}
	}
}

// BenchmarkServeHTTP is a request without the network.
func BenchmarkServeHTTP(b *testing.B) {
	s := &server{url: "http://localhost"}
	cfg := gateway.Config{Region: region, Credentials: keys{}, Endpoints: []gateway.Endpoint{{API: ec2.API(), Impl: compute{}}}}
	quiet(&cfg)
	g, err := gateway.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	template := s.newRequest(b, query("ec2", noop))
	template.RemoteAddr = "127.0.0.1:1"
	b.ReportAllocs()
	for b.Loop() {
		r := template.WithContext(context.Background())
		r.Body = io.NopCloser(strings.NewReader(noop))
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Body.String())
		}
	}
}

// FuzzServeHTTP feeds whole requests to the gateway: none gets an internal
// error, and none without a signature gets an answer of a service.
func FuzzServeHTTP(f *testing.F) {
	s := &server{url: "http://localhost"}
	for _, c := range []call{
		query("sts", identity), jsonCall("kms", "TrentService.ListKeys", "{}"),
		{method: "PUT", path: "/b/k", service: "s3", body: "x"},
		{method: "GET", path: "/?" + identity},
		{method: "POST", path: "/service/GraniteServiceVersion20100801/operation/X", header: map[string]string{"Smithy-Protocol": "rpc-v2-cbor"}},
		{method: "GET", path: "/", host: "b.s3.localhost"},
		{method: "POST", path: "/", body: "Action=x&Action=y&a.b"},
	} {
		var raw bytes.Buffer
		if err := s.newRequest(f, c).Write(&raw); err != nil {
			f.Fatal(err)
		}
		f.Add(raw.Bytes())
	}
	var log buffer
	cfg := gateway.Config{Region: region, Credentials: keys{}, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return time.Unix(0, 0) }}
	cfg.Endpoints = testEndpoints(&server{objects: &objects{puts: map[string]string{}}})
	g, err := gateway.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code == 200 && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Fatalf("status %d: %s\n%s", w.Code, w.Body.String(), log.String())
		}
	})
}
