package awsapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkcloudtrail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdkcloudwatch "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	sdklogs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	sdkdlm "github.com/aws/aws-sdk-go-v2/service/dlm"
	sdkebs "github.com/aws/aws-sdk-go-v2/service/ebs"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdkelbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdkorganizations "github.com/aws/aws-sdk-go-v2/service/organizations"
	sdkrbin "github.com/aws/aws-sdk-go-v2/service/rbin"
	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"

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

// clients are the real clients of every service.
var clients = []struct {
	api    *wire.Service
	client func(aws.Config) any
}{
	{ec2.API(), func(c aws.Config) any { return sdkec2.NewFromConfig(c) }},
	{sts.API(), func(c aws.Config) any { return sdksts.NewFromConfig(c) }},
	{iam.API(), func(c aws.Config) any { return sdkiam.NewFromConfig(c) }},
	{organizations.API(), func(c aws.Config) any { return sdkorganizations.NewFromConfig(c) }},
	{s3.API(), func(c aws.Config) any {
		return sdks3.NewFromConfig(c, func(o *sdks3.Options) { o.UsePathStyle = true })
	}},
	{ebs.API(), func(c aws.Config) any { return sdkebs.NewFromConfig(c) }},
	{rbin.API(), func(c aws.Config) any { return sdkrbin.NewFromConfig(c) }},
	{dlm.API(), func(c aws.Config) any { return sdkdlm.NewFromConfig(c) }},
	{kms.API(), func(c aws.Config) any { return sdkkms.NewFromConfig(c) }},
	{elbv2.API(), func(c aws.Config) any { return sdkelbv2.NewFromConfig(c) }},
	{cloudwatch.API(), func(c aws.Config) any { return sdkcloudwatch.NewFromConfig(c) }},
	{logs.API(), func(c aws.Config) any { return sdklogs.NewFromConfig(c) }},
	{cloudtrail.API(), func(c aws.Config) any { return sdkcloudtrail.NewFromConfig(c) }},
}

// config has a client talk to the server.
func config(server aws.HTTPClient) aws.Config {
	return aws.Config{
		Region:                     "eu-paris-1",
		BaseEndpoint:               aws.String("http://localhost:4566"),
		Credentials:                credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
		HTTPClient:                 server,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// TestRoundTrip calls every operation of the real SDK clients with every
// member set, and answers with every member set: what either side decodes is
// compared member by member with what the other one had.
func TestRoundTrip(t *testing.T) {
	for _, test := range clients {
		t.Run(test.api.Name, func(t *testing.T) {
			server := &echo{api: test.api}
			client := reflect.ValueOf(test.client(config(server)))
			operations, members := 0, 0
			for i := range client.NumMethod() {
				m := client.Type().Method(i)
				if m.Type.NumIn() != 4 || m.Type.In(1) != reflect.TypeFor[context.Context]() || skipped[m.Name] != "" {
					continue
				}
				operations++
				members += server.check(t, m.Name, client.Method(i))
			}
			t.Logf("%d operations, %d members", operations, members)
		})
	}
}

// echo is the server: it keeps the input that it decodes, and answers with
// an output whose members are all set.
type echo struct {
	api     *wire.Service
	in, out any
	err     error
}

// body returns what a request carries.
func body(r *http.Request) []byte {
	if r.Body == nil {
		return []byte{}
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it is in memory
	}
	return b
}

// content is a body that can be read again.
type content struct{ *strings.Reader }

func (content) Close() error { return nil }

// plain says that strings are limited to what a header may carry.
func (e *echo) plain() bool { return e.api.Name == "s3" }

func (e *echo) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.ContentLength > 0 {
		r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10)) // as a server has it
	}
	e.err = func() error {
		body := body(r)
		op, p, err := e.api.Match(r, body)
		if err != nil {
			return err
		}
		if e.in, err = wire.Decode(p, op, r, body); err != nil {
			return err
		}
		e.out = op.NewOutput()
		fill(reflect.ValueOf(e.out).Elem(), op.Name, e.plain())
		return wire.Encode(w, e.api, p, op, e.out, "request-id")
	}()
	if e.err != nil {
		return nil, e.err
	}
	return w.Result(), nil
}

// check calls an operation, and returns how many members it compared.
func (e *echo) check(t *testing.T, name string, method reflect.Value) int {
	in := reflect.New(method.Type().In(1).Elem())
	fill(in.Elem(), name, e.plain())
	results := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
	if err := results[1].Interface(); err != nil {
		t.Errorf("%s: %v", name, err)
		return 0
	}
	d := diff{}
	d.compare(name+" input", reflect.ValueOf(e.in), in)
	d.compare(name+" output", reflect.ValueOf(e.out), results[0])
	for _, difference := range d.found {
		t.Error(difference)
	}
	return d.members
}

// fill sets everything in v to a value that follows from its path, so that
// two members hardly share one; plain strings fit into a header. It leaves out what is within, a struct that
// contains itself.
func fill(v reflect.Value, path string, plain bool, within ...reflect.Type) {
	n := 1
	for _, c := range path {
		n = (n*31 + int(c)) % 1_000_003
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !slices.Contains(within, v.Type().Elem()) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), path, plain, within...)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			at := time.Unix(1_600_000_000+int64(n), 0).UTC()
			if !plain {
				at = at.Add(250 * time.Millisecond)
			}
			v.Set(reflect.ValueOf(at))
			return
		}
		for i := range v.NumField() {
			if i > 0 && slices.Contains(unions, v.Type().Name()) {
				break
			}
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), path+"."+v.Type().Field(i).Name, plain, append(within, v.Type())...)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(path))
			return
		}
		if slices.Contains(within, v.Type().Elem()) {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), fmt.Sprint(path, i), plain, within...)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 2 {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value, fmt.Sprint(path, i), plain, within...)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key", i)).Convert(v.Type().Key()), value)
		}
	case reflect.Interface:
		if v.Type().Implements(reflect.TypeFor[io.Reader]()) {
			v.Set(reflect.ValueOf(content{strings.NewReader(path)}))
		}
	case reflect.String:
		name := path[strings.LastIndexByte(path, '.')+1:]
		v.SetString(fmt.Sprintf("%d & <%s> é\n", n, name))
		if plain {
			v.SetString(fmt.Sprintf("%s-%d", strings.ToLower(name), n))
		}
		if plain && name == "ChecksumAlgorithm" {
			v.SetString("CRC32") // the client computes it
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32:
		v.SetInt(int64(n))
	case reflect.Int64:
		v.SetInt(int64(n) << 31)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(n) + 0.25)
	default:
		panic("no value for a " + v.Type().String())
	}
}

