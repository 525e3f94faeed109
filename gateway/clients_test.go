package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2client "github.com/aws/aws-sdk-go-v2/service/ec2"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vauban-cloud/vauban/gateway"
)

// These tests drive the gateway with the clients that people use. They need the
// aws command line and boto3, and fail where those are missing.

// clients are the servers that the tests talk to: one whose clock is right, one
// that lives 20 minutes later, and one 10 minutes earlier.
type clients struct{ good, later, earlier *server }

func startClients(t *testing.T) clients {
	skewed := func(by time.Duration) func(*gateway.Config) {
		return func(c *gateway.Config) { c.Now = func() time.Time { return time.Now().Add(by) } }
	}
	return clients{start(t), start(t, skewed(20*time.Minute)), start(t, skewed(-10*time.Minute))}
}

func TestGoSDK(t *testing.T) {
	s := startClients(t)
	config := func(edit func(*aws.Config)) aws.Config {
		c := aws.Config{Region: region, BaseEndpoint: &s.good.url, RetryMaxAttempts: 1, Credentials: static(keyID, secret)}
		if edit != nil {
			edit(&c)
		}
		return c
	}
	alter := func(c *aws.Config) {
		c.APIOptions = append(c.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("alter", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				r := in.Request.(*smithyhttp.Request)
				body, err := io.ReadAll(r.GetStream())
				if err != nil {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, err
				}
				body[len(body)-1] ^= 1
				r, err = r.SetStream(bytes.NewReader(body))
				in.Request = r
				if err != nil {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, err
				}
				return next.HandleFinalize(ctx, in)
			}), "Signing", middleware.After)
		})
	}
	for name, test := range map[string]struct {
		edit     func(*aws.Config)
		sts, ec2 string // error codes
	}{
		"good":         {nil, "", ""},
		"wrong secret": {func(c *aws.Config) { c.Credentials = static(keyID, "wrong") }, "SignatureDoesNotMatch", "AuthFailure"},
		"unknown key":  {func(c *aws.Config) { c.Credentials = static("AKIANOBODY", secret) }, "InvalidClientTokenId", "AuthFailure"},
		"old":          {func(c *aws.Config) { c.BaseEndpoint = &s.later.url }, "SignatureDoesNotMatch", "RequestExpired"},
		"future":       {func(c *aws.Config) { c.BaseEndpoint = &s.earlier.url }, "SignatureDoesNotMatch", "RequestExpired"},
		"wrong region": {func(c *aws.Config) { c.Region = "eu-west-1" }, "SignatureDoesNotMatch", "AuthFailure"},
		"altered body": {alter, "SignatureDoesNotMatch", "AuthFailure"},
	} {
		t.Run(name, func(t *testing.T) {
			identity, err := stsclient.NewFromConfig(config(test.edit)).GetCallerIdentity(t.Context(), nil)
			if codeOf(err) != test.sts {
				t.Errorf("sts: %v, want %q", err, test.sts)
			}
			if err == nil && (*identity.Account != account || *identity.Arn != "arn:aws:iam::"+account+":root" || *identity.UserId != account) {
				t.Errorf("identity %s %s %s", *identity.Account, *identity.Arn, *identity.UserId)
			}
			regions, err := ec2client.NewFromConfig(config(test.edit)).DescribeRegions(t.Context(), nil)
			if codeOf(err) != test.ec2 {
				t.Errorf("ec2: %v, want %q", err, test.ec2)
			}
			if err == nil && (len(regions.Regions) != 1 || *regions.Regions[0].RegionName != region) {
				t.Errorf("regions %+v", regions.Regions)
			}
		})
	}
	t.Run("presigned", func(t *testing.T) {
		request, err := stsclient.NewPresignClient(stsclient.NewFromConfig(config(nil))).PresignGetCallerIdentity(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for uri, status := range map[string]int{
			request.URL: 200,
			strings.Replace(request.URL, "GetCallerIdentity", "GetSessionToken", 1): 403,
			strings.Replace(request.URL, s.good.url, s.later.url, 1):                403,
		} {
			r, err := http.NewRequest(request.Method, uri, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = s.good.address
			if response, body := s.good.send(t, r); response.StatusCode != status || status == 200 && !strings.Contains(body, "<Account>"+account) {
				t.Errorf("%s: status %d, want %d:\n%s", uri, response.StatusCode, status, body)
			}
		}
	})
	t.Run("errors of services", func(t *testing.T) {
		client := ec2client.NewFromConfig(config(nil))
		if _, err := client.DescribeInstances(t.Context(), &ec2client.DescribeInstancesInput{InstanceIds: []string{"i-1"}}); codeOf(err) != "InvalidInstanceID.NotFound" {
			t.Errorf("%v", err)
		}
		if _, err := client.DescribeVpcs(t.Context(), nil); codeOf(err) != "InternalError" {
			t.Errorf("%v", err)
		}
		if _, err := client.CreateSnapshot(t.Context(), &ec2client.CreateSnapshotInput{VolumeId: new("vol-1")}); codeOf(err) != "UnsupportedOperation" {
			t.Errorf("%v", err)
		}
	})
}

func static(id, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
	})
}

