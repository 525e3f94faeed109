package iam

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// registered is what an account has under an ARN that requests name it by.
type registered interface {
	cloud.MFADevice | cloud.OIDCProvider | cloud.SAMLProvider
	store.Document
}

// register is one kind of what is registered.
type register[T registered] struct {
	word        string // in ARNs: "mfa"
	parameter   string // with the ARN: "serialNumber"
	least, most int    // length of the ARN
	noSuch      string // what there is none of; "%s" stands for the ARN
	table       store.Table[T]
	account     func(T) string
	tags        func(*T) *map[string]string
}

// about names what was found to policy.
func (k *register[T]) about(v T) policy.Resource {
	return policy.Resource{ARN: v.Key(), Tags: *k.tags(&v)}
}

// aboutName names what an ARN stands for that is not there. ARNs of other kinds
// and accounts stand for all of the kind.
func (k *register[T]) aboutName(s *Service, account, arn string) policy.Resource {
	if all := s.arn(account, k.word+"/"); !strings.HasPrefix(arn, all) || len(arn) > k.most {
		arn = all + "*"
	}
	return policy.Resource{ARN: arn}
}

func (k *register[T]) missing(arn string) error { return noSuch(k.noSuch, arn) }

// get finds what an account has under an ARN.
func (k *register[T]) get(r store.Reader, account, arn string) (T, bool) {
	v, ok := k.table.Get(r, arn)
	if !ok || k.account(v) != account {
		var none T
		return none, false
	}
	return v, true
}

// lookUp returns the caller and what a request names, once the caller was allowed
// the action.
func (k *register[T]) lookUp(ctx context.Context, s *Service, arn *string, action string, with keys) (cloud.Caller, T, error) {
	account := cloud.CallerFrom(ctx).Account
	v, ok := k.get(s.db().View(), account, val(arn))
	resource := k.aboutName(s, account, val(arn))
	if ok {
		resource = k.about(v)
	}
	c, err := s.allow(ctx, action, with, resource)
	if err == nil {
		err = checkLength(k.parameter, val(arn), k.least, k.most)
	}
	if err == nil && !ok {
		err = k.missing(*arn)
	}
	return c, v, err
}

// alter changes what was found, unless it was deleted since.
func (k *register[T]) alter(ctx context.Context, s *Service, v T, fn func(*store.Tx, *T) error) error {
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		return k.table.Modify(tx, v.Key(), func(v *T) error { return fn(tx, v) })
	})
	return k.gone(v, err)
}

// drop deletes what was found, unless refuse says what is in the way.
func (k *register[T]) drop(ctx context.Context, s *Service, v T, refuse func(T) error) error {
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		v, ok := k.table.Get(tx, v.Key())
		if !ok {
			return store.ErrNotFound
		}
		if err := refuse(v); err != nil {
			return err
		}
		tx.ReleaseAll(v.Key())
		return k.table.Delete(tx, v.Key())
	})
	return k.gone(v, err)
}

func (k *register[T]) gone(v T, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return k.missing(v.Key())
	}
	return err
}

// all lists what an account has, by ARN.
func (k *register[T]) all(s *Service, account string) []T {
	return slices.Collect(k.table.Select(s.db().View(), cloud.AccountLabel(account)))
}

// tag adds tags, untag removes some, and listTags shows a page of them.
func (k *register[T]) tag(ctx context.Context, s *Service, action string, arn *string, tags []api.Tag) error {
	_, v, err := k.lookUp(ctx, s, arn, action, keys{}.withTags(tags))
	if err != nil {
		return err
	}
	return k.alter(ctx, s, v, func(_ *store.Tx, v *T) (err error) {
		at := k.tags(v)
		*at, err = addTags(*at, tags, false)
		return err
	})
}

func (k *register[T]) untag(ctx context.Context, s *Service, action string, arn *string, names []string) error {
	_, v, err := k.lookUp(ctx, s, arn, action, keys{}.withTagKeys(names))
	if err != nil {
		return err
	}
	return k.alter(ctx, s, v, func(_ *store.Tx, v *T) (err error) {
		at := k.tags(v)
		*at, err = removeTags(*at, names, false)
		return err
	})
}

func (k *register[T]) listTags(ctx context.Context, s *Service, action string, arn *string, items *int32, marker *string) ([]api.Tag, *bool, *string, error) {
	c, v, err := k.lookUp(ctx, s, arn, action, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := s.page(c, action, v.Key(), items, marker)
	if err != nil {
		return nil, nil, nil, err
	}
	tags, more, next := tagPage(p, *k.tags(&v))
	return tags, more, next, nil
}
