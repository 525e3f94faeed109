package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/gateway"
)

const identity = "Action=GetCallerIdentity&Version=2011-06-15"

const assertion = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::000000000001:role/a&RoleSessionName=abc&WebIdentityToken=token"

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestAnswers sends one request of each kind, and looks at the answer, the log
// line and the audit record.
func TestAnswers(t *testing.T) {
	s := start(t)
	old := time.Now().Add(-20 * time.Minute)
	altered := func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.ToUpper(identity))) }
	tests := map[string]struct {
		call   call
		status int
		want   string // in the body
		record string // service/operation/code; "+" if the caller was proven
	}{
		"query":           {query("sts", identity), 200, "<Account>000000000001</Account>", "+sts/GetCallerIdentity/"},
		"query GET":       {call{method: "GET", path: "/?" + identity, service: "sts"}, 200, "<Arn>arn:aws:iam::000000000001:root</Arn>", "+sts/GetCallerIdentity/"},
		"ec2":             {query("ec2", "Action=DescribeRegions&Version=2016-11-15"), 200, "<regionName>eu-paris-1</regionName>", "+ec2/DescribeRegions/"},
		"json":            {jsonCall("kms", "TrentService.ListKeys", "{}"), 200, `"Truncated":false`, "+kms/ListKeys/"},
		"global region":   {call{method: "POST", path: "/", body: identity, service: "sts", region: "us-east-1", header: map[string]string{"Content-Type": form}}, 200, "<Account>", "+sts/GetCallerIdentity/"},
		"aws-global":      {call{method: "POST", path: "/", body: identity, service: "sts", region: "aws-global", header: map[string]string{"Content-Type": form}}, 200, "<Account>", "+sts/GetCallerIdentity/"},
		"host and scope":  {call{method: "POST", path: "/", body: "Action=DescribeRegions&Version=2016-11-15", service: "ec2", host: "ec2.eu-paris-1.localhost:4566", header: map[string]string{"Content-Type": form}}, 200, "<regionName>", "+ec2/DescribeRegions/"},
		"unsupported ec2": {query("ec2", "Action=CreateSnapshot&Version=2016-11-15&VolumeId=vol-1"), 400, "<Code>UnsupportedOperation</Code>", "+ec2/CreateSnapshot/UnsupportedOperation"},
		"unsupported api": {query("iam", "Action=ListUsers&Version=2010-05-08"), 400, "<Code>InvalidAction</Code>", "+iam/ListUsers/InvalidAction"},
		"unknown action":  {query("ec2", "Action=Dance&Version=2016-11-15"), 400, "The action Dance is not valid for this web service.", "+ec2//InvalidAction"},
		"bad parameter":   {query("ec2", "Action=DescribeRegions&Version=2016-11-15&AllRegions=perhaps"), 400, "<Code>InvalidParameterValue</Code>", "+ec2/DescribeRegions/InvalidParameterValue"},
		"service's error": {query("ec2", "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1"), 400, "<Message>The instance ID 'i-1' does not exist</Message>", "+ec2/DescribeInstances/InvalidInstanceID.NotFound"},
		"internal error":  {query("ec2", "Action=DescribeVpcs&Version=2016-11-15"), 500, "<Code>InternalError</Code>", "+ec2/DescribeVpcs/InternalError"},
		"panic":           {query("ec2", "Action=DescribeVolumes&Version=2016-11-15"), 500, "<Code>InternalError</Code>", "+ec2/DescribeVolumes/InternalError"},
		"key store fails": {call{method: "POST", path: "/", body: identity, service: "sts", key: "AKIABROKENSTORE"}, 500, "<Code>InternalError</Code>", "sts//InternalError"},

		"unsigned sts":      {call{method: "POST", path: "/", body: identity, header: map[string]string{"Content-Type": form}}, 403, "<Code>MissingAuthenticationToken</Code>", "sts/GetCallerIdentity/MissingAuthenticationToken"},
		"unsigned ec2":      {call{method: "GET", path: "/?Action=DescribeRegions&Version=2016-11-15"}, 400, "The request must contain the parameter AWSAccessKeyId", "ec2/DescribeRegions/MissingParameter"},
		"unsigned kms":      {call{method: "POST", path: "/", body: "{}", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys"}}, 400, "MissingAuthenticationTokenException", "kms//MissingAuthenticationTokenException"},
		"unsigned by host":  {call{method: "POST", path: "/", body: "{}", host: "kms.eu-paris-1.localhost", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys"}}, 400, "MissingAuthenticationTokenException", "kms//MissingAuthenticationTokenException"},
		"unsigned path":     {call{method: "GET", path: "/bucket/key"}, 403, "<Code>AccessDenied</Code>", "s3//AccessDenied"},
		"unsigned nonsense": {call{method: "POST", path: "/", body: "hello"}, 403, "<Code>MissingAuthenticationToken</Code>", "//MissingAuthenticationToken"},

		"wrong secret, sts": {call{method: "POST", path: "/", body: identity, service: "sts", secret: "x"}, 403, "<Code>SignatureDoesNotMatch</Code>", "sts//SignatureDoesNotMatch"},
		"wrong secret, ec2": {call{method: "POST", path: "/", body: "Action=DescribeRegions", service: "ec2", secret: "x"}, 401, "<Code>AuthFailure</Code>", "ec2//AuthFailure"},
		"wrong secret, kms": {call{method: "POST", path: "/", body: "{}", service: "kms", secret: "x", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys"}}, 400, "InvalidSignatureException", "kms//InvalidSignatureException"},
		"wrong secret, s3":  {call{method: "PUT", path: "/b/k", service: "s3", secret: "x"}, 403, "<Code>SignatureDoesNotMatch</Code>", "s3//SignatureDoesNotMatch"},
		"unknown key, sts":  {call{method: "POST", path: "/", body: identity, service: "sts", key: "AKIANOBODY"}, 403, "<Code>InvalidClientTokenId</Code>", "sts//InvalidClientTokenId"},
		"unknown key, ec2":  {call{method: "POST", path: "/", body: "Action=DescribeRegions", service: "ec2", key: "AKIANOBODY"}, 401, "AWS was not able to validate the provided access credentials", "ec2//AuthFailure"},
		"unknown key, kms":  {call{method: "POST", path: "/", body: "{}", service: "kms", key: "AKIANOBODY", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys"}}, 400, "UnrecognizedClientException", "kms//UnrecognizedClientException"},
		"unknown key, s3":   {call{method: "PUT", path: "/b/k", service: "s3", key: "AKIANOBODY"}, 403, "<Code>InvalidAccessKeyId</Code>", "s3//InvalidAccessKeyId"},
		"old, sts":          {call{method: "POST", path: "/", body: identity, service: "sts", at: old}, 403, "Signature expired: ", "sts//SignatureDoesNotMatch"},
		"old, ec2":          {call{method: "POST", path: "/", body: "Action=DescribeRegions", service: "ec2", at: old}, 400, "<Code>RequestExpired</Code>", "ec2//RequestExpired"},
		"old, s3":           {call{method: "PUT", path: "/b/k", service: "s3", at: old}, 403, "<Code>RequestTimeTooSkewed</Code>", "s3//RequestTimeTooSkewed"},
		"early, sts":        {call{method: "POST", path: "/", body: identity, service: "sts", at: time.Now().Add(6 * time.Minute)}, 403, "Signature not yet current: ", "sts//SignatureDoesNotMatch"},
		"session token":     {call{method: "POST", path: "/", body: identity, service: "sts", header: map[string]string{"X-Amz-Security-Token": "forged"}}, 403, "<Code>InvalidClientTokenId</Code>", "sts//InvalidClientTokenId"},
		"expired, sts":      {call{method: "POST", path: "/", body: identity, service: "sts", header: map[string]string{"X-Amz-Security-Token": "over"}}, 403, "<Code>ExpiredToken</Code>", "sts//ExpiredToken"},
		"expired, ec2":      {call{method: "POST", path: "/", body: "Action=DescribeRegions", service: "ec2", header: map[string]string{"X-Amz-Security-Token": "over"}}, 400, "<Code>RequestExpired</Code>", "ec2//RequestExpired"},
		"expired, kms":      {call{method: "POST", path: "/", body: "{}", service: "kms", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys", "X-Amz-Security-Token": "over"}}, 400, "ExpiredTokenException", "kms//ExpiredTokenException"},
		"expired, s3":       {call{method: "PUT", path: "/b/k", service: "s3", header: map[string]string{"X-Amz-Security-Token": "over"}}, 400, "<Code>ExpiredToken</Code>", "s3//ExpiredToken"},
		"wrong token, s3":   {call{method: "PUT", path: "/b/k", service: "s3", header: map[string]string{"X-Amz-Security-Token": "x"}}, 400, "<Code>InvalidToken</Code>", "s3//InvalidToken"},
		"suspended, sts":    {call{method: "POST", path: "/", body: identity, service: "sts", key: "AKIASUSPENDED"}, 403, "This account is suspended", "+sts/GetCallerIdentity/AccessDenied"},
		"suspended, ec2":    {call{method: "POST", path: "/", body: "Action=DescribeRegions&Version=2016-11-15", service: "ec2", key: "AKIASUSPENDED", header: map[string]string{"Content-Type": form}}, 403, "<Code>Blocked</Code>", "+ec2/DescribeRegions/Blocked"},
		"suspended, kms":    {call{method: "POST", path: "/", body: "{}", service: "kms", key: "AKIASUSPENDED", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys"}}, 400, "AccessDeniedException", "+kms/ListKeys/AccessDeniedException"},
		"suspended, s3":     {call{method: "PUT", path: "/b/k", service: "s3", key: "AKIASUSPENDED"}, 403, "<Code>AccountProblem</Code>", "+s3/PutObject/AccountProblem"},
		"suspended, forged": {call{method: "POST", path: "/", body: identity, service: "sts", key: "AKIASUSPENDED", secret: "x"}, 403, "<Code>SignatureDoesNotMatch</Code>", "sts//SignatureDoesNotMatch"},
		"anonymous":         {call{method: "POST", path: "/", body: assertion, header: map[string]string{"Content-Type": form}}, 200, "<Provider> 127.0.0.1 eu-paris-1 ", "sts/AssumeRoleWithWebIdentity/"},
		"anonymous by host": {call{method: "POST", path: "/", body: assertion, host: "sts.eu-paris-1.localhost", header: map[string]string{"Content-Type": form}}, 200, "<Provider>", "sts/AssumeRoleWithWebIdentity/"},
		"anonymous GET":     {call{method: "GET", path: "/?" + assertion}, 200, "<Provider>", "sts/AssumeRoleWithWebIdentity/"},
		"signed anyway":     {query("sts", assertion), 200, "<Provider>000000000001", "+sts/AssumeRoleWithWebIdentity/"},
		"signed wrongly":    {call{method: "POST", path: "/", body: assertion, service: "sts", secret: "x", header: map[string]string{"Content-Type": form}}, 403, "<Code>SignatureDoesNotMatch</Code>", "sts//SignatureDoesNotMatch"},
		"altered body":      {call{method: "POST", path: "/", body: identity, service: "sts", edit: altered}, 403, "<Code>SignatureDoesNotMatch</Code>", "sts//SignatureDoesNotMatch"},
		"altered s3 body":   {call{method: "PUT", path: "/b/k", body: identity, service: "s3", edit: altered}, 400, "<Code>XAmzContentSHA256Mismatch</Code>", "+s3/PutObject/XAmzContentSHA256Mismatch"},

		"wrong region, sts":   {call{method: "POST", path: "/", body: identity, service: "sts", region: "eu-west-1"}, 403, "Credential should be scoped to a valid region, not 'eu-west-1'. ", "sts//SignatureDoesNotMatch"},
		"wrong region, ec2":   {call{method: "POST", path: "/", body: "Action=DescribeRegions", service: "ec2", region: "us-east-1"}, 401, "<Code>AuthFailure</Code>", "ec2//AuthFailure"},
		"wrong region, kms":   {call{method: "POST", path: "/", body: "{}", service: "kms", region: "us-east-1", header: map[string]string{"X-Amz-Target": "TrentService.ListKeys"}}, 400, "InvalidSignatureException", "kms//InvalidSignatureException"},
		"wrong region, s3":    {call{method: "PUT", path: "/b/k", service: "s3", region: "us-east-1"}, 400, "expecting 'eu-paris-1'", "s3//AuthorizationHeaderMalformed"},
		"wrong service, host": {call{method: "POST", path: "/", body: "Action=DescribeRegions", service: "sts", host: "ec2.eu-paris-1.localhost"}, 401, "Credential should be scoped to correct service: 'ec2'.", "ec2//AuthFailure"},
		"wrong service":       {query("ec2", identity), 403, "Credential should be scoped to correct service: 'sts'.", "+sts/GetCallerIdentity/SignatureDoesNotMatch"},
		"wrong json service":  {jsonCall("sts", "TrentService.ListKeys", "{}"), 400, "Credential should be scoped to correct service: 'kms'.", "+kms/ListKeys/InvalidSignatureException"},
		"strange service":     {query("sqs", identity), 403, "Credential should be scoped to correct service: 'sts'.", "sts/GetCallerIdentity/SignatureDoesNotMatch"},
		"no such service":     {query("sqs", "Action=ListQueues&Version=2012-11-05"), 400, "The service 'sqs' is not offered here.", "//InvalidAction"},
		"no such json":        {jsonCall("dynamodb", "DynamoDB_20120810.ListTables", "{}"), 400, "UnknownOperationException", "//UnknownOperationException"},
		"no such rest":        {call{method: "POST", path: "/clusters", body: "{}", service: "eks", header: map[string]string{"Content-Type": "application/json"}}, 400, "The service 'eks' is not offered here.", "//UnknownOperationException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s.mu.Lock()
			before := len(s.records)
			s.mu.Unlock()
			response, body := s.do(t, test.call)
			if response.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("status %d, body:\n%s\nwant %d with %q", response.StatusCode, body, test.status, test.want)
			}
			if strings.Contains(body, "secrets") || strings.Contains(body, "fire") {
				t.Errorf("the cause of an internal error got out:\n%s", body)
			}
			record := s.last(t, before+1)
			if got := record.Service + "/" + record.Operation + "/" + record.Code; got != strings.TrimPrefix(test.record, "+") {
				t.Errorf("audit record %q, want %q", got, test.record)
			}
			if record.Status != test.status || record.SourceIP != "127.0.0.1" || !uuid.MatchString(record.RequestID) {
				t.Errorf("audit record %+v", record)
			}
			id := response.Header.Get("X-Amzn-Requestid")
			if record.Service == "s3" {
				id = response.Header.Get("X-Amz-Request-Id")
				if response.Header.Get("X-Amz-Id-2") == "" {
					t.Error("x-amz-id-2 is missing")
				}
			}
			if id != record.RequestID {
				t.Errorf("request ID %q in the header, %q in the record", id, record.RequestID)
			}
			if strings.HasPrefix(body, "<") && !strings.Contains(body, id) {
				t.Errorf("request ID is not in the body:\n%s", body)
			}
			if proven := record.Caller.Account == account; proven != strings.HasPrefix(test.record, "+") {
				t.Errorf("caller %+v", record.Caller)
			}
		})
	}
}

// TestLog wants one line a request, without secrets, and the cause of what went
// wrong inside.
func TestLog(t *testing.T) {
	s := start(t)
	s.do(t, query("sts", identity))
	s.do(t, query("ec2", "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=tag:private&Filter.1.Value.1=private"))
	_, body := s.do(t, query("ec2", "Action=DescribeVolumes&Version=2016-11-15"))
	s.last(t, 3)
	text := s.log.String()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), text)
	}
	for _, never := range []string{secret, "private", "Signature="} {
		if strings.Contains(text, never) {
			t.Errorf("the log holds %q:\n%s", never, text)
		}
	}
	var good, failed, panicked map[string]any
	for i, m := range []*map[string]any{&good, &failed, &panicked} {
		if err := json.Unmarshal([]byte(lines[i]), m); err != nil {
			t.Fatal(err)
		}
	}
	if good["level"] != "INFO" || good["service"] != "sts" || good["operation"] != "GetCallerIdentity" || good["account"] != account || good["key"] != keyID || good["status"] != 200.0 {
		t.Errorf("line %v", good)
	}
	if failed["level"] != "ERROR" || failed["error"] != "the disk holds secrets" {
		t.Errorf("line %v", failed)
	}
	if stack, _ := panicked["stack"].(string); panicked["error"] != "panic: a bug with secrets" || !strings.Contains(stack, "DescribeVolumes") {
		t.Errorf("line %v", panicked)
	}
	if id, _ := panicked["request"].(string); !uuid.MatchString(id) || !strings.Contains(body, id) {
		t.Errorf("request ID %q of the line is not in the answer:\n%s", id, body)
	}
}

// TestPanicOutsideMethods loses a request, not the server.
func TestPanicOutsideMethods(t *testing.T) {
	s := start(t, func(c *gateway.Config) { c.Credentials = nobody{} })
	response, body := s.do(t, query("sts", identity))
	if response.StatusCode != 500 || !strings.Contains(body, "InternalError") {
		t.Fatalf("status %d: %s", response.StatusCode, body)
	}
	if response, _ := s.do(t, call{method: "GET", path: "/healthz"}); response.StatusCode != 200 {
		t.Fatal("the server is not well")
	}
}

type nobody struct{ gateway.Credentials }

func TestPages(t *testing.T) {
	s := start(t)
	response, body := s.do(t, call{method: "GET", path: "/healthz"})
	if response.StatusCode != 200 || body != "ok\n" {
		t.Errorf("health: %d %q", response.StatusCode, body)
	}
	accepts := map[string]string{"Accept": "*/*"}
	response, body = s.do(t, call{method: "GET", path: "/", header: accepts})
	if response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("page: %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	for _, want := range []string{"Vauban", "AWS_ENDPOINT_URL=" + s.url, "AWS_DEFAULT_REGION=eu-paris-1", "ec2, sts, iam, kms, s3"} {
		if !strings.Contains(body, want) {
			t.Errorf("page lacks %q:\n%s", want, body)
		}
	}
	if response, body := s.do(t, call{method: "HEAD", path: "/", header: accepts}); response.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d %q", response.StatusCode, body)
	}
	if response, body := s.do(t, call{method: "GET", path: "/"}); response.StatusCode != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("an SDK whose client does not sign: %d %q", response.StatusCode, body)
	}
}

func TestVirtualHosts(t *testing.T) {
	s := start(t)
	for host, put := range map[string]string{
		s.address:                           "", // path style, below
		"bucket.s3.eu-paris-1.localhost:80": "bucket/a/b c",
		"my.bucket.s3.localhost":            "my.bucket/a/b c",
		"short.localhost:4566":              "short/a/b c",
		"s3.eu-paris-1.localhost":           "",
	} {
		path := "/a/b%20c"
		if put == "" {
			path, put = "/paths"+path, "paths/a/b c"
		}
		response, body := s.do(t, call{method: "PUT", path: path, host: host, service: "s3", body: host})
		if response.StatusCode != 200 || s.objects.get(put) != host {
			t.Errorf("%s: status %d, %s holds %q\n%s", host, response.StatusCode, put, s.objects.get(put), body)
		}
	}
}

// TestAltered repeats the same request, which is accepted, and alters it by
// one byte, which is not.
func TestAltered(t *testing.T) {
	s := start(t)
	c := query("sts", identity)
	r := s.newRequest(t, c)
	for range 2 {
		again := r.Clone(context.Background())
		again.Body = io.NopCloser(strings.NewReader(identity))
		if response, body := s.send(t, again); response.StatusCode != 200 {
			t.Fatalf("status %d: %s", response.StatusCode, body)
		}
	}
	for i := range identity {
		altered := r.Clone(context.Background())
		b := []byte(identity)
		b[i] ^= 1
		altered.Body = io.NopCloser(strings.NewReader(string(b)))
		if response, body := s.send(t, altered); response.StatusCode != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
			t.Fatalf("byte %d altered: status %d: %s", i, response.StatusCode, body)
		}
	}
}

func TestRate(t *testing.T) {
	now := time.Now()
	s := start(t, func(c *gateway.Config) {
		c.Rate, c.Burst, c.Now = 1, 3, func() time.Time { return now }
	})
	for range 3 {
		if response, body := s.do(t, query("sts", identity)); response.StatusCode != 200 {
			t.Fatalf("status %d: %s", response.StatusCode, body)
		}
	}
	put := call{method: "PUT", path: "/b/k", service: "s3"}
	for n := range 300 { // S3 has a hundred times as many, of its own
		if response, body := s.do(t, put); response.StatusCode != 200 {
			t.Fatalf("put %d: status %d: %s", n, response.StatusCode, body)
		}
	}
	for _, test := range []struct {
		call   call
		status int
		want   string
	}{
		{query("sts", identity), 400, "<Code>Throttling</Code>"},
		{query("ec2", "Action=DescribeRegions&Version=2016-11-15"), 503, "<Code>RequestLimitExceeded</Code>"},
		{jsonCall("kms", "TrentService.ListKeys", "{}"), 400, "ThrottlingException"},
		{put, 503, "<Code>SlowDown</Code>"},
	} {
		if response, body := s.do(t, test.call); response.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("status %d: %s; want %d, %s", response.StatusCode, body, test.status, test.want)
		}
	}
	now = now.Add(time.Second)
	if response, body := s.do(t, query("sts", identity)); response.StatusCode != 200 {
		t.Fatalf("a second later: status %d: %s", response.StatusCode, body)
	}
}

func TestConfig(t *testing.T) {
	good := gateway.Config{Region: region, Credentials: keys{}, Endpoints: []gateway.Endpoint{{API: sts.API()}}}
	if _, err := gateway.New(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*gateway.Config){
		"no region":      func(c *gateway.Config) { c.Region = "" },
		"no endpoints":   func(c *gateway.Config) { c.Endpoints = nil },
		"no credentials": func(c *gateway.Config) { c.Credentials = nil },
		"twice":          func(c *gateway.Config) { c.Endpoints = append(c.Endpoints, c.Endpoints...) },
	} {
		bad := good
		edit(&bad)
		if _, err := gateway.New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
