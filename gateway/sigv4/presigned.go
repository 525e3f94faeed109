package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parameterNames are the parameters that carry a signature; all but the last
// two are required of every service.
var parameterNames = []string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token",
}

// parseParameters returns those parameters of a presigned request's query, nil
// if it has none of the first three.
func parseParameters(rawQuery string) (map[string]string, error) {
	if !strings.Contains(rawQuery, "X-Amz-") {
		return nil, nil
	}
	pairs, err := parseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	parameters := make(map[string]string)
	for _, p := range pairs {
		if !slices.Contains(parameterNames, p.name) {
			continue // a parameter of the operation, or a header that the signer moved here
		}
		if _, twice := parameters[p.name]; twice {
			return nil, incompleteQuery("AWS query-string parameter '"+p.name+"' must appear once. Re-examine the query-string parameters.", "")
		}
		parameters[p.name] = p.value
	}
	for _, name := range parameterNames[:3] {
		if _, ok := parameters[name]; ok {
			return parameters, nil
		}
	}
	return nil, nil
}

// claimOfQuery reads the parameters of a presigned request:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func claimOfQuery(p map[string]string) (*Claim, error) {
	c := &Claim{Presigned: true, Token: p["X-Amz-Security-Token"]}
	missing := missingParts("AWS query-string parameters must include '%s'. ", func(name string) string { return p[name] }, parameterNames[:len(parameterNames)-2]...)
	if credential := p["X-Amz-Credential"]; credential != "" {
		if err := c.setCredential(credential); err != nil && missing == "" {
			return c, err
		}
	}
	expires, hasExpires := p["X-Amz-Expires"]
	if missing != "" || c.Service == serviceS3 && expires == "" {
		return c, incompleteQuery(missing+"Re-examine the query-string parameters.", "Query-string authentication version 4 requires the "+
			"X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	}
	if algorithm := p["X-Amz-Algorithm"]; algorithm != Algorithm {
		return c, incompleteQuery("Unsupported AWS 'algorithm': '"+algorithm+"' (only AWS4-HMAC-SHA256 for now). ",
			`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`)
	}
	date := p["X-Amz-Date"]
	t, err := time.Parse(timeFormat, date)
	if err != nil {
		return c, incompleteQuery("Date must be in ISO-8601 'basic format'. Got '"+date+"'. See http://en.wikipedia.org/wiki/ISO_8601",
			`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	c.Time = t
	if hasExpires {
		if c.Expires, err = parseExpires(expires); err != nil {
			return c, err
		}
	}
	c.setSignedHeaders(p["X-Amz-SignedHeaders"])
	c.Signature = p["X-Amz-Signature"]
	return c, nil
}

// parseExpires takes 0 to 604800 seconds.
func parseExpires(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	var text string
	switch {
	case err != nil:
		text = "X-Amz-Expires should be a number"
	case n < 0:
		text = "X-Amz-Expires must be non-negative"
	case n > int64(maxExpires/time.Second):
		text = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
	default:
		return time.Duration(n) * time.Second, nil
	}
	return 0, incompleteQuery(text, text)
}

// incompleteQuery is an Incomplete failure of a presigned request.
func incompleteQuery(text, s3 string) *Failure {
	if s3 == "" {
		s3 = text
	}
	return &Failure{Reason: Incomplete, Text: text, S3: Answer{"AuthorizationQueryParametersError", s3, http.StatusBadRequest}}
}
