package gateway_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/gateway/tlstest"
)

// sealed is a server over TLS, whose clock goes on when it is told to.
type sealed struct {
	*server
	chain, key string
	clock      atomic.Int64 // seconds
}

func startTLS(t *testing.T, name string) (s *sealed, authority string) {
	t.Helper()
	s = &sealed{}
	s.chain, s.key, authority = tlstest.Certificate(t, name)
	log := &buffer{}
	c, err := gateway.OpenCertificate(s.chain, s.key, slog.New(slog.NewJSONHandler(log, nil)), func() time.Time { return time.Unix(s.clock.Load(), 0) })
	if err != nil {
		t.Fatal(err)
	}
	s.server = startWith(t, c)
	s.log = log
	return s, authority
}

// client trusts the authority alone, and makes a connection a request.
func (s *sealed) client(t *testing.T, authority string) *http.Transport {
	t.Helper()
	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("no certificate of the authority")
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true, ForceAttemptHTTP2: true}
}

// replace puts other files in place of the server's.
func (s *sealed) replace(t *testing.T, chain, key string) {
	t.Helper()
	for to, from := range map[string]string{s.chain: chain, s.key: key} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLS(t *testing.T) {
	s, authority := startTLS(t, "cloud.example.org")
	transport := s.client(t, authority)
	for range 2 {
		response, err := transport.RoundTrip(s.newRequest(t, query("sts", identity)))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body) //nolint:errcheck // a test
		response.Body.Close()
		if response.StatusCode != http.StatusOK || response.TLS.Version < tls.VersionTLS12 || response.ProtoMajor != 1 {
			t.Errorf("%s over %s, TLS %x", response.Status, response.Proto, response.TLS.Version)
		}
	}
	if r := s.last(t, 2); !r.Caller.Secure {
		t.Errorf("the caller is not secure: %+v", r)
	}
	if _, err := tls.Dial("tcp", s.address, &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, MaxVersion: tls.VersionTLS11}); err == nil { //nolint:gosec // it must fail
		t.Error("TLS 1.1 is spoken")
	}

	plain := s.dial(t)
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(plain), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %s", response.Status)
	}
}

// TestStreamTLS puts an object of many records.
func TestStreamTLS(t *testing.T) {
	s, authority := startTLS(t, "cloud.example.org")
	c := call{method: "PUT", path: "/b/k", body: strings.Repeat("x", 100<<10), service: "s3"}
	response, err := s.client(t, authority).RoundTrip(s.newRequest(t, c))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || len(s.objects.get("b/k")) != 100<<10 {
		t.Errorf("%s, %d bytes", response.Status, len(s.objects.get("b/k")))
	}
}

func TestCertificateReplaced(t *testing.T) {
	s, first := startTLS(t, "first.example.org")
	trusts := func(authority string) bool {
		t.Helper()
		conn, err := tls.Dial("tcp", s.address, s.client(t, authority).TLSClientConfig)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	chain, key, second := tlstest.Certificate(t, "second.example.org")
	if !trusts(first) || trusts(second) {
		t.Fatal("the first certificate is not served")
	}

	s.replace(t, chain, s.key) // the key is still the first one's
	for range 2 {
		s.clock.Add(10)
		if !trusts(first) {
			t.Fatal("the first certificate does not go on")
		}
	}
	if n := strings.Count(s.log.String(), "is not replaced"); n != 1 {
		t.Errorf("the log tells %d times of files that do not belong together:\n%s", n, s.log)
	}

	s.replace(t, chain, key)
	if trusts(second) {
		t.Error("the files are looked at for every connection")
	}
	s.clock.Add(10)
	if !trusts(second) || trusts(first) {
		t.Error("the second certificate is not served")
	}

	if err := os.Remove(s.chain); err != nil {
		t.Fatal(err)
	}
	s.clock.Add(10)
	if !trusts(second) {
		t.Error("a certificate whose files are gone does not go on")
	}
}

func TestNoCertificate(t *testing.T) {
	chain, key, _ := tlstest.Certificate(t, "one.example.org")
	_, other, _ := tlstest.Certificate(t, "two.example.org")
	for name, files := range map[string][2]string{
		"no file": {chain + "x", key}, "no key": {chain, key + "x"}, "another key": {chain, other}, "changed places": {key, chain},
	} {
		if _, err := gateway.OpenCertificate(files[0], files[1], slog.Default(), time.Now); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
