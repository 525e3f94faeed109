package gateway

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/sigv4"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// maxUnproven is how many bytes of body are read from those who have not shown
// an access key: enough to answer them in their own protocol, and for the
// assertions of identity providers (100,000 bytes of SAML, form-encoded).
const maxUnproven = 192 << 10

// request is one request's life. What is not known yet is zero.
type request struct {
	*Gateway
	w     *answerWriter
	r     *http.Request
	id    string
	start time.Time
	// arrived is start by the machine's own clock, by which answers are timed.
	arrived time.Time
	source  string // IP address

	endpoint *endpoint
	protocol wire.Protocol
	op       *wire.Operation
	caller   cloud.Caller // once proven
	key      string       // access key as claimed

	anonymous bool // nobody signed, and nobody need have

	code   string // of the error that was answered
	cause  error  // what the operator should know of it
	failed bool   // the fault is ours
	stack  []byte // of a panic
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 && r.ProtoAtLeast(1, 1) && r.Header.Get("Expect") == "100-continue" {
		// The server itself says so only before a body. AWS's own clients for Python
		// take an answer without it for the next one on the same connection.
		w.WriteHeader(http.StatusContinue)
	}
	if r.Header.Get("Expect") != "" {
		// The server looks at the body of its own request to see whether the client still
		// waits to be asked for it. If that is another's, it waits for the client.
		r = r.WithContext(r.Context())
	}
	if r.ContentLength != 0 {
		// It also bounds how long the server skips a body that nobody wants.
		setReadDeadline(w, time.Now().Add(g.cfg.BodyTimeout))
	}
	if g.page(w, r) {
		return
	}
	q := &request{Gateway: g, w: &answerWriter{ResponseWriter: w, r: r, timeout: g.cfg.WriteTimeout}, r: r, id: g.newID(), start: g.cfg.Now(), arrived: time.Now()}
	q.source = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		q.source = host
	}
	err := q.serve()
	if err != nil {
		q.answer(err)
	}
	q.record()
	if err != nil && q.w.broken {
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
}

