package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// Keyring holds the cloud's data keys, opened.
type Keyring struct {
	Secrets  *seal.Key // seals secret access keys, seeds of MFA devices and keys of certificates; owner: access key ID, serial number, certificate ID
	Tokens   *seal.Key // seals session tokens
	Messages *seal.Key // seals explanations of refusals
	Objects  *seal.Key // seals the keys of buckets; owner: ID of the bucket
	Disks    *seal.Key // seals the keys of volumes and snapshots; owner: their ID
}

// OpenKeyring opens the data keys, and makes those that are missing. It fails if
// a key is wrapped by another root key.
func OpenKeyring(ctx context.Context, db *store.Store, root seal.Root, now func() time.Time) (*Keyring, error) {
	var ring Keyring
	for name, key := range map[string]**seal.Key{"secrets": &ring.Secrets, "tokens": &ring.Tokens, "messages": &ring.Messages, "objects": &ring.Objects, "disks": &ring.Disks} {
		raw, err := openKey(ctx, db, root, name, now)
		if err != nil {
			return nil, err
		}
		if *key, err = seal.New(raw); err != nil {
			return nil, fmt.Errorf("open key %s: %w", name, err)
		}
	}
	return &ring, nil
}

// openKey returns the data key of that name.
func openKey(ctx context.Context, db *store.Store, root seal.Root, name string, now func() time.Time) ([]byte, error) {
	k, ok := sealedKeyTable.Get(db.View(), name)
	if !ok {
		// A root key may be slow: it is not asked inside the transaction. Of two
		// processes that start at once, the second takes the first one's key.
		wrapped, err := root.Wrap(ctx, name, seal.NewKey())
		if err != nil {
			return nil, fmt.Errorf("wrap key %s with root key %s: %w", name, root.ID(), err)
		}
		err = db.Update(ctx, func(tx *store.Tx) error {
			if k, ok = sealedKeyTable.Get(tx, name); ok {
				return nil
			}
			k = cloud.SealedKey{Name: name, Root: root.ID(), Wrapped: wrapped, Created: now().UTC()}
			return sealedKeyTable.Create(tx, k)
		})
		if err != nil {
			return nil, err
		}
	}
	if k.Root != root.ID() {
		return nil, fmt.Errorf("the cloud's keys are wrapped by root key %s, but the root key given is %s: bring back the root key that the cloud was made with", k.Root, root.ID())
	}
	raw, err := root.Unwrap(ctx, name, k.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap key %s with root key %s: %w", name, root.ID(), err)
	}
	return raw, nil
}
