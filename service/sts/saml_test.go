package sts_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/saml/samltest"
	"github.com/vauban-cloud/vauban/store"
)

const (
	samlARN   = "arn:aws:iam::" + alice + ":saml-provider/idp"
	attribute = "https://aws.amazon.com/SAML/Attributes/"
)

// samlRig is a rig whose alice trusts a SAML provider.
type samlRig struct {
	*rig
	*samltest.Provider
	role string
}

func newSAMLRig(t *testing.T) *samlRig {
	r := &samlRig{rig: newRig(t)}
	r.Provider = samltest.New(t, r.rig.Now)
	r.Update(func(tx *store.Tx) error {
		return samls.Create(tx, cloud.SAMLProvider{ARN: samlARN, Account: alice, Name: "idp", Metadata: r.Metadata()})
	})
	r.role = r.addRole(alice, "/", "staff", trust("Federated", samlARN, nil, "sts:AssumeRoleWithSAML"))
	return r
}

// assume assumes the role with a response that edit changes.
func (r *samlRig) assume(edit func(*samltest.Response), change func(*api.AssumeRoleWithSAMLRequest)) (*api.AssumeRoleWithSAMLResponse, error) {
	response := r.Good(map[string][]string{attribute + "Role": {"x,y", r.role + "," + samlARN}, attribute + "RoleSessionName": {"carol@example.org"}})
	if edit != nil {
		edit(&response)
	}
	in := &api.AssumeRoleWithSAMLRequest{PrincipalArn: new(samlARN), RoleArn: &r.role, SAMLAssertion: new(r.Encoded(response))}
	if change != nil {
		change(in)
	}
	return r.AssumeRoleWithSAML(r.rig.Context(), in)
}

func TestAssumeRoleWithSAML(t *testing.T) {
	r := newSAMLRig(t)
	sum := sha1.Sum([]byte(r.Entity + alice + "/idp"))
	qualifier := base64.StdEncoding.EncodeToString(sum[:])
	r.modifyRole(alice, "staff", func(role *cloud.Role) {
		role.Trust = trust("Federated", samlARN, map[string]any{"StringEquals": map[string]string{
			"saml:aud": "https://signin.aws.amazon.com/saml", "saml:iss": r.Entity, "saml:sub": "carol", "saml:sub_type": "persistent",
			"saml:namequalifier": qualifier, "saml:doc": alice + "/idp", "aws:RequestTag/team": "blue", "sts:SourceIdentity": "carol",
		}}, "sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity")
	})
	out := must(r.assume(func(a *samltest.Response) {
		a.Attributes[attribute+"PrincipalTag:team"] = []string{"blue"}
		a.Attributes[attribute+"TransitiveTagKeys"] = []string{"team"}
		a.Attributes[attribute+"SourceIdentity"] = []string{"carol"}
		a.Attributes[attribute+"SessionDuration"] = []string{"7200"}
	}, nil))(t)
	if *out.Audience != "https://signin.aws.amazon.com/saml" || *out.Issuer != r.Entity || *out.Subject != "carol" || *out.SubjectType != "persistent" ||
		*out.NameQualifier != qualifier || *out.SourceIdentity != "carol" || *out.AssumedRoleUser.Arn != "arn:aws:sts::000000000001:assumed-role/staff/carol@example.org" {
		t.Errorf("%+v", *out)
	}
	if !out.Credentials.Expiration.Equal(r.rig.Now().Add(2 * time.Hour)) {
		t.Errorf("until %v", out.Credentials.Expiration)
	}
	s := session(r.with(out.Credentials))
	if !maps.Equal(s.Tags, map[string]string{"team": "blue"}) || fmt.Sprint(s.Transitive) != "[team]" || s.Source != "carol" || s.Provider != samlARN || s.Claims["saml:sub"][0] != "carol" {
		t.Errorf("%+v", s)
	}
}

func TestSAMLDuration(t *testing.T) {
	r := newSAMLRig(t)
	for name, test := range map[string]struct {
		attribute string
		parameter int32
		ends      time.Duration // of the provider's session; 0: not said
		lasts     time.Duration
		code      string
	}{
		"nothing said":          {"", 0, 0, time.Hour, ""},
		"attribute":             {"1800", 0, 0, 30 * time.Minute, ""},
		"parameter":             {"1800", 900, 0, 15 * time.Minute, ""},
		"provider's session":    {"", 3600, 1000 * time.Second, 1000 * time.Second, ""},
		"very short session":    {"", 0, 60 * time.Second, time.Minute, ""},
		"provider's is longer":  {"", 900, 100 * time.Hour, 15 * time.Minute, ""},
		"more than the role's":  {"7201", 0, 0, 0, "ValidationError"},
		"attribute too short":   {"899", 0, 0, 0, "InvalidIdentityToken"},
		"attribute is no digit": {"1h", 0, 0, 0, "InvalidIdentityToken"},
	} {
		out, err := r.assume(func(a *samltest.Response) {
			if test.attribute != "" {
				a.Attributes[attribute+"SessionDuration"] = []string{test.attribute}
			}
			if test.ends != 0 {
				a.Ends = r.rig.Now().Add(test.ends)
			}
		}, func(in *api.AssumeRoleWithSAMLRequest) {
			if test.parameter != 0 {
				in.DurationSeconds = &test.parameter
			}
		})
		want(t, name, err, test.code, "")
		if err == nil && !out.Credentials.Expiration.Equal(r.rig.Now().Add(test.lasts)) {
			t.Errorf("%s: until %v", name, out.Credentials.Expiration)
		}
	}
}

