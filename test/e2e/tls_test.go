package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/vauban-cloud/vauban/gateway/tlstest"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestTLS has every aws of the machine, and the Go SDK, use a cloud over TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, key, authority := tlstest.Certificate(t, "cloud.example.org")
	c := e2e.Start(t, "--tls-cert", certificate, "--tls-key", key)
	url := "https://" + c.Addr
	if out := c.Vauban("env"); !strings.Contains(out, "AWS_ENDPOINT_URL="+url+"\n") {
		t.Fatalf("the variables are\n%s", out)
	}
	if out := c.Vauban("status"); !strings.Contains(out, "with a certificate until ") {
		t.Errorf("the status does not tell of the certificate:\n%s", out)
	}

	dir := t.TempDir()
	secret, up, down := filepath.Join(dir, "secret"), filepath.Join(dir, "up"), filepath.Join(dir, "down")
	for path, content := range map[string]string{secret: strings.Repeat("k", 32), up: strings.Repeat("content ", 1<<20)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n, program := range installed(t, "aws") {
		aws := func(args ...string) (string, error) {
			return c.Run(program, append([]string{"--endpoint-url", url, "--ca-bundle", authority}, args...)...)
		}
		must := func(args ...string) {
			t.Helper()
			if out, err := aws(args...); err != nil {
				t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		object := "s3://tls-" + string(rune('a'+n)) + "/object"
		must("s3", "mb", strings.TrimSuffix(object, "/object"))
		must("s3", "cp", up, object, "--sse-c", "AES256", "--sse-c-key", "fileb://"+secret)
		must("s3", "cp", object, down, "--sse-c", "AES256", "--sse-c-key", "fileb://"+secret)
		if sent, err := os.ReadFile(down); err != nil || string(sent) != strings.Repeat("content ", 1<<20) {
			t.Errorf("what came back is something else: %d bytes, %v", len(sent), err)
		}
		if out, err := c.Run(program, "--endpoint-url", url, "s3", "ls"); err == nil {
			t.Errorf("without the authority's certificate: %s", out)
		}
	}

	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	client := c.EC2()
	regions, err := client.DescribeRegions(t.Context(), nil, func(o *ec2.Options) {
		o.BaseEndpoint = &url
		o.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "cloud.example.org"}}}
	})
	if err != nil || len(regions.Regions) == 0 {
		t.Errorf("the SDK: %v", err)
	}
}
