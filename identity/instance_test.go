package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

var profiles store.Table[cloud.InstanceProfile]

// trustService is a trust policy that lets a service assume the role.
func trustService(service string) string {
	return strings.Replace(trustRoot, `{"AWS":"*"}`, `{"Service":"`+service+`"}`, 1)
}

// instance is an instance of alice's with a profile that carries the rig's role.
func (r *rig) instance() cloud.Instance {
	r.Helper()
	p := cloud.InstanceProfile{Meta: cloud.Meta{ID: identity.NewID(identity.InstanceProfilePrefix), Account: alice}, Name: "Web", Path: "/", Role: r.role.ID}
	r.Update(func(tx *store.Tx) error {
		return errors.Join(profiles.Create(tx, p), tx.Claim(cloud.InstanceProfileNames(alice), cloud.IAMName(p.Name), p.ID))
	})
	r.trust(trustService(identity.EC2))
	return cloud.Instance{
		Meta:    cloud.Meta{ID: "i-0123456789abcdef0", Account: alice},
		Profile: &cloud.ProfileAssociation{ID: "iip-assoc-0123456789abcdef0", Profile: p.ID},
	}
}

func (r *rig) trust(document string) {
	r.Helper()
	r.Update(func(tx *store.Tx) error {
		return roles.Modify(tx, r.role.ID, func(role *cloud.Role) error { role.Trust = document; return nil })
	})
}

func TestInstanceCredentials(t *testing.T) {
	r := newRig(t)
	i := r.instance()
	c, err := r.InstanceCredentials(r.DB.View(), i, "2.0")
	if err != nil {
		t.Fatal(err)
	}
	if c.Role != r.role.ID || !c.Issued.Equal(r.Now()) || c.Expires.Sub(c.Issued) != 6*time.Hour || !strings.HasPrefix(c.AccessKey, "ASIA") {
		t.Errorf("got %+v", c)
	}
	secret, caller, active, err := r.Lookup(c.AccessKey, c.Token)
	if err != nil || secret != c.Secret || !active {
		t.Fatalf("look up: %q, %v, %v", secret, active, err)
	}
	if caller.ARN != "arn:aws:sts::000000000001:assumed-role/deploy/i-0123456789abcdef0" || caller.UserID != r.role.ID+":i-0123456789abcdef0" {
		t.Errorf("the caller is %s, %s", caller.ARN, caller.UserID)
	}
	r.Update(func(tx *store.Tx) error {
		return roles.Modify(tx, r.role.ID, func(role *cloud.Role) error {
			role.Inline = map[string]string{"p": allowIf("s3:*", `{
				"ArnEquals":{"ec2:SourceInstanceARN":"arn:aws:ec2:eu-paris-1:000000000001:instance/i-0123456789abcdef0"},
				"NumericGreaterThanEquals":{"ec2:RoleDelivery":"2.0"}}`)}
			return nil
		})
	})
	if got := r.verdict(r.s3(caller)); got != "yes" {
		t.Errorf("the instance may not: %s", got)
	}
	old, err := r.InstanceCredentials(r.DB.View(), i, "1.0")
	if err != nil || old.AccessKey == c.AccessKey {
		t.Fatalf("the second credentials: %v", err)
	}
	if _, caller, _, err = r.Lookup(old.AccessKey, old.Token); err != nil {
		t.Fatal(err)
	}
	if got := r.verdict(r.s3(caller)); got == "yes" {
		t.Error("credentials of version 1 count as of version 2")
	}
}

// Each way in which an instance has no credentials, and what its guest is told.
func TestNoInstanceCredentials(t *testing.T) {
	r := newRig(t)
	i := r.instance()
	setRole := func(id string) {
		r.Update(func(tx *store.Tx) error {
			return profiles.Modify(tx, i.Profile.Profile, func(p *cloud.InstanceProfile) error { p.Role = id; return nil })
		})
	}
	refused := func(what, code string, i cloud.Instance) {
		t.Helper()
		_, err := r.InstanceCredentials(r.DB.View(), i, "2.0")
		if e, ok := errors.AsType[*cloud.Error](err); !ok || e.Code != code {
			t.Errorf("%s: got %v, want %s", what, err, code)
		}
	}
	for what, trust := range map[string]string{
		"anybody of AWS":  trustRoot,
		"another service": trustService("lambda.amazonaws.com"),
		"another action":  strings.Replace(trustService(identity.EC2), "sts:AssumeRole", "sts:TagSession", 1),
		"denied": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},
			{"Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:*"}]}`,
		"another account": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole",
			"Condition":{"StringEquals":{"aws:SourceAccount":"000000000002"}}}}`,
	} {
		r.trust(trust)
		refused("trust to "+what, "AssumeRoleUnauthorizedAccess", i)
	}
	r.trust(strings.Replace(trustService(identity.EC2), `"Effect"`, `"Condition":{"Bool":{"aws:PrincipalIsAWSService":"true"}},"Effect"`, 1))
	if _, err := r.InstanceCredentials(r.DB.View(), i, "2.0"); err != nil {
		t.Errorf("trust to services: %v", err)
	}
	setRole("")
	refused("no role", "InstanceProfileEmpty", i)
	setRole("AROAGONE")
	refused("a role that is gone", "InstanceProfileEmpty", i)
	setRole(r.role.ID)
	other := i
	other.Account = bob
	refused("another's profile", "InstanceProfileNotFound", other)
	bare := i
	bare.Profile = nil
	refused("no profile", "InstanceProfileNotFound", bare)
	r.Update(func(tx *store.Tx) error { return profiles.Delete(tx, i.Profile.Profile) })
	refused("a profile that was deleted", "InstanceProfileNotFound", i)
}

func TestRoleOf(t *testing.T) {
	r := newRig(t)
	i := r.instance()
	if role, found := identity.RoleOf(r.DB.View(), i); !found || role.ID != r.role.ID {
		t.Errorf("got %v, %v", role.ID, found)
	}
	if p, ok := identity.InstanceProfile(r.DB.View(), alice, "web"); !ok || p.ID != i.Profile.Profile {
		t.Errorf("by name: got %v, %v", p.ID, ok)
	}
	if _, ok := identity.InstanceProfile(r.DB.View(), bob, "web"); ok {
		t.Error("bob has alice's profile")
	}
}

// A role that may not be passed is told in the words of the service that asks.
func TestPassRoleIsRefusedInTheServicesWords(t *testing.T) {
	r := newRig(t)
	for service, code := range map[string]string{identity.EC2: "UnauthorizedOperation", "kms.amazonaws.com": "AccessDeniedException", "": "AccessDenied"} {
		q := policy.Request{Caller: r.carol(), Action: "iam:PassRole", Resources: []policy.Resource{{ARN: "arn:aws:iam::000000000001:role/ci/deploy"}}}
		if service == "" { // as IAM asks
			q.Resources[0].Keys = map[string][]string{"iam:PassedToService": {identity.EC2}}
		} else {
			q.Keys = map[string][]string{"iam:PassedToService": {service}}
		}
		err := r.Authorize(context.Background(), q)
		e, ok := errors.AsType[*cloud.Error](err)
		if !ok || e.Code != code || !strings.Contains(e.Message, "iam:PassRole") {
			t.Errorf("to %q: got %v, want %s", service, err, code)
		}
	}
}
