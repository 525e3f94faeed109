package s3

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of an object's tags.
const (
	maxObjectTags = 10
	maxTagKey     = 128 // characters
	maxTagValue   = 256
)

// headerTags are the tags of x-amz-tagging: a query string.
func headerTags(header *string) (map[string]string, error) {
	if val(header) == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(*header)
	if err != nil {
		return nil, malformedTags()
	}
	tags := map[string]string{}
	for key, values := range query {
		if len(values) != 1 {
			return nil, malformedTags()
		}
		tags[key] = values[0]
	}
	return tags, checkTags(tags)
}

func malformedTags() error {
	return invalid("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
}

// tagSet are the tags of a document.
func tagSet(set []api.Tag) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range set {
		if _, twice := tags[val(t.Key)]; twice {
			return nil, cloud.Errorf("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		tags[val(t.Key)] = val(t.Value)
	}
	return tags, checkTags(tags)
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxObjectTags {
		return cloud.Errorf("BadRequest", "Object tags cannot be greater than %d", maxObjectTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxTagKey || !tagText(key):
			return cloud.Errorf("InvalidTag", "The TagKey you have provided is invalid")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return cloud.Errorf("InvalidTag", "Your TagKey cannot be prefixed with aws:")
		case utf8.RuneCountInString(value) > maxTagValue || !tagText(value):
			return cloud.Errorf("InvalidTag", "The TagValue you have provided is invalid")
		}
	}
	return nil
}

// tagText reports whether a text has only what tags may have.
func tagText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// shownTags are tags in order.
func shownTags(tags map[string]string) []api.Tag {
	set := []api.Tag{}
	for key, value := range tags {
		set = append(set, api.Tag{Key: new(key), Value: new(value)})
	}
	slices.SortFunc(set, func(a, b api.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return set
}
