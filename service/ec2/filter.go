package ec2

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// The limits of a request's filters.
const (
	maxFilters      = 50
	maxFilterValues = 200
)

// field tells a filter the values that one resource has under a name: it calls
// is with each until is says yes, and returns whether it did. (A list of values
// would cost an allocation for every resource looked at.)
type field[T any] func(v T, is func(string) bool) bool

// fields are the filters of an operation, by name.
type fields[T any] map[string]field[T]

// one is the field of a property with exactly one value.
func one[T any](value func(T) string) field[T] {
	return func(v T, is func(string) bool) bool { return is(value(v)) }
}

// maybe is the field of a property that is empty when absent; no filter, not
// even "*", matches what is absent.
func maybe[T any](value func(T) string) field[T] {
	return func(v T, is func(string) bool) bool {
		s := value(v)
		return s != "" && is(s)
	}
}

// flag is the field of a property that is "true" or "false".
func flag[T any](value func(T) bool) field[T] {
	return func(v T, is func(string) bool) bool { return is(boolWord(value(v))) }
}

// never is the field of a property that no resource here has, such as those of
// IPv6: a filter on it is valid and matches nothing.
func never[T any](T, func(string) bool) bool { return false }

// boolWord is how the API's filters write a boolean, timeWord a time.
func boolWord(b bool) string      { return strconv.FormatBool(b) }
func timeWord(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// match compiles filters to the predicate that all of them hold. Each holds if
// any of its values matches any value of the field; values know the wildcards *
// and ?, and \ before a character that means itself. The filters tag:KEY, tag-key
// and tag-value are built in when tags is not nil. An unknown name is
// InvalidParameterValue.
//
// The predicate allocates nothing, so that a list of ten thousand resources is
// looked through in about a millisecond.
func match[T any](filters []ec2.Filter, fields fields[T], tags func(T) map[string]string) (func(T) bool, error) {
	if len(filters) > maxFilters {
		return nil, cloud.Errorf("FilterLimitExceeded", "The maximum number of filters specified on a single call is %d", maxFilters)
	}
	tests := make([]func(T) bool, 0, len(filters))
	for _, f := range filters {
		name := val(f.Name)
		switch {
		case name == "":
			return nil, cloud.Errorf("InvalidParameterValue", "The filter 'null' is invalid")
		case len(f.Values) == 0:
			return nil, cloud.Errorf("InvalidParameterValue", "The filter '%s' has no values", name)
		case len(f.Values) > maxFilterValues:
			return nil, cloud.Errorf("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		get, ok := fields[name]
		if !ok && tags != nil {
			get, ok = tagField(name, tags)
		}
		if !ok {
			return nil, cloud.Errorf("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		is := matcher(f.Values)
		tests = append(tests, func(v T) bool { return get(v, is) })
	}
	return func(v T) bool {
		for _, test := range tests {
			if !test(v) {
				return false
			}
		}
		return true
	}, nil
}

// tagField is the field of one of the filters on tags.
func tagField[T any](name string, tags func(T) map[string]string) (field[T], bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok && key != "" {
		return func(v T, is func(string) bool) bool {
			value, ok := tags(v)[key]
			return ok && is(value)
		}, true
	}
	switch name {
	case "tag-key":
		return func(v T, is func(string) bool) bool {
			for key := range tags(v) {
				if is(key) {
					return true
				}
			}
			return false
		}, true
	case "tag-value":
		return func(v T, is func(string) bool) bool {
			for _, value := range tags(v) {
				if is(value) {
					return true
				}
			}
			return false
		}, true
	}
	return nil, false
}

// matcher compiles the values of a filter: plain ones are compared, those with
// wildcards are matched.
func matcher(values []string) func(string) bool {
	var patterns []string
	plain := make(map[string]bool, len(values))
	for _, v := range values {
		if strings.ContainsAny(v, `*?\`) {
			patterns = append(patterns, v)
		} else {
			plain[v] = true
		}
	}
	if len(patterns) == 0 && len(values) == 1 {
		only := values[0]
		return func(s string) bool { return s == only }
	}
	return func(s string) bool {
		return plain[s] || slices.ContainsFunc(patterns, func(p string) bool { return wildcard(p, s) })
	}
}

// wildcard reports whether s matches pattern, in which * stands for any number
// of characters, ? for exactly one, and \ makes the next character stand for
// itself (at the end: for itself). It takes time proportional to the product of
// the two lengths at most.
func wildcard(pattern, s string) bool {
	p, i := 0, 0          // where pattern and s are read
	star, resume := -1, 0 // the last *, and where s goes on if it takes one more character
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, resume = p, i
			continue
		}
		if np, ni, ok := step(pattern, p, s, i); ok {
			p, i = np, ni
			continue
		}
		if star < 0 {
			return false
		}
		resume += charLen(s[resume:])
		p, i = star, resume
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// step matches one element of pattern at p, other than *, with s at i.
func step(pattern string, p int, s string, i int) (np, ni int, ok bool) {
	switch {
	case p == len(pattern):
		return 0, 0, false
	case pattern[p] == '?':
		return p + 1, i + charLen(s[i:]), true
	case pattern[p] == '\\' && p+1 < len(pattern):
		p++
	}
	return p + 1, i + 1, pattern[p] == s[i]
}

// where passes on the values of which keep is true.
func where[T any](seq iter.Seq[T], keep func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range seq {
			if keep(v) && !yield(v) {
				return
			}
		}
	}
}

// charLen is the length in bytes of the first character of s, which is not empty.
func charLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
