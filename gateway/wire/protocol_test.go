package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

// protocolModule carries the protocol tests of the AWS models.
const protocolModule = "github.com/aws/aws-sdk-go@v1.55.8"

// suite is a set of protocol tests that share their shapes.
type suite struct {
	Description string
	Metadata    struct{ Protocol, APIVersion, TargetPrefix, JSONVersion, XMLNamespace string }
	Shapes      map[string]*shape
	Cases       []struct {
		Given struct {
			Name          string
			HTTP          struct{ Method, RequestURI string }
			Input, Output *shape
		}
		Params, Result any
		Serialized     struct {
			URI, Body string
			Headers   map[string]string
		}
		Response struct {
			StatusCode int `json:"status_code"`
			Headers    map[string]string
			Body       string
		}
	}
}

// apart are the cases that do not apply to a server, with the reason.
var apart = map[string]string{
	"input/ec2: Idempotency token auto fill 1":         autoFill,
	"input/json: Idempotency token auto fill 1":        autoFill,
	"input/query: Idempotency token auto fill 1":       autoFill,
	"input/rest-json: Idempotency token auto fill 1":   autoFill,
	"input/rest-xml: Idempotency token auto fill 1":    autoFill,
	"input/rest-json: JSON value trait 0":              jsonValue,
	"input/rest-json: JSON value trait 1":              jsonValue,
	"output/rest-json: JSON value trait 0":             jsonValue,
	"output/rest-json: JSON value trait 1":             jsonValue,
	"output/json: unmodeled non-json response payload": "a client meets a gateway that does not speak the protocol",
	"input/rest-xml: Header whitespace 0":              "HTTP itself trims the values that the client was given",
	"output/json: Lists 1":                             "a client is lenient with null in lists",
	"output/json: Ignores extra data 0":                lenient,
	"output/rest-json: Ignores extra data 0":           lenient,
	"output/rest-json: Ignores undefined output 0":     lenient,
	"output/rest-json: Scalar members 0":               "a client reads ISO 8601 where seconds are due",
	"output/rest-json: Supports header maps 0":         "a map of all headers, Content-Length too; no service of awsapi has one",
	"output/rest-json: Enum 1":                         "no body and an empty object say the same",
}

const (
	lenient   = "a client ignores what the model does not know"
	autoFill  = "the client fills in a random token"
	jsonValue = "no service of awsapi has JSON text in a string"
)

// TestProtocols runs the protocol tests of the AWS models in the server's
// direction: what they say a client sends is decoded, and what they say it
// reads is compared with what is encoded.
func TestProtocols(t *testing.T) {
	dir := protocolTests(t)
	for _, file := range []string{
		"input/ec2", "input/json", "input/query", "input/rest-json", "input/rest-xml",
		"output/ec2", "output/json", "output/query", "output/rest-json", "output/rest-xml",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var suites []suite
		if err := json.Unmarshal(text, &suites); err != nil {
			t.Fatal(err)
		}
		for _, s := range suites {
			for i := range s.Cases {
				name := fmt.Sprintf("%s: %s %d", file, s.Description, i)
				if apart[name] != "" || apart[strings.TrimSuffix(name, fmt.Sprintf(" %d", i))] != "" {
					continue
				}
				t.Run(name, func(t *testing.T) {
					if strings.HasPrefix(file, "input") {
						s.checkInput(t, i)
					} else {
						s.checkOutput(t, i)
					}
				})
			}
		}
	}
}

// protocolTests returns the folder of the tests in the module cache.
func protocolTests(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", protocolModule).Output()
	var module struct{ Dir, Error string }
	if err2 := json.Unmarshal(out, &module); err2 != nil || module.Dir == "" {
		t.Fatalf("the protocol tests are not in the module cache; run \"go mod download %s\" while online: %v %v %s", protocolModule, err, err2, module.Error)
	}
	return filepath.Join(module.Dir, "models", "protocol_tests")
}

func (s *suite) protocol() wire.Protocol {
	switch s.Metadata.Protocol {
	case "json":
		if s.Metadata.JSONVersion == "1.0" {
			return wire.JSON10
		}
		return wire.JSON11
	}
	return wire.Protocol(s.Metadata.Protocol)
}

