package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/gateway/sigv4"
)

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

var (
	credentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret}
	signedAt    = time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
)

// signed is a request that the SDK's signer has signed.
type signed struct {
	service, region string
	presigned       bool
	r               *http.Request
	body            []byte
}

// draw makes a request of any service and form, and signs it.
func draw(t *rapid.T) signed {
	s := signed{
		service:   rapid.SampledFrom([]string{"ec2", "sts", "kms", "s3"}).Draw(t, "service"),
		region:    rapid.SampledFrom([]string{"eu-paris-1", "us-east-1"}).Draw(t, "region"),
		presigned: rapid.Bool().Draw(t, "presigned"),
	}
	method := rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE"}).Draw(t, "method")
	if method != "GET" {
		s.body = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")
	}
	u := &url.URL{Scheme: "http", Path: "/", Host: rapid.SampledFrom([]string{"localhost:4566", "127.0.0.1:4566", "[::1]:4566", "ec2.eu-paris-1.localhost"}).Draw(t, "host")}
	segment := rapid.StringN(1, 8, 20).Filter(func(s string) bool { return s != "." && s != ".." && !strings.ContainsAny(s, "/") })
	u.Path += strings.Join(rapid.SliceOfN(segment, 0, 3).Draw(t, "path"), "/")
	if s.service == "s3" {
		u.RawPath = httpbinding.EscapePath(u.Path, false) // as the SDK sends keys
	}
	query := url.Values{}
	for range rapid.IntRange(0, 5).Draw(t, "parameters") {
		query.Add(rapid.OneOf(rapid.SampledFrom([]string{"Action", "a", "a-", "a.b", "key"}), rapid.String()).Draw(t, "name"), rapid.String().Draw(t, "value"))
	}
	u.RawQuery = query.Encode()

	r, err := http.NewRequest(method, u.String(), bytes.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.body) == 0 {
		r.Body = http.NoBody
	}
	printable := rapid.StringMatching(`[!-~]([ -~]{0,20}[!-~])?`)
	for range rapid.IntRange(0, 4).Draw(t, "headers") {
		name := rapid.SampledFrom([]string{"X-Amz-Meta-Color", "X-Amz-Target", "Content-Type", "My-Header", "Range", "X-Amz-Tagging"}).Draw(t, "header")
		r.Header.Add(name, printable.Draw(t, "header value"))
	}
	signing := credentials
	if rapid.Bool().Draw(t, "token") {
		signing.SessionToken = rapid.StringMatching(`[A-Za-z0-9/+]{10,40}={0,2}`).Draw(t, "session token")
	}
	sum := sha256.Sum256(s.body)
	hash := hex.EncodeToString(sum[:])
	if s.service == "s3" {
		if rapid.Bool().Draw(t, "unsigned payload") {
			hash = "UNSIGNED-PAYLOAD"
		}
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	plain := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == "s3" }
	signer := v4.NewSigner(plain)
	if s.presigned {
		q := r.URL.Query()
		q.Set("X-Amz-Expires", "600")
		r.URL.RawQuery = q.Encode()
		uri, headers, err := signer.PresignHTTP(context.Background(), signing, r, hash, s.service, s.region, signedAt)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest(method, uri, bytes.NewReader(s.body)); err != nil {
			t.Fatal(err)
		}
		for name, values := range headers {
			if name != "Host" && name != "Content-Length" {
				r.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
	} else if err := signer.SignHTTP(context.Background(), signing, r, hash, s.service, s.region, signedAt); err != nil {
		t.Fatal(err)
	}
	s.r = r
	return s
}

// receive sends a request over the wire's form, as a server reads it.
func receive(t *rapid.T, r *http.Request, body []byte) *http.Request {
	var b bytes.Buffer
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&b))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// accept runs all the checks of a request.
func accept(s signed, r *http.Request, now time.Time) (*sigv4.Claim, error) {
	v := sigv4.NewVerifier(func() time.Time { return now })
	claim, err := sigv4.Parse(r)
	if err != nil {
		return claim, err
	}
	if err := v.Check(r, claim, sigv4.Scope{Service: s.service, Regions: []string{s.region}}); err != nil {
		return claim, err
	}
	if s.service == "s3" {
		body, err := v.Open(r, claim, secret)
		if err != nil {
			return claim, err
		}
		_, err = io.Copy(io.Discard, body)
		return claim, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return claim, err
	}
	return claim, v.Verify(r, claim, secret, body)
}

// TestAcceptsWhatTheSDKSigns has the SDK's signer as its oracle.
func TestAcceptsWhatTheSDKSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		claim, err := accept(s, receive(t, s.r, s.body), signedAt.Add(5*time.Minute))
		if err != nil {
			t.Fatalf("%s %s: %v", s.r.Method, s.r.URL, err)
		}
		if claim.AccessKey != "AKIDEXAMPLE" || claim.Service != s.service || claim.Region != s.region || claim.Presigned != s.presigned || !claim.Time.Equal(signedAt) {
			t.Fatalf("claim %+v", claim)
		}
	})
}

// TestRefusesAlterations changes one thing of a signed request.
func TestRefusesAlterations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		r, body := s.r, bytes.Clone(s.body)
		what := alter(t, s, r, &body)
		if _, err := accept(s, receive(t, r, body), signedAt); err == nil {
			t.Fatalf("accepted with another %s: %s %s", what, r.Method, r.URL)
		}
	})
}

