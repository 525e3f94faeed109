package sts_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

const carolARN = "arn:aws:iam::" + alice + ":user/carol"

func TestAssumeRole(t *testing.T) {
	r := newRig(t)
	arn := r.addRole(alice, "/ci/", "deploy", trust("AWS", carolARN, nil, "sts:AssumeRole"))
	out := must(r.AssumeRole(r.carol, request(arn, nil)))(t)
	role, _ := identity.Role(r.DB.View(), alice, "deploy")
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::000000000001:assumed-role/deploy/build-7" || *out.AssumedRoleUser.AssumedRoleId != role.ID+":build-7" {
		t.Errorf("%+v", *out.AssumedRoleUser)
	}
	if !out.Credentials.Expiration.Equal(r.Now().Add(time.Hour)) || !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") {
		t.Errorf("%v", *out.Credentials)
	}
	if out.PackedPolicySize != nil || out.SourceIdentity != nil || int(*out.SessionTokenSize) != len(*out.Credentials.SessionToken) || *out.SessionTokenSize > 1024 {
		t.Errorf("packed %v, source %v, token of %d", out.PackedPolicySize, out.SourceIdentity, *out.SessionTokenSize)
	}
	as := r.with(out.Credentials)
	who := must(r.GetCallerIdentity(as, nil))(t)
	if *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumedRoleId || *who.Account != alice {
		t.Errorf("%s %s %s", *who.Arn, *who.UserId, *who.Account)
	}
	if r.may(r.carol, "ec2:RunInstances") || !r.may(as, "ec2:RunInstances") {
		t.Error("the role is for what carol may not do")
	}
}

