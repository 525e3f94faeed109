package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/identity"
)

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

// writeCredentials leaves where `vauban env` finds them the credentials of the
// first account: those that are there, or else a root access key of that account.
func (r *running) writeCredentials() error {
	cr, err := r.cfg.ReadCredentials()
	if err != nil {
		found, ok := r.rootKey(firstAccount)
		if !ok {
			return nil // its owner deleted it: there is nothing to print
		}
		cr = found
	}
	cr.Endpoint, cr.Region = r.endpoint, r.cfg.Place.Region
	b, err := json.MarshalIndent(cr, "", "  ") //nolint:gosec // the file is for the secret, and root's alone
	if err != nil {
		return err
	}
	return writeFile(r.cfg.CredentialsPath(), append(b, '\n'))
}

// rootKey returns an access key of the root of an account.
func (r *running) rootKey(account string) (Credentials, bool) {
	for k := range accessKeys.Select(r.db.View(), cloud.AccountLabel(account)) {
		if k.User != "" {
			continue
		}
		if secret, err := r.directory.Keys.Secrets.Open(k.ID, k.Sealed); err == nil {
			return Credentials{Account: account, AccessKey: k.ID, Secret: string(secret)}, true
		}
	}
	return Credentials{}, false
}

// credentials proves access keys to the gateway.
type credentials struct{ directory *identity.Directory }

// Lookup returns what an access key stands for.
func (c credentials) Lookup(_ context.Context, key, token string) (gateway.Credential, error) {
	secret, caller, active, err := c.directory.Lookup(key, token)
	switch {
	case errors.Is(err, identity.ErrUnknownKey):
		err = gateway.ErrUnknownKey
	case errors.Is(err, identity.ErrWrongToken):
		err = gateway.ErrWrongToken
	case errors.Is(err, identity.ErrExpiredToken):
		err = gateway.ErrExpiredToken
	}
	return gateway.Credential{Secret: secret, Caller: caller, Suspended: !active}, err
}
