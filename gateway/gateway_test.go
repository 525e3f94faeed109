package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/awsapi/kms"
	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
)

const (
	keyID   = "AKIAVAUBANTEST000001"
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	account = "000000000001"
	region  = "eu-paris-1"
)

// keys knows one access key.
type keys struct{}

func (keys) Lookup(_ context.Context, id, token string) (gateway.Credential, error) {
	owner := gateway.Credential{Secret: secret, Caller: cloud.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}}
	switch {
	case id == keyID && token == "":
		return owner, nil
	case id == keyID && token == "over":
		return owner, gateway.ErrExpiredToken
	case id == keyID:
		return owner, gateway.ErrWrongToken
	case id == "AKIASUSPENDED":
		owner.Suspended = true
		return owner, nil
	case id == "AKIABROKENSTORE":
		return gateway.Credential{}, errors.New("the store is on fire")
	}
	return gateway.Credential{}, gateway.ErrUnknownKey
}

// compute is an EC2 that misbehaves on demand.
type compute struct {
	entered chan struct{} // StopInstances has begun
	release chan struct{} // StopInstances may end
}

func (compute) DescribeRegions(context.Context, *ec2.DescribeRegionsRequest) (*ec2.DescribeRegionsResult, error) {
	return &ec2.DescribeRegionsResult{Regions: []ec2.Region{{RegionName: new(region)}}}, nil
}

func (compute) DescribeInstances(_ context.Context, in *ec2.DescribeInstancesRequest) (*ec2.DescribeInstancesResult, error) {
	return nil, cloud.Errorf("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", in.InstanceIds[0])
}

func (compute) DescribeVpcs(context.Context, *ec2.DescribeVpcsRequest) (*ec2.DescribeVpcsResult, error) {
	return nil, errors.New("the disk holds secrets")
}

func (compute) DescribeVolumes(context.Context, *ec2.DescribeVolumesRequest) (*ec2.DescribeVolumesResult, error) {
	panic("a bug with secrets")
}

func (c compute) StopInstances(context.Context, *ec2.StopInstancesRequest) (*ec2.StopInstancesResult, error) {
	c.entered <- struct{}{}
	<-c.release
	return &ec2.StopInstancesResult{}, nil
}

// tokens answers with who asked.
type tokens struct{}

