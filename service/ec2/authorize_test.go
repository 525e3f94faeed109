package ec2

import (
	"context"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// nobody lets nobody do anything, and notes what was asked.
type nobody struct{ action string }

func (n *nobody) Authorize(_ context.Context, q policy.Request) error {
	n.action = q.Action
	return cloud.Errorf("UnauthorizedOperation", "You are not authorized to perform this operation.")
}

// Every operation asks before it does or tells anything, in its own name.
func TestEveryOperationAsks(t *testing.T) {
	r := newRig(t)
	judge := &nobody{}
	r.Authz = judge
	asked := 0
	for _, op := range ec2.API().Operations {
		handle := op.Bind(r.Service)
		if handle == nil {
			continue
		}
		judge.action = ""
		_, err := handle(r.ctx, op.NewInput())
		want(t, op.Name, err, "UnauthorizedOperation")
		if judge.action != "ec2:"+op.Name {
			t.Errorf("%s asked for %q", op.Name, judge.action)
		}
		_, err = handle(t.Context(), op.NewInput())
		want(t, op.Name+" without a caller", err, "AuthFailure")
		asked++
	}
	if asked < 50 {
		t.Errorf("only %d operations were tried", asked)
	}
}
