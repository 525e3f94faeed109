package ec2

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of tags; lengths in characters.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// tagsFromSpec returns the tags that a request gives to the one kind of
// resource that it creates, e.g. "security-group".
func tagsFromSpec(specs []ec2.TagSpecification, kind string) (map[string]string, error) {
	tags, err := tagsFromSpecs(specs, kind)
	return tags[kind], err
}

// tagsFromSpecs returns the tags that a request gives to what it creates, by
// kind, e.g. "instance" and "volume". Any other kind is InvalidParameterValue.
func tagsFromSpecs(specs []ec2.TagSpecification, kinds ...string) (map[string]map[string]string, error) {
	all := make(map[string]map[string]string, len(specs))
	for _, spec := range specs {
		kind := val(spec.ResourceType)
		switch {
		case kind == "":
			return nil, cloud.Errorf("InvalidParameterValue", "Tag specification resource type must have a value")
		case !slices.Contains(kinds, kind):
			return nil, cloud.Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind)
		case all[kind] != nil:
			return nil, cloud.Errorf("InvalidParameterValue", "Tag specification resource type '%s' is given more than once", kind)
		case len(spec.Tags) == 0:
			return nil, cloud.Errorf("InvalidParameterValue", "Tag specification must have at least one tag")
		}
		tags, err := addTags(nil, spec.Tags)
		if err != nil {
			return nil, err
		}
		all[kind] = tags
	}
	return all, nil
}

// addTags returns old with the given tags added or replaced, after checking
// them and their number. It leaves old alone.
func addTags(old map[string]string, tags []ec2.Tag) (map[string]string, error) {
	sum := maps.Clone(old)
	if sum == nil {
		sum = make(map[string]string, len(tags))
	}
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		key, value := val(t.Key), val(t.Value)
		if err := checkTagKey(key); err != nil {
			return nil, err
		}
		switch {
		case utf8.RuneCountInString(value) > maxTagValue:
			return nil, cloud.Errorf("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		case !isText(value):
			return nil, cloud.Errorf("InvalidParameterValue", "Tag values must be UTF-8 text without control characters")
		case seen[key]:
			return nil, cloud.Errorf("InvalidParameterValue", "Duplicate tag key '%s' specified.", key)
		}
		seen[key] = true
		sum[key] = value
	}
	if len(sum) > maxTags {
		return nil, cloud.Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return sum, nil
}

// checkTagKey refuses keys that no resource can carry.
func checkTagKey(key string) error {
	switch {
	case key == "":
		return cloud.Errorf("InvalidTagKey.Malformed", "Tag keys cannot be empty or null.")
	case len(key) >= 4 && strings.EqualFold(key[:4], "aws:"):
		return cloud.Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
	case utf8.RuneCountInString(key) > maxTagKey:
		return cloud.Errorf("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
	case !isText(key):
		return cloud.Errorf("InvalidParameterValue", "Tag keys must be UTF-8 text without control characters")
	}
	return nil
}

// isText reports whether an answer in XML can carry s as it is: whether all of
// it is in the character range of https://www.w3.org/TR/xml/#charsets.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// tagSet lists tags as the API does; in the order of their keys.
func tagSet(tags map[string]string) []ec2.Tag {
	set := make([]ec2.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set = append(set, ec2.Tag{Key: new(key), Value: new(tags[key])})
	}
	return set
}
