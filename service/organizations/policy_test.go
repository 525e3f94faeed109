package organizations

import (
	"errors"
	"slices"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
)

const (
	denyS3   = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}`
	allowEC2 = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}`
)

// Control policies bound members at once, and never the management account.
func TestControlPoliciesBound(t *testing.T) {
	r := newRig(t)
	team := r.unit(r.root, "team")
	deny, allow := r.policy("deny", denyS3), r.policy("allow", allowEC2)
	expect := func(when, account string, s3, ec2 bool) {
		t.Helper()
		if got := r.may(account, "s3:ListAllMyBuckets"); got != s3 {
			t.Errorf("%s: account %s may use s3: %v", when, account, got)
		}
		if got := r.may(account, "ec2:DescribeInstances"); got != ec2 {
			t.Errorf("%s: account %s may use ec2: %v", when, account, got)
		}
	}
	expect("at first", alice, true, true)
	r.attach(deny, alice)
	expect("denied", alice, false, true)
	expect("denied to alice", bob, true, true)
	r.detach(deny, alice)
	expect("no more denied", alice, true, true)

	r.attach(deny, r.root)
	expect("denied at the root", alice, false, true)
	expect("denied at the root", management, true, true)
	r.detach(deny, r.root)

	// Without FullAWSAccess only what is left allows: a policy that only denies
	// allows nothing.
	r.attach(deny, bob)
	r.detach(cloud.FullAccess, bob)
	expect("nothing allows", bob, false, false)
	r.attach(allow, bob)
	expect("ec2 is allowed", bob, false, true)

	// Moving an account changes what bounds it, and so does a new document.
	r.attach(allow, team)
	r.detach(cloud.FullAccess, team)
	want(t, "move", r.move(alice, r.root, team), "")
	expect("below a unit that allows ec2", alice, false, true)
	must(r.UpdatePolicy(r.ctx, &api.UpdatePolicyRequest{PolicyId: &allow, Content: new(strings.ReplaceAll(allowEC2, "ec2:", "s3:"))}))(t)
	expect("below a unit that allows s3", alice, true, false)
	want(t, "move back", r.move(alice, team, r.root), "")
	expect("moved back", alice, true, true)

	must(r.DisablePolicyType(r.ctx, &api.DisablePolicyTypeRequest{RootId: &r.root, PolicyType: new(controlPolicies)}))(t)
	expect("disabled", bob, true, true)
	if n := controlTable.Count(r.DB.View(), cloud.TargetLabel(bob)); n != 0 {
		t.Errorf("%d policies are attached while they are disabled", n)
	}
	late := *r.create("late", "late@example.org").AccountId
	must(r.EnablePolicyType(r.ctx, &api.EnablePolicyTypeRequest{RootId: &r.root, PolicyType: new(controlPolicies)}))(t)
	for _, id := range []string{alice, bob, late} {
		expect("enabled again", id, true, true)
	}
	if n := controlTable.Count(r.DB.View(), cloud.TargetLabel(team)); n != 1 {
		t.Errorf("a unit has %d policies after they were enabled", n)
	}
}