// alter changes a byte, or more, of something that the signature covers.
func alter(t *rapid.T, s signed, r *http.Request, body *[]byte) string {
	flip := func(s string) string {
		b := []byte(s)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		return string(b)
	}
	var what []string
	if len(*body) > 0 && (s.service != "s3" || r.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" && r.URL.Query().Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD") {
		what = append(what, "body", "longer body")
	}
	headers := []string{}
	for name := range r.Header {
		if name != "Authorization" {
			headers = append(headers, name)
		}
	}
	slices.Sort(headers)
	if len(headers) > 0 {
		what = append(what, "header", "missing header")
	}
	what = append(what, "method", "path", "parameter", "new parameter", "host", "signature", "new x-amz header")
	switch kind := rapid.SampledFrom(what).Draw(t, "altered"); kind {
	case "body":
		*body = []byte(flip(string(*body)))
		return kind
	case "longer body":
		*body = append(*body, 'x')
		return kind
	case "header":
		name := rapid.SampledFrom(headers).Draw(t, "which")
		value := rapid.StringMatching(`[!-~]{1,12}`).Filter(func(v string) bool { return v != r.Header.Get(name) }).Draw(t, "to")
		r.Header[name] = append([]string{value}, r.Header[name][1:]...)
		return kind + " " + name
	case "missing header":
		name := rapid.SampledFrom(headers).Draw(t, "which")
		delete(r.Header, name)
		return kind + " " + name
	case "method":
		r.Method = rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE"}).Filter(func(m string) bool { return m != r.Method }).Draw(t, "to")
		return kind
	case "path":
		r.URL.Path, r.URL.RawPath = r.URL.Path+"x", r.URL.EscapedPath()+"x"
		return kind
	case "parameter":
		if r.URL.RawQuery == "" {
			r.URL.RawQuery = "x=y"
			return kind
		}
		pairs := strings.Split(r.URL.RawQuery, "&")
		i := rapid.IntRange(0, len(pairs)-1).Draw(t, "which")
		name, value, _ := strings.Cut(pairs[i], "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			t.Fatal(err)
		}
		if plain == "" || rapid.Bool().Draw(t, "append") {
			plain += "x"
		} else {
			plain = flip(plain)
		}
		pairs[i] = name + "=" + url.QueryEscape(plain)
		r.URL.RawQuery = strings.Join(pairs, "&")
		return kind + " " + name
	case "new parameter":
		r.URL.RawQuery += "&" + url.QueryEscape(rapid.String().Draw(t, "name")) + "=x"
		return kind
	case "host":
		r.Host = "x" + r.URL.Host
		return kind
	case "signature":
		at := rapid.IntRange(0, 63).Draw(t, "digit")
		digit := func(s string) string {
			c := strconv.FormatInt(int64(rapid.IntRange(0, 15).Filter(func(d int) bool { return strconv.FormatInt(int64(d), 16) != s[at:at+1] }).Draw(t, "to")), 16)
			return s[:at] + c + s[at+1:]
		}
		if i := strings.Index(r.URL.RawQuery, "X-Amz-Signature="); i >= 0 {
			i += len("X-Amz-Signature=")
			r.URL.RawQuery = r.URL.RawQuery[:i] + digit(r.URL.RawQuery[i:i+64]) + r.URL.RawQuery[i+64:]
			return kind
		}
		a := r.Header.Get("Authorization")
		r.Header.Set("Authorization", a[:len(a)-64]+digit(a[len(a)-64:]))
		return kind
	default:
		r.Header.Set("X-Amz-Injected", "x")
		return kind
	}
}

// TestReplayIsAccepted states what the package promises of replays: an
// identical request is as good as the first until its time is over.
func TestReplayIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		for range 2 {
			if _, err := accept(s, receive(t, s.r, s.body), signedAt.Add(10*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := accept(s, receive(t, s.r, s.body), signedAt.Add(16*time.Minute)); err == nil {
			t.Fatal("accepted after its time")
		}
	})
}

// TestRefusesOthers has the right request, and the wrong secret, service or region.
func TestRefusesOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		other := s
		if rapid.Bool().Draw(t, "service or region") {
			other.region = "eu-west-9"
		} else {
			other.service = "iam"
		}
		if _, err := accept(other, receive(t, s.r, s.body), signedAt); err == nil {
			t.Fatal("accepted for another service or region")
		}
		v := sigv4.NewVerifier(func() time.Time { return signedAt })
		r := receive(t, s.r, s.body)
		claim, err := sigv4.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if s.service == "s3" {
			_, err = v.Open(r, claim, secret+"x")
		} else {
			err = v.Verify(r, claim, secret+"x", s.body)
		}
		if err == nil {
			t.Fatal("accepted with another secret")
		}
	})
}

// TestKeysAreBounded verifies with more secrets than the cache of keys holds.
func TestKeysAreBounded(t *testing.T) {
	r, err := http.NewRequest("GET", "http://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, r, emptySHA256, "ec2", "eu-paris-1", signedAt); err != nil {
		t.Fatal(err)
	}
	v := sigv4.NewVerifier(func() time.Time { return signedAt })
	claim, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * sigv4.MaxKeys {
		if err := v.Verify(r, claim, strconv.Itoa(i), nil); err == nil {
			t.Fatal("accepted with another secret")
		}
	}
	if n := v.Keys(); n > sigv4.MaxKeys {
		t.Errorf("%d keys are kept", n)
	}
	if err := v.Verify(r, claim, secret, nil); err != nil {
		t.Error(err)
	}
}

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
