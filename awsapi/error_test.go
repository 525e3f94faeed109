// Package awsapi_test holds the generated packages and their codec against
// what the AWS SDK for Go really sends and understands.
package awsapi_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

// refusal is a server that answers every request with an error.
type refusal struct {
	api *wire.Service
	err *wire.Error
}

func (s refusal) Do(r *http.Request) (*http.Response, error) {
	op, p, err := s.api.Match(r, body(r))
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	wire.EncodeError(w, s.api, p, op, s.err, "request-id")
	return w.Result(), nil
}

// TestErrors has the real SDK clients read an error that the model knows, and
// one that it does not.
func TestErrors(t *testing.T) {
	for _, test := range clients {
		operation := map[string]string{
			"ec2": "DescribeInstances", "sts": "GetCallerIdentity", "iam": "ListUsers", "organizations": "ListRoots", "s3": "ListBuckets",
			"kms": "ListKeys", "elasticloadbalancing": "DescribeTags", "monitoring": "ListMetrics", "logs": "DescribeLogGroups", "cloudtrail": "ListTrails",
			"ebs": "ListSnapshotBlocks", "rbin": "ListRules", "dlm": "GetLifecyclePolicies",
		}[test.api.Name]
		refused := []wire.Error{{Code: "Unheard.Of", Message: "A <strange> & unknown thing.", Status: 418}}
		if len(test.api.Errors) > 0 {
			known := test.api.Errors[0]
			refused = append(refused, wire.Error{Code: known.Code, Message: "Known.", Status: known.Status})
		}
		for _, want := range refused {
			t.Run(test.api.Name+" "+want.Code, func(t *testing.T) {
				sent := want
				if sent.Status != 418 {
					sent.Status = 0 // the model has it
				}
				client := reflect.ValueOf(test.client(config(refusal{test.api, &sent})))
				method := client.MethodByName(operation)
				in := reflect.New(method.Type().In(1).Elem())
				fill(in.Elem(), operation, true)
				err, _ := reflect.TypeAssert[error](method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})[1])
				var api smithy.APIError
				var response *smithyhttp.ResponseError
				if !errors.As(err, &api) || !errors.As(err, &response) {
					t.Fatalf("got %v", err)
				}
				if api.ErrorCode() != want.Code || api.ErrorMessage() != want.Message || response.HTTPStatusCode() != want.Status {
					t.Errorf("got %q %q %d, want %+v", api.ErrorCode(), api.ErrorMessage(), response.HTTPStatusCode(), want)
				}
			})
		}
	}
}
