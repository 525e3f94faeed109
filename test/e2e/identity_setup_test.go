package e2e_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// tenant makes users and roles in an account, by the Go SDK.
type tenant struct {
	testing.TB
	ctx     context.Context
	iam     *iam.Client
	account string
}

func newTenant(t testing.TB, c *e2e.Cloud, account string, k e2e.Keys) tenant {
	return tenant{t, t.Context(), iam.New(iam.Options{
		BaseEndpoint: aws.String("http://" + c.Addr), Region: "eu-paris-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, ""),
	}), account}
}

// arn names something of the tenant's in IAM, e.g. "role/deploy".
func (a tenant) arn(resource string) string { return "arn:aws:iam::" + a.account + ":" + resource }

// user makes a user with an inline policy (none if empty) and an access key.
func (a tenant) user(name, policy string) e2e.Keys {
	a.Helper()
	done(a, called(a.iam.CreateUser(a.ctx, &iam.CreateUserInput{UserName: &name})))
	if policy != "" {
		done(a, called(a.iam.PutUserPolicy(a.ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: new("own"), PolicyDocument: &policy})))
	}
	key := must(a.iam.CreateAccessKey(a.ctx, &iam.CreateAccessKeyInput{UserName: &name}))(a).AccessKey
	return e2e.Keys{ID: *key.AccessKeyId, Secret: *key.SecretAccessKey}
}

// remove deletes a user that user made.
func (a tenant) remove(name string, k e2e.Keys) {
	a.Helper()
	done(a, called(a.iam.DeleteUserPolicy(a.ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: new("own")})))
	done(a, called(a.iam.DeleteAccessKey(a.ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: &k.ID})))
	done(a, called(a.iam.DeleteUser(a.ctx, &iam.DeleteUserInput{UserName: &name})))
}

// role makes a role with an inline policy that trusts as the statement says: its
// principal and action, and a condition unless empty. It returns the role's ARN.
func (a tenant) role(name, principal, action, condition, policy string) string {
	a.Helper()
	if condition == "" {
		condition = "{}"
	}
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":%s,"Action":"%s","Condition":%s}}`, principal, action, condition)
	done(a, called(a.iam.CreateRole(a.ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})))
	done(a, called(a.iam.PutRolePolicy(a.ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("own"), PolicyDocument: &policy})))
	return a.arn("role/" + name)
}

// profile makes an instance profile with a role, both of that name.
func (a tenant) profile(name, policy string) {
	a.Helper()
	a.role(name, `{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", "", policy)
	done(a, called(a.iam.CreateInstanceProfile(a.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name})))
	done(a, called(a.iam.AddRoleToInstanceProfile(a.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name})))
}

// called is the error of a call whose answer does not matter.
func called[T any](_ T, err error) error { return err }

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func allow(action string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`
}
