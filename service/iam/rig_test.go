package iam

import (
	"context"
	"errors"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/store"
)

// The accounts of a rig.
const (
	alice = identitytest.Alice
	bob   = identitytest.Bob
)

// rig is a Service on a test cloud: a real store, and the real judge. ctx is the
// root of alice's account, bob that of bob's.
type rig struct {
	*Service
	testing.TB
	cloud    *identitytest.Cloud
	ctx, bob context.Context
}

func newRig(t testing.TB) *rig {
	t.Helper()
	c := identitytest.New(t)
	return &rig{
		Service: &Service{Judge: c.Judge, Authz: c.Judge, PageKey: []byte("a key of the rig")},
		TB:      t, cloud: c, ctx: c.AsRoot(alice), bob: c.AsRoot(bob),
	}
}

// update runs a transaction that must succeed.
func (r *rig) update(fn func(*store.Tx) error) {
	r.Helper()
	r.cloud.Update(fn)
}

// as returns a context for calls of a principal of alice's, e.g. "user/staff/carol".
func (r *rig) as(resource string) context.Context {
	r.Helper()
	return r.cloud.As(r.arn(alice, resource))
}

// code is the API's code of an error, "" for nil.
func code(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return e.Code
	}
	return "InternalError: " + err.Error()
}

// want fails unless err has the code ("" for none) and, if given, the message.
func want(t testing.TB, what string, err error, wanted string, message ...string) {
	t.Helper()
	if code(err) != wanted {
		t.Errorf("%s: got error %v, want code %q", what, err, wanted)
		return
	}
	if e, ok := errors.AsType[*cloud.Error](err); ok && len(message) > 0 && e.Message != message[0] {
		t.Errorf("%s: got message %q, want %q", what, e.Message, message[0])
	}
}

// must fails the test if an operation does.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// second is the error of an operation.
func second[T any](_ T, err error) error { return err }
