package iam

import (
	"cmp"
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// maxKeys is how many access keys a user can have, and the root of an account.
const maxKeys = 2

// The states of an access key.
const (
	keyActive   = "Active"
	keyInactive = "Inactive"
)

// keyOwner is a user, or the root of an account: then ID and name are empty.
type keyOwner struct{ account, id, name string }

// keyOwner returns whose access keys a request is about, once the caller was
// allowed to do the action with them: the user of that name; without a name the
// caller's own user, or the root.
func (s *Service) keyOwner(ctx context.Context, action string, name *string) (keyOwner, error) {
	if name == nil {
		own := false
		if name, own = s.self(ctx); !own {
			c, err := s.allow(ctx, action, nil, s.aboutRoot(ctx))
			if err == nil && c.Type != cloud.PrincipalRoot {
				err = errNeedsUser()
			}
			return keyOwner{account: c.Account}, err
		}
	}
	c, u, err := find(ctx, s, users, name, question{action: action})
	return keyOwner{c.Account, u.ID, u.Name}, err
}

// keysOf returns the access keys of a user or the root.
func keysOf(r store.Reader, o keyOwner) []cloud.AccessKey {
	label := cloud.UserLabel(o.id)
	if o.id == "" {
		label = cloud.AccountLabel(o.account)
	}
	var all []cloud.AccessKey
	for k := range keyTable.Select(r, label) {
		if k.User == o.id && k.Account == o.account {
			all = append(all, k)
		}
	}
	return all
}

// CreateAccessKey makes an access key. Its secret is told once, here.
func (s *Service) CreateAccessKey(ctx context.Context, in *api.CreateAccessKeyRequest) (*api.CreateAccessKeyResponse, error) {
	o, err := s.keyOwner(ctx, "CreateAccessKey", in.UserName)
	if err != nil {
		return nil, err
	}
	secret := identity.NewSecret()
	k := cloud.AccessKey{ID: identity.NewAccessKeyID(identity.KeyPrefix), Account: o.account, User: o.id, Created: s.Judge.Now().UTC()}
	k.Sealed = s.Judge.Keys.Secrets.Seal(k.ID, []byte(secret))
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if _, ok := userTable.Get(tx, o.id); !ok && o.id != "" {
			return users.missing(o.name)
		}
		if len(keysOf(tx, o)) >= maxKeys {
			return quota("AccessKeysPerUser", maxKeys)
		}
		return keyTable.Create(tx, k)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateAccessKeyResponse{AccessKey: &api.AccessKey{
		AccessKeyId: new(k.ID), CreateDate: new(k.Created), SecretAccessKey: new(secret), Status: new(keyActive), UserName: opt(o.name),
	}}, nil
}

// ListAccessKeys lists the access keys of a user or the root, without secrets.
func (s *Service) ListAccessKeys(ctx context.Context, in *api.ListAccessKeysRequest) (*api.ListAccessKeysResponse, error) {
	o, err := s.keyOwner(ctx, "ListAccessKeys", in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := s.page(cloud.CallerFrom(ctx), "ListAccessKeys", o.id, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	page, more, marker := cut(p, keysOf(s.db().View(), o), cloud.AccessKey.Key)
	out := &api.ListAccessKeysResponse{AccessKeyMetadata: []api.AccessKeyMetadata{}, IsTruncated: more, Marker: marker}
	for _, k := range page {
		status := keyActive
		if k.Disabled {
			status = keyInactive
		}
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, api.AccessKeyMetadata{
			AccessKeyId: new(k.ID), CreateDate: new(k.Created), Status: new(status), UserName: opt(o.name),
		})
	}
	return out, nil
}

// UpdateAccessKey makes an access key active or inactive, from the next request on.
func (s *Service) UpdateAccessKey(ctx context.Context, in *api.UpdateAccessKeyRequest) (*api.UpdateAccessKeyOutput, error) {
	o, err := s.keyOwner(ctx, "UpdateAccessKey", in.UserName)
	if err != nil {
		return nil, err
	}
	if err := checkOneOf("status", val(in.Status), keyActive, keyInactive); err != nil {
		return nil, err
	}
	return done[api.UpdateAccessKeyOutput](s.withKey(ctx, o, val(in.AccessKeyId), func(tx *store.Tx, k cloud.AccessKey) error {
		k.Disabled = *in.Status == keyInactive
		return keyTable.Put(tx, k)
	}))
}

// DeleteAccessKey deletes an access key: what it signs is refused from now on.
func (s *Service) DeleteAccessKey(ctx context.Context, in *api.DeleteAccessKeyRequest) (*api.DeleteAccessKeyOutput, error) {
	o, err := s.keyOwner(ctx, "DeleteAccessKey", in.UserName)
	if err != nil {
		return nil, err
	}
	return done[api.DeleteAccessKeyOutput](s.withKey(ctx, o, val(in.AccessKeyId), func(tx *store.Tx, k cloud.AccessKey) error {
		if err := forget(tx, k.ID); err != nil {
			return err
		}
		return keyTable.Delete(tx, k.ID)
	}))
}

// withKey runs a transaction on an access key, which must be the owner's.
func (s *Service) withKey(ctx context.Context, o keyOwner, id string, fn func(*store.Tx, cloud.AccessKey) error) error {
	if err := checkKeyID(id); err != nil {
		return err
	}
	return s.db().Update(ctx, func(tx *store.Tx) error {
		k, ok := keyTable.Get(tx, id)
		if !ok || k.Account != o.account || k.User != o.id {
			return noKey(id)
		}
		return fn(tx, k)
	})
}

func noKey(id string) error { return noSuch("The Access Key with id %s cannot be found.", id) }

// never stands for what an access key that was never used has not.
const never = "N/A"

// GetAccessKeyLastUsed tells when, for which service and in which region an access
// key of the account was last used.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *api.GetAccessKeyLastUsedRequest) (*api.GetAccessKeyLastUsedResponse, error) {
	id, account, view := val(in.AccessKeyId), cloud.CallerFrom(ctx).Account, s.db().View()
	k, ok := keyTable.Get(view, id)
	ok = ok && k.Account == account
	resource, name := policy.Resource{ARN: s.arn(account, "user/*")}, ""
	if ok && k.User == "" {
		resource = s.aboutRoot(ctx)
	} else if u, found := userTable.Get(view, k.User); ok && found {
		resource, name = about(s, u), u.Name
	}
	if _, err := s.allow(ctx, "GetAccessKeyLastUsed", nil, resource); err != nil {
		return nil, err
	}
	if err := checkKeyID(id); err != nil {
		return nil, err
	}
	if !ok {
		return nil, noKey(id)
	}
	used := &api.AccessKeyLastUsed{Region: new(never), ServiceName: new(never)}
	if use, ok := lastUseTable.Get(view, id); ok {
		used = &api.AccessKeyLastUsed{LastUsedDate: new(use.When), Region: new(cmp.Or(use.Region, never)), ServiceName: new(cmp.Or(use.Service, never))}
	}
	return &api.GetAccessKeyLastUsedResponse{AccessKeyLastUsed: used, UserName: opt(name)}, nil
}
