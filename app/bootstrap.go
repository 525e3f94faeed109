package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// firstAccount is the account that a new cloud starts with: the management
// account of its organization.
const firstAccount = "100000000001"

// openRootKey opens the root key, and makes it on a cloud that has no sealed
// keys yet.
func (c Config) openRootKey(db *store.Store) (seal.Root, error) {
	root, err := seal.OpenFile(c.rootKeyPath())
	if !seal.Missing(err) {
		return root, err
	}
	if sealedKeys.Count(db.View(), "") > 0 {
		return nil, fmt.Errorf("root key %s is missing, and without it the cloud's secrets cannot be read: bring the file back from your backup, or name another place with --root-key", c.rootKeyPath())
	}
	return seal.CreateFile(c.rootKeyPath())
}

// bootstrap makes what a new cloud starts with: its settings, its organization,
// the first account and that account's root access key. It changes nothing on a
// cloud that has them, but brings what older versions wrote up to date.
func bootstrap(ctx context.Context, db *store.Store, ring *identity.Keyring, place cloud.Place, now func() time.Time) (cloud.Settings, error) {
	var own cloud.Settings
	err := db.Update(ctx, func(tx *store.Tx) error {
		var ok bool
		if own, ok = settings.Get(tx, cloud.SettingsKey); !ok {
			own = cloud.Settings{ID: hex.EncodeToString(random(2)), Created: now().UTC(), MetadataKey: random(32), PageKey: random(32)}
			if err := settings.Create(tx, own); err != nil {
				return err
			}
		}
		if _, ok := accounts.Get(tx, firstAccount); !ok {
			if err := createFirstAccount(tx, ring, now().UTC()); err != nil {
				return err
			}
		}
		if err := sealSecrets(tx, ring); err != nil {
			return err
		}
		if err := listServices(tx, place, now().UTC()); err != nil {
			return err
		}
		return organize(tx, now().UTC())
	})
	return own, err
}

// listServices keeps the prefix list of the service that gateway endpoints lead to.
func listServices(tx *store.Tx, place cloud.Place, now time.Time) error {
	l := cloud.PrefixList{
		Meta: cloud.Meta{ID: cloud.NewID("pl"), Account: cloud.OperatorAccount, Created: now},
		Name: place.EndpointService("s3"), MaxEntries: 1, Version: 1,
		Entries: []cloud.PrefixListEntry{{Prefix: netip.PrefixFrom(network.Objects, network.Objects.BitLen())}},
	}
	for old := range lists.Select(tx, cloud.AccountLabel(cloud.OperatorAccount)) {
		if old.Name == l.Name {
			old.Entries = l.Entries
			return lists.Put(tx, old)
		}
	}
	return lists.Create(tx, l)
}

func createFirstAccount(tx *store.Tx, ring *identity.Keyring, now time.Time) error {
	a := cloud.Account{ID: firstAccount, Name: "management", Email: "management@" + cloud.ServiceDomain, Created: now}
	if err := accounts.Create(tx, a); err != nil {
		return err
	}
	if err := tx.Claim(cloud.AccountEmails, a.Email, a.ID); err != nil {
		return err
	}
	key := cloud.AccessKey{ID: identity.NewAccessKeyID(identity.KeyPrefix), Account: firstAccount, Created: now}
	key.Sealed = ring.Secrets.Seal(key.ID, []byte(identity.NewSecret()))
	return accessKeys.Create(tx, key)
}

// sealSecrets seals the secret access keys that older versions kept in the clear.
func sealSecrets(tx *store.Tx, ring *identity.Keyring) error {
	for k := range accessKeys.All(tx) {
		if k.Secret == "" {
			continue
		}
		k.Sealed = ring.Secrets.Seal(k.ID, []byte(k.Secret))
		k.Secret, k.Principal = "", ""
		if err := accessKeys.Put(tx, k); err != nil {
			return err
		}
	}
	return nil
}

// organize makes the organization, and takes every account into it.
func organize(tx *store.Tx, now time.Time) error {
	o, ok := organization.Get(tx, cloud.OrganizationKey)
	if !ok {
		var full cloud.ControlPolicy
		o, full = cloud.NewOrganization(firstAccount, now)
		if err := organization.Create(tx, o); err != nil {
			return err
		}
		if err := controlPolicies.Create(tx, full); err != nil {
			return err
		}
	}
	for a := range accounts.All(tx) {
		if a.Parent != "" {
			continue
		}
		a.Parent = o.Root
		if err := accounts.Put(tx, a); err != nil {
			return err
		}
		err := controlPolicies.Modify(tx, cloud.FullAccess, func(p *cloud.ControlPolicy) error {
			if !slices.Contains(p.Targets, a.ID) {
				p.Targets = append(p.Targets, a.ID)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// writeFile replaces a file of mode 0600 at once or not at all.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone after the rename
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
