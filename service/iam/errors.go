package iam

import (
	"fmt"

	"github.com/vauban-cloud/vauban/cloud"
)

// maxQuoted bounds what an error repeats of a request, in characters.
const maxQuoted = 256

// constraint is the error for a parameter that breaks a rule of the API's model,
// e.g. "Member must have length less than or equal to 64".
func constraint(parameter, value, rule string, args ...any) error {
	if r := []rune(value); len(r) > maxQuoted {
		value = string(r[:maxQuoted]) + "..."
	}
	return cloud.Errorf("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, parameter, fmt.Sprintf(rule, args...))
}

// mustMatch is the rule of a pattern, for constraint.
func mustMatch(pattern string) string {
	return "Member must satisfy regular expression pattern: " + pattern
}

// invalidInput is the error for parameters that are well formed but make no sense.
func invalidInput(format string, args ...any) error {
	return cloud.Errorf("InvalidInput", format, args...)
}

// noSuch is the error for what is not there, or not the caller's to see.
func noSuch(format string, args ...any) error {
	return cloud.Errorf("NoSuchEntity", format, args...)
}

// quota is the error for one more than may be, in the words of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
func quota(name string, most int) error {
	return cloud.Errorf("LimitExceeded", "Cannot exceed quota for %s: %d", name, most)
}

// conflict is the error for a deletion that something is in the way of.
func conflict(remedy string) error {
	return cloud.Errorf("DeleteConflict", "Cannot delete entity, must %s first.", remedy)
}
