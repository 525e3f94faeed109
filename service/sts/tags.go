package sts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of session tags:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_know
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// tags are session tags as a caller passes them.
type tags struct {
	values     map[string]string
	transitive []string
}

// requestTags reads the tags of a request into t, and notes what is wrong with them.
func (f *form) requestTags(list []sts.Tag, transitive []string) (t tags, err error) {
	f.count("tags", len(list), maxTags)
	f.count("transitiveTagKeys", len(transitive), maxTags)
	if len(list) > maxTags || len(transitive) > maxTags {
		return t, nil
	}
	for i, tag := range list {
		f.required(fmt.Sprintf("tags.%d.member.key", i+1), tag.Key, 1, maxTagKey, tagPattern)
		f.required(fmt.Sprintf("tags.%d.member.value", i+1), tag.Value, 0, maxTagValue, tagPattern)
	}
	for i := range transitive {
		f.text(fmt.Sprintf("transitiveTagKeys.%d.member", i+1), &transitive[i], 1, maxTagKey, tagPattern)
	}
	if f.wrong != nil {
		return t, nil
	}
	for _, tag := range list {
		if err := t.add(*tag.Key, *tag.Value); err != nil {
			return t, err
		}
	}
	t.transitive = transitive
	return t, t.check()
}

// claimedTags are tags from an identity provider's assertion, which no form has
// looked at.
func claimedTags(values map[string]string, transitive []string) (t tags, err error) {
	if len(values) > maxTags || len(transitive) > maxTags {
		return t, cloud.Errorf("InvalidIdentityToken", "The assertion has more than %d session tags", maxTags)
	}
	var f form
	for key, value := range values {
		f.text("tags.key", &key, 1, maxTagKey, tagPattern)
		f.text("tags.value", &value, 0, maxTagValue, tagPattern)
	}
	if err := f.err(); err != nil {
		return t, err
	}
	for key, value := range values {
		if err := t.add(key, value); err != nil {
			return t, err
		}
	}
	t.transitive = transitive
	return t, t.check()
}

func (t *tags) add(key, value string) error {
	if strings.HasPrefix(strings.ToLower(key), "aws:") {
		return cloud.Errorf("InvalidParameterValue", "Tag keys that begin with aws: are reserved: use another than %s", quote(key))
	}
	if _, ok := t.find(key); ok {
		return cloud.Errorf("InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	}
	if t.values == nil {
		t.values = map[string]string{}
	}
	t.values[key] = value
	return nil
}

// find returns a key as it is spelled here.
func (t *tags) find(key string) (string, bool) {
	for k := range t.values {
		if strings.EqualFold(k, key) {
			return k, true
		}
	}
	return "", false
}

// check looks at transitive keys, and spells them as the tags do.
func (t *tags) check() error {
	var keys []string
	for _, key := range t.transitive {
		k, ok := t.find(key)
		if !ok {
			return cloud.Errorf("InvalidParameterValue", "The specified transitive tag key must be included in the requested tags.")
		}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	t.transitive = keys
	return nil
}

// inherit adds the transitive tags of the session that makes this one; no other
// values can take their place.
func (t *tags) inherit(from *cloud.Session) error {
	if from == nil {
		return nil
	}
	for _, key := range from.Transitive {
		if _, ok := t.find(key); ok {
			return cloud.Errorf("InvalidParameterValue",
				"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	for _, key := range from.Transitive {
		if err := t.add(key, from.Tags[key]); err != nil {
			return err
		}
		t.transitive = append(t.transitive, key)
	}
	return nil
}

// keys are the condition keys of the tags that a request passes.
func (t *tags) keys(to map[string][]string) {
	for key, value := range t.values {
		to["aws:RequestTag/"+key] = []string{value}
		to["aws:TagKeys"] = append(to["aws:TagKeys"], key)
	}
	slices.Sort(to["aws:TagKeys"])
	if len(t.transitive) > 0 {
		to["sts:TransitiveTagKeys"] = t.transitive
	}
}
