package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/store"
)

func tag[T entity](ctx context.Context, s *Service, k *kind[T], action string, name *string, tags []api.Tag) error {
	_, v, err := find(ctx, s, k, name, question{action: action, keys: keys{}.withTags(tags)})
	if err != nil {
		return err
	}
	return change(ctx, s, k, v, func(_ *store.Tx, v *T) (err error) {
		m := k.meta(v)
		m.Tags, err = addTags(m.Tags, tags, k.fold)
		return err
	})
}

func untag[T entity](ctx context.Context, s *Service, k *kind[T], action string, name *string, tagKeys []string) error {
	_, v, err := find(ctx, s, k, name, question{action: action, keys: keys{}.withTagKeys(tagKeys)})
	if err != nil {
		return err
	}
	return change(ctx, s, k, v, func(_ *store.Tx, v *T) (err error) {
		m := k.meta(v)
		m.Tags, err = removeTags(m.Tags, tagKeys, k.fold)
		return err
	})
}

func listTags[T entity](ctx context.Context, s *Service, k *kind[T], action string, name *string, items *int32, marker *string) ([]api.Tag, *bool, *string, error) {
	c, v, err := find(ctx, s, k, name, question{action: action})
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := s.page(c, action, v.Key(), items, marker)
	if err != nil {
		return nil, nil, nil, err
	}
	list, more, next := tagPage(p, k.meta(&v).Tags)
	return list, more, next, nil
}

func tagPage(p pager, tags map[string]string) ([]api.Tag, *bool, *string) {
	return cut(p, tagList(tags), func(t api.Tag) string { return *t.Key })
}
