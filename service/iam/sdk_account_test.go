package iam

import (
	"bytes"
	"encoding/base32"
	"image/png"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/identity"
)

// rootClient is the real SDK, talking to the rig as the root of alice's account.
func (r *rig) rootClient() (client func(*api.AccessKey) *sdk.Client, root *sdk.Client) {
	r.Helper()
	client = r.serve()
	return client, client(must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{}))(r).AccessKey)
}

func TestSDKPasswords(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	client, root := r.rootClient()
	r.addUser("carol")
	r.grant("carol", allowing("iam:ChangePassword"))
	carol := client(must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{UserName: new("carol")}))(t).AccessKey)

	must(root.UpdateAccountPasswordPolicy(ctx, &sdk.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: new(int32(10)), RequireSymbols: true}))(t)
	policy := must(root.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{}))(t).PasswordPolicy
	if *policy.MinimumPasswordLength != 10 || !policy.RequireSymbols || policy.RequireNumbers || policy.ExpirePasswords || policy.MaxPasswordAge != nil {
		t.Errorf("policy is %+v", policy)
	}
	_, err := root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: new("carol"), Password: new("too-short")})
	if apiCode(err) != "PasswordPolicyViolation" || !strings.Contains(err.Error(), "Password should have a minimum length of 10") {
		t.Errorf("short: %v", err)
	}
	const odd = `"Ünïcode" & <tags> + 100%` // what the wire must not change
	made := must(root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: new("carol"), Password: new(odd), PasswordResetRequired: true}))(t).LoginProfile
	if *made.UserName != "carol" || !made.PasswordResetRequired || !made.CreateDate.Equal(r.Judge.Now()) {
		t.Errorf("made %+v", made)
	}
	must(carol.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: new(odd), NewPassword: new("next password!")}))(t)
	if got := must(root.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{UserName: new("carol")}))(t); got.LoginProfile.PasswordResetRequired {
		t.Errorf("got %+v", got.LoginProfile)
	}
	for wanted, err := range map[string]error{
		"AccessDenied":        second(carol.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: new(odd), NewPassword: new("next password!")})),
		"InvalidUserType":     second(root.ChangePassword(ctx, &sdk.ChangePasswordInput{OldPassword: new("a"), NewPassword: new("b")})),
		"EntityAlreadyExists": second(root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: new("carol"), Password: new("next password!")})),
		"DeleteConflict":      second(root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: new("carol")})),
	} {
		if apiCode(err) != wanted {
			t.Errorf("got %v, want %s", err, wanted)
		}
	}
	must(root.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{UserName: new("carol")}))(t)
	must(root.DeleteAccountPasswordPolicy(ctx, &sdk.DeleteAccountPasswordPolicyInput{}))(t)
}

func TestSDKMFADevice(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, root := r.rootClient()
	r.addUser("carol")
	made := must(root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: new("phone")}))(t).VirtualMFADevice
	seed, err := base32.StdEncoding.DecodeString(string(made.Base32StringSeed))
	if err != nil || len(seed) != identity.SeedSize {
		t.Fatalf("seed %q: %v", made.Base32StringSeed, err)
	}
	if _, err := png.Decode(bytes.NewReader(made.QRCodePNG)); err != nil {
		t.Errorf("picture: %v", err)
	}
	code := func(periods int64) *string {
		return new(identity.TOTP(seed, identity.TOTPCounter(r.Judge.Now())+periods))
	}
	enable := func(first, last *string) error {
		return second(root.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{UserName: new("carol"), SerialNumber: made.SerialNumber, AuthenticationCode1: first, AuthenticationCode2: last}))
	}
	if err := enable(code(0), code(0)); apiCode(err) != "InvalidAuthenticationCode" {
		t.Errorf("wrong codes: %v", err)
	}
	if err := enable(code(-1), code(0)); err != nil {
		t.Errorf("enable: %v", err)
	}
	devices := must(root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{AssignmentStatus: types.AssignmentStatusTypeAssigned}))(t).VirtualMFADevices
	if len(devices) != 1 || *devices[0].User.UserName != "carol" {
		t.Errorf("devices are %+v", devices)
	}
	own := must(root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: new("carol")}))(t).MFADevices
	if len(own) != 1 || !own[0].EnableDate.Equal(r.Judge.Now()) {
		t.Errorf("carol has %+v", own)
	}
	_, err = root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: made.SerialNumber})
	if apiCode(err) != "DeleteConflict" {
		t.Errorf("delete: %v", err)
	}
	must(root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: new("carol"), SerialNumber: made.SerialNumber}))(t)
	must(root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: made.SerialNumber}))(t)
}

