package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Directory finds principals. Its fields are set once. It is safe for concurrent use.
type Directory struct {
	DB    *store.Store
	Place cloud.Place
	Keys  *Keyring
	Now   func() time.Time

	hashing hasher // bounds how many passwords are hashed at once
	proofs  proofs
}

// What Lookup says of a key that may not sign.
var (
	ErrUnknownKey   = errors.New("unknown access key")
	ErrWrongToken   = errors.New("session token is not the access key's")
	ErrExpiredToken = errors.New("session token has expired")
)

// Lookup returns the secret of an access key, who signs with it, and whether the
// account may make calls. A key that is inactive or whose principal is gone is
// ErrUnknownKey.
func (d *Directory) Lookup(key, token string) (secret string, c cloud.Caller, active bool, err error) {
	r := d.DB.View()
	if token != "" || strings.HasPrefix(key, SessionPrefix) {
		return d.lookupSession(r, key, token)
	}
	p, ok := d.proofs.get(r.Revision(), key)
	if !ok {
		if p, err = d.prove(r, key); err != nil {
			return "", p.caller, false, err
		}
		d.proofs.put(r.Revision(), key, p)
	}
	return p.secret, p.caller, p.active, nil
}

// prove is Lookup of a key that lasts.
func (d *Directory) prove(r store.Reader, key string) (p proof, err error) {
	k, ok := accessKeyTable.Get(r, key)
	if !ok || k.Disabled {
		return p, ErrUnknownKey
	}
	if p.caller, ok = d.caller(r, k.Account, k.User); !ok {
		return p, ErrUnknownKey
	}
	raw, err := d.Keys.Secrets.Open(k.ID, k.Sealed)
	if err != nil {
		return p, fmt.Errorf("open secret of access key %s: %w", k.ID, err)
	}
	p.secret, p.active = string(raw), d.active(r, k.Account)
	return p, nil
}

func (d *Directory) lookupSession(r store.Reader, key, token string) (secret string, c cloud.Caller, active bool, err error) {
	s, err := d.Keys.Open(token)
	if err != nil || s.AccessKey != key {
		return "", c, false, ErrWrongToken
	}
	if !d.Now().Before(s.Expires) {
		return "", c, false, ErrExpiredToken
	}
	c, ok := d.CallerOf(r, s)
	if !ok {
		return "", c, false, ErrWrongToken
	}
	return s.Secret, c, d.active(r, s.Account), nil
}

func (d *Directory) active(r store.Reader, account string) bool {
	a, ok := accountTable.Get(r, account)
	return ok && a.State == cloud.AccountActive
}

// caller is the root of an account, or the user of that ID.
func (d *Directory) caller(r store.Reader, account, user string) (cloud.Caller, bool) {
	if user == "" {
		_, ok := accountTable.Get(r, account)
		return d.Root(account), ok
	}
	u, ok := userTable.Get(r, user)
	if !ok || u.Account != account {
		return cloud.Caller{}, false
	}
	return cloud.Caller{
		Account: account, ARN: d.Place.GlobalARN("iam", account, u.Resource()), UserID: u.ID,
		Type: cloud.PrincipalUser, Entity: u.ID,
	}, true
}

// Root is the root of an account as a caller.
func (d *Directory) Root(account string) cloud.Caller {
	return cloud.Caller{Account: account, ARN: d.Place.GlobalARN("iam", account, "root"), UserID: account, Type: cloud.PrincipalRoot}
}

// CallerOf is who acts with a session; false if its user or role is gone.
func (d *Directory) CallerOf(r store.Reader, s cloud.Session) (cloud.Caller, bool) {
	c := cloud.Caller{Account: s.Account, Type: s.Type, Entity: s.Entity, Session: &s}
	switch s.Type {
	case cloud.PrincipalRole:
		role, ok := roleTable.Get(r, s.Entity)
		if !ok || role.Account != s.Account {
			return c, false
		}
		c.ARN, c.UserID = d.Place.GlobalARN("sts", s.Account, "assumed-role/"+role.Name+"/"+s.Name), role.ID+":"+s.Name
		return c, true
	case cloud.PrincipalFederated:
		_, ok := d.caller(r, s.Account, s.Entity)
		c.ARN, c.UserID = d.Place.GlobalARN("sts", s.Account, "federated-user/"+s.Name), s.Account+":"+s.Name
		return c, ok
	default:
		owner, ok := d.caller(r, s.Account, s.Entity)
		owner.Session = &s
		return owner, ok
	}
}

// Find returns the principal that an ARN names: the root, a user, a role (as a
// session of it without a name), or an assumed role.
func (d *Directory) Find(r store.Reader, arn string) (cloud.Caller, bool) {
	account, resource, ok := splitARN(arn)
	if !ok {
		return cloud.Caller{}, false
	}
	kind, rest, _ := strings.Cut(resource, "/")
	switch kind {
	case "root":
		_, ok := accountTable.Get(r, account)
		return d.Root(account), ok && rest == ""
	case "user":
		u, ok := User(r, account, rest[strings.LastIndexByte(rest, '/')+1:])
		if !ok || u.Resource() != resource {
			return cloud.Caller{}, false
		}
		return d.caller(r, account, u.ID)
	case "role", "assumed-role":
		name, session := rest[strings.LastIndexByte(rest, '/')+1:], ""
		if kind == "assumed-role" {
			name, session, _ = strings.Cut(rest, "/")
		}
		role, ok := Role(r, account, name)
		if !ok || kind == "role" && role.Resource() != resource {
			return cloud.Caller{}, false
		}
		now := d.Now().UTC()
		return d.CallerOf(r, cloud.Session{
			Account: account, Type: cloud.PrincipalRole, Entity: role.ID, Name: session, Issued: now, Expires: now.Add(time.Hour),
		})
	}
	return cloud.Caller{}, false
}
