package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// readPlain takes a request off in if all of its head has come and it is plain: nil, and
// nothing taken, if not. Plain is what RFC 9112 lets nobody read in two ways: lines that end in CRLF; GET, HEAD, PUT or DELETE of a
// path by HTTP/1.1; one Host of plain characters; no field twice, none over several lines; no
// body, or that of a PUT with its length; nothing that is about the connection. Neither is a
// copy plain, nor a request that net/http would change: those it watches while they run.
func readPlain(in *bufio.Reader) *http.Request {
	read, _ := in.Peek(in.Buffered())
	end := bytes.Index(read, []byte("\r\n\r\n"))
	if end < 0 {
		return nil
	}
	head := string(read[:end+2])
	r := parsePlain(head)
	if r == nil {
		return nil
	}
	in.Discard(len(head) + 2) //nolint:errcheck // it is buffered
	if r.ContentLength > 0 {
		r.Body = &plainBody{in: in, left: r.ContentLength}
	}
	return r
}

// usualFields is how many fields a head seldom exceeds.
const usualFields = 12

// parsePlain reads a head, with the CRLF of its last line.
func parsePlain(head string) *http.Request {
	line, fields, _ := strings.Cut(head, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(line, " ")
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
	default:
		return nil
	}
	if proto != "HTTP/1.1" || !plainTarget(target) {
		return nil
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	r := &http.Request{
		Method: method, URL: u, RequestURI: target, Proto: proto, ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, usualFields), Body: http.NoBody,
	}
	values := make([]string, 0, usualFields)
	for fields != "" {
		line, rest, _ := strings.Cut(fields, "\r\n")
		fields = rest
		name, value, ok := strings.Cut(line, ":")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil
		}
		name, value = textproto.CanonicalMIMEHeaderKey(name), textproto.TrimString(value)
		if r.Header[name] != nil || !takePlain(r, name, value) {
			return nil
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1:][:1:1]
	}
	r.Host = r.Header.Get("Host")
	delete(r.Header, "Host")
	if r.Host == "" || r.ContentLength > 0 && method != http.MethodPut {
		return nil
	}
	return r
}

// takePlain takes from a field what a request says of itself, and reports whether it is plain.
func takePlain(r *http.Request, name, value string) bool {
	switch name {
	case "Connection", "Expect", "Http2-Settings", "Keep-Alive", "Pragma", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return false
	case "X-Amz-Copy-Source":
		return false
	case "Host":
		return plainHost(value)
	case "Content-Length":
		if value == "" || len(value) > 15 || strings.Trim(value, "0123456789") != "" {
			return false
		}
		r.ContentLength, _ = strconv.ParseInt(value, 10, 64)
	}
	return true
}

// plainTarget reports whether a target is an absolute path of visible characters.
func plainTarget(s string) bool {
	if s == "" || s[0] != '/' || strings.HasPrefix(s, "//") {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// plainHost reports whether a host is a name or an address, perhaps with its port.
func plainHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("-.:[]_", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// plainBody is the body of a request. One goroutine has it, and not after the request is answered.
type plainBody struct {
	in   *bufio.Reader
	left int64
	err  error // the first
}

// Read reads on, and never past the body.
func (b *plainBody) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// Close does nothing: what is left is skipped once the request is answered.
func (*plainBody) Close() error { return nil }

// maxSkipped is how much of a body that nobody wanted is read, so that the connection is good for
// another request, in bytes.
const maxSkipped = 256 << 10

// skip reads the rest of the body, if it is short, and reports whether nothing is left.
func (b *plainBody) skip() bool {
	if b == nil {
		return true
	}
	if b.err == nil && b.left > 0 && b.left <= maxSkipped {
		io.Copy(io.Discard, b) //nolint:errcheck // then some is left
	}
	return b.left == 0
}
