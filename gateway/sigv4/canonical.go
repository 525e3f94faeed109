package sigv4

import (
	"net/http"
	"slices"
	"strings"
)

// appendCanonical appends what both sides hash:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request
func (c *Claim) appendCanonical(b []byte, r *http.Request, payloadHash string) ([]byte, error) {
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = appendPath(b, r.URL.EscapedPath(), c.Service == serviceS3)
	b = append(b, '\n')
	b, err := c.appendQuery(b, r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	for _, name := range c.SignedHeaders {
		b = append(b, name...)
		b = append(b, ':')
		if name == "host" {
			b = append(appendCollapsed(b, r.Host), '\n')
			continue
		}
		values := headerValues(r, name)
		if values == nil {
			// It was removed: empty and absent are not the same.
			return nil, &Failure{Reason: Mismatch}
		}
		for i, value := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCollapsed(b, value)
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range c.SignedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...), nil
}

// appendPath appends the canonical form of a path as it was sent. S3 encodes
// its bytes once; the other services take out "." and ".." and empty segments
// and encode what was sent once more.
func appendPath(b []byte, sent string, s3 bool) []byte {
	if sent == "" || sent == "/" {
		return append(b, '/')
	}
	if !s3 {
		for _, part := range cleanPath(sent) {
			b = append(b, '/')
			b = appendEncoded(b, part)
		}
		return b
	}
	for i := 0; i < len(sent); i++ {
		switch ch := sent[i]; {
		case ch == '/' || isUnreserved(ch):
			b = append(b, ch)
		case ch == '%' && i+2 < len(sent) && isHex(sent[i+1]) && isHex(sent[i+2]):
			b = appendEncoded(b, string([]byte{unhex(sent[i+1])<<4 | unhex(sent[i+2])}))
			i += 2
		default:
			b = appendEncoded(b, sent[i:i+1])
		}
	}
	return b
}

// cleanPath splits a path into its segments after RFC 3986, section 5.2.4; the
// last is empty if the path ends in a slash.
func cleanPath(path string) []string {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		switch part {
		case "", ".":
		case "..":
			parts = parts[:max(0, len(parts)-1)]
		default:
			parts = append(parts, part)
		}
	}
	if strings.HasSuffix(path, "/") || len(parts) == 0 {
		parts = append(parts, "")
	}
	return parts
}

// appendQuery appends the canonical query: names and values encoded, sorted,
// without the signature of a presigned request.
func (c *Claim) appendQuery(b []byte, rawQuery string) ([]byte, error) {
	if rawQuery == "" {
		return b, nil
	}
	pairs, err := parseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	encoded := make([]pair, 0, len(pairs))
	for _, p := range pairs {
		if c.Presigned && p.name == "X-Amz-Signature" {
			continue
		}
		encoded = append(encoded, pair{string(appendEncoded(nil, p.name)), string(appendEncoded(nil, p.value))})
	}
	slices.SortFunc(encoded, func(x, y pair) int {
		if n := strings.Compare(x.name, y.name); n != 0 {
			return n
		}
		return strings.Compare(x.value, y.value)
	})
	for i, p := range encoded {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b, nil
}

type pair struct{ name, value string }

// parseQuery splits and decodes a query in the order sent. "+" is a space, as
// it is to every decoder of parameters.
func parseQuery(rawQuery string) ([]pair, error) {
	var pairs []pair
	for part := range strings.SplitSeq(rawQuery, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, ok1 := unescape(name)
		v, ok2 := unescape(value)
		if !ok1 || !ok2 {
			return nil, &Failure{
				Reason: Incomplete, Text: "The query string holds a malformed percent-encoding: '" + part + "'",
				S3: Answer{"InvalidURI", "Couldn't parse the specified URI.", http.StatusBadRequest},
			}
		}
		pairs = append(pairs, pair{n, v})
	}
	return pairs, nil
}

func unescape(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] != '%':
			b = append(b, s[i])
		case i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			return "", false
		}
	}
	return string(b), true
}

// appendEncoded percent-encodes all but RFC 3986's unreserved characters.
func appendEncoded(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if ch := s[i]; isUnreserved(ch) {
			b = append(b, ch)
		} else {
			b = append(b, '%', digits[ch>>4], digits[ch&15])
		}
	}
	return b
}

func isUnreserved(ch byte) bool {
	return 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' || ch == '-' || ch == '_' || ch == '.' || ch == '~'
}

// appendCollapsed trims white space, and makes one space of each run inside.
func appendCollapsed(b []byte, s string) []byte {
	s = strings.Trim(s, " \t")
	if strings.IndexByte(s, ' ') < 0 && strings.IndexByte(s, '\t') < 0 {
		return append(b, s...)
	}
	for i := range len(s) {
		if s[i] != ' ' && s[i] != '\t' {
			b = append(b, s[i])
		} else if s[i-1] != ' ' && s[i-1] != '\t' {
			b = append(b, ' ')
		}
	}
	return b
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