// What Terraform does for a provider of tokens.
func TestSDKOpenIDConnectProvider(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, root := r.rootClient()
	made := must(root.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{
		Url: new("https://token.example.org"), ClientIDList: []string{"sts.amazonaws.com"}, Tags: []types.Tag{{Key: new("Name"), Value: new("ci")}},
	}))(t)
	must(root.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn, ClientID: new("ci")}))(t)
	got := must(root.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}))(t)
	if *got.Url != "token.example.org" || !slices.Equal(got.ClientIDList, []string{"sts.amazonaws.com", "ci"}) || len(got.ThumbprintList) != 0 || *got.Tags[0].Value != "ci" {
		t.Errorf("got %+v", got)
	}
	list := must(root.ListOpenIDConnectProviders(ctx, &sdk.ListOpenIDConnectProvidersInput{}))(t).OpenIDConnectProviderList
	if len(list) != 1 || *list[0].Arn != *made.OpenIDConnectProviderArn {
		t.Errorf("listed %+v", list)
	}
	must(root.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}))(t)
	if _, err := root.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}); apiCode(err) != "NoSuchEntity" {
		t.Errorf("deleted: %v", err)
	}
}

func TestSDKSimulation(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, root := r.rootClient()
	u := r.addUser("carol")
	r.grant("carol", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*",
     "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
  ]
}`)
	in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: u.Arn, ActionNames: []string{"s3:GetObject", "s3:PutObject"}, ResourceArns: []string{object}, MaxItems: new(int32(1))}
	decisions := func() (got []types.PolicyEvaluationDecisionType, first types.EvaluationResult) {
		for pages := sdk.NewSimulatePrincipalPolicyPaginator(root, in); pages.HasMorePages(); {
			for _, e := range must(pages.NextPage(ctx))(t).EvaluationResults {
				if got = append(got, e.EvalDecision); len(got) == 1 {
					first = e
				}
			}
		}
		return got, first
	}
	got, first := decisions()
	if !slices.Equal(got, []types.PolicyEvaluationDecisionType{"implicitDeny", "implicitDeny"}) || !slices.Equal(first.MissingContextValues, []string{"aws:SourceIp"}) {
		t.Errorf("without an address: %v, %+v", got, first)
	}
	in.ContextEntries = []types.ContextEntry{{ContextKeyName: new("aws:SourceIp"), ContextKeyType: types.ContextKeyTypeEnumIp, ContextKeyValues: []string{"10.1.2.3"}}}
	got, first = decisions()
	if !slices.Equal(got, []types.PolicyEvaluationDecisionType{"allowed", "implicitDeny"}) {
		t.Errorf("with an address: %v", got)
	}
	m := first.MatchedStatements
	if len(m) != 1 || *m[0].SourcePolicyId != "user_carol_inline" || m[0].StartPosition.Line != 4 || m[0].StartPosition.Column != 5 || m[0].EndPosition.Line != 5 ||
		first.ResourceSpecificResults[0].EvalResourceDecision != "allowed" || !first.OrganizationsDecisionDetail.AllowedByOrganizations {
		t.Errorf("matched %+v", first)
	}
	keys := must(root.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: u.Arn}))(t)
	if !slices.Equal(keys.ContextKeyNames, []string{"aws:SourceIp"}) {
		t.Errorf("keys are %q", keys.ContextKeyNames)
	}
	custom := must(root.SimulateCustomPolicy(ctx, &sdk.SimulateCustomPolicyInput{
		PolicyInputList: []string{allowing("*")}, ActionNames: []string{"ec2:RunInstances"}, PermissionsBoundaryPolicyInputList: []string{allowing("s3:*")},
	}))(t).EvaluationResults[0]
	if custom.EvalDecision != "implicitDeny" || custom.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary || *custom.EvalResourceName != "*" {
		t.Errorf("bounded: %+v", custom)
	}
	_, err := root.SimulateCustomPolicy(ctx, &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{"{}"}, ActionNames: []string{"ec2:RunInstances"}})
	if apiCode(err) != "InvalidInput" {
		t.Errorf("bad policy: %v", err)
	}
}

// The account as a whole, over the wire.
func TestSDKAccount(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, root := r.rootClient()
	must(root.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: new("acme")}))(t)
	if got := must(root.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{}))(t); !slices.Equal(got.AccountAliases, []string{"acme"}) {
		t.Errorf("aliases are %q", got.AccountAliases)
	}
	if got := must(root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap; got["AccountAccessKeysPresent"] != 1 || got["UsersQuota"] != 5000 {
		t.Errorf("summary is %v", got)
	}
	if _, err := root.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}); apiCode(err) != "ReportNotPresent" {
		t.Errorf("no report: %v", err)
	}
	must(root.GenerateCredentialReport(ctx, &sdk.GenerateCredentialReportInput{}))(t)
	if got := must(root.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}))(t); !strings.HasPrefix(string(got.Content), "user,arn,user_creation_time,") {
		t.Errorf("report is %q", got.Content)
	}
	role := must(root.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: new("spot.amazonaws.com")}))(t).Role
	details := must(root.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}}))(t)
	if len(details.RoleDetailList) != 1 || *details.RoleDetailList[0].RoleName != "AWSServiceRoleForEC2Spot" {
		t.Errorf("details are %+v", details)
	}
	task := must(root.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: role.RoleName}))(t).DeletionTaskId
	if got := must(root.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t); got.Status != types.DeletionTaskStatusTypeSucceeded {
		t.Errorf("status is %s", got.Status)
	}
}
