package sts_test

import (
	"context"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// nobody lets nobody do anything, and notes what was asked.
type nobody struct{ asked []policy.Request }

func (n *nobody) Authorize(_ context.Context, q policy.Request) error {
	n.asked = append(n.asked, q)
	return cloud.Errorf("AccessDenied", "no")
}

// Every operation asks before it does or tells anything, in its own name, but for
// the two that policies cannot forbid. (Those that identity providers prove ask in
// tests of their own.)
func TestEveryOperationAsks(t *testing.T) {
	r := newRig(t)
	judge := &nobody{}
	r.Authz = judge
	inputs := map[string]any{
		"AssumeRole":                 request("arn:aws:iam::"+alice+":role/missing", nil),
		"GetFederationToken":         &api.GetFederationTokenRequest{Name: new("bob")},
		"GetAccessKeyInfo":           &api.GetAccessKeyInfoRequest{},
		"DecodeAuthorizationMessage": &api.DecodeAuthorizationMessageRequest{},
	}
	free := map[string]any{
		"GetCallerIdentity": &api.GetCallerIdentityRequest{},
		"GetSessionToken":   &api.GetSessionTokenRequest{},
	}
	for name, in := range inputs {
		judge.asked = nil
		handle := api.API().Operation(name).Bind(r.Service)
		_, err := handle(r.carol, in)
		want(t, name, err, "AccessDenied", "no")
		if len(judge.asked) != 1 || judge.asked[0].Action != "sts:"+name || judge.asked[0].Caller.UserID != r.user.ID {
			t.Errorf("%s asked %+v", name, judge.asked)
		}
		_, err = handle(t.Context(), in)
		want(t, name+" without a caller", err, "MissingAuthenticationToken", "")
	}
	for name, in := range free {
		judge.asked = nil
		if _, err := api.API().Operation(name).Bind(r.Service)(r.carol, in); err != nil || judge.asked != nil {
			t.Errorf("%s: %v, asked %+v", name, err, judge.asked)
		}
	}
	anonymous := map[string]bool{"AssumeRoleWithWebIdentity": true, "AssumeRoleWithSAML": true}
	for _, op := range api.API().Operations {
		if op.Bind(r.Service) != nil && inputs[op.Name] == nil && free[op.Name] == nil && !anonymous[op.Name] {
			t.Errorf("%s is not tried", op.Name)
		}
	}
}
