package wire

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

const xml10 = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// Decode returns a pointer to the operation's input. A streaming member reads
// from r.Body when body is nil. Any error is an *Error.
func Decode(p Protocol, op *Operation, r *http.Request, body []byte) (any, error) {
	in := op.NewInput()
	v := reflect.ValueOf(in).Elem()
	body, err := uncompress(p, r, body)
	if err != nil {
		return nil, err
	}
	switch p {
	case EC2Query, Query:
		err = decodeQuery(p, v, r.URL.RawQuery, string(body))
	case JSON10, JSON11:
		err = decodeJSON(body, planOf(v.Type()), v)
	case CBOR:
		err = decodeCBOR(body, planOf(v.Type()), v)
	default:
		err = decodeREST(p, op, v, r, body)
	}
	if err == nil {
		return in, nil
	}
	if f, ok := errors.AsType[*fault](err); ok {
		return nil, f.error(p)
	}
	return nil, err
}

// maxUncompressed bounds what a compressed body may unfold to, in bytes.
const maxUncompressed = 16 << 20

// uncompress undoes the compression of a request body, which clients apply to
// large inputs of some operations. In REST protocols the encoding belongs to
// the object, not to the request.
func uncompress(p Protocol, r *http.Request, body []byte) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" || p == RESTXML || p == RESTJSON {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, malformedf("The request is not compressed as it says: %v", err).error(p)
	}
	body, err = io.ReadAll(io.LimitReader(z, maxUncompressed+1))
	if err == nil && len(body) > maxUncompressed {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, malformedf("The request does not uncompress: %v", err).error(p)
	}
	return body, nil
}

// Encode answers a request with the operation's output, a pointer to its
// struct. An error means that the answer is incomplete: the connection broke,
// or the output's stream did.
func Encode(w http.ResponseWriter, s *Service, p Protocol, op *Operation, out any, requestID string) error {
	v := reflect.ValueOf(out)
	if reflect.TypeOf(out) != reflect.TypeOf(op.Out) {
		return fmt.Errorf("encode %s: output is a %T, not a %T", op.Name, out, op.Out)
	}
	if v.IsNil() {
		v = reflect.New(v.Type().Elem())
	}
	v = v.Elem()
	plan := planOf(v.Type()).get()
	setRequestID(w, s, requestID)
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	b, contentType := (*buffer)[:0], ""
	switch p {
	case EC2Query:
		b, contentType = appendEC2(b, s, op, plan, v, requestID), "text/xml;charset=UTF-8"
	case Query:
		b, contentType = appendQuery(b, s, op, plan, v, requestID), "text/xml"
	case JSON10, JSON11:
		b, contentType = appendJSONOutput(b, plan, v), jsonType(p)
	case CBOR:
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		b, contentType = appendCBOROutput(b, plan, v), "application/cbor"
	default:
		b, err := encodeREST(w, s, p, op, plan, v, b)
		*buffer = b
		return err
	}
	*buffer = b
	return writeBody(w, contentType, http.StatusOK, b)
}

// buffers holds what answers are encoded into; the collector empties it.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// EncodeError answers a request with an error. Op is nil when none matched.
func EncodeError(w http.ResponseWriter, s *Service, p Protocol, op *Operation, e *Error, requestID string) {
	setRequestID(w, s, requestID)
	for name, value := range e.Header {
		w.Header().Set(name, value)
	}
	shape := s.errorShape(e)
	if shape.Status == http.StatusNotModified { // it has no body, nor headers of one
		w.WriteHeader(shape.Status)
		return
	}
	var body []byte
	contentType := "text/xml"
	switch p {
	case EC2Query:
		contentType = "text/xml;charset=UTF-8"
		body = append(body, xml10+"<Response><Errors><Error>"...)
		body = append(appendCodeMessage(body, shape.Code, e.Message), "</Error></Errors>"...)
		body = append(appendText(body, "RequestID", requestID), "</Response>"...)
	case Query:
		body = append(append(append(body, `<ErrorResponse xmlns="`...), s.Namespace...), `"><Error>`...)
		body = appendCodeMessage(appendText(body, "Type", culprit(shape.Status)), shape.Code, e.Message)
		body = append(appendText(append(body, "</Error>"...), "RequestId", requestID), "</ErrorResponse>"...)
	case RESTXML:
		contentType = "application/xml"
		body = appendRESTError(body, w.Header(), s, shape.Code, e, requestID)
	case CBOR:
		contentType = "application/cbor"
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		body = appendCBORText(appendCBORText(appendCBORHead(nil, cborMap, 2), "__type"), shape.Shape)
		body = appendCBORText(appendCBORText(body, shape.MessageName), e.Message)
	default:
		contentType = jsonType(p)
		w.Header().Set("x-amzn-errortype", shape.Shape)
		body = append(appendJSONString(append(body, `{"__type":`...), shape.Shape), ',')
		body = append(appendJSONString(body, shape.MessageName), ':')
		body = appendJSONString(body, e.Message)
		if e.Reason != "" {
			body = appendJSONString(append(body, `,"Reason":`...), e.Reason)
		}
		body = append(body, '}')
	}
	if s.QueryErrors && p != Query {
		w.Header().Set("x-amzn-query-error", shape.Code+";"+culprit(shape.Status))
	}
	if op != nil && op.Method == http.MethodHead {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(shape.Status)
		return
	}
	writeBody(w, contentType, shape.Status, body) //nolint:errcheck // the client has gone
}