// codeOf returns the code of an API error, "" for none, and the text of others.
func codeOf(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

// environment is what command line clients see of this machine: nothing but
// the cloud.
func environment(t *testing.T, s *server, more ...string) []string {
	home := t.TempDir()
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_CONFIG_FILE=" + home + "/config", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/credentials",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_ENDPOINT_URL=" + s.url,
		"AWS_DEFAULT_REGION=" + region, "AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + secret,
	}, more...)
}

// programs finds the first of that name and the distribution's, once if they
// are the same, and fails the test if one is not installed.
func programs(t *testing.T, remedy string, names ...string) []string {
	t.Helper()
	var paths []string
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			t.Fatalf("%s is not installed: %s (%v)", name, remedy, err)
		}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func TestCommandLine(t *testing.T) {
	s := startClients(t)
	for _, program := range programs(t, "install the Debian package awscli", "aws", "/usr/bin/aws") {
		for name, test := range map[string]struct {
			server *server
			env    string
			args   string
			want   string
		}{
			"good":         {s.good, "", "sts get-caller-identity --output text --query Arn", "arn:aws:iam::000000000001:root"},
			"wrong secret": {s.good, "AWS_SECRET_ACCESS_KEY=wrong", "sts get-caller-identity", "An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation: The request signature we calculated does not match"},
			"unknown key":  {s.good, "AWS_ACCESS_KEY_ID=AKIANOBODY", "ec2 describe-regions", "An error occurred (AuthFailure) when calling the DescribeRegions operation: AWS was not able to validate the provided access credentials"},
			"old":          {s.later, "", "sts get-caller-identity", "(SignatureDoesNotMatch) when calling the GetCallerIdentity operation: Signature expired:"},
			"object":       {s.good, "", "s3api put-object --bucket bucket --key key --body /etc/hostname --output text --query ETag", "etag"},
		} {
			t.Run(strings.TrimPrefix(program, "/")+"/"+name, func(t *testing.T) {
				t.Parallel()
				command := exec.CommandContext(t.Context(), program, append(strings.Fields(test.args), "--endpoint-url", test.server.url)...)
				command.Env = environment(t, test.server, test.env)
				out, _ := command.CombinedOutput() // its exit status is in what it says
				if !strings.Contains(string(out), test.want) {
					t.Errorf("it says:\n%s\nwant %q", out, test.want)
				}
			})
		}
	}
}

