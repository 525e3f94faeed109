package organizations

import (
	"context"
	"reflect"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// TestMethodsAreOperations finds methods that no request could ever reach: those
// whose name, input or output is not that of an operation of the API.
func TestMethodsAreOperations(t *testing.T) {
	service := reflect.TypeFor[*Service]()
	for method := range service.Methods() {
		name := method.Name
		if op := api.API().Operation(name); op == nil {
			t.Errorf("method %s is no operation", name)
		} else if op.Bind(&Service{}) == nil {
			t.Errorf("method %s does not have the operation's input and output", name)
		}
	}
}

// nobody lets nobody do anything, and notes what was asked.
type nobody struct{ asked []policy.Request }

func (n *nobody) Authorize(_ context.Context, q policy.Request) error {
	n.asked = append(n.asked, q)
	return cloud.Errorf("AccessDeniedException", "nobody may")
}

// Every operation asks once, in its own name, before it does or tells anything.
func TestEveryOperationAsks(t *testing.T) {
	r := newRig(t)
	judge := &nobody{}
	r.Authz = judge
	asked, before := 0, r.DB.View().Revision()
	for _, op := range api.API().Operations {
		handle := op.Bind(r.Service)
		if handle == nil {
			continue
		}
		judge.asked = nil
		_, err := handle(r.ctx, op.NewInput())
		want(t, op.Name, err, "AccessDeniedException")
		if len(judge.asked) != 1 || judge.asked[0].Action != "organizations:"+op.Name {
			t.Errorf("%s asked for %v", op.Name, judge.asked)
		}
		_, err = handle(t.Context(), op.NewInput())
		want(t, op.Name+" without a caller", err, "AccessDeniedException")
		asked++
	}
	if asked < 30 {
		t.Errorf("only %d operations were tried", asked)
	}
	if r.DB.View().Revision() != before {
		t.Error("something was changed")
	}
}

// Members may ask about their organization, and nothing else, whatever their
// policies say.
func TestMembers(t *testing.T) {
	r := newRig(t)
	r.Authz = everybody{}
	open := map[string]string{
		"DescribeOrganization":    "",
		"CreateOrganization":      "AlreadyInOrganizationException",
		"LeaveOrganization":       "ConstraintViolationException ACCOUNT_CANNOT_LEAVE_ORGANIZATION",
		"DescribeEffectivePolicy": "InvalidInputException INPUT_REQUIRED",
	}
	for _, op := range api.API().Operations {
		handle := op.Bind(r.Service)
		if handle == nil {
			continue
		}
		wanted, ok := open[op.Name]
		if !ok {
			wanted = "AccessDeniedException"
		}
		_, err := handle(r.AsRoot(alice), op.NewInput())
		want(t, op.Name+" by a member", err, wanted)
	}
}

// everybody lets everybody do everything.
type everybody struct{}

func (everybody) Authorize(context.Context, policy.Request) error { return nil }

// What policy is told about requests.
func TestAsks(t *testing.T) {
	r := newRig(t)
	team := r.unit(r.root, "team")
	deny := r.policy("deny", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}`)
	for _, id := range []string{r.root, team, alice, deny} {
		must(r.TagResource(r.ctx, &api.TagResourceRequest{ResourceId: &id, Tags: tags("id", id)}))(t)
	}
	o := must(r.DescribeOrganization(r.ctx, nil))(t).Organization
	arn := "arn:aws:organizations::" + management + ":"
	judge := &nobody{}
	r.Authz = judge
	for what, test := range map[string]struct {
		call func() error
		arns []string
		keys keys
	}{
		"attach": {
			func() error {
				_, err := r.AttachPolicy(r.ctx, &api.AttachPolicyRequest{PolicyId: &deny, TargetId: &team})
				return err
			},
			[]string{arn + "policy/" + *o.Id + "/service_control_policy/" + deny, arn + "ou/" + *o.Id + "/" + team},
			keys{"organizations:PolicyType": {controlPolicies}},
		},
		"attach FullAWSAccess": {
			func() error {
				_, err := r.AttachPolicy(r.ctx, &api.AttachPolicyRequest{PolicyId: new(cloud.FullAccess), TargetId: &r.root})
				return err
			},
			[]string{"arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess", arn + "root/" + *o.Id + "/" + r.root},
			keys{"organizations:PolicyType": {controlPolicies}},
		},
		"move": {
			func() error { return r.move(alice, r.root, team) },
			[]string{arn + "account/" + *o.Id + "/" + alice, arn + "root/" + *o.Id + "/" + r.root, arn + "ou/" + *o.Id + "/" + team},
			nil,
		},
		"what does not exist": {
			func() error {
				_, err := r.CloseAccount(r.ctx, &api.CloseAccountRequest{AccountId: new("999999999999")})
				return err
			},
			[]string{arn + "account/" + *o.Id + "/999999999999"},
			nil,
		},
		"tags": {
			func() error {
				_, err := r.TagResource(r.ctx, &api.TagResourceRequest{ResourceId: &team, Tags: tags("a", "1", "b", "2")})
				return err
			},
			[]string{arn + "ou/" + *o.Id + "/" + team},
			keys{"aws:RequestTag/a": {"1"}, "aws:RequestTag/b": {"2"}, "aws:TagKeys": {"a", "b"}},
		},
	} {
		judge.asked = nil
		want(t, what, test.call(), "AccessDeniedException")
		q := judge.asked[0]
		var arns []string
		for _, about := range q.Resources {
			arns = append(arns, about.ARN)
			if id := about.Tags["id"]; id != "" && about.ARN[len(about.ARN)-len(id):] != id {
				t.Errorf("%s: %s has the tags of %s", what, about.ARN, id)
			}
		}
		if !reflect.DeepEqual(arns, test.arns) {
			t.Errorf("%s is about %q, want %q", what, arns, test.arns)
		}
		if len(q.Keys)+len(test.keys) > 0 && !reflect.DeepEqual(keys(q.Keys), test.keys) {
			t.Errorf("%s has the keys %v, want %v", what, q.Keys, test.keys)
		}
	}
}
