package iam

import (
	"context"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// nobody lets nobody do anything, and notes what was asked.
type nobody struct {
	action string
	asked  int
}

func (n *nobody) Authorize(_ context.Context, q policy.Request) error {
	n.action = q.Action
	n.asked++
	return cloud.Errorf("AccessDenied", "not authorized")
}

// Every operation asks before it does or tells anything, once, in its own name.
func TestEveryOperationAsks(t *testing.T) {
	r := newRig(t)
	judge := &nobody{}
	r.Authz = judge
	asked := 0
	for _, op := range api.API().Operations {
		handle := op.Bind(r.Service)
		if handle == nil {
			continue
		}
		*judge = nobody{}
		_, err := handle(r.ctx, op.NewInput())
		want(t, op.Name, err, "AccessDenied")
		if judge.action != "iam:"+op.Name || judge.asked != 1 {
			t.Errorf("%s asked for %q, %d times", op.Name, judge.action, judge.asked)
		}
		_, err = handle(t.Context(), op.NewInput())
		want(t, op.Name+" without a caller", err, "MissingAuthenticationToken")
		asked++
	}
	if asked < 79 {
		t.Errorf("only %d operations were tried", asked)
	}
}