// service returns a service with the operation of a case alone.
func (s *suite) service(i int) *wire.Service {
	given := s.Cases[i].Given
	op := &wire.Operation{
		Name: given.Name, Method: given.HTTP.Method, Path: given.HTTP.RequestURI,
		In:  reflect.Zero(reflect.PointerTo(s.typeOf(given.Input))).Interface(),
		Out: reflect.Zero(reflect.PointerTo(s.typeOf(given.Output))).Interface(),
	}
	if op.Path == "" {
		op.Path = "/"
	}
	if given.Input != nil {
		op.Root = given.Input.LocationName
	}
	return &wire.Service{
		Name: "test", Protocols: []wire.Protocol{s.protocol()}, TargetPrefix: s.Metadata.TargetPrefix,
		Namespace: "urn:test", Operations: []*wire.Operation{op},
	}
}

// typeOf returns the struct of an input or output.
func (s *suite) typeOf(use *shape) reflect.Type {
	if use == nil {
		return reflect.TypeFor[struct{}]()
	}
	return types{s.Shapes}.structOf(s.Shapes[use.Shape].merge(use), 0)
}

func (s *suite) checkInput(t *testing.T, i int) {
	c := s.Cases[i]
	method := c.Given.HTTP.Method
	if method == "" {
		method = http.MethodPost
	}
	service := s.service(i)
	service.Operations[0].Method = method
	r := httptest.NewRequestWithContext(t.Context(), method, c.Serialized.URI, strings.NewReader(c.Serialized.Body))
	for k, v := range c.Serialized.Headers {
		r.Header.Set(k, v)
	}
	if s.Metadata.Protocol == "json" && r.Header.Get("X-Amz-Target") == "" { // the test leaves it out
		r.Header.Set("X-Amz-Target", service.TargetPrefix+"."+c.Given.Name)
	}
	op, p, err := service.Match(r, []byte(c.Serialized.Body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.Decode(p, op, r, []byte(c.Serialized.Body))
	if err != nil {
		t.Fatal(err)
	}
	want := op.NewInput()
	if c.Params != nil && c.Given.Input != nil {
		types{s.Shapes}.set(reflect.ValueOf(want).Elem(), c.Params, c.Given.Input)
	}
	same := equal(reflect.ValueOf(got), reflect.ValueOf(want)) || s.Metadata.Protocol == "rest-json" && isEmptyPayload(got, want)
	if !same {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("decoded %s\nas %s\nnot %s", c.Serialized.Body, g, w)
	}
}

func (s *suite) checkOutput(t *testing.T, i int) {
	c := s.Cases[i]
	service := s.service(i)
	op := service.Operations[0]
	out := op.NewOutput()
	if c.Result != nil && c.Given.Output != nil {
		types{s.Shapes}.set(reflect.ValueOf(out).Elem(), c.Result, c.Given.Output)
	}
	w := httptest.NewRecorder()
	if err := wire.Encode(w, service, s.protocol(), op, out, "request-id"); err != nil {
		t.Fatal(err)
	}
	if w.Code != c.Response.StatusCode && c.Response.StatusCode != 0 {
		t.Errorf("status %d, want %d", w.Code, c.Response.StatusCode)
	}
	for k, v := range c.Response.Headers {
		if got := w.Header().Get(k); got != v {
			t.Errorf("header %s: %q, want %q", k, got, v)
		}
	}
	got, want := w.Body.String(), c.Response.Body
	same := got == want
	if !same && strings.Contains(s.Metadata.Protocol, "json") {
		same = reflect.DeepEqual(jsonTree(got), jsonTree(want))
	} else if !same {
		same = reflect.DeepEqual(xmlTree(got), xmlTree(want))
	}
	if !same {
		t.Errorf("encoded %s\nnot %s", got, want)
	}
}

// isEmptyPayload reports whether got has an empty structure where want has
// nothing: in REST-JSON a client writes both as {}.
func isEmptyPayload(got, want any) bool {
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	for _, empty := range []string{`{"Baz":null}`, `{"Data":null}`, `{"BodyField":null,"BodyListField":null}`} {
		g = bytes.Replace(g, []byte(empty), []byte("null"), 1)
	}
	return bytes.Equal(g, w)
}

// equal compares decoded values; an empty list or map equals an absent one,
// and streams are compared by what they carry.
func equal(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return equal(a.Elem(), b.Elem())
	case reflect.Interface:
		return readAll(a) == readAll(b)
	case reflect.Struct:
		if at, ok := reflect.TypeAssert[time.Time](a); ok {
			return at.Equal(b.Interface().(time.Time))
		}
		for i := range a.NumField() {
			if !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Map:
		return a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface())
	default:
		return a.Interface() == b.Interface()
	}
}

func readAll(v reflect.Value) string {
	if v.IsNil() {
		return ""
	}
	text, err := io.ReadAll(v.Interface().(io.Reader))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
