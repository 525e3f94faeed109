package sts_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/oidc"
	"github.com/vauban-cloud/vauban/identity/oidc/oidctest"
	"github.com/vauban-cloud/vauban/store"
)

const providerARN = "arn:aws:iam::" + alice + ":oidc-provider/idp.example.org/tenant"

// webRig is a rig whose alice trusts a provider of tokens.
type webRig struct {
	*rig
	*oidctest.Provider
	role string
}

func newWebRig(t *testing.T) *webRig {
	r := &webRig{rig: newRig(t)}
	r.Provider = oidctest.New(t, r.rig.Now)
	fetcher := oidc.NewFetcher(oidc.FetcherConfig{Hosts: []string{r.Host}, Now: r.rig.Now, Roots: r.Roots, Dial: r.Dial})
	r.Web = oidc.NewVerifier(oidc.NewKeys(fetcher, r.rig.Now), r.rig.Now)
	r.Update(func(tx *store.Tx) error {
		return oidcs.Create(tx, cloud.OIDCProvider{ARN: providerARN, Account: alice, URL: "idp.example.org/tenant", Clients: []string{"client-1"}})
	})
	r.role = r.addRole(alice, "/", "web", r.trust(nil, "sts:AssumeRoleWithWebIdentity"))
	return r
}

func (r *webRig) trust(conditions map[string]any, actions ...string) string {
	return trust("Federated", providerARN, conditions, actions...)
}

// assume assumes the role with a token that has changes, unsigned as clients do.
func (r *webRig) assume(changes map[string]any, edit func(*api.AssumeRoleWithWebIdentityRequest)) (*api.AssumeRoleWithWebIdentityResponse, error) {
	in := &api.AssumeRoleWithWebIdentityRequest{RoleArn: &r.role, RoleSessionName: new("job-1"), WebIdentityToken: new(r.Token(r.Claims("client-1", changes)))}
	if edit != nil {
		edit(in)
	}
	return r.AssumeRoleWithWebIdentity(cloud.WithCaller(r.rig.Context(), cloud.Caller{SourceIP: "192.0.2.7"}), in)
}

func (r *webRig) retrust(document string) {
	r.modifyRole(alice, "web", func(role *cloud.Role) { role.Trust = document })
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	r := newWebRig(t)
	r.retrust(r.trust(map[string]any{
		"StringEquals":             map[string]string{"idp.example.org/tenant:aud": "client-1", "idp.example.org/tenant:sub": "user-7", "aws:FederatedProvider": providerARN, "aws:RequestTag/team": "blue"},
		"ForAnyValue:StringEquals": map[string]string{"idp.example.org/tenant:amr": "otp"},
		"IpAddress":                map[string]string{"aws:SourceIp": "192.0.2.0/24"},
	}, "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"))
	// sts:TagSession and sts:SetSourceIdentity are asked with the same keys.
	out := must(r.assume(map[string]any{
		"amr": []string{"pwd", "otp"}, "https://aws.amazon.com/source_identity": "carol",
		"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"team": []string{"blue"}}, "transitive_tag_keys": []string{"team"}},
	}, func(in *api.AssumeRoleWithWebIdentityRequest) { in.DurationSeconds = new(int32(7200)) }))(t)
	if *out.Audience != "client-1" || *out.Provider != r.Issuer || *out.SubjectFromWebIdentityToken != "user-7" || *out.SourceIdentity != "carol" ||
		*out.AssumedRoleUser.Arn != "arn:aws:sts::000000000001:assumed-role/web/job-1" || !out.Credentials.Expiration.Equal(r.rig.Now().Add(2*time.Hour)) {
		t.Errorf("%+v", *out)
	}
	as := r.with(out.Credentials)
	s := session(as)
	if !maps.Equal(s.Tags, map[string]string{"team": "blue"}) || fmt.Sprint(s.Transitive) != "[team]" || s.Source != "carol" || s.Chained || s.Provider != providerARN {
		t.Errorf("%+v", s)
	}
	r.modifyRole(alice, "web", func(role *cloud.Role) {
		role.Inline = map[string]string{"p": document(map[string]any{
			"Effect": "Allow", "Action": "ec2:*", "Resource": "*",
			"Condition": map[string]any{"StringEquals": map[string]string{"idp.example.org/tenant:sub": "user-7", "aws:FederatedProvider": providerARN}},
		})}
	})
	if !r.may(as, "ec2:RunInstances") {
		t.Error("the session does not have the keys of its token")
	}
}

