package gateway

import (
	"crypto/md5" //nolint:gosec // it is what Content-MD5 is
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/vauban-cloud/vauban/gateway/sigv4"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// minRate is the slowest that a streamed body may come, and an answer may be
// taken, in bytes a second, beyond the timeout that every body has.
const minRate = 16 << 10

// every is how many bytes go by before a deadline is moved.
const every = 1 << 20

// Stream is the body of a request that is handed to the service as it comes.
// What was read is proven only when Read has returned io.EOF: nothing may be made
// durable or visible before. Any other error is to be returned as it is.
type Stream struct {
	body  *sigv4.Body
	q     *request
	read  int64
	moved int64 // of read, when the deadline was last moved
	begin time.Time
}

// Length is the number of bytes to come, -1 if the client did not say.
func (s *Stream) Length() int64 { return s.body.Length }

// Trailer returns the headers that came after the body, under canonical names;
// complete once Read has returned io.EOF.
func (s *Stream) Trailer() http.Header { return s.body.Trailer() }

// Announced returns the lower-case names of the headers that Trailer will have.
func (s *Stream) Announced() []string { return s.body.Announced() }

// Read reads on, as long as the body comes fast enough.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.read += int64(n)
	if s.read-s.moved >= every {
		s.moved = s.read
		setReadDeadline(s.q.w, s.begin.Add(s.q.cfg.BodyTimeout+time.Duration(s.read/minRate)*time.Second))
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, s.q.abandon(tooSlow)
	}
	if _, ok := errors.AsType[*sigv4.Failure](err); ok {
		return n, err
	}
	return n, s.q.abandon(incomplete)
}

// Close does nothing: the server closes the body.
func (s *Stream) Close() error { return nil }

// maxBody is how many bytes a body may have that is read whole.
func (q *request) maxBody() int64 {
	if q.endpoint != nil && q.endpoint.objects() && !q.anonymous {
		return q.cfg.MaxDocument
	}
	return q.cfg.MaxBody
}

// readDocument reads a document, and compares it with its Content-MD5.
func (q *request) readDocument(body *sigv4.Body) ([]byte, error) {
	document, err := q.readBody(body, q.maxBody())
	header := q.r.Header.Get("Content-Md5")
	if err != nil || header == "" {
		return document, err
	}
	want, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(want) != md5.Size {
		return nil, &wire.Error{Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid.", Status: http.StatusBadRequest, Detail: [][2]string{{"Content-MD5", header}}}
	}
	if md5.Sum(document) != [md5.Size]byte(want) { //nolint:gosec // as above
		return nil, &wire.Error{Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received.", Status: http.StatusBadRequest}
	}
	return document, nil
}

// stream hands the body on unread, if the operation takes one; else it is read
// whole.
func (q *request) stream(body *sigv4.Body) ([]byte, error) {
	op, protocol, err := q.endpoint.api.Match(q.r, nil)
	if err != nil {
		return q.readDocument(body)
	}
	q.op, q.protocol = op, protocol // no body of S3 names an operation
	if !op.Streams() {
		return q.readDocument(body)
	}
	q.r.Body = &Stream{body: body, q: q, begin: time.Now()}
	return nil, nil
}
