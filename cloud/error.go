package cloud

import "fmt"

// Error is what a caller of the cloud sees: a code of the protocol's own (for
// EC2, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html),
// and a sentence that names the remedy. Any other error reaches the caller as
// InternalError, and the operator as a log line with the request ID.
type Error struct {
	Code    string
	Message string
	Status  int    // HTTP status; 0 means 400
	Reason  string // of services whose errors have one beside the code, such as Organizations
	// Header are headers of the answer, for protocols whose errors have some, such as
	// the ETag of a 304.
	Header map[string]string
	// Detail are names and values that S3's errors have beside the code and the message,
	// in order, such as Key.
	Detail [][2]string
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// HTTPStatus returns the status to answer with.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return 400
	}
	return e.Status
}

// Errorf returns an Error with the given code and HTTP status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
