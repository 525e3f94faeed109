package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
)

// web notes what it is asked.
type web struct{}

func (web) CrossOrigin(bucket, origin, method string, _ []string) (http.Header, error) {
	if bucket != "shared" {
		return nil, &cloud.Error{Code: "AccessForbidden", Message: "no", Status: http.StatusForbidden}
	}
	return http.Header{"Access-Control-Allow-Origin": {origin}, "Access-Control-Allow-Methods": {method}}, nil
}

func (web) Site(ctx context.Context, w http.ResponseWriter, r *http.Request, bucket string) error {
	if bucket == "broken" {
		return errors.New("broken")
	}
	_, err := io.WriteString(w, "site "+bucket+r.URL.Path+" "+cloud.CallerFrom(ctx).Account)
	return err
}

func (web) Form(ctx context.Context, w http.ResponseWriter, at, bucket string, fields map[string]string, file io.Reader) error {
	body, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.TrimPrefix(at, "http://")+" "+bucket+" "+fields["key"]+" "+fields["filename"]+" "+string(body)+" "+cloud.CallerFrom(ctx).Account)
	return err
}

// startOpen starts a server that anybody may call S3 of.
func startOpen(t *testing.T, edit ...func(*gateway.Config)) *server {
	return start(t, append(edit, func(c *gateway.Config) {
		c.Endpoints = []gateway.Endpoint{{API: s3.API(), Impl: whoever{}, Open: true, Web: web{}}, {API: sts.API(), Impl: tokens{}}}
	})...)
}

// whoever puts, and tells nothing.
type whoever struct{}

func (whoever) PutObject(_ context.Context, in *s3.PutObjectRequest) (*s3.PutObjectOutput, error) {
	_, err := io.Copy(io.Discard, in.Body)
	return &s3.PutObjectOutput{}, err
}

func (whoever) PutBucketPolicy(context.Context, *s3.PutBucketPolicyRequest) (*s3.PutBucketPolicyOutput, error) {
	return &s3.PutBucketPolicyOutput{}, nil
}

