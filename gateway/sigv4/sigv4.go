// Package sigv4 verifies AWS Signature Version 4 on the server's side: in the
// Authorization header, in the query string (presigned), and in chunked bodies.
//
// It guarantees that a request it accepts was made by a holder of the secret,
// for this service and region, within the time allowed, and that its method,
// path, query, signed headers and, unless S3's rules let the client leave it
// unsigned, its body are those that were signed. It refuses requests that leave
// the host or any x-amz-* header unsigned.
//
// It does not stop an identical request from being sent again while its time
// lasts: AWS accepts such a replay too, and what must not happen twice is
// protected by client tokens. It looks up no keys and decides no permissions.
//
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
// and, for S3, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Algorithm is the one signing algorithm that is accepted.
const Algorithm = "AWS4-HMAC-SHA256"

const (
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
	serviceS3  = "s3" // its rules differ: path, body, time, and the words of its errors
	unsigned   = "UNSIGNED-PAYLOAD"
	maxPast    = 15 * time.Minute
	maxFuture  = 5 * time.Minute // S3 allows maxPast
	maxExpires = 7 * 24 * time.Hour
)

// Scope is what signatures must be made for.
type Scope struct {
	Service string   // e.g. "ec2"
	Regions []string // accepted ones, the service's own first
}

// Verifier checks claims. It is safe for concurrent use.
type Verifier struct {
	now  func() time.Time
	keys keyCache
}

// NewVerifier returns a Verifier that judges times by now.
func NewVerifier(now func() time.Time) *Verifier {
	return &Verifier{now: now}
}

// Check tests all of a claim that needs neither the secret nor the body: its
// scope, its time, and that the headers which must be signed are. A refusal is
// a *Failure. For S3 the time is left to Open, because S3 judges it last.
func (v *Verifier) Check(r *http.Request, c *Claim, s Scope) error {
	if s.Service == serviceS3 {
		if err := c.checkScopeS3(s); err != nil {
			return err
		}
		return c.checkSignedHeaders(r)
	}
	if err := v.checkTime(c); err != nil {
		return err
	}
	if err := c.checkSignedHeaders(r); err != nil {
		return err
	}
	return c.checkScope(s)
}

// Verify tests the signature of a request of any service but S3 whose body is
// body, after Check. A refusal is a *Failure.
func (v *Verifier) Verify(r *http.Request, c *Claim, secret string, body []byte) error {
	sum := sha256.Sum256(body)
	_, err := v.verify(r, c, secret, hex.EncodeToString(sum[:]))
	return err
}

// VerifyStream is Verify of a request whose operation takes a stream: its client may have left
// the body unsigned. What the operation signs for, such as a checksum, proves the body then.
func (v *Verifier) VerifyStream(r *http.Request, c *Claim, secret string, body []byte) error {
	if r.Header.Get("X-Amz-Content-Sha256") != unsigned {
		return v.Verify(r, c, secret, body)
	}
	_, err := v.verify(r, c, secret, unsigned)
	return err
}

// verify compares the signatures and returns the signing key.
func (v *Verifier) verify(r *http.Request, c *Claim, secret, payloadHash string) ([]byte, error) {
	var room [1024]byte
	canonical, err := c.appendCanonical(room[:0], r, payloadHash)
	if err != nil {
		return nil, err
	}
	var room2 [384]byte
	text := c.appendToSign(room2[:0], Algorithm)
	sum := sha256.Sum256(canonical)
	text = hex.AppendEncode(append(text, '\n'), sum[:])
	key := v.keys.get(keyID{secret: secret, date: c.Date, region: c.Region, service: c.Service})
	if !key.signed(text, c.Signature) {
		return nil, &Failure{Reason: Mismatch, Detail: [][2]string{
			{"AWSAccessKeyId", c.AccessKey}, {"StringToSign", string(text)}, {"SignatureProvided", c.Signature}, {"CanonicalRequest", string(canonical)},
		}}
	}
	return key.bytes, nil
}

// appendToSign appends what is signed: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-string-to-sign
func (c *Claim) appendToSign(b []byte, algorithm string, lines ...string) []byte {
	b = append(b, algorithm...)
	b = append(b, '\n')
	b = appendTime(b, c.Time)
	b = append(b, '\n')
	b = append(b, c.Date...)
	b = append(append(b, '/'), c.Region...)
	b = append(append(b, '/'), c.Service...)
	b = append(append(b, '/'), terminator...)
	for _, line := range lines {
		b = append(b, '\n')
		b = append(b, line...)
	}
	return b
}

