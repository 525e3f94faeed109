package matrix

import api "github.com/vauban-cloud/vauban/awsapi/iam"

// iamPolicies are the operations on managed policies.
var iamPolicies = table{
	"iam:CreatePolicy": func(w *world) row {
		arn := w.iamARN("policy/team/rules")
		return row{
			in:    &api.CreatePolicyRequest{PolicyName: new("rules"), Path: new(path), PolicyDocument: new(document), Tags: blueIAM},
			needs: []need{on(arn, "aws:RequestTag/team", "blue"), also("iam:TagPolicy", arn, "aws:RequestTag/team", "blue")},
		}
	},
	"iam:GetPolicy":    onPolicy(func(arn string) any { return &api.GetPolicyRequest{PolicyArn: &arn} }),
	"iam:DeletePolicy": onPolicy(func(arn string) any { return &api.DeletePolicyRequest{PolicyArn: &arn} }),
	"iam:ListPolicies": func(w *world) row {
		w.policy("rules")
		return row{in: &api.ListPoliciesRequest{Scope: new("Local")}}
	},
	"iam:CreatePolicyVersion": onPolicy(func(arn string) any {
		return &api.CreatePolicyVersionRequest{PolicyArn: &arn, PolicyDocument: new(document)}
	}),
	"iam:GetPolicyVersion":   onPolicy(func(arn string) any { return &api.GetPolicyVersionRequest{PolicyArn: &arn, VersionId: new("v1")} }),
	"iam:ListPolicyVersions": onPolicy(func(arn string) any { return &api.ListPolicyVersionsRequest{PolicyArn: &arn} }),
	"iam:SetDefaultPolicyVersion": onVersions(func(arn string) any {
		return &api.SetDefaultPolicyVersionRequest{PolicyArn: &arn, VersionId: new("v2")}
	}),
	"iam:DeletePolicyVersion":   onVersions(func(arn string) any { return &api.DeletePolicyVersionRequest{PolicyArn: &arn, VersionId: new("v2")} }),
	"iam:ListEntitiesForPolicy": onPolicy(func(arn string) any { return &api.ListEntitiesForPolicyRequest{PolicyArn: &arn} }),
	"iam:ListPolicyTags":        onPolicy(func(arn string) any { return &api.ListPolicyTagsRequest{PolicyArn: &arn} }),
	"iam:TagPolicy":             onPolicy(func(arn string) any { return &api.TagPolicyRequest{PolicyArn: &arn, Tags: blueIAM} }, "aws:RequestTag/team", "blue"),
	"iam:UntagPolicy":           onPolicy(func(arn string) any { return &api.UntagPolicyRequest{PolicyArn: &arn, TagKeys: []string{"team"}} }, "aws:TagKeys", "team"),
}

// onPolicy is the row of an operation on a managed policy.
func onPolicy(in func(arn string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		arn := w.policy("rules")
		return row{in: in(arn), needs: []need{on(arn, append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
	}
}

// onVersions is onPolicy with a version v2, which is not the default.
func onVersions(in func(arn string) any) func(*world) row {
	return func(w *world) row {
		r := onPolicy(in)(w)
		made[*api.CreatePolicyVersionResponse](w, Alice, &api.CreatePolicyVersionRequest{PolicyArn: &r.needs[0].resource, PolicyDocument: new(document)})
		return r
	}
}
