package app

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// newborn is a cloud of which only the store and the keys are open.
func newborn(t *testing.T) *running {
	t.Helper()
	r := &running{cfg: Default(), endpoint: "http://127.0.0.1:4566"}
	r.cfg.Data = t.TempDir()
	reopen(t, r)
	return r
}

// reopen opens the store and the keys again, as a new start does.
func reopen(t *testing.T, r *running) {
	t.Helper()
	var err error
	if r.db != nil {
		if err := r.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r.db, err = sqlite.Open(t.Context(), r.cfg.databasePath(), cloud.Documents()...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	if err := r.openIdentity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.settings, err = bootstrap(t.Context(), r.db, r.directory.Keys, cloud.DefaultPlace(), time.Now); err != nil {
		t.Fatal(err)
	}
	if err := r.writeCredentials(); err != nil {
		t.Fatal(err)
	}
}

func TestBootstrap(t *testing.T) {
	r := newborn(t)
	cr, err := r.cfg.ReadCredentials()
	if err != nil {
		t.Fatal(err)
	}
	secret, caller, active, err := r.directory.Lookup(cr.AccessKey, "")
	if err != nil || secret != cr.Secret || !active || caller.ARN != "arn:aws:iam::100000000001:root" {
		t.Fatalf("%s, active %v, %v", caller.ARN, active, err)
	}
	for path, mode := range map[string]os.FileMode{r.cfg.CredentialsPath(): 0o600, r.cfg.rootKeyPath(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	o, _ := organization.Get(r.db.View(), cloud.OrganizationKey)
	if a, _ := accounts.Get(r.db.View(), firstAccount); o.Management != firstAccount || a.Parent != o.Root {
		t.Errorf("organization %+v, account %+v", o, a)
	}
	services := slices.Collect(lists.Select(r.db.View(), cloud.AccountLabel(cloud.OperatorAccount)))
	if len(services) != 1 || services[0].Name != "com.amazonaws.eu-paris-1.s3" || services[0].Entries[0].Prefix.String() != "169.254.169.251/32" {
		t.Errorf("services of endpoints are %+v", services)
	}
	revision := r.db.View().Revision()
	reopen(t, r)
	if now := r.db.View().Revision(); now != revision {
		t.Errorf("a second start wrote: revision %d, then %d", revision, now)
	}
	if again, err := r.cfg.ReadCredentials(); err != nil || again != cr {
		t.Errorf("%+v, then %+v, %v", cr, again, err)
	}
}

// No file of the database holds a secret that a client signs with.
func TestSecretsAreSealed(t *testing.T) {
	r := newborn(t)
	cr, err := r.cfg.ReadCredentials()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.db.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(r.cfg.databasePath() + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := false
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(b, []byte(cr.AccessKey))
		if bytes.Contains(b, []byte(cr.Secret)) {
			t.Errorf("%s holds the secret of %s", file, cr.AccessKey)
		}
	}
	if !found {
		t.Error("no file holds the access key: is this the database?")
	}
}

// A cloud of a version that kept secrets in the clear is brought up to date.
func TestOldSecrets(t *testing.T) {
	r := newborn(t)
	old := cloud.AccessKey{ID: "AKIAOLD", Secret: "in the clear", Account: "100000000002", Principal: "arn:aws:iam::100000000002:root"}
	err := r.db.Update(t.Context(), func(tx *store.Tx) error {
		if err := accounts.Create(tx, cloud.Account{ID: old.Account, Name: "old"}); err != nil {
			return err
		}
		return accessKeys.Create(tx, old)
	})
	if err != nil {
		t.Fatal(err)
	}
	reopen(t, r)
	if k, _ := accessKeys.Get(r.db.View(), old.ID); k.Secret != "" || k.Principal != "" {
		t.Errorf("still in the clear: %+v", k)
	}
	if secret, caller, active, err := r.directory.Lookup(old.ID, ""); err != nil || secret != "in the clear" || !active || caller.ARN != old.Principal {
		t.Errorf("%q %s, active %v, %v", secret, caller.ARN, active, err)
	}
	full, _ := controlPolicies.Get(r.db.View(), cloud.FullAccess)
	if a, _ := accounts.Get(r.db.View(), old.Account); a.Parent == "" || strings.Join(full.Targets, " ") == "" || full.Targets[len(full.Targets)-1] != old.Account {
		t.Errorf("not taken into the organization: %+v, %v", a, full.Targets)
	}
}

func TestRootKeyIsMissing(t *testing.T) {
	r := newborn(t)
	kept, err := os.ReadFile(r.cfg.rootKeyPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.cfg.rootKeyPath()); err != nil {
		t.Fatal(err)
	}
	if err := r.openIdentity(t.Context()); err == nil || !strings.Contains(err.Error(), "bring the file back") {
		t.Errorf("started without its root key: %v", err)
	}
	if _, err := os.Stat(r.cfg.rootKeyPath()); !os.IsNotExist(err) {
		t.Errorf("a new root key was made over the old cloud: %v", err)
	}
	if err := os.WriteFile(r.cfg.rootKeyPath(), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.openIdentity(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who deleted the root's access key wants it gone.
func TestDeletedRootKeyStaysAway(t *testing.T) {
	r := newborn(t)
	cr, err := r.cfg.ReadCredentials()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.db.Update(t.Context(), func(tx *store.Tx) error { return accessKeys.Delete(tx, cr.AccessKey) }); err != nil {
		t.Fatal(err)
	}
	reopen(t, r)
	if n := accessKeys.Count(r.db.View(), ""); n != 0 {
		t.Errorf("%d access keys came back", n)
	}
}
