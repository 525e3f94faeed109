// Package tagging checks tags, which are alike in all services:
// https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
package tagging

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of tags; lengths in characters.
const (
	Most     = 50
	MaxKey   = 128
	MaxValue = 256
)

// Check returns why a resource cannot have the tags, in words for the caller; empty: it can.
func Check(tags map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch value := tags[key]; {
		case key == "":
			return "The key of a tag is empty."
		case len(key) >= 4 && strings.EqualFold(key[:4], "aws:"):
			return "Tag keys that begin with aws: are the cloud's own."
		case utf8.RuneCountInString(key) > MaxKey:
			return fmt.Sprintf("A tag's key has at most %d characters.", MaxKey)
		case utf8.RuneCountInString(value) > MaxValue:
			return fmt.Sprintf("A tag's value has at most %d characters.", MaxValue)
		case !text(key) || !text(value):
			return "Tags are UTF-8 text without control characters."
		}
	}
	if len(tags) > Most {
		return fmt.Sprintf("A resource has at most %d tags.", Most)
	}
	return ""
}

func text(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
}

// Keys are the condition keys of a request that gives tags: aws:RequestTag/KEY and
// aws:TagKeys.
func Keys(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	if len(tags) == 0 {
		return keys
	}
	keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	for key, value := range tags {
		keys["aws:RequestTag/"+key] = []string{value}
	}
	return keys
}
