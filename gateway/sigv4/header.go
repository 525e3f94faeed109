package sigv4

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// claimOfHeader reads
//
//	Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=a;b, Signature=…
//
// with the time in X-Amz-Date or Date:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
func claimOfHeader(r *http.Request, header []string) (*Claim, error) {
	c := &Claim{Token: r.Header.Get("X-Amz-Security-Token")}
	value := strings.TrimSpace(header[0])
	algorithm, rest, _ := strings.Cut(value, " ")
	switch {
	case len(header) > 1:
		return c, incompleteHeader("The request carries several Authorization headers.")
	case rest == "":
		return c, badHeader(value, "Authorization header is invalid -- one and only one ' ' (space) required.")
	case algorithm != "AWS" && !strings.HasPrefix(algorithm, "AWS4-"):
		return c, badHeader(algorithm, "Unsupported Authorization Type")
	case algorithm == "AWS": // version 2
		return c, &Failure{Reason: Unsigned, S3: answerMechanism()}
	}

	parts, err := splitParts(rest, value)
	if err != nil {
		return c, err
	}
	missing := missingParts("Authorization header requires '%s' parameter. ", parts.get, "Credential", "Signature", "SignedHeaders")
	date, dated := dateOf(r)
	if !dated {
		missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	}
	if credential := parts.get("Credential"); credential != "" {
		if err := c.setCredential(credential); err != nil && missing == "" {
			return c, err
		}
	}
	if missing != "" {
		err := incompleteHeader(missing + "Authorization=" + algorithm)
		if !dated && parts.get("Credential") != "" && parts.get("Signature") != "" && parts.get("SignedHeaders") != "" {
			err.S3 = answerNoDate()
		}
		return c, err
	}
	if c.Time, err = parseTime(date); err != nil {
		return c, err
	}
	if algorithm != Algorithm {
		err := incompleteHeader("Unsupported AWS 'algorithm': '" + algorithm + "' (only AWS4-HMAC-SHA256 for now). ")
		err.S3 = answerMechanism()
		return c, err
	}
	c.setSignedHeaders(parts.get("SignedHeaders"))
	c.Signature = parts.get("Signature")
	return c, nil
}

// badHeader is the failure of a header that holds no signature of any version.
func badHeader(value, text string) *Failure {
	return &Failure{
		Reason: Unsigned, S3: Answer{"InvalidArgument", text, http.StatusBadRequest},
		Detail: [][2]string{{"ArgumentName", "Authorization"}, {"ArgumentValue", value}},
	}
}

// missingParts says which of the named parts are not there.
func missingParts(format string, part func(string) string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		if part(name) == "" {
			fmt.Fprintf(&b, format, name)
		}
	}
	return b.String()
}

// parts are those of a header, of which there are few.
type parts []pair

// get returns the value of a part, empty if it is not there.
func (p parts) get(name string) string {
	for _, one := range p {
		if one.name == name {
			return one.value
		}
	}
	return ""
}

// splitParts splits "Name=value, Name=value".
func splitParts(s, header string) (parts, error) {
	list := make(parts, 0, 3)
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, incompleteHeader("'" + part + "' not a valid key=value pair (missing equal-sign) in Authorization header: '" + header + "'.")
		}
		if slices.ContainsFunc(list, func(p pair) bool { return p.name == name }) {
			return nil, incompleteHeader("Authorization header has '" + name + "' more than once.")
		}
		list = append(list, pair{name, value})
	}
	return list, nil
}

// dateOf returns the request's time as it was sent: X-Amz-Date, else Date.
func dateOf(r *http.Request) (string, bool) {
	for _, name := range []string{"X-Amz-Date", "Date"} {
		if values := r.Header[name]; len(values) > 0 {
			return strings.Join(values, ","), values[0] != ""
		}
	}
	return "", false
}

// parseTime takes the ISO 8601 basic format, and that of the Date header.
func parseTime(s string) (time.Time, error) {
	if t, ok := parseBasic(s); ok {
		return t, nil
	}
	t, err := time.Parse(timeFormat, s)
	if err != nil {
		t, err = http.ParseTime(s)
	}
	if err != nil {
		f := incompleteHeader("Date must be in ISO-8601 'basic format'. Got '" + s + "'. See http://en.wikipedia.org/wiki/ISO_8601")
		f.S3 = answerNoDate()
		return time.Time{}, f
	}
	return t.UTC(), nil
}

// parseBasic takes timeFormat, as nearly all clients write it, and nothing else.
func parseBasic(s string) (time.Time, bool) {
	if len(s) != len(timeFormat) || s[8] != 'T' || s[15] != 'Z' {
		return time.Time{}, false
	}
	n := func(from, to int) (n int) {
		for _, digit := range []byte(s[from:to]) {
			n = 10*n + int(digit) - '0'
		}
		return n
	}
	t := time.Date(n(0, 4), time.Month(n(4, 6)), n(6, 8), n(9, 11), n(11, 13), n(13, 15), 0, time.UTC)
	var back [len(timeFormat)]byte
	return t, string(appendTime(back[:0], t)) == s // or else a field had no digits, or too much
}

// appendTime appends a time, which is UTC's, in timeFormat.
func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, byte('0'+year/1000%10), byte('0'+year/100%10))
	for _, n := range [...]int{year % 100, int(month), day} {
		b = append(b, byte('0'+n/10), byte('0'+n%10))
	}
	b = append(b, 'T')
	for _, n := range [...]int{hour, minute, second} {
		b = append(b, byte('0'+n/10), byte('0'+n%10))
	}
	return append(b, 'Z')
}

func answerNoDate() Answer {
	return Answer{"AccessDenied", "AWS authentication requires a valid Date or x-amz-date header", http.StatusForbidden}
}

func answerMechanism() Answer {
	return Answer{"InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.", http.StatusBadRequest}
}

func incompleteHeader(text string) *Failure { return &Failure{Reason: Incomplete, Text: text} }
