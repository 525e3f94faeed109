package sts_test

import (
	"context"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

func TestGetSessionToken(t *testing.T) {
	r := newRig(t)
	r.allowUser(allow("ec2:Describe*"))
	for name, test := range map[string]struct {
		root    bool
		seconds int32 // 0: not given
		lasts   time.Duration
		code    string
	}{
		"user":           {false, 0, 12 * time.Hour, ""},
		"root":           {true, 0, time.Hour, ""},
		"user, shortest": {false, 900, 15 * time.Minute, ""},
		"user, longest":  {false, 129600, 36 * time.Hour, ""},
		"root, longest":  {true, 129600, time.Hour, ""},
		"root, shortest": {true, 900, 15 * time.Minute, ""},
		"too short":      {false, 899, 0, "ValidationError"},
		"too long":       {true, 129601, 0, "ValidationError"},
	} {
		ctx := r.carol
		if test.root {
			ctx = r.AsRoot(alice)
		}
		in := &api.GetSessionTokenRequest{}
		if test.seconds != 0 {
			in.DurationSeconds = &test.seconds
		}
		out, err := r.GetSessionToken(ctx, in)
		want(t, name, err, test.code, "")
		if err != nil {
			continue
		}
		if !out.Credentials.Expiration.Equal(r.Now().Add(test.lasts)) {
			t.Errorf("%s: until %v", name, out.Credentials.Expiration)
		}
		as := r.with(out.Credentials)
		who := must(r.GetCallerIdentity(as, nil))(t)
		if c := cloud.CallerFrom(ctx); *who.Arn != c.ARN || *who.UserId != c.UserID {
			t.Errorf("%s: became %s", name, *who.Arn)
		}
		if !r.may(as, "ec2:DescribeInstances") || r.may(as, "ec2:RunInstances") != test.root {
			t.Errorf("%s: may not do what it may", name)
		}
	}
}

func TestSecondFactorOfRoot(t *testing.T) {
	r := newRig(t)
	const serial = "arn:aws:iam::" + alice + ":mfa/root"
	seed := identity.NewSeed()
	r.Update(func(tx *store.Tx) error {
		return devices.Create(tx, cloud.MFADevice{Serial: serial, Account: alice, Name: "root", User: identity.RootUser, Sealed: r.Keys.Secrets.Seal(serial, seed), Enabled: r.Now()})
	})
	in := &api.GetSessionTokenRequest{SerialNumber: new(serial), TokenCode: new(identity.TOTP(seed, identity.TOTPCounter(r.Now())))}
	_, err := r.GetSessionToken(r.AsRoot(bob), in)
	want(t, "another account's root", err, "AccessDenied", "unable to validate")
	_, err = r.GetSessionToken(r.carol, in)
	want(t, "a user", err, "AccessDenied", "unable to validate")
	out := must(r.GetSessionToken(r.AsRoot(alice), in))(t)
	if s := session(r.with(out.Credentials)); !s.MFA.Equal(r.Now()) {
		t.Errorf("second factor at %v", s.MFA)
	}
}

func TestGetFederationToken(t *testing.T) {
	r := newRig(t)
	in := func(edit func(*api.GetFederationTokenRequest)) *api.GetFederationTokenRequest {
		q := &api.GetFederationTokenRequest{Name: new("bob"), Policy: new(allow("ec2:*", "s3:*"))}
		if edit != nil {
			edit(q)
		}
		return q
	}
	_, err := r.GetFederationToken(r.carol, in(nil))
	want(t, "not allowed", err, "AccessDenied", "sts:GetFederationToken on resource: arn:aws:sts::000000000001:federated-user/bob")
	r.allowUser(allow("sts:GetFederationToken", "ec2:Describe*"))
	out := must(r.GetFederationToken(r.carol, in(nil)))(t)
	if *out.FederatedUser.Arn != "arn:aws:sts::000000000001:federated-user/bob" || *out.FederatedUser.FederatedUserId != "000000000001:bob" ||
		!out.Credentials.Expiration.Equal(r.Now().Add(12*time.Hour)) || *out.PackedPolicySize < 1 {
		t.Errorf("%+v %v %v", *out.FederatedUser, out.Credentials.Expiration, out.PackedPolicySize)
	}
	as := r.with(out.Credentials)
	if who := must(r.GetCallerIdentity(as, nil))(t); *who.Arn != *out.FederatedUser.Arn || *who.UserId != "000000000001:bob" {
		t.Errorf("%s %s", *who.Arn, *who.UserId)
	}
	if !r.may(as, "ec2:DescribeInstances") || r.may(as, "ec2:RunInstances") || r.may(as, "s3:ListBuckets") {
		t.Error("the session may not do exactly what both policies allow")
	}
	none := must(r.GetFederationToken(r.carol, in(func(q *api.GetFederationTokenRequest) { q.Policy = nil })))(t)
	if r.may(r.with(none.Credentials), "ec2:DescribeInstances") || none.PackedPolicySize != nil {
		t.Error("without a policy, the session may do something")
	}
	root := must(r.GetFederationToken(r.AsRoot(alice), in(func(q *api.GetFederationTokenRequest) { q.DurationSeconds = new(int32(7200)) })))(t)
	if !root.Credentials.Expiration.Equal(r.Now().Add(time.Hour)) || !r.may(r.with(root.Credentials), "ec2:RunInstances") || r.may(r.with(root.Credentials), "kms:ListKeys") {
		t.Errorf("root: until %v", root.Credentials.Expiration)
	}

	tags := func(q *api.GetFederationTokenRequest) { q.Tags = []api.Tag{{Key: new("team"), Value: new("blue")}} }
	_, err = r.GetFederationToken(r.carol, in(tags))
	want(t, "tags without sts:TagSession", err, "AccessDenied", "sts:TagSession")
	r.allowUser(document(map[string]any{"Effect": "Allow", "Action": []string{"sts:GetFederationToken", "sts:TagSession"}, "Resource": "arn:aws:sts::" + alice + ":federated-user/b*", "Condition": equals("aws:RequestTag/team", "blue")},
		map[string]any{"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": equals("aws:PrincipalTag/team", "blue")}))
	out = must(r.GetFederationToken(r.carol, in(tags)))(t)
	if !r.may(r.with(out.Credentials), "ec2:RunInstances") {
		t.Error("the session does not have its tag")
	}
	const validation = "ValidationError"
	for name, test := range map[string]struct {
		edit        func(*api.GetFederationTokenRequest)
		code, words string
	}{
		"no name":    {func(q *api.GetFederationTokenRequest) { q.Name = nil }, validation, "Value null at 'name'"},
		"short name": {func(q *api.GetFederationTokenRequest) { q.Name = new("b") }, validation, "greater than or equal to 2"},
		"long name":  {func(q *api.GetFederationTokenRequest) { q.Name = new(strings.Repeat("b", 33)) }, validation, "less than or equal to 32"},
		"odd name":   {func(q *api.GetFederationTokenRequest) { q.Name = new("b/b") }, validation, "pattern"},
		"other name": {func(q *api.GetFederationTokenRequest) { q.Name = new("carol") }, "AccessDenied", "federated-user/carol"},
		"too short":  {func(q *api.GetFederationTokenRequest) { q.DurationSeconds = new(int32(899)) }, validation, "900"},
		"too long":   {func(q *api.GetFederationTokenRequest) { q.DurationSeconds = new(int32(129601)) }, validation, "129600"},
		"bad policy": {func(q *api.GetFederationTokenRequest) { q.Policy = new("{}") }, "MalformedPolicyDocument", ""},
		"same tags": {func(q *api.GetFederationTokenRequest) {
			q.Tags = append(q.Tags, api.Tag{Key: new("TEAM"), Value: new("x")})
		}, "InvalidParameterValue", "Duplicate"},
		"missing value": {func(q *api.GetFederationTokenRequest) { q.Tags[0].Value = nil }, validation, "tags.1.member.value"},
	} {
		_, err := r.GetFederationToken(r.carol, in(func(q *api.GetFederationTokenRequest) { tags(q); test.edit(q) }))
		want(t, name, err, test.code, test.words)
	}
}

// What temporary credentials cannot do, whatever policies say.
func TestLimits(t *testing.T) {
	r := newRig(t)
	r.allowUser(allow("*"))
	arn := r.addRole(alice, "/", "deploy", trust("AWS", alice, nil, assuming...))
	own := r.with(must(r.GetSessionToken(r.carol, &api.GetSessionTokenRequest{}))(t).Credentials)
	federated := r.with(must(r.GetFederationToken(r.carol, &api.GetFederationTokenRequest{Name: new("bob"), Policy: new(allow("*"))}))(t).Credentials)
	role := r.with(must(r.AssumeRole(r.carol, request(arn, nil)))(t).Credentials)
	c := cloud.CallerFrom(own)
	s := *c.Session
	s.MFA = r.Now()
	c.Session = &s
	proven := cloud.WithCaller(r.Context(), c)

	for action, test := range map[string]struct{ own, proven, federated, role bool }{
		"iam:ListUsers":                  {false, true, false, true},
		"iam:CreateUser":                 {false, true, false, true},
		"ec2:RunInstances":               {true, true, true, true},
		"iam:PassRole":                   {true, true, true, true},
		"sts:GetCallerIdentity":          {true, true, true, true},
		"sts:GetAccessKeyInfo":           {false, false, false, true},
		"sts:DecodeAuthorizationMessage": {false, false, false, true},
		"sts:AssumeRole":                 {true, true, false, true},
		"sts:GetFederationToken":         {false, false, false, false},
		"sts:GetSessionToken":            {false, false, false, false},
	} {
		for who, w := range map[string]struct {
			ctx  context.Context
			want bool
		}{"session": {own, test.own}, "session with a second factor": {proven, test.proven}, "federated user": {federated, test.federated}, "role": {role, test.role}} {
			err := identity.Limit(cloud.CallerFrom(w.ctx), action)
			if (err == nil) != w.want {
				t.Errorf("%s, %s: %v", who, action, err)
			}
		}
	}
	_, err := r.GetSessionToken(role, &api.GetSessionTokenRequest{})
	want(t, "role", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = r.GetFederationToken(own, &api.GetFederationTokenRequest{Name: new("bob")})
	want(t, "session", err, "AccessDenied", "Cannot call GetFederationToken with session credentials")
	_, err = r.AssumeRole(federated, request(arn, nil))
	want(t, "federated user", err, "AccessDenied", "can call neither IAM nor STS")
	if _, err := r.AssumeRole(own, request(arn, tagged("team", "blue"))); err != nil {
		t.Errorf("session: %v", err)
	}
	if r.may(own, "iam:ListUsers") || !r.may(proven, "iam:ListUsers") || r.may(federated, "iam:ListUsers") {
		t.Error("the judge does not ask for limits")
	}
}
