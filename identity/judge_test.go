package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// allow is a policy that allows one action everywhere.
func allow(action string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`
}

func deny(action string) string { return strings.Replace(allow(action), "Allow", "Deny", 1) }

// allowIf adds a condition.
func allowIf(action, condition string) string {
	return strings.Replace(allow(action), `"Resource":"*"`, `"Resource":"*","Condition":`+condition, 1)
}

func (r *rig) carol() cloud.Caller {
	c, ok := r.Find(r.DB.View(), "arn:aws:iam::000000000001:user/staff/Carol")
	if !ok {
		r.Fatal("carol is gone")
	}
	c.SourceIP, c.Region = "192.0.2.7", "eu-paris-1"
	return c
}

// verdict is "yes", or the end of the message.
func (r *rig) verdict(q policy.Request) string {
	r.Helper()
	err := r.Authorize(r.Context(), q)
	if err == nil {
		return "yes"
	}
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		r.Fatal(err)
	}
	text := e.Message
	for _, start := range []string{" because ", " with an explicit deny"} {
		if i := strings.Index(text, start); i >= 0 {
			return strings.TrimSpace(text[i:])
		}
	}
	return text
}

const object = "arn:aws:s3:::bucket/key"

// s3 is a request of carol's about an object of alice's.
func (r *rig) s3(c cloud.Caller) policy.Request {
	return policy.Request{Caller: c, Action: "s3:GetObject", Resources: []policy.Resource{{ARN: object, Owner: alice, Tags: map[string]string{"Team": "blue"}}}}
}

func TestPoliciesOfAUser(t *testing.T) {
	const none = "because no identity-based policy allows the s3:GetObject action"
	r := newRig(t)
	group := cloud.Group{Meta: cloud.Meta{ID: identity.NewID(identity.GroupPrefix), Account: alice}, Name: "staff", Path: "/"}
	p := cloud.ManagedPolicy{
		Meta: cloud.Meta{ID: identity.NewID(identity.PolicyPrefix), Account: alice}, Name: "read", Path: "/team/", Default: "v2",
		Versions: []cloud.PolicyVersion{{ID: "v1", Document: allow("s3:*")}, {ID: "v2", Document: allow("ec2:*")}},
	}
	r.Update(func(tx *store.Tx) error {
		return errors.Join(groups.Create(tx, group), managed.Create(tx, p), tx.Claim(cloud.ManagedPolicyNames(alice), "read", p.ID))
	})
	ask := func(want string) {
		t.Helper()
		if got := r.verdict(r.s3(r.carol())); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	ask(none)
	r.modify(func(u *cloud.User) { u.Inline = map[string]string{"p": allow("s3:GetObject")} })
	ask("yes")
	r.modify(func(u *cloud.User) {
		u.Inline = nil
		u.Attached = []string{"arn:aws:iam::000000000001:policy/team/read"}
	})
	ask(none)
	r.Update(func(tx *store.Tx) error {
		return managed.Modify(tx, p.ID, func(p *cloud.ManagedPolicy) error { p.Default = "v1"; return nil })
	})
	ask("yes")
	r.modify(func(u *cloud.User) { u.Attached = []string{"arn:aws:iam::000000000001:policy/read"} }) // wrong path
	ask(none)
	r.modify(func(u *cloud.User) { u.Attached = []string{"arn:aws:iam::aws:policy/AdministratorAccess"} })
	ask("yes")
	r.modify(func(u *cloud.User) { u.Attached = nil; u.Groups = []string{group.ID} })
	ask(none)
	r.Update(func(tx *store.Tx) error {
		return groups.Modify(tx, group.ID, func(g *cloud.Group) error { g.Inline = map[string]string{"g": allow("s3:*")}; return nil })
	})
	ask("yes")
	r.modify(func(u *cloud.User) { u.Boundary = "arn:aws:iam::000000000001:policy/team/read" })
	ask("yes")
	r.Update(func(tx *store.Tx) error {
		return managed.Modify(tx, p.ID, func(p *cloud.ManagedPolicy) error { p.Default = "v2"; return nil })
	})
	ask("because no permissions boundary allows the s3:GetObject action")
	r.modify(func(u *cloud.User) { u.Boundary = ""; u.Inline = map[string]string{"no": deny("s3:GetObject")} })
	ask("with an explicit deny in an identity-based policy")
}

func TestPoliciesOfASession(t *testing.T) {
	r := newRig(t)
	caller := func(t *testing.T, edit func(*cloud.Session)) cloud.Caller {
		s, token := r.session(edit)
		_, c, _, err := r.Lookup(s.AccessKey, token)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	r.Update(func(tx *store.Tx) error {
		return roles.Modify(tx, r.role.ID, func(role *cloud.Role) error {
			role.Inline = map[string]string{"p": allow("s3:*")}
			return nil
		})
	})
	for name, test := range map[string]struct {
		edit func(*cloud.Session)
		want string
	}{
		"whole":      {nil, "yes"},
		"restricted": {func(s *cloud.Session) { s.Restricted, s.Policies = true, []string{allow("s3:GetObject")} }, "yes"},
		"by another": {func(s *cloud.Session) { s.Restricted, s.Policies = true, []string{allow("s3:PutObject")} }, "because no session policy allows the s3:GetObject action"},
		"by managed": {func(s *cloud.Session) {
			s.Restricted, s.PolicyARNs = true, []string{"arn:aws:iam::aws:policy/AdministratorAccess"}
		}, "yes"},
		"by what is gone": {func(s *cloud.Session) {
			s.Restricted, s.PolicyARNs = true, []string{"arn:aws:iam::000000000001:policy/gone"}
		}, "because no session policy allows the s3:GetObject action"},
		"federated, nothing passed": {func(s *cloud.Session) { s.Type, s.Entity = cloud.PrincipalFederated, "" }, "because no session policy allows the s3:GetObject action"},
		"federated": {func(s *cloud.Session) {
			s.Type, s.Entity, s.Restricted, s.Policies = cloud.PrincipalFederated, "", true, []string{allow("s3:GetObject")}
		}, "yes"},
		"of the user": {func(s *cloud.Session) { s.Type, s.Entity = cloud.PrincipalUser, r.user.ID }, "because no identity-based policy allows the s3:GetObject action"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.verdict(r.s3(caller(t, test.edit))); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestControlPolicies(t *testing.T) {
	r := newRig(t)
	o, _ := orgs.Get(r.DB.View(), cloud.OrganizationKey)
	unit := cloud.OrganizationalUnit{ID: "ou-1", Name: "tenants", Parent: o.Root}
	p := cloud.ControlPolicy{ID: "p-1", Name: "no buckets", Type: "SERVICE_CONTROL_POLICY", Document: deny("s3:*"), Targets: []string{unit.ID}}
	r.Update(func(tx *store.Tx) error {
		return errors.Join(units.Create(tx, unit), controls.Create(tx, p), controls.Modify(tx, cloud.FullAccess, func(p *cloud.ControlPolicy) error {
			p.Targets = append(p.Targets, unit.ID)
			return nil
		}))
	})
	root := func(account string) cloud.Caller { return r.Root(account) }
	ask := func(c cloud.Caller, want string) {
		t.Helper()
		q := r.s3(c)
		q.Resources[0].Owner = c.Account
		if got := r.verdict(q); got != want {
			t.Errorf("%s: %s, want %s", c.ARN, got, want)
		}
	}
	move := func(account string) {
		t.Helper()
		r.Update(func(tx *store.Tx) error {
			return accounts.Modify(tx, account, func(a *cloud.Account) error { a.Parent = unit.ID; return nil })
		})
	}
	ask(root(alice), "yes")
	move(alice)
	move("100000000001")
	ask(root(alice), "with an explicit deny in a service control policy")
	ask(root(bob), "yes")
	ask(root("100000000001"), "yes") // control policies leave the management account alone
	r.Update(func(tx *store.Tx) error {
		return controls.Modify(tx, cloud.FullAccess, func(p *cloud.ControlPolicy) error { p.Targets = []string{o.Root, unit.ID, alice}; return nil })
	})
	ask(root(bob), "because no service control policy allows the s3:GetObject action")
	r.Update(func(tx *store.Tx) error {
		return orgs.Modify(tx, cloud.OrganizationKey, func(o *cloud.Organization) error { o.PolicyTypes = nil; return nil })
	})
	ask(root(alice), "yes")
	ask(root(bob), "yes")
}

func TestConditionKeys(t *testing.T) {
	r := newRig(t)
	s, token := r.session(func(s *cloud.Session) {
		s.Tags, s.MFA, s.Source = map[string]string{"TEAM": "green"}, r.Now().Add(-60e9), "carol@example.org"
		s.Provider, s.Claims = "arn:aws:iam::000000000001:oidc-provider/idp", map[string][]string{"idp:sub": {"u1"}}
	})
	_, session, _, err := r.Lookup(s.AccessKey, token)
	if err != nil {
		t.Fatal(err)
	}
	session.SourceIP = "192.0.2.7"
	r.Update(func(tx *store.Tx) error {
		return roles.Modify(tx, r.role.ID, func(role *cloud.Role) error { role.Tags["cost"] = "2"; return nil })
	})
	inside := r.carol()
	inside.VPC = "vpc-1"
	org, _ := orgs.Get(r.DB.View(), cloud.OrganizationKey)
	for _, test := range []struct {
		caller    cloud.Caller
		condition string
		want      bool
	}{
		{r.carol(), `{"StringEquals":{"aws:username":"Carol"}}`, true},
		{session, `{"StringLike":{"aws:username":"*"}}`, false},
		{r.carol(), `{"StringEquals":{"aws:userid":"` + r.user.ID + `"}}`, true},
		{session, `{"StringEquals":{"aws:userid":"` + r.role.ID + `:build-7"}}`, true},
		{r.carol(), `{"StringEquals":{"aws:PrincipalType":"User"}}`, true},
		{session, `{"StringEquals":{"aws:PrincipalType":"AssumedRole"}}`, true},
		{session, `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::000000000001:role/ci/deploy"}}`, true},
		{r.carol(), `{"StringEquals":{"aws:PrincipalAccount":"000000000001"}}`, true},
		{r.carol(), `{"StringEquals":{"aws:PrincipalOrgID":"` + org.ID + `"}}`, true},
		{r.carol(), `{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"` + org.ID + `/` + org.Root + `/*"}}`, true},
		{r.carol(), `{"StringEquals":{"aws:PrincipalTag/team":"blue"}}`, true},
		{session, `{"StringEquals":{"aws:PrincipalTag/team":"green"}}`, true},
		{session, `{"StringEquals":{"aws:PrincipalTag/cost":"2"}}`, true},
		{r.carol(), `{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}`, true},
		{r.carol(), `{"StringEquals":{"s3:ResourceTag/Team":"blue"}}`, true},
		{r.carol(), `{"StringEquals":{"ec2:ResourceTag/Team":"blue"}}`, false},
		{r.carol(), `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`, true},
		{r.carol(), `{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}`, false},
		{inside, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`, false},
		{inside, `{"IpAddress":{"aws:VpcSourceIp":"192.0.2.0/24"}}`, true},
		{inside, `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`, true},
		{r.carol(), `{"Null":{"aws:SourceVpc":"true","aws:VpcSourceIp":"true"}}`, true},
		{r.carol(), `{"StringEquals":{"aws:RequestedRegion":"eu-paris-1"}}`, true},
		{r.carol(), `{"Bool":{"aws:SecureTransport":"false"}}`, true},
		{r.carol(), `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, false},
		{r.carol(), `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}`, true},
		{session, `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, true},
		{session, `{"NumericLessThanEquals":{"aws:MultiFactorAuthAge":"60"}}`, true},
		{session, `{"NumericLessThan":{"aws:MultiFactorAuthAge":"60"}}`, false},
		{session, `{"DateLessThan":{"aws:TokenIssueTime":"2023-11-14T22:13:21Z"}}`, true},
		{r.carol(), `{"Null":{"aws:TokenIssueTime":"true"}}`, true},
		{r.carol(), `{"DateGreaterThan":{"aws:CurrentTime":"2023-11-14T22:13:19Z"}}`, true},
		{r.carol(), `{"NumericEquals":{"aws:EpochTime":"1700000000"}}`, true},
		{session, `{"StringEquals":{"aws:SourceIdentity":"carol@example.org"}}`, true},
		{session, `{"StringEquals":{"aws:FederatedProvider":"arn:aws:iam::000000000001:oidc-provider/idp"}}`, true},
		{session, `{"StringEquals":{"idp:sub":"u1"}}`, true},
		{r.carol(), `{"StringEquals":{"idp:sub":"u1"}}`, false},
		{r.carol(), `{"StringEquals":{"aws:ResourceAccount":"000000000001"}}`, true},
		{r.carol(), `{"Bool":{"aws:ViaAWSService":"false"}}`, true},
	} {
		r.modify(func(u *cloud.User) { u.Inline = map[string]string{"p": allowIf("s3:*", test.condition)} })
		r.Update(func(tx *store.Tx) error {
			return roles.Modify(tx, r.role.ID, func(role *cloud.Role) error {
				role.Inline = map[string]string{"p": allowIf("s3:*", test.condition)}
				return nil
			})
		})
		if got := r.verdict(r.s3(test.caller)); (got == "yes") != test.want {
			t.Errorf("%s with %s: %s, want %v", test.caller.ARN, test.condition, got, test.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	for action, want := range map[string]struct {
		code   string
		status int
	}{
		"ec2:StopInstances":         {"UnauthorizedOperation", 403},
		"kms:Decrypt":               {"AccessDeniedException", 400},
		"organizations:MoveAccount": {"AccessDeniedException", 400},
		"iam:GetUser":               {"AccessDenied", 403},
		"s3:GetObject":              {"AccessDenied", 403},
	} {
		err := r.Authorize(t.Context(), policy.Request{Caller: r.carol(), Action: action})
		e, ok := errors.AsType[*cloud.Error](err)
		if !ok || e.Code != want.code || e.HTTPStatus() != want.status {
			t.Errorf("%s: %v, want %+v", action, err, want)
			continue
		}
		if text := "User: arn:aws:iam::000000000001:user/staff/Carol is not authorized to perform: " + action + " on resource: * because no identity-based policy allows the " + action + " action"; !strings.Contains(e.Message, text) {
			t.Errorf("%s, want %s", e.Message, text)
		}
	}
	if err := r.Authorize(t.Context(), policy.Request{Action: "s3:GetObject"}); err == nil {
		t.Error("nobody may read")
	}
	if err := r.Authorize(t.Context(), policy.Request{Caller: r.Root(bob), Action: "ec2:StopInstances", Resources: []policy.Resource{{ARN: "arn:aws:ec2:eu-paris-1:000000000001:instance/i-1"}}}); err == nil {
		t.Error("bob may stop alice's instance")
	}
}

func TestEncodedMessage(t *testing.T) {
	r := newRig(t)
	r.modify(func(u *cloud.User) { u.Inline = map[string]string{"p": deny("ec2:StopInstances")} })
	about := policy.Resource{ARN: "arn:aws:ec2:eu-paris-1:000000000001:instance/i-1", Tags: map[string]string{"env": "prod"}, Keys: map[string][]string{"ec2:InstanceType": {"t3.micro"}}}
	err := r.Authorize(t.Context(), policy.Request{Caller: r.carol(), Action: "ec2:StopInstances", Resources: []policy.Resource{about}})
	e, ok := errors.AsType[*cloud.Error](err)
	if !ok {
		t.Fatal(err)
	}
	_, encoded, _ := strings.Cut(e.Message, "Encoded authorization failure message: ")
	m, err := r.Decode(alice, encoded)
	if err != nil {
		t.Fatal(err)
	}
	if m.Allowed || !m.ExplicitDeny || len(m.MatchedStatements.Items) != 1 || m.Context.Resource != about.ARN || m.Context.Action != "ec2:StopInstances" {
		t.Errorf("%+v", m)
	}
	if m.Trace.Decision.Policy != "inline policy p of user/staff/Carol" {
		t.Errorf("decided by %q", m.Trace.Decision.Policy)
	}
	if _, err := r.Decode(bob, encoded); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("bob decoded it: %v", err)
	}
	for _, bad := range []string{"", "x", encoded[1:], encoded[:len(encoded)-4], encoded + "AAAA"} {
		if _, err := r.Decode(alice, bad); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%d characters decoded: %v", len(bad), err)
		}
	}
}

func TestUses(t *testing.T) {
	r := newRig(t)
	u := identity.NewUses(r.DB)
	c := r.carol()
	c.AccessKey = r.key.ID
	u.Note(c, "ec2", r.Now())
	u.Note(c, "s3", r.Now().Add(5e9))
	u.Note(cloud.Caller{}, "sts", r.Now())
	s, token := r.session(nil)
	_, session, _, err := r.Lookup(s.AccessKey, token)
	if err != nil {
		t.Fatal(err)
	}
	session.AccessKey = s.AccessKey
	u.Note(session, "iam", r.Now())
	if n := lastUses.Count(r.DB.View(), ""); n != 0 {
		t.Errorf("%d uses before they were written", n)
	}
	u.Flush(t.Context())
	if use, ok := lastUses.Get(r.DB.View(), r.key.ID); !ok || use.Service != "s3" || !use.When.Equal(r.Now().Add(5e9)) || use.Region != "eu-paris-1" {
		t.Errorf("%+v, %v", use, ok)
	}
	if use, ok := lastUses.Get(r.DB.View(), r.role.ID); !ok || use.Service != "iam" {
		t.Errorf("%+v, %v", use, ok)
	}
	if n := lastUses.Count(r.DB.View(), ""); n != 2 {
		t.Errorf("%d uses", n)
	}
	u.Note(c, "late", r.Now()) // an earlier request that ended later
	u.Flush(t.Context())
	if use, _ := lastUses.Get(r.DB.View(), r.key.ID); use.Service != "s3" {
		t.Errorf("a use went back in time: %+v", use)
	}
}