// botoScript prints {"case": "code or result"} for all that it tries.
const botoScript = `
import boto3, json, sys, urllib.request, urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

good, later, earlier, key, secret, region = sys.argv[1:]
once = Config(retries={"max_attempts": 0})

def client(service, url=good, key=key, secret=secret, region=region, config=once):
    session = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
    return session.client(service, endpoint_url=url, config=config)

def code(call, *args, **more):
    try:
        result = call(*args, **more)
        return result if isinstance(result, str) else "ok"
    except ClientError as e:
        return e.response["Error"]["Code"]

def fetch(request):
    try:
        return str(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as e:
        return str(e.code)

def altered(service):
    c = client(service)
    def change(request, **more):
        old, new = ("Version=2", "Version=3") if isinstance(request.body, str) else (b"Version=2", b"Version=3")
        request.body = request.body.replace(old, new)
    c.meta.events.register("before-send", change)
    return c

def wrong_service():
    r = AWSRequest("POST", good + "/", data=b"Action=GetCallerIdentity&Version=2011-06-15",
                   headers={"Content-Type": "application/x-www-form-urlencoded"})
    SigV4Auth(Credentials(key, secret), "ec2", region).add_auth(r)
    p = r.prepare()
    try:
        urllib.request.urlopen(urllib.request.Request(p.url, data=p.body, headers=dict(p.headers)))
    except urllib.error.HTTPError as e:
        return e.read().decode()

url = client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
print(json.dumps({
    "identity": client("sts").get_caller_identity()["Arn"],
    "regions": client("ec2").describe_regions()["Regions"][0]["RegionName"],
    "paginator": str(client("kms").list_keys()["Truncated"]),
    "wrong secret, sts": code(client("sts", secret="wrong").get_caller_identity),
    "wrong secret, ec2": code(client("ec2", secret="wrong").describe_regions),
    "wrong secret, kms": code(client("kms", secret="wrong").list_keys),
    "wrong secret, s3": code(client("s3", secret="wrong").put_object, Bucket="b", Key="k", Body=b"x"),
    "unknown key, sts": code(client("sts", key="AKIANOBODY").get_caller_identity),
    "unknown key, ec2": code(client("ec2", key="AKIANOBODY").describe_regions),
    "unknown key, kms": code(client("kms", key="AKIANOBODY").list_keys),
    "unknown key, s3": code(client("s3", key="AKIANOBODY").put_object, Bucket="b", Key="k", Body=b"x"),
    "old, sts": code(client("sts", url=later).get_caller_identity),
    "old, ec2": code(client("ec2", url=later).describe_regions),
    "old, s3": code(client("s3", url=later).put_object, Bucket="b", Key="k", Body=b"x"),
    "future, sts": code(client("sts", url=earlier).get_caller_identity),
    "future, s3": code(client("s3", url=earlier).put_object, Bucket="b", Key="k", Body=b"x"),
    "wrong region, sts": code(client("sts", region="us-west-2").get_caller_identity),
    "wrong region, ec2": code(client("ec2", region="us-west-2").describe_regions),
    "wrong region, kms": code(client("kms", region="us-west-2").list_keys),
    "global region, sts": code(client("sts", region="us-east-1").get_caller_identity),
    "altered, sts": code(altered("sts").get_caller_identity),
    "altered, ec2": code(altered("ec2").describe_regions),
    "presigned": fetch(url),
    "presigned, altered": fetch(url.replace("GetCallerIdentity", "GetSessionToken")),
    "wrong service": "to correct service: 'sts'" in wrong_service() and "ok",
    "object": code(client("s3").put_object, Bucket="b", Key="päth/with space+plus", Body=b"x" * 100000),
    "path style": code(client("s3", config=Config(s3={"addressing_style": "path"})).put_object, Bucket="b", Key="k", Body=b"x"),
}))
`

func TestBoto3(t *testing.T) {
	s := startClients(t)
	want := map[string]string{
		"identity": "arn:aws:iam::000000000001:root", "regions": region, "paginator": "False",
		"wrong secret, sts": "SignatureDoesNotMatch", "wrong secret, ec2": "AuthFailure", "wrong secret, kms": "InvalidSignatureException", "wrong secret, s3": "SignatureDoesNotMatch",
		"unknown key, sts": "InvalidClientTokenId", "unknown key, ec2": "AuthFailure", "unknown key, kms": "UnrecognizedClientException", "unknown key, s3": "InvalidAccessKeyId",
		"old, sts": "SignatureDoesNotMatch", "old, ec2": "RequestExpired", "old, s3": "RequestTimeTooSkewed",
		"future, sts": "SignatureDoesNotMatch", "future, s3": "ok", // S3 allows 15 minutes
		"wrong region, sts": "SignatureDoesNotMatch", "wrong region, ec2": "AuthFailure", "wrong region, kms": "InvalidSignatureException",
		"global region, sts": "ok", "altered, sts": "SignatureDoesNotMatch", "altered, ec2": "AuthFailure",
		"presigned": "200", "presigned, altered": "403", "wrong service": "ok", "object": "ok", "path style": "ok",
	}
	for _, program := range programs(t, "install the Debian package python3-boto3", "python3", "/usr/bin/python3") {
		t.Run(strings.TrimPrefix(program, "/"), func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), program, "-c", botoScript, s.good.url, s.later.url, s.earlier.url, keyID, secret, region)
			command.Env = environment(t, s.good)
			var stderr strings.Builder
			command.Stderr = &stderr
			out, err := command.Output()
			if err != nil {
				t.Fatalf("%s with boto3: %v; is the Debian package python3-boto3 installed?\n%s", program, err, stderr.String())
			}
			var got map[string]string
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			if len(got) != len(want) {
				t.Errorf("%d results, want %d", len(got), len(want))
			}
			for name, result := range want {
				if got[name] != result {
					t.Errorf("%s: %s, want %s", name, got[name], result)
				}
			}
			if stored := s.good.objects.get("b/päth/with space+plus"); stored != strings.Repeat("x", 100000) {
				t.Errorf("the object holds %d bytes", len(stored))
			}
		})
	}
}
