package organizations

import (
	"context"
	"errors"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

const (
	management = identitytest.Management
	alice      = identitytest.Alice
	bob        = identitytest.Bob
)

// rig is a Service on a test cloud. ctx acts as the root of the management account.
type rig struct {
	*Service
	*identitytest.Cloud
	ctx  context.Context
	root string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	c := identitytest.New(t)
	r := &rig{Cloud: c, Service: &Service{Directory: c.Directory, Authz: c.Judge, PageKey: []byte("a key of the rig")}}
	r.ctx = c.AsRoot(management)
	o, _ := organizationTable.Get(c.DB.View(), cloud.OrganizationKey)
	r.root = o.Root
	return r
}

// code is the API's code of an error and its reason, "" for nil.
func code(err error) string {
	var e *cloud.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return "InternalError: " + err.Error()
	case e.Reason != "":
		return e.Code + " " + e.Reason
	}
	return e.Code
}

// want fails unless err has the code and reason ("" for none).
func want(t testing.TB, what string, err error, wanted string) {
	t.Helper()
	if code(err) != wanted {
		t.Errorf("%s: got error %v, want %q", what, err, wanted)
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

// unit makes a unit, and returns its ID.
func (r *rig) unit(parent, name string) string {
	r.Helper()
	out := must(r.CreateOrganizationalUnit(r.ctx, &api.CreateOrganizationalUnitRequest{ParentId: &parent, Name: &name}))(r)
	return *out.OrganizationalUnit.Id
}

// policy makes a control policy, and returns its ID.
func (r *rig) policy(name, document string) string {
	r.Helper()
	out := must(r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{Name: &name, Description: new(""), Content: &document, Type: new(controlPolicies)}))(r)
	return *out.Policy.PolicySummary.Id
}

func (r *rig) attach(id, target string) {
	r.Helper()
	must(r.AttachPolicy(r.ctx, &api.AttachPolicyRequest{PolicyId: &id, TargetId: &target}))(r)
}

func (r *rig) detach(id, target string) {
	r.Helper()
	must(r.DetachPolicy(r.ctx, &api.DetachPolicyRequest{PolicyId: &id, TargetId: &target}))(r)
}

func (r *rig) move(id, from, to string) error {
	_, err := r.MoveAccount(r.ctx, &api.MoveAccountRequest{AccountId: &id, SourceParentId: &from, DestinationParentId: &to})
	return err
}

// may asks the judge whether the root of an account may do something.
func (r *rig) may(account, action string) bool {
	r.Helper()
	err := r.Authorize(r.Context(), policy.Request{Caller: cloud.CallerFrom(r.AsRoot(account)), Action: action})
	var e *cloud.Error
	if err != nil && !errors.As(err, &e) {
		r.Fatal(err)
	}
	return err == nil
}

// tags makes tags from keys and values.
func tags(pairs ...string) []api.Tag {
	var out []api.Tag
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, api.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

// account reads an account.
func (r *rig) account(id string) cloud.Account {
	a, _ := accountTable.Get(r.DB.View(), id)
	return a
}

// complete gives an account what control/account gives it.
func (r *rig) complete(q string) {
	r.Helper()
	r.Update(func(tx *store.Tx) error {
		return requestTable.Modify(tx, q, func(q *cloud.AccountRequest) error { q.Completed = r.Now(); return nil })
	})
}
