package organizations

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of tags; lengths in characters:
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_tagging.html
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// TagResource adds tags to a root, a unit, an account or a policy, or replaces
// their values.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceOutput, error) {
	err := s.retag(ctx, "TagResource", tagKeys(in.Tags), in.ResourceId, func(old map[string]string) (map[string]string, error) {
		if len(in.Tags) == 0 {
			return nil, required("Tags")
		}
		return addTags(old, in.Tags)
	})
	if err != nil {
		return nil, err
	}
	return &api.TagResourceOutput{}, nil
}

// UntagResource removes the tags of the given keys, as far as they are there.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceOutput, error) {
	k := keys{}
	if len(in.TagKeys) > 0 {
		k["aws:TagKeys"] = in.TagKeys
	}
	err := s.retag(ctx, "UntagResource", k, in.ResourceId, func(old map[string]string) (map[string]string, error) {
		if len(in.TagKeys) == 0 {
			return nil, required("TagKeys")
		}
		left := maps.Clone(old)
		for _, key := range in.TagKeys {
			delete(left, key)
		}
		return left, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UntagResourceOutput{}, nil
}

// retag edits the tags of an entity.
func (s *Service) retag(ctx context.Context, action string, k keys, id *string, edit func(map[string]string) (map[string]string, error)) error {
	maps.Copy(k, s.typeOf(id))
	if err := s.manage(ctx, action, k, id); err != nil {
		return err
	}
	if err := check("ResourceId", id, taggedKinds...); err != nil {
		return err
	}
	return s.update(ctx, func(tx *store.Tx, t tree) error {
		e, ok := t.find(*id)
		if !ok {
			return noTarget(*id)
		}
		tags, err := edit(e.tags)
		if err != nil {
			return err
		}
		switch e.kind {
		case rootKind:
			t.org.RootTags = tags
			return organizationTable.Put(tx, t.org)
		case unitKind:
			return unitTable.Modify(tx, e.id, func(u *cloud.OrganizationalUnit) error { u.Tags = tags; return nil })
		case policyKind:
			if _, err := t.changeable(e.id); err != nil {
				return err
			}
			return controlTable.Modify(tx, e.id, func(p *cloud.ControlPolicy) error { p.Tags = tags; return nil })
		default:
			return accountTable.Modify(tx, e.id, func(a *cloud.Account) error { a.Tags = tags; return nil })
		}
	})
}

// ListTagsForResource lists the tags of a root, a unit, an account or a policy, by
// key, on one page.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListTagsForResource.html
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	if err := s.manage(ctx, "ListTagsForResource", s.typeOf(in.ResourceId), in.ResourceId); err != nil {
		return nil, err
	}
	if err := check("ResourceId", in.ResourceId, taggedKinds...); err != nil {
		return nil, err
	}
	if _, err := s.page("ListTagsForResource", nil, in.NextToken); err != nil {
		return nil, err // there never is a second page
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	e, ok := t.find(*in.ResourceId)
	if !ok {
		return nil, noTarget(*in.ResourceId)
	}
	out := &api.ListTagsForResourceResponse{Tags: []api.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(e.tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: new(key), Value: new(e.tags[key])})
	}
	return out, nil
}

// tagKeys are the condition keys of a request that gives tags.
func tagKeys(tags []api.Tag) keys {
	k := keys{}
	for _, t := range tags {
		k["aws:RequestTag/"+val(t.Key)] = []string{val(t.Value)}
		k["aws:TagKeys"] = append(k["aws:TagKeys"], val(t.Key))
	}
	return k
}

// addTags returns old with the given tags added or replaced, after checking them
// and their number. It leaves old alone.
func addTags(old map[string]string, tags []api.Tag) (map[string]string, error) {
	sum, seen := maps.Clone(old), map[string]bool{}
	if sum == nil {
		sum = map[string]string{}
	}
	for _, t := range tags {
		key, value := val(t.Key), val(t.Value)
		switch {
		case key == "":
			return nil, required("Tags.Key")
		case t.Value == nil:
			return nil, required("Tags.Value")
		case len(key) >= 4 && strings.EqualFold(key[:4], "aws:"):
			return nil, invalid("INVALID_SYSTEM_TAGS_PARAMETER", "Tag keys that begin with aws: are the cloud's own.")
		case utf8.RuneCountInString(key) > maxTagKey:
			return nil, invalid("MAX_LENGTH_EXCEEDED", "A tag's key has at most %d characters.", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return nil, invalid("MAX_LENGTH_EXCEEDED", "A tag's value has at most %d characters.", maxTagValue)
		case seen[key]:
			return nil, invalid("DUPLICATE_TAG_KEY", "The tag key %q is given more than once.", key)
		}
		seen[key], sum[key] = true, value
	}
	if len(sum) > maxTags {
		return nil, constraint("MAX_TAG_LIMIT_EXCEEDED", "A resource has at most %d tags.", maxTags)
	}
	return sum, nil
}
