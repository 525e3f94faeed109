package ec2

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/store"
)

var (
	userTable    store.Table[cloud.User]
	profileTable store.Table[cloud.InstanceProfile]
)

// judgeRig is a guest rig whose policy is decided by the real judge. Its own
// methods act as the root of alice's account.
type judgeRig struct {
	*rig
	cloud *identitytest.Cloud
	users int
}

func newJudgeRig(t *testing.T) *judgeRig {
	t.Helper()
	c := identitytest.New(t)
	r := newRigOn(t, c.DB, cloud.NewID)
	r.Authz, r.ctx, r.bob = c.Judge, c.AsRoot(alice), c.AsRoot(bob)
	return &judgeRig{rig: r.withGuests(), cloud: c}
}

// user makes a user of alice's with an inline policy of the statements, and
// returns a context for calls of the user.
func (r *judgeRig) user(statements ...string) context.Context {
	r.Helper()
	r.users++
	u := cloud.User{Meta: cloud.Meta{ID: identity.NewID(identity.UserPrefix), Account: alice}, Name: "user" + strings.Repeat("-", r.users), Path: "/"}
	u.Inline = map[string]string{"p": `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`}
	r.update(func(tx *store.Tx) error {
		return errors.Join(userTable.Create(tx, u), tx.Claim(cloud.UserNames(alice), cloud.IAMName(u.Name), u.ID))
	})
	return r.cloud.As("arn:aws:iam::" + alice + ":user/" + u.Name)
}

// may is a statement that allows an action on resources, which are named from
// the region on, e.g. "instance/*"; a condition may follow.
func may(action, resource string, condition ...string) string {
	arn := "arn:aws:ec2:eu-paris-1:" + alice + ":" + resource
	switch {
	case resource == "*" || strings.HasPrefix(resource, "arn:"):
		arn = resource
	case strings.HasPrefix(resource, "image/"):
		arn = "arn:aws:ec2:eu-paris-1::" + resource
	}
	s := `{"Effect":"Allow","Action":"` + action + `","Resource":"` + arn + `"`
	if len(condition) > 0 {
		s += `,"Condition":` + condition[0]
	}
	return s + "}"
}

func mayNot(action, resource string, condition ...string) string {
	return strings.Replace(may(action, resource, condition...), "Allow", "Deny", 1)
}

// equals is the condition that a key has a value.
func equals(key, value string) string { return `{"StringEquals":{"` + key + `":"` + value + `"}}` }

// addProfile makes an instance profile of an account that carries a role of the
// same name, which EC2 may assume.
func (r *rig) addProfile(account, name string) cloud.InstanceProfile {
	r.Helper()
	role := cloud.Role{
		Meta: cloud.Meta{ID: identity.NewID(identity.RolePrefix), Account: account, Tags: map[string]string{"team": "blue"}}, Name: name, Path: "/",
		Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`,
	}
	p := cloud.InstanceProfile{Meta: cloud.Meta{ID: identity.NewID(identity.InstanceProfilePrefix), Account: account}, Name: name, Path: "/app/", Role: role.ID}
	r.update(func(tx *store.Tx) error {
		return errors.Join(
			roleTable.Create(tx, role), tx.Claim(cloud.RoleNames(account), cloud.IAMName(name), role.ID),
			profileTable.Create(tx, p), tx.Claim(cloud.InstanceProfileNames(account), cloud.IAMName(name), p.ID),
		)
	})
	return p
}

func byName(name string) *ec2.IamInstanceProfileSpecification {
	return &ec2.IamInstanceProfileSpecification{Name: &name}
}

func profileARN(p cloud.InstanceProfile) string {
	return "arn:aws:iam::" + p.Account + ":" + p.Resource()
}
