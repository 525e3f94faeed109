// Package wire speaks the protocols of the AWS API in the server's direction:
// it finds the operation that an HTTP request asks for, decodes its input into
// a plain struct, and encodes outputs and errors.
//
// The structs and operation tables are generated into awsapi; one reflective
// codec per protocol does the rest, steered by the "wire" tags of the fields.
// Decoding guarantees that nothing of the request is dropped in silence: what
// the model does not know is refused, required members are present, and
// hostile nesting, indices or sizes cost no more than the bytes that carry
// them. It does not verify signatures, check constraints between members, nor
// interpret values: an enum is a string.
package wire

import (
	"context"
	"net/http"
	"reflect"
	"sort"
	"sync"
)

// Protocol is one of the wire formats of the AWS API.
type Protocol string

// The protocols, by the names that the service models give them.
const (
	EC2Query Protocol = "ec2"
	Query    Protocol = "query"
	JSON10   Protocol = "json-1.0"
	JSON11   Protocol = "json-1.1"
	RESTJSON Protocol = "rest-json"
	RESTXML  Protocol = "rest-xml"
	CBOR     Protocol = "smithy-rpc-v2-cbor"
)

// Service describes one AWS service; a package of awsapi returns it from API.
type Service struct {
	Name         string       // scope of its signatures: "ec2", "monitoring"
	Version      string       // of its API: "2016-11-15"
	Protocols    []Protocol   // accepted ones, the preferred first
	Namespace    string       // of its XML documents
	TargetPrefix string       // of X-Amz-Target, without the dot; in the path of a CBOR request
	Global       bool         // one endpoint for all regions
	QueryErrors  bool         // JSON and CBOR errors name their query code too (awsQueryCompatible)
	Errors       []ErrorShape // sorted by Code
	Operations   []*Operation // sorted by Name

	routing sync.Once
	table   map[string][]route // of REST services, by method; built by routes
}

// ErrorShape is an error that the model of a service declares.
type ErrorShape struct {
	Code        string // in the query protocols, and in Error.Code: "NoSuchEntity"
	Shape       string // in JSON and CBOR: "NoSuchEntityException"; empty when it is Code
	Status      int    // HTTP status
	MessageName string // of the member with the message in JSON and CBOR; empty for "message"
}

// Operation describes one operation of a service.
type Operation struct {
	Name         string
	Method, Path string // of REST protocols: "PUT", "/{Bucket}/{Key+}?acl"
	Status       int    // of its success; 0 means 200
	In, Out      any    // nil pointers to the structs of its input and output
	Root         string // XML element of a REST request's body, if the model names one
	OutRoot      string // XML element of a REST response's body, if the model names one
	// Bind returns the handler that calls impl's method of the operation's name,
	// nil when impl has none.
	Bind func(impl any) Handler
}

// Handler serves an operation. It takes a pointer to the operation's input,
// and returns one to its output.
type Handler func(ctx context.Context, in any) (any, error)

// Handle makes a Handler of a method; I and O are pointers to structs.
func Handle[I, O any](method func(context.Context, I) (O, error)) Handler {
	return func(ctx context.Context, in any) (any, error) { return method(ctx, in.(I)) }
}

// NewInput returns a pointer to a zero input.
func (o *Operation) NewInput() any { return reflect.New(reflect.TypeOf(o.In).Elem()).Interface() }

// NewOutput returns a pointer to a zero output.
func (o *Operation) NewOutput() any { return reflect.New(reflect.TypeOf(o.Out).Elem()).Interface() }

// Streams reports whether the operation reads its body as it comes.
func (o *Operation) Streams() bool {
	payload := planOf(reflect.TypeOf(o.In).Elem()).get().payload
	return payload != nil && payload.kind == streamKind
}

// Operation returns the operation of that name, nil if the service has none.
func (s *Service) Operation(name string) *Operation {
	i := sort.Search(len(s.Operations), func(i int) bool { return s.Operations[i].Name >= name })
	if i == len(s.Operations) || s.Operations[i].Name != name {
		return nil
	}
	return s.Operations[i]
}

// Error is an error that the protocol can express.
type Error struct {
	Code    string // of the query protocols, or the name of the model's shape
	Message string
	Status  int    // HTTP status; 0 means the model's, else 400
	Reason  string // the member Reason of JSON errors that have one
	Header  map[string]string
	Detail  [][2]string // names and values that follow the message of REST-XML errors
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func badRequest(code, message string) *Error {
	return &Error{Code: code, Message: message, Status: http.StatusBadRequest}
}
