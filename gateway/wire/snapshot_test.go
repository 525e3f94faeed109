package wire_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/cloudtrail"
	"github.com/vauban-cloud/vauban/awsapi/cloudwatch"
	"github.com/vauban-cloud/vauban/awsapi/dlm"
	"github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/elbv2"
	"github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/awsapi/kms"
	"github.com/vauban-cloud/vauban/awsapi/logs"
	"github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// services are the generated ones, by the name of their module in the AWS SDK for Go.
var services = map[string]*wire.Service{
	"ec2": ec2.API(), "sts": sts.API(), "iam": iam.API(), "organizations": organizations.API(), "s3": s3.API(), "kms": kms.API(),
	"elasticloadbalancingv2": elbv2.API(), "cloudwatch": cloudwatch.API(), "cloudwatchlogs": logs.API(), "cloudtrail": cloudtrail.API(),
	"ebs": ebs.API(), "rbin": rbin.API(), "dlm": dlm.API(),
}

// TestSnapshots decodes the request that the SDK has on record for every
// operation, and finds each of its values again in the input.
func TestSnapshots(t *testing.T) {
	for module, s := range services {
		if module == "cloudtrail" || module == "dlm" || module == "rbin" {
			continue // has none
		}
		t.Run(module, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(moduleDir(t, module), "request_snapshot", "*.request.snap"))
			if err != nil || len(files) == 0 {
				t.Fatalf("find snapshots: %v, %d files", err, len(files))
			}
			values := 0
			for _, file := range files {
				values += checkSnapshot(t, s, file)
			}
			t.Logf("%d requests, %d values", len(files), values)
		})
	}
}

// checkSnapshot returns the number of values in the file. The form-encoded
// ones are counted; the others are known to be whole because the decoder
// refuses what it does not know.
func checkSnapshot(t *testing.T, s *wire.Service, file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A snapshot is the request line, headers and body, with blank lines between.
	parts := bytes.SplitN(text, []byte("\n\n"), 3)
	method, url, _ := strings.Cut(string(parts[0]), " ")
	name, _, _ := strings.Cut(filepath.Base(file), ".")
	switch {
	case name == "ListDirectoryBuckets":
		return 0 // differs from ListBuckets in the host name alone
	case s.Name == "s3" && name != "ListBuckets" && name != "WriteGetObjectResponse":
		url = "/bucket" + url // the SDK has it in the host name
	}
	body := bytes.TrimSuffix(bytes.Join(parts[2:], nil), []byte("\n"))
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(parts[1])) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		r.Header.Add(key, value)
	}
	op, p, err := s.Match(r, body)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return 0
	}
	in, err := wire.Decode(p, op, r, body)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return 0
	}
	got := scalars(reflect.ValueOf(in))
	if op.Name != name {
		t.Errorf("%s: decoded as %s", name, op.Name)
	}
	if p == wire.EC2Query || p == wire.Query {
		sent := bytes.Count(body, []byte("&")) + 1 - 2 // but for Action and Version
		if got != sent {
			t.Errorf("%s: decoded %d parameters, want %d", name, got, sent)
		}
	}
	return got
}

// scalars counts the values in v that a parameter each has set. An empty list
// counts as one: its parameter has no value.
func scalars(v reflect.Value) int {
	n := 0
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			n = scalars(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return 1
		}
		for _, f := range v.Fields() {
			n += scalars(f)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 || v.Len() == 0 {
			if !v.IsNil() {
				n = 1
			}
			return n
		}
		for i := range v.Len() {
			n += scalars(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			n += 1 + scalars(v.MapIndex(k))
		}
	default:
		n = 1
	}
	return n
}

// moduleDir returns the folder of a service module of the AWS SDK for Go.
func moduleDir(t testing.TB, service string) string {
	t.Helper()
	module := "github.com/aws/aws-sdk-go-v2/service/" + service
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).CombinedOutput()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("module %s is not in the module cache; run \"go mod download %s\" while online: %v %s", module, module, err, out)
	}
	return dir
}