func TestSAMLRefused(t *testing.T) {
	r := newSAMLRig(t)
	other := r.addRole(alice, "/", "other", trust("Federated", samlARN, nil, "sts:AssumeRoleWithSAML"))
	r.addRole(bob, "/", "staff", trust("Federated", samlARN, nil, "sts:AssumeRoleWithSAML"))
	with := func(name string, values ...string) func(*samltest.Response) {
		return func(a *samltest.Response) { a.Attributes[attribute+name] = values }
	}
	const token = "InvalidIdentityToken"
	for name, test := range map[string]struct {
		edit        func(*samltest.Response)
		change      func(*api.AssumeRoleWithSAMLRequest)
		code, words string
	}{
		"provider first": {with("Role", samlARN+", "+r.role), nil, "", ""},
		"cloud's own recipient": {func(a *samltest.Response) {
			a.Recipient, a.Audience = "https://signin.eu-paris-1.vauban.internal/saml", "https://signin.eu-paris-1.vauban.internal/saml"
		}, nil, "", ""},
		"role not asserted":       {nil, func(in *api.AssumeRoleWithSAMLRequest) { in.RoleArn = &other }, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML"},
		"another provider's role": {with("Role", r.role+","+samlARN+"2"), nil, "AccessDenied", "Not authorized"},
		"role without a provider": {with("Role", r.role), nil, "AccessDenied", "Not authorized"},
		"no role":                 {func(a *samltest.Response) { delete(a.Attributes, attribute+"Role") }, nil, "AccessDenied", "Not authorized"},
		"missing role":            {with("Role", "arn:aws:iam::"+alice+":role/missing,"+samlARN), func(in *api.AssumeRoleWithSAMLRequest) { in.RoleArn = new("arn:aws:iam::" + alice + ":role/missing") }, "AccessDenied", "Not authorized"},
		"another account's role":  {with("Role", "arn:aws:iam::"+bob+":role/staff,"+samlARN), func(in *api.AssumeRoleWithSAMLRequest) { in.RoleArn = new("arn:aws:iam::" + bob + ":role/staff") }, token, "Specified provider doesn't exist"},
		"missing provider":        {nil, func(in *api.AssumeRoleWithSAMLRequest) { in.PrincipalArn = new(samlARN + "2") }, token, "Specified provider doesn't exist"},
		"no session name":         {func(a *samltest.Response) { delete(a.Attributes, attribute+"RoleSessionName") }, nil, token, "RoleSessionName is required"},
		"odd session name":        {with("RoleSessionName", "a b"), nil, token, "RoleSessionName in AuthnResponse must match"},
		"two session names":       {with("RoleSessionName", "aa", "bb"), nil, token, "one value"},
		"odd source":              {with("SourceIdentity", "aws:x"), nil, token, "Source Identity must match"},
		"tags that may not be":    {with("PrincipalTag:team", "blue"), nil, "AccessDenied", "sts:TagSession"},
		"tag with two values":     {with("PrincipalTag:team", "blue", "red"), nil, token, "one value"},
		"transitive, no tag":      {with("TransitiveTagKeys", "team"), nil, "InvalidParameterValue", "transitive tag key"},
		"expired":                 {func(a *samltest.Response) { a.Issued = a.Issued.Add(-time.Hour) }, nil, "ExpiredTokenException", "5 minutes"},
		"not signed":              {func(a *samltest.Response) { a.Sign = "none" }, nil, token, "signature"},
		"no response":             {nil, func(in *api.AssumeRoleWithSAMLRequest) { in.SAMLAssertion = new("abcd") }, token, ""},
		"nothing":                 {nil, func(in *api.AssumeRoleWithSAMLRequest) { *in = api.AssumeRoleWithSAMLRequest{} }, "ValidationError", "3 validation errors detected"},
		"bad policy":              {nil, func(in *api.AssumeRoleWithSAMLRequest) { in.Policy = new("[]") }, "MalformedPolicyDocument", ""},
	} {
		_, err := r.assume(test.edit, test.change)
		want(t, name, err, test.code, test.words)
	}
	judge := &nobody{}
	r.Authz = judge
	_, err := r.assume(nil, nil)
	want(t, "nobody", err, "AccessDenied", "no")
	if len(judge.asked) != 1 || judge.asked[0].Action != "sts:AssumeRoleWithSAML" || judge.asked[0].Caller.Account != "" {
		t.Errorf("asked %+v", judge.asked)
	}
}
