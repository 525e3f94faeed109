package awsapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// TestRoundTrip calls every operation of the real SDK clients with every
// member set, and answers with every member set: what either side decodes is
// compared member by member with what the other one had.
func TestRoundTrip(t *testing.T) {
	creds := credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", "")
	for _, test := range []struct {
		api    *wire.Service
		client func(aws.HTTPClient) any
	}{
		{ec2.API(), func(c aws.HTTPClient) any {
			return sdkec2.New(sdkec2.Options{Region: "eu-paris-1", Credentials: creds, HTTPClient: c})
		}},
		{sts.API(), func(c aws.HTTPClient) any {
			return sdksts.New(sdksts.Options{Region: "eu-paris-1", Credentials: creds, HTTPClient: c})
		}},
		{iam.API(), func(c aws.HTTPClient) any {
			return sdkiam.New(sdkiam.Options{Region: "eu-paris-1", Credentials: creds, HTTPClient: c})
		}},
	} {
		t.Run(test.api.Name, func(t *testing.T) {
			server := &echo{api: test.api}
			client := reflect.ValueOf(test.client(server))
			operations, members := 0, 0
			for i := range client.NumMethod() {
				m := client.Type().Method(i)
				if m.Type.NumIn() != 4 || m.Type.In(1) != reflect.TypeFor[context.Context]() {
					continue // Options
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

func (e *echo) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	e.err = func() error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		op, p, err := e.api.Match(r, body)
		if err != nil {
			return err
		}
		if e.in, err = wire.Decode(p, op, r, body); err != nil {
			return err
		}
		e.out = op.NewOutput()
		fill(reflect.ValueOf(e.out).Elem(), op.Name)
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
	fill(in.Elem(), name)
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
// two members hardly share one. It leaves out what is within, a struct that
// contains itself.
func fill(v reflect.Value, path string, within ...reflect.Type) {
	n := 1
	for _, c := range path {
		n = (n*31 + int(c)) % 1_000_003
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !slices.Contains(within, v.Type().Elem()) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), path, within...)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(1_600_000_000_250 + int64(n)*1000).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), path+"."+v.Type().Field(i).Name, append(within, v.Type())...)
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
			fill(v.Index(i), fmt.Sprint(path, i), within...)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 2 {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value, fmt.Sprint(path, i), within...)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key <", i, ">")).Convert(v.Type().Key()), value)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%d & <%s> é\n", n, path[strings.LastIndexByte(path, '.')+1:]))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32:
		v.SetInt(int64(n))
	case reflect.Int64:
		v.SetInt(int64(n) << 31)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(n) + 0.25)
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
	"PolicyExclusionList": "a union: reflection cannot choose among the types of an interface; TestSnapshots has it",
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
	switch {
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