// What the trust policy says decides, with the policies of the user where it names
// the account, or where the role is another account's.
func TestTrust(t *testing.T) {
	r := newRig(t)
	role := r.addRole(alice, "/ci/", "deploy", trust("AWS", bob, nil, "sts:AssumeRole"))
	r.addRole(bob, "/ci/", "deploy", trust("AWS", bob, nil, "sts:AssumeRole"))
	for name, test := range map[string]struct {
		owner, trust, user string
		edit               func(*api.AssumeRoleRequest)
		allowed            bool
	}{
		"user named":                          {alice, trust("AWS", carolARN, nil, "sts:AssumeRole"), "", nil, true},
		"account named, user may":             {alice, trust("AWS", alice, nil, "sts:AssumeRole"), allow("sts:AssumeRole"), nil, true},
		"account named, user may not":         {alice, trust("AWS", alice, nil, "sts:AssumeRole"), "", nil, false},
		"another user named":                  {alice, trust("AWS", "arn:aws:iam::"+alice+":user/dave", nil, "sts:AssumeRole"), allow("*"), nil, false},
		"another action":                      {alice, trust("AWS", carolARN, nil, "sts:AssumeRoleWithSAML"), allow("*"), nil, false},
		"user is denied":                      {alice, trust("AWS", carolARN, nil, "sts:AssumeRole"), document(map[string]any{"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": role}), nil, false},
		"other account, both":                 {bob, trust("AWS", alice, nil, "sts:AssumeRole"), allow("sts:AssumeRole"), nil, true},
		"other account, user named, may not":  {bob, trust("AWS", carolARN, nil, "sts:AssumeRole"), "", nil, false},
		"other account, does not trust":       {bob, trust("AWS", bob, nil, "sts:AssumeRole"), allow("*"), nil, false},
		"external ID":                         {bob, trust("AWS", alice, equals("sts:ExternalId", "x-1"), "sts:AssumeRole"), allow("*"), func(in *api.AssumeRoleRequest) { in.ExternalId = new("x-1") }, true},
		"wrong external ID":                   {bob, trust("AWS", alice, equals("sts:ExternalId", "x-1"), "sts:AssumeRole"), allow("*"), func(in *api.AssumeRoleRequest) { in.ExternalId = new("x-2") }, false},
		"no external ID":                      {bob, trust("AWS", alice, equals("sts:ExternalId", "x-1"), "sts:AssumeRole"), allow("*"), nil, false},
		"session name":                        {alice, trust("AWS", carolARN, equals("sts:RoleSessionName", "build-7"), "sts:AssumeRole"), "", nil, true},
		"session name of the user":            {alice, trust("AWS", carolARN, equals("sts:RoleSessionName", "${aws:username}"), "sts:AssumeRole"), "", func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("carol") }, true},
		"another session name":                {alice, trust("AWS", carolARN, equals("sts:RoleSessionName", "${aws:username}"), "sts:AssumeRole"), "", nil, false},
		"short enough":                        {alice, trust("AWS", carolARN, map[string]any{"NumericLessThanEquals": map[string]string{"sts:DurationSeconds": "3600"}}, "sts:AssumeRole"), "", nil, true},
		"too long":                            {alice, trust("AWS", carolARN, map[string]any{"NumericLessThanEquals": map[string]string{"sts:DurationSeconds": "3600"}}, "sts:AssumeRole"), "", func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(3601)) }, false},
		"tag of the role":                     {alice, trust("AWS", carolARN, equals("aws:ResourceTag/tier", "gold"), "sts:AssumeRole"), "", nil, true},
		"tag of the role, as IAM names it":    {alice, trust("AWS", carolARN, equals("iam:ResourceTag/tier", "gold"), "sts:AssumeRole"), "", nil, true},
		"tags without sts:TagSession":         {alice, trust("AWS", carolARN, nil, "sts:AssumeRole"), "", tagged("team", "blue"), false},
		"tags":                                {alice, trust("AWS", carolARN, equals("aws:RequestTag/team", "blue"), "sts:AssumeRole", "sts:TagSession"), "", tagged("team", "blue"), true},
		"other tags":                          {alice, trust("AWS", carolARN, equals("aws:RequestTag/team", "blue"), "sts:AssumeRole", "sts:TagSession"), "", tagged("team", "red"), false},
		"tags, other account, user may not":   {bob, trust("AWS", carolARN, nil, assuming...), allow("sts:AssumeRole"), tagged("team", "blue"), false},
		"tags, other account":                 {bob, trust("AWS", carolARN, nil, assuming...), allow("sts:AssumeRole", "sts:TagSession"), tagged("team", "blue"), true},
		"tag keys":                            {alice, trust("AWS", carolARN, map[string]any{"ForAllValues:StringEquals": map[string]string{"aws:TagKeys": "cost"}}, assuming...), "", tagged("team", "blue"), false},
		"transitive keys":                     {alice, trust("AWS", carolARN, map[string]any{"ForAllValues:StringEquals": map[string]string{"sts:TransitiveTagKeys": "cost"}}, assuming...), "", func(in *api.AssumeRoleRequest) { tagged("team", "blue")(in); in.TransitiveTagKeys = []string{"team"} }, false},
		"source identity":                     {alice, trust("AWS", carolARN, equals("sts:SourceIdentity", "carol"), "sts:AssumeRole", "sts:SetSourceIdentity"), "", from("carol"), true},
		"another source identity":             {alice, trust("AWS", carolARN, equals("sts:SourceIdentity", "carol"), "sts:AssumeRole", "sts:SetSourceIdentity"), "", from("dave"), false},
		"source identity that may not be set": {alice, trust("AWS", carolARN, nil, "sts:AssumeRole"), "", from("carol"), false},
		"second factor, none":                 {alice, trust("AWS", carolARN, map[string]any{"Bool": map[string]string{"aws:MultiFactorAuthPresent": "true"}}, "sts:AssumeRole"), "", nil, false},
	} {
		r.allowUser(test.user)
		r.modifyRole(test.owner, "deploy", func(role *cloud.Role) { role.Trust = test.trust })
		_, err := r.AssumeRole(r.carol, request("arn:aws:iam::"+test.owner+":role/ci/deploy", test.edit))
		if (err == nil) != test.allowed {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			want(t, name, err, "AccessDenied", "User: "+carolARN+" is not authorized to perform: sts:")
		}
	}
}

func equals(key, value string) map[string]any {
	return map[string]any{"StringEquals": map[string]string{key: value}}
}

func tagged(key, value string) func(*api.AssumeRoleRequest) {
	return func(in *api.AssumeRoleRequest) { in.Tags = append(in.Tags, api.Tag{Key: &key, Value: &value}) }
}

func from(source string) func(*api.AssumeRoleRequest) {
	return func(in *api.AssumeRoleRequest) { in.SourceIdentity = &source }
}

