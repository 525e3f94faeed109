package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	organizationsservice "github.com/vauban-cloud/vauban/service/organizations"
	"github.com/vauban-cloud/vauban/store"
)

// AccountID names an account.
type AccountID struct {
	ID string `json:"id"`
}

func (a AccountID) args() map[string]string { return map[string]string{"account": a.ID} }

// AccountWish asks for an account.
type AccountWish struct {
	Name    string `json:"name"`
	Email   string `json:"email"`
	RootKey bool   `json:"root_key,omitempty"` // make a root access key with it
}

func (a AccountWish) args() map[string]string {
	return map[string]string{"name": a.Name, "email": a.Email, "root_key": strconv.FormatBool(a.RootKey)}
}

// AccountInfo is an account.
type AccountInfo struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Email      string    `json:"email,omitempty"`
	State      string    `json:"state"` // "active", "suspended", "closed"
	Management bool      `json:"management,omitempty"`
	Parent     string    `json:"parent,omitempty"` // root or organizational unit
	Created    time.Time `json:"created"`
	Changed    time.Time `json:"changed,omitzero"` // of the state
	DefaultVPC string    `json:"default_vpc,omitempty"`
	Instances  int       `json:"instances"`
	Running    int       `json:"running"`
	Volumes    int       `json:"volumes"`
}

// NewAccount is an account that was made, and its key if one was asked for.
type NewAccount struct {
	Account AccountInfo  `json:"account"`
	RootKey *Credentials `json:"root_key,omitempty"`
}

func (r *running) accounts() *organizationsservice.Accounts {
	return &organizationsservice.Accounts{Directory: r.directory}
}

// createAccount makes an account, as CreateAccount of the Organizations API does.
func (r *running) createAccount(ctx context.Context, in AccountWish) (out NewAccount, err error) {
	wish := organizationsservice.NewAccount{Name: in.Name, Email: in.Email}
	if err := wish.Check(); err != nil {
		return out, plain(err)
	}
	var made cloud.AccountRequest
	err = r.db.Update(ctx, func(tx *store.Tx) (err error) {
		out.RootKey = nil
		made, err = r.accounts().Create(tx, wish)
		if err == nil && in.RootKey && made.Failure == "" {
			out.RootKey, err = r.createRootKey(tx, made.Account)
		}
		return err
	})
	switch {
	case err != nil:
		return out, err
	case made.Failure == organizations.CreateAccountFailureReasonEMAILALREADYEXISTS:
		return out, fmt.Errorf("another account has the address %s: give each account its own, such as name+tag@example.org", in.Email)
	case made.Failure == organizations.CreateAccountFailureReasonACCOUNTLIMITEXCEEDED:
		return out, fmt.Errorf("the cloud has %d accounts, and cannot have more", accounts.Count(r.db.View(), ""))
	case made.Failure != "":
		return out, errors.New(made.Failure)
	}
	out.Account, err = r.showAccount(ctx, AccountID{made.Account})
	return out, err
}

// listAccounts lists the accounts by number.
func (r *running) listAccounts(context.Context, struct{}) ([]AccountInfo, error) {
	out := []AccountInfo{}
	v := r.db.View()
	for a := range accounts.All(v) {
		out = append(out, accountInfo(v, a))
	}
	return out, nil
}

func (r *running) showAccount(_ context.Context, in AccountID) (AccountInfo, error) {
	v := r.db.View()
	a, ok := accounts.Get(v, in.ID)
	if !ok {
		return AccountInfo{}, noAccount(in.ID)
	}
	return accountInfo(v, a), nil
}

func noAccount(id string) error {
	return fmt.Errorf("there is no account %q: see `vauban admin account list`", id)
}

func accountInfo(v store.Reader, a cloud.Account) AccountInfo {
	o, _ := organization.Get(v, cloud.OrganizationKey)
	out := AccountInfo{
		ID: a.ID, Name: a.Name, Email: a.Email, State: "active", Management: a.ID == o.Management, Parent: a.Parent,
		Created: a.Created, Changed: a.Changed, DefaultVPC: a.DefaultVPC, Volumes: volumes.Count(v, cloud.AccountLabel(a.ID)),
	}
	if a.State != cloud.AccountActive {
		out.State = strings.ToLower(string(a.State))
	}
	for i := range instances.Select(v, cloud.AccountLabel(a.ID)) {
		state := i.State()
		if state == cloud.InstanceTerminated {
			continue
		}
		out.Instances++
		if state == cloud.InstanceRunning {
			out.Running++
		}
	}
	return out
}

func (r *running) suspendAccount(ctx context.Context, in AccountID) (AccountInfo, error) {
	return r.setAccount(ctx, in, r.accounts().Suspend)
}

func (r *running) activateAccount(ctx context.Context, in AccountID) (AccountInfo, error) {
	return r.setAccount(ctx, in, r.accounts().Activate)
}

func (r *running) closeAccount(ctx context.Context, in AccountID) (AccountInfo, error) {
	return r.setAccount(ctx, in, r.accounts().Close)
}

func (r *running) setAccount(ctx context.Context, in AccountID, set func(*store.Tx, string) error) (AccountInfo, error) {
	if err := r.db.Update(ctx, func(tx *store.Tx) error { return set(tx, in.ID) }); err != nil {
		return AccountInfo{}, plain(err)
	}
	return r.showAccount(ctx, in)
}

// newRootKey makes another access key of the root of an account, for those who
// locked themselves out. The keys that are there stay.
func (r *running) newRootKey(ctx context.Context, in AccountID) (out *Credentials, err error) {
	err = r.db.Update(ctx, func(tx *store.Tx) (err error) {
		if _, ok := accounts.Get(tx, in.ID); !ok {
			return noAccount(in.ID)
		}
		out, err = r.createRootKey(tx, in.ID)
		return err
	})
	return out, err
}

func (r *running) createRootKey(tx *store.Tx, account string) (*Credentials, error) {
	key := cloud.AccessKey{ID: identity.NewAccessKeyID(identity.KeyPrefix), Account: account, Created: r.now().UTC()}
	secret := identity.NewSecret()
	key.Sealed = r.directory.Keys.Secrets.Seal(key.ID, []byte(secret))
	return &Credentials{Endpoint: r.endpoint, Region: r.cfg.Place.Region, Account: account, AccessKey: key.ID, Secret: secret}, accessKeys.Create(tx, key)
}

// firstGuest hands out what the first guest is launched with: as the tenant whose
// credentials `vauban env` prints.
func (r *running) firstGuest(context.Context, struct{}) (Credentials, error) {
	return r.cfg.ReadCredentials()
}

// plain takes the API's code from an error: operators read the sentence.
func plain(err error) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return errors.New(strings.TrimSuffix(e.Message, "."))
	}
	return err
}
