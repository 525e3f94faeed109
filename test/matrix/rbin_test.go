package matrix

import (
	ec2api "github.com/vauban-cloud/vauban/awsapi/ec2"
	api "github.com/vauban-cloud/vauban/awsapi/rbin"
)

// rule makes a rule of the recycle bin of Alice's, for all snapshots, and returns its ID.
func (w *world) rule() string {
	w.Helper()
	return *made[*api.CreateRuleResponse](w, Alice, newRule()).Identifier
}

func newRule() *api.CreateRuleRequest {
	return &api.CreateRuleRequest{
		ResourceType: new("EBS_SNAPSHOT"), RetentionPeriod: &api.RetentionPeriod{RetentionPeriodUnit: new("DAYS"), RetentionPeriodValue: new(int32(7))},
		Tags: []api.Tag{{Key: new("team"), Value: new("blue")}},
	}
}

// recycledImage is an image of Alice's in the recycle bin.
func (w *world) recycledImage() string {
	w.Helper()
	in := newRule()
	in.ResourceType = new("EC2_IMAGE")
	made[*api.CreateRuleResponse](w, Alice, in)
	id := w.image()
	made[*ec2api.DeregisterImageResult](w, Alice, &ec2api.DeregisterImageRequest{ImageId: &id})
	return id
}

// recycled is a snapshot of Alice's in the recycle bin.
func (w *world) recycled() string {
	w.Helper()
	w.rule()
	id := w.snapshot()
	made[*ec2api.DeleteSnapshotOutput](w, Alice, &ec2api.DeleteSnapshotRequest{SnapshotId: &id})
	return id
}

func (w *world) ruleARN(id string) string { return w.Place.ARN("rbin", Alice, "rule/"+id) }

func delay() *api.LockConfiguration {
	return &api.LockConfiguration{UnlockDelay: &api.UnlockDelay{UnlockDelayUnit: new("DAYS"), UnlockDelayValue: new(int32(7))}}
}

// rbinRows are the operations on the rules of the recycle bin.
var rbinRows = table{
	"rbin:CreateRule": func(w *world) row {
		in, all := newRule(), w.ruleARN("*")
		in.LockConfiguration = delay()
		return row{in: in, needs: []need{
			on(all, "rbin:Request/ResourceType", "EBS_SNAPSHOT", "aws:RequestTag/team", "blue"), also("rbin:TagResource", all, "aws:RequestTag/team", "blue"), also("rbin:LockRule", all),
		}}
	},
	"rbin:ListRules": func(w *world) row {
		w.rule()
		return row{in: &api.ListRulesRequest{ResourceType: new("EBS_SNAPSHOT")}, needs: []need{on(w.ruleARN("*"), "rbin:Request/ResourceType", "EBS_SNAPSHOT")}}
	},
	"rbin:GetRule":    onRule(func(id, _ string) any { return &api.GetRuleRequest{Identifier: &id} }),
	"rbin:UpdateRule": onRule(func(id, _ string) any { return &api.UpdateRuleRequest{Identifier: &id, Description: new("d")} }),
	"rbin:DeleteRule": onRule(func(id, _ string) any { return &api.DeleteRuleRequest{Identifier: &id} }),
	"rbin:LockRule":   onRule(func(id, _ string) any { return &api.LockRuleRequest{Identifier: &id, LockConfiguration: delay()} }),
	"rbin:UnlockRule": func(w *world) row {
		r := onRule(func(id, _ string) any { return &api.UnlockRuleRequest{Identifier: &id} })(w)
		made[*api.LockRuleResponse](w, Alice, &api.LockRuleRequest{Identifier: r.in.(*api.UnlockRuleRequest).Identifier, LockConfiguration: delay()})
		return r
	},
	"rbin:ListTagsForResource": onRule(func(_, arn string) any { return &api.ListTagsForResourceRequest{ResourceArn: &arn} }),
	"rbin:TagResource": onRule(func(_, arn string) any {
		return &api.TagResourceRequest{ResourceArn: &arn, Tags: []api.Tag{{Key: new("k"), Value: new("v")}}}
	}, "aws:RequestTag/k", "v", "aws:TagKeys", "k"),
	"rbin:UntagResource": onRule(func(_, arn string) any {
		return &api.UntagResourceRequest{ResourceArn: &arn, TagKeys: []string{"team"}}
	}, "aws:TagKeys", "team"),
}

// onRule is the row of an operation on one rule.
func onRule(in func(id, arn string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		id := w.rule()
		needs := []need{on(w.ruleARN(id), append(pairs, blue, "blue", "rbin:Attribute/ResourceType", "EBS_SNAPSHOT")...)}
		return row{in: in(id, w.ruleARN(id)), needs: needs, other: "ResourceNotFoundException"}
	}
}
