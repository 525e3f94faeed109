package matrix

import api "github.com/vauban-cloud/vauban/awsapi/dlm"

// dlmRows are the operations on data lifecycle policies.
var dlmRows = table{
	"dlm:CreateLifecyclePolicy": func(w *world) row {
		in, all := w.newPolicy(), w.policyARN("*")
		return row{in: in, needs: []need{
			on(all, "aws:RequestTag/team", "blue"), also("dlm:TagResource", all, "aws:RequestTag/team", "blue"),
			also("iam:PassRole", *in.ExecutionRoleArn, blue, "blue", "iam:PassedToService", "dlm.amazonaws.com"),
		}, other: "AccessDeniedException"}
	},
	"dlm:GetLifecyclePolicies": func(w *world) row {
		w.lifecyclePolicy()
		return row{in: &api.GetLifecyclePoliciesRequest{}}
	},
	"dlm:GetLifecyclePolicy": onLifecycle(func(id, _ string) any { return &api.GetLifecyclePolicyRequest{PolicyId: &id} }),
	"dlm:UpdateLifecyclePolicy": onLifecycle(func(id, _ string) any {
		return &api.UpdateLifecyclePolicyRequest{PolicyId: &id, State: new("DISABLED")}
	}),
	"dlm:DeleteLifecyclePolicy": onLifecycle(func(id, _ string) any { return &api.DeleteLifecyclePolicyRequest{PolicyId: &id} }),
	"dlm:ListTagsForResource":   onLifecycle(func(_, arn string) any { return &api.ListTagsForResourceRequest{ResourceArn: &arn} }),
	"dlm:TagResource": onLifecycle(func(_, arn string) any {
		return &api.TagResourceRequest{ResourceArn: &arn, Tags: map[string]string{"k": "v"}}
	}, "aws:RequestTag/k", "v", "aws:TagKeys", "k"),
	"dlm:UntagResource": onLifecycle(func(_, arn string) any {
		return &api.UntagResourceRequest{ResourceArn: &arn, TagKeys: []string{"team"}}
	}, "aws:TagKeys", "team"),
}

// newPolicy is a policy that takes a snapshot a day of what carries team=blue.
func (w *world) newPolicy() *api.CreateLifecyclePolicyRequest {
	w.Helper()
	_, role := w.profile("keeper")
	return &api.CreateLifecyclePolicyRequest{
		Description: new("nightly"), ExecutionRoleArn: &role, State: new("ENABLED"), Tags: blueTags,
		PolicyDetails: &api.PolicyDetails{ResourceTypes: []string{"VOLUME"}, TargetTags: []api.Tag{{Key: new("team"), Value: new("blue")}}, Schedules: []api.Schedule{{
			Name:       new("daily"),
			CreateRule: &api.CreateRule{Interval: new(int32(24)), IntervalUnit: new("HOURS"), Times: []string{"03:00"}}, RetainRule: &api.RetainRule{Count: new(int32(7))},
		}}},
	}
}

// lifecyclePolicy makes that policy of Alice's, and returns its ID.
func (w *world) lifecyclePolicy() string {
	w.Helper()
	return *made[*api.CreateLifecyclePolicyResponse](w, Alice, w.newPolicy()).PolicyId
}

func (w *world) policyARN(id string) string { return w.Place.ARN("dlm", Alice, "policy/"+id) }

// onLifecycle is the row of an operation on one policy.
func onLifecycle(in func(id, arn string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		id := w.lifecyclePolicy()
		arn := w.policyARN(id)
		return row{in: in(id, arn), needs: []need{on(arn, append(pairs, blue, "blue")...)}, other: "ResourceNotFoundException"}
	}
}
