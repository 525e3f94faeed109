package rbin

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/tagging"
)

func tagsOf(tags []api.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[val(t.Key)] = val(t.Value)
	}
	return out
}

// TagResource gives tags to a rule.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_TagResource.html
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceRequest) (*api.TagResourceResponse, error) {
	id, tags := s.idOf(ctx, in.ResourceArn), tagsOf(in.Tags)
	about := s.about(ctx, id)
	for name, value := range tagging.Keys(tags) {
		about.Keys = with(about.Keys, name, value[0])
	}
	if len(tags) > 0 {
		about.Keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	_, err := s.edit(ctx, "TagResource", id, about, func(r *cloud.RecycleRule, _ time.Time) error {
		all := maps.Clone(r.Tags)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, tags)
		if wrong := tagging.Check(all); wrong != "" || len(tags) != len(in.Tags) {
			return invalid("%s", cmp.Or(wrong, "A tag key is given more than once."))
		}
		r.Tags = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.TagResourceResponse{}, nil
}

// UntagResource takes tags from a rule.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_UntagResource.html
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceRequest) (*api.UntagResourceResponse, error) {
	id := s.idOf(ctx, in.ResourceArn)
	about := s.about(ctx, id)
	about.Keys = maps.Clone(about.Keys)
	if about.Keys == nil {
		about.Keys = keys{}
	}
	about.Keys["aws:TagKeys"] = in.TagKeys
	_, err := s.edit(ctx, "UntagResource", id, about, func(r *cloud.RecycleRule, _ time.Time) error {
		r.Tags = maps.Clone(r.Tags)
		for _, key := range in.TagKeys {
			delete(r.Tags, key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.UntagResourceResponse{}, nil
}

// ListTagsForResource lists the tags of a rule, by key.
// https://docs.aws.amazon.com/recyclebin/latest/APIReference/API_ListTagsForResource.html
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceRequest) (*api.ListTagsForResourceResponse, error) {
	id := s.idOf(ctx, in.ResourceArn)
	caller, err := s.allow(ctx, "ListTagsForResource", s.about(ctx, id), nil)
	if err != nil {
		return nil, err
	}
	r, err := own(s.DB.View(), caller, id)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceResponse{Tags: []api.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		out.Tags = append(out.Tags, api.Tag{Key: new(key), Value: new(r.Tags[key])})
	}
	return out, nil
}