// appendRESTError writes an error of a REST-XML service. S3's alone is not wrapped:
// https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html#operation-error-serialization
func appendRESTError(body []byte, header http.Header, s *Service, code string, e *Error, requestID string) []byte {
	if s.Name != "s3" && s.Name != "" {
		body = append(append(append(body, xml10+`<ErrorResponse xmlns="`...), s.Namespace...), `"><Error>`...)
		body = append(appendCodeMessage(body, code, e.Message), "</Error>"...)
		return append(appendText(body, "RequestId", requestID), "</ErrorResponse>"...)
	}
	body = appendCodeMessage(append(body, xml10+"<Error>"...), code, e.Message)
	for _, d := range e.Detail {
		body = appendText(body, d[0], d[1])
	}
	body = appendText(body, "RequestId", requestID)
	if host := header.Get("X-Amz-Id-2"); host != "" {
		body = appendText(body, "HostId", host)
	}
	return append(body, "</Error>"...)
}

// errorShape returns the form of an error: the model's, if it has one of that
// code, or of that shape where several share a code.
func (s *Service) errorShape(e *Error) ErrorShape {
	found := ErrorShape{Code: e.Code}
	for _, known := range s.Errors {
		if known.Code == e.Code && (found.Status == 0 || known.Shape == "") || known.Shape == e.Code {
			found = known
		}
	}
	return ErrorShape{
		Code:        found.Code,
		Shape:       cmp.Or(found.Shape, e.Code),
		Status:      cmp.Or(e.Status, found.Status, http.StatusBadRequest),
		MessageName: cmp.Or(found.MessageName, "message"),
	}
}

// culprit is whose fault an error is, in the query protocol.
func culprit(status int) string {
	if status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

func appendCodeMessage(b []byte, code, message string) []byte {
	return appendText(appendText(b, "Code", code), "Message", message)
}

func appendText(b []byte, name, text string) []byte {
	b = append(append(append(b, '<'), name...), '>')
	return appendClose(appendXMLText(b, text), name)
}

// appendEC2 appends the document that answers an EC2 request. Operations that
// have nothing to say answer that they succeeded.
func appendEC2(b []byte, s *Service, op *Operation, plan *structPlan, v reflect.Value, requestID string) []byte {
	b = append(append(append(b, xml10+"<"...), op.Name...), `Response xmlns="`...)
	b = append(append(append(b, strings.TrimSuffix(s.Namespace, "/")...), '/'), `">`...)
	b = appendText(b, "requestId", requestID)
	b = xmlEncoder{millis: true, lists: true}.output(b, plan, v)
	ret := plan.byName["return"]
	if len(plan.members) == 0 || ret != nil && ret.empty(v.Field(ret.index)) {
		b = append(b, "<return>true</return>"...)
	}
	return append(append(append(b, "</"...), op.Name...), "Response>"...)
}

// appendQuery appends the document that answers a query request.
func appendQuery(b []byte, s *Service, op *Operation, plan *structPlan, v reflect.Value, requestID string) []byte {
	b = append(append(append(b, '<'), op.Name...), `Response xmlns="`...)
	b = append(append(append(b, s.Namespace...), `"><`...), op.Name...)
	b = append(b, "Result>"...)
	b = xmlEncoder{lists: true}.output(b, plan, v)
	b = append(append(append(b, "</"...), op.Name...), "Result><ResponseMetadata>"...)
	b = append(appendText(b, "RequestId", requestID), "</ResponseMetadata></"...)
	return append(append(b, op.Name...), "Response>"...)
}

func jsonType(p Protocol) string {
	switch p {
	case JSON10:
		return "application/x-amz-json-1.0"
	case JSON11:
		return "application/x-amz-json-1.1"
	default:
		return "application/json"
	}
}

// setRequestID names the request in the header that the service's clients read.
func setRequestID(w http.ResponseWriter, s *Service, requestID string) {
	name := "X-Amzn-Requestid"
	if s.Name == "s3" || s.Name == "s3-control" {
		name = "X-Amz-Request-Id"
	}
	w.Header()[name] = []string{requestID}
}

func writeBody(w http.ResponseWriter, contentType string, status int, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}