func TestWebTrust(t *testing.T) {
	const action = "sts:AssumeRoleWithWebIdentity"
	r := newWebRig(t)
	trusting := r.trust(nil, action)
	for name, test := range map[string]struct {
		trust   string // empty: the provider is trusted
		changes map[string]any
		allowed bool
	}{
		"trusted":                {"", nil, true},
		"another action":         {trust("Federated", providerARN, nil, "sts:AssumeRole"), nil, false},
		"another provider":       {trust("Federated", providerARN+"2", nil, action), nil, false},
		"an account":             {trust("AWS", alice, nil, "sts:*"), nil, false},
		"the subject":            {trust("Federated", providerARN, equals("idp.example.org/tenant:sub", "user-7"), action), nil, true},
		"another subject":        {trust("Federated", providerARN, equals("idp.example.org/tenant:sub", "user-7"), action), map[string]any{"sub": "user-8"}, false},
		"another issuer's key":   {trust("Federated", providerARN, equals("idp.example.com:sub", "user-7"), action), nil, false},
		"tags that may not be":   {"", map[string]any{"https://aws.amazon.com/tags/principal_tags/a": "b"}, false},
		"source that may not be": {"", map[string]any{"https://aws.amazon.com/source_identity": "carol"}, false},
		"nobody has a username":  {trust("Federated", providerARN, equals("aws:username", "carol"), action), nil, false},
		"the session's name":     {trust("Federated", providerARN, equals("sts:RoleSessionName", "job-1"), action), nil, true},
		"another session's name": {trust("Federated", providerARN, equals("sts:RoleSessionName", "job-2"), action), nil, false},
		"an explicit deny":       {document(map[string]any{"Effect": "Allow", "Principal": map[string]string{"Federated": providerARN}, "Action": action}, map[string]any{"Effect": "Deny", "Principal": map[string]string{"Federated": providerARN}, "Action": action, "Condition": equals("idp.example.org/tenant:sub", "user-7")}), nil, false},
	} {
		r.retrust(cmp.Or(test.trust, trusting))
		_, err := r.assume(test.changes, nil)
		if test.allowed {
			want(t, name, err, "", "")
		} else {
			want(t, name, err, "AccessDenied", "Not authorized to perform sts:")
		}
	}
}

