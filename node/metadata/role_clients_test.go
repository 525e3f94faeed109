package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/vauban-cloud/vauban/cloud"
)

// serve serves the rig's guest on loopback, as if it asked from its own address.
func (r *roleRig) serve() (addr string) {
	r.Helper()
	r.clock.now = time.Now().Truncate(time.Second) // clients look at their own clock
	l, err := new(net.ListenConfig).Listen(r.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.RemoteAddr = address + ":4242"
		r.ServeHTTP(w, q)
	})}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	r.Cleanup(func() {
		if err := errors.Join(srv.Close(), <-done); !errors.Is(err, http.ErrServerClosed) {
			r.Error(err)
		}
	})
	return l.Addr().String()
}

// The SDK finds the role by itself, takes its credentials, and says why it has none.
func TestRoleByGoSDK(t *testing.T) {
	r := newRoleRig(t)
	c := imds.New(imds.Options{Endpoint: "http://" + r.serve(), ClientEnableState: imds.ClientEnabled})
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = c })
	got, err := provider.Retrieve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "ASIA1" || got.SecretAccessKey != "secret of i-0123456789abcdef0" || got.SessionToken != "token by 2.0" || !got.CanExpire {
		t.Errorf("got %+v", got)
	}
	info, err := c.GetIAMInfo(context.Background(), nil)
	if err != nil || info.InstanceProfileArn != "arn:aws:iam::000000000001:instance-profile/web" || info.InstanceProfileID != "AIPA1" {
		t.Errorf("got %+v, %v", info, err)
	}
	r.set("AROA1", cloud.Errorf("AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role web."))
	r.clock.advance(6 * time.Hour)
	if _, err := provider.Retrieve(context.Background()); err == nil || !strings.Contains(err.Error(), "AssumeRoleUnauthorizedAccess") {
		t.Errorf("a refusal: got %v", err)
	}
}

func TestRoleByBoto(t *testing.T) {
	if err := exec.Command("python3", "-c", "import botocore").Run(); err != nil {
		t.Skip("no botocore here: apt-get install python3-boto3")
	}
	r := newRoleRig(t)
	script := `
import sys
from botocore.utils import InstanceMetadataFetcher
c = InstanceMetadataFetcher(base_url=sys.argv[1]).retrieve_iam_role_credentials()
print(c["role_name"], c["access_key"], c["secret_key"], c["token"], c["expiry_time"], sep="\n")
`
	out, err := exec.Command("python3", "-c", script, "http://"+r.serve()+"/").CombinedOutput()
	want := fmt.Sprintf("web\nASIA1\nsecret of i-0123456789abcdef0\ntoken by 2.0\n%s\n", r.clock.Now().Add(6*time.Hour).UTC().Format(time.RFC3339))
	if err != nil || string(out) != want {
		t.Errorf("botocore: %v\n%s", err, out)
	}
}
