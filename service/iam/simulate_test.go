package iam

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/store"
)

const (
	readObjects = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::data/*"}]}`
	denyAll     = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
	object      = "arn:aws:s3:::data/x"
)

// entry is a context entry of one value.
func entry(name, kind string, values ...string) api.ContextEntry {
	return api.ContextEntry{ContextKeyName: &name, ContextKeyType: &kind, ContextKeyValues: values}
}

func TestSimulateCustomPolicyDecides(t *testing.T) {
	r := newRig(t)
	tagged := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"ec2:ResourceTag/Team":"web"},"Bool":{"aws:SecureTransport":"true"}}}}`
	bucketPolicy := func(principal string) *string {
		return new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}}`)
	}
	carol := "arn:aws:iam::" + alice + ":user/carol"
	type request = api.SimulateCustomPolicyRequest
	for _, c := range []struct {
		what     string
		in       request
		decision string
		matched  []string // source and position
		missing  []string
		details  map[string]string
	}{
		{
			what: "allowed", in: request{PolicyInputList: []string{readObjects}, ResourceArns: []string{object}},
			decision: "allowed", matched: []string{"PolicyInputList.1 IAM Policy 1:38-1:108"}, details: map[string]string{},
		},
		{what: "implicitly denied", in: request{PolicyInputList: []string{readObjects}}, decision: "implicitDeny"},
		{
			what: "explicitly denied", in: request{PolicyInputList: []string{readObjects, denyAll}, ResourceArns: []string{object}},
			decision: "explicitDeny", matched: []string{"PolicyInputList.2 IAM Policy 1:38-1:83"}, details: map[string]string{},
		},
		{
			what: "missing keys", in: request{ActionNames: []string{"ec2:StopInstances"}, PolicyInputList: []string{tagged}},
			decision: "implicitDeny", missing: []string{"aws:SecureTransport", "ec2:ResourceTag/Team"},
		},
		{
			what: "keys given", in: request{
				ActionNames: []string{"ec2:StopInstances"}, PolicyInputList: []string{tagged},
				ContextEntries: []api.ContextEntry{entry("EC2:resourcetag/team", "string", "web"), entry("aws:SecureTransport", "boolean", "true")},
			},
			decision: "allowed", matched: []string{"PolicyInputList.1 IAM Policy 1:37-1:185"},
		},
		{
			what: "bounded", in: request{PolicyInputList: []string{allowing("*")}, PermissionsBoundaryPolicyInputList: []string{allowing("ec2:*")}},
			decision: "implicitDeny",
		},
		{
			what: "by a resource policy", in: request{PolicyInputList: []string{allowing("ec2:*")}, ResourceArns: []string{object}, CallerArn: &carol, ResourcePolicy: bucketPolicy(carol)},
			decision: "allowed", matched: []string{"ResourcePolicy Resource Policy 1:37-1:171"}, details: map[string]string{},
		},
		{
			what: "of another account, by both", in: request{
				PolicyInputList: []string{readObjects}, ResourceArns: []string{object}, CallerArn: &carol,
				ResourcePolicy: bucketPolicy(carol), ResourceOwner: new("arn:aws:iam::" + bob + ":root"),
			},
			decision: "allowed", matched: []string{"ResourcePolicy Resource Policy 1:37-1:171", "PolicyInputList.1 IAM Policy 1:38-1:108"},
			details: map[string]string{"IAM Policy": "allowed", "Resource Policy": "allowed"},
		},
		{
			what: "of another account, by one", in: request{
				PolicyInputList: []string{allowing("ec2:*")}, ResourceArns: []string{object}, CallerArn: &carol,
				ResourcePolicy: bucketPolicy(carol), ResourceOwner: new(bob),
			},
			decision: "implicitDeny", details: map[string]string{"IAM Policy": "implicitDeny", "Resource Policy": "allowed"},
		},
		{
			what: "a group, which nothing can name", in: request{
				PolicyInputList: []string{allowing("ec2:*")}, ResourceArns: []string{object}, CallerArn: new("arn:aws:iam::" + alice + ":group/admins"),
				ResourcePolicy: bucketPolicy("arn:aws:iam::" + alice + ":user/carol"),
			},
			decision: "implicitDeny", details: map[string]string{},
		},
		{
			what: "every level of the organization", in: request{
				PolicyInputList: []string{allowing("*")},
				OrderedOrganizationPolicyInputList: []api.OrderedOrganizationPolicyType{
					{ServiceControlPolicyInputList: []string{allowing("*")}}, {ServiceControlPolicyInputList: []string{allowing("ec2:*")}},
				},
			},
			decision: "implicitDeny",
		},
	} {
		if c.in.ActionNames == nil {
			c.in.ActionNames = []string{"s3:GetObject"}
		}
		out := must(r.SimulateCustomPolicy(r.ctx, &c.in))(t)
		got := out.EvaluationResults[0]
		if *got.EvalDecision != c.decision {
			t.Errorf("%s: %s", c.what, *got.EvalDecision)
		}
		if m := statements(got.MatchedStatements); !slices.Equal(m, c.matched) {
			t.Errorf("%s: matched %q, want %q", c.what, m, c.matched)
		}
		if !slices.Equal(got.MissingContextValues, c.missing) {
			t.Errorf("%s: missing %q", c.what, got.MissingContextValues)
		}
		if !maps.Equal(got.EvalDecisionDetails, c.details) || (got.EvalDecisionDetails == nil) != (c.details == nil) {
			t.Errorf("%s: details %v, want %v", c.what, got.EvalDecisionDetails, c.details)
		}
		if b := got.PermissionsBoundaryDecisionDetail; (b != nil) != (c.in.PermissionsBoundaryPolicyInputList != nil) || b != nil && *b.AllowedByPermissionsBoundary {
			t.Errorf("%s: boundary %+v", c.what, b)
		}
		if o := got.OrganizationsDecisionDetail; (o != nil) != (c.in.OrderedOrganizationPolicyInputList != nil) || o != nil && *o.AllowedByOrganizations {
			t.Errorf("%s: organization %+v", c.what, o)
		}
	}
}

// statements prints matched statements.
func statements(list []api.Statement) (out []string) {
	for _, s := range list {
		out = append(out, fmt.Sprintf("%s %s %d:%d-%d:%d", *s.SourcePolicyId, *s.SourcePolicyType, *s.StartPosition.Line, *s.StartPosition.Column, *s.EndPosition.Line, *s.EndPosition.Column))
	}
	return out
}

func TestSimulateRefuses(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	type request = api.SimulateCustomPolicyRequest
	for what, c := range map[string]struct {
		in   request
		want string
	}{
		"no action":                    {request{ActionNames: []string{}}, "ValidationError"},
		"a wildcard":                   {request{ActionNames: []string{"s3:*"}}, "InvalidInput"},
		"no service":                   {request{ActionNames: []string{"GetObject"}}, "InvalidInput"},
		"a short action":               {request{ActionNames: []string{"s3"}}, "ValidationError"},
		"no ARN":                       {request{ResourceArns: []string{"data/x"}}, "InvalidInput"},
		"a bad policy":                 {request{PolicyInputList: []string{`{"Statement":[]}`}}, "InvalidInput"},
		"an empty policy":              {request{PolicyInputList: []string{""}}, "ValidationError"},
		"a principal in it":            {request{PolicyInputList: []string{`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`}}, "InvalidInput"},
		"a bad resource policy":        {request{ResourcePolicy: new(readObjects), CallerArn: new("arn:aws:iam::" + alice + ":user/carol")}, "InvalidInput"},
		"a resource policy for nobody": {request{ResourcePolicy: new(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)}, "InvalidInput"},
		"a resource policy for a role": {request{ResourcePolicy: new(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`), CallerArn: new("arn:aws:iam::" + alice + ":role/deploy")}, "InvalidInput"},
		"two boundaries":               {request{PermissionsBoundaryPolicyInputList: []string{readObjects, readObjects}}, "InvalidInput"},
		"a session":                    {request{CallerArn: new("arn:aws:sts::" + alice + ":assumed-role/deploy/x")}, "InvalidInput"},
		"a root":                       {request{CallerArn: new("arn:aws:iam::" + alice + ":root")}, "InvalidInput"},
		"a short caller":               {request{CallerArn: new("carol")}, "ValidationError"},
		"an owner":                     {request{ResourceOwner: new("bob")}, "InvalidInput"},
		"a handling":                   {request{ResourceHandlingOption: new("EC2-Classic-EBS")}, "InvalidInput"},
		"a handling without resources": {request{ResourceHandlingOption: new("EC2-VPC-EBS"), ResourceArns: []string{"arn:aws:ec2:eu-paris-1::image/*"}}, "InvalidInput"},
		"a short key":                  {request{ContextEntries: []api.ContextEntry{entry("x", "string", "y")}}, "ValidationError"},
		"a type":                       {request{ContextEntries: []api.ContextEntry{entry("aws:x", "text", "y")}}, "ValidationError"},
		"many values":                  {request{ContextEntries: []api.ContextEntry{entry("aws:x", "string", "y", "z")}}, "InvalidInput"},
		"no number":                    {request{ContextEntries: []api.ContextEntry{entry("aws:x", "numeric", "y")}}, "InvalidInput"},
		"no boolean":                   {request{ContextEntries: []api.ContextEntry{entry("aws:x", "boolean", "y")}}, "InvalidInput"},
		"no address":                   {request{ContextEntries: []api.ContextEntry{entry("aws:x", "ipList", "10.0.0.0/8", "y")}}, "InvalidInput"},
		"no date":                      {request{ContextEntries: []api.ContextEntry{entry("aws:x", "date", "y")}}, "InvalidInput"},
		"a key twice":                  {request{ContextEntries: []api.ContextEntry{entry("aws:x", "string", "y"), entry("aws:X", "string", "y")}}, "InvalidInput"},
		"too many":                     {request{ActionNames: slices.Repeat([]string{"s3:GetObject"}, 101), ResourceArns: slices.Repeat([]string{object}, 100)}, "InvalidInput"},
		"a marker":                     {request{Marker: new("x")}, "ValidationError"},
		"all kinds of values": {request{ContextEntries: []api.ContextEntry{
			entry("aws:a", "numeric", "1.5"), entry("aws:b", "booleanList", "true", "false"), entry("aws:c", "ip", "::1"), entry("aws:d", "dateList", "2026-01-02", "2026-01-02T03:04:05Z", "1700000000"),
			entry("aws:e", "binary", "eA=="), entry("aws:f", "stringList"),
		}}, ""},
	} {
		if c.in.ActionNames == nil {
			c.in.ActionNames = []string{"s3:GetObject"}
		}
		if c.in.PolicyInputList == nil {
			c.in.PolicyInputList = []string{readObjects}
		}
		want(t, what, second(r.SimulateCustomPolicy(r.ctx, &c.in)), c.want)
	}
}

func TestSimulatePrincipalPolicy(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.grant("carol", readObjects)
	admins := must(r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("admins")}))(t).Group
	must(r.AttachGroupPolicy(r.ctx, &api.AttachGroupPolicyRequest{GroupName: new("admins"), PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}))(t)
	must(r.AddUserToGroup(r.ctx, &api.AddUserToGroupRequest{GroupName: new("admins"), UserName: new("carol")}))(t)
	carol := r.arn(alice, "user/carol")
	simulate := func(in api.SimulatePrincipalPolicyRequest) api.EvaluationResult {
		t.Helper()
		in.PolicySourceArn = cmpOr(in.PolicySourceArn, &carol)
		in.ActionNames = []string{"s3:GetObject"}
		return must(r.SimulatePrincipalPolicy(r.ctx, &in))(t).EvaluationResults[0]
	}
	type request = api.SimulatePrincipalPolicyRequest
	for _, c := range []struct {
		what     string
		in       request
		decision string
		sources  string
	}{
		{"the user", request{ResourceArns: []string{object}}, "allowed", "user_carol_inline AdministratorAccess"},
		{"the group", request{PolicySourceArn: admins.Arn}, "allowed", "AdministratorAccess"},
		{"with a denial", request{PolicyInputList: []string{denyAll}}, "explicitDeny", "PolicyInputList.1"},
		{"without managed ones", request{PolicyExclusionList: []api.PolicyIdentifier{{PolicyType: new("aws-managed")}}, ResourceArns: []string{object}}, "allowed", "user_carol_inline"},
		{"without one", request{PolicyExclusionList: []api.PolicyIdentifier{{PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}}}, "implicitDeny", ""},
		{"without an inline one", request{PolicyExclusionList: []api.PolicyIdentifier{{InlinePolicyIdentifier: &api.InlinePolicyIdentifierType{
			PolicyName: new("inline"), AttachmentType: new("user"), AttachmentName: new("carol"),
		}}}, ResourceArns: []string{object}}, "allowed", "AdministratorAccess"},
		{"bounded", request{PermissionsBoundaryPolicyInputList: []string{allowing("ec2:*")}}, "implicitDeny", ""},
	} {
		got := simulate(c.in)
		var sources []string
		for _, s := range got.MatchedStatements {
			sources = append(sources, *s.SourcePolicyId)
		}
		if *got.EvalDecision != c.decision || strings.Join(sources, " ") != c.sources || !*got.OrganizationsDecisionDetail.AllowedByOrganizations {
			t.Errorf("%s: %s by %q", c.what, *got.EvalDecision, sources)
		}
	}

	// What the organization forbids is no longer allowed.
	r.update(func(tx *store.Tx) error {
		return store.Table[cloud.ControlPolicy]{}.Create(tx, cloud.ControlPolicy{ID: "p-deny0000", Name: "no-s3", Type: "SERVICE_CONTROL_POLICY", Targets: []string{alice}, Document: strings.ReplaceAll(denyAll, `"Action":"*"`, `"Action":"s3:*"`)})
	})
	got := simulate(request{})
	if *got.EvalDecision != "explicitDeny" || *got.OrganizationsDecisionDetail.AllowedByOrganizations || *got.MatchedStatements[0].SourcePolicyId != "p-deny0000" {
		t.Errorf("with a control policy: %s, %+v", *got.EvalDecision, statements(got.MatchedStatements))
	}
	if got := simulate(request{PolicyExclusionList: []api.PolicyIdentifier{{PolicyType: new("scp")}}}); *got.EvalDecision != "allowed" || got.OrganizationsDecisionDetail != nil {
		t.Errorf("without control policies: %s", *got.EvalDecision)
	}
}

func cmpOr(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

func TestSimulatePrincipalPolicyRefuses(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	simulate := func(arn string, more ...api.PolicyIdentifier) error {
		return second(r.SimulatePrincipalPolicy(r.ctx, &api.SimulatePrincipalPolicyRequest{PolicySourceArn: &arn, ActionNames: []string{"s3:GetObject"}, PolicyExclusionList: more}))
	}
	for arn, wanted := range map[string]string{
		r.arn(alice, "user/carol"): "", r.arn(alice, "user/nobody"): "NoSuchEntity", r.arn(alice, "user/staff/carol"): "NoSuchEntity",
		r.arn(alice, "role/nobody"): "NoSuchEntity", r.arn(alice, "group/nobody"): "NoSuchEntity", r.arn(bob, "user/carol"): "NoSuchEntity",
		r.arn(alice, "root"): "InvalidInput", r.arn(alice, "policy/carol"): "InvalidInput", "carol": "ValidationError", "carol-of-alice-who-is-no-arn": "InvalidInput",
	} {
		want(t, arn, simulate(arn), wanted)
	}
	carol := r.arn(alice, "user/carol")
	want(t, "nothing to exclude", simulate(carol, api.PolicyIdentifier{}), "InvalidInput")
	want(t, "two things in one", simulate(carol, api.PolicyIdentifier{PolicyArn: new("x"), PolicyType: new("scp")}), "InvalidInput")
	want(t, "a type", simulate(carol, api.PolicyIdentifier{PolicyType: new("x")}), "ValidationError")
	want(t, "the type that there is none of", simulate(carol, api.PolicyIdentifier{PolicyType: new("rcp")}), "")

	// Whoever may not simulate a user does not learn whether it exists.
	r.grant("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:Simulate*","Resource":"`+carol+`"}}`)
	for arn, wanted := range map[string]string{carol: "", r.arn(alice, "user/nobody"): "AccessDenied", r.arn(bob, "user/carol"): "AccessDenied"} {
		_, err := r.SimulatePrincipalPolicy(r.as("user/carol"), &api.SimulatePrincipalPolicyRequest{PolicySourceArn: &arn, ActionNames: []string{"s3:GetObject"}})
		want(t, "as carol: "+arn, err, wanted)
	}
}

// The simulator decides as the judge does on requests that come.
func TestSimulationIsTheDecision(t *testing.T) {
	r := newRig(t)
	must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: new("carol"), Tags: tags("team", "web")}))(t)
	for i, document := range []string{
		allowing("iam:GetUser"), allowing("iam:*"), denyAll, readObjects,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"web","aws:PrincipalAccount":"` + alice + `"}}}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"db"}}}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"iam:GetUser","Resource":"*"}}`,
	} {
		r.grant("carol", document)
		carol := r.arn(alice, "user/carol")
		_, err := r.GetUser(r.as("user/carol"), &api.GetUserRequest{UserName: new("carol")})
		out := must(r.SimulatePrincipalPolicy(r.ctx, &api.SimulatePrincipalPolicyRequest{PolicySourceArn: &carol, ActionNames: []string{"iam:GetUser"}, ResourceArns: []string{carol}}))(t)
		if simulated := *out.EvaluationResults[0].EvalDecision == "allowed"; simulated != (err == nil) {
			t.Errorf("policy %d: simulated %v, decided %v", i, simulated, err)
		}
	}
}

// Whoever may simulate does not find out by it what a user is like, of the same
// account or of another, but for what the ARN says.
func TestSimulationTellsNothingOfCallers(t *testing.T) {
	r := newRig(t)
	must(r.CreateUser(r.ctx, &api.CreateUserRequest{UserName: new("carol"), Tags: tags("team", "web")}))(t)
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("dave"), Tags: tags("team", "web")}))(t)
	for _, caller := range []string{r.arn(alice, "user/carol"), r.arn(bob, "user/dave"), r.arn(bob, "user/nobody")} {
		out := must(r.SimulateCustomPolicy(r.ctx, &api.SimulateCustomPolicyRequest{
			ActionNames: []string{"s3:GetObject"}, CallerArn: &caller, ResourceArns: []string{"arn:aws:sqs:eu-paris-1:" + identitytest.Management + ":q"},
			PolicyInputList: []string{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:PrincipalTag/team":"*","aws:username":"*","aws:PrincipalOrgPaths":"*","aws:ResourceOrgPaths":"*"}}}}`},
		}))(t)
		missing := out.EvaluationResults[0].MissingContextValues
		if !slices.Equal(missing, []string{"aws:PrincipalOrgPaths", "aws:PrincipalTag/team", "aws:ResourceOrgPaths"}) {
			t.Errorf("%s: missing are %q", caller, missing)
		}
	}
}

func TestSimulationPages(t *testing.T) {
	r := newRig(t)
	in := &api.SimulateCustomPolicyRequest{
		PolicyInputList: []string{readObjects}, MaxItems: new(int32(4)),
		ActionNames: []string{"s3:GetObject", "s3:PutObject", "s3:GetObjectAcl"}, ResourceArns: []string{object, "arn:aws:s3:::other/x", "arn:aws:s3:::data/y"},
	}
	var got []string
	for {
		out := must(r.SimulateCustomPolicy(r.ctx, in))(t)
		for _, e := range out.EvaluationResults {
			got = append(got, strings.TrimPrefix(*e.EvalActionName, "s3:")+" "+strings.TrimPrefix(*e.EvalResourceName, "arn:aws:s3:::")+" "+*e.ResourceSpecificResults[0].EvalResourceDecision)
		}
		if !*out.IsTruncated {
			break
		}
		in.Marker = out.Marker
	}
	if want := []string{
		"GetObject data/x allowed", "GetObject other/x implicitDeny", "GetObject data/y allowed",
		"PutObject data/x implicitDeny", "PutObject other/x implicitDeny", "PutObject data/y implicitDeny",
		"GetObjectAcl data/x allowed", "GetObjectAcl other/x implicitDeny", "GetObjectAcl data/y allowed",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestContextKeys(t *testing.T) {
	r := newRig(t)
	first := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::home/${aws:username}/*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}`
	other := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"AWS:multifactorauthpresent":"10.0.0.0/8","aws:SourceIp":"10.0.0.0/8"}}}]}`
	got := must(r.GetContextKeysForCustomPolicy(r.ctx, &api.GetContextKeysForCustomPolicyRequest{PolicyInputList: []string{first, other}}))(t)
	if !slices.Equal(got.ContextKeyNames, []string{"aws:MultiFactorAuthPresent", "aws:SourceIp", "aws:username"}) {
		t.Errorf("got %q", got.ContextKeyNames)
	}
	want(t, "a bad policy", second(r.GetContextKeysForCustomPolicy(r.ctx, &api.GetContextKeysForCustomPolicyRequest{PolicyInputList: []string{"x"}})), "InvalidInput")
	r.addUser("carol")
	r.grant("carol", first)
	got = must(r.GetContextKeysForPrincipalPolicy(r.ctx, &api.GetContextKeysForPrincipalPolicyRequest{PolicySourceArn: new(r.arn(alice, "user/carol")), PolicyInputList: []string{allowing("*")}}))(t)
	if !slices.Equal(got.ContextKeyNames, []string{"aws:MultiFactorAuthPresent", "aws:username"}) {
		t.Errorf("got %q", got.ContextKeyNames)
	}
	want(t, "nobody", second(r.GetContextKeysForPrincipalPolicy(r.ctx, &api.GetContextKeysForPrincipalPolicyRequest{PolicySourceArn: new(r.arn(alice, "user/nobody"))})), "NoSuchEntity")
}
