package wire

import (
	"errors"
	"net/http"
)

var errNoCodec = errors.New("the codecs are being written")

// Match finds the operation that a request asks for, and the protocol it speaks.
func (s *Service) Match(r *http.Request, body []byte) (*Operation, Protocol, error) {
	return nil, "", errNoCodec
}

// Decode returns a pointer to the operation's input.
func Decode(p Protocol, op *Operation, r *http.Request, body []byte) (any, error) {
	return nil, errNoCodec
}

// Encode answers a request with the operation's output.
func Encode(w http.ResponseWriter, s *Service, p Protocol, op *Operation, out any, requestID string) error {
	return errNoCodec
}

// EncodeError answers a request with an error.
func EncodeError(w http.ResponseWriter, s *Service, p Protocol, op *Operation, e *Error, requestID string) {
	http.Error(w, e.Error(), http.StatusNotImplemented)
}

// Unsupported is the error for an operation that the model knows but the
// service does not implement, in the words of the protocol.
func Unsupported(s *Service, p Protocol, op *Operation) *Error {
	return badRequest("UnsupportedOperation", "The operation "+op.Name+" is not supported.")
}
