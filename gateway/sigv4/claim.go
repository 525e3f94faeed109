package sigv4

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Claim is what a request says of its signature. Nothing of it is proven until
// Verify or Open has accepted it.
type Claim struct {
	AccessKey     string
	Date          string // of the scope, e.g. "20130524"
	Region        string
	Service       string
	Terminator    string
	SignedHeaders []string // lower case
	Signature     string
	Time          time.Time     // when it was signed, UTC, to the second
	Expires       time.Duration // presigned only
	Token         string        // session token, empty if none
	Presigned     bool
}

// Parse reads the claim of a request, from its Authorization header or its
// query string. A request that carries none, or one that cannot be read, gives
// a *Failure; then the claim still holds what could be read of the credential,
// so that an answer can be put in the words of the right service.
func Parse(r *http.Request) (*Claim, error) {
	header := r.Header["Authorization"]
	presigned, err := parseParameters(r.URL.RawQuery)
	switch {
	case err != nil:
		return &Claim{Presigned: true}, err
	case len(header) > 0 && presigned != nil:
		return &Claim{}, &Failure{
			Reason: Incomplete,
			Text:   "The request carries both an Authorization header and X-Amz-Algorithm in its query string: sign it once.",
			S3: Answer{"InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, " +
				"Signature query string parameter or the Authorization header should be specified", http.StatusBadRequest},
		}
	case presigned != nil:
		return claimOfQuery(presigned)
	case len(header) > 0 && header[0] != "":
		return claimOfHeader(r, header)
	default:
		return &Claim{}, unsignedFailure(r.URL.RawQuery)
	}
}

// unsignedFailure is the failure of a request without a signature, or with one of
// version 2 in its query, which S3 took until 2020.
func unsignedFailure(rawQuery string) *Failure {
	f := &Failure{Reason: Unsigned}
	if query, err := url.ParseQuery(rawQuery); err == nil && query.Has("AWSAccessKeyId") && query.Has("Signature") {
		f.S3 = answerMechanism()
	}
	return f
}

// setCredential splits "key/date/region/service/aws4_request". The key is what
// is left of the last four parts: keys of other makers may hold slashes.
func (c *Claim) setCredential(s string) error {
	var parts [4]string // the last ones
	key, ok := s, true
	for n := len(parts) - 1; n >= 0; n-- {
		slash := strings.LastIndexByte(key, '/')
		if ok = ok && slash >= 0; ok {
			key, parts[n] = key[:slash], key[slash+1:]
		}
	}
	if !ok || key == "" || slices.Contains(parts[:], "") || strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") || strings.Contains(key, "//") {
		return &Failure{
			Reason: Incomplete,
			Text:   "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + s + "'",
			S3:     malformedS3(c.Presigned, `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`),
		}
	}
	c.AccessKey, c.Date, c.Region, c.Service, c.Terminator = key, parts[0], parts[1], parts[2], parts[3]
	return nil
}

func (c *Claim) setSignedHeaders(s string) {
	c.SignedHeaders = strings.Split(strings.ToLower(s), ";")
}

// checkSignedHeaders refuses requests that leave the host or an x-amz-* header
// open to change.
func (c *Claim) checkSignedHeaders(r *http.Request) error {
	if !slices.Contains(c.SignedHeaders, "host") {
		return openHeader("Host' or ':authority", "host")
	}
	var open []string
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !slices.ContainsFunc(c.SignedHeaders, func(signed string) bool { return strings.EqualFold(signed, name) }) {
			open = append(open, strings.ToLower(name))
		}
	}
	if len(open) == 0 {
		return nil
	}
	slices.Sort(open)
	return openHeader(open[0], strings.Join(open, ", "))
}

// openHeader is the failure of headers that are not signed; one is what is said of the
// first, all are their names.
func openHeader(one, all string) *Failure {
	return &Failure{
		Reason: OpenHeader, Text: "'" + one + "' must be a 'SignedHeader' in the AWS Authorization.",
		Detail: [][2]string{{"HeadersNotSigned", all}},
	}
}

// headerValues returns the values of a header by its lower-case name, as they
// were sent; those that net/http takes out of the map included.
func headerValues(r *http.Request, name string) []string {
	switch name {
	case "host":
		return []string{r.Host}
	case "transfer-encoding":
		return r.TransferEncoding
	}
	values := r.Header[canonicalName(name)]
	if name == "content-length" && len(values) == 0 && r.ContentLength >= 0 {
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return values
}

// canonicalName is a header's name as net/http writes it. Those that every client of S3
// signs are known.
func canonicalName(name string) string {
	switch name {
	case "x-amz-content-sha256":
		return "X-Amz-Content-Sha256"
	case "x-amz-date":
		return "X-Amz-Date"
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}
