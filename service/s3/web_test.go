package s3

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// door is the real gateway, as browsers see it.
type door struct {
	testing.TB
	url string
}

// ask sends a request without a signature; a host is other than the server's address.
// Redirects are not followed.
func (d door) ask(method, host, path string, header map[string]string, body io.Reader) (*http.Response, string) {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, d.url+path, body)
	if err != nil {
		d.Fatal(err)
	}
	r.Host = host
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		d.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.Fatal(err)
	}
	return response, string(text)
}

// public makes a bucket of alice's that everybody may read and, but for the objects
// under "secret/", write.
func (r *rig) public(name string) *string {
	r.Helper()
	bucket := r.listed(name, "BucketOwnerEnforced")
	document := `{"Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::` + name + `/*"},` +
		`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::` + name + `/secret/*"}]}`
	must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: bucket, Policy: &document}))(r)
	return bucket
}

func TestUnsigned(t *testing.T) {
	r := newRig(t)
	r.public("open")
	r.bucket("closed")
	r.put("open", "k")
	r.put("closed", "k")
	d := door{t, r.listen()}
	for name, c := range map[string]struct {
		method, host, path string
		header             map[string]string
		body               string
		status             int
		want               string
	}{
		"read":        {"GET", "", "/open/k", nil, "", 200, "hello"},
		"by host":     {"GET", "open.s3.localhost", "/k", nil, "", 200, "hello"},
		"head":        {"HEAD", "", "/open/k", nil, "", 200, ""},
		"closed":      {"GET", "", "/closed/k", nil, "", 403, "<Code>AccessDenied</Code><Message>Access Denied</Message>"},
		"secret":      {"GET", "", "/open/secret/k", nil, "", 403, "<Code>AccessDenied</Code>"},
		"no key":      {"GET", "", "/open/none", nil, "", 403, "<Code>AccessDenied</Code>"},
		"no bucket":   {"GET", "", "/none/k", nil, "", 404, "<Code>NoSuchBucket</Code>"},
		"list":        {"GET", "", "/open?list-type=2", nil, "", 403, "<Code>AccessDenied</Code>"},
		"all buckets": {"GET", "s3.localhost", "/", nil, "", 403, "<Code>AccessDenied</Code>"},
		"write":       {"PUT", "", "/open/w", nil, "hello", 200, ""},
		"chunks": {"PUT", "", "/open/c", map[string]string{
			"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "5", "X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked",
		}, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 200, ""},
		"bad hash":      {"PUT", "", "/open/h", map[string]string{"X-Amz-Content-Sha256": strings.Repeat("0", 64)}, "hello", 400, "XAmzContentSHA256Mismatch"},
		"signed chunks": {"PUT", "", "/open/s", map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, "hello", 403, "<Code>AccessDenied</Code>"},
		"delete":        {"DELETE", "", "/open/k", nil, "", 403, "<Code>AccessDenied</Code>"},
		"create":        {"PUT", "", "/mine", nil, "", 403, "<Code>AccessDenied</Code>"},
	} {
		response, body := d.ask(c.method, c.host, c.path, c.header, strings.NewReader(c.body))
		if response.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: status %d, %s; want %d, %s", name, response.StatusCode, body, c.status, c.want)
		}
	}
	anonymous := sdk.New(sdk.Options{Region: r.Place.Region, BaseEndpoint: &d.url, UsePathStyle: true, Retryer: aws.NopRetryer{}, Credentials: aws.AnonymousCredentials{}})
	must(anonymous.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: new("open"), Key: new("sdk"), Body: strings.NewReader("sdk")}))(t)
	out := must(anonymous.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: new("open"), Key: new("sdk")}))(t)
	if got := read(t, out.Body); got != "sdk" {
		t.Errorf("the SDK reads %q", got)
	}
	for query, status := range map[string]int{
		"": 200, "?response-content-type=text/x": 400, "?response-expires=Thu,%2001%20Dec%202044%2016:00:00%20GMT": 400, "?response-cache-control=no-cache": 400,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			response, body := d.ask(method, "", "/open/sdk"+query, nil, nil)
			if response.StatusCode != status || status == 400 && method == "GET" && !strings.Contains(body, "<Code>InvalidRequest</Code><Message>Request specific response headers cannot be used for anonymous GET requests.</Message>") {
				t.Errorf("%s %s: status %d, %s", method, query, response.StatusCode, body)
			}
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	r := newRig(t)
	open := r.public("open")
	r.bucket("plain")
	r.put("open", "k")
	must(r.PutBucketCors(r.ctx, &api.PutBucketCorsRequest{Bucket: open, CORSConfiguration: &api.CORSConfiguration{CORSRules: []api.CORSRule{
		{AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"GET", "PUT"}, AllowedHeaders: []string{"X-Amz-*"}, ExposeHeaders: []string{"ETag", "x-amz-request-id"}, MaxAgeSeconds: new(int32(60))},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
	}}}))(t)
	d := door{t, r.listen()}
	answer := func(h http.Header) string {
		var list []string
		for _, name := range []string{"Origin", "Methods", "Headers", "Credentials"} {
			list = append(list, h.Get("Access-Control-Allow-"+name))
		}
		return strings.Join(append(list, h.Get("Access-Control-Expose-Headers"), h.Get("Access-Control-Max-Age")), "|")
	}
	const app = "https://app.example.com"
	for name, c := range map[string]struct {
		method, host, path     string
		origin, wants, headers string
		status                 int
		answer, code           string
	}{
		"preflight":         {"OPTIONS", "", "/open/k", app, "PUT", "x-amz-date, X-Amz-Acl", 200, app + "|GET, PUT|x-amz-date, x-amz-acl|true|ETag, x-amz-request-id|60", ""},
		"by host":           {"OPTIONS", "open.s3.localhost", "/k", app, "PUT", "", 200, app + "|GET, PUT||true|ETag, x-amz-request-id|60", ""},
		"the bucket":        {"OPTIONS", "", "/open", app, "GET", "", 200, app + "|GET, PUT||true|ETag, x-amz-request-id|60", ""},
		"any origin":        {"OPTIONS", "", "/open/k", "http://else", "GET", "", 200, "*|GET||||", ""},
		"bad header":        {"OPTIONS", "", "/open/k", app, "PUT", "authorization", 403, "|||||", "AccessForbidden"},
		"bad method":        {"OPTIONS", "", "/open/k", "http://else", "PUT", "", 403, "|||||", "AccessForbidden"},
		"no method":         {"OPTIONS", "", "/open/k", app, "", "", 400, "|||||", "Access-Control-Request-Method"},
		"no origin":         {"OPTIONS", "", "/open/k", "", "GET", "", 400, "|||||", "Origin request header needed"},
		"no rules":          {"OPTIONS", "", "/plain/k", app, "GET", "", 403, "|||||", "CORS is not enabled"},
		"no bucket":         {"OPTIONS", "", "/none/k", app, "GET", "", 403, "|||||", "Bucket not found"},
		"read":              {"GET", "", "/open/k", app, "", "", 200, app + "|GET, PUT||true|ETag, x-amz-request-id|60", "hello"},
		"read by host":      {"GET", "open.s3.localhost", "/k", "http://else", "", "", 200, "*|GET||||", "hello"},
		"refused":           {"GET", "", "/open/secret/k", app, "", "", 403, app + "|GET, PUT||true|ETag, x-amz-request-id|60", "AccessDenied"},
		"read without":      {"GET", "", "/open/k", "", "", "", 200, "|||||", "hello"},
		"write from others": {"PUT", "", "/open/w", "http://else", "", "", 200, "|||||", ""},
	} {
		header := map[string]string{}
		for name, value := range map[string]string{"Origin": c.origin, "Access-Control-Request-Method": c.wants, "Access-Control-Request-Headers": c.headers} {
			if value != "" {
				header[name] = value
			}
		}
		response, body := d.ask(c.method, c.host, c.path, header, nil)
		if got := answer(response.Header); response.StatusCode != c.status || got != c.answer || !strings.Contains(body, c.code) {
			t.Errorf("%s: status %d, %s, %s; want %d, %s", name, response.StatusCode, got, body, c.status, c.answer)
		}
		if vary := response.Header.Get("Vary"); (vary != "") != (c.answer != "|||||") {
			t.Errorf("%s: it varies by %q", name, vary)
		}
	}
}

