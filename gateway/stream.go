package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/vauban-cloud/vauban/gateway/sigv4"
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

// maxDocument is how many bytes a document of S3 may have: the list of 10,000 parts
// with their checksums, or of 1,000 keys of 1,024 bytes that must all be escaped.
const maxDocument = 6 << 20

// maxBody is how many bytes a body may have that is read whole.
func (q *request) maxBody() int64 {
	if q.endpoint != nil && q.endpoint.api.Name == s3 {
		return max(q.cfg.MaxBody, maxDocument)
	}
	return q.cfg.MaxBody
}

// stream hands the body on unread, if the operation takes one; else it is read
// whole.
func (q *request) stream(body *sigv4.Body) ([]byte, error) {
	op, _, err := q.endpoint.api.Match(q.r, nil)
	if err != nil || !op.Streams() {
		return q.readBody(body, q.maxBody())
	}
	q.r.Body = &Stream{body: body, q: q, begin: time.Now()}
	return nil, nil
}