// diff collects where two values of the same shape differ.
type diff struct {
	members int
	found   []string
}

func (d *diff) add(path, format string, args ...any) {
	d.found = append(d.found, path+": "+fmt.Sprintf(format, args...))
}

// apart are the members that the comparison passes over, with the reason.
var apart = map[string]string{
	"ResultMetadata":      "of the SDK alone",
	"DestinationRegion":   "the SDK presigns a copy with its own region",
	"PresignedUrl":        "the SDK makes it itself",
	"PolicyExclusionList": "a list of unions; its snapshot decodes",
	"ExpiresString":       "the SDK makes it of Expires",
	"RecursiveLogging":    "newer than the release of the SDK's cloudtrail module",
}

// unions are the structs of which just one member may be set: the first, here.
// The SDK has an interface for each, with a type for each member. Reflection
// cannot choose among those, so inputs go without.
var unions = []string{"AnalyticsFilter", "MetricsFilter", "EvaluationCriteria", "EvaluationWindow", "IntegrationDetails"}

// skipped are the operations that this test cannot call, with the reason.
var skipped = map[string]string{
	"ListDirectoryBuckets":   "the client wants a session of S3 Express first",
	"UpdateObjectEncryption": "requires a union; its snapshot decodes",
	"PutIntegration":         "requires a union; its snapshot decodes",
	"SelectObjectContent":    "answers with an event stream, which the codec does not write",
	"GetLogObject":           "answers with an event stream, which the codec does not write",
	"StartLiveTail":          "answers with an event stream, which the codec does not write",
}

// compare walks ours, a generated type, and theirs, the SDK's of that shape.
func (d *diff) compare(path string, ours, theirs reflect.Value) {
	for ours.Kind() == reflect.Pointer {
		if ours.IsNil() {
			if !theirs.IsZero() {
				d.add(path, "we have nothing, the SDK has %v", theirs)
			}
			return
		}
		ours = ours.Elem()
	}
	for theirs.Kind() == reflect.Pointer {
		if theirs.IsNil() {
			d.add(path, "the SDK has nothing, we have %v", ours)
			return
		}
		theirs = theirs.Elem()
	}
	if theirs.Kind() == reflect.Interface && ours.Kind() == reflect.Struct {
		_, member, _ := strings.Cut(theirs.Elem().Elem().Type().Name(), "Member")
		d.compare(path+"."+member, ours.FieldByName(member), theirs.Elem().Elem().FieldByName("Value"))
		return
	}
	switch {
	case ours.Kind() == reflect.Interface:
		d.members++
		if a, b := readAll(ours), readAll(theirs); a != b {
			d.add(path, "%q is not %q", a, b)
		}
	case ours.Kind() != theirs.Kind():
		d.add(path, "our %v is their %v", ours.Type(), theirs.Type())
	case ours.Type() == reflect.TypeFor[time.Time]():
		d.members++
		if !ours.Interface().(time.Time).Equal(theirs.Interface().(time.Time)) {
			d.add(path, "%v is not %v", ours, theirs)
		}
	case ours.Kind() == reflect.Struct:
		d.structs(path, ours, theirs)
	case ours.Kind() == reflect.Slice:
		if ours.Len() != theirs.Len() {
			d.add(path, "%d items, not %d", ours.Len(), theirs.Len())
			return
		}
		for i := range ours.Len() {
			d.compare(fmt.Sprintf("%s[%d]", path, i), ours.Index(i), theirs.Index(i))
		}
	case ours.Kind() == reflect.Map:
		if ours.Len() != theirs.Len() {
			d.add(path, "%d entries, not %d", ours.Len(), theirs.Len())
			return
		}
		for _, key := range ours.MapKeys() {
			d.compare(fmt.Sprintf("%s[%v]", path, key), ours.MapIndex(key), theirs.MapIndex(key))
		}
	default:
		d.members++
		if !ours.Equal(theirs.Convert(ours.Type())) {
			d.add(path, "%v is not %v", ours, theirs)
		}
	}
}

// readAll reads a body, from its start if it can.
func readAll(v reflect.Value) string {
	r := v.Interface().(io.Reader)
	if s, ok := r.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return err.Error()
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (d *diff) structs(path string, ours, theirs reflect.Value) {
	for i := range ours.NumField() {
		name := ours.Type().Field(i).Name
		f := theirs.FieldByName(name)
		switch {
		case apart[name] != "":
		case f.IsValid():
			d.compare(path+"."+name, ours.Field(i), f)
		default:
			d.add(path, "the SDK lacks our %s", name)
		}
	}
	for i := range theirs.NumField() {
		f := theirs.Type().Field(i)
		if f.IsExported() && apart[f.Name] == "" && !ours.FieldByName(f.Name).IsValid() {
			d.add(path, "we lack the SDK's %s", f.Name)
		}
	}
}