// serve runs the request up to its answer. Its error is still to be answered.
func (q *request) serve() (err error) {
	defer func() {
		if v := recover(); v != nil {
			q.stack = debug.Stack()
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if done, err := q.serveWeb(); done {
		return err
	}
	body, err := q.authenticate()
	if err != nil {
		return err
	}
	if err := q.limit(); err != nil {
		return err
	}
	handler := q.endpoint.handlers[q.op.Name]
	if handler == nil {
		return wire.Unsupported(q.protocol, q.op)
	}
	if err := q.unfit(); err != nil {
		return err
	}
	in, err := wire.Decode(q.protocol, q.op, q.r, body)
	if err != nil {
		return err
	}
	out, err := handler(cloud.WithCaller(q.r.Context(), q.caller), in)
	if err != nil {
		return err
	}
	if q.endpoint.objects() {
		q.w.Header()["X-Amz-Id-2"] = []string{base64.StdEncoding.EncodeToString([]byte(q.id))}
	}
	return wire.Encode(q.w, q.endpoint.api, q.protocol, q.op, out, q.id)
}

// limit refuses a request that is one too many, of the caller's account or, of
// callers who are nobody, from their address.
func (q *request) limit() error {
	limit := q.limiter
	if q.endpoint.objects() {
		limit = q.bulk
	}
	if limit != nil && !limit.allow(cmp.Or(q.caller.Account, q.caller.VPC+" "+q.source)) {
		return tooMany
	}
	return nil
}

// authenticate finds the operation, proves the caller and returns the body. No
// more than the head is read before the claim is found sound and its key known.
func (q *request) authenticate() (body []byte, err error) {
	claim, err := sigv4.Parse(q.r)
	q.key = claim.AccessKey
	var bucket string
	q.endpoint, bucket = q.find(q.r, claim.Service)
	switch {
	case isAnonymous(err) && q.endpoint != nil && q.endpoint.open:
		return q.openAnonymous(bucket)
	case isUnsigned(err) && (q.endpoint == nil || len(q.endpoint.unsigned) > 0):
		return q.serveUnsigned(claim, err)
	case q.endpoint == nil:
		return nil, q.refuseStranger(claim, err)
	case err != nil:
		return nil, err
	}
	if err := q.verifier.Check(q.r, claim, q.endpoint.scope); err != nil {
		return nil, err
	}
	found, err := q.lookup(claim)
	if err != nil {
		return nil, err
	}
	if q.endpoint.objects() {
		body, err = q.openS3(claim, found.Secret, bucket)
	} else if body, err = q.readBody(q.r.Body, q.cfg.MaxBody); err == nil {
		verify := q.verifier.Verify
		if op, _, wrong := q.endpoint.api.Match(q.r, nil); wrong == nil && op.Streams() {
			verify = q.verifier.VerifyStream
		}
		err = verify(q.r, claim, found.Secret, body)
	}
	if err != nil {
		return nil, err
	}
	q.caller = q.describe(found.Caller)
	q.caller.AccessKey, q.caller.Region = claim.AccessKey, claim.Region
	if found.Suspended {
		q.op, q.protocol, _ = q.endpoint.api.Match(q.r, body)
		return nil, suspended
	}
	return body, q.match(claim, body)
}

// match finds the operation. A request that another service here would know
// was signed for the wrong one.
func (q *request) match(claim *sigv4.Claim, body []byte) (err error) {
	if q.op != nil {
		return nil
	}
	q.op, q.protocol, err = q.endpoint.api.Match(q.r, body)
	if err == nil {
		return nil
	}
	other := q.byTarget(q.r)
	if other == nil {
		other = q.byAction(q.r, body)
	}
	if other == nil || other == q.endpoint {
		return err
	}
	if wrong := q.verifier.Check(q.r, claim, other.scope); wrong != nil {
		q.endpoint = other
		q.op, q.protocol, _ = other.api.Match(q.r, body)
		return wrong
	}
	return err
}

// refuseStranger answers a request whose head does not say which service it
// is for, or names one that is not here. failure is what is wrong with its
// claim, if anything.
func (q *request) refuseStranger(claim *sigv4.Claim, failure error) error {
	body, err := q.readBody(q.r.Body, min(maxUnproven, q.cfg.MaxBody))
	if err != nil {
		return q.refuse(nil, claim, nil, failure)
	}
	return q.refuse(q.byAction(q.r, body), claim, body, failure)
}

// refuse puts a failure in the words of e, the endpoint that the body is for;
// nil if it does not tell.
func (q *request) refuse(e *endpoint, claim *sigv4.Claim, body []byte, failure error) error {
	q.endpoint = e
	if q.endpoint == nil {
		q.endpoint = stranger(q.r)
		q.protocol = q.endpoint.api.Protocols[0]
		if failure == nil {
			failure = noSuchService(q.protocol, claim.Service)
		}
		return failure
	}
	q.op, q.protocol, _ = q.endpoint.api.Match(q.r, body)
	if failure == nil {
		failure = q.verifier.Check(q.r, claim, q.endpoint.scope) // its scope is another service's
	}
	return failure
}

// isUnsigned reports whether a request carries no signature at all.
func isUnsigned(err error) bool {
	failure, ok := errors.AsType[*sigv4.Failure](err)
	return ok && failure.Reason == sigv4.Unsigned
}

// isAnonymous reports whether a request of S3 carries nothing that should prove who
// sends it: a signature of another kind is refused by its own name.
func isAnonymous(err error) bool {
	failure, ok := errors.AsType[*sigv4.Failure](err)
	return ok && failure.Reason == sigv4.Unsigned && failure.S3 == (sigv4.Answer{})
}

// serveUnsigned returns the body of a request without a signature if it is for
// an operation that needs none, and else the failure.
func (q *request) serveUnsigned(claim *sigv4.Claim, failure error) ([]byte, error) {
	body, err := q.readBody(q.r.Body, min(maxUnproven, q.cfg.MaxBody))
	if err != nil {
		return nil, q.refuse(q.endpoint, claim, nil, failure)
	}
	if q.endpoint == nil {
		q.endpoint = q.byAction(q.r, body)
	}
	if q.endpoint != nil {
		q.op, q.protocol, _ = q.endpoint.api.Match(q.r, body)
	}
	if q.op == nil || !slices.Contains(q.endpoint.unsigned, q.op.Name) {
		return nil, q.refuse(q.endpoint, claim, body, failure)
	}
	q.caller = q.describe(cloud.Caller{Region: q.cfg.Region})
	return body, nil
}

// lookup finds the secret, and whose it is if the signature holds.
func (q *request) lookup(claim *sigv4.Claim) (Credential, error) {
	found, err := q.cfg.Credentials.Lookup(q.r.Context(), claim.AccessKey, claim.Token)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return found, &sigv4.Failure{Reason: sigv4.UnknownKey, Detail: [][2]string{{"AWSAccessKeyId", claim.AccessKey}}}
	case errors.Is(err, ErrWrongToken):
		return found, &sigv4.Failure{Reason: sigv4.WrongToken}
	case errors.Is(err, ErrExpiredToken):
		return found, &sigv4.Failure{Reason: sigv4.ExpiredToken}
	case err != nil:
		return found, fmt.Errorf("look up access key %q: %w", claim.AccessKey, err)
	}
	return found, nil
}

// describe adds to a caller what the request says beside its signature.
func (q *request) describe(c cloud.Caller) cloud.Caller {
	c.RequestID, c.SourceIP, c.UserAgent, c.Referer = q.id, q.source, q.r.UserAgent(), q.r.Referer()
	c.Secure, c.Host = q.r.TLS != nil, q.r.Host
	way, _ := q.r.Context().Value(vpcKey{}).(vpcWay)
	c.VPC = way.vpc
	if way.endpoint != nil {
		c.Endpoint = way.endpoint(q.source)
	}
	return c
}

// openS3 returns the body of an S3 request, which may come in signed chunks; nil
// if the operation reads it from the request. bucket is the one that the host
// names, if any.
func (q *request) openS3(claim *sigv4.Claim, secret, bucket string) ([]byte, error) {
	if headerSize(q.r.Header) > maxHeaderS3 {
		return nil, &wire.Error{
			Code: "RequestHeaderSectionTooLarge", Message: "Your request header section exceeds the maximum allowed size.", Status: http.StatusBadRequest,
			Detail: [][2]string{{"MaxSizeAllowed", strconv.Itoa(maxHeaderS3)}},
		}
	}
	body, err := q.verifier.Open(q.r, claim, secret)
	if err != nil {
		return nil, err
	}
	if bucket != "" {
		q.r = pathStyle(q.r, bucket)
	}
	return q.stream(body)
}

// openAnonymous returns the body of a request to an open endpoint that nobody
// signed, as openS3 does. What must be read whole may be no longer than elsewhere.
func (q *request) openAnonymous(bucket string) ([]byte, error) {
	q.anonymous = true
	body, err := sigv4.OpenUnsigned(q.r)
	if err != nil {
		return nil, err
	}
	q.caller = q.describe(cloud.Caller{Region: q.cfg.Region})
	if bucket != "" {
		q.r = pathStyle(q.r, bucket)
	}
	document, err := q.stream(body)
	if err == nil {
		q.op, q.protocol, err = q.endpoint.api.Match(q.r, document)
	}
	return document, err
}

// maxHeaderS3 is how many bytes the headers of an S3 request may have.
const maxHeaderS3 = 8 << 10

// headerSize is about how many bytes headers had when they were sent.
func headerSize(h http.Header) (n int) {
	for name, values := range h {
		for _, value := range values {
			n += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	return n
}

// readBody reads a body of at most limit bytes.
func (q *request) readBody(src io.Reader, limit int64) ([]byte, error) {
	size := q.r.ContentLength
	if size > limit {
		return nil, q.abandon(tooLong)
	}
	if size < 0 {
		size = 511
	}
	body := make([]byte, 0, size+1)
	for {
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		var failure *sigv4.Failure
		switch {
		case int64(len(body)) > limit:
			return nil, q.abandon(tooLong)
		case err == io.EOF:
			if q.r.ContentLength != 0 {
				setReadDeadline(q.w, time.Time{})
			}
			return body, nil
		case errors.As(err, &failure):
			return nil, err
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, q.abandon(tooSlow)
		case err != nil:
			return nil, q.abandon(incomplete)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// setReadDeadline works where the connection has one.
func setReadDeadline(w http.ResponseWriter, t time.Time) {
	http.NewResponseController(w).SetReadDeadline(t) //nolint:errcheck // a recorder has none
}

// abandon leaves the rest of a body unread, and with it the connection.
func (q *request) abandon(t trouble) error {
	q.w.Header().Set("Connection", "close")
	return t
}

// pathStyle moves a bucket from the host to the path, where its operations
// look for it.
func pathStyle(r *http.Request, bucket string) *http.Request {
	moved := r.WithContext(r.Context())
	u := *r.URL
	u.Path = "/" + bucket + r.URL.Path
	u.RawPath = "/" + url.PathEscape(bucket) + r.URL.EscapedPath()
	moved.URL = &u
	return moved
}

// answerWriter remembers what was answered.
type answerWriter struct {
	http.ResponseWriter
	r       *http.Request
	timeout time.Duration
	status  int
	begin   time.Time // of the answer
	written int64
	moved   int64 // of written, when the deadline was last moved
	broken  bool  // something was written before an error came up
}

// Unwrap lets http.ResponseController find the server's own writer.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader starts the answer, and the time that the client has to take it.
func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.begin = status, time.Now()
		w.moveDeadline()
		if c, ok := w.r.Context().Value(connKey{}).(*conn); ok && holds(w.r, w.Header()) {
			c.hold()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// moveDeadline gives the client the timeout, and time for what was written.
func (w *answerWriter) moveDeadline() {
	w.moved = w.written
	deadline := w.begin.Add(w.timeout + time.Duration(w.written/minRate)*time.Second)
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline) //nolint:errcheck // not every ResponseWriter has one
}

// Write adds to the body.
func (w *answerWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	if w.written += int64(n); w.written-w.moved >= every {
		w.moveDeadline()
	}
	return n, err
}
