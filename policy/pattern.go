package policy

import (
	"strings"
	"unicode/utf8"
)

// A glob is text in which two bytes, which never occur in UTF-8, stand for the
// wildcards. So an asterisk that came from "${*}" or from a tag is only itself.
const (
	anyRun  = '\xff' // *
	anyChar = '\xfe' // ?
)

var wildcards = strings.NewReplacer("*", "\xff", "?", "\xfe")

// glob reports whether all of v matches the pattern. Wildcards do not swallow a
// colon before the fence, an offset in v: with the fence behind the fifth colon
// of an ARN, each of its six parts is matched by itself. It takes at most
// len(pattern) x len(v) steps.
//
// To go back to the last run alone is enough with a fence, too: what stands
// before that run cannot reach further than the next colon either.
func glob(pattern, v string, fence int) bool {
	p, i := 0, 0
	run, from := -1, 0 // the last run, and what it has swallowed up to
	for i < len(v) {
		if p < len(pattern) {
			switch c := pattern[p]; c {
			case anyRun:
				run, from = p, i
				p++
				continue
			case anyChar:
				if v[i] != ':' || i >= fence {
					i += charLen(v[i:])
					p++
					continue
				}
			case v[i]:
				i++
				p++
				continue
			}
		}
		if run < 0 || v[from] == ':' && from < fence {
			return false
		}
		from++
		p, i = run+1, from
	}
	for p < len(pattern) && pattern[p] == anyRun {
		p++
	}
	return p == len(pattern)
}

// charLen is the length of the first character of v.
func charLen(v string) int {
	if v[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRuneInString(v)
	return size
}

// foldGlob is glob without a fence for a pattern in lower case and v in any
// case of ASCII.
func foldGlob(pattern, v string) bool {
	p, i := 0, 0
	run, from := -1, 0
	for i < len(v) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == anyRun:
				run, from = p, i
				p++
				continue
			case c == anyChar || c == lower(v[i]):
				i++
				p++
				continue
			}
		}
		if run < 0 {
			return false
		}
		from++
		p, i = run+1, from
	}
	for p < len(pattern) && pattern[p] == anyRun {
		p++
	}
	return p == len(pattern)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// foldPrefix reports whether v begins with the prefix, which is in lower case.
func foldPrefix(v, prefix string) bool {
	if len(v) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(v[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// shape says how little is to be done to match a pattern.
type shape int

const (
	general shape = iota
	exact
	prefix
	everything
)

// shapeOf returns the shape of a glob, and the text that is compared.
func shapeOf(glob string) (shape, string) {
	first := len(glob)
	for i := range len(glob) {
		if glob[i] == anyRun || glob[i] == anyChar {
			first = i
			break
		}
	}
	switch rest := glob[first:]; {
	case rest == "":
		return exact, glob
	case rest == "\xff" && first == 0:
		return everything, ""
	case rest == "\xff":
		return prefix, glob[:first]
	}
	return general, glob
}

// actionPattern is one value of Action or NotAction, in lower case.
type actionPattern struct {
	shape shape
	text  string
}

func (a *actionPattern) match(action string) bool {
	switch a.shape {
	case everything:
		return true
	case exact:
		return len(a.text) == len(action) && foldPrefix(action, a.text)
	case prefix:
		return foldPrefix(action, a.text)
	default:
		return foldGlob(a.text, action)
	}
}

// resourcePattern is one value of Resource or NotResource.
type resourcePattern struct {
	shape    shape
	text     string
	template template // not nil: it has variables, and text is not used
}

// match matches an ARN, whose parts end before the fence, or "*", whose fence
// is 0 and which "*" alone matches.
func (r *resourcePattern) match(arn string, fence int, keys Keys) bool {
	if r.shape == everything {
		return true
	}
	if fence == 0 {
		return false
	}
	text := r.text
	if r.template != nil {
		var ok bool
		if text, ok = r.template.expand(keys); !ok {
			return false
		}
	}
	switch r.shape {
	case exact:
		return text == arn
	case prefix:
		return strings.HasPrefix(arn, text)
	default:
		return glob(text, arn, fence)
	}
}

// fenceOf returns the offset behind the fifth colon of an ARN, or 0 of what is
// no ARN.
func fenceOf(arn string) int {
	if !strings.HasPrefix(arn, "arn:") {
		return 0
	}
	colons := 0
	for i := range len(arn) {
		if arn[i] == ':' {
			if colons++; colons == 5 {
				return i + 1
			}
		}
	}
	return 0
}
