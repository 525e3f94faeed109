package sts_test

import (
	"reflect"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/service/sts"
)

// TestMethodsAreOperations finds methods that no request could ever reach: those
// whose name, input or output is not that of an operation of the API.
func TestMethodsAreOperations(t *testing.T) {
	table := api.API()
	service := reflect.TypeFor[*sts.Service]()
	for method := range service.Methods() {
		name := method.Name
		if op := table.Operation(name); op == nil {
			t.Errorf("method %s is no operation", name)
		} else if op.Bind(&sts.Service{}) == nil {
			t.Errorf("method %s does not have the operation's input and output", name)
		}
	}
	if n := service.NumMethod(); n != 8 {
		t.Errorf("the service has %d methods", n)
	}
}
