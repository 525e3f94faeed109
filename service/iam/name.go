package iam

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/cloud"
)

// The lengths of names, in characters:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
const (
	maxUserName = 64 // also of roles
	maxName     = 128
	maxPath     = 512
)

// The patterns that the API's model gives for parameters.
const (
	pathPattern   = `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`
	prefixPattern = `\u002F[\u0021-\u007E]*`
	wordPattern   = `[\w]+`
)

// checkName refuses what cannot be a name, as the parameter ("userName") says.
func checkName(parameter, name string, most int) error {
	if err := checkLength(parameter, name, 1, most); err != nil {
		return err
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("+=,.@-", r) }) {
		return cloud.Errorf("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", parameter)
	}
	return nil
}

// isWord reports whether the pattern \w means a character. Letters beyond ASCII,
// which can look like others, are none.
func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// isGraphic reports whether a character is one of \u0021-\u007E.
func isGraphic(r rune) bool { return '!' <= r && r <= '~' }

// checkLength refuses a value that is too short or too long, in characters.
func checkLength(parameter, value string, least, most int) error {
	switch n := utf8.RuneCountInString(value); {
	case n < least:
		return constraint(parameter, value, "Member must have length greater than or equal to %d", least)
	case n > most:
		return constraint(parameter, value, "Member must have length less than or equal to %d", most)
	}
	return nil
}

// pathOf returns the path that a request gives to what it makes: "/" if none.
func pathOf(path *string) (string, error) {
	if path == nil {
		return "/", nil
	}
	return *path, checkPath("path", *path)
}

// checkPath refuses what cannot be a path: "/" or "/…/", without empty parts and
// without those that mean another place to a file system.
func checkPath(parameter, path string) error {
	if err := checkLength(parameter, path, 1, maxPath); err != nil {
		return err
	}
	ok := path == "/" || len(path) > 2 && path[0] == '/' && path[len(path)-1] == '/' && isGraphicText(path)
	if ok && path != "/" {
		for part := range strings.SplitSeq(path[1:len(path)-1], "/") {
			ok = ok && part != "" && part != "." && part != ".."
		}
	}
	if !ok {
		return cloud.Errorf("ValidationError", "The specified value for %s is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.", parameter)
	}
	return nil
}

// checkPathPrefix refuses what no path can begin with.
func checkPathPrefix(prefix *string) error {
	if prefix == nil {
		return nil
	}
	if err := checkLength("pathPrefix", *prefix, 1, maxPath); err != nil {
		return err
	}
	if (*prefix)[0] != '/' || !isGraphicText(*prefix) {
		return constraint("pathPrefix", *prefix, "%s", mustMatch(prefixPattern))
	}
	return nil
}

func isGraphicText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isGraphic(r) })
}

// checkARN refuses what is too short or too long for an ARN:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html
func checkARN(parameter, arn string) error { return checkLength(parameter, arn, 20, 2048) }

// checkKeyID refuses what cannot be the ID of an access key.
func checkKeyID(id string) error {
	if err := checkLength("accessKeyId", id, 16, 128); err != nil {
		return err
	}
	if strings.ContainsFunc(id, func(r rune) bool { return !isWord(r) }) {
		return constraint("accessKeyId", id, "%s", mustMatch(wordPattern))
	}
	return nil
}

// checkOneOf refuses a value that is none of an enumeration.
func checkOneOf(parameter, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return constraint(parameter, value, "Member must satisfy enum value set: [%s]", strings.Join(values, ", "))
}
