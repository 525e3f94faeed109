package wire

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// fault says what is wrong with a request; each protocol has its words for it.
type fault struct {
	kind faultKind
	path string // of the member, as the protocol writes it
	text string // invalid: the value and what was expected; malformed: the reason
}

type faultKind uint8

const (
	malformed faultKind = iota // the message as a whole
	missing
	invalid
	unknown
)

// Error is seen only when a fault escapes Decode.
func (f *fault) Error() string { return f.path + ": " + f.text }

func malformedf(format string, args ...any) *fault {
	return &fault{kind: malformed, text: shorten(fmt.Sprintf(format, args...), 4*maxRepeated)}
}

// invalidValue is the fault of a member whose value is not what was expected.
func invalidValue(path, value, expected string) *fault {
	return &fault{invalid, path, fmt.Sprintf("Value (%s) for parameter %s is invalid. Expected %s.", shorten(value, maxRepeated), shorten(path, maxRepeated), expected)}
}

// maxRepeated bounds what a message repeats of a request, in bytes.
const maxRepeated = 128

func shorten(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// error puts the fault into the words of the protocol.
func (f *fault) error(p Protocol) *Error {
	path := shorten(f.path, maxRepeated)
	null := fmt.Sprintf("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", path)
	unrecognized := fmt.Sprintf("The parameter %s is not recognized", path)
	var code, message string
	switch p {
	case EC2Query:
		code = [...]string{"MalformedQueryString", "MissingParameter", "InvalidParameterValue", "UnknownParameter"}[f.kind]
		message = [...]string{f.text, "The request must contain the parameter " + path, f.text, unrecognized}[f.kind]
	case Query:
		code = [...]string{"MalformedQueryString", "ValidationError", "InvalidParameterValue", "InvalidQueryParameter"}[f.kind]
		message = [...]string{f.text, null, f.text, unrecognized}[f.kind]
	case RESTXML:
		code = [...]string{"MalformedXML", "InvalidRequest", "InvalidArgument", "MalformedXML"}[f.kind]
		message = [...]string{
			"The XML you provided was not well-formed or did not validate against our published schema: " + f.text,
			"The request must contain " + path, f.text, "The XML you provided has the unknown element " + path,
		}[f.kind]
	default:
		code = [...]string{"SerializationException", "ValidationException", "SerializationException", "ValidationException"}[f.kind]
		message = [...]string{f.text, null, f.text, unrecognized}[f.kind]
	}
	return &Error{Code: code, Message: message, Status: http.StatusBadRequest}
}

// checkRequired reports the first member of v, a struct, that is required and
// absent; name gives the last part of its path.
func checkRequired(p *structPlan, v reflect.Value, path string, name func(*field) string) error {
	for _, f := range p.get().members {
		if f.required && f.empty(v.Field(f.index)) {
			return &fault{kind: missing, path: join(path, name(f))}
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// lowerFirst is how validation errors write the names of members.
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
