package sts

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/cloud"
)

// The patterns of parameters, as the API reference gives them; lengths are
// checked beside them.
var (
	namePattern     = regexp.MustCompile(`^[\w+=,.@-]*$`)
	externalPattern = regexp.MustCompile(`^[\w+=,.@:\/-]*$`)
	serialPattern   = regexp.MustCompile(`^[\w+=/:,.@-]*$`)
	codePattern     = regexp.MustCompile(`^[\d]*$`)
	keyIDPattern    = regexp.MustCompile(`^[\w]*$`)
	arnPattern      = regexp.MustCompile(`^[\x{9}\x{A}\x{D}\x{20}-\x{7E}\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]*$`)
	documentPattern = regexp.MustCompile(`^[\x{9}\x{A}\x{D}\x{20}-\x{FF}]*$`)
	tagPattern      = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// form checks what needs nothing but the request. It collects all that is wrong,
// and says so as AWS does, in one ValidationError.
type form struct{ wrong []string }

// err is what is wrong; nil if nothing is.
func (f *form) err() error {
	switch n := len(f.wrong); n {
	case 0:
		return nil
	case 1:
		return cloud.Errorf("ValidationError", "1 validation error detected: %s", f.wrong[0])
	default:
		return cloud.Errorf("ValidationError", "%d validation errors detected: %s", n, strings.Join(f.wrong, "; "))
	}
}

func (f *form) fail(name, value, constraint string) {
	f.wrong = append(f.wrong, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, name, constraint))
}

// required is text, and demands that it is there.
func (f *form) required(name string, v *string, least, most int, pattern *regexp.Regexp) {
	if v == nil {
		f.fail(name, "null", "Member must not be null")
		return
	}
	f.text(name, v, least, most, pattern)
}

// text checks the length of a parameter, in characters, and its pattern.
func (f *form) text(name string, v *string, least, most int, pattern *regexp.Regexp) {
	if v == nil {
		return
	}
	value := quote(*v)
	switch n := utf8.RuneCountInString(*v); {
	case n < least:
		f.fail(name, value, fmt.Sprintf("Member must have length greater than or equal to %d", least))
	case n > most:
		f.fail(name, value, fmt.Sprintf("Member must have length less than or equal to %d", most))
	}
	if pattern != nil && !pattern.MatchString(*v) {
		f.fail(name, value, "Member must satisfy regular expression pattern: "+strings.Trim(pattern.String(), "^$"))
	}
}

// number checks a parameter's range.
func (f *form) number(name string, v *int32, least, most int32) {
	switch {
	case v == nil:
	case *v < least:
		f.fail(name, fmt.Sprintf("'%d'", *v), fmt.Sprintf("Member must have value greater than or equal to %d", least))
	case *v > most:
		f.fail(name, fmt.Sprintf("'%d'", *v), fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

// count checks the length of a list.
func (f *form) count(name string, n, most int) {
	if n > most {
		f.fail(name, fmt.Sprintf("'[%d members]'", n), fmt.Sprintf("Member must have length less than or equal to %d", most))
	}
}

// quote repeats a value, but no more of it than one reads.
func quote(s string) string {
	const most = 128
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return "'" + s + "'"
}

func denied(message string) error {
	return &cloud.Error{Code: "AccessDenied", Status: 403, Message: message}
}
