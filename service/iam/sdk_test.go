package iam

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/identity"
)

// proven looks access keys up where they are made.
type proven struct{ *identity.Judge }

func (p proven) Lookup(_ context.Context, key, token string) (gateway.Credential, error) {
	secret, caller, active, err := p.Judge.Lookup(key, token)
	if errors.Is(err, identity.ErrUnknownKey) {
		err = gateway.ErrUnknownKey
	}
	return gateway.Credential{Secret: secret, Caller: caller, Suspended: !active}, err
}

// serve puts the rig behind the real gateway, and returns what makes the real SDK
// talk to it with a key.
func (r *rig) serve() func(key *api.AccessKey) *sdk.Client {
	r.Helper()
	g, err := gateway.New(gateway.Config{
		Region: r.Judge.Place.Region, Endpoints: []gateway.Endpoint{{API: api.API(), Impl: r.Service}},
		Credentials: proven{r.Judge}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.Fatal(err)
	}
	server := httptest.NewServer(g)
	r.Cleanup(server.Close)
	return func(key *api.AccessKey) *sdk.Client {
		return sdk.New(sdk.Options{
			Region: r.Judge.Place.Region, BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider(*key.AccessKeyId, *key.SecretAccessKey, ""),
		})
	}
}

// apiCode is the code that the SDK understood.
func apiCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// A user gets a key, then permissions, and loses both, over the wire.
func TestSDKUserAndKey(t *testing.T) {
	r := newRig(t)
	client := r.serve()
	ctx := t.Context()
	root := client(must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{}))(t).AccessKey)
	made := must(root.CreateUser(ctx, &sdk.CreateUserInput{UserName: new("carol"), Path: new("/staff/"), Tags: []types.Tag{{Key: new("team"), Value: new("é")}}}))(t)
	if *made.User.Arn != "arn:aws:iam::"+alice+":user/staff/carol" || *made.User.Tags[0].Value != "é" {
		t.Errorf("made %+v", made.User)
	}
	key := must(root.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: new("carol")}))(t).AccessKey
	if key.Status != types.StatusTypeActive {
		t.Errorf("key is %s", key.Status)
	}
	carol := client(&api.AccessKey{AccessKeyId: key.AccessKeyId, SecretAccessKey: key.SecretAccessKey})
	if _, err := carol.GetUser(ctx, &sdk.GetUserInput{}); apiCode(err) != "AccessDenied" {
		t.Errorf("without permission: %v", err)
	}
	document := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:Get*", "Resource": "arn:aws:iam::*:user/staff/${aws:username}"}]}`
	must(root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: new("carol"), PolicyName: new("self"), PolicyDocument: &document}))(t)
	self := must(carol.GetUser(ctx, &sdk.GetUserInput{}))(t)
	if *self.User.UserId != *made.User.UserId {
		t.Errorf("carol is %+v", self.User)
	}
	shown := must(root.GetUserPolicy(ctx, &sdk.GetUserPolicyInput{UserName: new("carol"), PolicyName: new("self")}))(t)
	if text, err := url.QueryUnescape(*shown.PolicyDocument); err != nil || text != document {
		t.Errorf("document is %s", *shown.PolicyDocument)
	}
	_, err := root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: new("carol")})
	if _, ok := errors.AsType[*types.DeleteConflictException](err); !ok {
		t.Errorf("delete: %v", err)
	}
	must(root.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: new("carol"), PolicyName: new("self")}))(t)
	if _, err := carol.GetUser(ctx, &sdk.GetUserInput{}); apiCode(err) != "AccessDenied" {
		t.Errorf("after the policy was deleted: %v", err)
	}
	must(root.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: new("carol"), AccessKeyId: key.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	if _, err := carol.GetUser(ctx, &sdk.GetUserInput{}); apiCode(err) != "InvalidClientTokenId" {
		t.Errorf("with an inactive key: %v", err)
	}
	must(root.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: new("carol"), AccessKeyId: key.AccessKeyId}))(t)
	must(root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: new("carol")}))(t)
	_, err = root.GetUser(ctx, &sdk.GetUserInput{UserName: new("carol")})
	if _, ok := errors.AsType[*types.NoSuchEntityException](err); !ok {
		t.Errorf("get: %v", err)
	}
}

