package sts_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/identity/oidc"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/sts"
	"github.com/vauban-cloud/vauban/store"
)

const (
	alice = identitytest.Alice
	bob   = identitytest.Bob
)

// The tables that the tests write.
var (
	accounts store.Table[cloud.Account]
	keys     store.Table[cloud.AccessKey]
	users    store.Table[cloud.User]
	roles    store.Table[cloud.Role]
	managed  store.Table[cloud.ManagedPolicy]
	devices  store.Table[cloud.MFADevice]
	oidcs    store.Table[cloud.OIDCProvider]
	samls    store.Table[cloud.SAMLProvider]
)

// rig is a Service on a cloud of its own, where alice's account has the user
// carol, who may do nothing.
type rig struct {
	*identitytest.Cloud
	*sts.Service
	carol context.Context
	user  cloud.User
}

func newRig(t testing.TB) *rig {
	t.Helper()
	c := identitytest.New(t)
	r := &rig{Cloud: c, Service: &sts.Service{Judge: c.Judge, Authz: c.Judge, Web: oidc.NewVerifier(nil, c.Now)}}
	r.user = r.addUser(alice, "carol", "")
	r.carol = r.As("arn:aws:iam::" + alice + ":user/carol")
	return r
}

// addUser makes a user with an inline policy; empty: none.
func (r *rig) addUser(account, name, document string) cloud.User {
	r.Helper()
	u := cloud.User{Meta: cloud.Meta{ID: identity.NewID(identity.UserPrefix), Account: account, Created: r.Now()}, Name: name, Path: "/"}
	if document != "" {
		u.Inline = map[string]string{"p": document}
	}
	r.Update(func(tx *store.Tx) error {
		return errors.Join(users.Create(tx, u), tx.Claim(cloud.UserNames(account), cloud.IAMName(name), u.ID))
	})
	return u
}

// allowUser gives carol an inline policy, and takes the one that there was; empty:
// none.
func (r *rig) allowUser(document string) {
	r.Helper()
	r.Update(func(tx *store.Tx) error {
		return users.Modify(tx, r.user.ID, func(u *cloud.User) error {
			if u.Inline = nil; document != "" {
				u.Inline = map[string]string{"p": document}
			}
			return nil
		})
	})
}

// addRole makes a role of at most two hours that may do everything, and returns
// its ARN.
func (r *rig) addRole(account, path, name, trust string) string {
	r.Helper()
	role := cloud.Role{
		Meta: cloud.Meta{ID: identity.NewID(identity.RolePrefix), Account: account, Created: r.Now(), Tags: map[string]string{"tier": "gold"}},
		Name: name, Path: path, Trust: trust, MaxSession: 7200,
	}
	role.Inline = map[string]string{"all": allow("*")}
	r.Update(func(tx *store.Tx) error {
		return errors.Join(roles.Create(tx, role), tx.Claim(cloud.RoleNames(account), cloud.IAMName(name), role.ID))
	})
	return r.Place.GlobalARN("iam", account, role.Resource())
}

// modifyRole changes a role by its name.
func (r *rig) modifyRole(account, name string, fn func(*cloud.Role)) {
	r.Helper()
	role, ok := identity.Role(r.DB.View(), account, name)
	if !ok {
		r.Fatalf("no role %s", name)
	}
	r.Update(func(tx *store.Tx) error {
		return roles.Modify(tx, role.ID, func(role *cloud.Role) error { fn(role); return nil })
	})
}

// allow is an identity policy that allows actions with everything.
func allow(actions ...string) string {
	return document(map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"})
}

// trust is a trust policy for a principal, such as {"AWS": …}; conditions may be nil.
func trust(kind, principal string, conditions map[string]any, actions ...string) string {
	s := map[string]any{"Effect": "Allow", "Principal": map[string]string{kind: principal}, "Action": actions}
	if conditions != nil {
		s["Condition"] = conditions
	}
	return document(s)
}

func document(statements ...any) string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// assuming are the actions of a role that may be assumed with tags and a source
// identity.
var assuming = []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}

// request is one to assume a role.
func request(role string, edit func(*api.AssumeRoleRequest)) *api.AssumeRoleRequest {
	in := &api.AssumeRoleRequest{RoleArn: &role, RoleSessionName: new("build-7")}
	if edit != nil {
		edit(in)
	}
	return in
}

// with is a context for calls with credentials, found as the gateway finds them.
func (r *rig) with(c *api.Credentials) context.Context {
	r.Helper()
	secret, caller, active, err := r.Lookup(*c.AccessKeyId, *c.SessionToken)
	if err != nil || !active || secret != *c.SecretAccessKey {
		r.Fatalf("credentials %s: active %v, %v", *c.AccessKeyId, active, err)
	}
	caller.AccessKey, caller.Region, caller.SourceIP = *c.AccessKeyId, r.Place.Region, "192.0.2.1"
	return cloud.WithCaller(r.Context(), caller)
}

// session is what a context's caller acts with.
func session(ctx context.Context) cloud.Session { return *cloud.CallerFrom(ctx).Session }

// may reports whether a caller may do an action with a resource of alice's.
func (r *rig) may(ctx context.Context, action string) bool {
	r.Helper()
	err := r.Authorize(ctx, policy.Request{Caller: cloud.CallerFrom(ctx), Action: action, Resources: []policy.Resource{{ARN: "*", Owner: alice}}})
	if err != nil && !strings.Contains(err.Error(), "not authorized") {
		r.Fatal(err)
	}
	return err == nil
}

// want fails unless err has the code, "" for none, and its message the words.
func want(t testing.TB, what string, err error, code, words string) {
	t.Helper()
	e, _ := errors.AsType[*cloud.Error](err)
	switch {
	case err == nil && code == "":
	case e == nil || e.Code != code || !strings.Contains(e.Message, words):
		t.Errorf("%s: %v, want %q with %q", what, err, code, words)
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
