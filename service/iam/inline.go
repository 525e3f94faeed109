package iam

import (
	"context"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// putInline makes or replaces an inline policy. Its quota is that of all inline
// policies of the entity together.
func putInline[T entity](ctx context.Context, s *Service, k *kind[T], action string, entityName, policyName, document *string) error {
	_, v, err := find(ctx, s, k, entityName, question{action: action, bounded: true})
	if err != nil {
		return err
	}
	name, text := val(policyName), val(document)
	if err := checkName("policyName", name, maxName); err != nil {
		return err
	}
	if err := checkDocument("policyDocument", text, policy.IdentityPolicy); err != nil {
		return err
	}
	size := sizeOf(text)
	return change(ctx, s, k, v, func(_ *store.Tx, v *T) error {
		if err := k.guarded(*v); err != nil {
			return err
		}
		g, sum := k.grants(v), size
		for other, text := range g.Inline {
			if other != name {
				sum += sizeOf(text)
			}
		}
		if sum > k.inline {
			return cloud.Errorf("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", k.inline, k.word, *entityName)
		}
		if g.Inline == nil {
			g.Inline = map[string]string{}
		}
		g.Inline[name] = text
		return nil
	})
}

// getInline returns an inline policy and the names of the entity and the policy.
func getInline[T entity](ctx context.Context, s *Service, k *kind[T], action string, entityName, policyName *string) (entity, name, document *string, err error) {
	_, v, err := find(ctx, s, k, entityName, question{action: action})
	if err != nil {
		return nil, nil, nil, err
	}
	if err := checkName("policyName", val(policyName), maxName); err != nil {
		return nil, nil, nil, err
	}
	text, ok := k.grants(&v).Inline[*policyName]
	if !ok {
		return nil, nil, nil, k.noInline(*policyName)
	}
	return new(nameOf(v)), policyName, encoded(text), nil
}

// listInline returns a page of the names of inline policies.
func listInline[T entity](ctx context.Context, s *Service, k *kind[T], action string, entityName *string, items *int32, marker *string) ([]string, *bool, *string, error) {
	c, v, err := find(ctx, s, k, entityName, question{action: action})
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := s.page(c, action, v.Key(), items, marker)
	if err != nil {
		return nil, nil, nil, err
	}
	names, more, next := cut(p, slices.Collect(maps.Keys(k.grants(&v).Inline)), func(name string) string { return name })
	if names == nil {
		names = []string{}
	}
	return names, more, next, nil
}

func deleteInline[T entity](ctx context.Context, s *Service, k *kind[T], action string, entityName, policyName *string) error {
	_, v, err := find(ctx, s, k, entityName, question{action: action, bounded: true})
	if err != nil {
		return err
	}
	if err := checkName("policyName", val(policyName), maxName); err != nil {
		return err
	}
	return change(ctx, s, k, v, func(_ *store.Tx, v *T) error {
		if err := k.guarded(*v); err != nil {
			return err
		}
		g := k.grants(v)
		if _, ok := g.Inline[*policyName]; !ok {
			return k.noInline(*policyName)
		}
		delete(g.Inline, *policyName)
		return nil
	})
}

func (k *kind[T]) noInline(name string) error {
	return noSuch("The %s policy with name %s cannot be found.", k.word, name)
}