// What Terraform does for the role of an instance.
func TestSDKRoleForInstances(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	c := r.serve()(must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{}))(t).AccessKey)
	trust := trusting(trustEC2)
	role := must(c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: new("web"), AssumeRolePolicyDocument: &trust, MaxSessionDuration: new(int32(7200)), Description: new("for the web")}))(t).Role
	policy := must(c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: new("read"), PolicyDocument: new(allowing("s3:Get*"))}))(t).Policy
	must(c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: role.RoleName, PolicyArn: policy.Arn}))(t)
	must(c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: role.RoleName, PolicyArn: new(admin)}))(t)
	must(c.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: new("web")}))(t)
	waiter := sdk.NewInstanceProfileExistsWaiter(c)
	if err := waiter.Wait(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: new("web")}, 1e9); err != nil {
		t.Error(err)
	}
	must(c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: new("web"), RoleName: new("web")}))(t)
	got := must(c.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: new("web")}))(t).InstanceProfile
	if len(got.Roles) != 1 || *got.Roles[0].Arn != *role.Arn {
		t.Errorf("profile is %+v", got)
	}
	var names []string
	for pages := sdk.NewListAttachedRolePoliciesPaginator(c, &sdk.ListAttachedRolePoliciesInput{RoleName: new("web"), MaxItems: new(int32(1))}); pages.HasMorePages(); {
		for _, p := range must(pages.NextPage(ctx))(t).AttachedPolicies {
			names = append(names, *p.PolicyName)
		}
	}
	if strings.Join(names, " ") != "AdministratorAccess read" {
		t.Errorf("attached are %q", names)
	}
	version := must(c.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: policy.Arn, VersionId: policy.DefaultVersionId}))(t).PolicyVersion
	if text, err := url.QueryUnescape(*version.Document); err != nil || text != allowing("s3:Get*") || !version.IsDefaultVersion {
		t.Errorf("version is %+v", version)
	}
	if entities := must(c.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: policy.Arn}))(t); len(entities.PolicyRoles) != 1 {
		t.Errorf("entities are %+v", entities)
	}
	for wanted, err := range map[string]error{
		"EntityAlreadyExists":     second(c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: new("WEB"), AssumeRolePolicyDocument: &trust})),
		"DeleteConflict":          second(c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: new("web")})),
		"LimitExceeded":           second(c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: new("web"), RoleName: new("web")})),
		"MalformedPolicyDocument": second(c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: new("web"), PolicyName: new("p"), PolicyDocument: new("{}")})),
		"ValidationError":         second(c.GetRole(ctx, &sdk.GetRoleInput{RoleName: new("a\x01\u202e<b>")})),
		"NoSuchEntity":            second(c.GetRole(ctx, &sdk.GetRoleInput{RoleName: new("none")})),
		"AccessDenied":            second(c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: new(admin)})),
	} {
		if apiCode(err) != wanted {
			t.Errorf("got %v, want %s", err, wanted)
		}
	}
	// What XML cannot carry comes back in an error, too.
	for _, text := range []string{"\x01", "\ufffe", "]]>&<\x00", "\u202e"} {
		if err := second(c.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: new("web"), Description: &text})); apiCode(err) != "ValidationError" {
			t.Errorf("%q: got %v", text, err)
		}
	}
	must(c.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("web"), RoleName: new("web")}))(t)
	must(c.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: new("web")}))(t)
	must(c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: new("web"), PolicyArn: policy.Arn}))(t)
	must(c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: new("web"), PolicyArn: new(admin)}))(t)
	must(c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: policy.Arn}))(t)
	must(c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: new("web")}))(t)
}
