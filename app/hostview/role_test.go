package hostview

import (
	"errors"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/store"
)

var (
	profiles store.Table[cloud.InstanceProfile]
	roles    store.Table[cloud.Role]
)

const trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`

// The roles of a host's instances are in its assignment, and it hears when they
// change; it gets credentials for its own guests alone.
func TestRoles(t *testing.T) {
	c := identitytest.New(t)
	meta := func(id string) cloud.Meta { return cloud.Meta{ID: id, Account: identitytest.Alice} }
	role := cloud.Role{Meta: meta("AROA1"), Name: "web", Path: "/", Trust: trust}
	profile := cloud.InstanceProfile{Meta: meta("AIPA1"), Name: "web", Path: "/", Role: role.ID}
	guest := cloud.Instance{Meta: meta("i-00000000000000001"), Host: "a", Profile: &cloud.ProfileAssociation{Profile: profile.ID}}
	bare := cloud.Instance{Meta: meta("i-00000000000000002"), Host: "a"}
	c.Update(func(tx *store.Tx) error {
		return errors.Join(roles.Create(tx, role), profiles.Create(tx, profile), instances.Create(tx, guest), instances.Create(tx, bare))
	})
	a, b := New(c.DB, "a", c.Place, c.Judge), New(c.DB, "b", c.Place, c.Judge)
	ctx := t.Context()
	assigned := func() map[string]node.Role {
		t.Helper()
		got, err := a.Assigned(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return got.Roles
	}
	if got := assigned()[profile.ID]; got != (node.Role{ID: role.ID, Name: "web"}) {
		t.Errorf("got %+v", got)
	}
	if got, err := a.Credentials(ctx, guest.ID, "2.0"); err != nil || got.Role != role.ID || got.Token == "" {
		t.Errorf("credentials: %+v, %v", got, err)
	}
	if _, err := b.Credentials(ctx, guest.ID, "2.0"); err == nil {
		t.Error("another host has credentials of the guest")
	}
	if _, err := New(c.DB, "a", c.Place, nil).Credentials(ctx, guest.ID, "2.0"); err == nil {
		t.Error("there are credentials without a judge")
	}
	var refused *cloud.Error
	if _, err := a.Credentials(ctx, bare.ID, "2.0"); !errors.As(err, &refused) || refused.Code != "InstanceProfileNotFound" {
		t.Errorf("without a profile: %v", err)
	}

	// changes makes a change of a document that concerns the host, and returns
	// what it is assigned then.
	changes := func(what, key string, change func(tx *store.Tx) error) (node.Role, bool) {
		t.Helper()
		if !a.concerns(store.Change{Key: key}) {
			t.Errorf("the host does not hear that %s", what)
		}
		c.Update(change)
		role, found := assigned()[profile.ID]
		return role, found
	}
	got, found := changes("the role is taken away", profile.ID, func(tx *store.Tx) error {
		return profiles.Modify(tx, profile.ID, func(p *cloud.InstanceProfile) error { p.Role = ""; return nil })
	})
	if !found || got != (node.Role{}) {
		t.Errorf("a profile without a role: got %+v, %v", got, found)
	}
	if a.concerns(store.Change{Key: role.ID}) {
		t.Error("the host hears of a role that no guest has")
	}
	changes("a role is added", profile.ID, func(tx *store.Tx) error { return profiles.Put(tx, profile) })
	got, found = changes("the role is deleted", role.ID, func(tx *store.Tx) error { return roles.Delete(tx, role.ID) })
	if !found || got != (node.Role{}) {
		t.Errorf("a profile whose role is gone: got %+v, %v", got, found)
	}
	if _, found = changes("the profile is deleted", profile.ID, func(tx *store.Tx) error { return profiles.Delete(tx, profile.ID) }); found {
		t.Error("a deleted profile is there")
	}
	if !a.concerns(store.Change{Key: profile.ID}) || b.concerns(store.Change{Key: profile.ID}) {
		t.Error("a profile concerns the hosts of its instances, and no other")
	}
}
