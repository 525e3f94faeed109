package identity_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/store"
)

const (
	alice = identitytest.Alice
	bob   = identitytest.Bob
)

// The tables that the tests write.
var (
	accounts  store.Table[cloud.Account]
	keys      store.Table[cloud.AccessKey]
	users     store.Table[cloud.User]
	groups    store.Table[cloud.Group]
	roles     store.Table[cloud.Role]
	managed   store.Table[cloud.ManagedPolicy]
	units     store.Table[cloud.OrganizationalUnit]
	controls  store.Table[cloud.ControlPolicy]
	lastUses  store.Table[cloud.LastUse]
	sealed    store.Table[cloud.SealedKey]
	orgs      store.Table[cloud.Organization]
	trustRoot = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}`
)

// rig is a cloud with a user and a role in alice's account.
type rig struct {
	*identitytest.Cloud
	user cloud.User
	role cloud.Role
	key  cloud.AccessKey // the user's
}

const secret = "a secret access key of forty characters."

func newRig(t *testing.T) *rig {
	r := &rig{Cloud: identitytest.New(t)}
	r.user = cloud.User{
		Meta: cloud.Meta{ID: identity.NewID(identity.UserPrefix), Account: alice, Created: r.Now(), Tags: map[string]string{"Team": "blue", "cost": "1"}},
		Name: "Carol", Path: "/staff/",
	}
	r.role = cloud.Role{
		Meta: cloud.Meta{ID: identity.NewID(identity.RolePrefix), Account: alice, Created: r.Now(), Tags: map[string]string{"team": "red"}},
		Name: "deploy", Path: "/ci/", Trust: trustRoot, MaxSession: 3600,
	}
	r.key = cloud.AccessKey{ID: identity.NewAccessKeyID(identity.KeyPrefix), Account: alice, User: r.user.ID, Created: r.Now()}
	r.key.Sealed = r.Keys.Secrets.Seal(r.key.ID, []byte(secret))
	r.Update(func(tx *store.Tx) error {
		if err := users.Create(tx, r.user); err != nil {
			return err
		}
		if err := tx.Claim(cloud.UserNames(alice), cloud.IAMName(r.user.Name), r.user.ID); err != nil {
			return err
		}
		if err := roles.Create(tx, r.role); err != nil {
			return err
		}
		if err := tx.Claim(cloud.RoleNames(alice), cloud.IAMName(r.role.Name), r.role.ID); err != nil {
			return err
		}
		return keys.Create(tx, r.key)
	})
	return r
}

// session mints credentials of the role.
func (r *rig) session(edit func(*cloud.Session)) (cloud.Session, string) {
	r.Helper()
	s := cloud.Session{Account: alice, Type: cloud.PrincipalRole, Entity: r.role.ID, Name: "build-7", Issued: r.Now(), Expires: r.Now().Add(900e9)}
	if edit != nil {
		edit(&s)
	}
	s, token, err := r.Keys.Mint(s)
	if err != nil {
		r.Fatal(err)
	}
	return s, token
}

// modify changes the user.
func (r *rig) modify(fn func(*cloud.User)) {
	r.Helper()
	r.Update(func(tx *store.Tx) error {
		return users.Modify(tx, r.user.ID, func(u *cloud.User) error { fn(u); return nil })
	})
}

func TestNames(t *testing.T) {
	r := newRig(t)
	v := r.DB.View()
	if u, ok := identity.User(v, alice, "cAROL"); !ok || u.ID != r.user.ID {
		t.Errorf("user by name in another case: %v %v", u, ok)
	}
	if _, ok := identity.User(v, bob, "Carol"); ok {
		t.Error("a user of another account was found")
	}
	if p, ok := identity.Role(v, alice, "deploy"); !ok || p.ID != r.role.ID {
		t.Errorf("role: %v %v", p, ok)
	}
	if _, ok := identity.Group(v, alice, "deploy"); ok {
		t.Error("a role was found as a group")
	}
	seen := map[string]bool{}
	for range 1000 {
		id := identity.NewID(identity.UserPrefix)
		if len(id) != 21 || seen[id] {
			t.Fatalf("ID %q", id)
		}
		seen[id] = true
	}
	if key, secret := identity.NewAccessKeyID(identity.KeyPrefix), identity.NewSecret(); len(key) != 20 || len(secret) != 40 {
		t.Errorf("access key %s with a secret of %d characters", key, len(secret))
	}
}

func TestFind(t *testing.T) {
	r := newRig(t)
	for arn, want := range map[string]string{ // to aws:userid
		"arn:aws:iam::000000000001:root":                        alice,
		"arn:aws:iam::000000000001:user/staff/Carol":            r.user.ID,
		"arn:aws:iam::000000000001:user/Carol":                  "",
		"arn:aws:iam::000000000002:user/staff/Carol":            "",
		"arn:aws:iam::000000000001:role/ci/deploy":              r.role.ID + ":",
		"arn:aws:iam::000000000001:role/deploy":                 "",
		"arn:aws:sts::000000000001:assumed-role/deploy/build-7": r.role.ID + ":build-7",
		"arn:aws:iam::000000000009:root":                        "",
		"arn:aws:iam::000000000001:root/x":                      "",
		"arn:aws:ec2::000000000001:user/staff/Carol":            "",
		"Carol": "",
		"":      "",
	} {
		c, ok := r.Find(r.DB.View(), arn)
		if ok != (want != "") || ok && c.UserID != want {
			t.Errorf("%s: found %v, user ID %q, want %q", arn, ok, c.UserID, want)
		}
	}
}
