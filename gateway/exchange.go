package gateway

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Exchange is what a request and its answer were as HTTP: what access logs and meters
// want beside a Record.
type Exchange struct {
	Method, URI, Proto string // as the client sent them
	Path               string // decoded, with the bucket in front whatever the form
	Query              url.Values
	Host, Referer      string
	HostID             string // x-amz-id-2 of the answer
	Auth               string // "AuthHeader", "QueryString"; empty for none
	TLS, Cipher        string // "TLSv1.3" and the cipher suite; empty without TLS
	Received, Sent     int64  // bytes of the bodies
	Size               int64  // of the object that was told or put, as far as the headers say; -1 if not
	First              time.Duration
}

// exchange describes the request, which has been answered. Where the body was cut
// off, Received is what the client meant to send.
func (q *request) exchange() Exchange {
	r, sent := q.r, q.w.Header()
	var query url.Values // most have none
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	x := Exchange{
		Method: r.Method, URI: r.RequestURI, Proto: r.Proto, Path: r.URL.Path, Query: query, Host: r.Host, Referer: r.Referer(), HostID: sent.Get("X-Amz-Id-2"),
		Received: max(0, r.ContentLength), Sent: q.w.written, Size: -1,
	}
	if !q.w.begin.IsZero() {
		x.First = max(0, q.w.begin.Sub(q.arrived))
	}
	switch {
	case r.Header.Get("Authorization") != "":
		x.Auth = "AuthHeader"
	case x.Query.Has("X-Amz-Signature"):
		x.Auth = "QueryString"
	}
	if r.TLS != nil {
		x.TLS, x.Cipher = strings.ReplaceAll(tls.VersionName(r.TLS.Version), "TLS 1", "TLSv1"), tls.CipherSuiteName(r.TLS.CipherSuite)
	}
	if body, ok := r.Body.(*Stream); ok {
		x.Received = body.read
	}
	switch _, whole, partial := strings.Cut(sent.Get("Content-Range"), "/"); {
	case partial:
		x.Size = number(whole)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		x.Size = number(sent.Get("Content-Length"))
	case r.Method == http.MethodPut:
		x.Size = x.Received
	}
	return x
}

// number is -1 for what is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