// A role that is not there answers as one that does not trust the caller, to the
// letter.
func TestMissingRolesLookDenied(t *testing.T) {
	r := newRig(t)
	r.allowUser(allow("*"))
	const arn = "arn:aws:iam::" + bob + ":role/ci/deploy"
	_, missing := r.AssumeRole(r.carol, request(arn, nil))
	r.addRole(bob, "/ci/", "deploy", document(map[string]any{"Effect": "Deny", "Principal": map[string]string{"AWS": alice}, "Action": "sts:AssumeRole"}))
	_, refused := r.AssumeRole(r.carol, request(arn, nil))
	r.modifyRole(bob, "deploy", func(role *cloud.Role) { role.Trust = trust("AWS", bob, nil, "sts:AssumeRole") })
	_, untrusted := r.AssumeRole(r.carol, request(arn, nil))
	want(t, "missing", missing, "AccessDenied", "")
	if fmt.Sprint(missing) != fmt.Sprint(refused) || fmt.Sprint(missing) != fmt.Sprint(untrusted) {
		t.Errorf("%v\n%v\n%v", missing, refused, untrusted)
	}
	r.modifyRole(bob, "deploy", func(role *cloud.Role) { role.Trust = trust("AWS", alice, nil, "sts:AssumeRole") })
	if _, err := r.AssumeRole(r.carol, request(arn, nil)); err != nil {
		t.Error(err)
	}
	_, err := r.AssumeRole(r.carol, request("arn:aws:iam::"+bob+":role/deploy", nil))
	want(t, "without its path", err, "AccessDenied", "")
	r.Update(func(tx *store.Tx) error {
		return accounts.Modify(tx, bob, func(a *cloud.Account) error { a.State = cloud.AccountSuspended; return nil })
	})
	_, suspended := r.AssumeRole(r.carol, request(arn, nil))
	if fmt.Sprint(missing) != fmt.Sprint(suspended) {
		t.Errorf("suspended account: %v", suspended)
	}
}

func TestRootsAssumeNoRoles(t *testing.T) {
	r := newRig(t)
	arn := r.addRole(alice, "/", "deploy", trust("AWS", alice, nil, "sts:AssumeRole"))
	_, err := r.AssumeRole(r.AsRoot(alice), request(arn, nil))
	want(t, "root", err, "AccessDenied", "Roles may not be assumed by root accounts.")
	out := must(r.GetSessionToken(r.AsRoot(alice), &api.GetSessionTokenRequest{}))(t)
	_, err = r.AssumeRole(r.with(out.Credentials), request(arn, nil))
	want(t, "session of root", err, "AccessDenied", "Roles may not be assumed by root accounts.")
}

