package iam

import (
	"context"
	"errors"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// entity is what has a name and a path in an account.
type entity interface {
	cloud.User | cloud.Group | cloud.Role | cloud.InstanceProfile | cloud.ServerCertificate
	store.Document
	ResourceMeta() cloud.Meta
	Resource() string
}

// kind is one kind of entities: how the API speaks of it, and where it is kept.
type kind[T entity] struct {
	word      string // in ARNs: "user"
	parameter string // with its name: "userName"
	longest   int    // name, in characters
	noSuch    string // what there is none of; "%s" stands for the name
	exists    string // what there is one of already
	table     store.Table[T]
	space     func(account string) string // of names
	meta      func(*T) *cloud.Meta
	fold      bool   // the keys of tags are the same in any case
	quota     string // of the account
	most      int    // entities that an account can have

	// Of those that carry permissions:
	grants   func(*T) *cloud.Grants
	inline   int    // quota of the inline policies together, in characters
	attached string // quota of managed policies
	// guard refuses changes of what is not the tenant's to change; nil: nothing is.
	guard func(T) error
}

var (
	users = &kind[cloud.User]{
		word: "user", parameter: "userName", longest: maxName, space: cloud.UserNames,
		meta: func(v *cloud.User) *cloud.Meta { return &v.Meta }, fold: true, quota: "UsersPerAccount", most: 5000,
		noSuch: "The user with name %s cannot be found.", exists: "User with name %s already exists.",
		grants: func(u *cloud.User) *cloud.Grants { return &u.Grants }, inline: 2048, attached: "PoliciesPerUser",
	}
	groups = &kind[cloud.Group]{
		word: "group", parameter: "groupName", longest: maxName, space: cloud.IAMGroupNames,
		meta: func(v *cloud.Group) *cloud.Meta { return &v.Meta }, quota: "GroupsPerAccount", most: 300,
		noSuch: "The group with name %s cannot be found.", exists: "Group with name %s already exists.",
		grants: func(g *cloud.Group) *cloud.Grants { return &g.Grants }, inline: 5120, attached: "PoliciesPerGroup",
	}
	roles = &kind[cloud.Role]{
		word: "role", parameter: "roleName", longest: maxUserName, space: cloud.RoleNames,
		meta: func(v *cloud.Role) *cloud.Meta { return &v.Meta }, fold: true, quota: "RolesPerAccount", most: 1000,
		noSuch: "The role with name %s cannot be found.", exists: "Role with name %s already exists.",
		grants: func(r *cloud.Role) *cloud.Grants { return &r.Grants }, inline: 10240, attached: "PoliciesPerRole", guard: guardRole,
	}
	profiles = &kind[cloud.InstanceProfile]{
		word: "instance-profile", parameter: "instanceProfileName", longest: maxName, space: cloud.InstanceProfileNames,
		meta: func(v *cloud.InstanceProfile) *cloud.Meta { return &v.Meta }, quota: "InstanceProfilesPerAccount", most: 1000,
		noSuch: "Instance Profile %s cannot be found.", exists: "Instance Profile %s already exists.",
	}
)

// guardRole refuses to change what belongs to a service.
func guardRole(r cloud.Role) error {
	if r.Service == "" {
		return nil
	}
	return cloud.Errorf("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.Name)
}

// named finds the entity of that name in an account.
func (k *kind[T]) named(r store.Reader, account, name string) (v T, ok bool) {
	id, ok := store.Owner(r, k.space(account), cloud.IAMName(name))
	if !ok {
		return v, false
	}
	return k.table.Get(r, id)
}

// guarded refuses to change what is not the tenant's to change.
func (k *kind[T]) guarded(v T) error {
	if k.guard == nil {
		return nil
	}
	return k.guard(v)
}

func (k *kind[T]) check(name string) error { return checkName(k.parameter, name, k.longest) }

func (k *kind[T]) missing(name string) error { return noSuch(k.noSuch, name) }

// claim takes the name for an entity that is made or renamed.
func (k *kind[T]) claim(tx *store.Tx, account, name, id string) error {
	err := tx.Claim(k.space(account), cloud.IAMName(name), id)
	if _, taken := errors.AsType[*store.ClaimedError](err); taken {
		return cloud.Errorf("EntityAlreadyExists", k.exists, name)
	}
	return err
}

// create writes a new entity and claims its name.
func (k *kind[T]) create(tx *store.Tx, v T) error {
	account := k.meta(&v).Account
	if err := k.claim(tx, account, nameOf(v), v.Key()); err != nil {
		return err
	}
	if k.table.Count(tx, cloud.AccountLabel(account)) >= k.most {
		return quota(k.quota, k.most)
	}
	return k.table.Create(tx, v)
}

// rename gives the name to an entity in the place of its old one.
func (k *kind[T]) rename(tx *store.Tx, account, old, name, id string) error {
	if err := k.claim(tx, account, name, id); err != nil {
		return err
	}
	if cloud.IAMName(old) != cloud.IAMName(name) {
		tx.Release(k.space(account), cloud.IAMName(old))
	}
	return nil
}

// moved names to policy what an entity will be; nil leaves path or name as it is.
func moved[T entity](s *Service, k *kind[T], v T, newPath, newName *string) policy.Resource {
	m, resource := v.ResourceMeta(), strings.TrimPrefix(v.Resource(), k.word)
	slash := strings.LastIndexByte(resource, '/') + 1
	path, name := resource[:slash], resource[slash:]
	if newPath != nil {
		path = *newPath
	}
	if newName != nil {
		name = *newName
	}
	to := k.aboutName(s, m.Account, path, name)
	to.Tags = m.Tags
	return to
}

// about names an entity to policy.
func about[T entity](s *Service, v T) policy.Resource {
	m := v.ResourceMeta()
	return policy.Resource{ARN: s.arn(m.Account, v.Resource()), Tags: m.Tags}
}

// aboutName names what is not there by the ARN that it would have, so that
// whoever lacks the permission does not learn that it is absent. What cannot be a
// name stands for all of the kind.
func (k *kind[T]) aboutName(s *Service, account, path, name string) policy.Resource {
	if k.check(name) != nil || checkPath("path", path) != nil {
		path, name = "/", "*"
	}
	return policy.Resource{ARN: s.arn(account, k.word+path+name)}
}

// question is what a method asks about an entity.
type question struct {
	action string
	keys   keys
	// bounded: the permissions boundary of the entity is a condition key, too.
	bounded bool
	// newPath and newName are what the entity is to be called: the caller needs the
	// permission for what is and for what will be.
	newPath, newName *string
}

// find returns the caller and the entity that a request names, once the caller
// was allowed to do with it what the question says.
func find[T entity](ctx context.Context, s *Service, k *kind[T], name *string, q question) (cloud.Caller, T, error) {
	account := cloud.CallerFrom(ctx).Account
	v, ok := k.named(s.db().View(), account, val(name))
	resources := []policy.Resource{k.aboutName(s, account, "/", val(name))}
	if ok {
		resources[0] = about(s, v)
		if q.newPath != nil || q.newName != nil {
			resources = append(resources, moved(s, k, v, q.newPath, q.newName))
		}
		if q.bounded && k.grants != nil {
			q.keys = q.keys.with(boundaryKey, k.grants(&v).Boundary)
		}
	}
	caller, err := s.allow(ctx, q.action, q.keys, resources...)
	if err == nil {
		err = k.check(val(name))
	}
	if err == nil && !ok {
		err = k.missing(*name)
	}
	return caller, v, err
}

// change changes the entity that was found. What was deleted since answers as if
// it had never been there; one that has its name now is another.
func change[T entity](ctx context.Context, s *Service, k *kind[T], v T, fn func(*store.Tx, *T) error) error {
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		return k.table.Modify(tx, v.Key(), func(v *T) error { return fn(tx, v) })
	})
	return k.gone(v, err)
}

// nameOf is the name of an entity as it was given.
func nameOf[T entity](v T) string {
	resource := v.Resource()
	return resource[strings.LastIndexByte(resource, '/')+1:]
}

// gone says that there is no such entity if the store said so.
func (k *kind[T]) gone(v T, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return k.missing(nameOf(v))
	}
	return err
}

// remove deletes the entity that was found, unless refuse says what is in the way.
func remove[T entity](ctx context.Context, s *Service, k *kind[T], v T, refuse func(*store.Tx, T) error) error {
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		v, ok := k.table.Get(tx, v.Key())
		if !ok {
			return store.ErrNotFound
		}
		if err := refuse(tx, v); err != nil {
			return err
		}
		tx.ReleaseAll(v.Key())
		return k.table.Delete(tx, v.Key())
	})
	return k.gone(v, err)
}

// list returns the entities of an account below a path prefix.
func list[T entity](s *Service, k *kind[T], account string, pathPrefix *string) []T {
	var all []T
	for v := range k.table.Select(s.db().View(), cloud.AccountLabel(account)) {
		if strings.HasPrefix(v.Resource(), k.word+val(pathPrefix)) {
			all = append(all, v)
		}
	}
	return all
}