func TestWebIdentityRefused(t *testing.T) {
	r := newWebRig(t)
	good := r.Token(r.Claims("client-1", nil))
	const validation, token = "ValidationError", "InvalidIdentityToken"
	for name, test := range map[string]struct {
		edit        func(*api.AssumeRoleWithWebIdentityRequest)
		code, words string
	}{
		"good":            {nil, "", ""},
		"no token":        {func(in *api.AssumeRoleWithWebIdentityRequest) { in.WebIdentityToken = nil }, validation, "Value null at 'webIdentityToken'"},
		"long token":      {func(in *api.AssumeRoleWithWebIdentityRequest) { in.WebIdentityToken = new(strings.Repeat("a", 20001)) }, validation, "20000"},
		"no session name": {func(in *api.AssumeRoleWithWebIdentityRequest) { in.RoleSessionName = nil }, validation, "roleSessionName"},
		"ProviderId":      {func(in *api.AssumeRoleWithWebIdentityRequest) { in.ProviderId = new("graph.facebook.com") }, validation, "ProviderId"},
		"no role":         {func(in *api.AssumeRoleWithWebIdentityRequest) { in.RoleArn = new(carolARN) }, validation, "is invalid"},
		"missing role": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.RoleArn = new("arn:aws:iam::" + alice + ":role/missing")
		}, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"another account": {func(in *api.AssumeRoleWithWebIdentityRequest) { in.RoleArn = new("arn:aws:iam::" + bob + ":role/web") }, token, "No OpenIDConnect provider found"},
		"no JWT":          {func(in *api.AssumeRoleWithWebIdentityRequest) { in.WebIdentityToken = new("gho_abcdef") }, token, "Access Token"},
		"forged": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.WebIdentityToken = new(good[:len(good)-40] + strings.Repeat("A", 40))
		}, token, "signature"},
		"wrong audience": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.WebIdentityToken = new(r.Token(r.Claims("client-2", nil)))
		}, token, "Incorrect token audience"},
		"expired": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.WebIdentityToken = new(r.Token(r.Claims("client-1", map[string]any{"exp": 1_600_000_000})))
		}, "ExpiredTokenException", "1600000000"},
		"odd source": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.WebIdentityToken = new(r.Token(r.Claims("client-1", map[string]any{"https://aws.amazon.com/source_identity": "a b"})))
		}, token, "Source Identity must match"},
		"odd tag": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.WebIdentityToken = new(r.Token(r.Claims("client-1", map[string]any{"https://aws.amazon.com/tags/principal_tags/a*": "b"})))
		}, validation, "tags.key"},
		"transitive, no tag": {func(in *api.AssumeRoleWithWebIdentityRequest) {
			in.WebIdentityToken = new(r.Token(r.Claims("client-1", map[string]any{"https://aws.amazon.com/tags/transitive_tag_keys": []string{"a"}})))
		}, "InvalidParameterValue", "transitive tag key"},
		"longer than it may": {func(in *api.AssumeRoleWithWebIdentityRequest) { in.DurationSeconds = new(int32(7201)) }, validation, "MaxSessionDuration"},
	} {
		_, err := r.assume(nil, test.edit)
		want(t, name, err, test.code, test.words)
	}
	r.Web = oidc.NewVerifier(nil, r.rig.Now)
	_, err := r.assume(nil, nil)
	want(t, "operator allows nothing", err, "IDPCommunicationError", "--identity-providers")
	r.Update(func(tx *store.Tx) error { return oidcs.Delete(tx, providerARN) })
	_, err = r.assume(nil, nil)
	want(t, "provider that was deleted", err, token, "No OpenIDConnect provider found")
}

// A role's own chain rules hold for sessions that began with a token.
func TestChainFromWebIdentity(t *testing.T) {
	r := newWebRig(t)
	next := r.addRole(alice, "/", "next", trust("AWS", "arn:aws:sts::"+alice+":assumed-role/web/job-1", nil, "sts:AssumeRole"))
	as := r.with(must(r.assume(nil, nil))(t).Credentials)
	out := must(r.AssumeRole(as, request(next, nil)))(t)
	if s := session(r.with(out.Credentials)); !s.Chained || s.Provider != "" || len(s.Claims) != 0 {
		t.Errorf("%+v", s)
	}
	_, err := r.AssumeRole(as, request(next, func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(3601)) }))
	want(t, "longer than an hour", err, "ValidationError", "role chaining")
}

// Whoever asks is asked about, in the name of the operation.
func TestWebIdentityAsks(t *testing.T) {
	r := newWebRig(t)
	judge := &nobody{}
	r.Authz = judge
	_, err := r.assume(nil, nil)
	want(t, "nobody", err, "AccessDenied", "no")
	if len(judge.asked) != 1 || judge.asked[0].Action != "sts:AssumeRoleWithWebIdentity" || judge.asked[0].Caller.Account != "" || judge.asked[0].Resources[0].ARN != r.role {
		t.Errorf("asked %+v", judge.asked)
	}
	// A caller that signed as well gets nothing from that.
	r.Authz = r.Cloud.Judge
	r.retrust(trust("AWS", alice, nil, "sts:*"))
	in := &api.AssumeRoleWithWebIdentityRequest{RoleArn: &r.role, RoleSessionName: new("job-1"), WebIdentityToken: new(r.Token(r.Claims("client-1", nil)))}
	for _, ctx := range []context.Context{r.AsRoot(alice), r.carol} {
		_, err := r.AssumeRoleWithWebIdentity(ctx, in)
		want(t, "signed", err, "AccessDenied", "Not authorized")
	}
}
