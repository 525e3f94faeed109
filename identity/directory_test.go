package identity_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

func TestLookup(t *testing.T) {
	r := newRig(t)
	got, c, active, err := r.Lookup(r.key.ID, "")
	if err != nil || got != secret || !active {
		t.Fatalf("%q, active %v, %v", got, active, err)
	}
	if c.ARN != "arn:aws:iam::000000000001:user/staff/Carol" || c.UserID != r.user.ID || c.Type != cloud.PrincipalUser || c.Entity != r.user.ID || c.Session != nil {
		t.Errorf("%+v", c)
	}
	if _, _, _, err := r.Lookup(r.key.ID, "token"); !errors.Is(err, identity.ErrWrongToken) {
		t.Errorf("a key that lasts, with a token: %v", err)
	}
	if _, _, _, err := r.Lookup("AKIANOBODY", ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("unknown key: %v", err)
	}
	if _, _, _, err := r.Lookup("", ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("empty key: %v", err)
	}

	r.Update(func(tx *store.Tx) error {
		return accounts.Modify(tx, alice, func(a *cloud.Account) error { a.State = cloud.AccountSuspended; return nil })
	})
	if _, _, active, err := r.Lookup(r.key.ID, ""); err != nil || active {
		t.Errorf("suspended account: active %v, %v", active, err)
	}
	r.Update(func(tx *store.Tx) error {
		return keys.Modify(tx, r.key.ID, func(k *cloud.AccessKey) error { k.Disabled = true; return nil })
	})
	if _, _, _, err := r.Lookup(r.key.ID, ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("inactive key: %v", err)
	}
	r.Update(func(tx *store.Tx) error {
		return keys.Modify(tx, r.key.ID, func(k *cloud.AccessKey) error { k.Disabled = false; return nil })
	})
	r.Update(func(tx *store.Tx) error { return users.Delete(tx, r.user.ID) })
	if _, _, _, err := r.Lookup(r.key.ID, ""); !errors.Is(err, identity.ErrUnknownKey) {
		t.Errorf("key of a deleted user: %v", err)
	}
}

// A sealed secret that was moved to another key is no secret of that key.
func TestLookupOfMovedSecret(t *testing.T) {
	r := newRig(t)
	other := r.key
	other.ID = identity.NewAccessKeyID(identity.KeyPrefix)
	r.Update(func(tx *store.Tx) error { return keys.Create(tx, other) })
	if got, _, _, err := r.Lookup(other.ID, ""); !errors.Is(err, seal.ErrSealed) || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLookupOfSession(t *testing.T) {
	r := newRig(t)
	s, token := r.session(nil)
	got, c, active, err := r.Lookup(s.AccessKey, token)
	if err != nil || got != s.Secret || !active {
		t.Fatalf("%q, active %v, %v", got, active, err)
	}
	if !strings.HasPrefix(s.AccessKey, identity.SessionPrefix) || len(s.Secret) != 40 {
		t.Errorf("credentials %s with a secret of %d characters", s.AccessKey, len(s.Secret))
	}
	if c.ARN != "arn:aws:sts::000000000001:assumed-role/deploy/build-7" || c.UserID != r.role.ID+":build-7" || c.Session == nil {
		t.Errorf("%+v", c)
	}
	other, otherToken := r.session(nil)
	if _, _, _, err := r.Lookup(s.AccessKey, otherToken); !errors.Is(err, identity.ErrWrongToken) {
		t.Errorf("the token of %s with the key %s: %v", other.AccessKey, s.AccessKey, err)
	}
	for name, bad := range map[string]string{
		"none": "", "cut": token[:len(token)-4], "longer": token + "AAAA", "no base64": "!" + token[1:], "spaced": token[:8] + "\n" + token[8:],
	} {
		if _, _, _, err := r.Lookup(s.AccessKey, bad); !errors.Is(err, identity.ErrWrongToken) {
			t.Errorf("token that is %s: %v", name, err)
		}
	}
	r.Seconds.Add(899)
	if _, _, _, err := r.Lookup(s.AccessKey, token); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	r.Seconds.Add(1)
	if _, _, _, err := r.Lookup(s.AccessKey, token); !errors.Is(err, identity.ErrExpiredToken) {
		t.Errorf("at the end: %v", err)
	}
	r.Seconds.Add(-600)
	again := r.role
	again.ID = identity.NewID(identity.RolePrefix)
	r.Update(func(tx *store.Tx) error {
		tx.ReleaseAll(r.role.ID)
		return errors.Join(roles.Delete(tx, r.role.ID), roles.Create(tx, again), tx.Claim(cloud.RoleNames(alice), "deploy", again.ID))
	})
	if _, _, _, err := r.Lookup(s.AccessKey, token); !errors.Is(err, identity.ErrWrongToken) {
		t.Errorf("session of a role that is gone, with a namesake in its place: %v", err)
	}
}

func TestKeyring(t *testing.T) {
	r := newRig(t)
	_, token := r.session(nil)
	path := filepath.Join(t.TempDir(), "other.key")
	root, err := seal.CreateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.OpenKeyring(t.Context(), r.DB, root, r.Now); err == nil || !strings.Contains(err.Error(), "bring back the root key") {
		t.Errorf("another root key opened the keys: %v", err)
	}
	// Who changes the name of the root key in the database gets no further.
	r.Update(func(tx *store.Tx) error {
		for k := range sealed.All(tx) {
			k.Root = root.ID()
			if err := sealed.Put(tx, k); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := identity.OpenKeyring(t.Context(), r.DB, root, r.Now); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another root key of that name: %v", err)
	}
	foreign := newRig(t)
	if _, err := foreign.Keys.Open(token); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("another cloud opened the token: %v", err)
	}
}
