// Package awsapi_test holds the generated packages and their codec against
// what the AWS SDK for Go really sends and understands.
package awsapi_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// TestSnapshots decodes the request that the SDK has on record for every
// operation, and finds each of its parameters again in the input.
func TestSnapshots(t *testing.T) {
	for _, s := range []*wire.Service{ec2.API(), sts.API(), iam.API()} {
		t.Run(s.Name, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(moduleDir(t, s.Name), "request_snapshot", "*.request.snap"))
			if err != nil || len(files) == 0 {
				t.Fatalf("find snapshots: %v, %d files", err, len(files))
			}
			parameters := 0
			for _, file := range files {
				parameters += checkSnapshot(t, s, file)
			}
			t.Logf("%d requests, %d parameters", len(files), parameters)
		})
	}
}

// checkSnapshot returns the number of parameters in the file.
func checkSnapshot(t *testing.T, s *wire.Service, file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// A snapshot is the request line, headers and body, with blank lines between.
	parts := bytes.SplitN(text, []byte("\n\n"), 3)
	if len(parts) != 3 {
		t.Fatalf("%s: not a snapshot", file)
	}
	body := bytes.TrimSpace(parts[2])
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(filepath.Base(file), ".")
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
	sent := bytes.Count(body, []byte("&")) + 1 - 2 // but for Action and Version
	if got := scalars(reflect.ValueOf(in)); op.Name != name || got != sent {
		t.Errorf("%s: decoded %s with %d values, want %d", name, op.Name, got, sent)
	}
	return sent
}

// scalars counts the values in v that a parameter each has set. An empty list
// counts as one: its parameter has no value.
func scalars(v reflect.Value) int {
	n := 0
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem().String() != "time.Time" {
			return scalars(v.Elem())
		}
		if v.IsNil() {
			return 0
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += scalars(v.Field(i))
		}
		return n
	case reflect.Slice:
		if v.IsNil() {
			return 0
		}
		if v.Type().Elem().Kind() == reflect.Uint8 || v.Len() == 0 {
			return 1
		}
		for i := range v.Len() {
			n += scalars(v.Index(i))
		}
		return n
	case reflect.Map:
		for _, k := range v.MapKeys() {
			n += 1 + scalars(v.MapIndex(k))
		}
		return n
	}
	return 1
}

// moduleDir returns the folder of a service module of the AWS SDK for Go.
func moduleDir(t *testing.T, service string) string {
	t.Helper()
	module := "github.com/aws/aws-sdk-go-v2/service/" + service
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).CombinedOutput()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("module %s is not in the module cache; run \"go mod download %s\" while online: %v %s", module, module, err, out)
	}
	return dir
}
