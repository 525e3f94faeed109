package app

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// firstAccount is the account that a new cloud starts with.
const firstAccount = "100000000001"

// Credentials are what a client needs to drive the cloud.
type Credentials struct {
	Endpoint  string `json:"endpoint"`
	Region    string `json:"region"`
	Account   string `json:"account"`
	AccessKey string `json:"access_key_id"`
	Secret    string `json:"secret_access_key"`
}

// ReadCredentials returns the credentials that the cloud in this data folder
// wrote at its last start.
func (c Config) ReadCredentials() (Credentials, error) {
	var cr Credentials
	b, err := os.ReadFile(c.CredentialsPath())
	if os.IsNotExist(err) {
		return cr, fmt.Errorf("no cloud has been started with the data folder %s: start one with `vauban up`, or name another with --data", c.Data)
	}
	if os.IsPermission(err) {
		return cr, fmt.Errorf("%s may only be read by root: use sudo", c.CredentialsPath())
	}
	if err != nil {
		return cr, err
	}
	if err := json.Unmarshal(b, &cr); err != nil {
		return cr, fmt.Errorf("read %s: %w", c.CredentialsPath(), err)
	}
	return cr, nil
}

// bootstrap makes what a new cloud starts with: its settings, the first account
// and that account's root access key. It changes nothing on a cloud that has them.
func bootstrap(ctx context.Context, db *store.Store, now func() time.Time) (cloud.Settings, cloud.AccessKey, error) {
	var own cloud.Settings
	var key cloud.AccessKey
	err := db.Update(ctx, func(tx *store.Tx) error {
		var ok bool
		if own, ok = settings.Get(tx, cloud.SettingsKey); !ok {
			own = cloud.Settings{ID: hex.EncodeToString(random(2)), Created: now().UTC(), MetadataKey: random(32), PageKey: random(32)}
			if err := settings.Create(tx, own); err != nil {
				return err
			}
		}
		if _, ok := accounts.Get(tx, firstAccount); !ok {
			if err := accounts.Create(tx, cloud.Account{ID: firstAccount, Name: "first", Created: now().UTC()}); err != nil {
				return err
			}
		}
		for k := range accessKeys.Select(tx, cloud.AccountLabel(firstAccount)) {
			key = k
			return nil
		}
		key = cloud.AccessKey{
			ID:      "AKIA" + base32.StdEncoding.EncodeToString(random(10)),
			Secret:  base64.RawURLEncoding.EncodeToString(random(30)),
			Account: firstAccount, Principal: "arn:aws:iam::" + firstAccount + ":root", Created: now().UTC(),
		}
		return accessKeys.Create(tx, key)
	})
	return own, key, err
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// writeCredentials leaves the credentials where `vauban env` finds them.
func (c Config) writeCredentials(k cloud.AccessKey, endpoint string) error {
	b, err := json.MarshalIndent(Credentials{ //nolint:gosec // the file is for the secret, and root's alone
		Endpoint: endpoint, Region: c.Place.Region, Account: k.Account, AccessKey: k.ID, Secret: k.Secret,
	}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(c.CredentialsPath(), append(b, '\n'))
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