func TestBucketCors(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	one := new("one")
	rule := func(origin, method string, edit func(*api.CORSRule)) []api.CORSRule {
		c := api.CORSRule{AllowedOrigins: []string{origin}, AllowedMethods: []string{method}}
		if edit != nil {
			edit(&c)
		}
		return []api.CORSRule{c}
	}
	for name, c := range map[string]struct {
		rules []api.CORSRule
		code  string
	}{
		"good":        {rule("*", "GET", nil), ""},
		"none":        {nil, "MalformedXML"},
		"no origin":   {[]api.CORSRule{{AllowedMethods: []string{"GET"}}}, "MalformedXML"},
		"no method":   {[]api.CORSRule{{AllowedOrigins: []string{"*"}}}, "MalformedXML"},
		"bad method":  {rule("*", "PATCH", nil), "InvalidRequest"},
		"two stars":   {rule("*.*", "GET", nil), "InvalidRequest"},
		"bad header":  {rule("*", "GET", func(c *api.CORSRule) { c.AllowedHeaders = []string{"**"} }), "InvalidRequest"},
		"bad exposed": {rule("*", "GET", func(c *api.CORSRule) { c.ExposeHeaders = []string{"x-*"} }), "InvalidRequest"},
		"long ID":     {rule("*", "GET", func(c *api.CORSRule) { c.ID = new(strings.Repeat("i", 256)) }), "InvalidArgument"},
		"too many":    {slices.Repeat(rule("*", "GET", nil), 101), "InvalidRequest"},
	} {
		want(t, name, second(r.PutBucketCors(r.ctx, &api.PutBucketCorsRequest{Bucket: one, CORSConfiguration: &api.CORSConfiguration{CORSRules: c.rules}})), c.code)
	}
	if got := must(r.GetBucketCors(r.ctx, &api.GetBucketCorsRequest{Bucket: one}))(t).CORSRules; len(got) != 1 || got[0].AllowedOrigins[0] != "*" {
		t.Errorf("rules are %+v", got)
	}
	must(r.DeleteBucketCors(r.ctx, &api.DeleteBucketCorsRequest{Bucket: one}))(t)
	want(t, "get none", second(r.GetBucketCors(r.ctx, &api.GetBucketCorsRequest{Bucket: one})), "NoSuchCORSConfiguration")
}