func (tokens) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
	c := cloud.CallerFrom(ctx)
	return &sts.GetCallerIdentityResponse{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

func (tokens) AssumeRoleWithWebIdentity(ctx context.Context, _ *sts.AssumeRoleWithWebIdentityRequest) (*sts.AssumeRoleWithWebIdentityResponse, error) {
	c := cloud.CallerFrom(ctx)
	return &sts.AssumeRoleWithWebIdentityResponse{Provider: new(c.Account + " " + c.SourceIP + " " + c.Region + " " + c.UserAgent)}, nil
}

type keyring struct{}

func (keyring) ListKeys(context.Context, *kms.ListKeysRequest) (*kms.ListKeysResponse, error) {
	return &kms.ListKeysResponse{Truncated: new(false)}, nil
}

// objects keeps what was put.
type objects struct {
	mu   sync.Mutex
	puts map[string]string // guarded by mu
}

func (o *objects) PutObject(_ context.Context, in *s3.PutObjectRequest) (*s3.PutObjectOutput, error) {
	data, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.puts[*in.Bucket+"/"+*in.Key] = string(data)
	return &s3.PutObjectOutput{ETag: new("etag")}, nil
}

func (o *objects) get(key string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.puts[key]
}

// server is a gateway that listens on loopback.
type server struct {
	url     string
	address string
	log     *buffer
	objects *objects
	compute compute
	stop    context.CancelFunc
	stopped chan error // what Serve returned

	mu      sync.Mutex
	records []gateway.Record // guarded by mu
}

// start serves until the test ends.
func start(t testing.TB, edit ...func(*gateway.Config)) *server {
	t.Helper()
	return startWith(t, nil, edit...)
}

// startWith is start over TLS, unless the certificate is nil.
func startWith(t testing.TB, with *gateway.Certificate, edit ...func(*gateway.Config)) *server {
	t.Helper()
	s := &server{
		log: &buffer{}, objects: &objects{puts: map[string]string{}}, stopped: make(chan error, 1),
		compute: compute{make(chan struct{}, 10000), make(chan struct{})},
	}
	cfg := gateway.Config{
		Region: region, Credentials: keys{}, Log: slog.New(slog.NewJSONHandler(s.log, nil)),
		Audit: func(_ context.Context, r gateway.Record) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.records = append(s.records, r)
		},
		Endpoints: testEndpoints(s),
	}
	for _, e := range edit {
		e(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.address, s.url, s.stop = l.Addr().String(), "http://"+l.Addr().String(), cancel
	serve := g.Serve
	if with != nil {
		s.url = "https://" + s.address
		serve = func(ctx context.Context, l net.Listener) error { return g.ServeTLS(ctx, l, with) }
	}
	go func() {
		s.stopped <- serve(ctx, l)
		close(s.stopped)
	}()
	t.Cleanup(func() {
		cancel()
		<-s.stopped
	})
	return s
}

// testEndpoints are the APIs of the tests.
func testEndpoints(s *server) []gateway.Endpoint {
	return []gateway.Endpoint{
		{API: ec2.API(), Impl: s.compute},
		{API: sts.API(), Impl: tokens{}, Anonymous: []string{"AssumeRoleWithWebIdentity"}},
		{API: iam.API()},
		{API: kms.API(), Impl: keyring{}},
		{API: s3.API(), Impl: s.objects},
	}
}

// last returns the audit record of the last request, which is written a moment
// after its answer.
func (s *server) last(t testing.TB, requests int) gateway.Record {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		if len(s.records) >= requests {
			defer s.mu.Unlock()
			return s.records[len(s.records)-1]
		}
		s.mu.Unlock()
	}
	t.Fatalf("there is no audit record number %d", requests)
	return gateway.Record{}
}

// buffer is a log that tests may read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// call is a request, and how it is signed.
type call struct {
	method, path, body string
	header             map[string]string
	host               string // other than the server's address
	service, region    string // of the scope; service "" leaves it unsigned
	key, secret        string // other than the good ones
	at                 time.Time
	edit               func(*http.Request) // after it was signed
}

const form = "application/x-www-form-urlencoded; charset=utf-8"

// query is a call of a query service.
func query(service, body string) call {
	return call{method: "POST", path: "/", body: body, service: service, header: map[string]string{"Content-Type": form}}
}

func jsonCall(service, target, body string) call {
	header := map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
	return call{method: "POST", path: "/", body: body, service: service, header: header}
}

// newRequest builds and signs a call.
func (s *server) newRequest(t testing.TB, c call) *http.Request {
	t.Helper()
	r, err := http.NewRequest(c.method, s.url+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.host != "" {
		r.Host = c.host
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	if c.service != "" {
		sum := sha256.Sum256([]byte(c.body))
		hash := hex.EncodeToString(sum[:])
		if promised := r.Header.Get("X-Amz-Content-Sha256"); promised != "" {
			hash = promised
		} else if c.service == "s3" {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		at := c.at
		if at.IsZero() {
			at = time.Now()
		}
		or := func(s, other string) string {
			if s == "" {
				return other
			}
			return s
		}
		credentials := aws.Credentials{AccessKeyID: or(c.key, keyID), SecretAccessKey: or(c.secret, secret)}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" })
		if err := signer.SignHTTP(context.Background(), credentials, r, hash, c.service, or(c.region, region), at); err != nil {
			t.Fatal(err)
		}
	}
	if c.edit != nil {
		c.edit(r)
	}
	return r
}

// do sends a call and reads the whole answer.
func (s *server) do(t testing.TB, c call) (*http.Response, string) {
	t.Helper()
	return s.send(t, s.newRequest(t, c))
}

func (s *server) send(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}
