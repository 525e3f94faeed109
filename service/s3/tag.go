package s3

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of tags; lengths in characters:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const (
	maxBucketTags = 50
	maxObjectTags = 10
	maxTagKey     = 128
	maxTagValue   = 256
)

func badTag(format string, args ...any) error { return failure(400, "InvalidTag", format, args...) }

// checkTags returns tags as a map, after checking them and their number.
func checkTags(tags []api.Tag, most int) (map[string]string, error) {
	if len(tags) > most {
		if most == maxObjectTags {
			return nil, failure(400, "BadRequest", "Object tags cannot be greater than %d", most)
		}
		return nil, failure(400, "BadRequest", "Bucket tag count cannot be greater than %d", most)
	}
	m := map[string]string{}
	for _, t := range tags {
		key, value := val(t.Key), val(t.Value)
		switch n := utf8.RuneCountInString(key); {
		case t.Key == nil || t.Value == nil:
			return nil, malformedXML()
		case n == 0 || n > maxTagKey || !tagText(key):
			return nil, badTag("The TagKey you have provided is invalid")
		case utf8.RuneCountInString(value) > maxTagValue || !tagText(value):
			return nil, badTag("The TagValue you have provided is invalid")
		case len(key) >= 4 && strings.EqualFold(key[:4], "aws:"):
			return nil, badTag("System tags cannot be added/updated by requester")
		}
		if _, twice := m[key]; twice {
			return nil, badTag("Cannot provide multiple Tags with the same key")
		}
		m[key] = value
	}
	return m, nil
}

// tagText reports whether a text has only characters that tags may have.
func tagText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// shownTags are tags as the API shows them, by key.
func shownTags(tags map[string]string) []api.Tag {
	list := []api.Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}

// PutBucketTagging replaces the tags of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
func (s *Service) PutBucketTagging(ctx context.Context, in *api.PutBucketTaggingRequest) (*api.PutBucketTaggingOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketTagging", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if in.Tagging == nil {
		return nil, malformedXML()
	}
	tags, err := checkTags(in.Tagging.TagSet, maxBucketTags)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Tags = tags; return nil }); err != nil {
		return nil, err
	}
	return &api.PutBucketTaggingOutput{}, nil
}

// GetBucketTagging returns the tags of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html
func (s *Service) GetBucketTagging(ctx context.Context, in *api.GetBucketTaggingRequest) (*api.GetBucketTaggingOutput, error) {
	b, err := s.allowBucket(ctx, "GetBucketTagging", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if len(b.Tags) == 0 {
		return nil, noConfiguration("NoSuchTagSet", "TagSet")
	}
	return &api.GetBucketTaggingOutput{TagSet: shownTags(b.Tags)}, nil
}

// DeleteBucketTagging removes the tags of a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html
func (s *Service) DeleteBucketTagging(ctx context.Context, in *api.DeleteBucketTaggingRequest) (*api.DeleteBucketTaggingOutput, error) {
	b, err := s.allowBucket(ctx, "PutBucketTagging", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	if err := s.modify(ctx, b, func(b *cloud.Bucket) error { b.Tags = nil; return nil }); err != nil {
		return nil, err
	}
	return &api.DeleteBucketTaggingOutput{}, nil
}