func TestAssumeRoleValidation(t *testing.T) {
	r := newRig(t)
	arn := r.addRole(alice, "/", "deploy", trust("AWS", carolARN, nil, assuming...))
	many := func(n int) (list []api.Tag) {
		for i := range n {
			list = append(list, api.Tag{Key: new(fmt.Sprint("k", i)), Value: new("v")})
		}
		return list
	}
	const validation = "ValidationError"
	for name, test := range map[string]struct {
		edit        func(*api.AssumeRoleRequest)
		code, words string
	}{
		"no role":               {func(in *api.AssumeRoleRequest) { in.RoleArn = nil }, validation, "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null"},
		"nothing":               {func(in *api.AssumeRoleRequest) { *in = api.AssumeRoleRequest{} }, validation, "2 validation errors detected"},
		"no ARN":                {func(in *api.AssumeRoleRequest) { in.RoleArn = new("deploy") }, validation, "greater than or equal to 20"},
		"ARN of a user":         {func(in *api.AssumeRoleRequest) { in.RoleArn = new(carolARN) }, validation, "is invalid"},
		"ARN of no role":        {func(in *api.AssumeRoleRequest) { in.RoleArn = new("arn:aws:iam::" + alice + ":role/") }, validation, "is invalid"},
		"short name":            {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("a") }, validation, "Value 'a' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		"two letters":           {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("ab") }, "", ""},
		"64 letters":            {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new(strings.Repeat("a", 64)) }, "", ""},
		"65 letters":            {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new(strings.Repeat("a", 65)) }, validation, "less than or equal to 64"},
		"space in the name":     {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("a b") }, validation, `Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		"slash in the name":     {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("a/b") }, validation, "pattern"},
		"line in the name":      {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("ab\n") }, validation, "pattern"},
		"accents in the name":   {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("été") }, validation, "pattern"},
		"all that may be in it": {func(in *api.AssumeRoleRequest) { in.RoleSessionName = new("aZ_09+=,.@-") }, "", ""},
		"899 seconds":           {func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(899)) }, validation, "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		"900 seconds":           {func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(900)) }, "", ""},
		"as long as it may":     {func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(7200)) }, "", ""},
		"a second longer":       {func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(7201)) }, validation, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		"longer than any":       {func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(43201)) }, validation, "less than or equal to 43200"},
		"short external ID":     {func(in *api.AssumeRoleRequest) { in.ExternalId = new("x") }, validation, "externalId"},
		"spaced external ID":    {func(in *api.AssumeRoleRequest) { in.ExternalId = new("x y") }, validation, "externalId"},
		"odd external ID":       {func(in *api.AssumeRoleRequest) { in.ExternalId = new(`a:b/c\d`) }, validation, "externalId"},
		"external ID":           {func(in *api.AssumeRoleRequest) { in.ExternalId = new("a:b/c+=,.@-") }, "", ""},
		"source identity":       {func(in *api.AssumeRoleRequest) { in.SourceIdentity = new("aws:x") }, validation, "sourceIdentity"},
		"code of five digits": {func(in *api.AssumeRoleRequest) {
			in.SerialNumber, in.TokenCode = new("arn:aws:iam::1:mfa/x"), new("12345")
		}, validation, "tokenCode"},
		"code of letters": {func(in *api.AssumeRoleRequest) {
			in.SerialNumber, in.TokenCode = new("arn:aws:iam::1:mfa/x"), new("abcdef")
		}, validation, "tokenCode"},
		"device without a code": {func(in *api.AssumeRoleRequest) { in.SerialNumber = new("arn:aws:iam::1:mfa/x") }, "AccessDenied", "must provide both"},
		"unknown device": {func(in *api.AssumeRoleRequest) {
			in.SerialNumber, in.TokenCode = new("arn:aws:iam::1:mfa/x"), new("123456")
		}, "AccessDenied", "unable to validate MFA code"},
		"50 tags":               {func(in *api.AssumeRoleRequest) { in.Tags = many(50) }, "", ""},
		"51 tags":               {func(in *api.AssumeRoleRequest) { in.Tags = many(51) }, validation, "tags"},
		"tag without a value":   {func(in *api.AssumeRoleRequest) { in.Tags = []api.Tag{{Key: new("a")}} }, validation, "Value null at 'tags.1.member.value'"},
		"tag with an empty one": {tagged("a", ""), "", ""},
		"tag without a key":     {tagged("", "x"), validation, "tags.1.member.key"},
		"long key":              {tagged(strings.Repeat("k", 129), "x"), validation, "128"},
		"long value":            {tagged("k", strings.Repeat("x", 257)), validation, "256"},
		"odd key":               {tagged("a*", "x"), validation, "pattern"},
		"words":                 {tagged("Kostenstelle für", "Büro 7"), "", ""},
		"reserved key":          {tagged("AWS:team", "x"), "InvalidParameterValue", "reserved"},
		"same key twice":        {func(in *api.AssumeRoleRequest) { tagged("team", "1")(in); tagged("Team", "2")(in) }, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		"transitive, not there": {func(in *api.AssumeRoleRequest) { tagged("team", "1")(in); in.TransitiveTagKeys = []string{"cost"} }, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},
		"long token":            {func(in *api.AssumeRoleRequest) { in.MinimumSessionTokenSize = new(int32(4097)) }, validation, "minimumSessionTokenSize"},
		"context":               {func(in *api.AssumeRoleRequest) { in.ProvidedContexts = []api.ProvidedContext{{}} }, validation, "ProvidedContexts"},
		"eleven policies":       {func(in *api.AssumeRoleRequest) { in.PolicyArns = make([]api.PolicyDescriptorType, 11) }, validation, "policyArns"},
	} {
		_, err := r.AssumeRole(r.carol, request(arn, test.edit))
		want(t, name, err, test.code, test.words)
	}
}

func TestSecondFactor(t *testing.T) {
	r := newRig(t)
	const serial = "arn:aws:iam::" + alice + ":mfa/carol"
	seed := identity.NewSeed()
	r.Update(func(tx *store.Tx) error {
		return devices.Create(tx, cloud.MFADevice{Serial: serial, Account: alice, Name: "carol", User: r.user.ID, Sealed: r.Keys.Secrets.Seal(serial, seed), Enabled: r.Now()})
	})
	code := func() *string { return new(identity.TOTP(seed, identity.TOTPCounter(r.Now()))) }
	arn := r.addRole(alice, "/", "deploy", trust("AWS", carolARN, map[string]any{
		"Bool": map[string]string{"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": map[string]string{"aws:MultiFactorAuthAge": "60"},
	}, "sts:AssumeRole"))
	with := func(code *string) *api.AssumeRoleRequest {
		return request(arn, func(in *api.AssumeRoleRequest) { in.SerialNumber, in.TokenCode = new(serial), code })
	}
	good := code()
	_, err := r.AssumeRole(r.carol, with(new("000000")))
	want(t, "wrong code", err, "AccessDenied", "invalid MFA one time pass code")
	out := must(r.AssumeRole(r.carol, with(good)))(t)
	if !session(r.with(out.Credentials)).MFA.IsZero() {
		t.Error("a role's session has the second factor of who made it")
	}
	_, err = r.AssumeRole(r.carol, with(good))
	want(t, "code again", err, "AccessDenied", "invalid MFA one time pass code")

	r.addUser(alice, "dave", "")
	r.Seconds.Add(30)
	_, err = r.AssumeRole(r.As("arn:aws:iam::"+alice+":user/dave"), with(code()))
	want(t, "another's device", err, "AccessDenied", "unable to validate MFA code")

	// A session that was made with a second factor keeps it, and ages.
	own := must(r.GetSessionToken(r.carol, &api.GetSessionTokenRequest{SerialNumber: new(serial), TokenCode: code()}))(t)
	as := r.with(own.Credentials)
	if _, err := r.AssumeRole(as, request(arn, nil)); err != nil {
		t.Errorf("session with a second factor: %v", err)
	}
	r.Seconds.Add(60)
	_, err = r.AssumeRole(as, request(arn, nil))
	want(t, "session with an old one", err, "AccessDenied", "")
}

func TestChaining(t *testing.T) {
	r := newRig(t)
	first := r.addRole(alice, "/", "first", trust("AWS", carolARN, nil, assuming...))
	second := r.addRole(alice, "/", "second", trust("AWS", alice, nil, assuming...))
	plain := r.addRole(alice, "/", "plain", trust("AWS", alice, nil, "sts:AssumeRole"))
	out := must(r.AssumeRole(r.carol, request(first, func(in *api.AssumeRoleRequest) {
		tagged("Team", "blue")(in)
		tagged("cost", "7")(in)
		in.TransitiveTagKeys, in.SourceIdentity = []string{"TEAM", "team"}, new("carol")
		in.DurationSeconds = new(int32(7200))
	})))(t)
	as := r.with(out.Credentials)
	s := session(as)
	if !maps.Equal(s.Tags, map[string]string{"Team": "blue", "cost": "7"}) || fmt.Sprint(s.Transitive) != "[Team]" || s.Source != "carol" || s.Chained || *out.SourceIdentity != "carol" {
		t.Fatalf("%+v", s)
	}

	_, err := r.AssumeRole(as, request(second, func(in *api.AssumeRoleRequest) { in.DurationSeconds = new(int32(3601)) }))
	want(t, "longer than an hour", err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	_, err = r.AssumeRole(as, request(second, tagged("team", "red")))
	want(t, "inherited tag", err, "InvalidParameterValue", "conflicts with a transitive tag key from the calling session")
	_, err = r.AssumeRole(as, request(second, from("dave")))
	want(t, "another source identity", err, "AccessDenied", "cannot be changed")
	_, err = r.AssumeRole(as, request(plain, nil))
	want(t, "role that allows neither tags nor a source identity", err, "AccessDenied", "sts:TagSession")

	next := must(r.AssumeRole(as, request(second, func(in *api.AssumeRoleRequest) {
		tagged("cost", "8")(in)
		in.SourceIdentity, in.DurationSeconds = new("carol"), new(int32(3600))
	})))(t)
	s = session(r.with(next.Credentials))
	if !maps.Equal(s.Tags, map[string]string{"Team": "blue", "cost": "8"}) || fmt.Sprint(s.Transitive) != "[Team]" || s.Source != "carol" || !s.Chained {
		t.Errorf("second: %+v", s)
	}
	third := must(r.AssumeRole(r.with(next.Credentials), request(second, nil)))(t)
	s = session(r.with(third.Credentials))
	if !maps.Equal(s.Tags, map[string]string{"Team": "blue"}) || s.Source != "carol" || *third.SourceIdentity != "carol" {
		t.Errorf("third: %+v", s)
	}
	// The tags are condition keys of what the session does.
	r.modifyRole(alice, "second", func(role *cloud.Role) {
		role.Inline = map[string]string{"p": document(map[string]any{
			"Effect": "Allow", "Action": "ec2:*", "Resource": "*",
			"Condition": equals("aws:PrincipalTag/team", "blue"),
		}, map[string]any{
			"Effect": "Allow", "Action": "s3:*", "Resource": "*",
			"Condition": equals("aws:SourceIdentity", "dave"),
		})}
	})
	if as := r.with(third.Credentials); !r.may(as, "ec2:RunInstances") || r.may(as, "s3:ListBuckets") {
		t.Error("the session's tags and source identity are not what policies see")
	}
}

func TestSessionPolicies(t *testing.T) {
	r := newRig(t)
	arn := r.addRole(alice, "/", "deploy", trust("AWS", carolARN, nil, assuming...))
	mine := cloud.ManagedPolicy{
		Meta: cloud.Meta{ID: identity.NewID(identity.PolicyPrefix), Account: alice}, Name: "readers", Path: "/", Default: "v1",
		Versions: []cloud.PolicyVersion{{ID: "v1", Document: allow("ec2:Describe*")}},
	}
	foreign := mine
	foreign.ID, foreign.Account = identity.NewID(identity.PolicyPrefix), bob
	r.Update(func(tx *store.Tx) error {
		for _, p := range []cloud.ManagedPolicy{mine, foreign} {
			if err := managed.Create(tx, p); err != nil {
				return err
			}
			if err := tx.Claim(cloud.ManagedPolicyNames(p.Account), p.Name, p.ID); err != nil {
				return err
			}
		}
		return nil
	})
	policies := func(document string, arns ...string) func(*api.AssumeRoleRequest) {
		return func(in *api.AssumeRoleRequest) {
			if document != "" {
				in.Policy = &document
			}
			for _, a := range arns {
				in.PolicyArns = append(in.PolicyArns, api.PolicyDescriptorType{Arn: &a})
			}
		}
	}
	for name, test := range map[string]struct {
		edit           func(*api.AssumeRoleRequest)
		describes, run bool
	}{
		"inline":        {policies(allow("ec2:RunInstances")), false, true},
		"managed":       {policies("", "arn:aws:iam::"+alice+":policy/readers"), true, false},
		"of the cloud":  {policies("", "arn:aws:iam::aws:policy/AdministratorAccess"), true, true},
		"both":          {policies(allow("ec2:RunInstances"), "arn:aws:iam::"+alice+":policy/readers"), true, true},
		"nothing in it": {policies(document(map[string]any{"Effect": "Deny", "Action": "s3:*", "Resource": "*"})), false, false},
	} {
		out := must(r.AssumeRole(r.carol, request(arn, test.edit)))(t)
		as := r.with(out.Credentials)
		if got := r.may(as, "ec2:DescribeInstances"); got != test.describes {
			t.Errorf("%s: may describe: %v", name, got)
		}
		if got := r.may(as, "ec2:RunInstances"); got != test.run {
			t.Errorf("%s: may run: %v", name, got)
		}
		if out.PackedPolicySize == nil || *out.PackedPolicySize < 1 || *out.PackedPolicySize > 20 {
			t.Errorf("%s: packed size %v", name, out.PackedPolicySize)
		}
	}
	long := func(n int) string {
		return allow("ec2:*")[:1] + strings.Repeat(" ", n-len(allow("ec2:*"))) + allow("ec2:*")[1:]
	}
	for name, test := range map[string]struct {
		edit        func(*api.AssumeRoleRequest)
		code, words string
	}{
		"2048 characters":    {policies(long(2048)), "", ""},
		"2049 characters":    {policies(long(2049)), "ValidationError", "2048"},
		"2048 with the ARNs": {policies(long(2000), "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess"), "PackedPolicyTooLarge", "2048"},
		"empty":              {func(in *api.AssumeRoleRequest) { in.Policy = new("") }, "ValidationError", "policy"},
		"no JSON":            {policies("{"), "MalformedPolicyDocument", "line 1"},
		"names a principal":  {policies(trust("AWS", alice, nil, "ec2:*")), "MalformedPolicyDocument", ""},
		"beyond Latin":       {policies(strings.Replace(allow("ec2:*"), "ec2", "ec2€", 1)), "ValidationError", "policy"},
		"missing policy":     {policies("", "arn:aws:iam::"+alice+":policy/missing"), "MalformedPolicyDocument", "no managed policy"},
		"another account's":  {policies("", "arn:aws:iam::"+bob+":policy/readers"), "MalformedPolicyDocument", "no managed policy"},
		"no ARN":             {policies("", "readers"), "ValidationError", "policyArns.1.member.arn"},
		"random tags of 6 KiB": {func(in *api.AssumeRoleRequest) {
			for i := range 50 {
				tagged(fmt.Sprint("k", i), identity.NewSecret()+identity.NewSecret()+identity.NewSecret())(in)
			}
		}, "PackedPolicyTooLarge", "% of allotted space"},
		"refused before looking": {func(in *api.AssumeRoleRequest) {
			in.RoleArn = new("arn:aws:iam::" + bob + ":role/x")
			policies("{")(in)
		}, "AccessDenied", ""},
	} {
		_, err := r.AssumeRole(r.carol, request(arn, test.edit))
		want(t, name, err, test.code, test.words)
	}
}

// The largest session that is let through has a token that clients can carry.
func TestLargeSessions(t *testing.T) {
	r := newRig(t)
	arn := r.addRole(alice, "/", "deploy", trust("AWS", carolARN, nil, assuming...))
	last := 0
	for n := range 50 {
		out, err := r.AssumeRole(r.carol, request(arn, func(in *api.AssumeRoleRequest) {
			in.RoleSessionName, in.SourceIdentity = new(strings.Repeat("x", 64)), new(identity.NewSecret()[:20]+"x")
			in.SourceIdentity = new(strings.ToLower(identity.NewID("A")))
			for i := range n + 1 {
				tagged(fmt.Sprint("key", i), identity.NewSecret()+identity.NewSecret())(in)
			}
		}))
		if err != nil {
			want(t, fmt.Sprint(n+1, " tags"), err, "PackedPolicyTooLarge", "")
			if last < 85 {
				t.Errorf("refused after %d%%", last)
			}
			return
		}
		if size := len(*out.Credentials.SessionToken); size > identity.MaxToken || size != int(*out.SessionTokenSize) {
			t.Errorf("%d tags make a token of %d", n+1, size)
		}
		if int(*out.PackedPolicySize) < last {
			t.Errorf("more tags take %d%%, fewer %d%%", *out.PackedPolicySize, last)
		}
		last = int(*out.PackedPolicySize)
	}
	t.Errorf("50 tags with random values take only %d%%", last)
}

func TestMinimumTokenSize(t *testing.T) {
	r := newRig(t)
	arn := r.addRole(alice, "/", "deploy", trust("AWS", carolARN, nil, "sts:AssumeRole"))
	for _, n := range []int32{0, 1, 700, 701, 702, 703, 2048, 4093, 4096} {
		out := must(r.AssumeRole(r.carol, request(arn, func(in *api.AssumeRoleRequest) { in.MinimumSessionTokenSize = &n })))(t)
		if size := int32(len(*out.Credentials.SessionToken)); size < n || size > max(n+3, 700) || size != *out.SessionTokenSize || *out.SessionTokenUtilization != (size*100+4095)/4096 {
			t.Errorf("at least %d: %d, %d%%", n, size, *out.SessionTokenUtilization)
		}
		r.with(out.Credentials)
	}
}
