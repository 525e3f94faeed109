package sts_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// proof proves access keys to the gateway.
type proof struct{ *identity.Directory }

func (p proof) Lookup(_ context.Context, key, token string) (gateway.Credential, error) {
	secret, c, active, err := p.Directory.Lookup(key, token)
	for ours, theirs := range map[error]error{
		identity.ErrUnknownKey: gateway.ErrUnknownKey, identity.ErrWrongToken: gateway.ErrWrongToken, identity.ErrExpiredToken: gateway.ErrExpiredToken,
	} {
		if errors.Is(err, ours) {
			err = theirs
		}
	}
	return gateway.Credential{Secret: secret, Caller: c, Suspended: !active}, err
}

// serve starts the real gateway and returns its address. The rig's clock becomes
// the real one, since the SDK signs by that.
func (r *rig) serve() string {
	r.Helper()
	r.Seconds.Store(time.Now().Unix())
	g, err := gateway.New(gateway.Config{
		Region: r.Place.Region, Credentials: proof{r.Directory}, Log: slog.New(slog.DiscardHandler), Now: r.Now,
		Endpoints: []gateway.Endpoint{{API: api.API(), Impl: r.Service, Anonymous: []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}}},
	})
	if err != nil {
		r.Fatal(err)
	}
	server := httptest.NewServer(g)
	r.Cleanup(server.Close)
	return server.URL
}

func (r *rig) client(url string, provider aws.CredentialsProvider) *sdk.Client {
	return sdk.New(sdk.Options{Region: r.Place.Region, BaseEndpoint: &url, Credentials: provider, Retryer: aws.NopRetryer{}})
}

// apiCode is the code that the SDK understood.
func apiCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// carolKey gives carol an access key.
func (r *rig) carolKey() aws.CredentialsProvider {
	key := cloud.AccessKey{ID: identity.NewAccessKeyID(identity.KeyPrefix), Account: alice, User: r.user.ID}
	key.Sealed = r.Keys.Secrets.Seal(key.ID, []byte("carol's secret"))
	r.Update(func(tx *store.Tx) error { return keys.Create(tx, key) })
	return credentials.NewStaticCredentialsProvider(key.ID, "carol's secret", "")
}