// sign returns the signature in lower-case hexadecimal.
func sign(key, data []byte) string {
	return hex.EncodeToString(mac(key, string(data)))
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// checkTime allows what AWS allows: 15 minutes back and 5 ahead. A presigned
// request lives as long, whatever X-Amz-Expires says: that is how STS treats
// the tokens that Kubernetes clients make of it.
func (v *Verifier) checkTime(c *Claim) error {
	now := v.now().UTC().Truncate(time.Second)
	format := func(t time.Time) string { return t.Format(timeFormat) }
	if oldest := now.Add(-maxPast); c.Time.Before(oldest) {
		return &Failure{Reason: Expired, Text: "Signature expired: " + format(c.Time) + " is now earlier than " +
			format(oldest) + " (" + format(now) + " - 15 min.)"}
	}
	if newest := now.Add(maxFuture); c.Time.After(newest) {
		return &Failure{Reason: Expired, Text: "Signature not yet current: " + format(c.Time) + " is still later than " +
			format(newest) + " (" + format(now) + " + 5 min.)"}
	}
	return nil
}

func (v *Verifier) checkTimeS3(c *Claim) error {
	now := v.now()
	switch early := c.Time.After(now.Add(maxPast)); {
	case c.Presigned && early:
		return &Failure{Reason: Expired, S3: Answer{"AccessDenied", "Request is not yet valid", http.StatusForbidden}}
	case c.Presigned && now.After(c.Time.Add(c.Expires)):
		return &Failure{Reason: Expired, S3: Answer{"AccessDenied", "Request has expired", http.StatusForbidden}, Detail: [][2]string{
			{"X-Amz-Expires", strconv.Itoa(int(c.Expires / time.Second))}, {"Expires", c.Time.Add(c.Expires).Format(time.RFC3339)}, {"ServerTime", now.UTC().Format(time.RFC3339)},
		}}
	case !c.Presigned && (early || c.Time.Before(now.Add(-maxPast))):
		return &Failure{Reason: Expired, Detail: [][2]string{
			{"RequestTime", c.Time.Format(timeFormat)},
			{"ServerTime", now.UTC().Format(time.RFC3339)},
			{"MaxAllowedSkewMilliseconds", strconv.FormatInt(maxPast.Milliseconds(), 10)},
		}}
	}
	return nil
}

// checkScope names every part of the scope that is wrong, as AWS does.
func (c *Claim) checkScope(s Scope) error {
	var text string
	if !slices.Contains(s.Regions, c.Region) {
		text += "Credential should be scoped to a valid region, not '" + c.Region + "'. "
	}
	if c.Service != s.Service {
		text += "Credential should be scoped to correct service: '" + s.Service + "'. "
	}
	if c.Terminator != terminator {
		text += "Credential should be scoped with a valid terminator: 'aws4_request', not '" + c.Terminator + "'. "
	}
	if day := c.Time.Format(dateFormat); c.Date != day {
		text += "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			c.Date + "' != '" + day + "', from '" + c.Time.Format(timeFormat) + "'."
	}
	if text == "" {
		return nil
	}
	return &Failure{Reason: WrongScope, Text: text}
}

func (c *Claim) checkScopeS3(s Scope) error {
	day := string(appendTime(nil, c.Time)[:len(dateFormat)])
	switch {
	case c.Date != day && !isDate(c.Date):
		return c.malformedS3(`incorrect date format "` + c.Date + `". This date in the credential must be in the format "yyyyMMdd".`)
	case !slices.Contains(s.Regions, c.Region):
		return c.malformedS3("the region '"+c.Region+"' is wrong; expecting '"+s.Regions[0]+"'", [2]string{"Region", s.Regions[0]})
	case c.Service != s.Service:
		return c.malformedS3(`incorrect service "` + c.Service + `". This endpoint belongs to "` + s.Service + `".`)
	case c.Terminator != terminator:
		return c.malformedS3(`incorrect terminal "` + c.Terminator + `". This endpoint uses "aws4_request".`)
	case c.Date != day:
		return c.malformedS3(`Invalid credential date "` + c.Date + `". This date is not the same as X-Amz-Date: "` + day + `".`)
	}
	return nil
}

func isDate(s string) bool {
	_, err := time.Parse(dateFormat, s)
	return err == nil
}

func (c *Claim) malformedS3(text string, detail ...[2]string) error {
	return &Failure{Reason: WrongScope, S3: malformedS3(c.Presigned, text), Detail: detail}
}