func TestWeb(t *testing.T) {
	s := startOpen(t, func(c *gateway.Config) { c.MaxBody = 1000 })
	const form = "--b\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\r\nhello\r\n--b--\r\n"
	isForm := map[string]string{"Content-Type": "multipart/form-data; boundary=b"}
	for name, c := range map[string]struct {
		call   call
		status int
		want   string
		allow  string // Access-Control-Allow-Origin
		record string
	}{
		"anonymous put":         {call{method: "PUT", path: "/b/k", body: "hello"}, 200, "", "", "s3/PutObject/"},
		"anonymous by host":     {call{method: "PUT", path: "/k", body: "hello", host: "b.s3.localhost"}, 200, "", "", "s3/PutObject/"},
		"not implemented":       {call{method: "GET", path: "/b?acl"}, 501, "<Code>NotImplemented</Code>", "", "s3/GetBucketAcl/NotImplemented"},
		"long document":         {call{method: "PUT", path: "/b?policy", body: strings.Repeat("x", 1001)}, 400, "<Code>EntityTooLarge</Code>", "", "s3/PutBucketPolicy/EntityTooLarge"},
		"long document, signed": {call{method: "PUT", path: "/b?policy", body: strings.Repeat("x", 1001), service: "s3"}, 204, "", "", "+s3/PutBucketPolicy/"},
		"site":                  {call{method: "GET", path: "/a/b", host: "x.y.s3-website.localhost"}, 200, "site x.y/a/b ", "", "s3//"},
		"site by region":        {call{method: "GET", path: "/", host: "x.s3-website-eu-paris-1.localhost:80"}, 200, "site x/ ", "", "s3//"},
		"site, shared":          {call{method: "GET", path: "/", host: "shared.s3-website.localhost", header: map[string]string{"Origin": "http://o"}}, 200, "site shared/ ", "http://o", "s3//"},
		"site fails":            {call{method: "GET", path: "/", host: "broken.s3-website.localhost"}, 500, "<Code>InternalError</Code>", "", "s3//InternalError"},
		"preflight":             {call{method: "OPTIONS", path: "/shared/k", header: map[string]string{"Origin": "http://o", "Access-Control-Request-Method": "PUT"}}, 200, "", "http://o", "s3//"},
		"preflight, refused":    {call{method: "OPTIONS", path: "/b/k", header: map[string]string{"Origin": "http://o", "Access-Control-Request-Method": "PUT"}}, 403, "<Code>AccessForbidden</Code>", "", "s3//AccessForbidden"},
		"signed, shared":        {call{method: "PUT", path: "/shared/k", service: "s3", header: map[string]string{"Origin": "http://o"}}, 200, "", "http://o", "+s3/PutObject/"},
		"forged, shared":        {call{method: "PUT", path: "/shared/k", service: "s3", secret: "x", header: map[string]string{"Origin": "http://o"}}, 403, "<Code>SignatureDoesNotMatch</Code>", "http://o", "s3//SignatureDoesNotMatch"},
		"form":                  {call{method: "POST", path: "/b", body: form, header: isForm}, 200, "/b b k f.txt hello ", "", "s3//"},
		"form by host":          {call{method: "POST", path: "/", body: form, header: isForm, host: "b.s3.localhost"}, 200, "b.s3.localhost b k f.txt hello ", "", "s3//"},
		"form, no boundary":     {call{method: "POST", path: "/b", body: form, header: map[string]string{"Content-Type": "multipart/form-data"}}, 400, "<Code>MalformedPOSTRequest</Code>", "", "s3//MalformedPOSTRequest"},
		"form, no length":       {call{method: "POST", path: "/b", body: form, header: isForm, edit: func(r *http.Request) { r.ContentLength = -1 }}, 411, "<Code>MissingContentLength</Code>", "", "s3//MissingContentLength"},
		"not for S3":            {call{method: "POST", path: "/", body: identity, service: "sts", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://o"}}, 200, "<Account>", "", "+sts/GetCallerIdentity/"},
	} {
		t.Run(name, func(t *testing.T) {
			s.mu.Lock()
			n := len(s.records)
			s.mu.Unlock()
			response, body := s.do(t, c.call)
			if response.StatusCode != c.status || !strings.Contains(body, c.want) || response.Header.Get("Access-Control-Allow-Origin") != c.allow {
				t.Errorf("status %d, %q, %q; want %d, %q, %q", response.StatusCode, body, response.Header.Get("Access-Control-Allow-Origin"), c.status, c.want, c.allow)
			}
			r := s.last(t, n+1)
			got := r.Service + "/" + r.Operation + "/" + r.Code
			if r.Caller.Account != "" {
				got = "+" + got
			}
			if got != c.record {
				t.Errorf("the record is %s, want %s", got, c.record)
			}
		})
	}
}

// Who does not sign is limited by address, whatever way is taken.
func TestRateOfNobody(t *testing.T) {
	now := time.Now()
	s := startOpen(t, func(c *gateway.Config) {
		c.Rate, c.Burst, c.Now = 1, 1, func() time.Time { return now }
	})
	put := call{method: "PUT", path: "/b/k"}
	for n := range 100 {
		if response, body := s.do(t, put); response.StatusCode != 200 {
			t.Fatalf("put %d: status %d: %s", n, response.StatusCode, body)
		}
	}
	for name, c := range map[string]call{
		"put":       put,
		"site":      {method: "GET", path: "/", host: "b.s3-website.localhost"},
		"preflight": {method: "OPTIONS", path: "/shared/k", header: map[string]string{"Origin": "http://o", "Access-Control-Request-Method": "PUT"}},
	} {
		if response, body := s.do(t, c); response.StatusCode != 503 || !strings.Contains(body, "<Code>SlowDown</Code>") {
			t.Errorf("%s: status %d: %s", name, response.StatusCode, body)
		}
	}
	if response, body := s.do(t, call{method: "PUT", path: "/b/k", service: "s3"}); response.StatusCode != 200 {
		t.Errorf("an account: status %d: %s", response.StatusCode, body)
	}
}
