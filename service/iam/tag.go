package iam

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of tags; lengths in characters:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules
const (
	maxTags       = 50
	maxTagKey     = 128
	maxTagValue   = 256
	tagKeyRule    = `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`
	tagValueRule  = `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`
	reservedByAWS = "aws:"
)

// addTags returns old with the given tags added or replaced, after checking them
// and their number. It leaves old alone. Where case makes no difference (fold: the
// keys of users and roles), a key takes the place of one that differs in case.
func addTags(old map[string]string, tags []api.Tag, fold bool) (map[string]string, error) {
	if len(tags) > maxTags {
		return nil, cloud.Errorf("ValidationError", "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to %d", maxTags)
	}
	sum := maps.Clone(old)
	if sum == nil {
		sum = make(map[string]string, len(tags))
	}
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		key, value := val(t.Key), val(t.Value)
		if err := checkTag(key, value); err != nil {
			return nil, err
		}
		id := foldKey(key, fold)
		if seen[id] {
			return nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[id] = true
		removeTag(sum, key, fold)
		sum[key] = value
	}
	if len(sum) > maxTags {
		return nil, cloud.Errorf("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	return sum, nil
}

// removeTags returns old without the keys, of which absent ones do no harm.
func removeTags(old map[string]string, names []string, fold bool) (map[string]string, error) {
	if len(names) > maxTags {
		return nil, cloud.Errorf("ValidationError", "1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must have length less than or equal to %d", maxTags)
	}
	rest := maps.Clone(old)
	for _, key := range names {
		if err := checkTagKey(key); err != nil {
			return nil, err
		}
		removeTag(rest, key, fold)
	}
	return rest, nil
}

func removeTag(tags map[string]string, key string, fold bool) {
	maps.DeleteFunc(tags, func(k, _ string) bool { return foldKey(k, fold) == foldKey(key, fold) })
}

func foldKey(key string, fold bool) string {
	if fold {
		return strings.ToLower(key)
	}
	return key
}

func checkTag(key, value string) error {
	if err := checkTagKey(key); err != nil {
		return err
	}
	if err := checkLength("tags.member.value", value, 0, maxTagValue); err != nil {
		return err
	}
	if !isTagText(value) {
		return constraint("tags.member.value", value, "%s", mustMatch(tagValueRule))
	}
	return nil
}

func checkTagKey(key string) error {
	if err := checkLength("tags.member.key", key, 1, maxTagKey); err != nil {
		return err
	}
	if !isTagText(key) {
		return constraint("tags.member.key", key, "%s", mustMatch(tagKeyRule))
	}
	if strings.HasPrefix(strings.ToLower(key), reservedByAWS) {
		return invalidInput("Tag keys that begin with %s are reserved: choose another key than %s.", reservedByAWS, key)
	}
	return nil
}

func isTagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// tagList lists tags as the API does; in the order of their keys.
func tagList(tags map[string]string) []api.Tag {
	list := make([]api.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}
