package iam

import (
	"reflect"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// TestMethodsAreOperations finds methods that no request could ever reach: those
// whose name, input or output is not that of an operation of the API.
func TestMethodsAreOperations(t *testing.T) {
	model := api.API()
	service := reflect.TypeFor[*Service]()
	for method := range service.Methods() {
		name := method.Name
		if op := model.Operation(name); op == nil {
			t.Errorf("method %s is no operation", name)
		} else if op.Bind(&Service{}) == nil {
			t.Errorf("method %s does not have the operation's input and output", name)
		}
	}
	if service.NumMethod() == 0 {
		t.Error("the service has no methods")
	}
}
