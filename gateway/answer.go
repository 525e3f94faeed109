package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/sigv4"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// answer tells the client of an error. Only errors that are meant for callers
// are told; any other is an InternalError to them, and a cause in the log.
func (q *request) answer(err error) {
	if q.w.status != 0 {
		// The client went away, or the answer's source broke.
		q.code, q.cause, q.w.broken = "RequestAborted", err, true
		return
	}
	if q.endpoint == nil {
		q.endpoint = stranger(q.r)
	}
	if q.protocol == "" {
		_, q.protocol, _ = q.endpoint.api.Match(q.r, nil)
	}
	e := q.expressible(err)
	q.code = e.Code
	if q.endpoint.objects() {
		// Clients that signed for another region learn the right one here.
		q.w.Header().Set("x-amz-bucket-region", q.cfg.Region)
		q.w.Header().Set("X-Amz-Id-2", base64.StdEncoding.EncodeToString([]byte(q.id)))
		e.Detail = append(q.named(e.Code), e.Detail...)
	}
	if q.endpoint.api.Name == "" {
		// A bare GET does not tell whether its client reads XML or JSON; the
		// latter looks for the code here first.
		q.w.Header().Set("X-Amzn-Errortype", e.Code)
	}
	wire.EncodeError(q.w, q.endpoint.api, q.protocol, q.op, e, q.id)
}

// expressible turns any error into one of the protocol.
func (q *request) expressible(err error) *wire.Error {
	var (
		failure  *sigv4.Failure
		cloudErr *cloud.Error
		wireErr  *wire.Error
		known    trouble
	)
	switch {
	case errors.As(err, &failure):
		a := failure.Answer(q.dialect())
		return &wire.Error{Code: a.Code, Message: a.Message, Status: a.Status, Detail: failure.Detail}
	case errors.As(err, &cloudErr):
		return &wire.Error{Code: cloudErr.Code, Message: cloudErr.Message, Status: cloudErr.Status, Reason: cloudErr.Reason, Header: cloudErr.Header, Detail: cloudErr.Detail}
	case errors.As(err, &wireErr):
		return wireErr
	case errors.As(err, &known):
		return known.expressed(q.dialect(), q.maxBody())
	case q.r.Context().Err() != nil && errors.Is(err, context.Canceled):
		// Nobody reads this; it tells the log from a fault of ours.
		return &wire.Error{Code: "RequestAborted", Message: "The client closed the connection.", Status: http.StatusBadRequest}
	}
	q.cause, q.failed = err, true
	return &wire.Error{Code: "InternalError", Message: "An internal error has occurred. Request ID: " + q.id, Status: http.StatusInternalServerError}
}

// dialect is the family of words that the request's service uses.
func (q *request) dialect() sigv4.Dialect {
	switch q.endpoint.api.Name {
	case "ec2":
		return sigv4.EC2
	case s3, s3Control:
		return sigv4.S3
	}
	switch q.protocol {
	case wire.JSON10, wire.JSON11, wire.RESTJSON, wire.CBOR:
		return sigv4.JSON
	default:
		return sigv4.Query
	}
}

// trouble is a fault that every service knows under a name of its own.
type trouble int

const (
	tooMany    trouble = iota // requests
	tooLong                   // a body
	tooSlow                   // a body
	incomplete                // a body
	suspended                 // account
)

// Error describes the trouble to the operator.
func (t trouble) Error() string {
	return [...]string{"too many requests", "body too long", "body too slow", "body incomplete", "account suspended"}[t]
}

// expressed gives the trouble its name; limit is that of a body, in bytes.
func (t trouble) expressed(d sigv4.Dialect, limit int64) *wire.Error {
	const (
		slow = "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."
		cut  = "The request body terminated unexpectedly"
		shut = "This account is suspended: its resources are kept, but it may make no requests. Ask the operator of this cloud to make it active again."
	)
	long := fmt.Sprintf("Request is too long: its body may have at most %d bytes.", limit)
	e := [...][4]wire.Error{
		tooMany: {
			sigv4.Query: {Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest},
			sigv4.JSON:  {Code: "ThrottlingException", Message: "Rate exceeded", Status: http.StatusBadRequest},
			sigv4.EC2:   {Code: "RequestLimitExceeded", Message: "Request limit exceeded.", Status: http.StatusServiceUnavailable},
			sigv4.S3:    {Code: "SlowDown", Message: "Please reduce your request rate.", Status: http.StatusServiceUnavailable},
		},
		tooLong: {
			sigv4.Query: {Code: "RequestEntityTooLarge", Message: long, Status: http.StatusRequestEntityTooLarge},
			sigv4.JSON:  {Code: "RequestEntityTooLargeException", Message: long, Status: http.StatusRequestEntityTooLarge},
			sigv4.EC2:   {Code: "RequestEntityTooLarge", Message: long, Status: http.StatusRequestEntityTooLarge},
			sigv4.S3:    {Code: "EntityTooLarge", Message: long, Status: http.StatusBadRequest},
		},
		tooSlow: {
			sigv4.Query: {Code: "RequestTimeout", Message: slow, Status: http.StatusRequestTimeout},
			sigv4.JSON:  {Code: "RequestTimeout", Message: slow, Status: http.StatusRequestTimeout},
			sigv4.EC2:   {Code: "RequestTimeout", Message: slow, Status: http.StatusRequestTimeout},
			sigv4.S3:    {Code: "RequestTimeout", Message: slow, Status: http.StatusBadRequest},
		},
		incomplete: {
			sigv4.Query: {Code: "MalformedHttpRequestException", Message: cut, Status: http.StatusBadRequest},
			sigv4.JSON:  {Code: "MalformedHttpRequestException", Message: cut, Status: http.StatusBadRequest},
			sigv4.EC2:   {Code: "MalformedHttpRequestException", Message: cut, Status: http.StatusBadRequest},
			sigv4.S3:    {Code: "IncompleteBody", Message: cut, Status: http.StatusBadRequest},
		},
		suspended: {
			sigv4.Query: {Code: "AccessDenied", Message: shut, Status: http.StatusForbidden},
			sigv4.JSON:  {Code: "AccessDeniedException", Message: shut, Status: http.StatusBadRequest},
			sigv4.EC2:   {Code: "Blocked", Message: shut, Status: http.StatusForbidden},
			sigv4.S3:    {Code: "AccountProblem", Message: shut, Status: http.StatusForbidden},
		},
	}[t][d]
	return &e
}

func noSuchService(p wire.Protocol, name string) error {
	e := &wire.Error{Code: "InvalidAction", Message: fmt.Sprintf("The service '%s' is not offered here.", name), Status: http.StatusBadRequest}
	if p != wire.Query {
		e.Code = "UnknownOperationException"
	}
	return e
}