func TestPolicies(t *testing.T) {
	r := newRig(t)
	create := func(name, document string) error {
		_, err := r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{Name: &name, Description: new("d"), Content: &document, Type: new(controlPolicies)})
		return err
	}
	id := r.policy("deny", denyS3)
	got := must(r.DescribePolicy(r.ctx, &api.DescribePolicyRequest{PolicyId: &id}))(t).Policy
	if *got.Content != denyS3 || *got.PolicySummary.Name != "deny" || *got.PolicySummary.AwsManaged || *got.PolicySummary.Type != controlPolicies {
		t.Errorf("policy is %+v", got.PolicySummary)
	}
	full := must(r.DescribePolicy(r.ctx, &api.DescribePolicyRequest{PolicyId: new(cloud.FullAccess)}))(t).Policy.PolicySummary
	if !*full.AwsManaged || *full.Arn != "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess" {
		t.Errorf("FullAWSAccess is %+v", full)
	}
	pad := func(n int) string { return denyS3 + strings.Repeat(" ", n-len(denyS3)) }
	for _, test := range []struct{ what, name, document, wanted string }{
		{"same name", "deny", denyS3, "DuplicatePolicyException"},
		{"no name", "", denyS3, "InvalidInputException INPUT_REQUIRED"},
		{"long name", strings.Repeat("n", 129), denyS3, "InvalidInputException MAX_LENGTH_EXCEEDED"},
		{"no document", "x", "", "InvalidInputException INPUT_REQUIRED"},
		{"no JSON", "x", "{", "MalformedPolicyDocumentException"},
		{"with a principal", "x", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`, "MalformedPolicyDocumentException"},
		{"too long", "x", pad(5121), "ConstraintViolationException POLICY_CONTENT_LIMIT_EXCEEDED"},
		{"longest", "x", pad(5120), ""},
	} {
		want(t, test.what, create(test.name, test.document), test.wanted)
	}
	err := create("place", "{\n  \"Statement\": {\"Effect\": \"Perhaps\"}}")
	var e *cloud.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "line 2") {
		t.Errorf("the message does not name the place: %v", err)
	}
	for kind, wanted := range map[string]string{
		"TAG_POLICY": "PolicyTypeNotAvailableForOrganizationException", "NONE": "InvalidInputException INVALID_ENUM_POLICY_TYPE", "": "InvalidInputException INPUT_REQUIRED",
	} {
		_, err := r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{Name: new("y"), Description: new(""), Content: new(denyS3), Type: &kind})
		want(t, "type "+kind, err, wanted)
	}
	_, err = r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{Name: new("y"), Content: new(denyS3), Type: new(controlPolicies)})
	want(t, "no description", err, "InvalidInputException INPUT_REQUIRED")

	update := func(in api.UpdatePolicyRequest) error { _, err := r.UpdatePolicy(r.ctx, &in); return err }
	want(t, "update to a name that is taken", update(api.UpdatePolicyRequest{PolicyId: &id, Name: new("x")}), "DuplicatePolicyException")
	want(t, "update to nonsense", update(api.UpdatePolicyRequest{PolicyId: &id, Content: new("{}")}), "MalformedPolicyDocumentException")
	want(t, "update to a long description", update(api.UpdatePolicyRequest{PolicyId: &id, Description: new(strings.Repeat("d", 513))}), "InvalidInputException MAX_LENGTH_EXCEEDED")
	want(t, "update FullAWSAccess", update(api.UpdatePolicyRequest{PolicyId: new(cloud.FullAccess), Name: new("z")}), "InvalidInputException IMMUTABLE_POLICY")
	want(t, "update nothing", update(api.UpdatePolicyRequest{PolicyId: new("p-zzzzzzzz")}), "PolicyNotFoundException")
	want(t, "update", update(api.UpdatePolicyRequest{PolicyId: &id, Name: new("no-s3"), Description: new("new")}), "")
	got = must(r.DescribePolicy(r.ctx, &api.DescribePolicyRequest{PolicyId: &id}))(t).Policy
	if *got.PolicySummary.Name != "no-s3" || *got.PolicySummary.Description != "new" || *got.Content != denyS3 {
		t.Errorf("updated policy is %+v", got.PolicySummary)
	}

	remove := func(id string) error {
		_, err := r.DeletePolicy(r.ctx, &api.DeletePolicyRequest{PolicyId: &id})
		return err
	}
	r.attach(id, alice)
	want(t, "delete while attached", remove(id), "PolicyInUseException")
	r.detach(id, alice)
	want(t, "delete FullAWSAccess", remove(cloud.FullAccess), "InvalidInputException IMMUTABLE_POLICY")
	want(t, "delete", remove(id), "")
	want(t, "delete again", remove(id), "PolicyNotFoundException")
	_, err = r.DescribePolicy(r.ctx, &api.DescribePolicyRequest{PolicyId: &id})
	want(t, "describe what is gone", err, "PolicyNotFoundException")
}

func TestAttach(t *testing.T) {
	r := newRig(t)
	deny := r.policy("deny", denyS3)
	attach := func(id, target string) error {
		_, err := r.AttachPolicy(r.ctx, &api.AttachPolicyRequest{PolicyId: &id, TargetId: &target})
		return err
	}
	detach := func(id, target string) error {
		_, err := r.DetachPolicy(r.ctx, &api.DetachPolicyRequest{PolicyId: &id, TargetId: &target})
		return err
	}
	want(t, "attach nothing", attach("p-zzzzzzzz", alice), "PolicyNotFoundException")
	want(t, "attach to nothing", attach(deny, "999999999999"), "TargetNotFoundException")
	want(t, "attach to nonsense", attach(deny, "x"), "InvalidInputException INVALID_PATTERN")
	want(t, "attach nonsense", attach("x", alice), "InvalidInputException INVALID_PATTERN")
	want(t, "detach what is not attached", detach(deny, alice), "PolicyNotAttachedException")
	want(t, "detach the last", detach(cloud.FullAccess, alice), "ConstraintViolationException MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")
	want(t, "attach", attach(deny, alice), "")
	want(t, "attach again", attach(deny, alice), "DuplicatePolicyAttachmentException")
	for _, name := range []string{"b", "c", "d"} {
		r.attach(r.policy(name, denyS3), alice)
	}
	sixth := r.policy("e", denyS3)
	want(t, "attach a sixth", attach(sixth, alice), "ConstraintViolationException MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED")

	r.attach(deny, r.root)
	var targets []string
	for _, target := range must(r.ListTargetsForPolicy(r.ctx, &api.ListTargetsForPolicyRequest{PolicyId: &deny}))(t).Targets {
		targets = append(targets, *target.TargetId+" "+*target.Type+" "+*target.Name)
	}
	if wanted := []string{alice + " ACCOUNT account " + alice, r.root + " ROOT Root"}; !slices.Equal(targets, wanted) {
		t.Errorf("targets are %q, want %q", targets, wanted)
	}
	list := func(target, kind string) int {
		return len(must(r.ListPoliciesForTarget(r.ctx, &api.ListPoliciesForTargetRequest{TargetId: &target, Filter: &kind}))(t).Policies)
	}
	if list(alice, controlPolicies) != 5 || list(r.root, controlPolicies) != 2 || list(bob, controlPolicies) != 1 || list(bob, "TAG_POLICY") != 0 {
		t.Error("policies of targets are listed wrongly")
	}
	_, err := r.ListPoliciesForTarget(r.ctx, &api.ListPoliciesForTargetRequest{TargetId: new("999999999999"), Filter: new(controlPolicies)})
	want(t, "policies of nobody", err, "TargetNotFoundException")
	all := must(r.ListPolicies(r.ctx, &api.ListPoliciesRequest{Filter: new(controlPolicies)}))(t).Policies
	if len(all) != 6 {
		t.Errorf("%d policies", len(all))
	}
	_, err = r.ListPolicies(r.ctx, &api.ListPoliciesRequest{Filter: new("NONE")})
	want(t, "policies of no type", err, "InvalidInputException INVALID_ENUM_POLICY_TYPE")
}

func TestPolicyTypes(t *testing.T) {
	r := newRig(t)
	deny := r.policy("deny", denyS3)
	enable := func(root, kind string) error {
		_, err := r.EnablePolicyType(r.ctx, &api.EnablePolicyTypeRequest{RootId: &root, PolicyType: &kind})
		return err
	}
	disable := func(root, kind string) error {
		_, err := r.DisablePolicyType(r.ctx, &api.DisablePolicyTypeRequest{RootId: &root, PolicyType: &kind})
		return err
	}
	want(t, "enable again", enable(r.root, controlPolicies), "PolicyTypeAlreadyEnabledException")
	want(t, "enable what is not there", enable(r.root, "TAG_POLICY"), "PolicyTypeNotAvailableForOrganizationException")
	want(t, "enable nonsense", enable(r.root, "NONE"), "InvalidInputException INVALID_ENUM_POLICY_TYPE")
	want(t, "enable elsewhere", enable("r-zzzz0", controlPolicies), "RootNotFoundException")
	want(t, "disable", disable(r.root, controlPolicies), "")
	want(t, "disable again", disable(r.root, controlPolicies), "PolicyTypeNotEnabledException")
	_, err := r.AttachPolicy(r.ctx, &api.AttachPolicyRequest{PolicyId: &deny, TargetId: new(alice)})
	want(t, "attach while disabled", err, "PolicyTypeNotEnabledException")
	want(t, "enable", enable(r.root, controlPolicies), "")
}

func TestEffectivePolicy(t *testing.T) {
	r := newRig(t)
	ask := func(account, kind, target string) error {
		_, err := r.DescribeEffectivePolicy(r.AsRoot(account), &api.DescribeEffectivePolicyRequest{PolicyType: &kind, TargetId: opt(target)})
		return err
	}
	want(t, "of control policies", ask(management, controlPolicies, alice), "InvalidInputException INVALID_ENUM_POLICY_TYPE")
	want(t, "of tag policies", ask(management, "TAG_POLICY", alice), "EffectivePolicyNotFoundException")
	want(t, "of nobody", ask(management, "TAG_POLICY", "999999999999"), "TargetNotFoundException")
	want(t, "a member about itself", ask(alice, "TAG_POLICY", ""), "EffectivePolicyNotFoundException")
	want(t, "a member about itself by number", ask(alice, "TAG_POLICY", alice), "EffectivePolicyNotFoundException")
	want(t, "a member about another", ask(alice, "TAG_POLICY", bob), "AccessDeniedException")
}