// formOf is a form with a file, and its content type. Fields are in order of their names.
func formOf(t testing.TB, fields map[string]string, file string) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := w.WriteField(name, fields[name]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "cat.txt")
	if err == nil {
		_, err = io.WriteString(part, file)
	}
	if err == nil {
		err = w.WriteField("behind", "ignored")
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	return &b, w.FormDataContentType()
}

// sign signs a form's policy as alice.
func (r *rig) sign(fields map[string]string, policy string) {
	day := r.Now().UTC().Format("20060102")
	fields["policy"] = base64.StdEncoding.EncodeToString([]byte(policy))
	fields["X-Amz-Algorithm"] = "AWS4-HMAC-SHA256"
	fields["X-Amz-Credential"] = "AKIDEXAMPLE/" + day + "/" + r.Place.Region + "/s3/aws4_request"
	fields["X-Amz-Date"] = r.Now().UTC().Format("20060102T150405Z")
	key := []byte("AWS4secret")
	for _, part := range []string{day, r.Place.Region, "s3", "aws4_request", fields["policy"]} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	fields["X-Amz-Signature"] = hex.EncodeToString(key)
}

func TestForm(t *testing.T) {
	r := newRig(t)
	r.public("open")
	r.bucket("closed")
	d := door{t, r.listen()}
	ends := r.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	signature := `["starts-with","$x-amz-algorithm",""],["starts-with","$x-amz-credential",""],["starts-with","$x-amz-date",""]`
	policy := func(conditions string) string {
		return `{"expiration":"` + ends + `","conditions":[{"bucket":"closed"},["starts-with","$key","in/"],` + signature + conditions + `]}`
	}
	for name, c := range map[string]struct {
		bucket string
		fields map[string]string
		policy string // signed, if any
		file   string
		status int
		want   string // in the body, or the header Location
	}{
		"anonymous":          {"open", map[string]string{"key": "a/${filename}"}, "", "hello", 204, ""},
		"anonymous, closed":  {"closed", map[string]string{"key": "k"}, "", "hello", 403, "AccessDenied"},
		"no key":             {"open", nil, "", "hello", 400, "named 'key'"},
		"no bucket":          {"none", map[string]string{"key": "k"}, "", "hello", 404, "NoSuchBucket"},
		"signed":             {"closed", map[string]string{"key": "in/${filename}"}, policy(""), "hello", 204, "/closed/in/cat.txt"},
		"status 200":         {"open", map[string]string{"key": "k", "success_action_status": "200"}, "", "hello", 200, ""},
		"status 201":         {"open", map[string]string{"key": "k", "success_action_status": "201"}, "", "hello", 201, "<Bucket>open</Bucket><Key>k</Key><ETag>"},
		"redirect":           {"open", map[string]string{"key": "k", "success_action_redirect": "http://app.example.com/done?x=1"}, "", "hello", 303, "http://app.example.com/done?x=1&bucket=open&key=k&etag=%225d41402abc4b2a76b9719d911017c592%22"},
		"not a URL":          {"open", map[string]string{"key": "k", "success_action_redirect": "done"}, "", "hello", 204, ""},
		"fails eq":           {"closed", map[string]string{"key": "in/k", "acl": "public-read"}, policy(`,{"acl":"private"}`), "hello", 403, `Invalid according to Policy: Policy Condition failed: [&quot;eq&quot;, &quot;$acl&quot;, &quot;private&quot;]`},
		"fails prefix":       {"closed", map[string]string{"key": "out/k"}, policy(""), "hello", 403, "Policy Condition failed"},
		"other bucket":       {"open", map[string]string{"key": "in/k"}, policy(""), "hello", 403, "Policy Condition failed"},
		"bucket unnamed":     {"closed", map[string]string{"key": "in/k"}, strings.Replace(policy(""), `{"bucket":"closed"},`, "", 1), "hello", 403, "Extra input fields: bucket"},
		"extra field":        {"closed", map[string]string{"key": "in/k", "x-amz-meta-a": "b"}, policy(""), "hello", 403, "Extra input fields: x-amz-meta-a"},
		"ignored field":      {"closed", map[string]string{"key": "in/k", "x-ignore-a": "b"}, policy(""), "hello", 204, ""},
		"metadata":           {"closed", map[string]string{"key": "in/meta", "x-amz-meta-a": "b", "Content-Type": "text/plain"}, policy(`,["eq","$x-amz-meta-a","b"],["starts-with","$Content-Type","text/"]`), "hello", 204, ""},
		"metadata of text":   {"open", map[string]string{"key": "text", "x-amz-meta-a": "café"}, "", "hello", 204, ""},
		"large":              {"closed", map[string]string{"key": "in/k"}, policy(`,["content-length-range",1,4]`), "hello", 400, "EntityTooLarge"},
		"small":              {"closed", map[string]string{"key": "in/k"}, policy(`,["content-length-range","6","10"]`), "hello", 400, "EntityTooSmall"},
		"just so":            {"closed", map[string]string{"key": "in/k"}, policy(`,["content-length-range",5,5]`), "hello", 204, ""},
		"expired":            {"closed", map[string]string{"key": "in/k"}, strings.Replace(policy(""), ends, "2020-01-01T00:00:00.000Z", 1), "hello", 403, "Policy expired."},
		"no JSON":            {"closed", map[string]string{"key": "in/k"}, "{", "hello", 400, "InvalidPolicyDocument"},
		"no expiration":      {"closed", map[string]string{"key": "in/k"}, `{"conditions":[]}`, "hello", 400, "Policy missing expiration."},
		"no conditions":      {"closed", map[string]string{"key": "in/k"}, `{"expiration":"` + ends + `"}`, "hello", 400, "Policy missing conditions."},
		"upper case":         {"closed", map[string]string{"key": "in/k"}, strings.Replace(policy(""), "conditions", "CONDITIONS", 1), "hello", 400, "InvalidPolicyDocument"},
		"unknown condition":  {"closed", map[string]string{"key": "in/k"}, policy(`,["ends-with","$key","k"]`), "hello", 400, "InvalidPolicyDocument"},
		"unsigned policy":    {"open", map[string]string{"key": "k", "policy": "e30="}, "", "hello", 400, "InvalidArgument"},
		"forged":             {"closed", map[string]string{"key": "in/k", "X-Forged": "1"}, policy(""), "hello", 403, "SignatureDoesNotMatch"},
		"stranger":           {"closed", map[string]string{"key": "in/k", "X-Stranger": "1"}, policy(""), "hello", 403, "InvalidAccessKeyId"},
		"old signature":      {"closed", map[string]string{"key": "in/k", "AWSAccessKeyId": "AKIDEXAMPLE", "policy": "e30=", "signature": "x"}, "", "hello", 400, "Please use AWS4-HMAC-SHA256."},
		"long fields":        {"open", map[string]string{"key": "k", "x-amz-meta-a": strings.Repeat("x", 30<<10)}, "", "hello", 400, "MaxPostPreDataLengthExceeded"},
		"longer fields":      {"open", map[string]string{"key": "k", strings.Repeat("x", 200<<10): ""}, "", "hello", 400, "MaxPostPreDataLengthExceeded"},
		"a field of no name": {"open", map[string]string{"key": "k", "": strings.Repeat("x", 30<<10)}, "", "hello", 400, "MalformedPOSTRequest"},
		"tags":               {"open", map[string]string{"key": "k", "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}, "", "hello", 403, "AccessDenied"},
	} {
		fields := map[string]string{}
		maps.Copy(fields, c.fields)
		if c.policy != "" {
			r.sign(fields, c.policy)
		}
		if fields["X-Forged"] != "" {
			fields["X-Amz-Signature"] = strings.Repeat("0", 64)
		}
		if fields["X-Stranger"] != "" {
			fields["X-Amz-Credential"] = strings.Replace(fields["X-Amz-Credential"], "AKIDEXAMPLE", "AKIDOTHER", 1)
		}
		body, kind := formOf(t, fields, c.file)
		response, text := d.ask("POST", "", "/"+c.bucket, map[string]string{"Content-Type": kind}, body)
		if response.StatusCode/100 < 4 && response.Header.Get("X-Amz-Checksum-Crc64nvme") == "" {
			t.Errorf("%s: the answer has no checksum: %v", name, response.Header)
		}
		if response.StatusCode != c.status || !strings.Contains(text+response.Header.Get("Location"), c.want) {
			t.Errorf("%s: status %d, %s, location %s; want %d, %s", name, response.StatusCode, text, response.Header.Get("Location"), c.status, c.want)
		}
	}
	out := must(r.GetObject(r.ctx, &api.GetObjectRequest{Bucket: new("closed"), Key: new("in/meta")}))(t)
	if got := read(t, out.Body.(io.ReadCloser)); got != "hello" || out.Metadata["a"] != "b" || *out.ContentType != "text/plain" {
		t.Errorf("the form put %q, %v, %s", got, out.Metadata, *out.ContentType)
	}
	if head := must(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: new("open"), Key: new("text")}))(t); head.Metadata["a"] != "=?UTF-8?B?Y2Fmw6k=?=" {
		t.Errorf("the form put the metadata %q", head.Metadata["a"])
	}
	body, kind := formOf(t, map[string]string{"key": "host"}, "by host")
	if response, text := d.ask("POST", "open.s3.localhost", "/", map[string]string{"Content-Type": kind}, body); response.StatusCode != 204 || response.Header.Get("Location") != "http://open.s3.localhost/host" {
		t.Errorf("by host: status %d, %s, %s", response.StatusCode, text, response.Header.Get("Location"))
	}
	whole, kind := formOf(t, map[string]string{"key": "cut"}, "half of a file")
	text := string(must(io.ReadAll(whole))(t))
	half := strings.NewReader(text[:strings.Index(text, " of a file")])
	if response, text := d.ask("POST", "", "/open", map[string]string{"Content-Type": kind}, half); response.StatusCode != 400 || !strings.Contains(text, "MalformedPOSTRequest") {
		t.Errorf("cut: status %d, %s", response.StatusCode, text)
	}
	want(t, "what was cut", r.readBy(r.ctx, new("open"), "cut"), "NoSuchKey")
}