func TestSDK(t *testing.T) {
	r := newRig(t)
	url := r.serve()
	arn := r.addRole(alice, "/ci/", "deploy", trust("AWS", carolARN, nil, assuming...))
	c := r.client(url, r.carolKey())
	who := must(c.GetCallerIdentity(t.Context(), nil))(t)
	if *who.Arn != carolARN {
		t.Errorf("%s", *who.Arn)
	}
	// The SDK's own way to a role, with all that it can pass.
	provider := stscreds.NewAssumeRoleProvider(c, arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.SourceIdentity, o.Duration = "build-7", new("carol"), 15*time.Minute
		o.Tags, o.TransitiveTagKeys = []types.Tag{{Key: new("team"), Value: new("blue")}}, []string{"team"}
		o.Policy = new(allow("sts:*"))
	})
	as := r.client(url, provider)
	who = must(as.GetCallerIdentity(t.Context(), nil))(t)
	if *who.Arn != "arn:aws:sts::000000000001:assumed-role/deploy/build-7" {
		t.Errorf("%s", *who.Arn)
	}
	_, err := as.GetSessionToken(t.Context(), nil)
	if apiCode(err) != "AccessDenied" {
		t.Errorf("a role's session token: %v", err)
	}
	found := must(provider.Retrieve(t.Context()))(t)
	info := must(as.GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &found.AccessKeyID}))(t)
	if *info.Account != alice {
		t.Errorf("key of account %s", *info.Account)
	}
	out := must(c.AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("x7"), PolicyArns: []types.PolicyDescriptorType{{Arn: new("arn:aws:iam::aws:policy/AdministratorAccess")}}}))(t)
	if *out.SessionTokenUtilization < 1 || *out.SessionTokenSize < 100 {
		t.Errorf("%+v", out)
	}
	_, err = c.AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("a b")})
	if apiCode(err) != "ValidationError" {
		t.Errorf("bad name: %v", err)
	}
	_, err = c.AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("x7"), Policy: new("{")})
	if _, ok := errors.AsType[*types.MalformedPolicyDocumentException](err); !ok {
		t.Errorf("bad policy: %v", err)
	}
	_, err = c.DecodeAuthorizationMessage(t.Context(), &sdk.DecodeAuthorizationMessageInput{EncodedMessage: new("x")})
	if apiCode(err) != "AccessDenied" {
		t.Errorf("decode: %v", err)
	}
	session := must(c.GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{DurationSeconds: new(int32(900))}))(t)
	s := session.Credentials
	own := r.client(url, credentials.NewStaticCredentialsProvider(*s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken))
	if _, err := own.GetCallerIdentity(t.Context(), nil); err != nil {
		t.Error(err)
	}
	forged := r.client(url, credentials.NewStaticCredentialsProvider(*s.AccessKeyId, *s.SecretAccessKey, found.SessionToken))
	if _, err := forged.GetCallerIdentity(t.Context(), nil); apiCode(err) != "InvalidClientTokenId" {
		t.Errorf("another session's token: %v", err)
	}
	r.Update(func(tx *store.Tx) error {
		return accounts.Modify(tx, alice, func(a *cloud.Account) error { a.State = cloud.AccountSuspended; return nil })
	})
	if _, err := own.GetCallerIdentity(t.Context(), nil); apiCode(err) != "AccessDenied" {
		t.Errorf("suspended account: %v", err)
	}
	r.Update(func(tx *store.Tx) error {
		return accounts.Modify(tx, alice, func(a *cloud.Account) error { a.State = cloud.AccountActive; return nil })
	})
	r.Seconds.Store(s.Expiration.Unix())
	expired := r.client(url, credentials.NewStaticCredentialsProvider(*s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken))
	_, err = expired.GetCallerIdentity(t.Context(), nil)
	// A signature may be as old as this shortest session is long.
	if apiCode(err) != "ExpiredToken" {
		t.Errorf("expired session: %v", err)
	}
}

// Who has an assertion signs nothing.
func TestSDKWithAssertions(t *testing.T) {
	w := newWebRig(t)
	url := w.serve()
	// The provider's certificate is of the rig's first year.
	w.Seconds.Store(1_700_000_000)
	anonymous := w.client(url, aws.AnonymousCredentials{})
	out := must(anonymous.AssumeRoleWithWebIdentity(t.Context(), &sdk.AssumeRoleWithWebIdentityInput{
		RoleArn: &w.role, RoleSessionName: new("job-1"), WebIdentityToken: new(w.Token(w.Claims("client-1", nil))),
	}))(t)
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::000000000001:assumed-role/web/job-1" || *out.Provider != w.Issuer {
		t.Errorf("%+v", out)
	}
	_, err := anonymous.AssumeRoleWithWebIdentity(t.Context(), &sdk.AssumeRoleWithWebIdentityInput{
		RoleArn: &w.role, RoleSessionName: new("job-1"), WebIdentityToken: new(w.Token(w.Claims("client-2", nil))),
	})
	if _, ok := errors.AsType[*types.InvalidIdentityTokenException](err); !ok {
		t.Errorf("wrong audience: %v", err)
	}

	s := newSAMLRig(t)
	url = s.serve()
	s.Seconds.Store(1_700_000_000)
	response := s.Good(map[string][]string{attribute + "Role": {s.role + "," + samlARN}, attribute + "RoleSessionName": {"carol"}})
	anonymous = s.client(url, aws.AnonymousCredentials{})
	staff := must(anonymous.AssumeRoleWithSAML(t.Context(), &sdk.AssumeRoleWithSAMLInput{PrincipalArn: new(samlARN), RoleArn: &s.role, SAMLAssertion: new(s.Encoded(response))}))(t)
	if *staff.Subject != "carol" || *staff.AssumedRoleUser.Arn != "arn:aws:sts::000000000001:assumed-role/staff/carol" {
		t.Errorf("%+v", staff)
	}
	_, err = anonymous.GetSessionToken(t.Context(), nil)
	if err == nil {
		t.Error("an anonymous caller got a session")
	}
}
